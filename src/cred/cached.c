/* Provider: keeps the keys of another one and renews them ahead of need.
 *
 * States of the keys: fresh (handed out), due (handed out, a renewal runs on the
 * pool), unusable (ended, or refused by a service: readers wait). At most one
 * fetch runs at any time; who finds the keys unusable while none runs fetches on
 * its own thread, everybody else waits for that one's result. A fetch that fails
 * is not repeated for a moment, and its error is what readers get meanwhile,
 * unless the old keys live: then they are used on and the failure is logged. Who
 * finds the keys ended while a renewal runs waits for it, whatever came before.
 *
 * Keys refused by a service force a fetch once. If the source has nothing newer,
 * the old ones are handed out again while they live, and further refusals are
 * ignored for a moment, so that a service that always refuses is not turned into
 * a storm on the source. The lock is not held while the source works. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fail.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"
#include "s3apfs/net/renewal.h"

#define FAILURE_MIN_MS 1000
#define FAILURE_MAX_MS 30000

struct cache {
  struct key_source base;
  struct key_source *inner;
  const struct clock *clock;
  struct pool *pool;
  bool own_pool;
  double (*random)(void *arg);
  void *random_arg;
  int64_t lead_s;
  struct {
    struct mtx lock;
    struct cond changed;
    struct keys *keys; /* NULL before the first success */
    int64_t due_s;
    bool refused;  /* by a service: not to be handed out without a new try */
    bool fetching; /* here or on the pool */
    bool told;     /* that the keys ended and there are no new ones */
    uint64_t fetches;
    int failure;      /* of the last fetch; 0 */
    const char *call; /* what it was said to, or NULL */
    char *code;       /* and what it said */
    char *message;
    int64_t hold_ms;  /* how long a failure is remembered next */
    int64_t again_ms; /* monotonic; no forced fetch before */
  } synced;
};

static double system_random(void *arg) {
  uint32_t bits = 0;

  (void)arg;
  if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
    return 0.5;
  return (double)bits / 4294967296.0;
}

static int64_t wall_s(const struct cache *c) {
  return clock_wall_ms(c->clock) / 1000;
}

