/* Inodes that are written to.
 *
 * From the first open for writing until everything is committed and every handle
 * that saw it is closed, an inode has one `writing`: all its handles read and
 * write through that, so each sees at once what another wrote. Handles that were
 * open before join when they show the version that the writing began over; those
 * of an older version stay with theirs.
 *
 *   begun     known by its inode; new opens join
 *   waiting   no handle is left, but a commit failed: still known, so that what was
 *             written is seen, and the next commit tries again
 *   replaced  somebody else's version took its place: not known any more, so new
 *             opens show that one; handles that are left get ESTALE
 *
 * The kernel's pages are right all the time: it writes through, so what it keeps is
 * what was written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/ns/change.h"

/* Promises ahead of the store, each with files of its own: who goes on beyond waits. */
#define DEPTH_MAX 32
/* How long a root that never let us write is taken at its word. */
#define DENIED_MS 5000

static bool denied_lately(struct fs *fs, const struct root *r) {
  const struct root_writes *k = fs_root_writes(fs, r);

  return !atomic_load(&k->proven) && atomic_load(&k->denied_until) > clock_mono_ms(&clock_system);
}

int writing_allowed(struct fs *fs, const struct root *r) {
  if (r == NULL)
    return -EROFS;
  if (r->store->write == NULL || r->store->read_only)
    return -EACCES;
  if (fs->staging == NULL)
    return -EROFS;
  return denied_lately(fs, r) ? -EACCES : r->store->write->ready(r->store);
}

/* --- the table --- */

static struct writing *find_locked(struct fs *fs, uint64_t ino) {
  struct writing *w;

  HASH_FIND(hh, fs->synced.writings, &ino, sizeof(ino), w);
  return w;
}

struct writing *writing_find(struct fs *fs, uint64_t ino) {
  struct writing *w;

  mtx_lock(&fs->synced.lock);
  w = find_locked(fs, ino);
  if (w != NULL)
    w->refs++;
  mtx_unlock(&fs->synced.lock);
  return w;
}

static void writing_free(struct fs *fs, struct writing *w) {
  staged_free(w->staged);
  ns_release(fs->ns, w->ino);
  free(w);
}

static void unknow_locked(struct fs *fs, struct writing *w) {
  if (w->known)
    HASH_DEL(fs->synced.writings, w);
  w->known = false;
}

void writing_put(struct fs *fs, struct writing *w) {
  bool dirty = staged_is_dirty(w->staged);
  bool gone;

  mtx_lock(&fs->synced.lock);
  gone = --w->refs == 0 && (!dirty || !w->known);
  if (gone)
    unknow_locked(fs, w);
  mtx_unlock(&fs->synced.lock);
  if (gone)
    writing_free(fs, w);
}

static int collect(struct fs *fs, bool lend, struct writing ***out, size_t *count) {
  struct writing **all;
  struct writing *w;
  size_t n = 0;

  *out = NULL;
  *count = 0;
  mtx_lock(&fs->synced.lock);
  all = calloc(HASH_COUNT(fs->synced.writings) + 1, sizeof(struct writing *));
  for (w = fs->synced.writings; all != NULL && w != NULL; w = w->hh.next) {
    w->refs++;
    w->lent += lend;
    all[n++] = w;
  }
  mtx_unlock(&fs->synced.lock);
  if (all == NULL)
    return -ENOMEM;
  *out = all;
  *count = n;
  return 0;
}

int writings_get(struct fs *fs, struct writing ***out, size_t *count) {
  return collect(fs, false, out, count);
}

int writings_borrow(struct fs *fs, struct writing ***out, size_t *count) {
  return collect(fs, true, out, count);
}

void writing_give_back(struct fs *fs, struct writing *w) {
  mtx_lock(&fs->synced.lock);
  w->lent--;
  mtx_unlock(&fs->synced.lock);
  writing_put(fs, w);
}

/* Takes w's place in the table, or finds that somebody was faster. */
static struct writing *writing_add(struct fs *fs, struct writing *w) {
  struct writing *other;

