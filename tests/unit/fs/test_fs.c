#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "unit/fs/world.h"

#define MB ((size_t)1 << 20)

static struct world w;

static void setup(void) {
  world_init(&w, "");
  world_open(&w, 64 * MB, 0);
}

static void teardown(void) {
  world_fini(&w);
}

TestSuite(fs, .init = setup, .fini = teardown);

static void expect_ls(const char *path, const char *want) {
  for (int plus = 0; plus <= 1; plus++) {
    int rc;
    char *got = world_ls(&w, path, plus, &rc);

    cr_assert_eq(rc, 0, "%s: %d", path, rc);
    cr_expect_str_eq(got, want, "%s: %s", path, got);
    free(got);
  }
}

Test(fs, tree_and_attributes) {
  struct fs_entry e;
  double ttl;
  struct stat st;

  world_put(&w, "a/b.txt", 1234, 1);
  expect_ls("", "a/ ");
  expect_ls("a", "b.txt ");
  cr_assert_eq(world_walk(&w, "a/b.txt", &e), 0);
  cr_expect_eq(e.st.st_size, 1234);
  cr_expect_eq(e.st.st_mode, (mode_t)(S_IFREG | 0644));
  cr_expect_eq(e.st.st_ino, e.ino);
  cr_expect_eq(e.st.st_blocks, 3);
  cr_expect_gt(e.entry_ttl_s, 59.0);
  cr_assert_eq(fs_getattr(w.fs, e.ino, &st, &ttl), 0);
  cr_expect_eq(st.st_mtim.tv_sec, e.st.st_mtim.tv_sec);
  cr_expect_eq(st.st_mtim.tv_sec, st.st_ctim.tv_sec);
}

Test(fs, absent_names_carry_their_ttl) {
  struct fs_entry e;
  double negative;

  cr_expect_eq(fs_lookup(w.fs, FS_ROOT_INO, "none", &e, &negative), -ENOENT);
  cr_expect_gt(negative, 0);
  cr_expect_leq(negative, WORLD_NEGATIVE_TTL / 1000.0);
  world_put(&w, "some", 1, 1);
  cr_expect_eq(fs_lookup(w.fs, FS_ROOT_INO, "some", &e, &negative), 0);
  cr_expect_eq(negative, 0);
}

Test(fs, reads_and_ends) {
  uint64_t h;

  world_put(&w, "f", 3 * MB + 5, 7);
  cr_assert_eq(world_open_file(&w, "f", &h), 0);
  cr_expect_eq(world_read(&w, h, 0, MB, 7), (ssize_t)MB);
  cr_expect_eq(world_read(&w, h, 3 * MB, MB, 7), 5);
  cr_expect_eq(world_read(&w, h, 3 * MB + 5, MB, 7), 0, "one empty reply at the end");
  cr_expect_eq(world_read(&w, h, 99 * MB, 1, 7), 0);
  fs_release(w.fs, h);
}

Test(fs, empty_file) {
  uint64_t h;

  world_put(&w, "empty", 0, 1);
  cr_assert_eq(world_open_file(&w, "empty", &h), 0);
  cr_expect_eq(world_read(&w, h, 0, 4096, 1), 0);
  fs_release(w.fs, h);
  cr_expect_eq(world_counts(&w).gets, 0);
}

Test(fs, small_file_costs_one_get) {
  uint64_t h;

  world_put(&w, "d/f", 1000, 7);
  expect_ls("d", "f ");
  cr_assert_eq(world_open_file(&w, "d/f", &h), 0);
  cr_expect_eq(world_read(&w, h, 0, 4096, 7), 1000);
  fs_release(w.fs, h);
  cr_expect_eq(world_counts(&w).gets, 1);
  cr_expect_leq(world_counts(&w).heads, 1, "for the folder, not for the file");
}

Test(fs, wrong_kinds) {
  struct fs_entry e;
  struct fs_opened o;
  uint64_t h;

  world_put(&w, "d/f", 1, 1);
  cr_assert_eq(world_walk(&w, "d", &e), 0);
  cr_expect_eq(fs_open(w.fs, e.ino, O_RDONLY, &o), -EISDIR);
  cr_assert_eq(world_walk(&w, "d/f", &e), 0);
  cr_expect_eq(fs_opendir(w.fs, e.ino, &h), -ENOTDIR);
  cr_expect_eq(fs_open(w.fs, 4711, O_RDONLY, &o), -ESTALE);
  cr_expect_eq(fs_opendir(w.fs, 4711, &h), -ESTALE);
}

