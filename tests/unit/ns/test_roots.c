/* Roots that come and go while the tree is used. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "desk.h"

static char told[256];

static void on_told(void *arg, uint64_t parent, const char *name, uint64_t ino) {
  (void)arg;
  snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%s%s ", name,
           parent == NS_ROOT_INO ? "@top" : "", ino != 0 ? "!" : "");
}

static struct root *add(const char *path) {
  cr_assert_eq(mem_store_put(desk_add(&desk, path), "dir/file", "x", 1), 0);
  return desk.catalog.roots[desk.catalog.count - 1];
}

static void setup(void) {
  desk_init(&desk, "a/b", &desk_root);
  desk_put(&desk, "dir/file");
  add("d");
  desk_open(&desk, DESK_MEMORY, &(struct ns_options){.told = on_told});
  told[0] = '\0';
}

TestSuite(roots, .init = setup, .fini = desk_end);

static uint64_t look(uint64_t parent, const char *name) {
  struct ns_attr a;
  int rc = ns_lookup(desk.ns, parent, name, &patient, &a);

  return rc == 0 ? a.ino : 0;
}

static void hide(struct root *r) {
  atomic_store(&r->retired, true);
  ns_hide_root(desk.ns, r);
}

Test(roots, what_is_new_is_told_by_its_highest_name) {
  cr_expect_eq(ns_show_root(desk.ns, add("a/c")), 0);
  cr_expect_str_eq(told, "c ");
  told[0] = '\0';
  cr_expect_eq(ns_show_root(desk.ns, add("x/y/z")), 0);
  cr_expect_str_eq(told, "x@top ");
  cr_expect_neq(look(look(look(look(NS_ROOT_INO, "x"), "y"), "z"), "dir"), 0);
}

Test(roots, what_is_gone_is_told_by_its_highest_name) {
  uint64_t top = look(look(NS_ROOT_INO, "a"), "b");
  uint64_t dir = look(top, "dir");
  uint64_t file = look(dir, "file");
  struct ns_attr a;
  struct ns_dir *d;
  const struct root *r;
  char *key;

  cr_assert_neq(file, 0);
  hide(desk.catalog.roots[0]);
  cr_expect_str_eq(told, "a@top! ");
  cr_expect_eq(look(NS_ROOT_INO, "a"), 0);
  cr_expect_neq(look(NS_ROOT_INO, "d"), 0);
  /* what is known lives on, and nothing begins in it */
  cr_expect_eq(ns_getattr(desk.ns, file, &patient, &a), 0);
  cr_expect(ns_is_retired(desk.ns, file));
  cr_expect_eq(ns_lookup(desk.ns, dir, "file", &patient, &a), -ENOENT);
  cr_expect_eq(ns_dir_open(desk.ns, dir, &patient, &d), -ENOENT);
  cr_expect_eq(ns_place(desk.ns, dir, "new", &r, &key), -ENOENT);
}

Test(roots, one_that_comes_back_is_found_again) {
  uint64_t dir = look(look(NS_ROOT_INO, "d"), "dir");
  uint64_t again;

  hide(desk.catalog.roots[1]);
  atomic_store(&desk.catalog.roots[1]->retired, false);
  cr_expect_eq(ns_show_root(desk.ns, desk.catalog.roots[1]), 0);
  again = look(look(NS_ROOT_INO, "d"), "dir");
  cr_expect_neq(again, 0);
  cr_expect_neq(again, dir, "the old one is still known to somebody");
  cr_expect_neq(look(again, "file"), 0);
}

Test(roots, offsets_stay_while_roots_go) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;

  cr_expect_eq(ns_show_root(desk.ns, add("e")), 0);
  cr_assert_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), 0);
  cr_assert_eq(ns_dir_read(d, 2, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "a");
  hide(desk.catalog.roots[0]); /* takes two places before those that follow */
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "d");
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "e");
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect(end);
  ns_dir_close(d);
}
