#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"

static struct store *inner;
static struct store *store;

static void setup(void) {
  cr_assert_eq(mem_store_new("domain", &inner), 0);
  cr_assert_eq(fault_store_new(inner, &store), 0);
}

static void teardown(void) {
  store_free(store);
}

TestSuite(fault_write, .init = setup, .fini = teardown);

static int put(const char *text) {
  struct store_attr a;

  return store->write->put(store, "k", text, strlen(text), NULL, NULL, &a);
}

static uint64_t stored(void) {
  struct store_attr a;

  return inner->ops->head(inner, "k", &a, NULL) == 0 ? a.size : UINT64_MAX;
}

Test(fault_write, fails_before_it_is_done) {
  fault_store_fail(store, FAULT_PUT, 1, 1, -EIO, 0);
  cr_expect_eq(put("1"), 0);
  cr_expect_eq(put("22"), -EIO);
  cr_expect_eq(stored(), 1);
  cr_expect_eq(put("333"), 0);
  cr_expect_eq(stored(), 3);
}

Test(fault_write, loses_the_reply_of_what_was_done) {
  fault_store_lose(store, FAULT_PUT, 0, 1, -ETIMEDOUT);
  cr_expect_eq(put("1"), -ETIMEDOUT);
  cr_expect_eq(stored(), 1);
  cr_expect_eq(put("22"), 0);
}

Test(fault_write, lost_replies_own_nothing) {
  struct store_detail d;
  struct store_doomed doomed = {.key = "k"};
  char *id = NULL;

  cr_assert_eq(put("1"), 0);
  fault_store_lose(store, FAULT_CREATE_UPLOAD, 0, 1, -EIO);
  fault_store_lose(store, FAULT_DETAIL, 0, 1, -EIO);
  fault_store_lose(store, FAULT_REMOVE, 0, 1, -EIO);
  cr_expect_eq(store->write->create_upload(store, "k", NULL, &id), -EIO);
  cr_expect_null(id);
  cr_expect_eq(mem_store_uploads(inner), 1);
  cr_expect_eq(store->write->detail(store, "k", &d), -EIO);
  cr_expect_eq(store->write->remove(store, &doomed, 1), -EIO);
  cr_expect_eq(doomed.err, -EIO);
  cr_expect_eq(stored(), UINT64_MAX);
}

static void *put_in_thread(void *arg) {
  *(int *)arg = put("1");
  return NULL;
}

static void at_the_gate(size_t bytes, uint64_t stored_meanwhile) {
  pthread_t t;
  int rc = 1;

  fault_store_gate(store, FAULT_PUT, bytes);
  cr_assert_eq(pthread_create(&t, NULL, put_in_thread, &rc), 0);
  while (fault_store_waiting(store) == 0)
    sched_yield();
  cr_expect_eq(stored(), stored_meanwhile);
  fault_store_open(store);
  pthread_join(t, NULL);
  cr_expect_eq(rc, 0);
  cr_expect_eq(stored(), 1);
}

Test(fault_write, gate_ahead_of_the_change) {
  at_the_gate(0, UINT64_MAX);
}

Test(fault_write, gate_behind_the_change) {
  at_the_gate(1, 1);
}
