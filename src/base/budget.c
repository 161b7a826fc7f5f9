/* Memory budget: a counter and a condition. */
#include "s3apfs/base/budget.h"

#include <errno.h>
#include <stdlib.h>

#include "s3apfs/base/lock.h"

struct budget {
  size_t size;
  struct {
    struct mtx lock;
    struct cond freed;
    size_t used;
  } synced;
};

int budget_new(size_t bytes, struct budget **out) {
  struct budget *b = calloc(1, sizeof(*b));

  if (b == NULL)
    return -ENOMEM;
  b->size = bytes;
  mtx_init(&b->synced.lock, RANK_BUDGET);
  cond_init(&b->synced.freed);
  *out = b;
  return 0;
}

void budget_free(struct budget *b) {
  if (b == NULL)
    return;
  cond_fini(&b->synced.freed);
  mtx_fini(&b->synced.lock);
  free(b);
}

static bool budget_take_locked(struct budget *b, size_t bytes) {
  if (bytes > b->size - b->synced.used)
    return false;
  b->synced.used += bytes;
  return true;
}

bool budget_try(struct budget *b, size_t bytes) {
  bool ok;

  mtx_lock(&b->synced.lock);
  ok = budget_take_locked(b, bytes);
  mtx_unlock(&b->synced.lock);
  return ok;
}

int budget_reserve(struct budget *b, size_t bytes, int64_t mono_deadline_ms) {
  int rc = 0;

  if (bytes > b->size)
    return -ENOMEM;
  mtx_lock(&b->synced.lock);
  while (rc == 0 && !budget_take_locked(b, bytes))
    if (!cond_wait_until(&b->synced.freed, &b->synced.lock, mono_deadline_ms))
      rc = budget_take_locked(b, bytes) ? 1 : -ETIMEDOUT;
  mtx_unlock(&b->synced.lock);
  return rc == 1 ? 0 : rc;
}

void budget_release(struct budget *b, size_t bytes) {
  mtx_lock(&b->synced.lock);
  b->synced.used -= bytes;
  cond_broadcast(&b->synced.freed);
  mtx_unlock(&b->synced.lock);
}

size_t budget_used(struct budget *b) {
  size_t used;

  mtx_lock(&b->synced.lock);
  used = b->synced.used;
  mtx_unlock(&b->synced.lock);
  return used;
}

size_t budget_size(const struct budget *b) {
  return b->size;
}
