/* Own changes in a directory that somebody reads while it is listed anew. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "desk.h"

static struct ns_dir *reader;
static uint64_t reader_at;

static void setup(void) {
  desk_init(&desk, "", &desk_root);
  desk_open(&desk, DESK_MEMORY, NULL);
  desk_put(&desk, "d/a");
  desk_put(&desk, "d/b");
  desk_put(&desk, "d/c");
  reader = NULL;
}

static void teardown(void) {
  if (reader != NULL)
    ns_dir_close(reader);
  desk_fini(&desk);
}

TestSuite(notes, .init = setup, .fini = teardown);

static struct store_attr put(const char *key) {
  struct store_attr a;

  desk_put(&desk, key);
  cr_assert_eq(desk.mem->ops->head(desk.mem, key, &a, NULL), 0);
  return a;
}

static void make(const char *name, const char *key) {
  struct store_attr stored = put(key);
  struct ns_made m = {.type = NS_FILE, .attr = &stored};
  struct ns_attr a;

  cr_assert_eq(ns_made(desk.ns, desk_ino(&desk, "d"), name, &m, &a), 0);
}

static void take_away(const char *name, const char *key) {
  cr_assert_eq(mem_store_delete(desk.mem, key), 0);
  ns_removed(desk.ns, desk_ino(&desk, "d"), name);
}

/* The LIST that answers it begins after all that was done. */
static void look_up_absent(void) {
  unsigned before = desk_counts(&desk).lists;
  struct ns_attr a;

  desk_later(DESK_NEGATIVE_TTL + 1);
  cr_assert_eq(desk_walk(&desk, "d/absent", &a), -ENOENT);
  cr_assert_eq(desk_counts(&desk).lists, before + 1);
}

static struct ns_dir *open_d(void) {
  struct ns_dir *d;

  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "d"), &patient, &d), 0);
  return d;
}

/* The next names, `count` of them or up to the end. */
static void expect_names(struct ns_dir *d, uint64_t *at, unsigned count, const char *want) {
  char got[128] = "";
  struct ns_entry e;
  bool end = false;

  while (count > 0) {
    cr_assert_eq(ns_dir_read(d, *at, false, &patient, &e, &end), 0);
    if (end)
      break;
    *at = e.next;
    if (e.name[0] == '.')
      continue;
    strcat(strcat(got, e.name), " ");
    count--;
  }
  cr_expect_str_eq(got, want, "%s instead of %s", got, want);
}

#define ALL 100

static void begin_reading(void) {
  reader = open_d();
  reader_at = 0;
  expect_names(reader, &reader_at, 1, "a ");
}

Test(notes, what_was_made_is_shown_to_who_reads) {
  begin_reading();
  make("new", "d/new");
  make("more", "d/more");
  look_up_absent();
  expect_names(reader, &reader_at, ALL, "b c new more ");
  desk_expect_ls(&desk, "d", "a b c more new ");
}

Test(notes, what_was_removed_is_not_shown_to_who_reads) {
  begin_reading();
  take_away("c", "d/c");
  look_up_absent();
  expect_names(reader, &reader_at, ALL, "b ");
}

/* A call of the kernel's brings the last names and looks further; then it asks from there. */
Test(notes, what_was_removed_does_not_come_up_behind_the_end) {
  desk_expect_ls(&desk, "d", "a b c ");
  take_away("c", "d/c");
  reader = open_d();
  expect_names(reader, &reader_at, ALL, "a b ");
  look_up_absent();
  expect_names(reader, &reader_at, ALL, "");
  look_up_absent();
  expect_names(reader, &reader_at, ALL, "");
}

Test(notes, what_was_moved_has_its_new_name_for_who_reads) {
  uint64_t ino = desk_ino(&desk, "d/c");
  struct store_attr copy;

  begin_reading();
  copy = put("d/moved");
  cr_assert_eq(mem_store_delete(desk.mem, "d/c"), 0);
  cr_assert_eq(ns_moved(desk.ns, ino, desk_ino(&desk, "d"), "moved", &copy), 0);
  look_up_absent();
  expect_names(reader, &reader_at, ALL, "b moved ");
}

Test(notes, each_reader_is_shown_what_came_after_its_own_listing) {
  struct ns_dir *second;
  uint64_t at = 0;

  begin_reading();
  make("new1", "d/new1");
  take_away("b", "d/b");
  look_up_absent();
  second = open_d();
  expect_names(second, &at, 1, "a ");
  make("new2", "d/new2");
  take_away("c", "d/c");
  look_up_absent();
  expect_names(reader, &reader_at, ALL, "new1 new2 ");
  expect_names(second, &at, ALL, "new1 new2 ");
  ns_dir_close(second);
}

Test(notes, listings_one_after_the_other_take_nothing_from_who_reads) {
  begin_reading();
  make("new", "d/new");
  for (unsigned i = 0; i < 3; i++)
    look_up_absent();
  desk_later(DESK_TTL + 1);
  desk_expect_ls(&desk, "d", "a b c new ");
  expect_names(reader, &reader_at, ALL, "b c new ");
}

Test(notes, who_begins_later_or_anew_is_shown_what_is_there_then) {
  struct ns_dir *unread;
  uint64_t at = 0;

  begin_reading();
  expect_names(reader, &reader_at, ALL, "b c ");
  unread = open_d();
  make("new", "d/new");
  take_away("b", "d/b");
  look_up_absent();
  expect_names(unread, &at, ALL, "a c new ");
  reader_at = 0;
  expect_names(reader, &reader_at, ALL, "a c new ");
  ns_dir_close(unread);
}

/* Another host's change is seen by new listings, whatever was done here before. */
Test(notes, what_is_kept_for_a_reader_counts_for_no_later_listing) {
  begin_reading();
  make("new", "d/new");
  look_up_absent();
  cr_assert_eq(mem_store_delete(desk.mem, "d/new"), 0);
  look_up_absent();
  desk_expect_ls(&desk, "d", "a b c ");
  expect_names(reader, &reader_at, ALL, "b c new ");
}

Test(notes, a_folder_that_others_emptied_is_empty) {
  begin_reading();
  make("new", "d/new");
  look_up_absent();
  mem_store_delete(desk.mem, "d/a");
  mem_store_delete(desk.mem, "d/b");
  mem_store_delete(desk.mem, "d/c");
  mem_store_delete(desk.mem, "d/new");
  look_up_absent();
  cr_expect_not(ns_has_others(desk.ns, desk_ino(&desk, "d"), "x"));
}

Test(notes, what_was_given_up_is_not_shown_because_somebody_reads) {
  struct ns_made m = {.type = NS_FILE};
  struct ns_attr a;

  begin_reading();
  cr_assert_eq(ns_made(desk.ns, desk_ino(&desk, "d"), "local", &m, &a), 0);
  look_up_absent();
  desk_expect_ls(&desk, "d", "a b c local ");
  ns_dropped(desk.ns, a.ino);
  desk_expect_ls(&desk, "d", "a b c ");
  expect_names(reader, &reader_at, ALL, "b c ");
}
