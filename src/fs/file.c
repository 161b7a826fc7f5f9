/* File handles.
 *
 * A handle reads through a view: one version of the object and its reader. Every
 * open proves that the version can be read by its first bytes, which the read
 * that follows needs anyway: a denial or a change belongs to open(), and the
 * round trip is not an additional one.
 *
 * When the store says that the object changed, a handle that has given out
 * nothing takes a view of the new version (for handles that use the page cache
 * versions.c decides, for all of an inode together); any other is stale for
 * good, but goes on with what is cached of its version.
 *
 * Views and handles are counted: a reply may bring the release of the handle
 * before the read that sent it returns, and a read may use a view while another
 * replaces it. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"

#define VERSION_TRIES 3 /* an object that changes faster than it can be opened */

struct fs_file *fs_file_of(uint64_t handle) {
  return (struct fs_file *)(uintptr_t)handle;
}

/* --- views --- */

static void view_unref(struct view *v) {
  if (atomic_fetch_sub(&v->refs, 1) != 1)
    return;
  reader_free(v->reader);
  free(v);
}

static int view_new(struct fs *fs, const struct ns_object *o, struct view **out) {
  struct view *v = calloc(1, sizeof(*v));
  int rc;

  if (v == NULL)
    return -ENOMEM;
  rc = reader_new(fs->cache, o->root->store, o->key, &o->attr, &v->reader);
  if (rc != 0) {
    free(v);
    return rc;
  }
  atomic_init(&v->refs, 1);
  v->attr = o->attr;
  v->root = o->root;
  *out = v;
  return 0;
}

/* A view that has proved that its version can be read. */
static int view_open(struct fs *fs, const struct ns_object *o, const struct patience *p,
                     struct view **out) {
  struct view *v;
  int rc;

  if (o->attr.archived) {
    log_warn("'%s' is archived: it must be restored in S3 before it can be read", o->key);
    return -EACCES;
  }
  rc = view_new(fs, o, &v);
  if (rc != 0)
    return rc;
  rc = reader_probe(v->reader, p);
  if (rc != 0) {
    view_unref(v);
    return rc;
  }
  *out = v;
  return 0;
}

static void doubt(struct fs *fs, uint64_t ino, int err) {
  ns_expire(fs->ns, ino, err);
  fs_notify_changed(fs, ino);
}

/* A view of the version that is current now; what turned out to be old on the
 * way is asked for again. */
static int view_open_current(struct fs *fs, uint64_t ino, const struct patience *p,
                             struct view **out, bool *changed) {
  int rc = -ESTALE;

  for (int i = 0; i < VERSION_TRIES && rc == -ESTALE; i++) {
    struct ns_object o;

    *changed = i > 0;
    rc = ns_get_object(fs->ns, ino, p, &o);
    if (rc != 0)
      return rc;
    rc = view_open(fs, &o, p, out);
    ns_object_fini(&o);
    if (rc == -ESTALE || rc == -ENOENT)
      doubt(fs, ino, rc);
  }
  return rc;
}

/* --- handles --- */

static void file_end(struct fs *fs, struct fs_handle *h);

static struct fs_file *file_alloc(uint64_t ino, int flags, const struct fs_opened *how) {
  struct fs_file *f = calloc(1, sizeof(*f));

  if (f == NULL)
    return NULL;
  mtx_init(&f->synced.lock, RANK_HANDLE);
  atomic_init(&f->refs, 1);
  f->ino = ino;
  f->flags = flags;
  f->direct = how->direct_io;
  f->handle.end = file_end;
  return f;
}

