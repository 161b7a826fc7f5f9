/* A job behind the others says when it runs. Whoever waits for it may leave before that, so the
 * last of the two frees what they share. */
#include "settle.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"

struct mark {
  atomic_uint refs;
  struct mtx lock;
  struct cond over;
  bool passed;
};

static void mark_unref(struct mark *m) {
  if (atomic_fetch_sub(&m->refs, 1) != 1)
    return;
  cond_fini(&m->over);
  mtx_fini(&m->lock);
  free(m);
}

static void mark_pass(void *arg) {
  struct mark *m = arg;

  mtx_lock(&m->lock);
  m->passed = true;
  cond_signal(&m->over);
  mtx_unlock(&m->lock);
  mark_unref(m);
}

void settle(struct pool *p, int64_t most_ms) {
  int64_t until = clock_mono_ms(&clock_system) + most_ms;
  struct mark *m = calloc(1, sizeof(*m));

  if (m == NULL)
    return;
  atomic_init(&m->refs, 2);
  mtx_init(&m->lock, RANK_FUSE);
  cond_init(&m->over);
  if (pool_submit(p, mark_pass, m) != 0) {
    atomic_store(&m->refs, 1);
    m->passed = true;
  }
  mtx_lock(&m->lock);
  while (!m->passed && cond_wait_until(&m->over, &m->lock, until))
    continue;
  mtx_unlock(&m->lock);
  mark_unref(m);
}
