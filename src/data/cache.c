/* The cache as readers use it: pinning ranges, reading ahead, cancelling.
 *
 * Read-ahead never waits, never takes memory that a waiting reader could use,
 * and evicts only what no reader's window holds; demand evicts anything that is
 * not in use. Stores are called with no lock held: a new extent is pinned until
 * its starter is through, and one that is being cancelled until the store
 * answered.
 *
 * Threads: callers' threads, and the stores' threads through load.c. */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#include "s3apfs/base/clock.h"

/* --- ranges --- */

/* End of the gap that starts at pos, in one piece; `at` is the next extent. */
static uint64_t gap_end_locked(const struct version *v, size_t at, uint64_t pos, uint64_t to,
                               size_t piece) {
  uint64_t part = pos - pos % piece + piece;
  uint64_t end = at < v->count && v->extents[at]->offset < to ? v->extents[at]->offset : to;

  return part < end ? part : end;
}

static bool covers_locked(const struct version *v, size_t at, uint64_t pos) {
  return at < v->count && v->extents[at]->offset <= pos;
}

static uint64_t extent_end(const struct extent *e) {
  return e->offset + e->length;
}

static size_t missing_locked(const struct version *v, uint64_t from, uint64_t to, size_t piece) {
  size_t bytes = 0;
  size_t at = version_find_locked(v, from);

  for (uint64_t pos = from; pos < to;) {
    if (covers_locked(v, at, pos)) {
      pos = extent_end(v->extents[at++]);
    } else {
      uint64_t end = gap_end_locked(v, at, pos, to, piece);

      bytes += extent_cost((size_t)(end - pos));
      pos = end;
    }
  }
  return bytes;
}

/* Pins or makes all of [from, to). *used: reserved bytes that extents took over. */
static int pin_locked(struct cache *c, struct version *v, struct store *s, uint64_t from,
                      uint64_t to, size_t piece, struct pin_list *l, size_t *used) {
  size_t at = version_find_locked(v, from);
  uint64_t pos = from;

  while (pos < to && l->count < DATA_PINS_MAX) {
    struct extent *e;
    bool fresh = !covers_locked(v, at, pos);

    if (fresh) {
      uint64_t end = gap_end_locked(v, at, pos, to, piece);
      int rc = extent_make_locked(c, v, s, at, pos, end, &e);

      if (rc != 0)
        return rc;
      *used += extent_cost(e->length);
      c->synced.stats.misses++;
    } else {
      e = v->extents[at];
      extent_unshelve_locked(e);
      e->passed = false; /* somebody came back */
      e->pins++;
      c->synced.stats.hits++;
    }
    l->fresh[l->count] = fresh;
    l->pins[l->count++] = e;
    pos = extent_end(e);
    at++;
  }
  return pos >= to ? 0 : -EINVAL;
}

static void pin_undo(struct cache *c, struct pin_list *l) {
  for (size_t i = 0; i < l->count; i++)
    if (l->fresh[i])
      load_end(l->pins[i], -ENOMEM);
  cache_unpin(c, l->pins, l->count);
  l->count = 0;
}

int cache_pin_range(struct cache *c, struct version *v, struct store *s, uint64_t from, uint64_t to,
                    size_t piece, const struct patience *p, struct pin_list *l) {
  size_t reserved = 0;
  int rc;

  l->count = 0;
  for (;;) {
    size_t used = 0;
    size_t missing;

    mtx_lock(&c->synced.lock);
    missing = missing_locked(v, from, to, piece);
    rc = missing <= reserved ? pin_locked(c, v, s, from, to, piece, l, &used) : -EAGAIN;
    mtx_unlock(&c->synced.lock);
    if (reserved > used)
      budget_release(c->budget, reserved - used);
    if (rc != -EAGAIN)
      break;
    rc = memory_demand(c, missing, p);
    if (rc != 0)
      return rc;
    reserved = missing;
  }
  if (rc != 0)
    pin_undo(c, l);
  return rc;
}

