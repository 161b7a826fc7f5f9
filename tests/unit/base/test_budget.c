/* Memory budget: trying, waiting, timing out. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "s3apfs/base/budget.h"
#include "s3apfs/base/clock.h"

static int64_t soon(int64_t ms) {
  return clock_mono_ms(&clock_system) + ms;
}

Test(budget, try_takes_what_is_free) {
  struct budget *b;

  cr_assert_eq(budget_new(100, &b), 0);
  cr_expect_eq(budget_size(b), 100);
  cr_expect(budget_try(b, 60));
  cr_expect_not(budget_try(b, 41));
  cr_expect_not(budget_try(b, SIZE_MAX));
  cr_expect(budget_try(b, 40));
  cr_expect_eq(budget_used(b), 100);
  cr_expect(budget_try(b, 0));
  budget_release(b, 60);
  cr_expect_eq(budget_used(b), 40);
  cr_expect(budget_try(b, 41));
  budget_free(b);
  budget_free(NULL);
}

Test(budget, reserve_without_room) {
  struct budget *b;

  cr_assert_eq(budget_new(100, &b), 0);
  cr_expect_eq(budget_reserve(b, 101, soon(60000)), -ENOMEM, "never fits: no waiting");
  cr_expect_eq(budget_reserve(b, 100, 0), 0, "a deadline in the past still takes what is free");
  cr_expect_eq(budget_reserve(b, 1, soon(20)), -ETIMEDOUT);
  cr_expect_eq(budget_reserve(b, 1, 0), -ETIMEDOUT);
  cr_expect_eq(budget_reserve(b, 1, -5), -ETIMEDOUT);
  cr_expect_eq(budget_used(b), 100);
  budget_free(b);
}

struct waiter {
  struct budget *b;
  size_t bytes;
  int rc;
};

static void *wait_for_room(void *arg) {
  struct waiter *w = arg;

  w->rc = budget_reserve(w->b, w->bytes, soon(60000));
  return NULL;
}

Test(budget, release_wakes_every_waiter_that_fits) {
  struct waiter w[2] = {{.bytes = 70, .rc = 1}, {.bytes = 30, .rc = 1}};
  pthread_t threads[2];
  struct budget *b;

  cr_assert_eq(budget_new(100, &b), 0);
  cr_assert(budget_try(b, 100));
  for (int i = 0; i < 2; i++) {
    w[i].b = b;
    cr_assert_eq(pthread_create(&threads[i], NULL, wait_for_room, &w[i]), 0);
  }
  budget_release(b, 100);
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    cr_expect_eq(w[i].rc, 0);
  }
  cr_expect_eq(budget_used(b), 100);
  budget_free(b);
}
