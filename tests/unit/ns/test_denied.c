/* GET allowed, LIST denied. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "desk.h"

TestSuite(denied, .init = desk_usual, .fini = desk_end);

Test(denied, get_without_list) {
  struct ns_attr a;
  struct ns_dir *d;
  unsigned lists;

  desk_put(&desk, "data/deep/known.csv");
  mem_store_deny_list(desk.mem, true);
  cr_expect_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), -EACCES);
  cr_assert_eq(desk_walk(&desk, "data/deep/known.csv", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_assert_eq(desk_walk(&desk, "data/deep", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), -EACCES);
  cr_assert_eq(desk_walk(&desk, "data/deep/unknown.csv", &a), 0, "cannot be told from a folder");
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), -EACCES);
  cr_expect(ns_root_unlistable(desk.ns, desk.catalog.roots[0]));
  lists = desk_counts(&desk).lists;
  for (unsigned i = 0; i < 20; i++) {
    char path[64];

    snprintf(path, sizeof(path), "data/deep/other%u/x", i);
    cr_assert_eq(desk_walk(&desk, path, &a), 0);
  }
  cr_expect_eq(desk_counts(&desk).lists, lists, "no more denied calls for names");
}

Test(denied, no_keys_deny_nothing) {
  struct ns_attr a;
  struct ns_dir *d;

  desk_put(&desk, "sub/known");
  cr_assert_eq(desk_walk(&desk, "sub", &a), 0);
  desk_later(DESK_TTL);
  fault_store_fail(desk.faulty, FAULT_HEAD, 0, UINT_MAX, -ENOKEY, 0);
  fault_store_fail(desk.faulty, FAULT_LIST, 0, UINT_MAX, -ENOKEY, 0);
  cr_expect_eq(desk_walk(&desk, "known", &a), -ENOKEY, "a folder because nobody was asked");
  cr_expect_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), -ENOKEY);
  for (unsigned i = 0; i < 5; i++)
    cr_expect_eq(desk_walk(&desk, "sub/known", &a), -ENOKEY);
  fault_store_fail(desk.faulty, FAULT_HEAD, 0, 0, 0, 0);
  fault_store_fail(desk.faulty, FAULT_LIST, 0, 0, 0, 0);
  desk_put(&desk, "known");
  cr_assert_eq(desk_walk(&desk, "known", &a), 0);
  cr_expect(S_ISREG(a.mode), "nothing of it is remembered");
  cr_expect_not(ns_root_unlistable(desk.ns, desk.catalog.roots[0]));
  desk_expect_ls(&desk, "", "known sub/ ");
  cr_assert_eq(desk_walk(&desk, "sub/known", &a), 0);
  cr_expect(S_ISREG(a.mode));
}

Test(denied, known_objects_cost_no_denied_list) {
  struct ns_attr a;
  unsigned lists;
  char key[16];

  for (unsigned i = 0; i < 20; i++) {
    snprintf(key, sizeof(key), "f%u", i);
    desk_put(&desk, key);
  }
  mem_store_deny_list(desk.mem, true);
  cr_assert_eq(desk_walk(&desk, "f0", &a), 0);
  lists = desk_counts(&desk).lists;
  for (unsigned i = 1; i < 20; i++) {
    snprintf(key, sizeof(key), "f%u", i);
    cr_assert_eq(desk_walk(&desk, key, &a), 0);
    cr_expect(S_ISREG(a.mode));
  }
  cr_expect_eq(desk_counts(&desk).lists, lists);
}

Test(denied, unprovable_folder_becomes_a_file_soon) {
  struct ns_attr a;
  uint64_t before;

  mem_store_deny_list(desk.mem, true);
  cr_assert_eq(desk_walk(&desk, "late", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_leq(a.ttl_ms, DESK_NEGATIVE_TTL);
  before = a.ino;
  desk_put(&desk, "late");
  desk_later(DESK_NEGATIVE_TTL);
  cr_assert_eq(desk_walk(&desk, "late", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_expect_neq(a.ino, before, "another type is another inode");
}

Test(denied, denied_folder_shows_no_read_permission) {
  struct ns_attr a;
  struct ns_dir *d;

  desk_put(&desk, "f");
  mem_store_deny_list(desk.mem, true);
  cr_assert_eq(desk_walk(&desk, "folder", &a), 0);
  cr_expect_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), -EACCES);
  cr_assert_eq(ns_getattr(desk.ns, a.ino, &patient, &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0111));
}

Test(denied, list_allowed_only_deep_down) {
  struct ns_attr a;
  struct ns_dir *d;

  desk_put(&desk, "home/me/f");
  desk_put(&desk, "home/you/g");
  mem_store_allow_list_below(desk.mem, "home/me/");
  cr_expect_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), -EACCES);
  cr_assert_eq(desk_walk(&desk, "home/you", &a), 0);
  cr_expect_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), -EACCES);
  desk_expect_ls(&desk, "home/me", "f ");
  cr_expect_eq(desk_walk(&desk, "home/me/none", &a), -ENOENT);
  cr_assert_eq(desk_walk(&desk, "home/you/g", &a), 0);
  cr_expect(S_ISREG(a.mode));
}

Test(denied, denied_object_marks_no_neighbour) {
  struct ns_attr a;
  struct ns_object o;

  desk_put(&desk, "d/open");
  desk_put(&desk, "d/shut");
  mem_store_deny_key(desk.mem, "d/shut", true);
  cr_assert_eq(desk_walk(&desk, "d/shut", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_expect_eq(a.size, 6);
  cr_assert_eq(desk_walk(&desk, "d/open", &a), 0);
  desk_expect_ls(&desk, "d", "open shut ");
  desk_later(DESK_TTL);
  cr_assert_eq(ns_getattr(desk.ns, desk_ino(&desk, "d/shut"), &patient, &a), 0);
  cr_assert_eq(ns_get_object(desk.ns, desk_ino(&desk, "d/shut"), &patient, &o), 0);
  cr_expect_str_eq(o.key, "d/shut");
  ns_object_fini(&o);
  cr_expect_not(ns_root_unlistable(desk.ns, desk.catalog.roots[0]));
}
