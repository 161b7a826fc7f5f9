/* Directory handles. While a folder moves, the store lists what has not moved yet: who asks waits
 * for the end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"

struct fs_dir {
  struct fs_handle handle;
  struct ns_dir *dir;
  uint64_t ino;
};

static struct fs_dir *dir_of(uint64_t handle) {
  return (struct fs_dir *)(uintptr_t)handle;
}

static void dir_end(struct fs *fs, struct fs_handle *h) {
  struct fs_dir *d = (struct fs_dir *)h;

  fs_handle_remove(fs, h);
  ns_dir_close(d->dir);
  free(d);
}

static int open_dir(struct fs *fs, uint64_t ino, struct ns_dir **out) {
  struct gate_pass pass = {.inos = {ino}, .reads = true};
  struct patience p = fs_patience(fs);
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = ns_dir_open(fs->ns, ino, &p, out);
  gate_leave(fs, &pass);
  return rc;
}

int fs_opendir(struct fs *fs, uint64_t ino, uint64_t *handle) {
  struct fs_dir *d = calloc(1, sizeof(*d));
  int rc = d == NULL ? -ENOMEM : open_dir(fs, ino, &d->dir);

  if (rc != 0) {
    free(d);
    return rc;
  }
  d->ino = ino;
  d->handle.end = dir_end;
  fs_handle_add(fs, &d->handle);
  *handle = (uint64_t)(uintptr_t)d;
  return 0;
}

static bool is_dot(const char *name) {
  return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int read_dir(struct fs *fs, uint64_t handle, uint64_t from, bool plus, fs_dirent_fn fn,
                    void *arg) {
  struct patience p = fs_patience(fs);
  struct ns_entry e;
  struct fs_entry out;
  bool end = false;
  int rc = ns_dir_read(dir_of(handle)->dir, from, plus, &p, &e, &end);

  while (rc == 0 && !end) {
    fs_fill_entry(&e.attr, &out);
    if (plus)
      fs_pin_size(fs, &out);
    if (!fn(arg, e.name, &out, e.next)) {
      if (plus && !is_dot(e.name))
        ns_forget(fs->ns, e.attr.ino, 1);
      break;
    }
    rc = ns_dir_read(dir_of(handle)->dir, e.next, plus, &p, &e, &end);
  }
  return rc;
}

int fs_readdir(struct fs *fs, uint64_t handle, uint64_t from, bool plus, fs_dirent_fn fn,
               void *arg) {
  struct gate_pass pass = {.inos = {dir_of(handle)->ino}, .reads = true};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = read_dir(fs, handle, from, plus, fn, arg);
  gate_leave(fs, &pass);
  return rc;
}

void fs_releasedir(struct fs *fs, uint64_t handle) {
  dir_end(fs, &dir_of(handle)->handle);
}
