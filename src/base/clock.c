/* The system clock behind struct clock. */
#include "s3apfs/base/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id) {
  struct timespec ts;

  clock_gettime(id, &ts);
  return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_wall_ms(const struct clock *c) {
  (void)c;
  return read_ms(CLOCK_REALTIME);
}

static int64_t system_mono_ms(const struct clock *c) {
  (void)c;
  return read_ms(CLOCK_MONOTONIC);
}

const struct clock clock_system = {system_wall_ms, system_mono_ms};

int64_t clock_mono_us(void) {
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
