/* Siblings: files of a folder that are being opened in listing order (`cat *`,
 * `cp -r`, a loader over images) are fetched ahead, many at once.
 *
 * For each of the last folders it is noted which places of its listing were
 * opened lately and which were fetched. An open shortly behind another one counts
 * for the folder, any other against it; several runs at once (threads, processes
 * with a share each) all count. How far ahead is fetched grows with the count, and
 * is bounded by memory and by the number of open files. Every place is fetched
 * ahead once for a listing: what was denied or gone is not asked for again.
 *
 * Threads: opens note and decide under the lock; a small pool starts the requests,
 * as that may wait for credentials. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"
#include "s3apfs/base/pool.h"

#define FOLDERS 16
#define RECENT 64
#define NEAR 8 /* behind another open: places in between may be folders */
#define COUNT_MAX 64
#define AHEAD_EACH 8 /* files for each point */
#define AHEAD_MAX 256
#define WHOLE_MAX ((uint64_t)1 << 20) /* larger ones: only their beginning */
#define MEMORY_SHARE 4
#define THREADS 2

struct folder {
  uint64_t dir;
  uint64_t listing;
  uint64_t used; /* orders the table */
  uint32_t recent[RECENT];
  unsigned recent_count; /* ever */
  unsigned points;
  uint64_t *seen; /* a bit for each place: opened, or fetched ahead */
  size_t seen_words;
};

struct siblings {
  struct fs *fs;
  struct pool *pool;
  struct {
    struct mtx lock;
    struct folder folders[FOLDERS];
    uint64_t clock;
  } synced;
};

struct warming {
  struct fs *fs;
  const struct root *root;
  size_t count;
  struct ns_sibling items[];
};

int siblings_new(struct fs *fs, struct siblings **out) {
  struct siblings *s = calloc(1, sizeof(*s));
  int rc;

  if (s == NULL)
    return -ENOMEM;
  s->fs = fs;
  mtx_init(&s->synced.lock, RANK_HANDLE);
  rc = pool_new("s3apfs-warm", THREADS, &s->pool);
  if (rc != 0) {
    mtx_fini(&s->synced.lock);
    free(s);
    return rc;
  }
  *out = s;
  return 0;
}

void siblings_free(struct siblings *s) {
  if (s == NULL)
    return;
  pool_free(s->pool);
  for (size_t i = 0; i < FOLDERS; i++)
    free(s->synced.folders[i].seen);
  mtx_fini(&s->synced.lock);
  free(s);
}

/* --- what was opened --- */

static struct folder *folder_locked(struct siblings *s, const struct ns_position *p) {
  struct folder *oldest = &s->synced.folders[0];

  for (size_t i = 0; i < FOLDERS; i++) {
    struct folder *f = &s->synced.folders[i];

    if (f->dir == p->dir && f->listing == p->listing)
      return f;
    if (f->used < oldest->used)
      oldest = f;
  }
  free(oldest->seen);
  *oldest = (struct folder){.dir = p->dir, .listing = p->listing};
  return oldest;
}

static bool follows_another(const struct folder *f, uint32_t index) {
  unsigned count = f->recent_count < RECENT ? f->recent_count : RECENT;

  for (unsigned i = 0; i < count; i++)
    if (f->recent[i] < index && index - f->recent[i] <= NEAR)
      return true;
  return false;
}

/* False: it was, or there is no memory to note it. */
static bool note_place_locked(struct folder *f, uint32_t index) {
  size_t word = index / 64;
  uint64_t bit = (uint64_t)1 << index % 64;

  if (word >= f->seen_words) {
    size_t words = (word + 16) * 2;
    uint64_t *grown = realloc(f->seen, words * sizeof(*grown));

    if (grown == NULL)
      return false;
    memset(grown + f->seen_words, 0, (words - f->seen_words) * sizeof(*grown));
    f->seen = grown;
    f->seen_words = words;
  }
  if ((f->seen[word] & bit) != 0)
    return false;
  f->seen[word] |= bit;
  return true;
}

/* How many files may follow. */
static size_t note_open(struct siblings *s, const struct ns_position *p) {
  struct folder *f;
  size_t ahead = 0;

  mtx_lock(&s->synced.lock);
  f = folder_locked(s, p);
  f->used = ++s->synced.clock;
  if (follows_another(f, p->index)) {
    f->points += f->points < COUNT_MAX;
    ahead = (size_t)f->points * AHEAD_EACH;
  } else if (f->recent_count >= RECENT) {
    f->points /= 2; /* nobody can follow the first ones */
  }
  f->recent[f->recent_count++ % RECENT] = p->index;
  note_place_locked(f, p->index);
  mtx_unlock(&s->synced.lock);
  return ahead < AHEAD_MAX ? ahead : AHEAD_MAX;
}

/* --- fetching ahead --- */

static size_t length_of(const struct ns_sibling *i) {
  return i->attr.size <= WHOLE_MAX ? (size_t)i->attr.size : DATA_GRID;
}

static size_t bytes_allowed(struct fs *fs) {
  uint64_t open_files;

  mtx_lock(&fs->synced.lock);
  open_files = fs->synced.open_files;
  mtx_unlock(&fs->synced.lock);
  return budget_size(fs->budget) / MEMORY_SHARE / (open_files > 0 ? open_files : 1);
}

static void warming_free(struct warming *w) {
  for (size_t i = 0; i < w->count; i++)
    free(w->items[i].key);
  free(w);
}

static void warm(void *arg) {
  struct warming *w = arg;

  for (size_t i = 0; i < w->count; i++)
    if (cache_warm(w->fs->cache, w->root->store, w->items[i].key, &w->items[i].attr,
                   length_of(&w->items[i])) != 0)
      break;
  warming_free(w);
}

/* Leaves those that nobody has opened or fetched, as far as memory goes. */
static void choose(struct siblings *s, const struct ns_position *p, struct warming *w) {
  size_t allowed = bytes_allowed(s->fs);
  size_t bytes = 0;
  size_t left = 0;
  struct folder *f;

  mtx_lock(&s->synced.lock);
  f = folder_locked(s, p);
  for (size_t i = 0; i < w->count; i++) {
    struct ns_sibling *at = &w->items[i];

    bytes += length_of(at);
    if (bytes <= allowed && note_place_locked(f, at->index))
      w->items[left++] = *at;
    else
      free(at->key);
  }
  mtx_unlock(&s->synced.lock);
  w->count = left;
}

void siblings_opened(struct siblings *s, uint64_t ino) {
  struct ns_position p;
  struct warming *w;
  size_t ahead;

  if (ns_position(s->fs->ns, ino, &p) != 0)
    return;
  ahead = note_open(s, &p);
  if (ahead == 0)
    return;
  w = malloc(sizeof(*w) + ahead * sizeof(w->items[0]));
  if (w == NULL)
    return;
  w->fs = s->fs;
  w->count = ns_following(s->fs->ns, &p, ahead, w->items, &w->root);
  choose(s, &p, w);
  if (w->count == 0 || pool_submit(s->pool, warm, w) != 0)
    warming_free(w);
}
