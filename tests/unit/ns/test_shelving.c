/* Listings kept over remounts: what another tree over the same shelf shows. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../support/remove_tree.h"
#include "desk.h"

static char dir[32];
static struct shelf *shelf;
static unsigned told;

static void tell(void *arg, uint64_t parent, const char *name, uint64_t ino) {
  (void)arg;
  (void)parent;
  (void)name;
  (void)ino;
  __atomic_fetch_add(&told, 1, __ATOMIC_SEQ_CST);
}

static void mount(void) {
  struct ns_options o = {.shelf = shelf, .told = tell};

  usleep(2000); /* what was kept is older than this one */
  desk_open(&desk, DESK_MEMORY, &o);
}

static void setup(void) {
  struct root_options o = desk_lasting_root;

  o.listed = true;
  told = 0;
  snprintf(dir, sizeof(dir), "/tmp/s3apfs-shelf-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  cr_assert_eq(shelf_open(dir, 16 << 20, &shelf), 0);
  desk_init(&desk, "", &o);
  mount();
}

static void teardown(void) {
  desk_fini(&desk);
  shelf_close(shelf);
  remove_tree(dir);
}

TestSuite(shelving, .init = setup, .fini = teardown);

static void ls(const char *expected) {
  struct ns_entry e;
  struct ns_dir *d;
  bool end = false;
  char seen[1024] = "";

  cr_assert_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), 0);
  for (uint64_t at = 2; !end; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, true, &patient, &e, &end), 0);
    if (!end)
      snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", e.name);
  }
  ns_dir_close(d);
  cr_expect_str_eq(seen, expected);
}

static void remount(void) {
  desk_close(&desk);
  mount();
}

Test(shelving, is_shown_before_the_store_answers) {
  desk_put(&desk, "a");
  desk_put(&desk, "b");
  desk_put(&desk, "c/d");
  ls("a b c ");
  remount();
  mem_store_delete(desk.mem, "b");
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  ls("a b c ");
  fault_store_open(desk.faulty);
  for (int i = 0; i < 1000 && __atomic_load_n(&told, __ATOMIC_SEQ_CST) == 0; i++)
    usleep(10000);
  cr_expect_eq(told, 1, "the name that is gone");
  ls("a c ");
  remount(); /* what was found then is kept in turn */
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  ls("a c ");
  fault_store_open(desk.faulty);
}

static unsigned count_names(void) {
  struct ns_entry e;
  struct ns_dir *d;
  unsigned count = 0;
  bool end = false;

  cr_assert_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), 0);
  for (uint64_t at = 2; !end; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, false, &patient, &e, &end), 0);
    count += !end;
  }
  ns_dir_close(d);
  return count;
}

/* Their names alone are more than 4 MiB. */
#define MANY 20000

Test(shelving, a_large_folder_is_shown_too) {
  for (unsigned i = 0; i < MANY; i++) {
    char name[240];

    snprintf(name, sizeof(name), "%0220u", i);
    desk_put(&desk, name);
  }
  cr_assert_eq(count_names(), MANY);
  remount();
  fault_store_fail(desk.faulty, FAULT_LIST, 0, 1000, -EIO, 0);
  cr_expect_eq(count_names(), MANY);
}

Test(shelving, one_that_finds_no_memory_is_not_shown) {
  const struct ns_options o = {.shelf = shelf, .told = tell};

  for (unsigned i = 0; i < 5000; i++) {
    char name[16];

    snprintf(name, sizeof(name), "%04u", i);
    desk_put(&desk, name);
  }
  cr_assert_eq(count_names(), 5000);
  desk_close(&desk);
  usleep(2000);
  desk_open(&desk, (size_t)128 << 10, &o);
  cr_expect_eq(count_names(), 5000);
  cr_expect_geq(desk_counts(&desk).lists, 10, "the store was asked for all of it, again");
}

Test(shelving, proves_no_absence_and_no_file) {
  struct ns_attr a;

  desk_put(&desk, "a");
  desk_put(&desk, "gone");
  desk_put(&desk, "dir/x");
  ls("a dir gone ");
  remount();
  desk_put(&desk, "new");
  mem_store_delete(desk.mem, "gone");
  fault_store_fail(desk.faulty, FAULT_LIST, 0, 1000, -EIO, 0); /* nothing is learned behind */
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "dir", &patient, &a), 0, "a way to go");
  cr_expect_neq(ns_lookup(desk.ns, NS_ROOT_INO, "gone", &patient, &a), 0);
  ls("a dir gone ");
  cr_expect_neq(ns_lookup(desk.ns, NS_ROOT_INO, "other", &patient, &a), -ENOENT);
}

Test(shelving, own_changes_are_not_forgotten) {
  const struct ns_made m = {.type = NS_DIR};

  desk_put(&desk, "a");
  ls("a ");
  desk_close(&desk);
  mount();
  desk_put(&desk, "made/");
  cr_assert_eq(ns_made(desk.ns, NS_ROOT_INO, "made", &m, NULL), 0);
  desk_close(&desk);
  mount();
  ls("a made ");
}

Test(shelving, is_not_used_by_who_kept_it) {
  unsigned before;

  desk_put(&desk, "a");
  ls("a ");
  before = desk_counts(&desk).lists;
  ns_distrust(desk.ns, NS_ROOT_INO);
  ls("a ");
  cr_expect_eq(desk_counts(&desk).lists, before + 1);
}

Test(shelving, a_denial_ends_it) {
  struct ns_dir *d;

  desk_put(&desk, "a");
  ls("a ");
  remount();
  mem_store_deny_list(desk.mem, true);
  ls("a ");
  for (int i = 0; i < 1000 && ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d) == 0; i++) {
    ns_dir_close(d);
    usleep(10000);
  }
  remount();
  cr_expect_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), -EACCES);
}
