/* A bucket of bytes that fills with time. What is taken may go beyond what is there by one
 * piece, and then nobody gets any until that is made up for, so no piece is too large. */
#include "s3apfs/net/bandwidth.h"

#include <errno.h>
#include <stdlib.h>

#include "s3apfs/base/lock.h"

#define US_PER_S 1000000
#define BURST_PARTS 8 /* an eighth of a second's bytes may come at once */

struct bandwidth {
  uint64_t rate;
  struct {
    struct mtx lock;
    int64_t level; /* bytes that may be moved; negative: were moved too early */
    int64_t at_us;
  } synced;
};

int bandwidth_new(uint64_t rate, int64_t now_us, struct bandwidth **out) {
  struct bandwidth *b = calloc(1, sizeof(*b));

  if (b == NULL)
    return -ENOMEM;
  b->rate = rate;
  mtx_init(&b->synced.lock, RANK_BUDGET);
  b->synced.at_us = now_us;
  *out = b;
  return 0;
}

void bandwidth_free(struct bandwidth *b) {
  if (b == NULL)
    return;
  mtx_fini(&b->synced.lock);
  free(b);
}

/* Time that was too short for a byte is not lost; more than a second is more than fits. */
static void fill_locked(struct bandwidth *b, int64_t now_us) {
  int64_t rate = (int64_t)b->rate;
  int64_t most = rate / BURST_PARTS;
  int64_t bytes;

  if (now_us - b->synced.at_us > US_PER_S)
    b->synced.at_us = now_us - US_PER_S;
  bytes = (now_us - b->synced.at_us) * rate / US_PER_S;
  if (bytes <= 0)
    return;
  b->synced.at_us += (bytes * US_PER_S + rate - 1) / rate;
  b->synced.level = b->synced.level + bytes < most ? b->synced.level + bytes : most;
}

bool bandwidth_take(struct bandwidth *b, int64_t now_us, size_t bytes) {
  bool given;

  mtx_lock(&b->synced.lock);
  fill_locked(b, now_us);
  given = b->synced.level > 0;
  if (given)
    b->synced.level -= (int64_t)bytes;
  mtx_unlock(&b->synced.lock);
  return given;
}

int64_t bandwidth_wait_us(struct bandwidth *b, int64_t now_us) {
  int64_t lacks;

  mtx_lock(&b->synced.lock);
  fill_locked(b, now_us);
  lacks = 1 - b->synced.level;
  mtx_unlock(&b->synced.lock);
  return lacks > 0 ? (int64_t)((double)lacks * US_PER_S / (double)b->rate) + 1 : 0;
}

size_t bandwidth_piece(const struct bandwidth *b) {
  uint64_t piece = b->rate / 16;

  return piece < ((uint64_t)16 << 10)    ? (size_t)16 << 10
         : piece > ((uint64_t)128 << 10) ? (size_t)128 << 10
                                         : (size_t)piece;
}
