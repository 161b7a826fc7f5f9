/* Thread pool: order, draining, jobs that submit jobs. */
#include <criterion/criterion.h>
#include <stdatomic.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"

static int order[100];
static int done;

static void note(void *arg) {
  order[done++] = *(int *)arg;
}

Test(pool, one_thread_keeps_the_order_and_free_drains) {
  int numbers[100];
  struct pool *p;

  done = 0;
  cr_assert_eq(pool_new("test", 1, &p), 0);
  for (int i = 0; i < 100; i++) {
    numbers[i] = i;
    cr_assert_eq(pool_submit(p, note, &numbers[i]), 0);
  }
  pool_free(p);
  cr_assert_eq(done, 100);
  for (int i = 0; i < 100; i++)
    cr_expect_eq(order[i], i);
}

static _Atomic int count;

static void add(void *arg) {
  (void)arg;
  atomic_fetch_add(&count, 1);
}

Test(pool, many_threads_run_every_job_once) {
  struct pool *p;

  atomic_store(&count, 0);
  cr_assert_eq(pool_new("a name longer than a thread's", 4, &p), 0);
  for (int i = 0; i < 10000; i++)
    cr_assert_eq(pool_submit(p, add, NULL), 0);
  pool_free(p);
  cr_expect_eq(atomic_load(&count), 10000);
}

static void submit_more(void *arg) {
  for (int i = 0; i < 10; i++)
    cr_assert_eq(pool_submit(arg, add, NULL), 0);
}

Test(pool, jobs_may_submit_jobs) {
  struct pool *p;

  atomic_store(&count, 0);
  cr_assert_eq(pool_new("test", 3, &p), 0);
  for (int i = 0; i < 20; i++)
    cr_assert_eq(pool_submit(p, submit_more, p), 0);
  pool_free(p);
  cr_expect_eq(atomic_load(&count), 200, "those submitted while it drains, too");
}

static struct {
  struct mtx lock;
  struct cond met;
  int waiting;
} meeting;

/* Returns only when two jobs run at the same time. */
static void meet(void *arg) {
  (void)arg;
  mtx_lock(&meeting.lock);
  meeting.waiting++;
  cond_broadcast(&meeting.met);
  while (meeting.waiting < 2)
    cond_wait(&meeting.met, &meeting.lock);
  mtx_unlock(&meeting.lock);
}

Test(pool, threads_run_at_the_same_time) {
  struct pool *p;

  mtx_init(&meeting.lock, RANK_APP);
  cond_init(&meeting.met);
  meeting.waiting = 0;
  cr_assert_eq(pool_new("test", 2, &p), 0);
  cr_assert_eq(pool_submit(p, meet, NULL), 0);
  cr_assert_eq(pool_submit(p, meet, NULL), 0);
  pool_free(p);
  cr_expect_eq(meeting.waiting, 2);
  cond_fini(&meeting.met);
  mtx_fini(&meeting.lock);
}

Test(pool, free_of_nothing) {
  struct pool *p;

  pool_free(NULL);
  cr_assert_eq(pool_new("idle", 2, &p), 0);
  pool_free(p);
}