  mtx_lock(&fs->synced.lock);
  other = find_locked(fs, w->ino);
  if (other != NULL) {
    other->refs++;
  } else {
    w->serial = ++fs->synced.serial;
    HASH_ADD(hh, fs->synced.writings, ino, sizeof(w->ino), w);
    w->known = true;
    fs_files_join_locked(fs, w);
  }
  mtx_unlock(&fs->synced.lock);
  if (other == NULL)
    return w;
  writing_free(fs, w);
  return other;
}

static int writing_new(struct fs *fs, uint64_t ino, const struct root *r, const char *key,
                       const struct store_attr *attr, struct writing **out) {
  struct writing *w = calloc(1, sizeof(*w));
  int rc = w != NULL ? ns_hold(fs->ns, ino) : -ENOMEM;

  if (rc != 0) {
    free(w);
    return rc;
  }
  rc = staged_new(fs->staging, r->store, key, attr, &w->staged);
  if (rc != 0) {
    ns_release(fs->ns, ino);
    free(w);
    return rc;
  }
  w->ino = ino;
  w->root = r;
  w->refs = 1;
  if (attr != NULL)
    memcpy(w->base_etag, attr->etag, sizeof(w->base_etag));
  atomic_init(&w->mtime_ns, 0);
  atomic_init(&w->dressed_ns, 0);
  atomic_init(&w->mapped, false);
  atomic_init(&w->timed, false);
  *out = writing_add(fs, w);
  return 0;
}

static int head_posix(const struct ns_object *o, struct store_attr *attr, struct posix *posix) {
  struct kvlist meta;
  int rc;

  kvlist_init(&meta);
  rc = o->root->store->ops->head(o->root->store, o->key, attr, &meta);
  if (rc == 0)
    posix_from_meta(&meta, posix);
  kvlist_fini(&meta);
  return rc;
}

/* What the store has now: whoever is about to change an object must not start from
 * an old one. */
static int current_version(struct fs *fs, uint64_t ino, struct ns_object *o) {
  struct patience p = fs_patience(fs);
  struct store_attr attr;
  struct posix posix = {0};
  int rc = ns_get_object(fs->ns, ino, &p, o);

  if (rc == 0) {
    attr = o->attr;
    rc = writing_allowed(fs, o->root);
    if (rc == 0 && !o->just_told)
      rc = head_posix(o, &attr, &posix);
    if (rc == 0 && attr.archived)
      rc = -EACCES;
    if (rc != 0)
      ns_object_fini(o);
  }
  if (rc == -ENOENT)
    ns_expire(fs->ns, ino, rc);
  if (rc != 0)
    return rc;
  if (strcmp(attr.etag, o->attr.etag) != 0) {
    ns_expire(fs->ns, ino, -ESTALE);
    fs_notify_changed(fs, ino);
  }
  if (!o->just_told)
    ns_told(fs->ns, ino, &posix);
  o->attr = attr;
  return 0;
}

int writing_begin(struct fs *fs, uint64_t ino, struct writing **out) {
  struct writing *w = writing_find(fs, ino);
  struct ns_object o;
  int rc;

  if (w != NULL) {
    *out = w;
    return 0;
  }
  if (fs->staging == NULL)
    return fs_deny_write(fs, ino);
  rc = current_version(fs, ino, &o);
  if (rc != 0)
    return rc;
  rc = writing_new(fs, ino, o.root, o.key, &o.attr, out);
  ns_object_fini(&o);
  return rc;
}

int writing_adopt(struct fs *fs, uint64_t ino) {
  struct writing *w = writing_find(fs, ino);
  const struct root *r;
  struct store_attr attr;
  char *key;
  int rc = 0;

  if (w == NULL && fs->staging != NULL && fs_files_view(fs, ino, &attr)) {
    rc = ns_get_key(fs->ns, ino, &r, &key);
    if (rc == 0) {
      rc = writing_new(fs, ino, r, key, &attr, &w);
      free(key);
    }
  }
  if (rc == 0 && w != NULL)
    writing_put(fs, w);
  return rc;
}

