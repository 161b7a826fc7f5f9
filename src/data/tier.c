/* The shared tier's life, and reading from it.
 *
 * A load that neither memory nor disk can serve asks the tier first when it is likely
 * to hold the part, and when the source gave bytes of the version to this mount not
 * longer than proof_ms ago. The sealed run of cells is received in the extent's own
 * memory, which has TIER_ROOM bytes more than its length; each frame that is complete
 * is opened to where its cell belongs, before the place where it stood, and announced
 * to the readers. Whatever goes wrong sends what is left of the load to the source,
 * from the first cell that is missing: an absent part, a frame that does not open, an
 * error, and a watcher that ends loads without bytes for timeout_ms, or as slow as
 * SLOWEST. After failures in a row nothing is asked for a while (tier_known.h).
 *
 * Threads: the readers' (tier_load), the store's (progress, done), the watcher, and a
 * pool that asks sources, because those may block for keys and the store's threads may
 * not. A load belongs to whoever asks until done() came; two references keep it, as
 * done() may come before the call that asked returns, and a third while the watcher
 * cancels it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/xxh.h"
#include "tier_internal.h"

#define DEFAULT_TIMEOUT_MS 250
#define SLOWEST_BYTES_PER_MS 4000
#define FALLBACK_THREADS 4
#define SENDERS 4

struct tier_load {
  struct store_get get;
  struct tier *tier;
  struct extent *extent;
  struct tier_version *version;
  char name[TIER_NAME + 1];
  uint64_t version_hash;
  uint64_t part_hash;
  int64_t asked_ms;
  atomic_size_t arrived; /* sealed bytes */
  size_t taken;          /* of those: opened; the store's threads' own, as is what follows */
  size_t plain;
  int bad; /* why a frame did not open */
  /* under the tier's lock: */
  unsigned refs;
  bool asked; /* get() has returned: it may be cancelled */
  bool cancelled;
  struct tier_load *prev;
  struct tier_load *next;
};

static int64_t now_ms(void) {
  return clock_mono_ms(&clock_system);
}

uint64_t tier_part_hash(uint64_t version, uint64_t part) {
  const uint64_t both[2] = {version, part};

  return xxh64_of(both, sizeof(both), 1);
}

struct tier_version *tier_version_of(struct tier *t, const struct extent *e) {
  const struct version *v = e->version;
  struct tier_version *out;

  return tier_version_new(&t->keys, e->store->place, v->key, v->etag, v->size, &out) == 0 ? out
                                                                                          : NULL;
}

/* --- a load's life --- */

static void load_free(struct tier_load *l) {
  tier_version_free(l->version);
  free(l);
}

static void load_unref(struct tier_load *l) {
  struct tier *t = l->tier;
  bool last;

  mtx_lock(&t->synced.lock);
  last = --l->refs == 0;
  mtx_unlock(&t->synced.lock);
  if (last)
    load_free(l);
}

static struct tier_load *load_new(struct tier *t, struct extent *e) {
  struct tier_load *l = calloc(1, sizeof(*l));
  uint64_t part = e->offset / DATA_PART;

  if (l == NULL)
    return NULL;
  l->tier = t;
  l->extent = e;
  l->refs = 2;
  l->version = tier_version_of(t, e);
  if (l->version == NULL || tier_version_name(l->version, part, l->name) != 0) {
    load_free(l);
    return NULL;
  }
  l->version_hash = tier_version_hash(l->version);
  l->part_hash = tier_part_hash(l->version_hash, part);
  return l;
}

/* Whether it is to be asked now; then the load is in the list. */
static bool enlist(struct tier_load *l) {
  struct tier *t = l->tier;
  int64_t now = now_ms();
  bool ask;

  mtx_lock(&t->synced.lock);
  ask = t->synced.loading < TIER_LOADS_MAX && !t->synced.stopping &&
        tier_known_likely(t->synced.known, l->version_hash, l->part_hash, now) &&
        tier_gate_pass(&t->synced.reading, now);
  if (ask) {
    l->asked_ms = now;
    DL_APPEND(t->synced.loads, l);
    t->synced.loading++;
    cond_broadcast(&t->synced.changed);
  }
  mtx_unlock(&t->synced.lock);
  return ask;
}

static void say_gate(const char *what, bool shut, int err) {
  if (shut)
    log_warn("the shared tier cannot be %s, going on without it for a while: %s", what,
             strerror(-err));
  else
    log_info("the shared tier can be %s again", what);
}

/* What the end of a load says about the tier. */
enum verdict { VERDICT_HELD, VERDICT_ABSENT, VERDICT_DAMAGED, VERDICT_FAILED, VERDICT_NONE };

static enum verdict judge(const struct tier_load *l, int err, bool held_before) {
  if (err == 0)
    return VERDICT_HELD;
  if (l->bad == -EBADMSG)
    return VERDICT_DAMAGED;
  if (err == -EAGAIN)
    return VERDICT_NONE; /* its keys are not there yet */
  if (err == -ENOENT || err == -ENOKEY)
    return VERDICT_ABSENT;
  /* Without the right to list, S3 denies what is not there. */
  if (err == -EACCES && !held_before && !l->cancelled)
    return VERDICT_ABSENT;
  return VERDICT_FAILED;
}

