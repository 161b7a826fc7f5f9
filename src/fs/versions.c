/* Which version of each file is being read.
 *
 * Handles of one inode share the kernel's page cache, so they must all read one
 * version: when an open finds another one, it becomes the current generation and
 * handles of an older generation answer ESTALE from then on. */
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
  free(v);
}

void versions_forget(struct fs *fs, uint64_t ino) {
  struct version *v;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  if (v != NULL && v->handles == 0)
    drop_locked(fs, v);
  mtx_unlock(&fs->synced.lock);
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

int versions_open(struct fs *fs, uint64_t ino, const struct store_attr *attr, bool *same,
                  uint64_t *generation) {
  struct version *v;
  int rc = 0;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  if (v == NULL)
    v = make_locked(fs, ino);
  if (v == NULL) {
    rc = -ENOMEM;
  } else {
    *same = is_same(v, attr);
    if (!*same) {
      memcpy(v->etag, attr->etag, sizeof(v->etag));
      v->size = attr->size;
      v->generation = ++fs->synced.generation;
    }
    *generation = v->generation;
    v->handles++;
    fs->synced.open_files++;
  }
  mtx_unlock(&fs->synced.lock);
  return rc;
}

bool versions_current(struct fs *fs, uint64_t ino, uint64_t generation) {
  const struct version *v;
  bool current;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  current = v != NULL && v->generation == generation;
  mtx_unlock(&fs->synced.lock);
  return current;
}

void versions_close(struct fs *fs, uint64_t ino) {
  struct version *v;

  mtx_lock(&fs->synced.lock);
  v = find_locked(fs, ino);
  if (v != NULL && v->handles > 0)
    v->handles--;
  fs->synced.open_files--;
  mtx_unlock(&fs->synced.lock);
}

void versions_free(struct fs *fs) {
  struct version *v;
  struct version *next;

  HASH_ITER (hh, fs->synced.versions, v, next)
    drop_locked(fs, v);
}
