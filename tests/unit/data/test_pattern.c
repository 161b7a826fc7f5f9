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

Test(pattern, random_reads_fetch_nothing_ahead) {
  uint64_t at = 7;

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
