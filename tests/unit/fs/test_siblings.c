/* Files that are opened in listing order are fetched ahead. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "support/pattern.h"
#include "unit/fs/world.h"

#define KB ((size_t)1 << 10)
#define MB ((size_t)1 << 20)
#define FILES 200

static struct world w;

static void name_of(char *out, size_t size, unsigned i) {
  snprintf(out, size, "dir/%04u", i);
}

static size_t size; /* of each file */

static void open_world(size_t file_size, size_t memory) {
  char key[32];
  char *listed;
  int rc;

  size = file_size;
  world_init(&w, "");
  for (unsigned i = 0; i < FILES; i++) {
    name_of(key, sizeof(key), i);
    world_put(&w, key, size, i);
  }
  world_open(&w, memory, 0);
  listed = world_ls(&w, "dir", true, &rc);
  cr_assert_not_null(listed);
  free(listed);
}

static void setup(void) {
  open_world(8 * KB, 48 * MB);
}

static void teardown(void) {
  world_fini(&w);
}

TestSuite(siblings, .init = setup, .fini = teardown);

/* Memory holds a third of them. */
static void setup_little(void) {
  open_world(100 * KB, 8 * MB);
}

TestSuite(siblings_again, .init = setup_little, .fini = teardown);

static void wait_for_quiet(void) {
  unsigned last;

  do {
    last = world_counts(&w).gets;
    usleep(30000);
  } while (world_counts(&w).gets != last);
}

static int read_file(unsigned i) {
  char key[32];
  uint64_t h;
  int rc;

  name_of(key, sizeof(key), i);
  rc = world_open_file(&w, key, &h);
  if (rc != 0)
    return rc;
  cr_expect_eq(world_read(&w, h, 0, 128 * KB, i), (ssize_t)size);
  fs_release(w.fs, h);
  return 0;
}

Test(siblings, one_open_fetches_one_file) {
  cr_assert_eq(read_file(10), 0);
  wait_for_quiet();
  cr_expect_eq(world_counts(&w).gets, 1);
}

Test(siblings, opens_in_order_fetch_what_follows) {
  cr_assert_eq(read_file(0), 0);
  cr_assert_eq(read_file(1), 0);
  wait_for_quiet();
  cr_expect_eq(world_counts(&w).gets, 2 + 8);
  for (unsigned i = 2; i < 10; i++)
    cr_assert_eq(read_file(i), 0);
  wait_for_quiet();
  cr_expect_leq(world_counts(&w).gets, 10 + 64 + 8);
}

Test(siblings, every_file_is_fetched_once) {
  unsigned heads = world_counts(&w).heads;

  for (unsigned i = 0; i < FILES; i++)
    cr_assert_eq(read_file(i), 0);
  wait_for_quiet();
  cr_expect_eq(world_counts(&w).gets, FILES);
  cr_expect_eq(world_counts(&w).heads, heads);
}

Test(siblings, opens_in_any_order_fetch_nothing_else) {
  struct mem_store_counts before;
  char key[32];
  char *listed;
  int rc;

  for (unsigned i = 0; i < 4000; i++) {
    snprintf(key, sizeof(key), "wide/%04u", i);
    world_put(&w, key, 10, i);
  }
  listed = world_ls(&w, "wide", true, &rc);
  free(listed);
  before = world_counts(&w);
  for (unsigned i = 0; i < 40; i++) {
    snprintf(key, sizeof(key), "wide/%04u", i * 1237 % 4000);
    cr_assert_eq(world_try(&w, key), 0);
  }
  wait_for_quiet();
  cr_expect_leq(world_counts(&w).gets - before.gets, 40 + 16);
}

Test(siblings, several_runs_at_once) {
  for (unsigned i = 0; i < 10; i++)
    for (unsigned run = 0; run < 4; run++)
      cr_assert_eq(read_file(run * 40 + i), 0);
  wait_for_quiet();
  cr_expect_gt(world_counts(&w).gets, 100);
  cr_expect_leq(world_counts(&w).gets, FILES);
}

