/* A reader: one open version, what it reads ahead, and replies.
 *
 * A read pins the extents that cover it (on the grid, so a random read costs at
 * most a grid cell more at either side), starts what is new, then starts what the
 * pattern of its reads (pattern.c) asks for ahead, then waits for its own bytes.
 * Where a round trip takes longer than a few megabytes do, what a reader hops over is fetched, too.
 * A random read of several grid cells from a far store (the kernel reads around a page
 * that a mapping faults on) asks for each by itself: the program waits for all of
 * them, and side by side their bytes are here sooner.
 * How far ahead is bounded by the reader's share of memory and by what the store's
 * pace makes useful.
 *
 * Extents read ahead are kept (wanted) until the plan no longer expects them;
 * when the reader goes, loads that only it wanted are cancelled. */
#include "s3apfs/data/reader.h"

#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

#define KEPT_MAX 128
#define AHEAD_MAX 64 /* extents begun at once */
#define CANCEL_TRIES 2
#define DISK_WINDOW ((size_t)32 << 20) /* a part for each thread that reads from disk */

struct reader {
  struct cache *cache;
  struct store *store;
  struct version *version;
  unsigned spoiled; /* of the version, when this reader came */
  struct {
    struct mtx lock;
    struct pattern pattern;
    bool streaming;
    struct extent *kept[KEPT_MAX];
    size_t kept_count;
  } synced;
};

int reader_new(struct cache *c, struct store *s, const char *key, const struct store_attr *attr,
               struct reader **out) {
  struct reader *r = calloc(1, sizeof(*r));
  int rc;

  if (r == NULL)
    return -ENOMEM;
  rc = version_get(c, s, key, attr, &r->version);
  if (rc != 0) {
    free(r);
    return rc;
  }
  r->cache = c;
  r->store = s;
  r->spoiled = atomic_load(&r->version->spoiled);
  mtx_init(&r->synced.lock, RANK_HANDLE);
  *out = r;
  return 0;
}

void reader_free(struct reader *r) {
  if (r == NULL)
    return;
  cache_unwant(r->cache, r->synced.kept, r->synced.kept_count, true);
  if (r->synced.streaming)
    cache_stream_share(r->cache, r->store, -1, NULL);
  version_put(r->cache, r->version);
  mtx_fini(&r->synced.lock);
  free(r);
}

uint64_t reader_size(const struct reader *r) {
  return r->version->size;
}

bool reader_is_spoiled(const struct reader *r) {
  return atomic_load(&r->version->spoiled) != r->spoiled;
}

/* Moves the kept extents that lie outside of what the plan keeps to the caller. */
static void take_passed_locked(struct reader *r, const struct pattern_plan *plan,
                               struct extent **out, size_t *count) {
  size_t left = 0;

  *count = 0;
  for (size_t i = 0; i < r->synced.kept_count; i++) {
    struct extent *e = r->synced.kept[i];

    if ((e->offset + e->length <= plan->keep_from || e->offset >= plan->keep_to) &&
        !pattern_expects(&r->synced.pattern, e->offset, e->offset + e->length))
      out[(*count)++] = e;
    else
      r->synced.kept[left++] = e;
  }
  r->synced.kept_count = left;
}

static size_t stream_share_locked(struct reader *r, size_t *far) {
  bool streams = pattern_is_stream(&r->synced.pattern);
  int change = (int)streams - (int)r->synced.streaming;

  r->synced.streaming = streams;
  return cache_stream_share(r->cache, r->store, change, far);
}

/* What comes next is on the local disk, which needs no more ahead than this. */
static bool reads_from_disk(const struct reader *r, uint64_t offset) {
  struct version *v = r->version;

  return v->disk != NULL && version_may_use_disk(v, r->cache) &&
         disk_is_near(v->disk, offset, DISK_WINDOW);
}

/* Notes a read and plans what to read ahead. *passed gets what the window leaves behind, *piece
 * what to ask a store for at once. */
static void note(struct reader *r, uint64_t offset, uint64_t end, struct pattern_plan *plan,
                 struct extent **passed, size_t *passed_count, size_t *piece) {
  struct pattern_limits l = {.size = r->version->size, .part = DATA_PART, .grid = DATA_GRID};
  size_t most = reads_from_disk(r, offset) ? DISK_WINDOW : SIZE_MAX;

  mtx_lock(&r->synced.lock);
  l.window = stream_share_locked(r, &l.hop);
  l.window = l.window < most ? l.window : most;
  pattern_note(&r->synced.pattern, offset, end, &l, plan);
  take_passed_locked(r, plan, passed, passed_count);
  *piece = r->synced.pattern.kind == PATTERN_RANDOM && l.hop != 0 ? DATA_GRID : DATA_PART;
  mtx_unlock(&r->synced.lock);
}

/* Keeps as many as the window has room for; returns how many. */
static size_t keep(struct reader *r, struct extent *const *made, size_t count, uint64_t planned,
                   uint64_t reached) {
  size_t kept = 0;

  mtx_lock(&r->synced.lock);
  while (kept < count && r->synced.kept_count < KEPT_MAX)
    r->synced.kept[r->synced.kept_count++] = made[kept++];
  if (reached < planned)
    pattern_stopped(&r->synced.pattern, planned, reached);
  mtx_unlock(&r->synced.lock);
  return kept;
}

