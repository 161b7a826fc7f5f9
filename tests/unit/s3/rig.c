#include "rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define START_S 1785715200 /* 2026-08-03T00:00:00Z */

static int fixed_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  (void)s;
  (void)error;
  return keys_new("AKIDRIG", "the-secret-of-the-rig", NULL, 0, NULL, "the rig", out);
}

static const struct key_source_ops fixed_ops = {fixed_get, NULL, NULL};

static int64_t rig_wall(const struct clock *c) {
  return atomic_load(&((struct rig_clock *)(uintptr_t)c)->wall_ms);
}

static int64_t rig_mono(const struct clock *c) {
  return atomic_load(&((struct rig_clock *)(uintptr_t)c)->mono_ms);
}

void rig_init(struct rig *r, server_script script, void *arg) {
  struct caller_options o = {.base_delay_ms = 1, .max_delay_ms = 5, .max_attempts = 3};

  memset(r, 0, sizeof(*r));
  r->keys.ops = &fixed_ops;
  r->clock.base = (struct clock){rig_wall, rig_mono};
  atomic_init(&r->clock.wall_ms, START_S * 1000LL);
  atomic_init(&r->clock.mono_ms, 1000000);
  r->server = server_start(script, arg, false);
  cr_assert_eq(http_engine_new(NULL, &r->engine), 0);
  cr_assert_eq(caller_new(r->engine, &o, &r->caller), 0);
  snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%u", server_port(r->server));
}

void rig_fini(struct rig *r) {
  caller_free(r->caller);
  http_engine_free(r->engine);
  server_stop(r->server);
}

void rig_advance(struct rig *r, int64_t seconds) {
  atomic_fetch_add(&r->clock.wall_ms, seconds * 1000);
  atomic_fetch_add(&r->clock.mono_ms, seconds * 1000);
}

struct s3_client *rig_client(struct rig *r) {
  return rig_client_of(r, "bucket");
}

struct s3_client *rig_client_of(struct rig *r, const char *bucket) {
  struct s3_client_options o = {
      .site = {.region = "us-east-1", .endpoint_url = r->url, .path_style = true},
      .deadline_ms = 10000};
  struct s3_client *c;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(s3_client_new(r->caller, &r->keys, bucket, &o, &c, &why), 0, "%s", buf_cstr(&why));
  buf_fini(&why);
  return c;
}

static void get_done(struct store_get *g, int err) {
  struct rig_get *r = (struct rig_get *)g;

  r->err = err;
  atomic_store(&r->finished, true);
}

void rig_get_init(struct rig_get *g, const char *if_match, uint64_t offset, size_t length) {
  memset(g, 0, sizeof(*g));
  g->get.key = "key";
  g->get.if_match = if_match;
  g->get.offset = offset;
  g->get.length = length;
  g->get.dst = g->data;
  g->get.done = get_done;
}

int rig_get_wait(struct rig_get *g) {
  for (int i = 0; i < 20000 && !atomic_load(&g->finished); i++)
    usleep(1000);
  cr_assert(atomic_load(&g->finished), "the read never ended");
  return g->err;
}
