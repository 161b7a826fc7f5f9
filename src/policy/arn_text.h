/* ARNs as people paste them into documents: split without copying, and checked
 * with a remark that helps. */
#ifndef S3APFS_POLICY_ARN_TEXT_H
#define S3APFS_POLICY_ARN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "s3apfs/base/buf.h"

enum arn_part { ARN_SCHEME, ARN_PARTITION, ARN_SERVICE, ARN_REGION, ARN_ACCOUNT, ARN_RESOURCE };
#define ARN_PARTS 6

struct arn_text {
  const char *part[ARN_PARTS]; /* borrowed, not terminated */
  size_t len[ARN_PARTS];
  size_t count; /* parts found, 1..6; the last one takes the rest */
};

void arn_text_split(const char *s, struct arn_text *out);
bool arn_text_is(const struct arn_text *a, enum arn_part part, const char *value);
/* Twelve digits. */
bool arn_text_is_account(const char *s, size_t len);

/* Slips of pasting: typographic quotes, blanks where no ARN has any, a missing
 * colon. -EINVAL with a remark in *why. Says nothing about wildcards. */
int arn_text_check(const char *s, struct buf *why);

/* Length of the typographic quotation mark at s, 0 when there is none. */
size_t arn_text_quote_at(const char *s);

#endif