/* False: memory ran out. */
static bool read_ahead_range(struct reader *r, const struct pattern_range *range) {
  struct extent *made[AHEAD_MAX];
  uint64_t reached;
  size_t count;
  size_t kept;

  cache_fill_gaps(r->cache, r->version, r->store, range->from, range->to, made, &count, AHEAD_MAX,
                  &reached);
  for (size_t i = 0; i < count; i++)
    load_start(made[i]);
  kept = keep(r, made, count, range->to, reached);
  cache_unwant(r->cache, made + kept, count - kept, false);
  cache_unpin(r->cache, made, count);
  return reached >= range->to;
}

static void read_ahead(struct reader *r, const struct pattern_plan *plan) {
  for (size_t i = 0; i < plan->count; i++)
    if (!read_ahead_range(r, &plan->ranges[i]))
      return;
}

static int pin(struct reader *r, uint64_t offset, uint64_t end, size_t piece,
               const struct patience *p, struct pin_list *l) {
  int rc = cache_pin_range(r->cache, r->version, r->store, grid_down(offset),
                           grid_up(end, r->version->size), piece, p, l);

  for (size_t i = 0; rc == 0 && i < l->count; i++)
    if (l->fresh[i])
      load_start(l->pins[i]);
  return rc;
}

/* The part of [offset, end) that lies in the extent, relative to it. */
static void overlap(const struct extent *e, uint64_t offset, uint64_t end, size_t *from,
                    size_t *to) {
  *from = offset > e->offset ? (size_t)(offset - e->offset) : 0;
  *to = end - e->offset < e->length ? (size_t)(end - e->offset) : e->length;
}

/* *joined: the wait failed on a load that somebody else had started. */
static int wait_all(const struct pin_list *l, uint64_t offset, uint64_t end,
                    const struct patience *p, bool *joined) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < l->count; i++) {
    size_t from;
    size_t to;

    overlap(l->pins[i], offset, end, &from, &to);
    rc = load_wait(l->pins[i], to, p);
    *joined = rc != 0 && !l->fresh[i];
  }
  return rc;
}

/* Errors that say something about the attempt and not about the object. */
static bool is_passing(int err) {
  return err != -EACCES && err != -ENOENT && err != -ESTALE && err != -EINTR;
}

static void make_reply(const struct pin_list *l, uint64_t offset, uint64_t end,
                       struct reader_reply *out) {
  out->count = (int)l->count;
  out->bytes = 0;
  for (size_t i = 0; i < l->count; i++) {
    size_t from;
    size_t to;

    overlap(l->pins[i], offset, end, &from, &to);
    out->pins[i] = l->pins[i];
    out->iov[i] = (struct iovec){l->pins[i]->data + from, to - from};
    out->bytes += to - from;
  }
}

/* Tried again: a load that the store ended by itself, and one whose bad luck this
 * reader only inherited; but not that the object is another than its checksum says. */
static int pin_and_wait(struct reader *r, uint64_t offset, uint64_t end, size_t piece,
                        const struct pattern_plan *plan, const struct patience *p,
                        struct pin_list *l) {
  bool joined;
  int rc = -ECANCELED;

  for (unsigned i = 0; rc == -ECANCELED && i < CANCEL_TRIES; i++) {
    rc = pin(r, offset, end, piece, p, l);
    if (rc != 0)
      return rc;
    if (i == 0 && plan != NULL)
      read_ahead(r, plan);
    rc = wait_all(l, offset, end, p, &joined);
    if (rc != 0)
      cache_unpin(r->cache, l->pins, l->count);
    if (rc != 0 && joined && is_passing(rc) && !reader_is_spoiled(r) && patience_check(p) == 0)
      rc = -ECANCELED;
  }
  if (rc == 0 && reader_is_spoiled(r)) { /* while this waited */
    cache_unpin(r->cache, l->pins, l->count);
    return -EIO;
  }
  return rc == -ECANCELED ? -EIO : rc;
}

int reader_read(struct reader *r, uint64_t offset, size_t size, const struct patience *p,
                struct reader_reply *out) {
  struct extent *passed[KEPT_MAX];
  struct pin_list l;
  size_t passed_count;
  struct pattern_plan plan;
  size_t piece;
  uint64_t end;
  int rc;

  if (size > DATA_READ_MAX)
    return -EINVAL;
  if (offset >= r->version->size || size == 0) {
    out->count = 0;
    out->bytes = 0;
    return 0;
  }
  if (reader_is_spoiled(r))
    return -EIO;
  end = size < r->version->size - offset ? offset + size : r->version->size;
  note(r, offset, end, &plan, passed, &passed_count, &piece);
  cache_unwant(r->cache, passed, passed_count, false);
  rc = pin_and_wait(r, offset, end, piece, &plan, p, &l);
  if (rc == 0)
    make_reply(&l, offset, end, out);
  return rc;
}

void reader_put(struct reader *r, struct reader_reply *reply) {
  cache_unpin(r->cache, reply->pins, (size_t)reply->count);
  reply->count = 0;
  reply->bytes = 0;
}

int reader_probe(struct reader *r, const struct patience *p) {
  struct pin_list l;
  int rc;

  if (r->version->size == 0)
    return 0;
  rc = pin_and_wait(r, 0, 1, DATA_PART, NULL, p, &l);
  if (rc == 0)
    cache_unpin(r->cache, l.pins, l.count);
  return rc;
}

int reader_backing(struct reader *r) {
  struct version *v = r->version;

  return v->disk != NULL && version_may_use_disk(v, r->cache) ? disk_whole_fd(v->disk) : -1;
}
