/* Wildcard patterns and policy variables.
 *
 * A text of a document becomes a *coded pattern* before it is compared: its
 * wildcards turn into the two bytes below, which no UTF-8 text holds, so that a
 * '*' that came out of a variable stays an ordinary star. */
#ifndef S3APFS_POLICY_PATTERN_H
#define S3APFS_POLICY_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/policy/policy.h"

#define PATTERN_STAR '\xfe'
#define PATTERN_ANY '\xff'

struct pattern_rules {
  bool variables; /* expand ${...} */
  bool wildcards; /* code '*' and '?' */
};

/* Appends the coded pattern. -ENOENT when a variable has no single value in the
 * request and no default: the text then equals nothing. -EINVAL when a variable
 * is malformed (the parser refuses those) or its value is not UTF-8; -ENOMEM. */
int pattern_expand(struct buf *out, const char *text, struct pattern_rules rules,
                   const struct policy_request *r);
/* Checks every ${...}; -EINVAL with a remark in *why. */
int pattern_check_variables(const char *text, struct buf *why);

/* '*' any run, '?' one character (not one byte). fold: ASCII letters of either case. */
bool pattern_match(const char *coded, const char *s, bool fold);
/* The Resource rule: segments between colons are matched one by one; a star
 * that ends a segment may run over colons; the sixth segment takes the rest. */
bool pattern_match_resource(const char *coded, const char *arn);
/* The ArnLike rule: six segments on both sides, each matched by itself. */
bool pattern_match_arn(const char *coded, const char *arn);

/* First value of a key that has exactly one; NULL otherwise. */
const char *pattern_single_value(const struct policy_request *r, const char *key, size_t key_len);
/* NULL: the key is not in the request, or has no value. */
const struct policy_context_key *pattern_find_key(const struct policy_request *r, const char *key,
                                                  size_t key_len);

#endif
