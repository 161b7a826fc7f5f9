/* Which version of each file the kernel's page cache holds.
 *
 * All handles of an inode share its pages, so they must all be of one version.
 * The first open of an inode that nobody has open decides which; pages of an
 * older one are dropped by that open. While handles are open:
 *   - no bytes were given out yet: when the object turns out to be replaced, the
 *     inode moves to the new version and every handle follows at its next read;
 *   - bytes were given out: the inode stays with its version. Its handles read
 *     that one or fail with ESTALE, and an open that finds a newer version goes
 *     around the page cache (direct);
 *   - it is written to: what is written goes through the pages, so they are right for every handle
 *     of that writing, whatever was saved of it meanwhile.
 * Everything is under the file system's lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"

static struct version *find_locked(struct fs *fs, uint64_t ino) {
  struct version *v;

  HASH_FIND(hh, fs->synced.versions, &ino, sizeof(ino), v);
  return v;
}

static void drop_locked(struct fs *fs, struct version *v) {
  HASH_DEL(fs->synced.versions, v);
#ifndef __clang_analyzer__ /* it does not follow the table's own links */
  free(v);
#endif
}

void versions_forget(struct fs *fs, uint64_t ino) {
  struct version *v;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  if (v != NULL && v->opens == 0)
    drop_locked(fs, v);
  mtx_unlock(&fs->synced.lock);
}

bool versions_pinned_size(struct fs *fs, uint64_t ino, uint64_t *size) {
  const struct version *v;
  bool pinned;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  pinned = v != NULL && v->handles > 0 && v->paged;
  if (pinned)
    *size = v->size;
  mtx_unlock(&fs->synced.lock);
  return pinned;
}

static struct version *make_locked(struct fs *fs, uint64_t ino) {
  struct version *v = calloc(1, sizeof(*v));

  if (v == NULL)
    return NULL;
  v->ino = ino;
  HASH_ADD(hh, fs->synced.versions, ino, sizeof(v->ino), v);
  return v;
}

/* Without an etag no two answers are known to be the same. */
static bool is_same(const struct version *v, const struct store_attr *a) {
  return v->generation != 0 && a->etag[0] != '\0' && strcmp(v->etag, a->etag) == 0 &&
         v->size == a->size;
}

static void become_locked(struct fs *fs, struct version *v, const struct store_attr *a) {
  memcpy(v->etag, a->etag, sizeof(v->etag));
  v->size = a->size;
  v->generation = ++fs->synced.generation;
  v->paged = false;
  v->writing = 0;
}

/* The first open decides whether the kernel reads by itself; direct handles, which
 * ask, have to name the file as well. */
static void back_locked(struct fs *fs, struct version *v, struct fs_opened *how) {
  if (v->opens == 0 && !how->direct_io)
    v->backing = how->backing;
  how->backing = v->backing;
  if (how->backing != 0 && !how->direct_io)
    fs->synced.backed_opens++;
  v->opens++;
}

static void open_locked(struct fs *fs, struct version *v, const struct store_attr *attr,
                        uint64_t writing, bool around, struct fs_opened *how) {
  bool same = is_same(v, attr) || (writing != 0 && v->writing == writing);

  how->direct_io = around || (v->handles > 0 && v->paged && !same);
  /* Direct handles leave alone the pages that others use. */
  how->keep_cache = same || how->direct_io;
  back_locked(fs, v, how);
  if (how->direct_io)
    return;
  if (!same)
    become_locked(fs, v, attr);
  if (writing != 0)
    v->writing = writing;
  if (v->backing != 0)
    v->paged = true;
  v->handles++;
}

int versions_open(struct fs *fs, uint64_t ino, const struct store_attr *attr, uint64_t writing,
                  bool around, struct fs_opened *how, uint64_t *generation) {
  struct version *v;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  if (v == NULL)
    v = make_locked(fs, ino);
  if (v != NULL) {
    open_locked(fs, v, attr, writing, around, how);
    *generation = v->generation;
    fs->synced.open_files++;
  }
  mtx_unlock(&fs->synced.lock);
  return v != NULL ? 0 : -ENOMEM;
}

bool versions_deliver(struct fs *fs, uint64_t ino, uint64_t generation) {
  struct version *v;
  bool current;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  current = v != NULL && v->generation == generation;
  if (current)
    v->paged = true;
  mtx_unlock(&fs->synced.lock);
  return current;
}

bool versions_movable(struct fs *fs, uint64_t ino, uint64_t generation) {
  const struct version *v;
  bool movable;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  movable = v != NULL && (!v->paged || v->generation != generation);
  mtx_unlock(&fs->synced.lock);
  return movable;
}

bool versions_move(struct fs *fs, uint64_t ino, const struct store_attr *attr,
                   uint64_t *generation) {
  struct version *v;
  bool moved;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  /* A larger one would be cut at the size that the kernel knows. */
  moved = v != NULL && (is_same(v, attr) || (!v->paged && attr->size <= v->size));
  if (moved && !is_same(v, attr))
    become_locked(fs, v, attr);
  if (moved)
    *generation = v->generation;
  mtx_unlock(&fs->synced.lock);
  return moved;
}

void versions_spoil(struct fs *fs, uint64_t ino) {
  struct version *v;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  if (v != NULL)
    v->etag[0] = '\0'; /* no version is the same */
  mtx_unlock(&fs->synced.lock);
}

static bool shows(const struct version *v, const struct writing *w, const char *was) {
  return (w != NULL && v->writing == w->serial) ||
         (v->etag[0] != '\0' && strcmp(v->etag, was) == 0);
}

void versions_own(struct fs *fs, uint64_t ino, const struct writing *w, const char *was,
                  const struct store_attr *attr) {
  struct version *v;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  if (v != NULL && shows(v, w, was)) {
    bool paged = v->paged;
    uint64_t writing = w != NULL ? w->serial : v->writing;

    become_locked(fs, v, attr);
    v->paged = paged;
    v->writing = writing;
  }
  mtx_unlock(&fs->synced.lock);
}

void versions_close(struct fs *fs, uint64_t ino, bool direct) {
  struct version *v;
  int backing = 0;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  if (v != NULL && !direct)
    v->handles--;
  if (v != NULL && --v->opens == 0) {
    backing = v->backing;
    v->backing = 0;
  }
  fs->synced.open_files--;
  mtx_unlock(&fs->synced.lock);
  backing_drop(fs, backing);
}

bool versions_unopened(struct fs *fs, uint64_t ino) {
  const struct version *v;
  bool unopened;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  unopened = v == NULL || v->opens == 0;
  mtx_unlock(&fs->synced.lock);
  return unopened;
}

void versions_free(struct fs *fs) {
  struct version *v;
  struct version *next;

  HASH_ITER (hh, fs->synced.versions, v, next) {
    drop_locked(fs, v);
  }
}
