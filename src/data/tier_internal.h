/* The shared tier's inside: tier.c (life, reading), tier_fill.c (filling), tier_mend.c
 * (damaged parts). */
#ifndef S3APFS_SRC_DATA_TIER_INTERNAL_H
#define S3APFS_SRC_DATA_TIER_INTERNAL_H

#include <stdatomic.h>

#include "cache.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/data/tier.h"
#include "tier_known.h"
#include "tier_seal.h"

/* Loads at once; more would only wait for each other. */
#define TIER_LOADS_MAX 32
/* Parts being put together or sent; each borrows its sealed size from the budget. */
#define TIER_PARTS_MAX 8

/* A part that is being put together, or sent. */
struct tier_part {
  struct tier *tier;
  struct cache *cache; /* whose memory it has */
  char name[TIER_NAME + 1];
  uint64_t hash;
  unsigned char *sealed;
  size_t size;
  uint32_t have; /* one bit a cell */
  unsigned cells;
  struct tier_part *prev;
  struct tier_part *next;
};

struct tier_load;

struct tier {
  struct store *store;
  struct tier_keys keys;
  int64_t proof_us;
  int64_t timeout_ms;
  struct pool *fallback; /* asks sources, which may block for keys */
  struct pool *sealer;   /* one thread */
  struct pool *senders;
  pthread_t watcher;
  bool watching;
  atomic_size_t queued; /* bytes that wait for the sealer */
  atomic_uint_fast64_t hits;
  atomic_uint_fast64_t hit_bytes;
  atomic_uint_fast64_t misses;
  atomic_uint_fast64_t failures;
  atomic_uint_fast64_t bad_parts;
  atomic_uint_fast64_t filled;
  atomic_uint_fast64_t filled_bytes;
  atomic_uint_fast64_t skipped_bytes;
  struct {
    struct mtx lock;
    struct cond changed; /* loads, jobs or stopping */
    struct tier_load *loads;
    unsigned loading;
    struct tier_known *known;
    struct tier_gate reading;
    struct tier_gate writing;
    struct tier_part *parts; /* being put together; oldest first */
    unsigned part_count;     /* those and the ones being sent */
    unsigned jobs;           /* of sealer and senders */
    bool mending;            /* a damaged part is being fetched */
    bool draining;           /* the cache goes: nobody waits for a tier that fails */
    bool stopping;
  } synced;
};

/* The hash of a part, for what is known of it. */
uint64_t tier_part_hash(uint64_t version, uint64_t part);
/* What is under way, which draining waits for. */
void tier_job_begin(struct tier *t);
void tier_job_end(struct tier *t);
/* An empty part of that sealed size, of borrowed memory; NULL: there is none. */
struct tier_part *tier_part_new(struct tier *t, struct cache *c, size_t size);
void tier_part_free(struct tier_part *p);
/* Sends a part, if the tier can be written to now, and frees it. Blocks. */
void tier_part_send(struct tier_part *p);
/* The part that this extent lies in is damaged: it is written anew, unless the extent
 * is all of it. Does not block. */
void tier_mend(const struct extent *e);
/* The version an extent is of; NULL: no memory. */
struct tier_version *tier_version_of(struct tier *t, const struct extent *e);

#endif
