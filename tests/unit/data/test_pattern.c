#include <criterion/criterion.h>
#include <string.h>

#include "../../../src/data/pattern.h"

#define KB ((uint64_t)1 << 10)
#define MB ((uint64_t)1 << 20)

static struct pattern pattern;
static struct pattern_plan plan;
static struct pattern_limits limits;

static void setup(void) {
  memset(&pattern, 0, sizeof(pattern));
  limits = (struct pattern_limits){
      .size = 1024 * MB, .window = 128 * MB, .part = 4 * MB, .grid = 128 * KB};
}

TestSuite(pattern, .init = setup);

static void note(uint64_t offset, uint64_t len) {
  pattern_note(&pattern, offset, offset + len, &limits, &plan);
  for (size_t i = 0; i < plan.count; i++) {
    cr_assert_lt(plan.ranges[i].from, plan.ranges[i].to);
    cr_assert_leq(plan.ranges[i].to, limits.size);
    cr_assert_eq(plan.ranges[i].from % limits.grid, 0);
  }
}

static uint64_t planned(void) {
  uint64_t sum = 0;

  for (size_t i = 0; i < plan.count; i++)
    sum += plan.ranges[i].to - plan.ranges[i].from;
  return sum;
}

Test(pattern, first_read_fetches_nothing_ahead) {
  note(0, 128 * KB);
  cr_expect_eq(plan.count, 0);
}

Test(pattern, first_read_of_much_is_taken_for_the_beginning_of_all) {
  note(0, 512 * KB);
  cr_expect_gt(planned(), 0);
  cr_expect_leq(pattern.ahead, 512 * KB + PATTERN_GROWTH * 512 * KB);
}

Test(pattern, first_read_of_much_elsewhere_fetches_nothing_ahead) {
  note(300 * MB, 512 * KB);
  cr_expect_eq(plan.count, 0);
}

Test(pattern, a_small_window_is_fetched_by_several_requests) {
  note(0, 512 * KB);
  cr_expect_geq(plan.count, 2);
  for (size_t i = 1; i < plan.count; i++)
    cr_expect_eq(plan.ranges[i].from, plan.ranges[i - 1].to);
}

Test(pattern, forward_reading_grows_to_the_window_within_a_few_reads) {
  uint64_t at = 0;
  unsigned reads = 0;

  for (; pattern.ahead < 128 * MB && reads < 100; reads++, at += 512 * KB)
    note(at, 512 * KB);
  cr_expect_leq(reads, 34, "%u reads", reads);
  cr_expect_leq(pattern.ahead, at + 128 * MB);
}

Test(pattern, forward_reading_never_fetches_more_than_eight_times_what_was_read) {
  for (uint64_t at = 0; at < 8 * MB; at += 128 * KB) {
    note(at, 128 * KB);
    cr_expect_leq(pattern.ahead, at + 128 * KB + PATTERN_GROWTH * (at + 128 * KB));
  }
}

Test(pattern, forward_plans_do_not_overlap_and_reach_the_end) {
  uint64_t expected = 0;

  limits.size = 100 * MB + 17;
  for (uint64_t at = 0; at < limits.size; at += 128 * KB) {
    note(at, at + 128 * KB < limits.size ? 128 * KB : limits.size - at);
    for (size_t i = 0; i < plan.count; i++) {
      cr_assert_geq(plan.ranges[i].from, expected);
      expected = plan.ranges[i].to;
    }
  }
  cr_expect_eq(expected, limits.size);
}

Test(pattern, parts_of_one_read_ahead_may_come_in_any_order) {
  static const uint64_t order[] = {0, 2, 1, 3, 5, 4, 7, 6};

  for (size_t i = 0; i < 8; i++) {
    note(order[i] * 512 * KB, 512 * KB);
    cr_expect_eq(pattern.kind, PATTERN_FORWARD);
  }
  cr_expect_gt(pattern.ahead, 8 * MB);
}

