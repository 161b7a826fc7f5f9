/* When keys are renewed, for one and for ten thousand, on a clock of the test's own. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "s3apfs/net/renewal.h"

#define SCOPES 10000
#define LIFE 3600
#define WEEK ((int64_t)7 * 86400)

Test(renewal, bounds) {
  for (int i = 0; i < 100; i++) {
    double random = i / 100.0;

    for (int64_t life = 1; life < 50000; life += 777) {
      int64_t due = renewal_due(1000, 1000 + life, random);

      cr_assert_geq(due, 1000 + life / 2);
      cr_assert_leq(due, 1000 + life);
    }
  }
  cr_expect_eq(renewal_due(1000, 0, 0.5), INT64_MAX);
}

/* A reproducible number in [0, 1). */
static double draw(void) {
  static uint64_t x = 1;

  x = x * 6364136223846793005u + 1442695040888963407u;
  return (double)(x >> 11) / 9007199254740992.0;
}

/* All are fetched in one second, as by a program that walks everything, and used all the
 * time from then on: the worst that can happen. */
Test(renewal, ten_thousand_scopes_make_no_burst) {
  static int64_t due[SCOPES];
  static unsigned per_second[WEEK + 2 * LIFE];
  unsigned first_window = 0;
  unsigned most_in_a_minute = 0;
  unsigned in_a_minute = 0;

  for (int i = 0; i < SCOPES; i++)
    due[i] = renewal_due(0, LIFE, draw());
  for (int i = 0; i < SCOPES; i++)
    for (; due[i] < WEEK; due[i] = renewal_due(due[i], due[i] + LIFE, draw()))
      per_second[due[i]]++;
  for (int64_t t = 0; t < WEEK; t++) {
    in_a_minute += per_second[t] - (t >= 60 ? per_second[t - 60] : 0);
    most_in_a_minute = in_a_minute > most_in_a_minute ? in_a_minute : most_in_a_minute;
    first_window += t < LIFE ? per_second[t] : 0;
    cr_assert_lt(per_second[t], 120, "second %lld", (long long)t);
  }
  cr_expect_eq(first_window, SCOPES);
  cr_expect_lt(most_in_a_minute, SCOPES / 2);
  /* and they drift apart: a day later no minute has a tenth of them */
  for (int64_t t = WEEK - 86400; t < WEEK; t += 60) {
    unsigned minute = 0;

    for (int s = 0; s < 60; s++)
      minute += per_second[t + s];
    cr_assert_lt(minute, SCOPES / 10);
  }
}
