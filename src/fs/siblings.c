/* Siblings: files of a folder that are being opened in listing order (`cat *`,
 * `cp -r`, a loader over images) are fetched ahead, many at once.
 *
 * For each of the last folders it is noted which places of its listing were
 * opened lately and which were fetched. An open shortly behind another one counts
 * for the folder, any other against it; several runs at once (threads, processes
 * with a share each) all count. How far ahead is fetched grows with the count, and
 * is bounded by memory and by the number of open files. Every place is fetched
 * ahead once: what was denied or gone is not asked for again. A folder that is read
 * through once more (a loader's next epoch) shows by several places in a row that
 * were opened before: then each that was opened may be fetched ahead again, as far as
 * memory or disk lack it. What was fetched and never opened may not.
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
#define AGAIN 4      /* places in a row, opened before: the folder is read once more */
#define AHEAD_EACH 8 /* files for each point */
#define AHEAD_MAX 256
#define WHOLE_MAX ((uint64_t)1 << 20) /* larger ones: only their beginning */
#define MEMORY_SHARE 4
#define THREADS 2

/* 64 places of a listing, a bit each. */
struct places {
  uint64_t opened; /* since the folder is read through this time */
  uint64_t ahead;  /* fetched ahead */
};

struct folder {
  uint64_t dir;
  uint64_t listing;
  uint64_t used; /* orders the table */
  uint32_t recent[RECENT];
  unsigned recent_count; /* ever */
  unsigned points;
  unsigned again; /* opens in a row of places that were opened before */
  struct places *places;
  size_t places_count;
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
  struct siblings *siblings;
  struct ns_position after;
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
    free(s->synced.folders[i].places);
  mtx_fini(&s->synced.lock);
  free(s);
}

/* --- what was opened --- */

static struct folder *known_locked(struct siblings *s, const struct ns_position *p) {
  for (size_t i = 0; i < FOLDERS; i++) {
    struct folder *f = &s->synced.folders[i];

    if (f->dir == p->dir && f->listing == p->listing)
      return f;
  }
  return NULL;
}

static struct folder *folder_locked(struct siblings *s, const struct ns_position *p) {
  struct folder *oldest = &s->synced.folders[0];
  struct folder *known = known_locked(s, p);

  if (known != NULL)
    return known;
  for (size_t i = 1; i < FOLDERS; i++)
    if (s->synced.folders[i].used < oldest->used)
      oldest = &s->synced.folders[i];
  free(oldest->places);
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

static uint64_t bit_of(uint32_t index) {
  return (uint64_t)1 << index % 64;
}

/* NULL: there is no memory to note it. */
static struct places *places_locked(struct folder *f, uint32_t index) {
  size_t at = index / 64;

  if (at >= f->places_count) {
    size_t count = (at + 16) * 2;
    struct places *grown = realloc(f->places, count * sizeof(*grown));

    if (grown == NULL)
      return NULL;
    memset(grown + f->places_count, 0, (count - f->places_count) * sizeof(*grown));
    f->places = grown;
    f->places_count = count;
  }
  return &f->places[at];
}

/* What was opened may be fetched ahead again; the opens that tell so are the first. */
static void begin_again_locked(struct folder *f) {
  for (size_t i = 0; i < f->places_count; i++) {
    f->places[i].ahead &= ~f->places[i].opened;
    f->places[i].opened = 0;
  }
  for (unsigned i = 0; i < AGAIN; i++) {
    uint32_t index = f->recent[(f->recent_count - 1 - i) % RECENT];

    f->places[index / 64].opened |= bit_of(index);
  }
  f->again = 0;
}

static void note_place_locked(struct folder *f, uint32_t index) {
  struct places *p = places_locked(f, index);
  bool another = f->recent_count == 0 || f->recent[(f->recent_count - 1) % RECENT] != index;

  f->recent[f->recent_count++ % RECENT] = index;
  if (p == NULL || (p->opened & bit_of(index)) == 0)
    f->again = 0;
  else
    f->again += another;
  if (p == NULL)
    return;
  p->opened |= bit_of(index);
  if (f->again == AGAIN)
    begin_again_locked(f);
}

/* False: it was opened or fetched, or that cannot be noted. */
static bool take_place_locked(struct folder *f, uint32_t index) {
  struct places *p = places_locked(f, index);

  if (p == NULL || ((p->opened | p->ahead) & bit_of(index)) != 0)
    return false;
  p->ahead |= bit_of(index);
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

/* There was no memory for the places from this one on: they may be tried later. */
static void give_back(const struct warming *w, size_t from) {
  struct siblings *s = w->siblings;
  struct folder *f;

  mtx_lock(&s->synced.lock);
  f = known_locked(s, &w->after);
  for (size_t i = from; f != NULL && i < w->count; i++) {
    uint32_t index = w->items[i].index;

    if (index / 64 < f->places_count)
      f->places[index / 64].ahead &= ~bit_of(index);
  }
  mtx_unlock(&s->synced.lock);
}

static void warm(void *arg) {
  struct warming *w = arg;
  size_t i = 0;

  while (i < w->count && cache_warm(w->siblings->fs->cache, w->root->store, w->items[i].key,
                                    &w->items[i].attr, length_of(&w->items[i])) == 0)
    i++;
  if (i < w->count)
    give_back(w, i);
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
    if (bytes <= allowed && take_place_locked(f, at->index))
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
  w->siblings = s;
  w->after = p;
  w->count = ns_following(s->fs->ns, &p, ahead, w->items, &w->root);
  choose(s, &p, w);
  if (w->count == 0 || pool_submit(s->pool, warm, w) != 0)
    warming_free(w);
}