/* One of the 24 orders of four neighbours; the last is that of reading backward. */
static void order_of_four(unsigned number, unsigned *order) {
  static const unsigned orders_of_the_rest[] = {6, 2, 1, 1};
  unsigned left[] = {0, 1, 2, 3};

  for (unsigned i = 0; i < 4; i++) {
    unsigned k = number / orders_of_the_rest[i] % (4 - i);

    order[i] = left[k];
    memmove(left + k, left + k + 1, (3 - k) * sizeof(*left));
  }
}

/* The window of a stream whose neighbours come in this order, after so many requests. */
static uint64_t window_of_reordered(const unsigned *order, uint64_t size, unsigned requests) {
  uint64_t ahead = 0;

  setup();
  for (unsigned i = 0; i < requests; i++) {
    note((i / 4 * 4 + order[i % 4]) * size, size);
    cr_assert_eq(pattern.kind, PATTERN_FORWARD, "request %u of %u KiB", i, (unsigned)(size / KB));
    cr_assert_geq(pattern.ahead, ahead);
    ahead = pattern.ahead;
  }
  return ahead > requests * size ? ahead - requests * size : 0;
}

Test(pattern, neighbours_in_any_order_are_one_stream_with_a_growing_window) {
  for (unsigned number = 0; number < 23; number++) {
    unsigned order[4];

    order_of_four(number, order);
    for (uint64_t size = 128 * KB; size <= 512 * KB; size *= 2) {
      cr_expect_gt(window_of_reordered(order, size, 16), 8 * size);
      cr_expect_gt(window_of_reordered(order, size, 64), 64 * size);
    }
  }
}

/* The next place after a gap of `least` to `most`. */
static uint64_t irregular(uint64_t at, uint64_t least, uint64_t most) {
  static uint64_t state;

  state = state * 6364136223846793005U + 1442695040888963407U;
  return at + least + (state >> 33) % (most - least) / (4 * KB) * (4 * KB);
}

static void skip_and_read(uint64_t len, uint64_t least, uint64_t most) {
  uint64_t at = 0;

  setup();
  for (int i = 0; i < 200; i++) {
    at = irregular(at, least, most);
    note(at, len);
    if (i > 2)
      cr_assert_eq(plan.count, 0, "read %d of %u KiB", i, (unsigned)(len / KB));
    at += len;
  }
}

Test(pattern, small_reads_with_gaps_between_them_fetch_nothing_ahead) {
  skip_and_read(4 * KB, 600 * KB, 1900 * KB);
  skip_and_read(64 * KB, 600 * KB, 1900 * KB);
  skip_and_read(4 * KB, 400 * KB, 600 * KB);
}

/* Half of the cells are needed anyway: a round trip for each would cost ten times the time. */
Test(pattern, small_reads_of_about_every_other_cell_are_forward) {
  unsigned forward = 0;
  uint64_t at = 0;

  setup();
  for (int i = 0; i < 300; i++) {
    at = irregular(at, 120 * KB, 200 * KB);
    note(at, 4 * KB);
    forward += pattern.kind == PATTERN_FORWARD;
    at += 4 * KB;
  }
  cr_expect_gt(forward, 270, "%u of 300", forward);
}

Test(pattern, large_requests_with_larger_gaps_between_them_are_soon_random) {
  uint64_t at = 0;

  for (int i = 0; i < 100; i++) {
    at = irregular(at, 1100 * KB, 1900 * KB);
    note(at, 512 * KB);
    if (i > 6)
      cr_assert_eq(pattern.kind, PATTERN_RANDOM, "read %d", i);
    at += 512 * KB;
  }
}

Test(pattern, small_gaps_within_what_is_fetched_anyway_are_no_skips) {
  uint64_t at = 0;

  for (int i = 0; i < 1000; i++) {
    note(at, 4 * KB);
    cr_assert_eq(pattern.kind, PATTERN_FORWARD, "read %d", i);
    at = irregular(at + 4 * KB, 8 * KB, 100 * KB);
  }
  cr_expect_gt(pattern.ahead, at + 8 * MB);
}

Test(pattern, skips_of_less_than_is_read_keep_the_window) {
  uint64_t at = 0;

  for (int i = 0; i < 40; i++) {
    uint64_t to = at + 3 * MB;

    for (; at < to; at += 512 * KB) {
      note(at, 512 * KB);
      cr_assert_eq(pattern.kind, PATTERN_FORWARD, "chunk %d", i);
    }
    at = irregular(at, 500 * KB, 1900 * KB);
  }
  cr_expect_gt(pattern.ahead, at + 64 * MB);
}

