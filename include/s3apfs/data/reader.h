/* Reading objects through a shared cache of their bytes.
 *
 * The cache holds extents: contiguous ranges of one version of one object, each
 * filled by one ranged GET. Extents lie on a grid of DATA_GRID bytes, never
 * overlap and never cross a multiple of DATA_PART; they are keyed by the store's
 * domain, key and etag, so two handles (or two directories of the mount) that
 * show the same version share its bytes. One GET fills an extent whoever asked
 * first; a reader that needs part of it waits only for its own bytes.
 *
 * Sizes: DATA_GRID (128 KiB) is the kernel's default read-ahead, so a random
 * read costs at most that much more than it asked for. DATA_PART (8 MiB) is one
 * multipart upload part: a larger GET brings no more throughput, a smaller one
 * wastes round trips.
 *
 * All functions are thread-safe; several threads may read through one reader. */
#ifndef S3APFS_DATA_READER_H
#define S3APFS_DATA_READER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "s3apfs/base/budget.h"
#include "s3apfs/base/patience.h"
#include "s3apfs/store/store.h"

#define DATA_GRID ((size_t)128 << 10)
#define DATA_PART ((size_t)8 << 20)
#define DATA_READ_MAX ((size_t)1 << 20) /* one request of the kernel */
#define DATA_BUDGET_MIN ((size_t)4 << 20)

struct cache;

/* Memory comes from the budget (borrowed). -EINVAL: it is below DATA_BUDGET_MIN. */
int cache_new(struct budget *b, struct cache **out);
/* Every reader is freed already. Cancels loads and waits for their end. */
void cache_free(struct cache *c);

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

struct reader;

/* One open file: this version (size and etag of attr) of this key. The store
 * (borrowed) must outlive the cache. An empty etag means that the version
 * cannot be told: then nothing is shared. 0 or -ENOMEM. */
int reader_new(struct cache *c, struct store *s, const char *key, const struct store_attr *attr,
               struct reader **out);
/* No read is under way and every reply was put back. Loads that only this
 * reader wanted are cancelled. */
void reader_free(struct reader *r);
uint64_t reader_size(const struct reader *r);

/* The most extents a read of DATA_READ_MAX bytes can touch. */
#define READER_PINS_MAX (DATA_READ_MAX / DATA_GRID + 2)
struct extent;
struct reader_reply {
  struct iovec iov[READER_PINS_MAX]; /* into the cache; valid until reader_put */
  int count;
  size_t bytes; /* sum; less than asked only at the object's end */
  struct extent *pins[READER_PINS_MAX];
};

/* size at most DATA_READ_MAX (-EINVAL). On success the caller gives the reply
 * back with reader_put(). Errors are the store's; -ESTALE: the object is no
 * longer this version; -EIO: the store broke its promise; -EINTR, -ETIMEDOUT:
 * patience ended. */
int reader_read(struct reader *r, uint64_t offset, size_t size, const struct patience *p,
                struct reader_reply *out);
void reader_put(struct reader *r, struct reader_reply *reply);
/* Proves that the version can be read now: waits for the first byte at offset 0
 * (kept for the read that follows). No request when that is cached already. */
int reader_probe(struct reader *r, const struct patience *p);

#endif
