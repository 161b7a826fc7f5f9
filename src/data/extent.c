/* Extents, the versions they belong to, and their memory.
 *
 * An extent is made together with its place in the version's sorted array
 * (mapped), loads once (loading), and is then complete until it is evicted. It
 * lives while it is pinned (somebody waits for it, copies from it or cancels
 * it), wanted (it lies in a reader's window), loading or mapped. A load that
 * fails, and one that is cancelled, unmaps its extent at once, so whoever comes
 * later starts anew. extent_settle_locked() is the one place where an extent moves
 * between the shelves and out of memory. */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "disk.h"
#include "s3apfs/base/array.h"
#include "s3apfs/base/text.h"

#define PAGE ((size_t)4096)

/* --- extents --- */

size_t extent_cost(size_t length) {
  return (length + PAGE - 1) / PAGE * PAGE + sizeof(struct extent);
}

static struct extent *extent_new(struct cache *c, struct version *v, struct store *s,
                                 uint64_t offset, size_t length) {
  struct extent *e = calloc(1, sizeof(*e));

  if (e == NULL)
    return NULL;
  e->data = buffers_take_locked(c, length, &e->capacity);
  if (e->data == NULL) {
    free(e);
    return NULL;
  }
  e->version = v;
  e->store = s;
  e->offset = offset;
  e->length = length;
  mtx_init(&e->synced.lock, RANK_BLOCK);
  cond_init(&e->synced.arrived);
  e->synced.wake_at = SIZE_MAX;
  return e;
}

static void extent_free(struct extent *e) {
  cond_fini(&e->synced.arrived);
  mtx_fini(&e->synced.lock);
  free(e);
}

static void version_unref_locked(struct cache *c, struct version *v) {
  if (--v->refs > 0)
    return;
  HASH_DEL(c->synced.versions, v);
  sums_fini(&v->sums);
  free(v->extents);
  free(v->id);
  free(v->key);
  free(v->etag);
  free(v);
}

static void extent_drop_data_locked(struct extent *e) {
  struct cache *c = e->cache;

  buffers_give_locked(c, e->data, e->capacity);
  e->data = NULL;
  budget_release(c->budget, extent_cost(e->length));
  c->synced.stats.bytes -= e->length;
  c->synced.stats.extents--;
  version_unref_locked(c, e->version);
  e->version = NULL;
}