Test(fs, nothing_can_be_written) {
  struct fs_entry e;
  struct fs_opened o;

  world_put(&w, "f", 1, 1);
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_expect_eq(fs_open(w.fs, e.ino, O_WRONLY, &o), -EROFS);
  cr_expect_eq(fs_open(w.fs, e.ino, O_RDWR, &o), -EROFS);
  cr_expect_eq(fs_open(w.fs, e.ino, O_RDONLY | O_TRUNC, &o), -EROFS);
  cr_expect_eq(fs_deny_write(w.fs, e.ino), -EROFS);
}

Test(fs, statfs_has_room) {
  struct statvfs st;

  cr_assert_eq(fs_statfs(w.fs, FS_ROOT_INO, &st), 0);
  cr_expect_gt(st.f_blocks, 0);
  cr_expect_eq(st.f_bavail, st.f_blocks);
  cr_expect_eq(st.f_namemax, 255);
}

Test(fs, user_metadata_as_attributes) {
  struct fs_entry e;
  struct buf b;

  buf_init(&b, 0);
  world_put(&w, "f", 1, 1);
  cr_assert_eq(mem_store_set_meta(w.mem, "f", "colour", "blue"), 0);
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_expect_eq(fs_getxattr(w.fs, e.ino, "user.colour", &b), 0);
  cr_expect_str_eq(buf_cstr(&b), "blue");
  buf_reset(&b);
  cr_expect_eq(fs_getxattr(w.fs, e.ino, "user.size", &b), -ENODATA);
  cr_expect_eq(fs_getxattr(w.fs, e.ino, "security.capability", &b), -EOPNOTSUPP);
  cr_expect_eq(fs_getxattr(w.fs, e.ino, "system.posix_acl_access", &b), -EOPNOTSUPP);
  cr_expect_eq(fs_listxattr(w.fs, e.ino, true, &b), 0);
  cr_expect_eq(b.len, sizeof("user.colour"));
  cr_expect_str_eq(b.data, "user.colour");
  buf_fini(&b);
}

Test(fs, explain_names_the_store) {
  struct buf b;

  buf_init(&b, 0);
  cr_expect_eq(fs_explain(w.fs, "a/b", &b), 0);
  cr_expect_not_null(strstr(buf_cstr(&b), "key 'a/b'"));
  buf_fini(&b);
}

Test(fs, handles_are_counted) {
  struct fs_stats st;
  uint64_t h;

  world_put(&w, "f", 1000, 1);
  cr_assert_eq(world_open_file(&w, "f", &h), 0);
  fs_stats(w.fs, &st);
  cr_expect_eq(st.open_files, 1);
  cr_expect_gt(st.memory_used, 0);
  cr_expect_eq(st.memory_limit, 64 * MB);
  fs_release(w.fs, h);
  fs_stats(w.fs, &st);
  cr_expect_eq(st.open_files, 0);
}

Test(fs, directory_of_25000_names) {
  char key[32];
  char *got;
  const char *at;
  int rc;

  for (unsigned i = 0; i < 25000; i++) {
    snprintf(key, sizeof(key), "big/f%06u", i);
    cr_assert_eq(mem_store_put(w.mem, key, "x", 1), 0);
  }
  got = world_ls(&w, "big", true, &rc);
  cr_assert_eq(rc, 0);
  at = got;
  for (unsigned i = 0; i < 25000; i++, at += 8) {
    snprintf(key, sizeof(key), "f%06u ", i);
    cr_assert_eq(strncmp(at, key, 8), 0);
  }
  cr_expect_eq(*at, '\0');
  free(got);
  cr_expect_leq(world_counts(&w).lists, 28);
  cr_expect_leq(world_counts(&w).heads, 1);
}

Test(fs, listings_survive_a_cache_full_of_data) {
  uint64_t h;
  struct fs_entry e;
  struct mem_store_counts before;

  world_put(&w, "big", 80 * MB, 2);
  world_put(&w, "d/f", 1, 1);
  cr_assert_eq(world_open_file(&w, "big", &h), 0);
  for (uint64_t off = 0; off < 80 * MB; off += MB)
    cr_assert_eq(world_read(&w, h, off, MB, 2), (ssize_t)MB);
  expect_ls("d", "f ");
  before = world_counts(&w);
  cr_expect_eq(world_walk(&w, "d/f", &e), 0);
  cr_expect_eq(world_walk(&w, "d/none", &e), -ENOENT);
  cr_expect_eq(world_counts(&w).heads, before.heads);
  cr_expect_eq(world_counts(&w).lists, before.lists);
  fs_release(w.fs, h);
}

