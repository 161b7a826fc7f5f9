/* Injectable clock: wall time for signatures and expiry, monotonic time for
 * deadlines. Tests install a fake one; product code passes &clock_system down
 * from the app. Units are milliseconds. */
#ifndef S3APFS_BASE_CLOCK_H
#define S3APFS_BASE_CLOCK_H

#include <stdint.h>

struct clock {
  int64_t (*wall_ms)(const struct clock *c); /* since 1970-01-01 UTC */
  int64_t (*mono_ms)(const struct clock *c);
};

extern const struct clock clock_system;

static inline int64_t clock_wall_ms(const struct clock *c) {
  return c->wall_ms(c);
}
static inline int64_t clock_mono_ms(const struct clock *c) {
  return c->mono_ms(c);
}
/* The system's monotonic time in microseconds, for measuring durations. */
int64_t clock_mono_us(void);

#endif
