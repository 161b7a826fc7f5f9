/* The caching provider: one fetch at a time, renewal ahead of the end, failures
 * remembered, over a clock that the test moves. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/log.h"
#include "s3apfs/cred/provider.h"

struct moving_clock {
  struct clock base;
  atomic_int_fast64_t ms;
  atomic_int_fast64_t wall_ahead_ms;
};

static int64_t moving_ms(const struct clock *c) {
  return atomic_load(&((struct moving_clock *)(uintptr_t)c)->ms);
}

static int64_t moving_wall_ms(const struct clock *c) {
  return moving_ms(c) + atomic_load(&((struct moving_clock *)(uintptr_t)c)->wall_ahead_ms);
}

struct origin {
  struct key_source base;
  struct moving_clock *clock;
  int64_t life_s;     /* 0: keys without end */
  atomic_int fail;    /* errno of the next gets; 0 */
  atomic_bool repeat; /* the same keys again */
  atomic_bool gate;   /* get waits while true */
  atomic_uint gets;
  atomic_int inside; /* gets at this moment */
  atomic_int most;   /* and the most ever */
  atomic_bool destroyed;
};

static int origin_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct origin *o = (struct origin *)s;
  unsigned n = atomic_fetch_add(&o->gets, 1) + 1;
  int inside = atomic_fetch_add(&o->inside, 1) + 1;
  int64_t now = moving_wall_ms(&o->clock->base) / 1000;
  int fail;
  char id[32];

  if (inside > atomic_load(&o->most))
    atomic_store(&o->most, inside);
  while (atomic_load(&o->gate))
    usleep(500);
  fail = atomic_load(&o->fail);
  atomic_fetch_sub(&o->inside, 1);
  if (fail != 0) {
    s3_error_from_local(error, fail, "OriginFails", "the origin fails");
    return fail;
  }
  if (atomic_load(&o->repeat))
    n = 1;
  snprintf(id, sizeof(id), "ID%u", n);
  return keys_new(id, "secret-of-the-origin", "token-of-origin",
                  o->life_s == 0            ? 0
                  : atomic_load(&o->repeat) ? 1000000 + o->life_s
                                            : now + o->life_s,
                  NULL, "origin", out);
}

static void origin_destroy(struct key_source *s) {
  atomic_store(&((struct origin *)s)->destroyed, true);
}

static const struct key_source_ops origin_ops = {.get = origin_get, .destroy = origin_destroy};

struct cache_world {
  struct moving_clock clock;
  struct origin origin;
  struct pool *pool;
  struct key_source *cached;
};

static double half(void *arg) {
  (void)arg;
  return 0.5;
}

static void world_init_lead(struct cache_world *w, int64_t life_s, int64_t lead_s) {
  struct cred_cache_options o = {.clock = &w->clock.base, .random = half, .lead_s = lead_s};

  log_set_level(LOG_LEVEL_ERROR); /* failing renewals are logged */

  memset(w, 0, sizeof(*w));
  w->clock.base = (struct clock){moving_wall_ms, moving_ms};
  atomic_init(&w->clock.ms, 1000000LL * 1000);
  w->origin.base.ops = &origin_ops;
  w->origin.clock = &w->clock;
  w->origin.life_s = life_s;
  cr_assert_eq(pool_new("test", 1, &w->pool), 0);
  o.pool = w->pool;
  cr_assert_eq(cred_cached_new(&w->origin.base, &o, &w->cached), 0);
}

static void world_init(struct cache_world *w, int64_t life_s) {
  world_init_lead(w, life_s, 0);
}

static void world_fini(struct cache_world *w) {
  key_source_free(w->cached);
  cr_assert(atomic_load(&w->origin.destroyed));
  pool_free(w->pool);
}

static void advance(struct cache_world *w, int64_t seconds) {
  atomic_fetch_add(&w->clock.ms, seconds * 1000);
}

static void raise_flag(void *arg) {
  atomic_store((atomic_bool *)arg, true);
}

/* The pool has one thread: what was queued before is done when this returns. */
static void settle(struct cache_world *w) {
  atomic_bool done = false;

  cr_assert_eq(pool_submit(w->pool, raise_flag, &done), 0);
  while (!atomic_load(&done))
    usleep(200);
}

