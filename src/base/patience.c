/* Waiting in slices. */
#include "s3apfs/base/patience.h"

#include <errno.h>
#include <stddef.h>

#include "s3apfs/base/clock.h"

int patience_check(const struct patience *p) {
  if (p->interrupted != NULL && p->interrupted(p->arg))
    return -EINTR;
  if (p->deadline_mono_ms != 0 && clock_mono_ms(&clock_system) >= p->deadline_mono_ms)
    return -ETIMEDOUT;
  return 0;
}

int64_t patience_slice(const struct patience *p) {
  int64_t end = clock_mono_ms(&clock_system) + PATIENCE_SLICE_MS;

  return p->deadline_mono_ms != 0 && p->deadline_mono_ms < end ? p->deadline_mono_ms : end;
}

void patience_wait(const struct patience *p, struct cond *c, struct mtx *m) {
  cond_wait_until(c, m, patience_slice(p));
}
