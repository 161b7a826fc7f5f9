/* Reading one version of an object through the cache. Several threads may read
 * through one reader. */
#ifndef S3APFS_DATA_READER_H
#define S3APFS_DATA_READER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "s3apfs/base/patience.h"
#include "s3apfs/data/cache.h"
#include "s3apfs/store/store.h"

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
/* Bytes that this reader may have given out turned out, once all were there, not to be
 * the object's: its checksum is another one. It reads no more (-EIO). */
bool reader_is_spoiled(const struct reader *r);

struct extent;
struct reader_reply {
  struct iovec iov[DATA_PINS_MAX]; /* into the cache; valid until reader_put */
  int count;
  size_t bytes; /* sum; less than asked only at the object's end */
  struct extent *pins[DATA_PINS_MAX];
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
/* A descriptor of a file that holds exactly the version's bytes, each verified by this
 * process, for the kernel to read from; the reader's, while it lives. -1: there is
 * none (yet). After reader_probe(); may read as much as a part from disk. */
int reader_backing(struct reader *r);

#endif