static void count(struct tier *t, enum verdict v, const struct tier_load *l) {
  atomic_fetch_add(&t->hits, v == VERDICT_HELD);
  atomic_fetch_add(&t->misses, v == VERDICT_ABSENT);
  atomic_fetch_add(&t->failures, v == VERDICT_FAILED);
  if (v == VERDICT_DAMAGED && atomic_fetch_add(&t->bad_parts, 1) == 0)
    log_warn("the shared tier holds damaged parts (%s), which are fetched from the source",
             l->name);
  atomic_fetch_add(&t->hit_bytes, l->plain);
}

/* Takes a load out of the list and learns from it, and tells what. */
static enum verdict delist(struct tier_load *l, int err) {
  struct tier *t = l->tier;
  int64_t now = now_ms();
  bool turned = false;
  enum verdict v;

  mtx_lock(&t->synced.lock);
  v = judge(l, err, tier_known_get(t->synced.known, l->part_hash, now) == TIER_HELD);
  if (v == VERDICT_NONE)
    tier_gate_withdraw(&t->synced.reading);
  else
    turned = tier_gate_note(&t->synced.reading, v != VERDICT_FAILED, now);
  if (v == VERDICT_HELD || v == VERDICT_ABSENT)
    tier_known_note(t->synced.known, l->version_hash, l->part_hash, v == VERDICT_HELD, now);
  else if (v == VERDICT_DAMAGED) /* to be filled in anew */
    tier_known_set(t->synced.known, l->part_hash, TIER_ABSENT, now);
  DL_DELETE(t->synced.loads, l);
  t->synced.loading--;
  cond_broadcast(&t->synced.changed);
  mtx_unlock(&t->synced.lock);
  count(t, v, l);
  if (turned)
    say_gate("read", v == VERDICT_FAILED, l->cancelled ? -ETIMEDOUT : err);
  return v;
}

/* --- bytes --- */

static struct tier_load *load_of(struct store_get *g) {
  return (struct tier_load *)((char *)g - offsetof(struct tier_load, get));
}

/* Opens what is complete. */
static void take_frames(struct tier_load *l, size_t have) {
  struct extent *e = l->extent;
  size_t before = l->plain;

  while (l->bad == 0 && l->plain < e->length) {
    uint64_t cell = (e->offset + l->plain) / DATA_GRID;
    size_t len = tier_cell_length(e->version->size, cell);

    if (have - l->taken < len + TIER_OVERHEAD)
      break;
    l->bad = tier_open(l->version, cell, e->data + l->taken, e->data + l->plain);
    if (l->bad != 0)
      break;
    l->taken += len + TIER_OVERHEAD;
    l->plain += len;
  }
  if (l->plain > before)
    load_progress(e, l->plain);
}

static void on_progress(struct store_get *g, size_t have) {
  struct tier_load *l = load_of(g);

  atomic_store(&l->arrived, have);
  take_frames(l, have);
}

static void fall_back(void *arg) {
  load_from_store(arg);
}

static void on_done(struct store_get *g, int err) {
  struct tier_load *l = load_of(g);
  struct extent *e = l->extent;
  struct pool *fallback = l->tier->fallback;

  if (err == 0) {
    take_frames(l, g->got);
    err = l->bad != 0 ? l->bad : l->plain < e->length ? -EBADMSG : 0;
  }
  if (err == -EBADMSG || err == -ERANGE || err == -ESTALE)
    l->bad = err = -EBADMSG; /* cut short, or another size */
  if (delist(l, err) == VERDICT_DAMAGED)
    tier_mend(e);
  load_unref(l);
  if (err == 0)
    load_end_whole(e);
  else if (pool_submit(fallback, fall_back, e) != 0)
    load_end(e, -ENOMEM);
}

static bool may_use(const struct tier *t, const struct extent *e) {
  int64_t proved = atomic_load(&e->version->proved_us);

  return e->store->place != NULL && e->version->etag[0] != '\0' && e->version->size > DATA_GRID &&
         proved != 0 && clock_mono_us() - proved <= t->proof_us;
}

static int ask(struct tier_load *l) {
  const struct extent *e = l->extent;
  uint64_t first = e->offset % DATA_PART / DATA_GRID;
  size_t cells = (e->length + DATA_GRID - 1) / DATA_GRID;

  l->get = (struct store_get){
      .key = l->name,
      .offset = first * TIER_FRAME,
      .length = e->length + cells * TIER_OVERHEAD,
      .dst = e->data,
      .deadline_mono_ms =
          l->asked_ms + 2 * l->tier->timeout_ms + (int64_t)(DATA_PART / SLOWEST_BYTES_PER_MS),
      .progress = on_progress,
      .done = on_done,
  };
  return l->tier->store->ops->get(l->tier->store, &l->get);
}

