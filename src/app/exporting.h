/* s3apfs sync --export: in the mount, and in the command. */
#ifndef S3APFS_APP_EXPORTING_H
#define S3APFS_APP_EXPORTING_H

#include <cjson/cJSON.h>

#include "mounts.h"
#include "s3apfs/fs/fs.h"

/* Of a mount with per-user: "export-of UID ID FOLDER", else "export ID FOLDER". */
#define EXPORT_REQUEST "export "
#define EXPORT_OF_REQUEST "export-of "

/* The mount's answer. request: "ID FOLDER", the folder percent-encoded. Below that the
 * file goes into the folder `within`, made when it is not there; NULL: into FOLDER itself. */
cJSON *exporting_answer(struct fs *fs, const char *request, const char *within);

/* Has the mount write out each of these pending files below the folder, one line each.
 * The number of those that it could not. */
unsigned exporting_all(const struct mount_entry *e, const cJSON *pending, const char *folder);

#endif
