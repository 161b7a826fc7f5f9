/* Changing the contents of files.
 *
 * Writes go to staging and are seen by every handle of the mount at once. They
 * reach the store by flush (a close), fsync, and release. A flush comes at every
 * close of a duplicated descriptor, from other processes too: only that of the
 * process that opened the handle commits; one from elsewhere sees half-written
 * content, which is only made safe in the journal. What a handle still owes, its
 * release commits: when descriptors were passed on, or, for any handle of the file, what a
 * mapping has changed, because its pages come through whichever is mapped. A release comes
 * some time after the close: what another handle has written by then may be half a
 * save, and is not its to commit.
 *
 * flush, fsync, release and truncation without a handle may take as long as an
 * upload: they must not be called on threads that serve others meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs_internal.h"
#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/ns/change.h"

/* The file's writing when the handle was opened for writing. */
static struct writing *writable(struct fs_file *f) {
  struct writing *w = atomic_load(&f->writing);

  return w != NULL && (f->flags & O_ACCMODE) != O_RDONLY ? w : NULL;
}

/* --- creating --- */

static int dress(struct writing *w, const struct posix *posix) {
  struct kvlist meta;
  int rc;

  kvlist_init(&meta);
  rc = root_dress(w->root, posix, &meta);
  if (rc == 0)
    rc = staged_dress(w->staged, &meta, false);
  kvlist_fini(&meta);
  return rc;
}

static int open_new(struct fs *fs, const struct ns_attr *a, const struct root *r, const char *key,
                    const struct posix *posix, int flags, struct fs_opened *opened) {
  struct writing *w;
  int rc = writing_begin_new(fs, a->ino, r, key, &w);

  if (rc != 0)
    return rc;
  rc = dress(w, posix);
  if (rc == 0)
    rc = writing_prove(fs, w);
  if (rc == 0)
    rc = ns_hold(fs->ns, a->ino);
  if (rc == 0) {
    rc = fs_file_open_writing(fs, w, flags, opened);
    if (rc == 0)
      atomic_store(&fs_file_of(opened->handle)->owes, true);
    else
      ns_release(fs->ns, a->ino);
  }
  if (rc != 0) {
    if (staged_discard(w->staged) != 0)
      log_debug("a file that could not be opened stays staged");
    writing_put(fs, w);
  }
  return rc;
}

static int create_new(struct fs *fs, uint64_t parent, const char *name, int flags,
                      const struct fs_maker *by, struct fs_entry *out, struct fs_opened *opened) {
  struct posix posix = names_made_by(by, S_IFREG);
  const struct ns_made made = {.type = NS_FILE, .posix = &posix};
  const struct root *r;
  struct ns_attr a;
  char *key;
  int rc = ns_place(fs->ns, parent, name, &r, &key);

  if (rc != 0)
    return rc;
  rc = ns_made(fs->ns, parent, name, &made, &a);
  if (rc == 0) {
    rc = open_new(fs, &a, r, key, &posix, flags, opened);
    if (rc != 0) {
      ns_removed(fs->ns, parent, name);
      ns_forget(fs->ns, a.ino, 1);
    }
  }
  free(key);
  if (rc != 0)
    return rc;
  fs_fill_entry(&a, out);
  fs_pin_size(fs, out);
  return 0;
}

/* The object is made before the open returns: so that one host alone succeeds, or because
 * a handle that only reads commits nothing. */
static int create_at_once(struct fs *fs, uint64_t parent, const char *name, int flags,
                          const struct fs_maker *by, struct fs_entry *out,
                          struct fs_opened *opened) {
  int rc = names_mknod(fs, parent, name, by, out);

  if (rc != 0)
    return rc;
  rc = file_open(fs, out->ino, flags & ~(O_CREAT | O_EXCL), opened);
  if (rc != 0)
    fs_forget(fs, out->ino, 1);
  return rc;
}

