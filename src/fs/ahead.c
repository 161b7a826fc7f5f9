/* Files that are larger than staging-size, and are read or changed where their bytes have left
 * already (data/staging_release.c): they are committed before they are closed, and go on from
 * that version. */
#include <errno.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"

bool writing_goes_on(struct fs *fs, struct writing *w, int *rc) {
  if (*rc != -EREMOTE)
    return false;
  if (staged_go_ahead(w->staged))
    log_warn("a file of %llu bytes, more than staging-size holds, is read or changed where it was "
             "sent already: it is in S3 before it is closed",
             (unsigned long long)staged_size(w->staged));
  if (!staged_is_dirty(w->staged)) { /* others have the room */
    *rc = -ENOSPC;
    return false;
  }
  *rc = writing_commit(fs, w);
  if (*rc != 0 && *rc != -ESTALE && *rc != -EEXIST)
    *rc = -ENOSPC;
  return *rc == 0;
}
