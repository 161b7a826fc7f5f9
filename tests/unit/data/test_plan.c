/* Plans of uploads: every plan of every content keeps the service's rules. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "../../../src/data/commit_plan.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

static const struct plan_limits s3 = {.part_size = 8 * MIB,
                                      .part_min = 5 * MIB,
                                      .part_max = 5 * GIB,
                                      .copy_max = UINT64_C(5000000000),
                                      .parts_max = 10000};

/* Parts follow each other over the whole content, none is too small or too large,
 * and what is copied is the base's. */
static void check(const struct plan *p, const struct plan_run *runs, size_t count,
                  const struct plan_limits *l) {
  uint64_t at = 0;
  size_t run = 0;

  cr_assert_leq(p->count, l->parts_max);
  for (size_t i = 0; i < p->count; i++) {
    const struct plan_part *part = &p->parts[i];

    cr_assert_eq(part->from, at);
    cr_assert_lt(part->from, part->to);
    cr_assert_leq(part->to - part->from, l->part_max);
    if (i + 1 < p->count)
      cr_assert_geq(part->to - part->from, l->part_min, "part %zu of %zu", i, p->count);
    at = part->to;
    while (part->copy && runs[run].to < part->to)
      cr_assert_leq(runs[run++].to, part->from);
    if (part->copy)
      cr_assert(runs[run].base && runs[run].from <= part->from);
  }
  cr_assert_eq(at, runs[count - 1].to);
}

static uint64_t sent(const struct plan *p) {
  uint64_t bytes = 0;

  for (size_t i = 0; i < p->count; i++)
    bytes += p->parts[i].copy ? 0 : p->parts[i].to - p->parts[i].from;
  return bytes;
}

Test(plan, small_contents_are_put_at_once) {
  struct plan_run mixed[] = {{0, 100, true}, {100, 8 * MIB, false}};
  struct plan p;

  cr_assert_eq(plan_make(NULL, 0, &s3, &p), 0);
  cr_expect_eq(p.how, PLAN_PUT);
  cr_assert_eq(plan_make(mixed, 2, &s3, &p), 0);
  cr_expect_eq(p.how, PLAN_PUT);
}

Test(plan, an_unchanged_content_is_one_copy) {
  struct plan_run whole = {0, 3 * GIB, true};
  struct plan_run large = {0, 12 * GIB, true};
  struct plan p;

  cr_assert_eq(plan_make(&whole, 1, &s3, &p), 0);
  cr_expect_eq(p.how, PLAN_COPY);
  cr_assert_eq(plan_make(&large, 1, &s3, &p), 0);
  cr_expect_eq(p.how, PLAN_PARTS);
  check(&p, &large, 1, &s3);
  cr_expect_eq(sent(&p), 0);
  plan_fini(&p);
}

Test(plan, a_line_at_the_end_sends_the_line) {
  struct plan_run runs[] = {{0, 512 * MIB, true}, {512 * MIB, 512 * MIB + 80, false}};
  struct plan p;

  cr_assert_eq(plan_make(runs, 2, &s3, &p), 0);
  check(&p, runs, 2, &s3);
  cr_expect_eq(sent(&p), 80);
  cr_expect_eq(p.count, 2);
  plan_fini(&p);
  runs[0].to = runs[1].from = 12 * GIB;
  runs[1].to = 12 * GIB + 80;
  cr_assert_eq(plan_make(runs, 2, &s3, &p), 0);
  check(&p, runs, 2, &s3);
  cr_expect_eq(p.count, 4); /* a copy for each 5 GiB begun */
  plan_fini(&p);
}

Test(plan, a_change_in_the_middle_sends_one_smallest_part) {
  struct plan_run runs[] = {{0, 200 * MIB, true},
                            {200 * MIB, 200 * MIB + 40960, false},
                            {200 * MIB + 40960, 512 * MIB, true}};
  struct plan p;

  cr_assert_eq(plan_make(runs, 3, &s3, &p), 0);
  check(&p, runs, 3, &s3);
  cr_expect_eq(sent(&p), 5 * MIB);
  cr_expect_eq(p.count, 3);
  plan_fini(&p);
}

Test(plan, the_largest_object_fits) {
  struct plan_run whole = {0, UINT64_C(50000000000000), false};
  struct plan_run more = {0, UINT64_C(60000000000000), false};
  struct plan p;

  cr_assert_eq(plan_make(&whole, 1, &s3, &p), 0);
  check(&p, &whole, 1, &s3);
  cr_expect_eq(p.parts[0].to, 8 * MIB);
  plan_fini(&p);
  cr_expect_eq(plan_make(&more, 1, &s3, &p), -EFBIG);
}

Test(plan, a_file_written_from_its_start_lies_on_the_grid) {
  struct plan_run whole = {0, 3 * GIB + 12345, false};
  struct plan p;
  uint64_t at = 0;

  cr_assert_eq(plan_make(&whole, 1, &s3, &p), 0);
  for (size_t i = 0; i + 1 < p.count; i++) {
    cr_assert_eq(p.parts[i].from, at);
    at += plan_part_size(&s3, at);
  }
  plan_fini(&p);
}

Test(plan, more_places_than_parts_are_joined) {
  size_t count = 40000;
  struct plan_run *runs = calloc(count, sizeof(*runs));
  struct plan p;

  for (size_t i = 0; i < count; i++)
    runs[i] = (struct plan_run){i * 6 * MIB, (i + 1) * 6 * MIB, i % 2 == 1};
  cr_assert_eq(plan_make(runs, count, &s3, &p), 0);
  check(&p, runs, count, &s3);
  plan_fini(&p);
  free(runs);
}

Test(plan, every_content_keeps_the_rules) {
  static const struct plan_limits small = {
      .part_size = 64, .part_min = 40, .part_max = 1000, .copy_max = 500, .parts_max = 50};
  unsigned seed = 7;

  for (int round = 0; round < 20000; round++) {
    struct plan_run runs[24];
    size_t count = 1 + (size_t)rand_r(&seed) % 24;
    bool base = rand_r(&seed) % 2 == 0;
    uint64_t at = 0;
    struct plan p;

    for (size_t i = 0; i < count; i++) {
      uint64_t len = 1 + (uint64_t)rand_r(&seed) % (rand_r(&seed) % 3 == 0 ? 400 : 60);

      runs[i] = (struct plan_run){at, at + len, base};
      base = !base;
      at += len;
    }
    cr_assert_eq(plan_make(runs, count, &small, &p), 0);
    if (p.how == PLAN_PARTS)
      check(&p, runs, count, &small);
    plan_fini(&p);
  }
}