bool writing_unknow_sent(struct fs *fs, struct writing *w) {
  bool alone;

  mtx_lock(&fs->synced.lock);
  alone = w->refs == w->lent + 1 && !staged_is_dirty(w->staged);
  if (alone)
    unknow_locked(fs, w);
  mtx_unlock(&fs->synced.lock);
  return alone;
}

void writing_drop_removed(struct fs *fs, struct writing *w) {
  if (writing_unknow_sent(fs, w) && staged_discard(w->staged) != 0)
    log_debug("a removed file is left to the next mount");
}

/* Nothing where nobody has it open, or closes it while others make room. */
static int keep_for_handles(struct fs *fs, struct writing *w) {
  struct patience p = {0}; /* as long as it takes: nobody may lose what he has open */
  int rc;

  do
    rc = fs_files_use(fs, w) ? staged_localize(w->staged, &p) : 0;
  while (writing_keeps_on(fs, w, &rc));
  return rc == -ENOSPC && !fs_files_use(fs, w) ? 0 : rc;
}

int writing_keep_bytes(struct fs *fs, uint64_t ino) {
  struct writing *w;
  int rc = writing_adopt(fs, ino);

  if (rc != 0)
    return rc;
  w = writing_find(fs, ino);
  if (w == NULL)
    return 0;
  rc = keep_for_handles(fs, w);
  writing_put(fs, w);
  return rc == -ESTALE ? 0 : rc; /* replaced by somebody else: there is nothing to keep */
}

int writing_begin_new(struct fs *fs, uint64_t ino, const struct root *r, const char *key,
                      struct writing **out) {
  return writing_new(fs, ino, r, key, NULL, out);
}

/* --- committing --- */

/* New opens show what stands there now. */
static void show_store(struct fs *fs, const struct writing *w) {
  ns_dropped(fs->ns, w->ino);
  fs_notify_changed(fs, w->ino);
}

static void replaced(struct fs *fs, struct writing *w) {
  bool known;

  mtx_lock(&fs->synced.lock);
  known = w->known;
  unknow_locked(fs, w);
  mtx_unlock(&fs->synced.lock);
  if (known)
    show_store(fs, w);
}

void writing_stored(void *arg, const struct store *s, const char *key, const char *etag,
                    const struct kvlist *meta) {
  struct fs *fs = arg;
  const struct root *r = fs_root_of(fs, s->domain);
  struct posix posix;

  if (r == NULL || r->options.posix == ROOT_POSIX_OFF)
    return;
  posix_from_meta(meta, &posix);
  ns_remember(fs->ns, r, key, etag, &posix);
}

/* Newer content may have been written meanwhile. */
static void tell_stored(struct fs *fs, struct writing *w, const struct commit_result *done) {
  versions_own(fs, w->ino, w, w->base_etag, &done->attr);
  ns_stored(fs->ns, w->ino, &done->attr, NULL);
  if (staged_is_dirty(w->staged))
    ns_written(fs->ns, w->ino, staged_size(w->staged), atomic_load(&w->mtime_ns));
}

void writing_committed(struct fs *fs, struct writing *w, int rc, const struct commit_result *r) {
  if (r->committed) {
    atomic_store(&fs_root_writes(fs, w->root)->proven, true);
    tell_stored(fs, w, r);
  }
  if (rc == -EACCES && !r->committed) {
    atomic_store(&fs_root_writes(fs, w->root)->denied_until,
                 clock_mono_ms(&clock_system) + DENIED_MS);
  }
  if (rc == -ESTALE || rc == -EEXIST)
    replaced(fs, w);
}

int writing_send(struct fs *fs, struct writing *w,
                 int (*commit)(struct staged *f, struct commit_result *out)) {
  struct commit_result r = {0};
  int rc;

  mtx_lock(&fs->synced.lock);
  w->sending++;
  mtx_unlock(&fs->synced.lock);
  rc = commit(w->staged, &r);
  writing_committed(fs, w, rc, &r);
  commit_result_fini(&r);
  mtx_lock(&fs->synced.lock);
  w->sending--;
  cond_broadcast(&fs->synced.told);
  mtx_unlock(&fs->synced.lock);
  return rc;
}

