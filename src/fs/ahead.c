/* Files that are larger than staging-size, and go on from a version that they are committed as
 * before they are closed: those that are read or changed where their bytes have left already
 * (data/staging_release.c), and those that only grew since they were synced. Of others, what was
 * acknowledged goes to the store when there is no room. */
#include <errno.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"

static int commit_for_room(struct fs *fs, struct writing *w) {
  bool released = staged_is_released(w->staged);

  if (!released && staged_only_grew(w->staged))
    return gate_commit(fs, w);
  if (!released && staged_is_acked(w->staged))
    return behind_finish(fs, w);
  if (staged_go_ahead(w->staged))
    log_warn("a file of %llu bytes, more than staging-size holds, is read or changed where it was "
             "sent already: it is in S3 before it is closed",
             (unsigned long long)staged_size(w->staged));
  return gate_commit(fs, w);
}

/* Others have the room. A full disk is another matter: a commit needs the journal, which is there
 * too. */
static int wait_for_others(struct fs *fs, struct writing *w) {
  return staging_is_full(fs->staging, FS_WRITE_MAX) && behind_make_room(fs, w) ? 0 : -ENOSPC;
}

bool writing_goes_on(struct fs *fs, struct writing *w, int *rc) {
  if (*rc != -EREMOTE && *rc != -ENOSPC)
    return false;
  if (*rc == -ENOSPC || !staged_is_dirty(w->staged))
    *rc = wait_for_others(fs, w);
  else
    *rc = commit_for_room(fs, w);
  if (*rc != 0 && *rc != -ESTALE && *rc != -EEXIST)
    *rc = -ENOSPC;
  return *rc == 0;
}

bool writing_keeps_on(struct fs *fs, struct writing *w, int *rc) {
  if (*rc != -EREMOTE)
    return false;
  *rc = behind_make_room(fs, w) ? 0 : -ENOSPC;
  return *rc == 0;
}
