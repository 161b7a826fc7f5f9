/* A table of what the kernel knows, by its numbers.
 *
 * A folder's number is that of its inode, which every file system makes of the same path
 * in the same way; other things are numbered upwards from FILES. References are
 * counted for each viewer and given back when the kernel has forgotten all of them: it
 * does not say whose lookups it forgets. A folder that a viewer was never told of
 * (somebody else's working directory) is looked up by its path. */
#include "viewers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "s3apfs/base/lock.h"

#define FILES ((uint64_t)1 << 63)
#define SHARED UINT64_MAX
#define DEPTH_MAX 512 /* a key has at most 1,024 bytes */

struct inner {
  uint64_t ino;
  uint64_t viewer; /* SHARED: a folder */
};

struct known {
  uint64_t id;
  struct inner inner;
  uint64_t parent; /* of a folder, as the kernel calls it */
  char *name;
  uint64_t total; /* what the kernel will forget */
  UT_hash_handle by_id;
  UT_hash_handle by_inner;
  uint64_t counts[]; /* a folder: of each viewer; else one */
};

struct viewers {
  struct fuse_viewers o;
  struct {
    struct mtx lock;
    struct known *by_id;
    struct known *by_inner;
    uint64_t next;
    struct fs **fs; /* by viewer, once it was asked for */
  } synced;
};

int viewers_new(const struct fuse_viewers *o, struct viewers **out) {
  struct viewers *v = calloc(1, sizeof(*v));

  if (v == NULL)
    return -ENOMEM;
  v->o = *o;
  v->synced.next = FILES;
  v->synced.fs = calloc(o->count, sizeof(struct fs *));
  if (v->synced.fs == NULL) {
    free(v);
    return -ENOMEM;
  }
  mtx_init(&v->synced.lock, RANK_FUSE);
  *out = v;
  return 0;
}

static void known_free_locked(struct viewers *v, struct known *k) {
  HASH_DELETE(by_id, v->synced.by_id, k);
  HASH_DELETE(by_inner, v->synced.by_inner, k);
  free(k->name);
  free(k);
}

void viewers_free(struct viewers *v) {
  if (v == NULL)
    return;
  while (v->synced.by_id != NULL)
    known_free_locked(v, v->synced.by_id);
  mtx_fini(&v->synced.lock);
  free(v->synced.fs);
  free(v);
}

static struct known *known_locked(struct viewers *v, uint64_t id) {
  struct known *k;

  HASH_FIND(by_id, v->synced.by_id, &id, sizeof(id), k);
  return k;
}

static struct known *inner_locked(struct viewers *v, uint64_t viewer, uint64_t ino) {
  struct inner key = {.ino = ino, .viewer = viewer};
  struct known *k;

  // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): it hashes all bytes of key
  HASH_FIND(by_inner, v->synced.by_inner, &key, sizeof(key), k);
  return k;
}

/* v->o.count: it is none of them. */
static unsigned viewer_locked(const struct viewers *v, const struct fs *fs) {
  unsigned n = 0;

  while (n < v->o.count && v->synced.fs[n] != fs)
    n++;
  return n;
}

static int add_locked(struct viewers *v, uint64_t viewer, uint64_t ino, uint64_t parent,
                      const char *name, struct known **out) {
  size_t counts = viewer == SHARED ? v->o.count : 1;
  struct known *k = calloc(1, sizeof(*k) + counts * sizeof(k->counts[0]));

  if (k == NULL)
    return -ENOMEM;
  k->name = strdup(name);
  if (k->name == NULL) {
    free(k);
    return -ENOMEM;
  }
  k->id = viewer == SHARED ? ino : v->synced.next++;
  k->inner = (struct inner){.ino = ino, .viewer = viewer};
  k->parent = parent;
  HASH_ADD(by_id, v->synced.by_id, id, sizeof(k->id), k);
  HASH_ADD(by_inner, v->synced.by_inner, inner, sizeof(k->inner), k);
  *out = k;
  return 0;
}

/* A folder that was moved is found where it was seen last. */
static void place_locked(struct known *k, uint64_t parent, const char *name) {
  char *copy;

  if (k->parent == parent && strcmp(k->name, name) == 0)
    return;
  copy = strdup(name);
  if (copy == NULL)
    return;
  free(k->name);
  k->name = copy;
  k->parent = parent;
}

int viewers_note(struct viewers *v, const struct fs *fs, uint64_t parent, const char *name,
                 const struct fs_entry *e, uint64_t *id) {
  bool folder = S_ISDIR(e->st.st_mode);
  struct known *k;
  unsigned viewer;
  int rc = 0;

  mtx_lock(&v->synced.lock);
  viewer = viewer_locked(v, fs);
  k = inner_locked(v, folder ? SHARED : viewer, e->ino);
  if (k == NULL)
    rc = add_locked(v, folder ? SHARED : viewer, e->ino, parent, name, &k);
  if (rc == 0) {
    place_locked(k, parent, name);
    k->counts[folder ? viewer : 0]++;
    k->total++;
    *id = k->id;
  }
  mtx_unlock(&v->synced.lock);
  return rc;
}