static int file_new(struct fs *fs, uint64_t ino, struct view *v, bool changed,
                    struct fs_opened *out) {
  struct fs_file *f;
  int backing = changed ? 0 : backing_take(fs, ino, v->root, v->reader);
  int rc;

  out->backing = backing;
  rc = versions_open(fs, ino, &v->attr, 0, changed, out, &v->generation);
  if (rc != 0 || out->backing != backing)
    backing_drop(fs, backing); /* somebody else was faster */
  if (rc != 0)
    return rc;
  f = file_alloc(ino, O_RDONLY, out);
  if (f == NULL) {
    versions_close(fs, ino, out->direct_io);
    return -ENOMEM;
  }
  f->synced.view = v;
  fs_handle_add(fs, &f->handle);
  out->handle = (uint64_t)(uintptr_t)f;
  return 0;
}

int fs_file_open_writing(struct fs *fs, struct writing *w, int flags, struct fs_opened *out) {
  struct store_attr attr = {.size = staged_size(w->staged)};
  struct fs_file *f;
  uint64_t generation;
  int rc;

  memcpy(attr.etag, w->base_etag, sizeof(attr.etag));
  out->backing = 0;
  rc = versions_open(fs, w->ino, &attr, w->serial, false, out, &generation);
  if (rc != 0)
    return rc;
  f = file_alloc(w->ino, flags, out);
  if (f == NULL) {
    versions_close(fs, w->ino, out->direct_io);
    return -ENOMEM;
  }
  atomic_store(&f->writing, w);
  fs_handle_add(fs, &f->handle);
  out->handle = (uint64_t)(uintptr_t)f;
  return 0;
}

/* An open file that is not written to. */
static const struct fs_file *plain_file(const struct fs_handle *h) {
  const struct fs_file *f = (const struct fs_file *)h;

  return h->end == file_end && atomic_load(&f->writing) == NULL ? f : NULL;
}

bool fs_files_view(struct fs *fs, uint64_t ino, struct store_attr *attr) {
  struct fs_handle *h;
  bool found = false;

  mtx_lock(&fs->synced.lock);
  DL_FOREACH (fs->synced.handles, h) {
    struct fs_file *f = (struct fs_file *)plain_file(h);

    if (f == NULL || f->ino != ino)
      continue;
    mtx_lock(&f->synced.lock);
    *attr = f->synced.view->attr;
    mtx_unlock(&f->synced.lock);
    found = true;
    break;
  }
  mtx_unlock(&fs->synced.lock);
  return found;
}

uint64_t fs_files_next(struct fs *fs, uint64_t ino) {
  struct fs_handle *h;
  uint64_t next = 0;

  mtx_lock(&fs->synced.lock);
  DL_FOREACH (fs->synced.handles, h) {
    const struct fs_file *f = plain_file(h);

    if (f != NULL && f->ino > ino && (next == 0 || f->ino < next))
      next = f->ino;
  }
  mtx_unlock(&fs->synced.lock);
  return next;
}

bool fs_files_use(struct fs *fs, const struct writing *w) {
  struct fs_handle *h;
  bool used = false;

  mtx_lock(&fs->synced.lock);
  DL_FOREACH (fs->synced.handles, h) {
    struct fs_file *f = (struct fs_file *)h;

    used |= h->end == file_end && atomic_load(&f->writing) == w && !atomic_load(&f->released);
  }
  mtx_unlock(&fs->synced.lock);
  return used;
}

void fs_files_join_locked(struct fs *fs, struct writing *w) {
  struct fs_handle *h;

  DL_FOREACH (fs->synced.handles, h) {
    struct fs_file *f = (struct fs_file *)h;

    if (h->end != file_end || f->ino != w->ino || atomic_load(&f->writing) != NULL)
      continue;
    mtx_lock(&f->synced.lock);
    if (f->synced.view != NULL && strcmp(f->synced.view->attr.etag, w->base_etag) == 0) {
      w->refs++;
      atomic_store(&f->writing, w);
    }
    mtx_unlock(&f->synced.lock);
  }
}