/* Makes one extent for [pos, end), which is a gap. */
static bool ahead_one_locked(struct cache *c, struct version *v, struct store *s, uint64_t pos,
                             uint64_t end, struct extent **out) {
  size_t cost = extent_cost((size_t)(end - pos));

  if (c->synced.demanded > 0 || !memory_try_locked(c, cost, false))
    return false;
  /* Eviction may have moved the place. */
  if (extent_make_locked(c, v, s, version_find_locked(v, pos), pos, end, out) != 0) {
    budget_release(c->budget, cost);
    return false;
  }
  (*out)->wanted = 1;
  c->synced.stats.ahead++;
  return true;
}

void cache_fill_gaps(struct cache *c, struct version *v, struct store *s, uint64_t from,
                     uint64_t to, struct extent **made, size_t *count, size_t max,
                     uint64_t *reached) {
  uint64_t pos = from;

  *count = 0;
  mtx_lock(&c->synced.lock);
  while (pos < to && *count < max) {
    size_t at = version_find_locked(v, pos);
    uint64_t end;

    if (covers_locked(v, at, pos)) {
      pos = extent_end(v->extents[at]);
      continue;
    }
    end = gap_end_locked(v, at, pos, to, DATA_PART);
    if (!ahead_one_locked(c, v, s, pos, end, &made[*count]))
      break;
    ++*count;
    pos = end;
  }
  mtx_unlock(&c->synced.lock);
  *reached = pos < to ? pos : to;
}

static void unpin_locked(struct extent *e) {
  e->pins--;
  extent_settle_locked(e);
}

void cache_unpin(struct cache *c, struct extent *const *pins, size_t count) {
  mtx_lock(&c->synced.lock);
  for (size_t i = 0; i < count; i++)
    unpin_locked(pins[i]);
  memory_feed_locked(c);
  mtx_unlock(&c->synced.lock);
}

/* Ends a load that nobody needs. It is unmapped first, so nobody finds it any
 * more, and pinned, so it stays while the store is asked. */
static void cancel_load(struct extent *e) {
  struct cache *c = e->cache;

  if (e->started)
    e->store->ops->get_cancel(e->store, &e->get);
  cache_unpin(c, &e, 1);
}

void cache_leave(struct cache *c, struct extent *const *extents, size_t count) {
  mtx_lock(&c->synced.lock);
  for (size_t i = 0; i < count; i++) {
    extents[i]->wanted--;
    extent_settle_locked(extents[i]);
  }
  mtx_unlock(&c->synced.lock);
}

void cache_unwant(struct cache *c, struct extent *const *extents, size_t count, bool cancel) {
  for (size_t i = 0; i < count; i++) {
    struct extent *e = extents[i];
    bool end_it;

    mtx_lock(&c->synced.lock);
    e->wanted--;
    e->passed = true;
    end_it = cancel && e->loading && e->pins == 0 && e->wanted == 0 && !load_is_complete(e);
    if (end_it) {
      e->pins++;
      extent_unmap_locked(e);
    }
    extent_settle_locked(e);
    mtx_unlock(&c->synced.lock);
    if (end_it)
      cancel_load(e);
  }
}

void cache_load_failed(struct extent *e) {
  struct cache *c = e->cache;

  mtx_lock(&c->synced.lock);
  c->synced.stats.failed++;
  extent_unmap_locked(e);
  mtx_unlock(&c->synced.lock);
}

static void one_load_less_locked(struct cache *c) {
  memory_feed_locked(c);
  if (--c->synced.loading == 0)
    cond_broadcast(&c->synced.idle);
}

bool cache_load_hold(struct extent *e) {
  struct cache *c = e->cache;
  bool wanted;

  mtx_lock(&c->synced.lock);
  wanted = e->mapped;
  e->pins++;
  c->synced.loading++;
  mtx_unlock(&c->synced.lock);
  return wanted;
}

