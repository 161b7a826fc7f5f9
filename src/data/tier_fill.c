/* Filling the shared tier, behind the readers.
 *
 * A complete extent that the source gave is pinned for one thread, which seals its
 * cells into the part they belong to and unpins it: extents are held no longer than
 * that takes. A part that has all of its cells is sent by one of a few threads. What
 * waits is bounded, in bytes for the sealer and in parts behind it; beyond that an
 * extent is not kept and nobody waits. A part that does not become complete makes room
 * for a newer one: a tier of whole parts is one that a reader of whole files is served
 * from by a request a part, and random readers do not fill it with crumbs.
 *
 * The memory of parts is the cache's own (memory_borrow), so that the budget holds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <utlist.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/store/write.h"
#include "tier_internal.h"

/* What waits for the sealer, or is borrowed: one part in so many of the budget. */
#define SHARE 8

static int64_t now_ms(void) {
  return clock_mono_ms(&clock_system);
}

void tier_job_begin(struct tier *t) {
  mtx_lock(&t->synced.lock);
  t->synced.jobs++;
  mtx_unlock(&t->synced.lock);
}

void tier_job_end(struct tier *t) {
  mtx_lock(&t->synced.lock);
  t->synced.jobs--;
  cond_broadcast(&t->synced.changed);
  mtx_unlock(&t->synced.lock);
}

/* --- parts --- */

void tier_part_free(struct tier_part *p) {
  munmap(p->sealed, p->size);
  memory_return(p->cache, p->size);
  mtx_lock(&p->tier->synced.lock);
  p->tier->synced.part_count--;
  mtx_unlock(&p->tier->synced.lock);
  free(p);
}

static unsigned parts_max(const struct cache *c) {
  size_t n = budget_size(c->budget) / SHARE / DATA_PART;

  return n < 1 ? 1 : n > TIER_PARTS_MAX ? TIER_PARTS_MAX : (unsigned)n;
}

/* Room for one part more, made by giving up the oldest that waits for its cells. */
static bool make_room(struct tier *t, const struct cache *c) {
  struct tier_part *oldest = NULL;
  bool room;

  mtx_lock(&t->synced.lock);
  if (t->synced.part_count >= parts_max(c) && t->synced.parts != NULL) {
    oldest = t->synced.parts;
    DL_DELETE(t->synced.parts, oldest);
  }
  room = t->synced.part_count < parts_max(c) || oldest != NULL;
  mtx_unlock(&t->synced.lock);
  if (oldest != NULL) {
    atomic_fetch_add(&t->skipped_bytes, oldest->size);
    tier_part_free(oldest);
  }
  return room;
}

struct tier_part *tier_part_new(struct tier *t, struct cache *c, size_t size) {
  struct tier_part *p = calloc(1, sizeof(*p));

  if (p == NULL)
    return NULL;
  if (!memory_borrow(c, size)) {
    free(p);
    return NULL;
  }
  p->sealed = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p->sealed == MAP_FAILED) {
    memory_return(c, size);
    free(p);
    return NULL;
  }
  p->tier = t;
  p->cache = c;
  p->size = size;
  mtx_lock(&t->synced.lock);
  t->synced.part_count++;
  mtx_unlock(&t->synced.lock);
  return p;
}

/* Only the sealer puts parts into the list, so one that is not found stays so. */
static struct tier_part *part_find(struct tier *t, const char *name) {
  struct tier_part *p;

  mtx_lock(&t->synced.lock);
  DL_FOREACH (t->synced.parts, p)
    if (strcmp(p->name, name) == 0)
      break;
  mtx_unlock(&t->synced.lock);
  return p;
}

static struct tier_part *part_get(struct tier *t, const struct extent *e, const char *name,
                                  uint64_t hash) {
  size_t size = tier_part_sealed(e->version->size, e->offset / DATA_PART);
  struct tier_part *p = part_find(t, name);

  if (p != NULL)
    return p;
  if (!make_room(t, e->cache))
    return NULL;
  p = tier_part_new(t, e->cache, size);
  if (p == NULL)
    return NULL;
  memcpy(p->name, name, sizeof(p->name));
  p->hash = hash;
  p->cells = (unsigned)((size + TIER_FRAME - 1) / TIER_FRAME);
  mtx_lock(&t->synced.lock);
  DL_APPEND(t->synced.parts, p);
  mtx_unlock(&t->synced.lock);
  return p;
}

/* --- sending --- */

static bool may_send(struct tier *t) {
  bool may;

  mtx_lock(&t->synced.lock);
  may = !(t->synced.draining && t->synced.writing.failures > 0) &&
        tier_gate_pass(&t->synced.writing, now_ms());
  mtx_unlock(&t->synced.lock);
  return may;
}

