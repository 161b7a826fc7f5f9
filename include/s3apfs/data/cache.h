/* The cache of objects' bytes.
 *
 * It holds extents: contiguous ranges of one version of one object, each filled
 * by one ranged GET. Extents lie on a grid of DATA_GRID bytes, never overlap and
 * never cross a multiple of DATA_PART; they are keyed by the store's realm, key
 * and etag, so two handles (or two directories of the mount) that show the same
 * version share its bytes. One GET fills an extent whoever asked first; a reader
 * that needs part of it waits only for its own bytes.
 *
 * Sizes: DATA_GRID (128 KiB) is the kernel's default read-ahead, so a random
 * read costs at most that much more than it asked for. DATA_PART (4 MiB): within a
 * Region a GET of it spends two thirds of its time on bytes and a third waiting for
 * the first one, and 32 of them under way fit the default memory. Thread-safe. */
#ifndef S3APFS_DATA_CACHE_H
#define S3APFS_DATA_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/budget.h"

#define DATA_GRID ((size_t)128 << 10)
#define DATA_PART ((size_t)4 << 20)
#define DATA_READ_MAX ((size_t)1 << 20) /* one request of the kernel */
#define DATA_BUDGET_MIN ((size_t)4 << 20)

/* The most extents a read of DATA_READ_MAX bytes can touch. */
#define DATA_PINS_MAX (DATA_READ_MAX / DATA_GRID + 2)

struct cache;

/* Memory comes from the budget (borrowed). -EINVAL: it is below DATA_BUDGET_MIN. */
int cache_new(struct budget *b, struct cache **out);
/* Blocks are looked for on disk and kept there from now on (borrowed). Before the
 * first reader. */
struct disk;
void cache_set_disk(struct cache *c, struct disk *d);
/* Parts of objects are looked for in a shared tier, and filled in there, from now on
 * (borrowed). Before the first reader. */
struct tier;
void cache_set_tier(struct cache *c, struct tier *t);
/* From now on blocks on disk are used only while it is proved that their version may be read: the
 * store gave bytes of it to this process, and not longer ago than its proof_ms when the first of
 * those came who have it open. What was allowed then may be denied now. */
void cache_want_proof(struct cache *c);
/* Every reader is freed already. Cancels loads and waits for their end. */
void cache_free(struct cache *c);

/* Forgets the bytes of every key of that store that starts with `prefix`: who reads
 * on asks the store again. Reads under way end with what they wait for. */
void cache_drop(struct cache *c, const char *realm, const char *prefix);

/* Starts fetching the first `length` bytes (at most one part) of a version that
 * nobody reads yet, as far as memory is free without waiting; of one that is on disk
 * only what proves that it may be read. The store's failures are nobody's: whoever opens
 * the version asks for itself. 0 or -ENOMEM; may block while the store is asked to
 * begin. */
struct store;
struct store_attr;
int cache_warm(struct cache *c, struct store *s, const char *key, const struct store_attr *a,
               size_t length);

/* Gives the cache all bytes of a version that was just written, as far as memory is free:
 * at most one part. */
void cache_fill(struct cache *c, struct store *s, const char *key, const struct store_attr *a,
                const void *data);

struct cache_stats {
  size_t bytes; /* held, loading included */
  size_t extents;
  uint64_t hits;   /* extents found, loading or complete */
  uint64_t misses; /* extents loaded because a reader waited */
  uint64_t ahead;  /* extents loaded ahead of readers */
  uint64_t evicted;
  uint64_t failed; /* loads */
};
void cache_stats(struct cache *c, struct cache_stats *out);

#endif
