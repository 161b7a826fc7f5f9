/* Waiting for what a pool has to do. */
#ifndef S3APFS_SRC_FUSE_SETTLE_H
#define S3APFS_SRC_FUSE_SETTLE_H

#include <stdint.h>

struct pool;

/* Until everything is done that was submitted before, to a pool of one thread; so long at most. */
void settle(struct pool *p, int64_t most_ms);

#endif
