/* When an object was last modified, as far as its user metadata tells that: file-mtime (AWS's file
 * services) and mtime (s3fs, rclone), whatever their values are. Names come without x-amz-meta-. */
#ifndef S3APFS_STORE_MODIFIED_H
#define S3APFS_STORE_MODIFIED_H

#include <stdbool.h>

#include "s3apfs/base/kv.h"

/* Metadata of this name tells it. */
bool modified_is_name(const char *name);
/* One of the list does. */
bool modified_is_told(const struct kvlist *meta);
/* Sets those names to "", which takes them away from what such a list is laid over. 0 or -ENOMEM.
 */
int modified_forget(struct kvlist *meta);

#endif
