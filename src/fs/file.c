/* File handles.
 *
 * A handle reads one version of one object (see versions.c). When the store says
 * that the object changed:
 *   - before any byte of the handle was delivered, and with no pages kept from
 *     an earlier open, the handle moves to the new version;
 *   - afterwards every read is ESTALE.
 * Every open proves that the version can be read by its first bytes, which the
 * read that follows needs anyway: a denial or a change belongs to open(), and the
 * round trip is not an additional one. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"

#define VERSION_TRIES 3 /* an object that changes faster than it can be opened */

struct fs_file {
  uint64_t ino;
  atomic_uint refs; /* the handle and every read under way */
  struct {
    struct mtx lock;
    struct reader *reader;
    struct reader *old; /* replaced before its first byte; other reads may still use it */
    uint64_t generation;
    bool delivered; /* bytes were given out, or the kernel kept pages */
    bool stale;
  } synced;
};

static struct fs_file *file_of(uint64_t handle) {
  return (struct fs_file *)(uintptr_t)handle;
}

static int reader_for(struct fs *fs, const struct ns_object *o, const struct patience *p,
                      struct reader **out) {
  struct reader *r;
  int rc;

  if (o->attr.archived)
    return -EACCES;
  rc = reader_new(fs->cache, o->root->store, o->key, &o->attr, &r);
  if (rc == 0 && o->attr.size > 0) {
    rc = reader_probe(r, p);
    if (rc != 0)
      reader_free(r);
  }
  if (rc == 0)
    *out = r;
  return rc;
}

/* A reader for the version that is current now; what turned out to be old on the
 * way is asked for again. */
static int open_current(struct fs *fs, uint64_t ino, const struct patience *p, struct reader **out,
                        struct store_attr *attr) {
  int rc = -ESTALE;

  for (int i = 0; i < VERSION_TRIES && rc == -ESTALE; i++) {
    struct ns_object o;

    rc = ns_get_object(fs->ns, ino, p, &o);
    if (rc != 0)
      return rc;
    *attr = o.attr;
    rc = reader_for(fs, &o, p, out);
    ns_object_fini(&o);
    if (rc == -ESTALE || rc == -ENOENT) {
      ns_expire(fs->ns, ino, rc);
      fs_notify_changed(fs, ino);
    }
  }
  return rc;
}

static int file_new(struct fs *fs, uint64_t ino, struct reader *r, const struct store_attr *attr,
                    struct fs_file **out, bool *same) {
  struct fs_file *f = calloc(1, sizeof(*f));
  int rc;

  if (f == NULL)
    return -ENOMEM;
  rc = versions_open(fs, ino, attr, same, &f->synced.generation);
  if (rc != 0) {
    free(f);
    return rc;
  }
  mtx_init(&f->synced.lock, RANK_HANDLE);
  atomic_init(&f->refs, 1);
  f->ino = ino;
  f->synced.reader = r;
  f->synced.delivered = *same;
  *out = f;
  return 0;
}

int fs_open(struct fs *fs, uint64_t ino, int flags, uint64_t *handle, bool *keep_cache) {
  struct patience p = fs_patience(fs);
  struct store_attr attr;
  struct reader *r;
  struct fs_file *f;
  int rc;

  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0)
    return fs_deny_write(fs, ino);
  rc = ns_hold(fs->ns, ino);
  if (rc != 0)
    return rc;
  rc = open_current(fs, ino, &p, &r, &attr);
  if (rc == 0) {
    rc = file_new(fs, ino, r, &attr, &f, keep_cache);
    if (rc != 0)
      reader_free(r);
  }
  if (rc != 0) {
    ns_release(fs->ns, ino);
    return rc;
  }
  *handle = (uint64_t)(uintptr_t)f;
  return 0;
}

/* The reader to use now, or NULL when the handle's version is over. */
static struct reader *file_reader(struct fs *fs, struct fs_file *f) {
  struct reader *r;
  uint64_t generation;

  mtx_lock(&f->synced.lock);
  r = f->synced.stale ? NULL : f->synced.reader;
  generation = f->synced.generation;
  mtx_unlock(&f->synced.lock);
  return r != NULL && versions_current(fs, f->ino, generation) ? r : NULL;
}