static bool is_made_at_once(const struct root *r, int flags) {
  return (flags & O_ACCMODE) == O_RDONLY || ((flags & O_EXCL) != 0 && r->options.exclusive_open);
}

static int create(struct fs *fs, uint64_t parent, const char *name, int flags,
                  const struct fs_maker *by, struct fs_entry *out, struct fs_opened *opened) {
  double negative_ttl;
  const struct root *r;
  char *key;
  int rc = ns_get_key(fs->ns, parent, &r, &key);

  if (rc != 0)
    return rc;
  free(key);
  rc = writing_allowed(fs, r);
  if (rc != 0)
    return rc;
  rc = fs_find(fs, parent, name, out, &negative_ttl);
  if (rc == -ENOENT && is_made_at_once(r, flags)) {
    rc = create_at_once(fs, parent, name, flags, by, out, opened);
    if (rc != -EEXIST || (flags & O_EXCL) != 0)
      return rc;
    rc = fs_find(fs, parent, name, out, &negative_ttl); /* another host was faster */
  }
  if (rc == -ENOENT)
    return create_new(fs, parent, name, flags, by, out, opened);
  if (rc != 0)
    return rc;
  rc = (flags & O_EXCL) != 0 ? -EEXIST : file_open(fs, out->ino, flags, opened);
  if (rc != 0)
    fs_forget(fs, out->ino, 1);
  return rc;
}

int fs_create(struct fs *fs, uint64_t parent, const char *name, int flags,
              const struct fs_maker *by, struct fs_entry *out, struct fs_opened *opened) {
  struct gate_pass pass = {.inos = {parent}};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = create(fs, parent, name, flags, by, out, opened);
  gate_leave(fs, &pass);
  return rc;
}

/* --- writing --- */

bool fs_is_writable(uint64_t handle) {
  return writable(fs_file_of(handle)) != NULL;
}

void fs_set_opener(uint64_t handle, pid_t process) {
  fs_file_of(handle)->opener = process;
}

static int write_staged(struct fs *fs, struct writing *w, bool append, uint64_t off,
                        const void *data, size_t size) {
  int rc;

  do
    rc = append ? staged_append(w->staged, data, size) : staged_write(w->staged, off, data, size);
  while (writing_goes_on(fs, w, &rc));
  if (rc != 0)
    return rc;
  rc = writing_touch(fs, w); /* a commit may have ended in between */
  staged_stream(w->staged);
  return rc;
}

int fs_write(struct fs *fs, uint64_t handle, uint64_t off, const void *data, size_t size) {
  struct fs_file *f = fs_file_of(handle);
  struct writing *w = writable(f);
  int rc;

  if (w == NULL)
    return -EBADF;
  atomic_store(&f->owes, true);
  fs_file_ref(f);
  rc = write_staged(fs, w, (f->flags & O_APPEND) != 0, off, data, size);
  if (rc == 0 && (f->flags & (O_SYNC | O_DSYNC)) != 0)
    rc = gate_promise(fs, w);
  fs_file_unref(fs, f);
  return rc;
}

int fs_write_mapped(struct fs *fs, uint64_t handle, uint64_t off, const void *data, size_t size) {
  struct fs_file *f = fs_file_of(handle);
  struct writing *w = writable(f);
  int rc;

  if (w == NULL)
    return -EBADF;
  atomic_store(&w->mapped, true);
  fs_file_ref(f);
  rc = write_staged(fs, w, false, off, data, size);
  fs_file_unref(fs, f);
  return rc;
}

/* A write that comes meanwhile is owed again. */
static int keep_promise(struct fs *fs, struct fs_file *f, struct writing *w) {
  bool owed = atomic_exchange(&f->owes, false);
  bool mapped = atomic_exchange(&w->mapped, false);
  int rc = gate_promise(fs, w);

  if (rc != 0 && owed)
    atomic_store(&f->owes, true);
  if (rc != 0 && mapped)
    atomic_store(&w->mapped, true);
  return rc;
}

