/* How long a request may wait: until a deadline, and not once its caller gave
 * up. Waits look at the second every PATIENCE_SLICE_MS, so that an interrupted
 * request ends although nobody wakes it. */
#ifndef S3APFS_BASE_PATIENCE_H
#define S3APFS_BASE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/base/lock.h"

#define PATIENCE_SLICE_MS 100

struct patience {
  int64_t deadline_mono_ms;       /* clock_system's monotonic time; 0: none */
  bool (*interrupted)(void *arg); /* any thread; no lock is held. NULL: never */
  void *arg;
};

/* 0, -EINTR or -ETIMEDOUT. */
int patience_check(const struct patience *p);
/* Waits for c until woken, at most one slice and at most until the deadline; no
 * result: the caller looks at its condition, then unlocks, asks
 * patience_check() and comes back. */
void patience_wait(const struct patience *p, struct cond *c, struct mtx *m);
/* End of the slice that starts now (clock_system's monotonic time). */
int64_t patience_slice(const struct patience *p);

#endif
