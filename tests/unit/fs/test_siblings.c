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

static void setup(void) {
  char key[32];
  char *listed;
  int rc;

  world_init(&w, "");
  for (unsigned i = 0; i < FILES; i++) {
    name_of(key, sizeof(key), i);
    world_put(&w, key, 8 * KB, i);
  }
  world_open(&w, 48 * MB, 0);
  listed = world_ls(&w, "dir", true, &rc);
  cr_assert_not_null(listed);
  free(listed);
}

static void teardown(void) {
  world_fini(&w);
}

TestSuite(siblings, .init = setup, .fini = teardown);

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
  cr_expect_eq(world_read(&w, h, 0, 64 * KB, i), 8 * KB);
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