static bool same_text(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_keys(const struct keys *a, const struct keys *b) {
  return a != NULL && b != NULL && a->expiration == b->expiration &&
         same_text(a->access_key_id, b->access_key_id) &&
         same_text(a->secret_access_key, b->secret_access_key) &&
         same_text(a->session_token, b->session_token);
}

static bool alive_locked(const struct cache *c) {
  const struct keys *k = c->synced.keys;

  return k != NULL && (k->expiration == 0 || k->expiration > wall_s(c));
}

/* --- a fetch's result ---------------------------------------------------------------- */

static void hold_locked(struct cache *c) {
  int64_t *hold = &c->synced.hold_ms;

  *hold = *hold == 0 ? FAILURE_MIN_MS : *hold * 2;
  if (*hold > FAILURE_MAX_MS)
    *hold = FAILURE_MAX_MS;
  c->synced.again_ms = clock_mono_ms(c->clock) + *hold;
}

static void forget_failure_locked(struct cache *c) {
  free(c->synced.code);
  free(c->synced.message);
  c->synced.code = NULL;
  c->synced.message = NULL;
  c->synced.failure = 0;
}

static int64_t due_of(const struct cache *c, int64_t now, int64_t expiration) {
  if (c->lead_s == 0 || expiration == 0)
    return renewal_due(now, expiration, c->random(c->random_arg));
  return expiration - c->lead_s;
}

/* Returns the keys that are no longer held. */
static struct keys *keep_keys_locked(struct cache *c, struct keys *fresh) {
  struct keys *old = c->synced.keys;
  bool same = same_keys(old, fresh);
  int64_t now = wall_s(c);

  forget_failure_locked(c);
  c->synced.refused = false;
  if (same) {
    c->synced.due_s = fresh->expiration == 0 ? INT64_MAX : renewal_again(now, fresh->expiration);
    hold_locked(c);
    return fresh;
  }
  c->synced.keys = fresh;
  c->synced.due_s = due_of(c, now, fresh->expiration);
  c->synced.hold_ms = 0;
  c->synced.again_ms = 0;
  return old;
}

static void keep_failure_locked(struct cache *c, int err, const struct s3_error *error) {
  forget_failure_locked(c);
  c->synced.failure = err;
  c->synced.call = error->call;
  c->synced.code = strdup(error->code);
  c->synced.message = strdup(error->message);
  c->synced.refused = false;
  hold_locked(c);
  if (c->synced.keys != NULL && c->synced.keys->expiration != 0)
    c->synced.due_s = renewal_again(wall_s(c), c->synced.keys->expiration);
}

static int fetch(struct cache *c, struct keys **out, struct s3_error *error) {
  struct keys *fresh = NULL;
  char until[21];
  int rc = key_source_get(c->inner, &fresh, error);

  if (rc != 0)
    return rc;
  if (fresh == NULL)
    return cred_fail(error, -EIO, CRED_INVALID, "the source delivered nothing");
  if (fresh->expiration != 0 && fresh->expiration <= wall_s(c)) {
    text_iso8601(fresh->expiration, until);
    rc = cred_fail(error, -EACCES, CRED_EXPIRED, "%s: the credentials ended at %s", fresh->identity,
                   until);
    keys_unref(fresh);
    return rc;
  }
  *out = fresh;
  return 0;
}

/* Outside of the lock. */
static void tell_failure(const struct s3_error *error, bool alive, bool ended) {
  const char *call = error->call != NULL ? error->call : "";
  const char *colon = error->call != NULL ? ": " : "";

  if (alive)
    log_warn("renewing credentials failed, the present ones are used on: %s%s%s", call, colon,
             error->message);
  if (ended)
    log_error("the credentials have ended and cannot be renewed: %s%s%s", call, colon,
              error->message);
}

/* One fetch from beginning to end; c->synced.fetching was set by whoever calls. */
static void renew(struct cache *c) {
  struct keys *fresh = NULL;
  struct keys *dropped = NULL;
  struct s3_error error;
  bool alive;
  bool tell;
  int rc;

  s3_error_init(&error);
  rc = fetch(c, &fresh, &error);
  mtx_lock(&c->synced.lock);
  if (fresh != NULL)
    dropped = keep_keys_locked(c, fresh);
  else
    keep_failure_locked(c, rc, &error);
  alive = alive_locked(c);
  tell = rc != 0 && !alive && c->synced.keys != NULL && !c->synced.told;
  c->synced.told = rc != 0 && (c->synced.told || tell);
  c->synced.fetching = false;
  c->synced.fetches++;
  cond_broadcast(&c->synced.changed);
  mtx_unlock(&c->synced.lock);
  keys_unref(dropped);
  tell_failure(&error, rc != 0 && alive, tell);
  s3_error_fini(&error);
}

static void renew_on_pool(void *arg) {
  renew(arg);
}

/* --- readers --------------------------------------------------------------------------- */

static void renew_ahead_locked(struct cache *c) {
  if (c->synced.fetching || wall_s(c) < c->synced.due_s)
    return;
  c->synced.fetching = pool_submit(c->pool, renew_on_pool, c) == 0;
}

static int remembered_failure_locked(struct cache *c, struct s3_error *error) {
  const char *code = c->synced.code;
  const char *message = c->synced.message;

  if (error != NULL)
    s3_error_from_local(error, c->synced.failure, code != NULL ? code : CRED_INVALID,
                        message != NULL ? message : "no credentials");
  if (error != NULL)
    error->call = c->synced.call;
  return c->synced.failure;
}

/* Waits for the fetch that runs. */
static void await_locked(struct cache *c) {
  uint64_t seen = c->synced.fetches;

  while (c->synced.fetches == seen)
    cond_wait(&c->synced.changed, &c->synced.lock);
}

static bool usable_locked(const struct cache *c) {
  return alive_locked(c) && !c->synced.refused;
}

static bool failed_recently_locked(const struct cache *c) {
  return c->synced.failure != 0 && clock_mono_ms(c->clock) < c->synced.again_ms;
}

/* Takes part in one fetch, its own or the one that runs, when there is need. One that runs is
 * waited for even when the one before has just failed: it was begun while the keys lived. */
static void ensure_locked(struct cache *c) {
  if (usable_locked(c))
    return;
  if (c->synced.fetching) {
    await_locked(c);
    return;
  }
  if (failed_recently_locked(c))
    return;
  c->synced.fetching = true;
  mtx_unlock(&c->synced.lock);
  renew(c);
  mtx_lock(&c->synced.lock);
}

static int cache_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct cache *c = (struct cache *)s;
  int rc = 0;

  mtx_lock(&c->synced.lock);
  ensure_locked(c);
  if (alive_locked(c)) {
    *out = keys_ref(c->synced.keys);
    renew_ahead_locked(c);
  } else if (c->synced.failure != 0) {
    rc = remembered_failure_locked(c, error);
  } else { /* ended between the fetch and now */
    rc = cred_fail(error, -EACCES, CRED_EXPIRED, "the credentials ended while they were fetched");
  }
  mtx_unlock(&c->synced.lock);
  if (rc != 0 && error != NULL)
    error->keyless = true;
  return rc;
}

