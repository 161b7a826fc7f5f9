/* Waiting until a mount has brought everything to S3. */
#ifndef S3APFS_APP_FLUSH_H
#define S3APFS_APP_FLUSH_H

#include "mounts.h"

/* 0; -EIO: some files could not be sent (they were listed); else the mount does not
 * answer. */
int flush_mount(const struct mount_entry *e);

#endif
