/* The keys that serve a path, for other programs (`s3apfs credentials`). */
#ifndef S3APFS_APP_VEND_H
#define S3APFS_APP_VEND_H

#include <cjson/cJSON.h>

#include "app.h"

/* path: relative to the mount, folders with a slash at the end, "" the root. A
 * grant's keys are asked for with this permission; direct sources have only those
 * of their identity. Blocks. 0, or -errno with one line in *why. */
int vend_keys(struct app *a, const char *path, enum scope_permission permission, struct keys **out,
              struct buf *why);
/* As a credential_process document, version 1 (AWS CLI, "Sourcing credentials with
 * an external process"): the caller deletes it, and wipes what he prints. */
cJSON *vend_document(const struct keys *k);

#endif