/* Gives back what a viewer's file system holds for the kernel. */
static void release_all(struct viewers *v, const struct known *k) {
  if (k->inner.viewer != SHARED) {
    fs_forget(v->synced.fs[k->inner.viewer], k->inner.ino, k->counts[0]);
    return;
  }
  for (unsigned n = 0; n < v->o.count; n++)
    if (k->counts[n] > 0)
      fs_forget(v->synced.fs[n], k->inner.ino, k->counts[n]);
}

void viewers_forget(struct viewers *v, uint64_t id, uint64_t count) {
  struct known *k;

  mtx_lock(&v->synced.lock);
  k = known_locked(v, id);
  if (k != NULL) {
    k->total -= count < k->total ? count : k->total;
    if (k->total == 0) {
      release_all(v, k);
      known_free_locked(v, k);
    }
  }
  mtx_unlock(&v->synced.lock);
}

uint64_t viewers_id(struct viewers *v, const struct fs *fs, uint64_t ino) {
  const struct known *k;
  uint64_t id;

  if (ino == FS_ROOT_INO)
    return ino;
  mtx_lock(&v->synced.lock);
  k = inner_locked(v, SHARED, ino);
  if (k == NULL)
    k = inner_locked(v, viewer_locked(v, fs), ino);
  id = k != NULL ? k->id : 0;
  mtx_unlock(&v->synced.lock);
  return id;
}

/* --- what a request is about --- */

struct asked {
  struct viewers *v;
  struct fs *fs;
  unsigned viewer;
};

/* 0: *ino is it. -EAGAIN: a folder this viewer was not told of, *name (the caller's) in
 * *parent. */
static int look_locked(const struct asked *a, uint64_t id, uint64_t *ino, uint64_t *parent,
                       char **name) {
  const struct known *k = known_locked(a->v, id);

  if (k == NULL)
    return -ESTALE;
  *ino = k->inner.ino;
  if (k->inner.viewer != SHARED)
    return k->inner.viewer == a->viewer ? 0 : -EACCES;
  if (k->counts[a->viewer] > 0)
    return 0;
  *parent = k->parent;
  *name = strdup(k->name);
  return *name != NULL ? -EAGAIN : -ENOMEM;
}

/* The reference that a walk took stays until the kernel forgets the folder. */
static int keep(const struct asked *a, uint64_t id, const struct fs_entry *e) {
  struct known *k;
  bool kept;

  mtx_lock(&a->v->synced.lock);
  k = known_locked(a->v, id);
  kept = k != NULL && k->inner.viewer == SHARED && k->inner.ino == e->ino && S_ISDIR(e->st.st_mode);
  if (kept)
    k->counts[a->viewer]++;
  mtx_unlock(&a->v->synced.lock);
  if (!kept)
    fs_forget(a->fs, e->ino, 1);
  return kept ? 0 : -ESTALE;
}

static int resolve(const struct asked *a, uint64_t id, unsigned depth, uint64_t *ino);

static int walk(const struct asked *a, uint64_t id, uint64_t parent, const char *name,
                unsigned depth) {
  struct fs_entry e;
  double negative;
  uint64_t at;
  int rc = depth < DEPTH_MAX ? resolve(a, parent, depth + 1, &at) : -ELOOP;

  if (rc == 0)
    rc = fs_lookup(a->fs, at, name, &e, &negative);
  return rc == 0 ? keep(a, id, &e) : rc;
}

static int resolve(const struct asked *a, uint64_t id, unsigned depth, uint64_t *ino) {
  uint64_t parent;
  char *name = NULL;
  int rc;

  if (id == FS_ROOT_INO) {
    *ino = id;
    return 0;
  }
  mtx_lock(&a->v->synced.lock);
  rc = look_locked(a, id, ino, &parent, &name);
  mtx_unlock(&a->v->synced.lock);
  if (rc == -EAGAIN)
    rc = walk(a, id, parent, name, depth);
  free(name);
  return rc;
}

int viewers_find(struct viewers *v, uid_t uid, uint64_t id, struct fs **fs, uint64_t *ino) {
  struct asked a = {.v = v};

  a.fs = v->o.serve(v->o.arg, uid, &a.viewer);
  if (a.fs == NULL)
    return -EACCES;
  mtx_lock(&v->synced.lock);
  v->synced.fs[a.viewer] = a.fs;
  mtx_unlock(&v->synced.lock);
  *fs = a.fs;
  return resolve(&a, id, 0, ino);
}
