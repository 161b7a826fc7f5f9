/* A store's contents changed as a whole: bytes first, so that nobody finds them any
 * more, then names, then the kernel. */
#include <errno.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"

void fs_set_vanished(struct fs *fs,
                     void (*vanished)(void *arg, uint64_t parent, const char *name, uint64_t ino),
                     void (*await)(void *arg), void *arg) {
  mtx_lock(&fs->synced.lock);
  fs->synced.vanished = vanished;
  fs->synced.await = await;
  fs->synced.vanished_arg = arg;
  mtx_unlock(&fs->synced.lock);
}

void fs_tell_vanished(void *arg, uint64_t parent, const char *name, uint64_t ino) {
  struct fs *fs = arg;
  void (*vanished)(void *arg, uint64_t parent, const char *name, uint64_t ino);
  void *vanished_arg;

  mtx_lock(&fs->synced.lock);
  vanished = fs->synced.vanished;
  vanished_arg = fs->synced.vanished_arg;
  mtx_unlock(&fs->synced.lock);
  if (vanished != NULL)
    vanished(vanished_arg, parent, name, ino);
}

void fs_await_vanished(struct fs *fs) {
  void (*await)(void *arg);
  void *arg;

  mtx_lock(&fs->synced.lock);
  await = fs->synced.await;
  arg = fs->synced.vanished_arg;
  mtx_unlock(&fs->synced.lock);
  if (await != NULL)
    await(arg);
}

void fs_changed_below(struct fs *fs, const struct store *s, const char *prefix, bool gone) {
  cache_drop(fs->cache, store_realm(s), prefix);
  if (ns_changed_below(fs->ns, s, prefix, gone, fs_tell_vanished, fs) != 0)
    log_warn("no memory to forget all of '%s' at once; it ends by its time to live", prefix);
}
