/* Roots that come and go while the tree is used. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "s3apfs/ns/change.h"
#include "s3apfs/ns/ns.h"
#include "s3apfs/store/mem_store.h"

static const struct root_options defaults = {
    .file_mode = 0644, .dir_mode = 0755, .metadata_ttl_ms = 60000, .negative_ttl_ms = 5000};
static const struct patience patient;
static struct catalog catalog;
static struct budget *budget;
static struct ns *ns;
static char told[256];

static void on_told(void *arg, uint64_t parent, const char *name, uint64_t ino) {
  (void)arg;
  snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%s%s ", name,
           parent == NS_ROOT_INO ? "@top" : "", ino != 0 ? "!" : "");
}

static struct root *add(const char *path) {
  struct store *s;

  cr_assert_eq(mem_store_new(path, &s), 0);
  cr_assert_eq(mem_store_put(s, "dir/file", "x", 1), 0);
  cr_assert_eq(catalog_add(&catalog, path, s, &defaults), 0);
  return catalog.roots[catalog.count - 1];
}

static void setup(void) {
  struct ns_options o = {.told = on_told};

  catalog_init(&catalog);
  add("a/b");
  add("d");
  cr_assert_eq(budget_new((size_t)16 << 20, &budget), 0);
  o.budget = budget;
  told[0] = '\0';
  cr_assert_eq(ns_new(&catalog, &o, &ns), 0);
  told[0] = '\0';
}

static void teardown(void) {
  ns_free(ns);
  budget_free(budget);
  catalog_fini(&catalog);
}

TestSuite(roots, .init = setup, .fini = teardown);

static uint64_t look(uint64_t parent, const char *name) {
  struct ns_attr a;
  int rc = ns_lookup(ns, parent, name, &patient, &a);

  return rc == 0 ? a.ino : 0;
}

static void hide(struct root *r) {
  atomic_store(&r->retired, true);
  ns_hide_root(ns, r);
}

Test(roots, what_is_new_is_told_by_its_highest_name) {
  cr_expect_eq(ns_show_root(ns, add("a/c")), 0);
  cr_expect_str_eq(told, "c ");
  told[0] = '\0';
  cr_expect_eq(ns_show_root(ns, add("x/y/z")), 0);
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
  hide(catalog.roots[0]);
  cr_expect_str_eq(told, "a@top! ");
  cr_expect_eq(look(NS_ROOT_INO, "a"), 0);
  cr_expect_neq(look(NS_ROOT_INO, "d"), 0);
  /* what is known lives on, and nothing begins in it */
  cr_expect_eq(ns_getattr(ns, file, &patient, &a), 0);
  cr_expect(ns_is_retired(ns, file));
  cr_expect_eq(ns_lookup(ns, dir, "file", &patient, &a), -ENOENT);
  cr_expect_eq(ns_dir_open(ns, dir, &patient, &d), -ENOENT);
  cr_expect_eq(ns_place(ns, dir, "new", &r, &key), -ENOENT);
}

Test(roots, one_that_comes_back_is_found_again) {
  uint64_t dir = look(look(NS_ROOT_INO, "d"), "dir");
  uint64_t again;

  hide(catalog.roots[1]);
  atomic_store(&catalog.roots[1]->retired, false);
  cr_expect_eq(ns_show_root(ns, catalog.roots[1]), 0);
  again = look(look(NS_ROOT_INO, "d"), "dir");
  cr_expect_neq(again, 0);
  cr_expect_neq(again, dir, "the old one is still known to somebody");
  cr_expect_neq(look(again, "file"), 0);
}

Test(roots, offsets_stay_while_roots_go) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;

  cr_expect_eq(ns_show_root(ns, add("e")), 0);
  cr_assert_eq(ns_dir_open(ns, NS_ROOT_INO, &patient, &d), 0);
  cr_assert_eq(ns_dir_read(d, 2, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "a");
  hide(catalog.roots[0]); /* takes two places before those that follow */
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "d");
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "e");
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect(end);
  ns_dir_close(d);
}
