/* Attributes and links as objects' metadata has them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "unit/fs/world.h"

static struct world w;

static void setup(void) {
  world_init(&w, "");
}

static void teardown(void) {
  world_fini(&w);
}

TestSuite(attributes, .init = setup, .fini = teardown);

static void link_at(const char *key, const char *target) {
  cr_assert_eq(mem_store_put(w.mem, key, target, strlen(target)), 0);
  cr_assert_eq(mem_store_set_meta(w.mem, key, "file-permissions", "0120777"), 0);
}

static void expect_target(const struct fs_entry *e, const char *want) {
  struct buf b;

  buf_init(&b, 0);
  cr_assert_eq(fs_readlink(w.fs, e->ino, &b), 0);
  cr_expect_str_eq(buf_cstr(&b), want);
  buf_fini(&b);
}

Test(attributes, come_from_metadata) {
  struct fs_entry e;

  world_put(&w, "f", 10, 1);
  mem_store_set_meta(w.mem, "f", "file-permissions", "0100751");
  mem_store_set_meta(w.mem, "f", "file-owner", "1234");
  mem_store_set_meta(w.mem, "f", "file-mtime", "1595002920123456789ns");
  world_open(&w, 64 << 20, 0);
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_expect_eq(e.st.st_mode, S_IFREG | 0751);
  cr_expect_eq(e.st.st_uid, 1234);
  cr_expect_eq(e.st.st_mtim.tv_sec, 1595002920);
  cr_expect_eq(e.st.st_mtim.tv_nsec, 123456789);
  cr_expect_gt(e.st.st_ctim.tv_sec, 1767225600, "the object's own time");
}

Test(attributes, of_the_same_version_outlive_a_listing) {
  struct fs_entry e;
  char *names;
  int rc;

  world_put(&w, "f", 10, 1);
  mem_store_set_meta(w.mem, "f", "file-permissions", "0100600");
  link_at("l", "f");
  world_open(&w, 64 << 20, 0);
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_assert_eq(world_walk(&w, "l", &e), 0);
  names = world_ls(&w, "", true, &rc);
  cr_expect_str_eq(names, "f l ");
  free(names);
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_expect_eq(e.st.st_mode, S_IFREG | 0600);
  cr_assert_eq(world_walk(&w, "l", &e), 0);
  cr_expect(S_ISLNK(e.st.st_mode));
  world_put(&w, "f", 11, 2); /* keeps its metadata, but LIST cannot tell */
  world_later(WORLD_TTL + 1);
  free(world_ls(&w, "", true, &rc));
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_expect_eq(e.st.st_mode, S_IFREG | 0644);
}

Test(attributes, links_have_targets) {
  struct fs_entry e;

  link_at("l", "../a b/c");
  world_open(&w, 64 << 20, 0);
  cr_assert_eq(world_walk(&w, "l", &e), 0);
  cr_expect(S_ISLNK(e.st.st_mode));
  cr_expect_eq(e.st.st_size, 8);
  expect_target(&e, "../a b/c");
  link_at("l", "other");
  expect_target(&e, "other");
}

Test(attributes, odd_targets_are_errors) {
  struct fs_entry e;
  struct buf b;
  char big[5000];

  link_at("empty", "");
  memset(big, 'x', sizeof(big));
  big[4999] = '\0';
  link_at("big", big);
  world_open(&w, 64 << 20, 0);
  buf_init(&b, 0);
  cr_assert_eq(world_walk(&w, "empty", &e), 0);
  cr_expect_eq(fs_readlink(w.fs, e.ino, &b), -EIO);
  cr_assert_eq(world_walk(&w, "big", &e), 0);
  cr_expect_eq(fs_readlink(w.fs, e.ino, &b), -ENAMETOOLONG);
  buf_fini(&b);
}

Test(attributes, a_file_that_became_a_link_is_another_inode) {
  struct fs_entry file;
  struct fs_entry link;
  struct stat st;
  double ttl;

  world_put(&w, "x", 10, 1);
  world_open(&w, 64 << 20, 0);
  cr_assert_eq(world_walk(&w, "x", &file), 0);
  link_at("x", "target");
  world_later(WORLD_TTL + 1);
  cr_expect_eq(fs_getattr(w.fs, file.ino, &st, &ttl), -ESTALE);
  cr_assert_eq(world_walk(&w, "x", &link), 0);
  cr_expect(S_ISLNK(link.st.st_mode));
  cr_expect_neq(link.ino, file.ino);
}
