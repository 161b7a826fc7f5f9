/* Renewal arithmetic. */
#include "s3apfs/net/renewal.h"

#define EARLY_S (15 * 60) /* clocks differ and services have bad quarters of an hour */

static int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

int64_t renewal_due(int64_t fetched, int64_t expiration, double random) {
  int64_t life = expiration - fetched;
  int64_t due;

  if (expiration == 0)
    return INT64_MAX;
  if (life <= 0)
    return fetched;
  due = smaller(fetched + life * 4 / 5, expiration - EARLY_S);
  due -= (int64_t)((double)life / 20.0 * random);
  return larger(due, fetched + life / 2);
}

int64_t renewal_again(int64_t now, int64_t expiration) {
  return now + larger((expiration - now) / 10, 1);
}
