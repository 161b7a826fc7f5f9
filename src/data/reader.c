/* A reader: one open version, its read-ahead window, and replies.
 *
 * A read pins the extents that cover it (on the grid, so a random read costs at
 * most a grid cell more at either side), starts what is new, then looks ahead,
 * then waits for its own bytes. Read-ahead follows the run: the bytes read in
 * sequence so far. The window is twice the run, up to WINDOW_MAX and to the
 * reader's share of memory: so it doubles, the first read loads nothing but what
 * was asked for, and a jump starts over. The kernel sends the parts of one
 * read-ahead to several threads in any order, so "in sequence" allows SLACK.
 *
 * Extents read ahead are kept (wanted) until the run has passed them; when the
 * reader goes, loads that only it wanted are cancelled. */
#include "s3apfs/data/reader.h"

#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MAX ((size_t)32 << 20) /* four parts under way for one stream */
#define SLACK ((uint64_t)2 << 20)     /* two requests of the kernel */
#define KEPT_MAX 32
#define AHEAD_MAX (WINDOW_MAX / DATA_PART + 1) /* extents begun at once */
#define CANCEL_TRIES 2

struct reader {
  struct cache *cache;
  struct store *store;
  struct version *version;
  struct {
    struct mtx lock;
    uint64_t next;  /* where a sequential read goes on */
    uint64_t run;   /* bytes read in sequence */
    uint64_t ahead; /* read ahead up to here */
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
  mtx_init(&r->synced.lock, RANK_HANDLE);
  *out = r;
  return 0;
}

void reader_free(struct reader *r) {
  if (r == NULL)
    return;
  cache_unwant(r->cache, r->synced.kept, r->synced.kept_count, true);
  if (r->synced.streaming)
    cache_stream_share(r->cache, -1);
  version_put(r->cache, r->version);
  mtx_fini(&r->synced.lock);
  free(r);
}

uint64_t reader_size(const struct reader *r) {
  return r->version->size;
}

/* Moves the kept extents that end before `offset` to the caller. */
static void take_passed_locked(struct reader *r, uint64_t offset, struct extent **out,
                               size_t *count) {
  size_t left = 0;

  *count = 0;
  for (size_t i = 0; i < r->synced.kept_count; i++) {
    struct extent *e = r->synced.kept[i];

    if (e->offset + e->length <= offset)
      out[(*count)++] = e;
    else
      r->synced.kept[left++] = e;
  }
  r->synced.kept_count = left;
}

static bool in_sequence_locked(const struct reader *r, uint64_t offset) {
  return offset <= r->synced.next + SLACK && offset + SLACK >= r->synced.next;
}

static void set_streaming_locked(struct reader *r, bool on, size_t *share) {
  int change = (int)on - (int)r->synced.streaming;

  r->synced.streaming = on;
  *share = cache_stream_share(r->cache, change);
}

/* What to read ahead once [offset, end) is asked for: [*from, *to), or nothing. */
static void look_ahead_locked(struct reader *r, uint64_t end, size_t share, uint64_t *from,
                              uint64_t *to) {
  uint64_t size = r->version->size;
  uint64_t window = r->synced.run * 2;
  uint64_t start = grid_up(end, size);
  uint64_t target;

  *from = *to = 0;
  if (window > WINDOW_MAX)
    window = WINDOW_MAX;
  if (window > share)
    window = share;
  if (r->synced.ahead > start)
    start = r->synced.ahead;
  target = window < size - end ? grid_down(end + window) : size;
  if (target < size && target > start && target - start >= DATA_PART)
    target -= target % DATA_PART;
  /* Not in crumbs: half a window or a part at a time, or the rest. */
  if (target <= start ||
      (target < size && target - start < window / 2 && target - start < DATA_PART))
    return;
  *from = start;
  *to = target;
  r->synced.ahead = target;
}

/* Notes a read and plans what to read ahead. *passed gets what the window leaves behind. */
static void plan(struct reader *r, uint64_t offset, uint64_t end, uint64_t *from, uint64_t *to,
                 struct extent **passed, size_t *passed_count) {
  size_t share;