Test(pattern, after_skips_the_window_grows_with_what_is_read_on) {
  uint64_t at = 0;
  uint64_t start;

  for (int i = 0; i < 100; i++) {
    note(at, 4 * KB);
    at = irregular(at, 600 * KB, 1900 * KB);
  }
  start = at;
  for (; at < start + 16 * MB; at += 128 * KB) {
    note(at, 128 * KB);
    if (at < start + MB)
      cr_expect_leq(pattern.ahead, at + 128 * KB + (at - start));
  }
  cr_expect_eq(pattern.kind, PATTERN_FORWARD);
  cr_expect_gt(pattern.ahead, at + 64 * MB);
}

/* Reads of 4 KiB with gaps of up to `most`; how far behind the last what was fetched ahead ends. */
static uint64_t hop(unsigned count, uint64_t most, uint64_t *at) {
  setup();
  limits.hop = 4 * MB;
  for (unsigned i = 0; i < count; i++) {
    *at = irregular(*at, 600 * KB, most);
    note(*at, 4 * KB);
    *at += 4 * KB;
  }
  return pattern.ahead > *at ? pattern.ahead - *at : 0;
}

Test(pattern, over_a_far_store_what_is_hopped_over_is_fetched) {
  uint64_t at = 0;

  cr_expect_eq(hop(3, 1900 * KB, &at), 0, "not yet");
  at = 0;
  cr_expect_gt(hop(8, 1900 * KB, &at), MB);
  cr_expect_eq(pattern.kind, PATTERN_HOPPING);
  at = 0;
  cr_expect_gt(hop(100, 1900 * KB, &at), 32 * MB);
  at = 0;
  cr_expect_gt(hop(100, 4000 * KB, &at), 64 * MB);
}

Test(pattern, hopping_fetches_no_more_than_once_the_way) {
  for (unsigned count = 4; count < 60; count++) {
    uint64_t at = 100 * MB;

    setup();
    cr_expect_leq(hop(count, 1900 * KB, &at), at - 100 * MB, "%u", count);
  }
}

Test(pattern, one_read_elsewhere_ends_the_hopping) {
  uint64_t at = 0;

  (void)hop(20, 1900 * KB, &at);
  note(at + 5 * MB, 4 * KB);
  cr_expect_eq(pattern.kind, PATTERN_RANDOM);
  cr_expect_eq(plan.keep_to, 0);
  for (unsigned i = 0; i < 3; i++) {
    note(at + 6 * MB + i * MB * 7 / 5, 4 * KB);
    cr_expect_eq(plan.count, 0);
  }
}

Test(pattern, reading_on_after_hops_is_forward) {
  uint64_t at = 0;

  (void)hop(20, 1900 * KB, &at);
  for (uint64_t end = at + 32 * MB; at < end; at += 128 * KB)
    note(at, 128 * KB);
  cr_expect_eq(pattern.kind, PATTERN_FORWARD);
  cr_expect_gt(pattern.ahead, at + 64 * MB);
}

Test(pattern, random_reads_fetch_nothing_ahead) {
  uint64_t at = 7;

  limits.hop = 4 * MB;

  for (int i = 0; i < 1000; i++) {
    at = (at * 6364136223846793005U + 1442695040888963407U) % (1020 * MB);
    note(at, 4 * KB);
    cr_expect_leq(planned(), 128 * KB);
  }
}

Test(pattern, jump_starts_anew) {
  for (uint64_t at = 0; at < 16 * MB; at += 512 * KB)
    note(at, 512 * KB);
  note(500 * MB, 4 * KB);
  cr_expect_eq(plan.count, 0);
  cr_expect_eq(plan.keep_to, 0, "what was fetched for the old place is given up");
  note(500 * MB + 4 * KB, 4 * KB);
  cr_expect_leq(planned(), 256 * KB);
}