bool tier_load(struct extent *e) {
  struct tier *t = e->cache->tier;
  struct tier_load *l;
  int rc;

  if (t == NULL || !may_use(t, e))
    return false;
  l = load_new(t, e);
  if (l == NULL)
    return false;
  if (!enlist(l)) {
    load_free(l);
    return false;
  }
  rc = ask(l);
  if (rc != 0) {
    delist(l, rc);
    load_free(l);
    return false;
  }
  mtx_lock(&t->synced.lock);
  l->asked = true;
  cond_broadcast(&t->synced.changed);
  mtx_unlock(&t->synced.lock);
  load_unref(l);
  return true;
}

/* --- the watcher --- */

static int64_t due_ms(const struct tier_load *l) {
  int64_t due = l->asked_ms + l->tier->timeout_ms;

  if (atomic_load(&l->arrived) > 0)
    due += (int64_t)(l->get.length / SLOWEST_BYTES_PER_MS);
  return due;
}

/* One that has taken too long; else *next gets when the first may be. */
static struct tier_load *late_locked(struct tier *t, int64_t *next) {
  int64_t now = now_ms();
  struct tier_load *l;

  *next = INT64_MAX;
  DL_FOREACH (t->synced.loads, l) {
    int64_t due;

    if (!l->asked || l->cancelled)
      continue;
    due = due_ms(l);
    if (due <= now)
      return l;
    if (due < *next)
      *next = due;
  }
  return NULL;
}

static void wait_locked(struct tier *t, int64_t until_ms) {
  if (until_ms == INT64_MAX)
    cond_wait(&t->synced.changed, &t->synced.lock);
  else
    cond_wait_until(&t->synced.changed, &t->synced.lock, until_ms);
}

static void *watch(void *arg) {
  struct tier *t = arg;

  mtx_lock(&t->synced.lock);
  while (!t->synced.stopping) {
    int64_t next;
    struct tier_load *l = late_locked(t, &next);

    if (l == NULL) {
      wait_locked(t, next);
      continue;
    }
    l->cancelled = true;
    l->refs++;
    mtx_unlock(&t->synced.lock);
    t->store->ops->get_cancel(t->store, &l->get);
    load_unref(l);
    mtx_lock(&t->synced.lock);
  }
  mtx_unlock(&t->synced.lock);
  return NULL;
}

/* --- life --- */

static int start(struct tier *t, const struct tier_options *o) {
  int rc = tier_keys_init(&t->keys, o->key);

  t->synced.known = calloc(1, sizeof(*t->synced.known));
  if (rc == 0 && t->synced.known == NULL)
    rc = -ENOMEM;
  if (rc == 0)
    rc = pool_new("s3apfs-tier", FALLBACK_THREADS, &t->fallback);
  if (rc == 0)
    rc = pool_new("s3apfs-seal", 1, &t->sealer);
  if (rc == 0)
    rc = pool_new("s3apfs-send", SENDERS, &t->senders);
  if (rc == 0)
    rc = -pthread_create(&t->watcher, NULL, watch, t);
  t->watching = rc == 0;
  return rc;
}

int tier_new(const struct tier_options *o, struct tier **out) {
  struct tier *t = calloc(1, sizeof(*t));
  int rc;

  if (t == NULL)
    return -ENOMEM;
  t->store = o->store;
  t->proof_us = o->proof_ms * 1000;
  t->timeout_ms = o->timeout_ms != 0 ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
  mtx_init(&t->synced.lock, RANK_STATE);
  cond_init(&t->synced.changed);
  rc = start(t, o);
  if (rc != 0) {
    tier_free(t);
    return rc;
  }
  *out = t;
  return 0;
}

void tier_free(struct tier *t) {
  if (t == NULL)
    return;
  mtx_lock(&t->synced.lock);
  t->synced.stopping = true;
  cond_broadcast(&t->synced.changed);
  mtx_unlock(&t->synced.lock);
  if (t->watching)
    pthread_join(t->watcher, NULL);
  pool_free(t->fallback);
  pool_free(t->sealer);
  pool_free(t->senders);
  tier_keys_fini(&t->keys);
  free(t->synced.known);
  cond_fini(&t->synced.changed);
  mtx_fini(&t->synced.lock);
  free(t);
}

void tier_stats(struct tier *t, struct tier_stats *out) {
  *out = (struct tier_stats){.hits = atomic_load(&t->hits),
                             .hit_bytes = atomic_load(&t->hit_bytes),
                             .misses = atomic_load(&t->misses),
                             .failures = atomic_load(&t->failures),
                             .bad_parts = atomic_load(&t->bad_parts),
                             .filled = atomic_load(&t->filled),
                             .filled_bytes = atomic_load(&t->filled_bytes),
                             .skipped_bytes = atomic_load(&t->skipped_bytes)};
  mtx_lock(&t->synced.lock);
  out->reading_paused = tier_gate_is_shut(&t->synced.reading);
  out->writing_paused = tier_gate_is_shut(&t->synced.writing);
  mtx_unlock(&t->synced.lock);
}
