/* Private to the target parser: what pasting does to a name. */
#ifndef S3APFS_AWS_TARGET_SPELLING_H
#define S3APFS_AWS_TARGET_SPELLING_H

#include <stddef.h>

#include "s3apfs/base/buf.h"

/* Bytes of source in front of its key prefix: scheme, ARN, names. */
size_t target_head_length(const char *source);
/* 0 when the head holds no blanks, quotes or typographic dashes; else -EINVAL
 * with the cleaned spelling in *why; -ENOMEM. Prefixes may hold any of them. */
int target_check_spelling(const char *source, struct buf *why);

#endif
