/* A whole object's checksum out of its ranges, whatever their order. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../../src/data/sums.h"
#include "support/pattern.h"

#define SIZE ((size_t)300000)
#define STEP ((size_t)7001)

static unsigned char *bytes;

static void setup(void) {
  bytes = pattern_new(SIZE, 3);
}

static void teardown(void) {
  free(bytes);
}

TestSuite(sums, .init = setup, .fini = teardown);

static enum sums_verdict add(struct sums *s, size_t from, size_t to) {
  return sums_add(s, from, to, crc_update(s->kind, 0, bytes + from, to - from), SIZE);
}

static size_t end_of(size_t from) {
  return from + STEP < SIZE ? from + STEP : SIZE;
}

/* Every third, then the ones between, the last range at the end. */
static enum sums_verdict add_all(struct sums *s) {
  enum sums_verdict v = SUMS_OPEN;

  for (size_t start = 0; start < 3; start++)
    for (size_t i = start; i * STEP < SIZE; i += 3) {
      cr_expect_eq(v, SUMS_OPEN);
      v = add(s, i * STEP, end_of(i * STEP));
    }
  return v;
}

Test(sums, ranges_in_any_order_give_the_verdict_with_the_last) {
  static const enum crc_kind kinds[] = {CRC_64NVME, CRC_32, CRC_32C};

  for (size_t k = 0; k < 3; k++) {
    struct sums s = {0};

    sums_learn(&s, kinds[k], crc_update(kinds[k], 0, bytes, SIZE));
    cr_expect_eq(add_all(&s), SUMS_RIGHT);
    cr_expect_eq(s.count, 0);
    cr_expect_eq(add_all(&s), SUMS_RIGHT, "and again");
    bytes[SIZE / 2] ^= 1;
    cr_expect_eq(add_all(&s), SUMS_WRONG);
    bytes[SIZE / 2] ^= 1;
    sums_fini(&s);
  }
}

static void expect_missing(const struct sums *s, uint64_t from, uint64_t to, uint64_t want_from,
                           uint64_t want_to) {
  sums_missing(s, &from, &to);
  cr_expect_eq(from, want_from);
  cr_expect_eq(to, want_to);
}

Test(sums, bytes_that_come_twice_count_once) {
  struct sums s = {0};

  sums_learn(&s, CRC_32C, crc_update(CRC_32C, 0, bytes, SIZE));
  cr_expect_eq(add(&s, 0, 1000), SUMS_OPEN);
  cr_expect_eq(add(&s, 0, 1000), SUMS_OPEN);
  cr_expect_eq(add(&s, 500, 1500), SUMS_OPEN);
  cr_expect_eq(s.count, 1);
  expect_missing(&s, 0, 1000, 1000, 1000);
  expect_missing(&s, 10, 2000, 1000, 2000);
  expect_missing(&s, 5000, 6000, 5000, 6000);
  cr_expect_eq(add(&s, 4000, 5000), SUMS_OPEN);
  expect_missing(&s, 10, 9000, 1000, 4000);
  expect_missing(&s, 2000, 9000, 2000, 4000);
  expect_missing(&s, 4500, 9000, 5000, 9000);
  cr_expect_eq(add(&s, 1000, 4000), SUMS_OPEN);
  cr_expect_eq(add(&s, 5000, SIZE), SUMS_RIGHT);
  sums_fini(&s);
}

Test(sums, nothing_is_said_without_a_checksum) {
  struct sums s = {0};

  sums_learn(&s, CRC_NONE, 7);
  cr_expect_eq(sums_add(&s, 0, SIZE, 7, SIZE), SUMS_OPEN);
  sums_learn(&s, CRC_64NVME, 6);
  sums_learn(&s, CRC_32C, crc_update(CRC_32C, 0, bytes, SIZE));
  cr_expect_eq(add(&s, 0, 1000), SUMS_OPEN);
  sums_learn(&s, CRC_64NVME, 8); /* the next time */
  cr_expect_eq(s.kind, CRC_32C);
  cr_expect_eq(add(&s, 1000, SIZE), SUMS_RIGHT);
  sums_fini(&s);
}

/* Somebody who reads here and there costs no more memory than this. */
Test(sums, too_many_pieces_give_up) {
  struct sums s = {0};

  sums_learn(&s, CRC_32, 1);
  for (uint64_t i = 0; i <= SUMS_RANGES_MAX; i++)
    sums_add(&s, 2 * i, 2 * i + 1, 1, UINT64_MAX);
  cr_expect_eq(s.kind, CRC_NONE);
  cr_expect_eq(s.count, 0);
  sums_fini(&s);
}
