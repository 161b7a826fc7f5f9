/* Several roots, and what stands above them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "desk.h"

static void add_root(const char *path, const char *key) {
  cr_assert_eq(mem_store_put(desk_add(&desk, path), key, key, strlen(key)), 0);
}

static void setup(void) {
  desk_init(&desk, "customers", &desk_root);
  desk_put(&desk, "c1");
  add_root("team/product", "p/1");
  add_root("team/people/all", "q");
  desk_open(&desk, DESK_MEMORY, NULL);
}

TestSuite(ns_roots, .init = setup, .fini = desk_end);

Test(ns_roots, nested_names) {
  struct ns_attr a;
  struct ns_attr b;
  const struct root *r;
  char *key;

  desk_expect_ls(&desk, "", "customers/ team/ ");
  desk_expect_ls(&desk, "team", "product/ people/ ");
  desk_expect_ls(&desk, "team/people", "all/ ");
  desk_expect_ls(&desk, "customers", "c1 ");
  desk_expect_ls(&desk, "team/product", "p/ ");
  desk_expect_ls(&desk, "team/product/p", "1 ");
  cr_expect_eq(desk_walk(&desk, "team/none", &a), -ENOENT);
  cr_expect_eq(desk_walk(&desk, "none", &a), -ENOENT);
  cr_assert_eq(desk_walk(&desk, "team", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0555));
  cr_assert_eq(desk_walk(&desk, "team/product", &b), 0);
  cr_expect_eq(b.mode, (mode_t)(S_IFDIR | 0755));
  ns_forget(desk.ns, b.ino, 1000);
  cr_assert_eq(ns_get_key(desk.ns, b.ino, &r, &key), 0, "roots are never forgotten");
  cr_expect_str_eq(key, "");
  cr_expect_str_eq(r->path, "team/product");
  free(key);
  cr_assert_eq(ns_get_key(desk.ns, desk_ino(&desk, "team/product/p"), &r, &key), 0);
  cr_expect_str_eq(key, "p/");
  free(key);
  cr_assert_eq(ns_get_key(desk.ns, a.ino, &r, &key), 0);
  cr_expect_null(r);
  free(key);
  cr_assert_eq(ns_get_key(desk.ns, desk_ino(&desk, "team/product/p/1"), &r, &key), 0);
  cr_expect_str_eq(key, "p/1");
  free(key);
}

Test(ns_roots, dot_dot_is_the_parent) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;

  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "team/product"), &patient, &d), 0);
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, ".");
  cr_expect_eq(e.attr.ino, desk_ino(&desk, "team/product"));
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "..");
  cr_expect_eq(e.attr.ino, desk_ino(&desk, "team"));
  ns_dir_close(d);
}

Test(ns_roots, same_keys_in_two_roots_are_two_inodes) {
  uint64_t before = desk_ino(&desk, "team/product/p/1");

  desk_close(&desk);
  add_root("other", "p/1");
  desk_open(&desk, DESK_MEMORY, NULL);
  cr_expect_neq(desk_ino(&desk, "other/p/1"), before);
  cr_expect_eq(desk_ino(&desk, "team/product/p/1"), before, "whatever stands beside it");
}

Test(ns_roots, read_only_store_shows_no_write_permission) {
  struct ns_attr a;

  desk.faulty->read_only = true;
  cr_assert_eq(desk_walk(&desk, "customers/c1", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFREG | 0444));
  cr_assert_eq(desk_walk(&desk, "customers", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0555));
}

Test(ns_roots, empty_catalog) {
  struct ns_options o = {.clock = &desk_clock, .budget = desk.budget};
  struct ns *none;

  cr_expect_eq(ns_new(&(struct catalog){0}, &o, &none), -EINVAL);
}
