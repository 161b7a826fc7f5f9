/* Directory handles. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"

static struct ns_dir *dir_of(uint64_t handle) {
  return (struct ns_dir *)(uintptr_t)handle;
}

int fs_opendir(struct fs *fs, uint64_t ino, uint64_t *handle) {
  struct patience p = fs_patience(fs);
  struct ns_dir *d;
  int rc = ns_dir_open(fs->ns, ino, &p, &d);

  if (rc == 0)
    *handle = (uint64_t)(uintptr_t)d;
  return rc;
}

static bool is_dot(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int fs_readdir(struct fs *fs, uint64_t handle, uint64_t from, bool plus, fs_dirent_fn fn,
               void *arg) {
  struct patience p = fs_patience(fs);
  struct ns_entry e;
  struct fs_entry out;
  bool end = false;
  int rc = ns_dir_read(dir_of(handle), from, plus, &p, &e, &end);

  while (rc == 0 && !end) {
    fs_fill_entry(&e.attr, &out);
    if (!fn(arg, e.name, &out, e.next)) {
      if (plus && !is_dot(e.name))
        ns_forget(fs->ns, e.attr.ino, 1);
      break;
    }
    rc = ns_dir_read(dir_of(handle), e.next, plus, &p, &e, &end);
  }
  return rc;
}

void fs_releasedir(struct fs *fs, uint64_t handle) {
  (void)fs;
  ns_dir_close(dir_of(handle));
}
