/* Who makes signed calls: the corrected clock, the budget of retries and the
 * workers that all calls of one caller share. */
#include <errno.h>
#include <stdlib.h>

#include "call_internal.h"
#include "s3apfs/net/call.h"

static int64_t corrected_wall(const struct clock *clock) {
  const struct caller *c = (const struct caller *)(const void *)clock;

  return clock_wall_ms(c->clock) + atomic_load(&c->offset_s) * 1000;
}

static int64_t corrected_mono(const struct clock *clock) {
  return clock_mono_ms(((const struct caller *)(const void *)clock)->clock);
}

int caller_new(struct http_engine *e, const struct caller_options *o, struct caller **out) {
  struct caller *c = calloc(1, sizeof(*c));
  struct caller_options none = {0};
  int rc;

  if (c == NULL)
    return -ENOMEM;
  if (o == NULL)
    o = &none;
  c->engine = e;
  c->corrected = (struct clock){.wall_ms = corrected_wall, .mono_ms = corrected_mono};
  c->clock = o->clock != NULL ? o->clock : &clock_system;
  c->max_attempts = o->max_attempts != 0 ? o->max_attempts : 6;
  c->base_delay_ms = o->base_delay_ms != 0 ? o->base_delay_ms : 100;
  c->max_delay_ms = o->max_delay_ms != 0 ? o->max_delay_ms : 20000;
  retry_bucket_init(&c->bucket);
  atomic_init(&c->offset_s, 0);
  rc = call_workers_new(&c->workers);
  if (rc != 0) {
    free(c);
    return rc;
  }
  *out = c;
  return 0;
}

void caller_free(struct caller *c) {
  if (c == NULL)
    return;
  call_workers_free(c->workers);
  free(c);
}

int64_t caller_now(struct caller *c) {
  return clock_wall_ms(c->clock) / 1000 + atomic_load(&c->offset_s);
}

const struct clock *caller_clock(const struct caller *c) {
  return &c->corrected;
}

struct http_engine *caller_engine(struct caller *c) {
  return c->engine;
}
