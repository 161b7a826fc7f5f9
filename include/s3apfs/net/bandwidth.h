/* How many bytes a second may be moved in one direction, over all that share this. Times
 * are microseconds of a monotonic clock. Thread-safe. */
#ifndef S3APFS_NET_BANDWIDTH_H
#define S3APFS_NET_BANDWIDTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bandwidth;

/* rate: bytes a second, not 0. 0 or -ENOMEM. */
int bandwidth_new(uint64_t rate, int64_t now_us, struct bandwidth **out);
void bandwidth_free(struct bandwidth *b); /* NULL is fine */
/* One piece may be moved now. False: not yet. */
bool bandwidth_take(struct bandwidth *b, int64_t now_us, size_t bytes);
/* How long until then; 0: now. */
int64_t bandwidth_wait_us(struct bandwidth *b, int64_t now_us);
/* How large pieces are to be, so that all who share get their turn. */
size_t bandwidth_piece(const struct bandwidth *b);

#endif
