/* Holding what a store gives against the checksum that it has of the whole object.
 *
 * Each extent's CRC grows while its bytes arrive, and is joined with those of its
 * neighbours when it is complete (sums.c); what was counted before counts no more. Bytes that come
 * from the disk cache or the shared tier, which have checksums of their own, are not counted: an
 * object of which some came from there is not checked. Readers get bytes as they arrive; only the
 * last byte of an extent waits for the verdict, and all of an extent that is the whole object. So
 * who read an object to its end has read the right one, or got an error. */
#include <errno.h>

#include "cache.h"
#include "s3apfs/base/log.h"

static bool is_whole(const struct extent *e) {
  return e->length == e->version->size;
}

void check_begin_locked(struct extent *e) {
  uint64_t from = e->offset;
  uint64_t to = e->offset + e->length;

  sums_missing(&e->version->sums, &from, &to);
  e->crc_kind = from < to ? e->version->sums.kind : CRC_NONE;
  e->crc_from = (size_t)(from - e->offset);
  e->crc_at = e->crc_from;
  e->crc_to = (size_t)(to - e->offset);
}

/* The reply that brings all of an object says what its checksum is. */
static void learn(struct extent *e) {
  if (e->crc_kind == CRC_NONE && e->crc_at == 0 && is_whole(e))
    e->crc_kind = e->get.attr.crc_kind;
}

static bool is_checked(const struct extent *e) {
  return e->crc_kind != CRC_NONE && e->base == 0;
}

size_t check_progress(struct extent *e, size_t have) {
  size_t to = have < e->crc_to ? have : e->crc_to;

  learn(e);
  if (!is_checked(e))
    return have;
  if (to > e->crc_at) {
    e->crc = crc_update(e->crc_kind, e->crc, e->data + e->crc_at, to - e->crc_at);
    e->crc_at = to;
  }
  if (is_whole(e))
    return 0;
  return have < e->length ? have : e->length - 1;
}

static void report(const struct version *v, bool again) {
  log_error("'%s' is not what its checksum says: %s", v->key,
            again ? "what was kept of it was dropped, and it is fetched once more"
                  : "what was kept of it was dropped, and who reads it gets an error");
}

static enum sums_verdict note(struct extent *e, bool *again) {
  struct cache *c = e->cache;
  struct version *v = e->version;
  enum sums_verdict verdict;

  mtx_lock(&c->synced.lock);
  if (is_whole(e))
    sums_learn(&v->sums, e->get.attr.crc_kind, e->get.attr.crc);
  /* One that was given up comes again, perhaps within other bounds. */
  verdict =
      e->mapped && v->sums.kind == e->crc_kind
          ? sums_add(&v->sums, e->offset + e->crc_from, e->offset + e->crc_to, e->crc, v->size)
          : SUMS_OPEN;
  *again = verdict == SUMS_WRONG && is_whole(e) && !v->doubted;
  if (is_whole(e))
    v->doubted = verdict == SUMS_WRONG;
  mtx_unlock(&c->synced.lock);
  return verdict;
}

int check_end(struct extent *e) {
  bool again;

  (void)check_progress(e, e->length);
  if (!is_checked(e) || note(e, &again) != SUMS_WRONG)
    return 0;
  report(e->version, again); /* before any reader gets the error, which is then explained */
  if (!is_whole(e))
    atomic_fetch_add(&e->version->spoiled, 1);
  cache_drop_others(e);
  if (e->disk != NULL)
    disk_drop_file(e->disk);
  return again ? -ECANCELED : -EIO;
}
