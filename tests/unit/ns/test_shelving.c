/* Listings kept over remounts: what another tree over the same shelf shows. */
#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/ns/change.h"
#include "s3apfs/ns/ns.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"

static char dir[32];
static struct store *mem;
static struct store *store;
static struct catalog catalog;
static struct budget *budget;
static struct shelf *shelf;
static struct ns *ns;
static const struct patience patient;
static unsigned told;

static void tell(void *arg, uint64_t parent, const char *name, uint64_t ino) {
  (void)arg;
  (void)parent;
  (void)name;
  (void)ino;
  __atomic_fetch_add(&told, 1, __ATOMIC_SEQ_CST);
}

static void mount(void) {
  struct ns_options o = {.budget = budget, .shelf = shelf, .told = tell};

  usleep(2000); /* what was kept is older than this one */
  cr_assert_eq(ns_new(&catalog, &o, &ns), 0);
}

static void setup(void) {
  struct root_options defaults = {.file_mode = 0644,
                                  .dir_mode = 0755,
                                  .metadata_ttl_ms = 600000,
                                  .negative_ttl_ms = 5000,
                                  .listed = true};

  told = 0;
  snprintf(dir, sizeof(dir), "/tmp/s3apfs-shelf-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  cr_assert_eq(shelf_open(dir, 1 << 20, &shelf), 0);
  catalog_init(&catalog);
  cr_assert_eq(mem_store_new("domain", &mem), 0);
  cr_assert_eq(fault_store_new(mem, &store), 0);
  cr_assert_eq(catalog_add(&catalog, "", store, &defaults), 0);
  cr_assert_eq(budget_new((size_t)16 << 20, &budget), 0);
  mount();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
  (void)st;
  (void)type;
  (void)at;
  return remove(path);
}

static void teardown(void) {
  ns_free(ns);
  cr_expect_eq(budget_used(budget), 0);
  budget_free(budget);
  catalog_fini(&catalog);
  shelf_close(shelf);
  nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(shelving, .init = setup, .fini = teardown);

static void put(const char *key) {
  cr_assert_eq(mem_store_put(mem, key, key, strlen(key)), 0);
}

static void ls(const char *expected) {
  struct ns_entry e;
  struct ns_dir *d;
  bool end = false;
  char seen[1024] = "";

  cr_assert_eq(ns_dir_open(ns, NS_ROOT_INO, &patient, &d), 0);
  for (uint64_t at = 2; !end; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, true, &patient, &e, &end), 0);
    if (!end)
      snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", e.name);
  }
  ns_dir_close(d);
  cr_expect_str_eq(seen, expected);
}

static void remount(void) {
  ns_free(ns);
  mount();
}

static unsigned lists(void) {
  struct mem_store_counts c;

  mem_store_counts(mem, &c);
  return c.lists;
}

Test(shelving, is_shown_before_the_store_answers) {
  put("a");
  put("b");
  put("c/d");
  ls("a b c ");
  remount();
  mem_store_delete(mem, "b");
  fault_store_gate(store, FAULT_LIST, 0);
  ls("a b c ");
  fault_store_open(store);
  for (int i = 0; i < 1000 && __atomic_load_n(&told, __ATOMIC_SEQ_CST) == 0; i++)
    usleep(10000);
  cr_expect_eq(told, 1, "the name that is gone");
  ls("a c ");
  remount(); /* what was found then is kept in turn */
  fault_store_gate(store, FAULT_LIST, 0);
  ls("a c ");
  fault_store_open(store);
}

Test(shelving, proves_no_absence_and_no_file) {
  struct ns_attr a;

  put("a");
  put("gone");
  put("dir/x");
  ls("a dir gone ");
  remount();
  put("new");
  mem_store_delete(mem, "gone");
  fault_store_fail(store, FAULT_LIST, 0, 1000, -EIO, 0); /* nothing is learned behind */
  cr_expect_eq(ns_lookup(ns, NS_ROOT_INO, "dir", &patient, &a), 0, "a way to go");
  cr_expect_neq(ns_lookup(ns, NS_ROOT_INO, "gone", &patient, &a), 0);
  ls("a dir gone ");
  cr_expect_neq(ns_lookup(ns, NS_ROOT_INO, "other", &patient, &a), -ENOENT);
}

Test(shelving, own_changes_are_not_forgotten) {
  const struct ns_made m = {.type = NS_DIR};

  put("a");
  ls("a ");
  ns_free(ns);
  mount();
  put("made/");
  cr_assert_eq(ns_made(ns, NS_ROOT_INO, "made", &m, NULL), 0);
  ns_free(ns);
  mount();
  ls("a made ");
}

Test(shelving, is_not_used_by_who_kept_it) {
  unsigned before;

  put("a");
  ls("a ");
  before = lists();
  ns_distrust(ns, NS_ROOT_INO);
  ls("a ");
  cr_expect_eq(lists(), before + 1);
}

Test(shelving, a_denial_ends_it) {
  struct ns_dir *d;

  put("a");
  ls("a ");
  remount();
  mem_store_deny_list(mem, true);
  ls("a ");
  for (int i = 0; i < 1000 && ns_dir_open(ns, NS_ROOT_INO, &patient, &d) == 0; i++) {
    ns_dir_close(d);
    usleep(10000);
  }
  remount();
  cr_expect_eq(ns_dir_open(ns, NS_ROOT_INO, &patient, &d), -EACCES);
}