/* Index of the first extent that ends behind `offset`. */
size_t version_find_locked(const struct version *v, uint64_t offset) {
  size_t lo = 0;
  size_t hi = v->count;

  while (lo < hi) {
    size_t mid = lo + (hi - lo) / 2;

    if (v->extents[mid]->offset + v->extents[mid]->length <= offset)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

static int map_locked(struct version *v, size_t at, struct extent *e) {
  if (array_room(&v->extents, v->count, &v->cap, sizeof(struct extent *)) != 0)
    return -ENOMEM;
  memmove(&v->extents[at + 1], &v->extents[at], (v->count - at) * sizeof(struct extent *));
  v->extents[at] = e;
  v->count++;
  e->mapped = true;
  return 0;
}

void extent_unmap_locked(struct extent *e) {
  struct version *v = e->version;
  size_t at;

  if (!e->mapped)
    return;
  at = version_find_locked(v, e->offset);
  v->count--;
  memmove(&v->extents[at], &v->extents[at + 1], (v->count - at) * sizeof(struct extent *));
  e->mapped = false;
}

void extent_unshelve_locked(struct extent *e) {
  if (e->shelf != SHELF_NONE)
    DL_DELETE(e->cache->synced.shelves[e->shelf], e);
  e->shelf = SHELF_NONE;
}

/* Puts an extent where its counts say: nowhere, on a shelf, or out of memory. */
void extent_settle_locked(struct extent *e) {
  extent_unshelve_locked(e);
  if (e->pins > 0 || e->loading)
    return;
  if (e->mapped) {
    e->shelf = e->wanted > 0 ? SHELF_WANTED : SHELF_IDLE;
    if (e->passed)
      DL_PREPEND(e->cache->synced.shelves[e->shelf], e);
    else
      DL_APPEND(e->cache->synced.shelves[e->shelf], e);
    return;
  }
  if (e->data != NULL)
    extent_drop_data_locked(e);
  if (e->wanted > 0)
    return;
  extent_free(e);
}

int extent_make_locked(struct cache *c, struct version *v, struct store *s, size_t at, uint64_t pos,
                       uint64_t end, struct extent **out) {
  struct extent *e = extent_new(c, v, s, pos, (size_t)(end - pos));

  if (e == NULL)
    return -ENOMEM;
  if (map_locked(v, at, e) != 0) {
    buffers_give_locked(c, e->data, e->capacity);
    extent_free(e);
    return -ENOMEM;
  }
  e->cache = c;
  check_begin_locked(e);
  e->loading = true;
  e->pins = 1;
  v->refs++;
  c->synced.loading++;
  c->synced.stats.bytes += e->length;
  c->synced.stats.extents++;
  *out = e;
  return 0;
}

/* --- versions --- */

static char *version_id(struct cache *c, struct store *s, const char *key,
                        const struct store_attr *a) {
  uint64_t anonymous = 0;

  if (a->etag[0] == '\0') {
    mtx_lock(&c->synced.lock);
    anonymous = ++c->synced.anonymous;
    mtx_unlock(&c->synced.lock);
  }
  return text_printf("%s\x1f%s\x1f%s\x1f%llu\x1f%llu", store_realm(s), key, a->etag,
                     (unsigned long long)a->size, (unsigned long long)anonymous);
}

static struct version *version_new(char *id, const char *key, const struct store_attr *a) {
  struct version *v = calloc(1, sizeof(*v));

  if (v == NULL)
    return NULL;
  v->key = strdup(key);
  v->etag = strdup(a->etag);
  v->size = a->size;
  if (v->key == NULL || v->etag == NULL) {
    free(v->key);
    free(v->etag);
    free(v);
    return NULL;
  }
  v->id = id;
  return v;
}

/* When the store gave bytes of it, as far as that is noted and was not denied since. */
static int64_t noted_proof(struct cache *c, const char *id, const struct store_attr *a) {
  if (a->denied)
    proofs_take_back(&c->proofs, id);
  return proofs_when(&c->proofs, id);
}

int version_get(struct cache *c, struct store *s, const char *key, const struct store_attr *a,
                struct version **out) {
  char *id = version_id(c, s, key, a);
  struct version *v = NULL;
  int64_t noted_us;

  if (id == NULL)
    return -ENOMEM;
  noted_us = noted_proof(c, id, a);
  mtx_lock(&c->synced.lock);
  HASH_FIND_STR(c->synced.versions, id, v);
  if (v == NULL) {
    v = version_new(id, key, a);
    if (v != NULL) {
      id = NULL;
      HASH_ADD_KEYPTR(hh, c->synced.versions, v->id, strlen(v->id), v);
    }
  }
  if (v != NULL) {
    v->refs++;
    sums_learn(&v->sums, a->crc_kind, a->crc);
    if (a->denied)
      atomic_store(&v->proved_us, 0);
    else if (v->readers == 0 && c->proof_wanted)
      version_recall(v, s, noted_us);
    if (v->readers++ == 0 && c->disk != NULL && v->etag[0] != '\0')
      v->disk = disk_file_get(c->disk, v->id, v->size);
  }
  mtx_unlock(&c->synced.lock);
  free(id);
  if (v == NULL)
    return -ENOMEM;
  *out = v;
  return 0;
}

void version_put(struct cache *c, struct version *v) {
  mtx_lock(&c->synced.lock);
  if (--v->readers == 0 && v->disk != NULL) {
    disk_file_done(v->disk);
    v->disk = NULL;
  }
  version_unref_locked(c, v);
  mtx_unlock(&c->synced.lock);
}
