/* Waiting until a mount has brought everything to S3. */
#ifndef S3APFS_APP_FLUSH_H
#define S3APFS_APP_FLUSH_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "mounts.h"

/* timeout_ms 0: as long as it takes. 0: all is there; -EIO: what *left lists cannot be sent
 * now; -ETIME: what it lists was on its way still; the caller deletes it. Else the mount does
 * not answer. */
int flush_mount(const struct mount_entry *e, int64_t timeout_ms, cJSON **left);

#endif
