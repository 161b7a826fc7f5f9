/* Provider: hands out what another one delivered last, and never waits for it.
 *
 * For callers that would rather do without than wait: each get starts a fetch on a
 * thread of its own, unless one runs or has just run, and answers with the keys that
 * are there, or -EAGAIN. What is wrapped is best a cache, which mostly answers at
 * once. */
#include <errno.h>
#include <stdlib.h>

#include "fail.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/cred/provider.h"

#define FETCH_EVERY_MS 1000
#define LEAD_S 5 /* keys that end so soon are not begun with */

struct prompt_source {
  struct key_source base;
  struct key_source *inner; /* borrowed */
  struct pool *pool;
  struct {
    struct mtx lock;
    struct keys *keys; /* NULL: none yet */
    bool fetching;
    int64_t next_ms; /* no fetch before (monotonic) */
  } synced;
};

static void fetch(void *arg) {
  struct prompt_source *self = arg;
  struct keys *fresh = NULL;
  struct keys *old = NULL;
  int rc = key_source_get(self->inner, &fresh, NULL);

  mtx_lock(&self->synced.lock);
  if (rc == 0) {
    old = self->synced.keys;
    self->synced.keys = fresh;
  }
  self->synced.fetching = false;
  self->synced.next_ms = clock_mono_ms(&clock_system) + FETCH_EVERY_MS;
  mtx_unlock(&self->synced.lock);
  keys_unref(old);
}

static void begin_fetch_locked(struct prompt_source *self) {
  if (self->synced.fetching || clock_mono_ms(&clock_system) < self->synced.next_ms)
    return;
  self->synced.fetching = pool_submit(self->pool, fetch, self) == 0;
}

static bool is_alive(const struct keys *k) {
  return k->expiration == 0 || k->expiration - LEAD_S > clock_wall_ms(&clock_system) / 1000;
}

static int prompt_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct prompt_source *self = (struct prompt_source *)s;
  bool ready;

  mtx_lock(&self->synced.lock);
  begin_fetch_locked(self);
  ready = self->synced.keys != NULL && is_alive(self->synced.keys);
  if (ready)
    *out = keys_ref(self->synced.keys);
  mtx_unlock(&self->synced.lock);
  return ready ? 0 : cred_fail(error, -EAGAIN, CRED_NONE, "the credentials are being fetched");
}

static void prompt_expired(struct key_source *s, const struct keys *k) {
  struct prompt_source *self = (struct prompt_source *)s;
  struct keys *old = NULL;

  key_source_expired(self->inner, k);
  mtx_lock(&self->synced.lock);
  if (self->synced.keys == k) {
    old = self->synced.keys;
    self->synced.keys = NULL;
  }
  mtx_unlock(&self->synced.lock);
  keys_unref(old);
}

static void prompt_destroy(struct key_source *s) {
  struct prompt_source *self = (struct prompt_source *)s;

  pool_free(self->pool);
  keys_unref(self->synced.keys);
  mtx_fini(&self->synced.lock);
  free(self);
}

static const struct key_source_ops prompt_ops = {
    .get = prompt_get, .expired = prompt_expired, .destroy = prompt_destroy};

int cred_prompt_new(struct key_source *inner, struct key_source **out) {
  struct prompt_source *self = calloc(1, sizeof(*self));
  int rc;

  if (self == NULL)
    return -ENOMEM;
  rc = pool_new("s3apfs-cred", 1, &self->pool);
  if (rc != 0) {
    free(self);
    return rc;
  }
  self->base.ops = &prompt_ops;
  self->inner = inner;
  mtx_init(&self->synced.lock, RANK_CRED);
  *out = &self->base;
  return 0;
}