void cache_load_let_go(struct cache *c, struct extent *e) {
  mtx_lock(&c->synced.lock);
  unpin_locked(e);
  one_load_less_locked(c);
  mtx_unlock(&c->synced.lock);
}

void cache_load_ended(struct extent *e, bool fetched) {
  struct cache *c = e->cache;
  bool keep;
  bool fill;

  mtx_lock(&c->synced.lock);
  keep = fetched && e->mapped && e->disk != NULL;
  fill = fetched && e->mapped && c->tier != NULL && e->first_us != 0;
  e->pins += (unsigned)keep + (unsigned)fill;
  if (fetched && e->mapped && e->first_us != 0)
    pace_note_locked(c, e->store, e->length, clock_mono_us() - e->started_us,
                     e->first_us - e->started_us);
  mtx_unlock(&c->synced.lock);
  if (keep) {
    disk_keep(e);
  } else if (e->disk != NULL) {
    disk_file_put_later(e->disk);
    e->disk = NULL;
  }
  if (fill)
    tier_keep(e);
  mtx_lock(&c->synced.lock);
  e->loading = false;
  extent_settle_locked(e);
  one_load_less_locked(c);
  mtx_unlock(&c->synced.lock);
}

size_t cache_stream_share(struct cache *c, const struct store *s, int streams_change, size_t *far) {
  size_t share;
  size_t pace;

  mtx_lock(&c->synced.lock);
  c->synced.streams += (unsigned)streams_change;
  share = budget_size(c->budget) / 4 * 3 / (c->synced.streams > 0 ? c->synced.streams : 1);
  pace = pace_window_locked(c, s);
  if (pace < share)
    share = pace;
  if (far != NULL)
    *far = pace_far_locked(c, s);
  mtx_unlock(&c->synced.lock);
  return share;
}

/* --- life --- */

int cache_new(struct budget *b, struct cache **out) {
  struct cache *c;

  if (budget_size(b) < DATA_BUDGET_MIN)
    return -EINVAL;
  c = calloc(1, sizeof(*c));
  if (c == NULL)
    return -ENOMEM;
  c->budget = b;
  if (buffers_init(c) != 0) {
    free(c);
    return -ENOMEM;
  }
  mtx_init(&c->synced.lock, RANK_DATA);
  cond_init(&c->synced.idle);
  proofs_init(&c->proofs);
  *out = c;
  return 0;
}

void cache_set_disk(struct cache *c, struct disk *d) {
  c->disk = d;
}

void cache_set_tier(struct cache *c, struct tier *t) {
  c->tier = t;
  c->slack = t != NULL ? TIER_ROOM : 0;
}

void cache_want_proof(struct cache *c) {
  c->proof_wanted = true;
}

/* A load that outlived its reader, pinned; NULL when none is left to cancel. One whose
 * bytes are all there is let end, to be kept on disk. */
static struct extent *orphan_locked(struct cache *c) {
  struct version *v;
  struct version *next;

  HASH_ITER (hh, c->synced.versions, v, next) {
    for (size_t i = 0; i < v->count; i++) {
      struct extent *e = v->extents[i];

      if (!e->loading || load_is_complete(e))
        continue;
      e->pins++;
      extent_unmap_locked(e);
      return e;
    }
  }
  return NULL;
}

void cache_free(struct cache *c) {
  struct extent *e;

  if (c == NULL)
    return;
  mtx_lock(&c->synced.lock);
  while ((e = orphan_locked(c)) != NULL) {
    mtx_unlock(&c->synced.lock);
    cancel_load(e);
    mtx_lock(&c->synced.lock);
  }
  while (c->synced.loading > 0)
    cond_wait(&c->synced.idle, &c->synced.lock);
  mtx_unlock(&c->synced.lock);
  if (c->disk != NULL)
    disk_drain(c->disk);
  if (c->tier != NULL)
    tier_drain(c->tier);
  mtx_lock(&c->synced.lock);
  while (memory_evict_locked(c, true))
    continue;
  buffers_fini(c);
  mtx_unlock(&c->synced.lock);
  cond_fini(&c->synced.idle);
  proofs_fini(&c->proofs);
  mtx_fini(&c->synced.lock);
  free(c);
}

