/* s3apfs sync --export: in the mount, and in the command. */
#ifndef S3APFS_APP_EXPORTING_H
#define S3APFS_APP_EXPORTING_H

#include <cjson/cJSON.h>

#include "mounts.h"
#include "s3apfs/fs/fs.h"

/* The mount's answer. request: "ID FOLDER", the folder percent-encoded. */
cJSON *exporting_answer(struct fs *fs, const char *request);

/* Has the mount write out each of these pending files below the folder, one line each.
 * The number of those that it could not. */
unsigned exporting_all(const struct mount_entry *e, const cJSON *pending, const char *folder);

#endif
