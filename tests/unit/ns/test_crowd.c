/* More names than there is memory for: the kernel is asked to drop some. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/ns/ns.h"
#include "s3apfs/store/mem_store.h"

#define FILES 3000
#define LIMIT ((size_t)256 << 10) /* of about a thousand nodes */

static struct store *mem;
static struct catalog catalog;
static struct budget *budget;
static struct ns *ns;
static const struct patience patient;
static atomic_bool obey;                 /* what is told of is forgotten, as the kernel does */
static atomic_uint asked;                /* names told of */
static atomic_uint_fast64_t inos[FILES]; /* by number; fixed once they are all looked up */
static atomic_uint shown[FILES];         /* references that the kernel has */
static atomic_bool told_of[FILES];

static void on_told(void *arg, uint64_t parent, const char *name, uint64_t ino) {
  int number = atoi(name + 1);

  (void)arg;
  cr_expect_neq(parent, 0);
  cr_expect_eq(ino, 0, "pages stay until the inode goes");
  cr_assert(name[0] == 'f' && number < FILES, "%s", name);
  atomic_fetch_add(&asked, 1);
  atomic_store(&told_of[number], true);
  if (atomic_load(&obey) && inos[number] != 0)
    ns_forget(ns, inos[number], atomic_exchange(&shown[number], 0));
}

static void setup(void) {
  struct ns_options o = {.names = LIMIT, .told = on_told};
  struct root_options defaults = {
      .file_mode = 0644, .dir_mode = 0755, .metadata_ttl_ms = 600000, .negative_ttl_ms = 5000};
  char key[32];

  catalog_init(&catalog);
  cr_assert_eq(mem_store_new("domain", &mem), 0);
  cr_assert_eq(catalog_add(&catalog, "", mem, &defaults), 0);
  cr_assert_eq(budget_new((size_t)16 << 20, &budget), 0);
  o.budget = budget;
  cr_assert_eq(ns_new(&catalog, &o, &ns), 0);
  for (int i = 0; i < FILES; i++) {
    snprintf(key, sizeof(key), "d/f%04d", i);
    cr_assert_eq(mem_store_put(mem, key, "x", 1), 0);
  }
}

static void teardown(void) {
  ns_free(ns);
  budget_free(budget);
  catalog_fini(&catalog);
}

TestSuite(crowd, .init = setup, .fini = teardown);

static uint64_t nodes(void) {
  struct ns_stats st;

  ns_stats(ns, &st);
  return st.nodes;
}

/* As `ls -l`: every name counts a reference of the kernel. */
static void read_all(uint64_t ino) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;

  cr_assert_eq(ns_dir_open(ns, ino, &patient, &d), 0);
  for (uint64_t at = 2;; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, true, &patient, &e, &end), 0);
    if (end)
      break;
    inos[atoi(e.name + 1)] = e.attr.ino;
    atomic_fetch_add(&shown[atoi(e.name + 1)], 1);
  }
  ns_dir_close(d);
}

static uint64_t look_up(const char *name, uint64_t parent) {
  struct ns_attr a;

  cr_assert_eq(ns_lookup(ns, parent, name, &patient, &a), 0);
  return a.ino;
}

static bool falls_below(uint64_t most) {
  for (int i = 0; i < 10000 && nodes() > most; i++)
    usleep(1000);
  return nodes() <= most;
}

Test(crowd, names_that_nobody_uses_go_and_come_back) {
  uint64_t d = look_up("d", NS_ROOT_INO);

  atomic_store(&obey, true);
  read_all(d);
  read_all(d); /* what was forgotten comes again: it is told of once more */
  cr_expect(falls_below(FILES / 2), "%llu nodes", (unsigned long long)nodes());
  cr_expect_neq(look_up("f0000", d), 0);
}

/* A name that is held (open, or being changed) is left alone. */
Test(crowd, names_in_use_are_not_told_of) {
  uint64_t d = look_up("d", NS_ROOT_INO);
  uint64_t held = look_up("f0007", d);

  cr_assert_eq(ns_hold(ns, held), 0);
  read_all(d);
  for (int i = 0; i < 10000 && atomic_load(&asked) < FILES / 2; i++)
    usleep(1000);
  cr_expect_geq(atomic_load(&asked), FILES / 2);
  cr_expect_not(atomic_load(&told_of[7]));
  ns_release(ns, held);
}