static void cache_expired(struct key_source *s, const struct keys *k) {
  struct cache *c = (struct cache *)s;
  bool ours;

  mtx_lock(&c->synced.lock);
  ours = same_keys(c->synced.keys, k) && clock_mono_ms(c->clock) >= c->synced.again_ms;
  if (ours)
    c->synced.refused = true;
  mtx_unlock(&c->synced.lock);
  if (ours)
    key_source_expired(c->inner, k);
}

int cred_cached_renew(struct key_source *cached, struct s3_error *error) {
  struct cache *c = (struct cache *)cached;
  struct keys *present;
  int rc;

  mtx_lock(&c->synced.lock);
  while (c->synced.fetching)
    cond_wait(&c->synced.changed, &c->synced.lock);
  c->synced.fetching = true;
  present = c->synced.keys != NULL ? keys_ref(c->synced.keys) : NULL;
  mtx_unlock(&c->synced.lock);
  if (present != NULL)
    key_source_expired(c->inner, present);
  keys_unref(present);
  renew(c);
  mtx_lock(&c->synced.lock);
  rc = c->synced.failure != 0 ? remembered_failure_locked(c, error) : 0;
  mtx_unlock(&c->synced.lock);
  return rc;
}

static void cache_destroy(struct key_source *s) {
  struct cache *c = (struct cache *)s;

  if (c->own_pool)
    pool_free(c->pool);
  mtx_lock(&c->synced.lock);
  while (c->synced.fetching)
    cond_wait(&c->synced.changed, &c->synced.lock);
  mtx_unlock(&c->synced.lock);
  key_source_free(c->inner);
  keys_unref(c->synced.keys);
  forget_failure_locked(c);
  cond_fini(&c->synced.changed);
  mtx_fini(&c->synced.lock);
  free(c);
}

static const struct key_source_ops cache_ops = {cache_get, cache_expired, cache_destroy};

int cred_cached_new(struct key_source *inner, const struct cred_cache_options *o,
                    struct key_source **out) {
  struct cache *c = calloc(1, sizeof(*c));
  struct cred_cache_options none = {0};
  int rc = 0;

  if (c == NULL)
    return -ENOMEM;
  if (o == NULL)
    o = &none;
  c->base.ops = &cache_ops;
  c->clock = o->clock != NULL ? o->clock : &clock_system;
  c->random = o->random != NULL ? o->random : system_random;
  c->random_arg = o->random_arg;
  c->lead_s = o->lead_s;
  c->pool = o->pool;
  c->own_pool = o->pool == NULL;
  if (c->own_pool)
    rc = pool_new("s3apfs-cred", 1, &c->pool);
  if (rc != 0) {
    free(c);
    return rc;
  }
  c->inner = inner;
  mtx_init(&c->synced.lock, RANK_CRED);
  cond_init(&c->synced.changed);
  *out = &c->base;
  return 0;
}
