/* Rare orders of events: answers of one instant, absence that a listing shows,
 * one name on two pages, several threads before a failing LIST. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"

#define THREADS 8

TestSuite(ns_edges, .init = desk_usual, .fini = desk_end);

/* Reads a directory to its end; how often `name` was in it, or -errno. */
static int times_listed(uint64_t ino, const char *name) {
  struct ns_entry e;
  struct ns_dir *d;
  bool end = false;
  int found = 0;
  int rc = ns_dir_open(desk.ns, ino, &patient, &d);

  if (rc != 0)
    return rc;
  for (uint64_t at = 0; rc == 0; at = e.next) {
    rc = ns_dir_read(d, at, false, &patient, &e, &end);
    if (end)
      break;
    found += rc == 0 && strcmp(e.name, name) == 0;
  }
  ns_dir_close(d);
  return rc != 0 ? rc : found;
}

/* --- answers of one instant: the clock does not move in these ------------------------------- */

Test(ns_edges, replaced_object_is_seen_in_the_instant_of_its_412) {
  struct ns_object first;
  struct ns_object o;
  struct ns_attr a;

  desk_put(&desk, "f");
  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "f", &patient, &a), 0);
  for (unsigned i = 0; i < 3; i++) {
    cr_assert_eq(ns_get_object(desk.ns, a.ino, &patient, &first), 0);
    desk_put(&desk, "f");
    ns_expire(desk.ns, a.ino, -ESTALE);
    cr_assert_eq(ns_get_object(desk.ns, a.ino, &patient, &o), 0);
    cr_expect_str_neq(o.attr.etag, first.attr.etag, "the new version is known");
    ns_object_fini(&first);
    ns_object_fini(&o);
  }
}

Test(ns_edges, expired_file_is_not_revived_by_an_older_listing) {
  struct ns_object o;
  struct ns_attr a;

  desk_put(&desk, "f");
  cr_assert_eq(times_listed(NS_ROOT_INO, "f"), 1);
  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "f", &patient, &a), 0);
  cr_expect_eq(desk_counts(&desk).heads, 0, "the listing answered");
  desk_later(1);
  cr_assert_eq(mem_store_put(desk.mem, "f", "longer than it was", 18), 0);
  ns_expire(desk.ns, a.ino, -ESTALE);
  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "f", &patient, &a), 0);
  cr_expect_eq(a.size, 18);
  cr_assert_eq(ns_get_object(desk.ns, a.ino, &patient, &o), 0);
  cr_expect_eq(o.attr.size, 18);
  ns_object_fini(&o);
}

/* --- absence -----------------------------------------------------------------------------------
 */

Test(ns_edges, absence_from_a_listing_lasts_no_longer_than_negative_ttl) {
  struct ns_attr a;

  desk_put(&desk, "other");
  cr_assert_eq(times_listed(NS_ROOT_INO, "new"), 0);
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "new", &patient, &a), -ENOENT);
  cr_expect_eq(desk_counts(&desk).heads, 0, "the listing answered");
  desk_put(&desk, "new");
  desk_later(DESK_NEGATIVE_TTL);
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "new", &patient, &a), 0,
               "another host's file is not hidden until metadata-ttl");
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "other", &patient, &a), 0);
}

/* --- one name on two pages ------------------------------------------------------------------ */

/* Object "a", then `between` keys that sort before "a/", then that folder. */
static void check_pages_apart(unsigned between) {
  char key[32];

  desk_put(&desk, "a");
  for (unsigned i = 0; i < between; i++) {
    snprintf(key, sizeof(key), "a-%05u", i);
    desk_put(&desk, key);
  }
  desk_put(&desk, "a/x");
  desk_put(&desk, "z");
  cr_expect_eq(times_listed(NS_ROOT_INO, "a"), 1, "%u keys between", between);
}

Test(ns_edges, folder_is_the_last_of_its_files_page) {
  check_pages_apart(998);
}

Test(ns_edges, folder_is_the_first_of_the_next_page) {
  check_pages_apart(999);
}

Test(ns_edges, folder_is_the_last_of_the_next_page) {
  check_pages_apart(1998);
}

Test(ns_edges, folder_is_the_first_of_the_page_after_the_next) {
  check_pages_apart(1999);
}

Test(ns_edges, folder_is_the_first_of_a_much_later_page) {
  check_pages_apart(4999);
}

/* --- several threads before one LIST -----------------------------------------------------------
 */

static void *list_root(void *arg) {
  *(int *)arg = times_listed(NS_ROOT_INO, "f");
  return NULL;
}

/* All of them wait for the first LIST, which stands at the gate meanwhile. */
static void list_at_once(int results[THREADS]) {
  pthread_t threads[THREADS];

  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  for (unsigned i = 0; i < THREADS; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, list_root, &results[i]), 0);
  while (fault_store_waiting(desk.faulty) == 0)
    usleep(1000);
  usleep(200000);
  cr_expect_eq(fault_store_waiting(desk.faulty), 1, "one call for all of them");
  fault_store_open(desk.faulty);
  for (unsigned i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
}

Test(ns_edges, one_denied_list_answers_all_who_waited) {
  int results[THREADS];

  desk_put(&desk, "f");
  mem_store_deny_list(desk.mem, true);
  list_at_once(results);
  for (unsigned i = 0; i < THREADS; i++)
    cr_expect_eq(results[i], -EACCES);
  cr_expect_eq(desk_counts(&desk).lists, 1, "%u denied calls", desk_counts(&desk).lists);
}

