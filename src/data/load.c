/* Filling one extent, from disk, the shared tier, or with one ranged GET.
 *
 * Callbacks of the store (its threads) announce bytes and the end; readers wait
 * under the extent's own lock, so a busy load disturbs nobody else. A reader is
 * woken when its bytes are there: wake_at is the least that any of them needs,
 * and each that still lacks bytes after a wake-up writes its need again. Bytes
 * once announced stay valid when the load fails later. */
#include "cache.h"

#include <errno.h>
#include <string.h>

#include "disk.h"
#include "s3apfs/base/clock.h"

static struct extent *extent_of(struct store_get *g) {
  return (struct extent *)((char *)g - offsetof(struct extent, get));
}

static void wake_locked(struct extent *e) {
  e->synced.wake_at = SIZE_MAX;
  cond_broadcast(&e->synced.arrived);
}

void load_progress(struct extent *e, size_t have) {
  mtx_lock(&e->synced.lock);
  e->synced.have = have;
  if (have >= e->synced.wake_at)
    wake_locked(e);
  mtx_unlock(&e->synced.lock);
}

static void on_progress(struct store_get *g, size_t have) {
  struct extent *e = extent_of(g);

  if (e->first_us == 0) {
    e->first_us = clock_mono_us();
    version_prove(e->cache, e->version, e->started_us);
  }
  load_progress(e, check_progress(e, e->base + have));
}

static void end(struct extent *e, int err, bool fetched) {
  if (err != 0)
    cache_load_failed(e);
  mtx_lock(&e->synced.lock);
  e->synced.ended = true;
  e->synced.err = err;
  if (err == 0)
    e->synced.have = e->length;
  wake_locked(e);
  mtx_unlock(&e->synced.lock);
  cache_load_ended(e, fetched);
}

bool load_is_complete(struct extent *e) {
  bool complete;

  mtx_lock(&e->synced.lock);
  complete = e->synced.have == e->length;
  mtx_unlock(&e->synced.lock);
  return complete;
}

void load_end(struct extent *e, int err) {
  end(e, err, false);
}

void load_end_whole(struct extent *e) {
  end(e, 0, true);
}

/* The store has checked the etag before the first byte; a back end that did not
 * is caught here at the end. */
static int judge(const struct extent *e, int err) {
  const struct store_get *g = &e->get;

  if (err == -ERANGE)
    return -ESTALE;
  if (err != 0)
    return err;
  if (g->if_match != NULL && g->attr.etag[0] != '\0' && strcmp(g->if_match, g->attr.etag) != 0)
    return -ESTALE;
  return g->got == g->length ? 0 : -EIO;
}

/* The same; what says that it may not be read any more ends the proof. */
static int heed(struct extent *e, int err) {
  err = judge(e, err);
  if (err == -EACCES || err == -ENOENT || err == -ESTALE)
    version_disprove(e->cache, e->version, err == -EACCES);
  return err;
}

static void on_done(struct store_get *g, int err) {
  struct extent *e = extent_of(g);

  err = heed(e, err);
  if (err == 0)
    err = check_end(e);
  end(e, err, err == 0);
}

static void ask_store(struct extent *e) {
  const struct version *v = e->version;
  int rc;

  e->started_us = clock_mono_us();
  e->get = (struct store_get){.key = v->key,
                              .if_match = v->etag[0] != '\0' ? v->etag : NULL,
                              .size = &v->size,
                              .offset = e->offset + e->base,
                              .length = e->length - e->base,
                              .dst = e->data + e->base,
                              .progress = on_progress,
                              .done = on_done};
  e->started = true;
  rc = e->store->ops->get(e->store, &e->get);
  if (rc != 0)
    load_end(e, heed(e, rc));
}

/* While nobody can be asked, it is enough that the store gave bytes of it once. */
static bool may_use_disk(struct extent *e) {
  return version_may_use_disk(e->version, e->cache) ||
         (outage_err(e->store->outage) != 0 && proofs_when(&e->cache->proofs, e->version->id) != 0);
}

void load_start(struct extent *e) {
  /* The reader that starts it keeps the version's file. */
  if (e->version->disk != NULL)
    e->disk = disk_file_ref(e->version->disk);
  if (e->disk != NULL && may_use_disk(e) && disk_load(e))
    return;
  if (!tier_load(e))
    ask_store(e);
}

/* Pinned meanwhile: nobody may cancel a get that is just being started. */
void load_from_store(struct extent *e) {
  struct cache *c = e->cache;
  bool wanted = cache_load_hold(e);

  e->base = e->synced.have; /* this thread alone announced bytes so far */
  if (wanted)
    ask_store(e);
  else
    load_end(e, -ECANCELED);
  cache_load_let_go(c, e);
}

int load_wait(struct extent *e, size_t have, const struct patience *p) {
  int rc = 0;

  mtx_lock(&e->synced.lock);
  while (rc == 0 && e->synced.have < have && !e->synced.ended) {
    if (have < e->synced.wake_at)
      e->synced.wake_at = have;
    patience_wait(p, &e->synced.arrived, &e->synced.lock);
    if (e->synced.have >= have || e->synced.ended)
      break;
    mtx_unlock(&e->synced.lock);
    rc = patience_check(p);
    mtx_lock(&e->synced.lock);
  }
  if (rc == 0 && e->synced.have < have)
    rc = e->synced.err;
  mtx_unlock(&e->synced.lock);
  return rc;
}
