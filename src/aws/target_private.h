/* Private to the target parser: naming rules, messages and the parts of SOURCE
 * that have files of their own. */
#ifndef S3APFS_AWS_TARGET_PRIVATE_H
#define S3APFS_AWS_TARGET_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "s3apfs/aws/target.h"
#include "s3apfs/base/buf.h"

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static inline bool has_upper(const char *s) {
  return strpbrk(s, UPPER) != NULL;
}

/* All checks return 0, -EINVAL with a line in *why, or -ENOMEM. */
int target_refuse(struct buf *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "WHAT are lower case; did you mean s"; what is a plural. */
int target_refuse_upper(struct buf *why, const char *what, const char *s);
int target_check_account(const char *account, struct buf *why);
int target_check_region(const char *region, struct buf *why);
int target_check_access_point_name(const char *name, struct buf *why);
int target_check_bucket_name(const char *name, struct buf *why);
/* TARGET_BUCKET for a name without one of AWS's reserved suffixes. */
enum target_kind target_kind_by_suffix(const char *name);

/* Bytes of source in front of its key prefix: scheme, ARN, names. */
size_t target_head_length(const char *source);
/* Refuses blanks, quotes and typographic dashes in the head and shows the
 * spelling without; prefixes may hold any of them. */
int target_check_spelling(const char *source, struct buf *why);

/* 0 or -ENOMEM. */
int target_set_copy(char **at, const char *s, size_t n);
/* raw: what stands behind the head, from its slash on. */
int target_set_prefix(struct target *t, const char *raw, struct buf *why);
/* `name` of `len` bytes, then a prefix: a bucket or any alias. */
int target_parse_named(struct target *t, const char *name, size_t len, struct buf *why);
/* The Region of a directory bucket or its access point, as its name tells it, if it does. 0 or
 * -ENOMEM. */
int target_take_zone(struct target *t);
int target_parse_arn(struct target *t, const char *s, struct buf *why);

#endif
