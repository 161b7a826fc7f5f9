/* Keys fetched on demand: what `s3apfs login` does to the cache. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "s3apfs/base/log.h"
#include "s3apfs/cred/provider.h"

struct origin {
  struct key_source base;
  int fail;
  unsigned gets;
  unsigned expired;
};

static int origin_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct origin *o = (struct origin *)s;
  char id[32];

  o->gets++;
  if (o->fail != 0) {
    s3_error_from_local(error, o->fail, "OriginFails", "the origin fails");
    return o->fail;
  }
  snprintf(id, sizeof(id), "ID%u", o->gets);
  return keys_new(id, "secret-of-the-origin", "token", (int64_t)time(NULL) + 3600, NULL, "origin",
                  out);
}

static void origin_expired(struct key_source *s, const struct keys *k) {
  (void)k;
  ((struct origin *)s)->expired++;
}

static void origin_destroy(struct key_source *s) {
  (void)s;
}

static const struct key_source_ops origin_ops = {origin_get, origin_expired, origin_destroy};

static struct key_source *cache_of(struct origin *o) {
  struct key_source *cached = NULL;

  log_set_level(LOG_LEVEL_ERROR);
  memset(o, 0, sizeof(*o));
  o->base.ops = &origin_ops;
  cr_assert_eq(cred_cached_new(&o->base, NULL, &cached), 0);
  return cached;
}

static void expect_id(struct key_source *cached, const char *id) {
  struct keys *k = NULL;

  cr_assert_eq(key_source_get(cached, &k, NULL), 0);
  cr_assert_str_eq(k->access_key_id, id);
  keys_unref(k);
}

Test(login, fetches_though_a_failure_is_remembered) {
  struct origin o;
  struct key_source *cached = cache_of(&o);
  struct s3_error error;
  struct keys *k = NULL;

  s3_error_init(&error);
  o.fail = -EACCES;
  cr_assert_eq(key_source_get(cached, &k, NULL), -EACCES);
  cr_assert_eq(cred_cached_renew(cached, &error), -EACCES);
  cr_assert_str_eq(error.message, "the origin fails");
  o.fail = 0;
  cr_assert_eq(key_source_get(cached, &k, NULL), -EACCES, "remembered for a moment");
  cr_assert_eq(cred_cached_renew(cached, &error), 0);
  expect_id(cached, "ID3");
  s3_error_fini(&error);
  key_source_free(cached);
}

Test(login, replaces_living_keys_and_keeps_them_when_that_fails) {
  struct origin o;
  struct key_source *cached = cache_of(&o);
  struct s3_error error;

  s3_error_init(&error);
  expect_id(cached, "ID1");
  cr_assert_eq(cred_cached_renew(cached, &error), 0);
  cr_assert_eq(o.expired, 1, "the source is to fetch new ones");
  expect_id(cached, "ID2");
  o.fail = -ETIMEDOUT;
  cr_assert_eq(cred_cached_renew(cached, &error), -ETIMEDOUT);
  expect_id(cached, "ID2");
  s3_error_fini(&error);
  key_source_free(cached);
}