Test(siblings, denied_file_is_asked_for_once_ahead_and_harms_nobody) {
  mem_store_deny_key(w.mem, "dir/0005", true);
  for (unsigned i = 0; i < FILES; i++)
    cr_assert_eq(read_file(i), i == 5 ? -EACCES : 0);
  wait_for_quiet();
  cr_expect_leq(world_counts(&w).gets, FILES + 1);
}

Test(siblings, replaced_and_deleted_files_are_noticed) {
  uint64_t h;

  for (unsigned i = 0; i < 4; i++)
    cr_assert_eq(read_file(i), 0);
  wait_for_quiet();
  world_put(&w, "dir/0150", 9 * KB, 900);
  cr_assert_eq(mem_store_delete(w.mem, "dir/0151"), 0);
  for (unsigned i = 100; i < 150; i++)
    cr_assert_eq(read_file(i), 0);
  wait_for_quiet();
  cr_assert_eq(world_open_file(&w, "dir/0150", &h), 0);
  cr_expect_eq(world_read(&w, h, 0, 64 * KB, 900), 9 * KB);
  fs_release(w.fs, h);
  cr_expect_eq(world_try(&w, "dir/0151"), -ENOENT);
  cr_assert_eq(read_file(152), 0);
}

Test(siblings, large_files_get_their_beginning) {
  char key[32];
  struct mem_store_counts before;
  char *listed;
  int rc;

  for (unsigned i = 0; i < 8; i++) {
    snprintf(key, sizeof(key), "large/%u", i);
    world_put(&w, key, 3 * MB, i);
  }
  listed = world_ls(&w, "large", true, &rc);
  free(listed);
  before = world_counts(&w);
  cr_assert_eq(world_try(&w, "large/0"), 0);
  cr_assert_eq(world_try(&w, "large/1"), 0);
  wait_for_quiet();
  cr_expect_eq(world_counts(&w).gets - before.gets, 8);
  cr_expect_eq(world_counts(&w).bytes - before.bytes, 8 * 128 * KB);
}

/* --- read through more than once --- */

static unsigned gets_of(unsigned from, unsigned to) {
  unsigned before = world_counts(&w).gets;

  for (unsigned i = from; i < to; i++)
    cr_assert_eq(read_file(i), 0);
  wait_for_quiet();
  return world_counts(&w).gets - before;
}

Test(siblings_again, every_pass_fetches_ahead_and_every_file_once) {
  cr_expect_eq(gets_of(0, FILES), FILES);
  for (int pass = 0; pass < 3; pass++) {
    unsigned first = gets_of(0, 8);

    cr_expect_gt(first, 16, "what follows is fetched ahead");
    cr_expect_leq(first + gets_of(8, FILES), FILES);
  }
}

Test(siblings_again, what_was_fetched_for_nothing_is_not_fetched_again) {
  unsigned first = gets_of(0, 9);

  cr_expect_gt(first, 9);
  gets_of(100, FILES); /* they are out of memory */
  for (int pass = 0; pass < 3; pass++)
    cr_expect_leq(gets_of(0, 9), 9);
}

Test(siblings_again, files_that_are_opened_twice_are_fetched_once) {
  unsigned before = world_counts(&w).gets;

  for (unsigned i = 0; i < FILES; i++)
    for (int n = 0; n < 2; n++)
      cr_assert_eq(read_file(i), 0);
  wait_for_quiet();
  cr_expect_eq(world_counts(&w).gets - before, FILES);
}

Test(siblings_again, two_who_read_behind_each_other_share_what_is_fetched) {
  unsigned before = world_counts(&w).gets;

  for (unsigned i = 0; i < FILES; i++) {
    cr_assert_eq(read_file(i), 0);
    if (i >= 5)
      cr_assert_eq(read_file(i - 5), 0);
  }
  wait_for_quiet();
  cr_expect_eq(world_counts(&w).gets - before, FILES);
}

Test(siblings_again, denied_file_is_asked_for_once_ahead_each_time) {
  mem_store_deny_key(w.mem, "dir/0050", true);
  for (int pass = 0; pass < 3; pass++) {
    unsigned before = world_counts(&w).gets;

    for (unsigned i = 0; i < FILES; i++)
      cr_assert_eq(read_file(i), i == 50 ? -EACCES : 0);
    wait_for_quiet();
    cr_expect_leq(world_counts(&w).gets - before, FILES + 1);
  }
}
