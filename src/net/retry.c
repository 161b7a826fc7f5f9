/* Retry arithmetic: the token bucket that stops a client from adding load to a
 * service in trouble (AWS SDK standard mode), and backoff with full jitter. */
#include "s3apfs/net/retry.h"

#define COST_RETRY 5
#define COST_TIMEOUT 10  /* a time-out kept a connection and a server busy for long */
#define THROTTLE_BASE 10 /* a throttled client starts with ten times the pause */

void retry_bucket_init(struct retry_bucket *b) {
  atomic_init(&b->tokens, RETRY_BUCKET_SIZE);
}

bool retry_bucket_take(struct retry_bucket *b, bool timed_out, int *taken) {
  int cost = timed_out ? COST_TIMEOUT : COST_RETRY;
  int have = atomic_load(&b->tokens);

  while (have >= cost) {
    if (atomic_compare_exchange_weak(&b->tokens, &have, have - cost)) {
      *taken = cost;
      return true;
    }
  }
  return false;
}

void retry_bucket_return(struct retry_bucket *b, int taken) {
  int have = atomic_load(&b->tokens);

  while (have < RETRY_BUCKET_SIZE) {
    int want = have + taken < RETRY_BUCKET_SIZE ? have + taken : RETRY_BUCKET_SIZE;

    if (atomic_compare_exchange_weak(&b->tokens, &have, want))
      return;
  }
}

int64_t retry_delay_ms(unsigned n, bool throttled, int64_t base_ms, int64_t max_ms, double random) {
  int64_t ceiling = throttled ? base_ms * THROTTLE_BASE : base_ms;

  for (unsigned i = 1; i < n && ceiling < max_ms; i++)
    ceiling *= 2;
  if (ceiling > max_ms)
    ceiling = max_ms;
  return (int64_t)((double)ceiling * random);
}
