/* When a file was written: shown at once, and kept with the object. */
#include "fs_internal.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/ns/change.h"
#include "s3apfs/store/modified.h"

/* When it was written is kept with the object. Where objects can be appended to, the service's own
 * time of the version is that of the last write: an append cannot change another one. */
int writing_dress_time(struct writing *w, bool dirty) {
  struct posix p = {.has_mtime = true, .mtime_ns = atomic_load(&w->mtime_ns)};
  struct kvlist meta;
  int rc;

  if (p.mtime_ns == 0)
    return 0;
  kvlist_init(&meta);
  if (w->root->store->appends && !atomic_load(&w->timed))
    rc = w->root->options.posix == ROOT_POSIX_OFF ? 0 : modified_forget(&meta);
  else
    rc = root_dress(w->root, &p, &meta);
  if (rc == 0)
    rc = staged_dress(w->staged, &meta, dirty);
  if (rc == 0)
    atomic_store(&w->dressed_ns, p.mtime_ns);
  kvlist_fini(&meta);
  return rc;
}

/* It was written to after its time was taken, and before its content was: the time goes after it.
 */
bool writing_is_late(const struct writing *w) {
  return atomic_load(&w->mtime_ns) != atomic_load(&w->dressed_ns) && !staged_has_news(w->staged);
}

/* From now on the tree shows what is staged, until it is stored: then there has to be a commit.
 * Where no content changed, or its commit is on its way, the time alone is what that one has to
 * send. */
int writing_touch(struct fs *fs, struct writing *w) {
  int64_t now = clock_wall_ms(&clock_system) * 1000000;

  atomic_store(&w->timed, false);
  atomic_store(&w->mtime_ns, now);
  ns_written(fs->ns, w->ino, staged_size(w->staged), now);
  return staged_has_news(w->staged) ? 0 : writing_dress_time(w, true);
}