  mtx_lock(&r->synced.lock);
  if (in_sequence_locked(r, offset)) {
    set_streaming_locked(r, r->synced.run > 0, &share);
    look_ahead_locked(r, end, share, from, to);
    if (end > r->synced.next) {
      /* What was skipped was not read. */
      r->synced.run += end - (offset > r->synced.next ? offset : r->synced.next);
      r->synced.next = end;
    }
    take_passed_locked(r, offset > SLACK ? offset - SLACK : 0, passed, passed_count);
  } else {
    set_streaming_locked(r, false, &share);
    *from = *to = 0;
    r->synced.run = end - offset;
    r->synced.next = end;
    r->synced.ahead = 0;
    take_passed_locked(r, UINT64_MAX, passed, passed_count);
  }
  mtx_unlock(&r->synced.lock);
}

/* Keeps as many as the window has room for; returns how many. */
static size_t keep(struct reader *r, struct extent *const *made, size_t count, uint64_t wished,
                   uint64_t reached) {
  size_t kept = 0;

  mtx_lock(&r->synced.lock);
  while (kept < count && r->synced.kept_count < KEPT_MAX)
    r->synced.kept[r->synced.kept_count++] = made[kept++];
  if (r->synced.ahead == wished)
    r->synced.ahead = reached;
  mtx_unlock(&r->synced.lock);
  return kept;
}

static void read_ahead(struct reader *r, uint64_t from, uint64_t to) {
  struct extent *made[AHEAD_MAX];
  uint64_t reached;
  size_t count;
  size_t kept;

  cache_fill_gaps(r->cache, r->version, r->store, from, to, made, &count, AHEAD_MAX, &reached);
  for (size_t i = 0; i < count; i++)
    load_start(made[i]);
  kept = keep(r, made, count, to, reached);
  cache_unwant(r->cache, made + kept, count - kept, false);
  cache_unpin(r->cache, made, count);
}

static int pin(struct reader *r, uint64_t offset, uint64_t end, const struct patience *p,
               struct pin_list *l) {
  int rc = cache_pin_range(r->cache, r->version, r->store, grid_down(offset),
                           grid_up(end, r->version->size), p, l);

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
 * reader only inherited. */
static int pin_and_wait(struct reader *r, uint64_t offset, uint64_t end, uint64_t ahead_from,
                        uint64_t ahead_to, const struct patience *p, struct pin_list *l) {
  bool joined;
  int rc = -ECANCELED;

  for (unsigned i = 0; rc == -ECANCELED && i < CANCEL_TRIES; i++) {
    rc = pin(r, offset, end, p, l);
    if (rc != 0)
      return rc;
    if (i == 0 && ahead_to > ahead_from)
      read_ahead(r, ahead_from, ahead_to);
    rc = wait_all(l, offset, end, p, &joined);
    if (rc != 0)
      cache_unpin(r->cache, l->pins, l->count);
    if (rc != 0 && joined && is_passing(rc) && patience_check(p) == 0)
      rc = -ECANCELED;
  }
  return rc == -ECANCELED ? -EIO : rc;
}

int reader_read(struct reader *r, uint64_t offset, size_t size, const struct patience *p,
                struct reader_reply *out) {
  struct extent *passed[KEPT_MAX];
  struct pin_list l;
  size_t passed_count;
  uint64_t ahead_from;
  uint64_t ahead_to;
  uint64_t end;
  int rc;

  if (size > DATA_READ_MAX)
    return -EINVAL;
  if (offset >= r->version->size || size == 0) {
    out->count = 0;
    out->bytes = 0;
    return 0;
  }
  end = size < r->version->size - offset ? offset + size : r->version->size;
  plan(r, offset, end, &ahead_from, &ahead_to, passed, &passed_count);
  cache_unwant(r->cache, passed, passed_count, false);
  rc = pin_and_wait(r, offset, end, ahead_from, ahead_to, p, &l);
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
  rc = pin_and_wait(r, 0, 1, 0, 0, p, &l);
  if (rc == 0)
    cache_unpin(r->cache, l.pins, l.count);
  return rc;
}
