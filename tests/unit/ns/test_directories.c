/* Directories of many pages: every name once, whatever memory there is, and at a fair price. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"
#include "s3apfs/base/text.h"

TestSuite(directories, .init = desk_usual, .fini = desk_end);

static void put_many(unsigned n) {
  char key[32];

  for (unsigned i = 0; i < n; i++) {
    snprintf(key, sizeof(key), "big/f%06u", i);
    cr_assert_eq(mem_store_put(desk.mem, key, "x", 1), 0);
  }
}

/* Reads a directory of put_many() in handles' order and compares every name. */
static unsigned check_many(uint64_t ino, bool plus) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;
  unsigned n = 0;

  cr_assert_eq(ns_dir_open(desk.ns, ino, &patient, &d), 0);
  for (uint64_t at = 0; !end; at = e.next) {
    char want[32];

    cr_assert_eq(ns_dir_read(d, at, plus, &patient, &e, &end), 0);
    if (end)
      break;
    if (at < 2)
      continue;
    snprintf(want, sizeof(want), "f%06u", n);
    cr_assert_str_eq(e.name, want);
    if (plus) {
      cr_assert_eq(e.attr.size, 1);
      ns_forget(desk.ns, e.attr.ino, 1);
    }
    n++;
  }
  ns_dir_close(d);
  return n;
}

/* One LIST finds the folder, 25 show it, two at most look behind its end. */
Test(directories, directory_of_25000_names) {
  struct ns_stats st;
  struct ns_attr a;
  uint64_t ino;

  put_many(25000);
  ino = desk_ino(&desk, "big");
  cr_expect_eq(check_many(ino, true), 25000);
  cr_expect_eq(desk_counts(&desk).heads, 1, "no HEAD for an entry");
  cr_expect_leq(desk_counts(&desk).lists, 28);
  cr_expect_eq(check_many(ino, false), 25000);
  cr_expect_leq(desk_counts(&desk).lists, 28, "from the listing at hand");
  cr_expect_eq(desk_walk(&desk, "big/f024999", &a), 0);
  cr_expect_eq(desk_walk(&desk, "big/f025000", &a), -ENOENT);
  cr_expect_leq(desk_counts(&desk).lists, 28);
  ns_stats(desk.ns, &st);
  cr_expect_leq(st.nodes, 10, "forgotten nodes are gone");
}

Test(directories, huge_directory_in_little_memory) {
  struct ns_stats st;
  uint64_t ino;

  put_many(25000);
  desk_close(&desk);
  desk_open(&desk, 300 << 10, NULL);
  ino = desk_ino(&desk, "big");
  cr_expect_eq(check_many(ino, false), 25000);
  ns_stats(desk.ns, &st);
  cr_expect_leq(st.listing_bytes, 300 << 10);
  cr_expect_leq(desk_counts(&desk).lists, 30);
}

Test(directories, no_memory_for_listings_at_all) {
  put_many(2500);
  desk_close(&desk);
  desk_open(&desk, 1, NULL);
  cr_expect_eq(check_many(desk_ino(&desk, "big"), true), 2500);
}

Test(directories, offsets_stay_when_pages_were_dropped) {
  struct ns_dir *d;
  struct ns_entry e;
  uint64_t mark = 0;
  bool end = false;

  put_many(25000);
  desk_close(&desk);
  desk_open(&desk, 300 << 10, NULL);
  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "big"), &patient, &d), 0);
  for (uint64_t at = 0; !end; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, false, &patient, &e, &end), 0);
    if (!end && strcmp(e.name, "f001234") == 0)
      mark = e.next;
  }
  cr_assert_neq(mark, 0);
  cr_assert_eq(ns_dir_read(d, mark, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "f001235");
  ns_dir_close(d);
}

/* As a move in the store leaves it, in a folder of put_many(). */
static void move_many(unsigned n, unsigned but) {
  char key[32];

  for (unsigned i = 0; i < n; i++) {
    snprintf(key, sizeof(key), "big/f%06u", i);
    cr_assert_eq(mem_store_delete(desk.mem, key), 0);
    snprintf(key, sizeof(key), "new/f%06u", i);
    cr_assert_eq(i == but ? 0 : mem_store_put(desk.mem, key, "x", 1), 0);
  }
}

static void expect_name(struct ns_dir *d, uint64_t *at, const char *want) {
  struct ns_entry e;
  bool end;

  cr_assert_eq(ns_dir_read(d, *at, false, &patient, &e, &end), 0);
  cr_assert_not(end, "%s was expected", want);
  cr_expect_str_eq(e.name, want);
  *at = e.next;
}