static int get_id(struct cache_world *w, char id[32]) {
  struct keys *k = NULL;
  struct s3_error error;
  int rc;

  s3_error_init(&error);
  rc = key_source_get(w->cached, &k, &error);
  if (rc == 0) {
    int64_t now = moving_ms(&w->clock.base) / 1000;

    cr_assert(k->expiration == 0 || k->expiration > now, "keys that ended were handed out");
    snprintf(id, 32, "%s", k->access_key_id);
  } else {
    cr_assert_eq(error.err, rc);
    snprintf(id, 32, "%.31s", error.code);
  }
  keys_unref(k);
  s3_error_fini(&error);
  return rc;
}

static void expect_id(struct cache_world *w, const char *want) {
  char id[32];

  cr_assert_eq(get_id(w, id), 0, "%s", id);
  cr_assert_str_eq(id, want);
}

static void refuse_current(struct cache_world *w) {
  struct keys *k = NULL;

  cr_assert_eq(key_source_get(w->cached, &k, NULL), 0);
  key_source_expired(w->cached, k);
  keys_unref(k);
}

Test(cached, keys_without_end_are_fetched_once) {
  struct cache_world w;

  world_init(&w, 0);
  for (int i = 0; i < 100; i++) {
    expect_id(&w, "ID1");
    advance(&w, 86400);
  }
  cr_assert_eq(atomic_load(&w.origin.gets), 1);
  world_fini(&w);
}

Test(cached, renewed_ahead_in_the_background) {
  struct cache_world w;

  world_init(&w, 3600);
  expect_id(&w, "ID1");
  advance(&w, 2600); /* due: 45 minutes less a fortieth of the hour = 2610 s */
  expect_id(&w, "ID1");
  settle(&w);
  expect_id(&w, "ID1");
  advance(&w, 20);
  expect_id(&w, "ID1"); /* the old ones are handed out while the renewal starts */
  settle(&w);
  expect_id(&w, "ID2");
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  world_fini(&w);
}

Test(cached, renewed_when_the_wanted_time_is_left) {
  struct cache_world w;

  world_init_lead(&w, 300, 60);
  expect_id(&w, "ID1");
  advance(&w, 239);
  expect_id(&w, "ID1");
  settle(&w);
  expect_id(&w, "ID1");
  advance(&w, 1);
  expect_id(&w, "ID1");
  settle(&w);
  expect_id(&w, "ID2");
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  world_fini(&w);
}

Test(cached, nobody_waits_for_a_renewal_ahead) {
  struct cache_world w;

  world_init(&w, 3600);
  expect_id(&w, "ID1");
  advance(&w, 3000);
  atomic_store(&w.origin.gate, true);
  for (int i = 0; i < 20; i++)
    expect_id(&w, "ID1");
  while (atomic_load(&w.origin.inside) == 0)
    usleep(200);
  expect_id(&w, "ID1");
  atomic_store(&w.origin.gate, false);
  settle(&w);
  expect_id(&w, "ID2");
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  world_fini(&w);
}

Test(cached, ended_keys_are_never_handed_out) {
  struct cache_world w;
  char id[32];

  world_init(&w, 3600);
  expect_id(&w, "ID1");
  advance(&w, 3600);
  expect_id(&w, "ID2");
  advance(&w, 7200);
  atomic_store(&w.origin.fail, -ETIMEDOUT);
  cr_assert_eq(get_id(&w, id), -ETIMEDOUT);
  cr_assert_str_eq(id, "OriginFails");
  world_fini(&w);
}

Test(cached, a_week_minute_by_minute) {
  struct cache_world w;
  char id[32];

  world_init(&w, 3600);
  for (int minute = 0; minute < 7 * 24 * 60; minute++) {
    cr_assert_eq(get_id(&w, id), 0);
    settle(&w);
    advance(&w, 60);
  }
  /* each hour's keys are renewed at 43.5 minutes, seen at the 44th */
  cr_assert_eq(atomic_load(&w.origin.gets), (7 * 24 * 60 - 1) / 44 + 1, "%u",
               atomic_load(&w.origin.gets));
  cr_assert_eq(atomic_load(&w.origin.most), 1);
  world_fini(&w);
}

Test(cached, a_week_with_bad_hours) {
  struct cache_world w;
  char id[32];

  world_init(&w, 3600);
  for (int minute = 0; minute < 7 * 24 * 60; minute++) {
    int phase = minute % 50;

    atomic_store(&w.origin.fail, phase >= 40 && phase < 48 ? -EACCES : 0);
    cr_assert(get_id(&w, id) == 0 || minute == 0, "minute %d: %s", minute, id);
    settle(&w);
    advance(&w, 60);
  }
  world_fini(&w);
}

