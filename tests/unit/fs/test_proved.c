/* How long bytes on disk may be used of what nobody has open and memory has no more. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/remove_tree.h"
#include "s3apfs/data/disk.h"
#include "unit/fs/world.h"

#define KB ((size_t)1 << 10)
#define MB ((size_t)1 << 20)
#define SIZE (100 * KB)
#define OTHERS 90 /* more than memory holds */

static struct world w;
static struct disk *disk;
static char dir[64];

static void read_file(const char *path, uint64_t seed) {
  uint64_t h;

  cr_assert_eq(world_open_file(&w, path, &h), 0);
  cr_expect_eq(world_read(&w, h, 0, 128 * KB, seed), (ssize_t)SIZE);
  fs_release(w.fs, h);
}

static uint64_t filled(void) {
  struct disk_stats s;

  disk_stats(disk, &s);
  return s.filled_bytes;
}

/* Reads it, then others until memory has nothing of it; all are on disk then. */
static void read_and_push_out(const char *path, uint64_t seed) {
  char key[32];

  read_file(path, seed);
  for (unsigned i = 0; i < OTHERS; i++) {
    snprintf(key, sizeof(key), "other%u", i);
    read_file(key, i);
  }
  while (filled() < (OTHERS + 1) * SIZE)
    usleep(1000);
}

static void setup(void) {
  struct disk_options o = {.dir = dir, .size = 1024 * MB, .free_bytes = 1, .queue_bytes = 32 * MB};
  char key[32];

  strcpy(dir, "/tmp/s3apfs-proved-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  cr_assert_eq(disk_new(&o, &disk), 0);
  world_init(&w, "");
  for (unsigned i = 0; i < OTHERS; i++) {
    snprintf(key, sizeof(key), "other%u", i);
    world_put(&w, key, SIZE, i);
  }
  world_put(&w, "f", SIZE, 1000);
  w.disk = disk;
  world_open(&w, 8 * MB, 0);
}

static void teardown(void) {
  world_fini(&w);
  disk_free(disk);
  cr_expect_eq(remove_tree(dir), 0);
}

TestSuite(proved, .init = setup, .fini = teardown);

Test(proved, what_was_proved_is_read_from_disk) {
  unsigned before;

  read_and_push_out("f", 1000);
  before = world_counts(&w).gets;
  read_file("f", 1000);
  cr_expect_eq(world_counts(&w).gets, before);
}

Test(proved, a_proof_that_is_too_old_is_made_again) {
  unsigned before;

  w.faulty->proof_ms = 0;
  read_and_push_out("f", 1000);
  before = world_counts(&w).gets;
  read_file("f", 1000);
  cr_expect_eq(world_counts(&w).gets, before + 1);
}

Test(proved, a_denied_look_ends_it) {
  read_and_push_out("f", 1000);
  mem_store_deny_key(w.mem, "f", true);
  read_file("f", 1000);
  read_and_push_out("other0", 0);
  world_later(WORLD_TTL + 1);
  cr_expect_eq(world_try(&w, "f"), -EACCES);
  mem_store_deny_key(w.mem, "f", false);
  world_later(WORLD_TTL + 1);
  read_file("f", 1000);
}

Test(proved, a_replaced_version_is_not_served) {
  read_and_push_out("f", 1000);
  world_put(&w, "f", SIZE, 1001);
  world_later(WORLD_TTL + 1);
  read_file("f", 1001);
}
