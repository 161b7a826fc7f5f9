/* The file system over the sources of an app, with its caches. */
#ifndef S3APFS_APP_FILESYSTEM_H
#define S3APFS_APP_FILESYSTEM_H

#include "app.h"

/* Finishes what an earlier process left in the state, too. The sources are open. Blocks.
 * 0, or -errno with one line in *why. */
int filesystem_new(struct app *a, const struct config *c, struct state *state, struct fs **out,
                   struct buf *why);

#endif