Test(directories, who_reads_a_folder_that_moves_goes_on) {
  struct ns_dir *d;
  struct ns_entry e;
  uint64_t at = 2;
  uint64_t before = 0;
  bool end;
  char want[32];
  uint64_t ino;

  put_many(4500);
  desk_close(&desk);
  desk_open(&desk, 300 << 10, NULL);
  ino = desk_ino(&desk, "big");
  cr_assert_eq(ns_dir_open(desk.ns, ino, &patient, &d), 0);
  for (unsigned i = 0; i < 1500; i++) {
    snprintf(want, sizeof(want), "f%06u", i);
    before = at;
    expect_name(d, &at, want);
  }
  move_many(4500, 1499);
  cr_assert_eq(ns_moved(desk.ns, ino, NS_ROOT_INO, "new", NULL), 0);
  expect_name(d, &before, "f001500"); /* a caller who had no room for the last one, which is gone */
  for (unsigned i = 1501; i < 4500; i++) {
    snprintf(want, sizeof(want), "f%06u", i);
    expect_name(d, &before, want);
  }
  cr_expect_eq(ns_dir_read(d, before, false, &patient, &e, &end), 0);
  cr_expect(end);
  ns_dir_close(d);
}

Test(directories, who_begins_to_read_a_folder_that_moved_sees_all) {
  struct ns_dir *d;
  uint64_t at = 0;
  uint64_t ino;

  put_many(1100);
  ino = desk_ino(&desk, "big");
  cr_assert_eq(ns_dir_open(desk.ns, ino, &patient, &d), 0);
  expect_name(d, &at, ".");
  expect_name(d, &at, "..");
  move_many(1100, 1099);
  cr_assert_eq(ns_moved(desk.ns, ino, NS_ROOT_INO, "new", NULL), 0);
  for (unsigned i = 0; i < 1099; i++) {
    char want[32];

    snprintf(want, sizeof(want), "f%06u", i);
    expect_name(d, &at, want);
  }
  ns_dir_close(d);
}

Test(directories, folder_and_file_on_different_pages) {
  char key[32];
  int rc;
  char *got;

  desk_put(&desk, "d/a");
  for (unsigned i = 0; i < 999; i++) {
    snprintf(key, sizeof(key), "d/a-%04u", i);
    desk_put(&desk, key);
  }
  desk_put(&desk, "d/a/x");
  got = desk_ls(&desk, desk_ino(&desk, "d"), true, &rc);
  cr_assert_eq(rc, 0);
  cr_expect(text_has_prefix(got, "a-0000 "), "the file is hidden");
  cr_expect(text_has_suffix(got, " a/ "));
  free(got);
}

Test(directories, folder_that_comes_pages_after_its_file) {
  char key[32];
  int rc;
  char *got;

  desk_put(&desk, "d/a");
  for (unsigned i = 0; i < 2500; i++) {
    snprintf(key, sizeof(key), "d/a-%04u", i);
    desk_put(&desk, key);
  }
  desk_put(&desk, "d/a/x");
  desk_put(&desk, "d/b");
  got = desk_ls(&desk, desk_ino(&desk, "d"), true, &rc);
  cr_assert_eq(rc, 0);
  cr_expect(text_has_prefix(got, "a a-0000 "));
  cr_expect(text_has_suffix(got, "a-2499 b "), "a name is shown once");
  free(got);
}

Test(directories, rewinding_shows_what_is_new) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;

  desk_put(&desk, "d/a");
  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "d"), &patient, &d), 0);
  desk_put(&desk, "d/0");
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  cr_assert_eq(ns_dir_read(d, 2, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "a", "the listing is still fresh");
  desk_later(DESK_TTL);
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, ".");
  cr_assert_eq(ns_dir_read(d, 2, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "0");
  ns_dir_close(d);
}

Test(directories, failing_page_in_the_middle) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;
  uint64_t at = 0;
  unsigned failed = 0;

  put_many(3000);
  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "big"), &patient, &d), 0);
  /* until the reader sees it: a page may also be asked for ahead of him */
  fault_store_fail(desk.faulty, FAULT_LIST, 1, UINT_MAX, -EIO, 0);
  for (unsigned n = 0; n < 3002;) {
    int rc = ns_dir_read(d, at, false, &patient, &e, &end);

    if (rc == 0) {
      cr_assert_not(end);
      at = e.next;
      n++;
    } else {
      cr_assert_eq(rc, -EIO);
      cr_expect_geq(n, 2, "what came before is intact");
      failed++;
      fault_store_fail(desk.faulty, FAULT_LIST, 0, 0, 0, 0);
    }
  }
  cr_expect_geq(failed, 1);
  cr_assert_eq(ns_dir_read(d, at, false, &patient, &e, &end), 0);
  cr_expect(end);
  ns_dir_close(d);
}

static void *open_listing(void *arg) {
  struct ns_dir *d;

  (void)arg;
  if (ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d) != 0)
    abort();
  ns_dir_close(d);
  return NULL;
}

Test(directories, listing_is_asked_for_once) {
  pthread_t threads[8];

  desk_put(&desk, "a");
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  for (unsigned i = 0; i < 8; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, open_listing, NULL), 0);
  while (fault_store_waiting(desk.faulty) == 0)
    usleep(1000);
  usleep(20000);
  fault_store_open(desk.faulty);
  for (unsigned i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  cr_expect_eq(desk_counts(&desk).lists, 1);
}