static bool is_of(const struct version *v, const char *realm, const char *prefix) {
  size_t n = strlen(realm);

  return strncmp(v->id, realm, n) == 0 && v->id[n] == DATA_ID_SEPARATOR &&
         strncmp(v->key, prefix, strlen(prefix)) == 0;
}

/* Out of the map. *cancel: it is being loaded, and is pinned so that this can be ended. */
static void take_out_locked(struct extent *e, struct extent **cancel) {
  if (e->loading && e->pins == 0) {
    e->pins++;
    *cancel = e;
  }
  extent_unmap_locked(e);
  extent_settle_locked(e);
}

/* Takes one extent of those versions out of the map; NULL: none is left. One that
 * loads is pinned, for its load to be cancelled when nobody waits for it. */
static bool drop_one_locked(struct cache *c, const char *realm, const char *prefix,
                            struct extent **cancel) {
  struct version *v;
  struct version *next;

  HASH_ITER (hh, c->synced.versions, v, next) {
    struct extent *e;

    if (v->count == 0 || !is_of(v, realm, prefix))
      continue;
    e = v->extents[v->count - 1];
    take_out_locked(e, cancel);
    return true;
  }
  return false;
}

/* Takes one extent of the version, but not `but`, out of the map; as above. */
static bool drop_other_locked(struct version *v, const struct extent *but, struct extent **cancel) {
  for (size_t i = v->count; i > 0; i--) {
    struct extent *e = v->extents[i - 1];

    if (e == but)
      continue;
    take_out_locked(e, cancel);
    return true;
  }
  return false;
}

/* Without the lock meanwhile. */
static void end_load_locked(struct cache *c, struct extent **cancel) {
  if (*cancel == NULL)
    return;
  mtx_unlock(&c->synced.lock);
  cancel_load(*cancel);
  *cancel = NULL;
  mtx_lock(&c->synced.lock);
}

void cache_drop_others(struct extent *e) {
  struct cache *c = e->cache;
  struct extent *cancel = NULL;

  mtx_lock(&c->synced.lock);
  while (drop_other_locked(e->version, e, &cancel))
    end_load_locked(c, &cancel);
  memory_feed_locked(c);
  mtx_unlock(&c->synced.lock);
}

/* What allowed them may be gone. */
static void forget_proofs_locked(struct cache *c, const char *realm, const char *prefix) {
  struct version *v;
  struct version *next;

  HASH_ITER (hh, c->synced.versions, v, next)
    if (is_of(v, realm, prefix))
      atomic_store(&v->proved_us, 0);
}

/* Disk first: what memory loads afterwards must not come from there. */
static void drop_from_disk(struct cache *c, const char *realm, const char *prefix) {
  char *id = c->disk != NULL ? text_printf("%s%c%s", realm, DATA_ID_SEPARATOR, prefix) : NULL;

  if (id != NULL)
    disk_drop(c->disk, id);
  free(id);
}

void cache_drop(struct cache *c, const char *realm, const char *prefix) {
  struct extent *cancel = NULL;

  drop_from_disk(c, realm, prefix);
  mtx_lock(&c->synced.lock);
  forget_proofs_locked(c, realm, prefix);
  proofs_clear(&c->proofs); /* by hash nobody can tell which */
  while (drop_one_locked(c, realm, prefix, &cancel))
    end_load_locked(c, &cancel);
  memory_feed_locked(c);
  mtx_unlock(&c->synced.lock);
}

void cache_stats(struct cache *c, struct cache_stats *out) {
  mtx_lock(&c->synced.lock);
  *out = c->synced.stats;
  mtx_unlock(&c->synced.lock);
}
