/* Big folders listed by several requests side by side: every name once and in order,
 * for hardly more requests than pages. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desk.h"

static char **names; /* as put, without the folder */
static size_t count;

static void open_tree(void) {
  desk_open(&desk, (size_t)64 << 20, &(struct ns_options){.clock = NULL});
}

static void setup(void) {
  desk_init(&desk, "", &desk_lasting_root);
  open_tree();
}

static void teardown(void) {
  desk_fini(&desk);
  for (size_t i = 0; i < count; i++)
    free(names[i]);
  free(names);
  names = NULL;
  count = 0;
}

TestSuite(lanes, .init = setup, .fini = teardown);

static void put(const char *name) {
  char key[300];
  char **grown = realloc(names, (count + 1) * sizeof(*names));

  snprintf(key, sizeof(key), "top/%s", name);
  cr_assert_eq(mem_store_put(desk.mem, key, "", 0), 0);
  cr_assert_not_null(grown);
  names = grown;
  names[count] = strdup(name);
  names[count][strcspn(names[count], "/")] = '\0';
  count++;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How many it read, each checked against what was put. */
static size_t read_all(struct ns_dir *d, bool plus) {
  char **seen = calloc(count + 1, sizeof(*seen));
  struct ns_entry e;
  bool end = false;
  size_t got = 0;

  for (uint64_t at = 2; got <= count; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, plus, &patient, &e, &end), 0);
    if (end)
      break;
    cr_assert_lt(got, count, "one too many: %s", e.name);
    seen[got++] = strdup(e.name);
    if (plus)
      ns_forget(desk.ns, e.attr.ino, 1);
  }
  qsort(seen, got, sizeof(*seen), by_text);
  qsort(names, count, sizeof(*names), by_text);
  for (size_t i = 0; i < got; i++) {
    cr_assert_str_eq(seen[i], names[i]);
    free(seen[i]);
  }
  free(seen);
  return got;
}

/* Reads the folder; how many LISTs that took. */
static unsigned list_folder(void) {
  struct ns_attr a;
  struct ns_dir *d;
  unsigned before;

  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "top", &patient, &a), 0);
  before = desk_counts(&desk).lists;
  cr_assert_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), 0);
  cr_expect_eq(read_all(d, false), count);
  cr_expect_eq(read_all(d, true), count);
  ns_dir_close(d);
  ns_forget(desk.ns, a.ino, 1);
  desk_close(&desk); /* what is under way ends */
  before = desk_counts(&desk).lists - before;
  cr_expect_leq(before, (count + 999) / 1000 + 2, "%zu names, %u LISTs", count, before);
  open_tree();
  return before;
}

static void put_numbers(const char *head, int width, const char *tail, unsigned n, unsigned step) {
  char name[64];

  for (unsigned i = 0; i < n; i++) {
    snprintf(name, sizeof(name), "%s%0*u%s", head, width, i * step, tail);
    put(name);
  }
}

Test(lanes, names_that_count_cost_nothing_more) {
  put_numbers("f", 5, ".csv", 12000, 1);
  cr_expect_leq(list_folder(), 14);
}

Test(lanes, numbers_with_a_step_and_many_tails) {
  char name[64];

  for (unsigned i = 0; i < 9500; i++) {
    snprintf(name, sizeof(name), "part-%07u-%08x.parquet", i * 7, i * 2654435761u);
    put(name);
  }
  list_folder();
}

Test(lanes, folders_that_count) {
  put_numbers("d", 5, "/x", 9001, 1);
  list_folder();
}

Test(lanes, digits_run_out) {
  put_numbers("f", 4, "", 10000, 1);
  list_folder();
}

Test(lanes, names_without_leading_zeroes) {
  put_numbers("f", 1, "", 8000, 1);
  list_folder();
}

/* Spread by a constant that has no pattern in its digits. */
static void put_digests(const char *head, unsigned n) {
  char name[64];

  for (uint64_t i = 1; i <= n; i++) {
    uint64_t x = i * 0x9e3779b97f4a7c15u;

    x ^= x >> 29;
    snprintf(name, sizeof(name), "%s%016llx", head, (unsigned long long)x);
    put(name);
  }
}

Test(lanes, digests) {
  put_digests("", 15000);
  list_folder();
}

Test(lanes, digests_behind_a_common_head) {
  put_digests("img_", 9999);
  list_folder();
}

/* Looks like digests at first, and then all is at the end. */
Test(lanes, a_spread_that_misleads) {
  put_digests("", 9000);
  put_numbers("zz", 5, "", 4000, 1);
  list_folder();
}

static uint64_t state;

static unsigned pick(unsigned below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(state >> 33) % below;
}

/* Counting with holes, runs, files beside folders, borders anywhere. */
static void put_mixture(void) {
  unsigned n = 2500 + pick(6000);
  unsigned hole = 1 + pick(40);
  unsigned kind = pick(3);
  char name[64];

  for (unsigned i = 0; i < n; i++) {
    if (hole < 30 && pick(hole * 50) == 0)
      i += pick(1500);
    snprintf(name, sizeof(name), "n%06u%s", i, kind == 1 || pick(900) == 0 ? "/x" : "");
    put(name);
    if (kind == 2 && pick(300) == 0) {
      snprintf(name, sizeof(name), "n%06u-b", i);
      put(name);
    }
  }
}

Test(lanes, mixtures, .timeout = 120) {
  for (state = 1; state < 13; state += 2) {
    uint64_t seed = state;

    put_mixture();
    list_folder();
    teardown();
    setup();
    state = seed;
  }
}

Test(lanes, a_load_that_fails_is_tried_again) {
  struct ns_attr a;
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;
  uint64_t at = 2;
  size_t got = 0;
  unsigned failed = 0;

  put_numbers("f", 5, ".csv", 9000, 1);
  fault_store_fail(desk.faulty, FAULT_LIST, 4, 5, -EIO, 0);
  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "top", &patient, &a), 0);
  cr_assert_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), 0);
  while (failed < 20) {
    if (ns_dir_read(d, at, false, &patient, &e, &end) != 0) {
      failed++;
      continue;
    }
    if (end)
      break;
    cr_assert_str_eq(e.name, names[got]);
    got++;
    at = e.next;
  }
  cr_expect_eq(got, count);
  ns_dir_close(d);
}
