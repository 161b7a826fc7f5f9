#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"

#define LEN ((size_t)256 << 10)

static struct store *store;
static char *dst;

static void setup(void) {
  struct store *inner;
  char *data = malloc(LEN);

  for (size_t i = 0; i < LEN; i++)
    data[i] = (char)(i * 7 + i / 251);
  cr_assert_eq(mem_store_new("domain", &inner), 0);
  cr_assert_eq(mem_store_put(inner, "k", data, LEN), 0);
  cr_assert_eq(fault_store_new(inner, &store), 0);
  free(data);
  dst = calloc(1, LEN);
}

static void teardown(void) {
  store_free(store);
  free(dst);
}

TestSuite(fault_store, .init = setup, .fini = teardown);

static bool right(size_t from, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (dst[i] != (char)((from + i) * 7 + (from + i) / 251))
      return false;
  return true;
}

struct watch {
  struct store_get get;
  struct mtx lock;
  struct cond ended;
  size_t have;
  int err;
  bool done;
};

static void on_progress(struct store_get *g, size_t have) {
  struct watch *w = (struct watch *)g;

  mtx_lock(&w->lock);
  w->have = have;
  cond_signal(&w->ended);
  mtx_unlock(&w->lock);
}

static void on_done(struct store_get *g, int err) {
  struct watch *w = (struct watch *)g;

  mtx_lock(&w->lock);
  w->err = err;
  w->done = true;
  cond_signal(&w->ended);
  mtx_unlock(&w->lock);
}

static void start(struct watch *w, uint64_t offset, size_t len) {
  *w = (struct watch){0};
  mtx_init(&w->lock, RANK_POOL);
  cond_init(&w->ended);
  w->get = (struct store_get){.key = "k",
                              .offset = offset,
                              .length = len,
                              .dst = dst,
                              .progress = on_progress,
                              .done = on_done};
  cr_assert_eq(store->ops->get(store, &w->get), 0);
}

static int finish(struct watch *w) {
  mtx_lock(&w->lock);
  while (!w->done)
    cond_wait(&w->ended, &w->lock);
  mtx_unlock(&w->lock);
  cond_fini(&w->ended);
  mtx_fini(&w->lock);
  return w->err;
}

static void wait_have(struct watch *w, size_t have) {
  mtx_lock(&w->lock);
  while (w->have < have)
    cond_wait(&w->ended, &w->lock);
  mtx_unlock(&w->lock);
}

static void wait_parked(unsigned n) {
  while (fault_store_waiting(store) != n)
    usleep(1000);
}

Test(fault_store, passes_through) {
  struct watch w;
  struct store_attr a;
  struct store_page p;

  start(&w, 100, LEN - 100);
  cr_expect_eq(finish(&w), 0);
  cr_expect_eq(w.get.got, LEN - 100);
  cr_expect(right(100, LEN - 100));
  cr_expect_eq(store->ops->head(store, "k", &a, NULL), 0);
  cr_expect_eq(store->ops->list(store, "", true, NULL, 10, &p), 0);
  cr_expect_eq(p.count, 1);
  store_page_fini(&p);
}

Test(fault_store, fails_the_scripted_calls) {
  struct store_attr a;
  struct store_page p;

  fault_store_fail(store, FAULT_HEAD, 1, 2, -EIO, 0);
  cr_expect_eq(store->ops->head(store, "k", &a, NULL), 0);
  cr_expect_eq(store->ops->head(store, "k", &a, NULL), -EIO);
  cr_expect_eq(store->ops->head(store, "k", &a, NULL), -EIO);
  cr_expect_eq(store->ops->head(store, "k", &a, NULL), 0);
  fault_store_fail(store, FAULT_LIST, 0, 1, -ETIMEDOUT, 0);
  cr_expect_eq(store->ops->list(store, "", true, NULL, 10, &p), -ETIMEDOUT);
}

Test(fault_store, delivers_bytes_before_failing) {
  struct watch w;

  fault_store_fail(store, FAULT_GET, 0, 1, -ECONNRESET, 1000);
  start(&w, 0, LEN);
  cr_expect_eq(finish(&w), -ECONNRESET);
  cr_expect_eq(w.have, 1000);
  cr_expect(right(0, 1000));
  start(&w, 0, LEN);
  cr_expect_eq(finish(&w), 0);
}

Test(fault_store, reports_short_bodies_as_complete) {
  struct watch w;

  fault_store_fail(store, FAULT_GET, 0, 1, 0, 1000);
  start(&w, 0, LEN);
  cr_expect_eq(finish(&w), 0);
  cr_expect_eq(w.get.got, 1000);
}

Test(fault_store, gate_holds_the_rest) {
  struct watch w;

  fault_store_gate(store, FAULT_GET, 5000);
  start(&w, 0, LEN);
  wait_have(&w, 5000);
  wait_parked(1);
  cr_expect_not(w.done);
  fault_store_open(store);
  cr_expect_eq(finish(&w), 0);
  cr_expect_eq(w.get.got, LEN);
  cr_expect(right(0, LEN));
}

Test(fault_store, gated_gets_can_be_cancelled) {
  struct watch w;

  fault_store_gate(store, FAULT_GET, 0);
  start(&w, 0, LEN);
  wait_parked(1);
  store->ops->get_cancel(store, &w.get);
  cr_expect_eq(finish(&w), -ECANCELED);
  store->ops->get_cancel(store, &w.get);
  fault_store_open(store);
}

Test(fault_store, delayed_gets_can_be_cancelled) {
  struct watch w;

  fault_store_delay(store, FAULT_GET, 3600 * 1000);
  start(&w, 0, LEN);
  store->ops->get_cancel(store, &w.get);
  cr_expect_eq(finish(&w), -ECANCELED);
}

Test(fault_store, delay_delivers_in_the_end) {
  struct watch w;
  struct store_attr a;

  fault_store_delay(store, FAULT_GET, 5);
  fault_store_delay(store, FAULT_HEAD, 5);
  start(&w, 0, LEN);
  cr_expect_eq(finish(&w), 0);
  cr_expect(right(0, LEN));
  cr_expect_eq(store->ops->head(store, "k", &a, NULL), 0);
}
