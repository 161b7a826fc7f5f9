/* The bucket of bytes on a clock of the test's own. */
#include <criterion/criterion.h>

#include "s3apfs/net/bandwidth.h"

#define S 1000000LL

Test(bandwidth, never_more_than_the_rate_and_a_burst) {
  struct bandwidth *b;
  int64_t now = 5 * S;
  uint64_t moved = 0;

  cr_assert_eq(bandwidth_new(1 << 20, now, &b), 0);
  for (; now < 15 * S; now += 777)
    while (bandwidth_take(b, now, 16384))
      moved += 16384;
  cr_expect_leq(moved, (uint64_t)(10 << 20) + (1 << 17) + 16384);
  cr_expect_geq(moved, (uint64_t)(10 << 20) - 16384);
  bandwidth_free(b);
}

Test(bandwidth, a_pause_is_not_saved_up) {
  struct bandwidth *b;
  uint64_t moved = 0;

  cr_assert_eq(bandwidth_new(1 << 20, 0, &b), 0);
  while (bandwidth_take(b, 3600 * S, 16384))
    moved += 16384;
  cr_expect_leq(moved, (uint64_t)(1 << 17) + 16384);
  bandwidth_free(b);
}

Test(bandwidth, the_wait_is_right) {
  struct bandwidth *b;
  int64_t now = 0;

  cr_assert_eq(bandwidth_new(100000, now, &b), 0);
  for (int i = 0; i < 1000; i++) {
    int64_t wait = bandwidth_wait_us(b, now);

    if (wait > 12) /* a byte takes 10 us */
      cr_assert_not(bandwidth_take(b, now + wait - 12, 5000));
    now += wait;
    cr_assert(bandwidth_take(b, now, 5000));
  }
  cr_expect_geq(now, 1000 * S * 5000 / 100000 - 2 * S);
  bandwidth_free(b);
}

Test(bandwidth, pieces_leave_room_for_others) {
  static const uint64_t rates[] = {65536, 1 << 20, 100 << 20};
  static const size_t pieces[] = {16 << 10, 64 << 10, 128 << 10};

  for (int i = 0; i < 3; i++) {
    struct bandwidth *b;

    cr_assert_eq(bandwidth_new(rates[i], 0, &b), 0);
    cr_expect_eq(bandwidth_piece(b), pieces[i]);
    bandwidth_free(b);
  }
}
