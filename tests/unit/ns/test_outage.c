/* offline=lenient: what is known stands in while nobody answers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"

static struct outage outage;

static void setup(void) {
  memset(&outage, 0, sizeof(outage));
  desk_init(&desk, "", &desk_root);
  desk.faulty->outage = &outage;
  desk_open(&desk, DESK_MEMORY, NULL);
  desk_put(&desk, "dir/a");
  desk_put(&desk, "dir/b");
  desk_put(&desk, "other/c");
}

TestSuite(outage, .init = setup, .fini = desk_end);

static int look(uint64_t parent, const char *name, uint64_t *ino) {
  struct ns_attr a = {.ino = 0};
  int rc = ns_lookup(desk.ns, parent, name, &patient, &a);

  if (ino != NULL)
    *ino = a.ino;
  return rc;
}

/* How many names, or -errno. */
static int names(uint64_t ino) {
  struct ns_entry e;
  struct ns_dir *d;
  bool end = false;
  int n = 0;
  int rc = ns_dir_open(desk.ns, ino, &patient, &d);

  for (uint64_t at = 2; rc == 0 && !end; at = e.next, n += !end)
    rc = ns_dir_read(d, at, false, &patient, &e, &end);
  if (rc == 0 || end)
    ns_dir_close(d);
  return rc != 0 ? rc : n;
}

static void go_dark(void) {
  desk_later(3600000); /* everything is old */
  fault_store_fail(desk.faulty, FAULT_HEAD, 0, UINT_MAX, -ECONNREFUSED, 0);
  fault_store_fail(desk.faulty, FAULT_LIST, 0, UINT_MAX, -ECONNREFUSED, 0);
}

static unsigned calls(void) {
  struct ns_stats st;

  ns_stats(desk.ns, &st);
  return (unsigned)(st.heads + st.lists);
}

Test(outage, what_is_known_stands_in) {
  uint64_t dir;
  uint64_t a;
  struct ns_attr attr;

  cr_assert_eq(look(NS_ROOT_INO, "dir", &dir), 0);
  cr_assert_eq(names(dir), 2);
  cr_assert_eq(look(dir, "a", &a), 0);
  go_dark();
  outage_begin(&outage, -ECONNREFUSED);
  cr_expect_eq(look(dir, "a", NULL), 0);
  cr_expect_eq(look(dir, "b", NULL), 0, "known from the listing alone");
  cr_expect_eq(look(dir, "absent", NULL), -ENOENT, "all of the folder is known");
  cr_expect_eq(names(dir), 2);
  cr_expect_eq(ns_getattr(desk.ns, a, &patient, &attr), 0);
  cr_expect_eq(attr.ttl_ms, 0, "the kernel asks again");
  cr_expect_eq(look(NS_ROOT_INO, "other", NULL), -EIO);
  cr_expect_geq(atomic_load(&outage.stood_in), 5);
}

Test(outage, one_request_behind_asks_every_few_seconds) {
  uint64_t dir;
  unsigned before;

  cr_assert_eq(look(NS_ROOT_INO, "dir", &dir), 0);
  cr_assert_eq(names(dir), 2);
  go_dark();
  outage_begin(&outage, -ETIMEDOUT);
  before = calls();
  for (int i = 0; i < 100; i++)
    cr_expect_eq(look(dir, "a", NULL), 0);
  while (calls() == before)
    usleep(1000);
  cr_expect_eq(calls(), before + 1);
  desk_later(5000);
  cr_expect_eq(look(dir, "a", NULL), 0);
  while (calls() == before + 1)
    usleep(1000);
  outage_end(&outage);
  fault_store_fail(desk.faulty, FAULT_HEAD, 0, 0, 0, 0);
  fault_store_fail(desk.faulty, FAULT_LIST, 0, 0, 0, 0);
  cr_expect_eq(look(NS_ROOT_INO, "other", NULL), 0);
}

Test(outage, what_was_denied_or_gone_does_not_stand_in) {
  uint64_t dir;
  uint64_t a;
  struct ns_attr attr;

  cr_assert_eq(look(NS_ROOT_INO, "dir", &dir), 0);
  cr_assert_eq(look(dir, "a", &a), 0);
  desk_later(3600000);
  cr_assert_eq(mem_store_delete(desk.mem, "dir/a"), 0);
  cr_expect_eq(ns_getattr(desk.ns, a, &patient, &attr), -ENOENT);
  go_dark();
  outage_begin(&outage, -ETIMEDOUT);
  cr_expect_neq(look(dir, "a", NULL), 0);
}

static void *look_up_absent(void *dir) {
  look(*(uint64_t *)dir, "absent", NULL);
  return NULL;
}

/* The listing that was to show the change never came: the one before stands in, with its notes. */
Test(outage, what_was_removed_here_does_not_come_back) {
  pthread_t thread;
  uint64_t dir;

  cr_assert_eq(look(NS_ROOT_INO, "dir", &dir), 0);
  cr_assert_eq(names(dir), 2);
  cr_assert_eq(mem_store_delete(desk.mem, "dir/b"), 0);
  ns_removed(desk.ns, dir, "b");
  desk_later(DESK_NEGATIVE_TTL + 1);
  fault_store_fail(desk.faulty, FAULT_HEAD, 0, UINT_MAX, -ECONNREFUSED, 0);
  fault_store_fail(desk.faulty, FAULT_LIST, 0, UINT_MAX, -ECONNREFUSED, 0);
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  cr_assert_eq(pthread_create(&thread, NULL, look_up_absent, &dir), 0);
  while (fault_store_waiting(desk.faulty) == 0)
    usleep(1000);
  outage_begin(&outage, -ECONNREFUSED);
  fault_store_open(desk.faulty);
  pthread_join(thread, NULL);
  cr_expect_eq(names(dir), 1);
  cr_expect_neq(look(dir, "b", NULL), 0);
  cr_expect_eq(look(dir, "a", NULL), 0);
}