static bool is_owed(struct fs_file *f, struct writing *w) {
  return atomic_load(&f->owes) || atomic_load(&w->mapped);
}

int fs_flush(struct fs *fs, uint64_t handle, pid_t process) {
  struct fs_file *f = fs_file_of(handle);
  struct writing *w = writable(f);
  bool opener = f->opener == 0 || process == 0 || process == f->opener;

  if (w == NULL)
    return 0;
  return opener ? keep_promise(fs, f, w) : staged_secure(w->staged);
}

int fs_fsync(struct fs *fs, uint64_t handle) {
  struct fs_file *f = fs_file_of(handle);
  struct writing *w = atomic_load(&f->writing);
  int rc = w != NULL ? keep_promise(fs, f, w) : 0;

  if (w != NULL && rc == 0)
    staged_note_sync(w->staged);
  return rc;
}

static int truncate_staged(struct fs *fs, struct writing *w, uint64_t size) {
  int rc;

  do
    rc = staged_truncate(w->staged, size);
  while (writing_goes_on(fs, w, &rc));
  return rc;
}

int fs_truncate(struct fs *fs, uint64_t ino, uint64_t handle, uint64_t size) {
  struct gate_pass pass = {.inos = {ino}};
  struct writing *w;
  int rc;

  if (handle != 0) {
    w = writable(fs_file_of(handle));
    if (w == NULL)
      return -EINVAL;
    atomic_store(&fs_file_of(handle)->owes, true);
    rc = truncate_staged(fs, w, size);
    return rc == 0 ? writing_touch(fs, w) : rc;
  }
  rc = gate_enter(fs, &pass);
  if (rc != 0)
    return rc;
  rc = writing_begin(fs, ino, &w);
  gate_leave(fs, &pass);
  if (rc != 0)
    return rc;
  rc = truncate_staged(fs, w, size);
  if (rc == 0)
    rc = writing_touch(fs, w);
  if (rc == 0)
    rc = gate_promise(fs, w);
  writing_put(fs, w);
  return rc;
}

int fs_allocate(struct fs *fs, uint64_t handle, int mode, uint64_t off, uint64_t size) {
  struct writing *w = writable(fs_file_of(handle));
  int rc;

  if (w == NULL)
    return -EBADF;
  atomic_store(&fs_file_of(handle)->owes, true);
  do
    rc = staged_allocate(w->staged, mode, off, size);
  while (writing_goes_on(fs, w, &rc));
  if (rc == 0 && staged_has_news(w->staged)) /* where nothing changed, no time does either */
    rc = writing_touch(fs, w);
  return rc;
}

int fs_seek(struct fs *fs, uint64_t handle, uint64_t off, int whence, uint64_t *out) {
  struct fs_file *f = fs_file_of(handle);
  struct writing *w = atomic_load(&f->writing);
  uint64_t size;

  (void)fs;
  if (w != NULL)
    return staged_seek(w->staged, off, whence, out);
  mtx_lock(&f->synced.lock);
  size = f->synced.view->attr.size;
  mtx_unlock(&f->synced.lock);
  if (off >= size)
    return -ENXIO;
  *out = whence == SEEK_DATA ? off : size;
  return 0;
}

/* The error has nobody to go to: it is in the log, and in the journal. */
void fs_release(struct fs *fs, uint64_t handle) {
  struct fs_file *f = fs_file_of(handle);
  struct writing *w = writable(f);
  int rc;

  atomic_store(&f->released, true);
  rc = w != NULL && is_owed(f, w) ? keep_promise(fs, f, w) : 0;
  if (rc == -EACCES)
    writing_drop_denied(fs, w);
  if (rc != 0 && rc != -ESTALE)
    log_error("a file that was closed is not in the store yet: %s", strerror(-rc));
  f->handle.end(fs, &f->handle);
}
