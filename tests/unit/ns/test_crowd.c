/* More names than there is memory for: the kernel is asked to drop some. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "desk.h"

#define FILES 3000
#define LIMIT ((size_t)256 << 10) /* of about a thousand nodes */

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
    ns_forget(desk.ns, inos[number], atomic_exchange(&shown[number], 0));
}

static void setup(void) {
  const struct ns_options o = {.names = LIMIT, .told = on_told};
  char key[32];

  desk_init(&desk, "", &desk_lasting_root);
  desk_open(&desk, DESK_MEMORY, &o);
  for (int i = 0; i < FILES; i++) {
    snprintf(key, sizeof(key), "d/f%04d", i);
    cr_assert_eq(mem_store_put(desk.mem, key, "x", 1), 0);
  }
}

TestSuite(crowd, .init = setup, .fini = desk_end);

static uint64_t nodes(void) {
  struct ns_stats st;

  ns_stats(desk.ns, &st);
  return st.nodes;
}

/* As `ls -l`: every name counts a reference of the kernel. */
static void read_all(uint64_t ino) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;

  cr_assert_eq(ns_dir_open(desk.ns, ino, &patient, &d), 0);
  for (uint64_t at = 2;; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, true, &patient, &e, &end), 0);
    if (end)
      break;
    inos[atoi(e.name + 1)] = e.attr.ino;
    atomic_fetch_add(&shown[atoi(e.name + 1)], 1);
  }
  ns_dir_close(d);
}

static bool falls_below(uint64_t most) {
  for (int i = 0; i < 10000 && nodes() > most; i++)
    usleep(1000);
  return nodes() <= most;
}

Test(crowd, names_that_nobody_uses_go_and_come_back) {
  uint64_t d = desk_find(&desk, NS_ROOT_INO, "d");

  atomic_store(&obey, true);
  read_all(d);
  read_all(d); /* what was forgotten comes again: it is told of once more */
  cr_expect(falls_below(FILES / 2), "%llu nodes", (unsigned long long)nodes());
  cr_expect_neq(desk_find(&desk, d, "f0000"), 0);
}

/* A name that is held (open, or being changed) is left alone. */
Test(crowd, names_in_use_are_not_told_of) {
  uint64_t d = desk_find(&desk, NS_ROOT_INO, "d");
  uint64_t held = desk_find(&desk, d, "f0007");

  cr_assert_eq(ns_hold(desk.ns, held), 0);
  read_all(d);
  for (int i = 0; i < 10000 && atomic_load(&asked) < FILES / 2; i++)
    usleep(1000);
  cr_expect_geq(atomic_load(&asked), FILES / 2);
  cr_expect_not(atomic_load(&told_of[7]));
  ns_release(desk.ns, held);
}
