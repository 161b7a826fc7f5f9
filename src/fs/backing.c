/* Files that the kernel reads by itself (FUSE passthrough).
 *
 * An open begins it when nobody else has the inode open, nothing below its root can
 * be changed through this mount, and the disk cache holds all of the version,
 * verified. The kernel holds an inode to it: until the last handle is closed, every
 * other open has to name the same backing file (versions.c). A handle's reader keeps
 * the file from being evicted. */
#include <string.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"

void fs_set_backing(struct fs *fs, const struct fs_backing *b) {
  mtx_lock(&fs->synced.lock);
  fs->synced.backing = *b;
  mtx_unlock(&fs->synced.lock);
}

static struct fs_backing backing_of(struct fs *fs) {
  struct fs_backing b;

  mtx_lock(&fs->synced.lock);
  b = fs->synced.backing;
  mtx_unlock(&fs->synced.lock);
  return b;
}

/* Without the privilege, or where the cache's file system cannot be stacked upon. */
static void give_up(struct fs *fs, int err) {
  static const struct fs_backing none;

  log_debug("the kernel does not read from the disk cache by itself: %s", strerror(-err));
  fs_set_backing(fs, &none);
}

int backing_take(struct fs *fs, uint64_t ino, const struct root *root, struct reader *r) {
  struct fs_backing b = backing_of(fs);
  int fd;
  int id;

  if (b.open == NULL || !root->options.backed || !versions_unopened(fs, ino))
    return 0;
  fd = reader_backing(r);
  if (fd < 0)
    return 0;
  id = b.open(b.arg, fd);
  if (id < 0)
    give_up(fs, id);
  return id > 0 ? id : 0;
}

void backing_drop(struct fs *fs, int id) {
  struct fs_backing b = backing_of(fs);

  if (id > 0 && b.close != NULL)
    b.close(b.arg, id);
}