Test(fs, odd_keys_are_counted) {
  struct fs_stats st;

  world_put(&w, "a", 1, 1);
  world_put(&w, "a/x", 1, 1);
  world_put(&w, "b//y", 1, 1);
  world_put(&w, "b/../z", 1, 1);
  expect_ls("", "a/ b/ ");
  expect_ls("b", "");
  fs_stats(w.fs, &st);
  cr_expect_eq(st.hidden_keys, 3);
}

Test(fs, get_without_list) {
  uint64_t h;

  world_put(&w, "data/deep/known", 1000, 4);
  mem_store_deny_list(w.mem, true);
  cr_expect_eq(world_try(&w, ""), -EACCES);
  cr_assert_eq(world_open_file(&w, "data/deep/known", &h), 0);
  cr_expect_eq(world_read(&w, h, 0, 4096, 4), 1000);
  fs_release(w.fs, h);
  cr_expect_eq(world_try(&w, "data"), -EACCES);
  cr_expect_eq(world_try(&w, "data/deep/unknown"), -EACCES, "what cat would get");
}

Test(fs, denied_object_is_refused_at_open_alone) {
  world_put(&w, "d/open", 10, 1);
  world_put(&w, "d/shut", 10, 1);
  mem_store_deny_key(w.mem, "d/shut", true);
  cr_expect_eq(world_try(&w, "d/shut"), -EACCES);
  expect_ls("d", "open shut ");
  cr_expect_eq(world_try(&w, "d/shut"), -EACCES);
  cr_expect_eq(world_try(&w, "d/open"), 0);
  mem_store_deny_key(w.mem, "d/shut", false);
  cr_expect_eq(world_try(&w, "d/shut"), 0, "a denial is not remembered for long");
}

Test(fs, archived_object) {
  world_put(&w, "cold", 10, 1);
  mem_store_set_archived(w.mem, "cold", true);
  cr_expect_eq(world_try(&w, "cold"), -EACCES);
}

Test(fs, deleted_behind_our_back) {
  struct fs_entry e;

  world_put(&w, "f", 10, 1);
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_assert_eq(mem_store_delete(w.mem, "f"), 0);
  cr_expect_eq(world_try(&w, "f"), -ENOENT);
  cr_expect_eq(world_walk(&w, "f", &e), -ENOENT);
}

Test(fs, names_that_cannot_be) {
  struct fs_entry e;
  char name[300];
  double ttl;

  memset(name, 'x', sizeof(name));
  name[256] = '\0';
  cr_expect_eq(fs_lookup(w.fs, FS_ROOT_INO, name, &e, &ttl), -ENAMETOOLONG);
  cr_expect_eq(fs_lookup(w.fs, FS_ROOT_INO, "\xff", &e, &ttl), -EILSEQ);
}

Test(fs_bare, bad_options) {
  struct fs_options small = {.memory = 1000};
  struct fs_options fine = {.memory = 64 * MB};
  struct world v;
  struct catalog empty;
  struct fs *none;

  catalog_init(&empty);
  cr_expect_eq(fs_new(&empty, &fine, &none), -EINVAL);
  world_init(&v, "");
  cr_expect_eq(fs_new(&v.catalog, &small, &none), -EINVAL);
  cr_expect_eq(v.catalog.count, 1, "still the caller's");
  catalog_fini(&v.catalog);
}

static void setup_roots(void) {
  world_init(&w, "team/product");
  world_put(&w, "p1", 10, 1);
  cr_assert_eq(mem_store_put(world_add(&w, "mine"), "m1", "x", 1), 0);
  world_open(&w, 64 * MB, 0);
}

TestSuite(fs_roots, .init = setup_roots, .fini = teardown);

Test(fs_roots, nested) {
  struct buf b;

  expect_ls("", "team/ mine/ ");
  expect_ls("team", "product/ ");
  expect_ls("team/product", "p1 ");
  expect_ls("mine", "m1 ");
  cr_expect_eq(world_try(&w, "team/product/p1"), 0);
  cr_expect_eq(world_try(&w, "team/none"), -ENOENT);
  buf_init(&b, 0);
  cr_expect_eq(fs_explain(w.fs, "team/product/p1", &b), 0);
  cr_expect_not_null(strstr(buf_cstr(&b), "key 'p1'"));
  cr_expect_eq(fs_explain(w.fs, "team/prod", &b), -ENOENT);
  buf_fini(&b);
}

Test(fs_roots, one_store_that_fails_leaves_the_other_alone) {
  fault_store_fail(w.faulty, FAULT_LIST, 0, 1000, -EIO, 0);
  fault_store_fail(w.faulty, FAULT_HEAD, 0, 1000, -EIO, 0);
  cr_expect_eq(world_try(&w, "team/product"), -EIO);
  expect_ls("mine", "m1 ");
  expect_ls("team", "product/ ");
}
