/* Retry arithmetic, pure but for the token bucket's lock-free counter. */
#ifndef S3APFS_NET_RETRY_H
#define S3APFS_NET_RETRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/aws/s3err.h"

#define RETRY_BUCKET_SIZE 500

struct retry_bucket {
  atomic_int tokens;
};

void retry_bucket_init(struct retry_bucket *b);
/* Takes what one retry costs (5; 10 after a time-out); false when empty. */
bool retry_bucket_take(struct retry_bucket *b, bool timed_out, int *taken);
/* Gives back after a success: what the last retry took, or 1. */
void retry_bucket_return(struct retry_bucket *b, int taken);

/* Pause before retry number n (from 1): random in [0, min(base * 2^(n-1), max)],
 * ten times the base for throttling. `random` is in [0, 1). */
int64_t retry_delay_ms(unsigned n, bool throttled, int64_t base_ms, int64_t max_ms, double random);

#endif