static int open_view(struct fs *fs, uint64_t ino, struct fs_opened *out) {
  struct patience p = fs_patience(fs);
  struct view *v;
  bool changed;
  int rc;

  siblings_opened(fs->siblings, ino);
  rc = view_open_current(fs, ino, &p, &v, &changed);
  if (rc != 0)
    return rc;
  rc = file_new(fs, ino, v, changed, out);
  if (rc != 0)
    view_unref(v);
  return rc;
}

static int open_writing(struct fs *fs, uint64_t ino, int flags, struct fs_opened *out) {
  struct writing *w;
  int rc = writing_begin(fs, ino, &w);

  if (rc == 0 && (flags & O_TRUNC) != 0) {
    rc = staged_truncate(w->staged, 0);
    if (rc == 0)
      rc = writing_touch(fs, w);
    if (rc != 0)
      writing_put(fs, w);
  }
  if (rc != 0)
    return rc;
  rc = fs_file_open_writing(fs, w, flags, out);
  if (rc != 0)
    writing_put(fs, w);
  else if ((flags & O_TRUNC) != 0)
    atomic_store(&fs_file_of(out->handle)->owes, true);
  return rc;
}

static bool writes_to(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

int file_open(struct fs *fs, uint64_t ino, int flags, struct fs_opened *out) {
  bool writes = writes_to(flags);
  struct writing *w;
  int rc = ns_is_retired(fs->ns, ino) ? -ENOENT : ns_hold(fs->ns, ino);

  if (rc != 0)
    return rc;
  w = writes ? NULL : writing_find(fs, ino);
  if (w != NULL)
    rc = fs_file_open_writing(fs, w, flags, out);
  else
    rc = writes ? open_writing(fs, ino, flags, out) : open_view(fs, ino, out);
  if (rc != 0 && w != NULL)
    writing_put(fs, w);
  if (rc != 0)
    ns_release(fs->ns, ino);
  return rc;
}

int fs_open(struct fs *fs, uint64_t ino, int flags, struct fs_opened *out) {
  struct gate_pass pass = {.inos = {ino}, .reads = !writes_to(flags)};
  int rc = gate_enter(fs, &pass);

  if (rc != 0)
    return rc;
  rc = file_open(fs, ino, flags, out);
  gate_leave(fs, &pass);
  return rc;
}

static struct view *file_view(struct fs_file *f) {
  struct view *v;

  mtx_lock(&f->synced.lock);
  v = f->synced.view;
  atomic_fetch_add(&v->refs, 1);
  mtx_unlock(&f->synced.lock);
  return v;
}

/* Whether bytes of this view may be given out; from then on they bind. */
static bool file_deliver(struct fs *fs, struct fs_file *f, const struct view *v) {
  bool ok;

  if (!f->direct)
    return versions_deliver(fs, f->ino, v->generation);
  mtx_lock(&f->synced.lock);
  ok = f->synced.view == v;
  if (ok)
    f->synced.delivered = true;
  mtx_unlock(&f->synced.lock);
  return ok;
}

static bool file_movable(struct fs *fs, struct fs_file *f, const struct view *v) {
  bool movable;

  if (!f->direct)
    return versions_movable(fs, f->ino, v->generation);
  mtx_lock(&f->synced.lock);
  movable = !f->synced.delivered;
  mtx_unlock(&f->synced.lock);
  return movable;
}

/* Puts the view in place of `was`, unless another read replaced that meanwhile. */
static void file_take_view(struct fs_file *f, const struct view *was, struct view *v) {
  struct view *old = v;

  mtx_lock(&f->synced.lock);
  if (f->synced.view == was && !f->synced.delivered) {
    old = f->synced.view;
    f->synced.view = v;
  }
  mtx_unlock(&f->synced.lock);
  view_unref(old);
}

/* After -ESTALE from `was`, or when the inode moved on without this handle. 0:
 * there is another view to try. */
static int file_move(struct fs *fs, struct fs_file *f, const struct view *was,
                     const struct patience *p) {
  struct view *v;
  bool changed;
  int rc;

  rc = view_open_current(fs, f->ino, p, &v, &changed);
  if (rc != 0)
    return rc == -ENOENT ? -ESTALE : rc;
  if (!f->direct && !versions_move(fs, f->ino, &v->attr, &v->generation)) {
    view_unref(v);
    return -ESTALE;
  }
  file_take_view(f, was, v);
  return 0;
}

/* -EAGAIN: the inode moved to another version than the view's. */
static int read_view(struct fs *fs, struct fs_file *f, struct view *v, uint64_t off, size_t size,
                     const struct patience *p, fs_read_fn fn, void *arg) {
  struct reader_reply reply;
  int rc = reader_read(v->reader, off, size, p, &reply);

  if (rc != 0)
    return rc;
  if (file_deliver(fs, f, v))
    rc = fn(arg, reply.iov, reply.count);
  else
    rc = -EAGAIN;
  reader_put(v->reader, &reply);
  return rc;
}

static int read_current(struct fs *fs, struct fs_file *f, uint64_t off, size_t size, fs_read_fn fn,
                        void *arg) {
  struct patience p = fs_patience(fs);

  for (int i = 0; i < VERSION_TRIES; i++) {
    struct view *v = file_view(f);
    int rc = read_view(fs, f, v, off, size, &p, fn, arg);

    if (rc == -ESTALE) {
      doubt(fs, f->ino, rc);
      rc = file_movable(fs, f, v) ? -EAGAIN : rc;
    }
    if (rc == -EIO && reader_is_spoiled(v->reader)) { /* the kernel has pages of it */
      versions_spoil(fs, f->ino);
      fs_notify_changed(fs, f->ino);
    }
    if (rc == -EAGAIN) {
      rc = file_move(fs, f, v, &p);
      if (rc == 0)
        rc = -EAGAIN;
    }
    view_unref(v);
    if (rc != -EAGAIN)
      return rc;
  }
  return -ESTALE;
}

void fs_file_ref(struct fs_file *f) {
  atomic_fetch_add(&f->refs, 1);
}

void fs_file_unref(struct fs *fs, struct fs_file *f) {
  struct writing *w;

  if (atomic_fetch_sub(&f->refs, 1) != 1)
    return;
  w = atomic_load(&f->writing);
  if (w != NULL)
    writing_put(fs, w);
  if (f->synced.view != NULL)
    view_unref(f->synced.view);
  versions_close(fs, f->ino, f->direct);
  ns_release(fs->ns, f->ino);
  mtx_fini(&f->synced.lock);
  free(f);
}

static int read_staged(struct fs *fs, struct writing *w, uint64_t off, size_t size, fs_read_fn fn,
                       void *arg) {
  struct patience p = fs_patience(fs);
  struct iovec piece = {.iov_base = malloc(size != 0 ? size : 1)};
  int rc = piece.iov_base != NULL ? 0 : -ENOMEM;

  while (rc == 0) {
    rc = staged_read(w->staged, off, piece.iov_base, size, &p, &piece.iov_len);
    if (!writing_goes_on(fs, w, &rc))
      break;
  }
  if (rc == 0)
    rc = fn(arg, &piece, 1);
  free(piece.iov_base);
  return rc;
}

int fs_read(struct fs *fs, uint64_t handle, uint64_t off, size_t size, fs_read_fn fn, void *arg) {
  struct fs_file *f = fs_file_of(handle);
  struct writing *w;
  int rc;

  fs_file_ref(f);
  if (size > DATA_READ_MAX)
    size = DATA_READ_MAX;
  w = atomic_load(&f->writing);
  rc = w != NULL ? read_staged(fs, w, off, size, fn, arg) : read_current(fs, f, off, size, fn, arg);
  fs_file_unref(fs, f);
  return rc;
}

static void file_end(struct fs *fs, struct fs_handle *h) {
  fs_handle_remove(fs, h);
  fs_file_unref(fs, (struct fs_file *)h);
}
