/* A clock to move by hand: only wall time shifts, deadlines stay true. */
#include "shifted_clock.h"

static int64_t wall(const struct clock *c) {
  const struct shifted_clock *s = (const struct shifted_clock *)(const void *)c;
  return clock_wall_ms(&clock_system) + atomic_load(&s->shift_ms);
}

static int64_t mono(const struct clock *c) {
  (void)c;
  return clock_mono_ms(&clock_system);
}

void shifted_clock_init(struct shifted_clock *c) {
  c->clock = (struct clock){.wall_ms = wall, .mono_ms = mono};
  atomic_init(&c->shift_ms, 0);
}