bool writing_await_told(struct fs *fs, struct writing *w) {
  bool waited = false;

  mtx_lock(&fs->synced.lock);
  while (w->sending > 0) {
    waited = true;
    cond_wait(&fs->synced.told, &fs->synced.lock);
  }
  mtx_unlock(&fs->synced.lock);
  return waited;
}

static int commit_once(struct fs *fs, struct writing *w) {
  struct commit_result r = {0};
  int rc = staged_is_dirty(w->staged) ? writing_dress_time(w, false) : 0;

  if (rc == 0)
    return writing_send(fs, w, staged_commit);
  writing_committed(fs, w, rc, &r);
  return rc;
}

int writing_commit(struct fs *fs, struct writing *w) {
  int rc = commit_once(fs, w);

  if (rc == 0 && writing_is_late(w)) {
    rc = writing_dress_time(w, true);
    if (rc == 0)
      rc = commit_once(fs, w);
  }
  return rc;
}

int writing_prove(struct fs *fs, struct writing *w) {
  return atomic_load(&fs_root_writes(fs, w->root)->proven) ? 0 : writing_commit(fs, w);
}

struct writing *writing_of_row(struct fs *fs, int64_t id) {
  struct writing *found = NULL;
  struct writing **all;
  size_t count;

  if (writings_borrow(fs, &all, &count) != 0)
    return NULL;
  for (size_t i = 0; i < count; i++) {
    if (found == NULL && staged_id(all[i]->staged) == id)
      found = all[i];
    else
      writing_give_back(fs, all[i]);
  }
  free(all);
  return found;
}

/* What is written after an export began is in a layer of its own. */
int writing_give_up(struct fs *fs, struct writing *w, size_t depth) {
  bool alone;
  int rc;

  if (!staged_is_dirty(w->staged))
    return -ENOENT;
  mtx_lock(&fs->synced.lock);
  alone = w->refs == w->lent && staged_depth(w->staged) == depth;
  if (alone)
    unknow_locked(fs, w); /* who opens it from now on begins anew */
  mtx_unlock(&fs->synced.lock);
  if (!alone)
    return staged_is_dirty(w->staged) ? -EBUSY : -ENOENT;
  rc = staged_give_up(w->staged);
  show_store(fs, w);
  return rc;
}

void writing_drop_denied(struct fs *fs, struct writing *w) {
  if (atomic_load(&fs_root_writes(fs, w->root)->proven) || staged_discard(w->staged) != 0)
    return;
  replaced(fs, w);
}

int writing_promise(struct fs *fs, struct writing *w) {
  int rc;

  if (!w->root->options.writeback || staged_depth(w->staged) > DEPTH_MAX ||
      staged_is_released(w->staged))
    return writing_commit(fs, w);
  if (!staged_is_dirty(w->staged))
    return 0;
  rc = writing_dress_time(w, false);
  if (rc == 0)
    rc = staged_acknowledge(w->staged);
  if (rc == 0 && writing_is_late(w))
    rc = writing_dress_time(w, true);
  if (rc == 0)
    behind_queue(fs, w);
  return rc;
}

void writing_show(struct fs *fs, struct fs_entry *e) {
  struct writing *w = writing_find(fs, e->ino);
  int64_t mtime;

  if (w == NULL)
    return;
  mtime = atomic_load(&w->mtime_ns);
  e->st.st_size = (off_t)staged_size(w->staged);
  e->st.st_blocks = (e->st.st_size + 511) / 512;
  if (mtime != 0)
    e->st.st_mtim = e->st.st_ctim = (struct timespec){mtime / 1000000000, mtime % 1000000000};
  writing_put(fs, w);
}

void writings_free(struct fs *fs) {
  struct writing *w;
  struct writing *next;

  HASH_ITER (hh, fs->synced.writings, w, next) {
    HASH_DEL(fs->synced.writings, w);
#ifndef __clang_analyzer__ /* it does not follow the table's own links */
    writing_free(fs, w);
#endif
  }
}
