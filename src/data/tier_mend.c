/* Writing a damaged part of the shared tier anew.
 *
 * A part that was read in one piece comes from the source in one piece, and is filled in
 * like any other. Of one that is read in pieces some cells came from the tier itself,
 * before the damaged one, and are not here sealed any more: it would stay damaged as long
 * as it is read so. Therefore all of it is fetched once from the source, behind the readers,
 * one part at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/pool.h"
#include "tier_internal.h"

struct mending {
  struct tier *tier;
  struct cache *cache;
  struct store *store; /* the source */
  char *key;
  char *etag;
  uint64_t size;
  uint64_t number; /* of the part */
  struct tier_version *version;
  char name[TIER_NAME + 1];
  uint64_t hash;
};

static size_t plain_length(uint64_t size, uint64_t number) {
  uint64_t left = size - number * DATA_PART;

  return left < DATA_PART ? (size_t)left : DATA_PART;
}

static void mending_free(struct mending *m) {
  tier_version_free(m->version);
  free(m->key);
  free(m->etag);
  free(m);
}

static struct mending *mending_new(struct tier *t, const struct extent *e) {
  struct mending *m = calloc(1, sizeof(*m));

  if (m == NULL)
    return NULL;
  m->tier = t;
  m->cache = e->cache;
  m->store = e->store;
  m->key = strdup(e->version->key);
  m->etag = strdup(e->version->etag);
  m->size = e->version->size;
  m->number = e->offset / DATA_PART;
  m->version = tier_version_of(t, e);
  if (m->key == NULL || m->etag == NULL || m->version == NULL ||
      tier_version_name(m->version, m->number, m->name) != 0) {
    mending_free(m);
    return NULL;
  }
  m->hash = tier_part_hash(tier_version_hash(m->version), m->number);
  return m;
}

static int fetch(const struct mending *m, void *plain, size_t length) {
  size_t got;
  int rc = store_read(m->store, m->key, m->etag, m->number * DATA_PART, plain, length, &got, NULL);

  if (rc == 0 && got != length)
    rc = -ESTALE;
  return rc;
}

static int seal(const struct mending *m, const unsigned char *plain, size_t length,
                struct tier_part *p) {
  int rc = 0;

  for (size_t at = 0; rc == 0 && at < length; at += DATA_GRID)
    rc = tier_seal(m->version, m->number * TIER_CELLS + at / DATA_GRID, plain + at,
                   p->sealed + at / DATA_GRID * TIER_FRAME);
  return rc;
}

/* NULL: it cannot be had now; somebody will come across the damage again. */
static struct tier_part *make(const struct mending *m) {
  size_t length = plain_length(m->size, m->number);
  unsigned char *plain = memory_borrow(m->cache, length) ? malloc(length) : NULL;
  struct tier_part *p;

  if (plain == NULL)
    return NULL;
  p = tier_part_new(m->tier, m->cache, tier_part_sealed(m->size, m->number));
  if (p != NULL && (fetch(m, plain, length) != 0 || seal(m, plain, length, p) != 0)) {
    tier_part_free(p);
    p = NULL;
  }
  free(plain);
  memory_return(m->cache, length);
  if (p != NULL) {
    memcpy(p->name, m->name, sizeof(p->name));
    p->hash = m->hash;
  }
  return p;
}

static bool turn(struct tier *t, bool on) {
  bool turned;

  mtx_lock(&t->synced.lock);
  turned = t->synced.mending != on && !(on && t->synced.draining);
  if (turned)
    t->synced.mending = on;
  mtx_unlock(&t->synced.lock);
  return turned;
}

static void mend(void *arg) {
  struct mending *m = arg;
  struct tier *t = m->tier;
  struct tier_part *p = make(m);

  mending_free(m);
  turn(t, false);
  if (p != NULL)
    tier_part_send(p);
  tier_job_end(t);
}

void tier_mend(const struct extent *e) {
  struct tier *t = e->cache->tier;
  struct mending *m;

  if (e->length == plain_length(e->version->size, e->offset / DATA_PART) || !turn(t, true))
    return;
  m = mending_new(t, e);
  tier_job_begin(t);
  if (m != NULL && pool_submit(t->senders, mend, m) == 0)
    return;
  tier_job_end(t);
  if (m != NULL)
    mending_free(m);
  turn(t, false);
}
