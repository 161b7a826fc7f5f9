/* The emulator's clock: the system's plus a shift that can change at any time. */
#ifndef S3APFS_EMULATOR_SHIFTED_CLOCK_H
#define S3APFS_EMULATOR_SHIFTED_CLOCK_H

#include <stdatomic.h>

#include "s3apfs/base/clock.h"

struct shifted_clock {
  struct clock clock; /* first: a struct clock * is turned back into this */
  atomic_llong shift_ms;
};

void shifted_clock_init(struct shifted_clock *c);

#endif