Test(ns_edges, one_list_answers_all_who_waited) {
  int results[THREADS];

  desk_put(&desk, "f");
  list_at_once(results);
  for (unsigned i = 0; i < THREADS; i++)
    cr_expect_eq(results[i], 1);
  cr_expect_eq(desk_counts(&desk).lists, 1);
}

/* --- folders that nobody can prove
 * ---------------------------------------------------------------- */

Test(ns_edges, listable_folder_far_below_denied_ones) {
  static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
  struct ns_attr a = {.ino = NS_ROOT_INO};

  desk_put(&desk, "a/b/c/d/e/f/file");
  mem_store_allow_list_below(desk.mem, "a/b/c/d/e/f/");
  for (unsigned i = 0; i < 6; i++)
    cr_assert_eq(ns_lookup(desk.ns, a.ino, names[i], &patient, &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0755), "not known to be denied, so it may be opened");
  cr_expect_eq(times_listed(a.ino, "file"), 1);
}

/* --- a store whose pages lead nowhere --------------------------------------------------------- */

static unsigned circling_max; /* entries on each page: 0 or 1 */

/* Every page names the same continuation. */
static int circling_list(struct store *s, const char *prefix, bool folded, const char *token,
                         unsigned max, struct store_page *out) {
  struct store_page p = {.count = circling_max, .next = strdup("again")};

  (void)s;
  (void)prefix;
  (void)folded;
  (void)token;
  (void)max;
  p.entries = calloc(1, sizeof(*p.entries));
  if (p.count > 0)
    p.entries[0].name = strdup("x");
  *out = p;
  return 0;
}

static int circling_head(struct store *s, const char *key, struct store_attr *out,
                         struct kvlist *meta) {
  (void)s;
  (void)key;
  (void)out;
  (void)meta;
  return -ENOENT;
}

static void circling_destroy(struct store *s) {
  free(s);
}

static const struct store_ops circling_ops = {
    .list = circling_list, .head = circling_head, .destroy = circling_destroy};

static void with_circling_store(unsigned entries) {
  const struct root_options o = {.metadata_ttl_ms = DESK_TTL, .negative_ttl_ms = DESK_NEGATIVE_TTL};
  struct store *s = calloc(1, sizeof(*s));

  desk_fini(&desk);
  circling_max = entries;
  s->ops = &circling_ops;
  cr_assert_eq(catalog_add(&desk.catalog, "", s, &o), 0);
  desk_open(&desk, DESK_MEMORY, NULL);
}

Test(ns_edges, listing_that_goes_in_a_circle_ends) {
  with_circling_store(1);
  cr_expect_eq(times_listed(NS_ROOT_INO, "x"), -EIO);
  with_circling_store(0);
  cr_expect_eq(times_listed(NS_ROOT_INO, "x"), -EIO);
}

Test(ns_edges, empty_page_with_a_continuation_is_not_absence) {
  struct ns_attr a;

  with_circling_store(0);
  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "folder", &patient, &a), 0);
  cr_expect(S_ISDIR(a.mode));
}

/* --- a store that becomes another one --- */

static char told[256];

static void note(void *arg, uint64_t parent, const char *name, uint64_t ino) {
  (void)arg;
  cr_expect_neq(parent, 0);
  cr_expect_neq(ino, 0);
  strncat(told, name, sizeof(told) - strlen(told) - 1);
  strncat(told, " ", sizeof(told) - strlen(told) - 1);
}

Test(ns_edges, what_was_taken_away_is_forgotten_at_once) {
  struct ns_attr a;
  uint64_t dir;
  uint64_t file;
  uint64_t beside;

  desk_put(&desk, "team/a/x");
  desk_put(&desk, "team/b");
  dir = desk_find(&desk, desk_find(&desk, NS_ROOT_INO, "team"), "a");
  file = desk_find(&desk, dir, "x");
  beside = desk_find(&desk, desk_find(&desk, NS_ROOT_INO, "team"), "b");
  cr_assert_eq(times_listed(dir, "x"), 1);
  cr_assert_eq(mem_store_delete(desk.mem, "team/a/x"), 0);
  cr_assert_eq(ns_getattr(desk.ns, file, &patient, &a), 0); /* still trusted */
  told[0] = '\0';
  cr_assert_eq(ns_changed_below(desk.ns, desk.faulty, "team/a/", true, note, NULL), 0);
  cr_expect(strstr(told, "team ") != NULL && strstr(told, "a ") != NULL &&
            strstr(told, "x ") != NULL && strstr(told, "b ") == NULL);
  cr_assert_eq(ns_getattr(desk.ns, file, &patient, &a), -EACCES);
  cr_assert_eq(ns_lookup(desk.ns, dir, "x", &patient, &a), -ENOENT);
  cr_assert_eq(ns_getattr(desk.ns, beside, &patient, &a), 0);
}

Test(ns_edges, what_came_is_found_at_once) {
  struct ns_attr a;

  desk_put(&desk, "b");
  cr_assert_eq(times_listed(NS_ROOT_INO, "new"), 0);
  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "new", &patient, &a), -ENOENT);
  desk_put(&desk, "new/x");
  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "new", &patient, &a), -ENOENT);
  cr_assert_eq(ns_changed_below(desk.ns, desk.faulty, "new/", false, note, NULL), 0);
  cr_assert_eq(times_listed(NS_ROOT_INO, "new"), 1);
  desk_find(&desk, desk_find(&desk, NS_ROOT_INO, "new"), "x");
}