/* After -ESTALE from `was`. 0: there is another reader to try; -ESTALE: not. */
static int file_move(struct fs *fs, struct fs_file *f, const struct reader *was,
                     const struct patience *p) {
  struct store_attr attr;
  struct reader *r;
  uint64_t generation;
  bool same;
  int rc;

  ns_expire(fs->ns, f->ino, -ESTALE);
  fs_notify_changed(fs, f->ino);
  rc = open_current(fs, f->ino, p, &r, &attr);
  if (rc != 0)
    return rc == -ENOENT ? -ESTALE : rc;
  rc = versions_open(fs, f->ino, &attr, &same, &generation);
  if (rc != 0) {
    reader_free(r);
    return rc;
  }
  versions_close(fs, f->ino); /* the handle was counted already */
  mtx_lock(&f->synced.lock);
  if (!f->synced.delivered && f->synced.reader == was && f->synced.old == NULL) {
    f->synced.old = f->synced.reader;
    f->synced.reader = r;
    f->synced.generation = generation;
    r = NULL;
  } else if (f->synced.reader == was) {
    f->synced.stale = true;
    rc = -ESTALE;
  }
  mtx_unlock(&f->synced.lock);
  if (r != NULL)
    reader_free(r);
  return rc;
}

static bool file_delivered(struct fs_file *f) {
  bool delivered;

  mtx_lock(&f->synced.lock);
  delivered = f->synced.delivered;
  mtx_unlock(&f->synced.lock);
  return delivered;
}

/* Marks the handle as having given bytes of this reader's version; false when it
 * moved on meanwhile. */
static bool file_deliver(struct fs *fs, struct fs_file *f, const struct reader *r) {
  bool ok;
  uint64_t generation;

  mtx_lock(&f->synced.lock);
  ok = f->synced.reader == r && !f->synced.stale;
  if (ok)
    f->synced.delivered = true;
  generation = f->synced.generation;
  mtx_unlock(&f->synced.lock);
  return ok && versions_current(fs, f->ino, generation);
}

static int read_once(struct fs *fs, struct fs_file *f, struct reader *r, uint64_t off, size_t size,
                     const struct patience *p, fs_read_fn fn, void *arg) {
  struct reader_reply reply;
  int rc = reader_read(r, off, size, p, &reply);

  if (rc != 0)
    return rc;
  if (file_deliver(fs, f, r))
    rc = fn(arg, reply.iov, reply.count);
  else
    rc = -ESTALE;
  reader_put(r, &reply);
  return rc;
}

static int read_current(struct fs *fs, struct fs_file *f, uint64_t off, size_t size, fs_read_fn fn,
                        void *arg) {
  struct patience p = fs_patience(fs);
  int rc = -ESTALE;

  for (int i = 0; i < VERSION_TRIES && rc == -ESTALE; i++) {
    struct reader *r = file_reader(fs, f);

    if (r == NULL)
      return -ESTALE;
    rc = read_once(fs, f, r, off, size, &p, fn, arg);
    if (rc != -ESTALE)
      break;
    if (file_delivered(f)) {
      ns_expire(fs->ns, f->ino, -ESTALE);
      fs_notify_changed(fs, f->ino);
      return -ESTALE;
    }
    rc = file_move(fs, f, r, &p);
    if (rc != 0)
      return rc;
    rc = -ESTALE; /* once more, by the new reader */
  }
  return rc;
}

static void file_unref(struct fs *fs, struct fs_file *f) {
  if (atomic_fetch_sub(&f->refs, 1) != 1)
    return;
  reader_free(f->synced.reader);
  if (f->synced.old != NULL)
    reader_free(f->synced.old);
  versions_close(fs, f->ino);
  ns_release(fs->ns, f->ino);
  mtx_fini(&f->synced.lock);
  free(f);
}

/* The reply may bring the release of the handle before this returns. */
int fs_read(struct fs *fs, uint64_t handle, uint64_t off, size_t size, fs_read_fn fn, void *arg) {
  struct fs_file *f = file_of(handle);
  int rc;

  atomic_fetch_add(&f->refs, 1);
  rc = read_current(fs, f, off, size < DATA_READ_MAX ? size : DATA_READ_MAX, fn, arg);
  file_unref(fs, f);
  return rc;
}

void fs_release(struct fs *fs, uint64_t handle) {
  file_unref(fs, file_of(handle));
}