Test(pattern, backward_reading_fetches_downwards) {
  uint64_t at = 600 * MB;
  uint64_t low = UINT64_MAX;

  for (int i = 0; i < 40; i++) {
    at -= 128 * KB;
    note(at, 128 * KB);
    for (size_t k = 0; k < plan.count; k++) {
      cr_assert_leq(plan.ranges[k].to, at + 128 * KB);
      if (plan.ranges[k].from < low)
        low = plan.ranges[k].from;
    }
  }
  cr_expect_eq(pattern.kind, PATTERN_BACKWARD);
  cr_expect_lt(low, at - 4 * MB);
}

Test(pattern, strided_reading_fetches_what_lies_on_the_stride) {
  uint64_t at = 3 * MB;

  for (int i = 0; i < 20; i++, at += 5 * MB) {
    note(at, 64 * KB);
    for (size_t k = 0; k < plan.count; k++)
      cr_expect_eq(plan.ranges[k].from, at + (k + 1) * 5 * MB);
    cr_expect_leq(planned(), (uint64_t)PATTERN_RANGES_MAX * 256 * KB);
  }
  cr_expect_eq(pattern.kind, PATTERN_STRIDED);
  cr_expect_gt(plan.count, 4);
  note(1000 * MB, 64 * KB);
  cr_expect_eq(plan.count, 0);
}

Test(pattern, small_window_is_kept_to) {
  limits.window = 2 * MB;
  for (uint64_t at = 0; at < 64 * MB; at += 128 * KB) {
    note(at, 128 * KB);
    cr_expect_leq(pattern.ahead, at + 128 * KB + 2 * MB);
  }
}

Test(pattern, what_could_not_be_fetched_is_planned_again) {
  for (uint64_t at = 0; at < 4 * MB; at += 512 * KB)
    note(at, 512 * KB);
  pattern_stopped(&pattern, pattern.ahead, 6 * MB);
  note(4 * MB, 512 * KB);
  cr_assert_eq(plan.count, 1);
  cr_expect_eq(plan.ranges[0].from, 6 * MB);
}

/* --- several places --- */

#define TURNS 4
#define REGION (64 * MB)

/* Somebody at each of four places goes on; `order` chooses who. Nothing may be planned twice. */
static uint64_t take_turns(uint64_t (*order)(uint64_t turn)) {
  static bool seen[TURNS * REGION / (128 * KB)];
  uint64_t at[TURNS] = {0};
  uint64_t unplanned = 0;
  uint64_t left = TURNS * REGION / (128 * KB);

  memset(seen, 0, sizeof(seen));
  limits.size = TURNS * REGION;
  for (uint64_t turn = 0; left > 0; turn++) {
    uint64_t who = order(turn) % TURNS;
    uint64_t offset = who * REGION + at[who];

    if (at[who] == REGION)
      continue;
    note(offset, 128 * KB);
    at[who] += 128 * KB;
    left--;
    unplanned += !seen[offset / (128 * KB)];
    seen[offset / (128 * KB)] = true;
    for (size_t i = 0; i < plan.count; i++)
      for (uint64_t cell = plan.ranges[i].from; cell < plan.ranges[i].to; cell += 128 * KB) {
        cr_assert_not(seen[cell / (128 * KB)], "%llu again", (unsigned long long)cell);
        seen[cell / (128 * KB)] = true;
      }
  }
  return unplanned;
}

static uint64_t one_after_the_other(uint64_t turn) {
  return turn;
}

static uint64_t as_it_comes(uint64_t turn) {
  return (turn + 1) * 0x9e3779b97f4a7c15u >> 40;
}

Test(pattern, readers_that_take_turns_in_one_file_all_go_forward) {
  cr_expect_leq(take_turns(one_after_the_other), TURNS * 4);
  setup();
  cr_expect_leq(take_turns(as_it_comes), TURNS * 4);
}

static void read_in_turn(uint64_t from, unsigned steps) {
  for (uint64_t k = 0; k < steps; k++)
    for (uint64_t i = 0; i < TURNS; i++)
      note(i * 200 * MB + from + k * 128 * KB, 128 * KB);
}

