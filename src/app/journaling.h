/* Where changes wait until they are in S3. */
#ifndef S3APFS_APP_JOURNALING_H
#define S3APFS_APP_JOURNALING_H

#include "config.h"
#include "s3apfs/state/state.h"

/* Opens the state of the mount at `dir`. *out NULL: nothing may be changed; when that is
 * only so because the default directory cannot be used, every part of the configuration
 * is read-only from here on and *because has the line that says why. A directory that was
 * named, or is needed by writeback, or holds what cannot be read, fails: 0 or -errno with
 * one line in *why. Blocks on the disk. */
int journaling_open(struct config *c, const char *dir, struct state **out, struct buf *because,
                    struct buf *why);

/* The folder in which the mount's state is kept, the caller's; NULL: it has none, or there is no
 * such place. */
char *journaling_dir(const struct config *c);

/* What the directories of this configuration promise can be kept there. 0, or -EINVAL with
 * one line in *why. state NULL: there is none. */
int journaling_check(const struct config *c, const struct state *state, struct buf *why);

#endif