Test(cached, failing_renewal_uses_the_old_keys_on) {
  struct cache_world w;
  char id[32];

  world_init(&w, 3600);
  expect_id(&w, "ID1");
  atomic_store(&w.origin.fail, -EACCES);
  advance(&w, 3000); /* 600 s remain: tried again in 60 */
  expect_id(&w, "ID1");
  settle(&w);
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  advance(&w, 50);
  expect_id(&w, "ID1");
  settle(&w);
  cr_assert_eq(atomic_load(&w.origin.gets), 2, "not before a tenth of what remained");
  advance(&w, 20);
  expect_id(&w, "ID1");
  settle(&w);
  cr_assert_eq(atomic_load(&w.origin.gets), 3);
  advance(&w, 530);
  cr_assert_eq(get_id(&w, id), -EACCES);
  world_fini(&w);
}

static void *open_later(void *arg) {
  struct origin *o = arg;

  usleep(50000);
  atomic_store(&o->gate, false);
  return NULL;
}

/* The keys end while a renewal is on its way, just after one that failed. */
Test(cached, a_renewal_that_runs_is_waited_for_after_a_failure, .timeout = 30) {
  struct cache_world w;
  pthread_t reader;

  world_init(&w, 3600);
  expect_id(&w, "ID1");
  atomic_store(&w.origin.fail, -EACCES);
  advance(&w, 3595); /* 5 s remain: tried again in 1, the failure is remembered for as long */
  expect_id(&w, "ID1");
  settle(&w);
  atomic_store(&w.origin.fail, 0);
  atomic_store(&w.origin.gate, true);
  atomic_fetch_add(&w.clock.wall_ahead_ms, 2000);
  expect_id(&w, "ID1"); /* starts the renewal */
  while (atomic_load(&w.origin.inside) == 0)
    usleep(500);
  atomic_fetch_add(&w.clock.wall_ahead_ms, 4000);
  cr_assert_eq(pthread_create(&reader, NULL, open_later, &w.origin), 0);
  expect_id(&w, "ID3");
  cr_assert_eq(pthread_join(reader, NULL), 0);
  cr_assert_eq(atomic_load(&w.origin.gets), 3);
  world_fini(&w);
}

Test(cached, failures_are_remembered_briefly) {
  struct cache_world w;
  char id[32];

  world_init(&w, 3600);
  atomic_store(&w.origin.fail, -EACCES);
  for (int i = 0; i < 50; i++)
    cr_assert_eq(get_id(&w, id), -EACCES);
  cr_assert_eq(atomic_load(&w.origin.gets), 1);
  cr_assert_str_eq(id, "OriginFails");
  advance(&w, 1);
  cr_assert_eq(get_id(&w, id), -EACCES);
  cr_assert_eq(get_id(&w, id), -EACCES);
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  advance(&w, 1); /* the second is remembered for 2 s */
  cr_assert_eq(get_id(&w, id), -EACCES);
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  for (int i = 0; i < 100; i++) {
    advance(&w, 30); /* never longer than that */
    cr_assert_eq(get_id(&w, id), -EACCES);
    cr_assert_eq(atomic_load(&w.origin.gets), 3 + (unsigned)i);
  }
  advance(&w, 30);
  atomic_store(&w.origin.fail, 0);
  expect_id(&w, "ID103");
  world_fini(&w);
}

Test(cached, refused_keys_are_replaced_at_once) {
  struct cache_world w;

  world_init(&w, 3600);
  expect_id(&w, "ID1");
  refuse_current(&w);
  expect_id(&w, "ID2");
  refuse_current(&w);
  expect_id(&w, "ID3");
  world_fini(&w);
}

Test(cached, refusal_of_older_keys_changes_nothing) {
  struct cache_world w;
  struct keys *old = NULL;

  world_init(&w, 3600);
  cr_assert_eq(key_source_get(w.cached, &old, NULL), 0);
  key_source_expired(w.cached, old);
  expect_id(&w, "ID2");
  key_source_expired(w.cached, old);
  expect_id(&w, "ID2");
  keys_unref(old);
  world_fini(&w);
}