static void sent(struct tier_part *p, int err) {
  struct tier *t = p->tier;
  bool turned = false;

  mtx_lock(&t->synced.lock);
  if (err == -EAGAIN) /* its keys are not there yet */
    tier_gate_withdraw(&t->synced.writing);
  else
    turned = tier_gate_note(&t->synced.writing, err == 0, now_ms());
  if (err == 0)
    tier_known_set(t->synced.known, p->hash, TIER_HELD, now_ms());
  mtx_unlock(&t->synced.lock);
  atomic_fetch_add(&t->filled, err == 0);
  atomic_fetch_add(&t->failures, err != 0 && err != -EAGAIN);
  atomic_fetch_add(err == 0 ? &t->filled_bytes : &t->skipped_bytes, p->size);
  if (turned && err != 0)
    log_warn("the shared tier cannot be filled, which is tried again in a while: %s",
             strerror(-err));
  else if (turned)
    log_info("the shared tier can be filled again");
}

void tier_part_send(struct tier_part *p) {
  static const struct store_condition any = {.what = STORE_IF_ANY};
  struct tier *t = p->tier;
  struct store_attr attr;

  if (may_send(t))
    sent(p, t->store->write->put(t->store, p->name, p->sealed, p->size, NULL, &any, &attr));
  else
    atomic_fetch_add(&t->skipped_bytes, p->size);
  tier_part_free(p);
}

static void send_job(void *arg) {
  struct tier_part *p = arg;
  struct tier *t = p->tier;

  tier_part_send(p);
  tier_job_end(t);
}

static void part_complete(struct tier_part *p) {
  struct tier *t = p->tier;

  mtx_lock(&t->synced.lock);
  DL_DELETE(t->synced.parts, p);
  mtx_unlock(&t->synced.lock);
  tier_job_begin(t);
  if (pool_submit(t->senders, send_job, p) == 0)
    return;
  tier_part_free(p);
  tier_job_end(t);
}

/* --- sealing --- */

static void seal_cells(struct tier_part *p, struct tier_version *v, const struct extent *e) {
  for (size_t at = 0; at < e->length; at += DATA_GRID) {
    uint64_t cell = (e->offset + at) / DATA_GRID;
    unsigned in_part = (unsigned)(cell % TIER_CELLS);

    if (tier_seal(v, cell, e->data + at, p->sealed + in_part * TIER_FRAME) == 0)
      p->have |= UINT32_C(1) << in_part;
  }
  if (p->have == (p->cells == 32 ? UINT32_MAX : (UINT32_C(1) << p->cells) - 1))
    part_complete(p);
}

static bool is_held(struct tier *t, uint64_t hash) {
  bool held;

  mtx_lock(&t->synced.lock);
  held = tier_known_get(t->synced.known, hash, now_ms()) == TIER_HELD;
  mtx_unlock(&t->synced.lock);
  return held;
}

static void seal_extent(struct tier *t, const struct extent *e) {
  struct tier_version *v = tier_version_of(t, e);
  uint64_t part = e->offset / DATA_PART;
  char name[TIER_NAME + 1];
  struct tier_part *p = NULL;
  uint64_t hash;

  if (v == NULL)
    return;
  hash = tier_part_hash(tier_version_hash(v), part);
  if (!is_held(t, hash)) {
    if (tier_version_name(v, part, name) == 0)
      p = part_get(t, e, name, hash);
    if (p != NULL)
      seal_cells(p, v, e);
    else
      atomic_fetch_add(&t->skipped_bytes, e->length);
  }
  tier_version_free(v);
}

static void seal_job(void *arg) {
  struct extent *e = arg;
  struct tier *t = e->cache->tier;

  seal_extent(t, e);
  atomic_fetch_sub(&t->queued, e->length);
  cache_unpin(e->cache, &e, 1);
  tier_job_end(t);
}

static bool worth_sealing(struct tier *t, const struct extent *e) {
  bool shut;

  if (e->store->place == NULL || e->version->etag[0] == '\0' || e->version->size <= DATA_GRID)
    return false;
  mtx_lock(&t->synced.lock);
  shut = tier_gate_is_shut(&t->synced.writing) && now_ms() < t->synced.writing.until_ms;
  mtx_unlock(&t->synced.lock);
  return !shut;
}

void tier_keep(struct extent *e) {
  struct tier *t = e->cache->tier;
  size_t most = budget_size(e->cache->budget) / SHARE;
  size_t queued = atomic_fetch_add(&t->queued, e->length);

  if (worth_sealing(t, e) && (queued == 0 || queued + e->length <= most)) {
    tier_job_begin(t);
    if (pool_submit(t->sealer, seal_job, e) == 0)
      return;
    tier_job_end(t);
  }
  atomic_fetch_sub(&t->queued, e->length);
  atomic_fetch_add(&t->skipped_bytes, e->length);
  cache_unpin(e->cache, &e, 1);
}

void tier_drain(struct tier *t) {
  struct tier_part *p;

  mtx_lock(&t->synced.lock);
  t->synced.draining = true; /* the first failure ends it */
  while (t->synced.jobs > 0)
    cond_wait(&t->synced.changed, &t->synced.lock);
  while ((p = t->synced.parts) != NULL) {
    DL_DELETE(t->synced.parts, p);
    mtx_unlock(&t->synced.lock);
    tier_part_free(p);
    mtx_lock(&t->synced.lock);
  }
  t->synced.draining = false;
  mtx_unlock(&t->synced.lock);
}