Test(pattern, readers_that_take_turns_share_the_window_and_keep_what_is_theirs) {
  uint64_t done = 128 * 128 * KB;

  read_in_turn(0, 128);
  for (uint64_t i = 0; i < TURNS - 1; i++) {
    uint64_t begin = i * 200 * MB + done;

    cr_expect(pattern_expects(&pattern, begin, begin + 16 * MB));
    cr_expect_not(pattern_expects(&pattern, begin + 24 * MB, begin + 32 * MB));
    cr_expect_not(pattern_expects(&pattern, begin - 8 * MB, begin - 4 * MB));
  }
  cr_expect_geq(pattern.ahead, 600 * MB + done + 16 * MB);
  cr_expect_leq(pattern.ahead, 600 * MB + done + 24 * MB);
  cr_expect(pattern_is_stream(&pattern));
}

Test(pattern, places_are_given_up_for_random_reads) {
  read_in_turn(0, 128);
  for (uint64_t i = 0; i < 18; i++)
    note(100 * MB + i * i * 3 * MB, 4 * KB);
  cr_expect_eq(plan.keep_to, 0);
  cr_expect_not(pattern_expects(&pattern, 0, limits.size));
  cr_expect_not(pattern_is_stream(&pattern));
}

Test(pattern, places_are_given_up_when_nobody_comes_back) {
  uint64_t at = 128 * 128 * KB;

  read_in_turn(0, 128);
  for (unsigned i = 0; i < 600 && (pattern_expects(&pattern, 0, limits.size) || i < 2);
       i++, at += 128 * KB)
    note(at, 128 * KB);
  cr_expect_not(pattern_expects(&pattern, 0, limits.size));
  cr_expect_eq(plan.keep_to, pattern.ahead, "nor is what lies behind");
  note(at, 128 * KB);
  cr_expect_geq(pattern.ahead, at + 100 * MB, "all of the window is its own");
}

Test(pattern, one_who_jumps_about_does_not_disturb_one_who_goes_on) {
  uint64_t jump = 7;

  for (uint64_t at = 0; at < 64 * MB; at += 128 * KB) {
    note(at, 128 * KB);
    if (at >= 16 * MB)
      cr_expect_geq(pattern.ahead, at + 32 * MB);
    for (unsigned i = 0; i < 2; i++) {
      jump = (jump * 6364136223846793005U + 1442695040888963407U) % (700 * MB);
      note(300 * MB + jump, 4 * KB);
      cr_expect_eq(plan.count, 0);
    }
  }
}

Test(pattern, two_reads_that_meet_after_others_fetch_nothing_ahead) {
  note(300 * MB, 128 * KB);
  note(100 * MB, 128 * KB);
  note(300 * MB + 128 * KB, 128 * KB);
  cr_expect_eq(plan.count, 0);
  note(100 * MB + 512 * KB, 128 * KB);
  cr_expect_eq(plan.count, 0, "close by is not enough");
  cr_expect_eq(pattern.kind, PATTERN_RANDOM);
}

Test(pattern, nothing_is_fetched_ahead_where_another_began) {
  for (uint64_t k = 0; k < 64; k++) {
    note(100 * MB + k * 128 * KB, 128 * KB);
    note(116 * MB + k * 128 * KB, 128 * KB);
  }
  for (uint64_t at = 108 * MB; at < 116 * MB; at += 128 * KB) {
    note(at, 128 * KB);
    cr_expect_leq(pattern.ahead, 116 * MB);
  }
  note(116 * MB, 128 * KB);
  cr_expect_gt(pattern.ahead, 116 * MB, "who arrives there goes on");
}

Test(pattern, what_could_not_be_fetched_for_one_who_waits_is_planned_again) {
  uint64_t planned_to;

  read_in_turn(0, 128);
  note(128 * 128 * KB, 128 * KB);
  planned_to = pattern.ahead;
  note(200 * MB + 128 * 128 * KB, 128 * KB);
  pattern_stopped(&pattern, planned_to, 20 * MB);
  note(129 * 128 * KB, 128 * KB);
  cr_assert_geq(plan.count, 1);
  cr_expect_eq(plan.ranges[0].from, 20 * MB);
}