Test(cached, refused_keys_come_back_when_there_are_no_others) {
  struct cache_world w;

  world_init(&w, 3600);
  atomic_store(&w.origin.repeat, true);
  expect_id(&w, "ID1");
  for (int i = 0; i < 20; i++) {
    refuse_current(&w);
    expect_id(&w, "ID1");
  }
  cr_assert_eq(atomic_load(&w.origin.gets), 2, "no storm on a source without news");
  advance(&w, 2);
  refuse_current(&w);
  expect_id(&w, "ID1");
  cr_assert_eq(atomic_load(&w.origin.gets), 3);
  world_fini(&w);
}

Test(cached, refused_keys_are_used_on_when_the_source_fails) {
  struct cache_world w;

  world_init(&w, 3600);
  expect_id(&w, "ID1");
  atomic_store(&w.origin.fail, -ETIMEDOUT);
  for (int i = 0; i < 20; i++) {
    refuse_current(&w);
    expect_id(&w, "ID1");
  }
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  atomic_store(&w.origin.fail, 0);
  advance(&w, 2);
  refuse_current(&w);
  expect_id(&w, "ID3");
  world_fini(&w);
}

Test(cached, same_keys_are_asked_for_again_after_a_tenth) {
  struct cache_world w;

  world_init(&w, 3600);
  atomic_store(&w.origin.repeat, true);
  expect_id(&w, "ID1");
  advance(&w, 2700); /* 900 s remain */
  expect_id(&w, "ID1");
  settle(&w);
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  advance(&w, 80);
  expect_id(&w, "ID1");
  settle(&w);
  cr_assert_eq(atomic_load(&w.origin.gets), 2);
  advance(&w, 10);
  expect_id(&w, "ID1");
  settle(&w);
  cr_assert_eq(atomic_load(&w.origin.gets), 3);
  world_fini(&w);
}

Test(cached, source_that_delivers_ended_keys_is_an_error) {
  struct cache_world w;
  char id[32];

  world_init(&w, -5);
  cr_assert_eq(get_id(&w, id), -EACCES);
  cr_assert_str_eq(id, "ExpiredCredentials");
  world_fini(&w);
}

/* --- threads ------------------------------------------------------------------------------ */

static void *get_many(void *arg) {
  struct cache_world *w = arg;
  char id[32];

  for (int i = 0; i < 200; i++)
    cr_assert_eq(get_id(w, id), 0, "%s", id);
  return NULL;
}

static void start_all(struct cache_world *w, pthread_t *threads, void *(*fn)(void *)) {
  for (int i = 0; i < 16; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, fn, w), 0);
}

static void join_all(pthread_t *threads) {
  for (int i = 0; i < 16; i++)
    pthread_join(threads[i], NULL);
}

Test(cached, sixteen_threads_make_one_fetch) {
  struct cache_world w;
  pthread_t threads[16];

  world_init(&w, 3600);
  atomic_store(&w.origin.gate, true);
  start_all(&w, threads, get_many);
  while (atomic_load(&w.origin.inside) == 0)
    usleep(200);
  usleep(20000);
  atomic_store(&w.origin.gate, false);
  join_all(threads);
  cr_assert_eq(atomic_load(&w.origin.gets), 1);
  cr_assert_eq(atomic_load(&w.origin.most), 1);
  world_fini(&w);
}

static void *get_failing(void *arg) {
  char id[32];

  cr_assert_eq(get_id(arg, id), -EACCES);
  cr_assert_str_eq(id, "OriginFails");
  return NULL;
}

Test(cached, sixteen_threads_share_one_failure) {
  struct cache_world w;
  pthread_t threads[16];

  world_init(&w, 3600);
  atomic_store(&w.origin.fail, -EACCES);
  atomic_store(&w.origin.gate, true);
  start_all(&w, threads, get_failing);
  while (atomic_load(&w.origin.inside) == 0)
    usleep(200);
  usleep(20000);
  atomic_store(&w.origin.gate, false);
  join_all(threads);
  cr_assert_eq(atomic_load(&w.origin.gets), 1);
  world_fini(&w);
}

static void *get_and_refuse(void *arg) {
  struct cache_world *w = arg;

  for (int i = 0; i < 50; i++) {
    refuse_current(w);
    advance(w, 37);
  }
  return NULL;
}

Test(cached, sixteen_threads_in_every_state) {
  struct cache_world w;
  pthread_t threads[16];

  world_init(&w, 90000);
  start_all(&w, threads, get_and_refuse);
  join_all(threads);
  cr_assert_eq(atomic_load(&w.origin.most), 1);
  world_fini(&w);
}
