/* Which opens the kernel serves from the disk cache by itself. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/pattern.h"
#include "../../support/remove_tree.h"
#include "s3apfs/data/disk.h"
#include "world.h"

#define MB ((size_t)1 << 20)
#define SIZE (3 * MB + 7)

static struct world w;
static struct disk *disk;
static char dir[64];
/* the kernel */
static int answer; /* 0: a number of its own for each file */
static int asked;
static int closed;
static int last_fd;

static int kernel_open(void *arg, int fd) {
  (void)arg;
  last_fd = fd;
  asked++;
  return answer != 0 ? answer : asked;
}

static void kernel_close(void *arg, int id) {
  (void)arg;
  cr_assert_gt(id, 0);
  closed++;
}

static void open_world(bool backed) {
  static const struct fs_backing kernel = {kernel_open, kernel_close, NULL};
  struct disk_options d = {.dir = dir, .size = 1024 * MB, .free_bytes = 1, .queue_bytes = 32 * MB};

  world_init(&w, "");
  w.catalog.roots[0]->options.backed = backed;
  cr_assert_eq(disk_new(&d, &disk), 0);
  w.disk = disk;
  world_open(&w, 48 * MB, 0);
  fs_set_backing(w.fs, &kernel);
}

static void close_world(void) {
  world_fini(&w);
  disk_free(disk);
}

static int open_as(const char *path, struct fs_opened *o) {
  struct fs_entry e;
  int rc = world_walk(&w, path, &e);

  return rc == 0 ? fs_open(w.fs, e.ino, O_RDONLY, o) : rc;
}

static void read_through(const char *path, uint64_t seed) {
  struct fs_opened o;
  ssize_t n;

  cr_assert_eq(open_as(path, &o), 0);
  for (uint64_t at = 0; at < SIZE; at += (uint64_t)n) {
    n = world_read(&w, o.handle, at, 1 * MB, seed);
    cr_assert_gt(n, 0);
  }
  fs_release(w.fs, o.handle);
}

/* Another mount's cache, verified by this one as it was read. */
static void setup_for(bool backed) {
  strcpy(dir, "/tmp/s3apfs-backing-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  answer = asked = closed = 0;
  open_world(backed);
  world_put(&w, "f", SIZE, 1);
  read_through("f", 1);
  close_world();
  open_world(backed);
  world_put(&w, "f", SIZE, 1);
  read_through("f", 1);
  asked = closed = 0;
}

static void setup(void) {
  setup_for(true);
}

static void teardown(void) {
  close_world();
  cr_expect_eq(remove_tree(dir), 0);
}

TestSuite(backing, .init = setup, .fini = teardown);

/* Verifying ends a little after the last reader went. */
static void open_backed(struct fs_opened *o) {
  for (int i = 0; i < 5000; i++) {
    cr_assert_eq(open_as("f", o), 0);
    if (o->backing != 0)
      return;
    fs_release(w.fs, o->handle);
    usleep(1000);
  }
  cr_assert_fail("the kernel was never asked");
}

Test(backing, opens_of_one_inode_share_the_file) {
  struct fs_opened a;
  struct fs_opened b;
  struct fs_stats st;
  uint64_t before;
  unsigned char *bytes = malloc(SIZE);

  cr_assert_not_null(bytes);
  open_backed(&a);
  cr_expect_not(a.direct_io);
  fs_stats(w.fs, &st);
  before = st.backed_opens - 1;
  cr_assert_eq(pread(last_fd, bytes, SIZE, 0), (ssize_t)SIZE);
  cr_expect(pattern_matches(bytes, SIZE, 0, 1));
  cr_assert_eq(open_as("f", &b), 0);
  cr_expect_eq(b.backing, a.backing);
  cr_expect_eq(asked, 1);
  fs_stats(w.fs, &st);
  cr_expect_eq(st.backed_opens, before + 2);
  fs_release(w.fs, a.handle);
  cr_expect_eq(closed, 0);
  fs_release(w.fs, b.handle);
  cr_expect_eq(closed, 1);
  free(bytes);
}

Test(backing, another_version_is_read_by_asking) {
  struct fs_opened a;
  struct fs_opened b;

  open_backed(&a);
  world_put(&w, "f", SIZE, 2);
  world_later(WORLD_TTL + 1);
  cr_assert_eq(open_as("f", &b), 0);
  cr_expect(b.direct_io);
  cr_expect_eq(b.backing, a.backing, "the kernel takes no other open");
  cr_expect_eq(world_read(&w, b.handle, 0, 4096, 2), 4096);
  fs_release(w.fs, a.handle);
  cr_expect_eq(closed, 0);
  fs_release(w.fs, b.handle);
  cr_expect_eq(closed, 1);
}

Test(backing, who_is_open_already_keeps_it_from_beginning) {
  struct fs_opened first;
  struct fs_opened second;

  open_backed(&first);
  fs_release(w.fs, first.handle);
  asked = 0;
  fs_set_backing(w.fs, &(struct fs_backing){NULL, NULL, NULL});
  cr_assert_eq(open_as("f", &first), 0);
  fs_set_backing(w.fs, &(struct fs_backing){kernel_open, kernel_close, NULL});
  cr_assert_eq(open_as("f", &second), 0);
  cr_expect_eq(second.backing, 0);
  cr_expect_eq(asked, 0);
  fs_release(w.fs, first.handle);
  fs_release(w.fs, second.handle);
}

Test(backing, refusal_is_taken_for_good) {
  struct fs_opened o;

  answer = -EPERM;
  for (int i = 0; i < 5000 && asked == 0; i++) {
    cr_assert_eq(open_as("f", &o), 0);
    cr_expect_eq(o.backing, 0);
    fs_release(w.fs, o.handle);
    usleep(1000);
  }
  read_through("f", 1);
  cr_expect_eq(asked, 1);
  cr_expect_eq(closed, 0);
}

static void setup_unbacked(void) {
  setup_for(false);
}

TestSuite(backing_not, .init = setup_unbacked, .fini = teardown);

Test(backing_not, where_the_root_does_not_allow_it) {
  for (int i = 0; i < 50; i++) {
    read_through("f", 1);
    usleep(1000);
  }
  cr_expect_eq(asked, 0);
}
