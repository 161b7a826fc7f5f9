/* User metadata: one HEAD for each version, the next ones ahead, own changes at once. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"

#define FILES 100

static void open_with(int64_t ttl) {
  struct root_options o = desk_root;

  o.metadata_ttl_ms = o.negative_ttl_ms = ttl;
  desk_init(&desk, "", &o);
  desk_later(1800000000000 - clock_mono_ms(&desk_clock)); /* long after the store's times */
  desk_open(&desk, DESK_MEMORY, NULL);
}

static void setup(void) {
  open_with(DESK_TTL);
}

TestSuite(metadata, .init = setup, .fini = desk_end);

static void put(const char *key, const char *colour) {
  desk_put(&desk, key);
  cr_assert_eq(mem_store_set_meta(desk.mem, key, "colour", colour), 0);
}

static uint64_t heads(void) {
  struct ns_stats s;

  ns_stats(desk.ns, &s);
  return s.heads;
}

/* The folder's HEAD may run after its LIST, which is enough to know it, and is to be counted now.
 */
static uint64_t find_folder(const char *name) {
  uint64_t before = heads();
  uint64_t ino = desk_find(&desk, NS_ROOT_INO, name);

  while (heads() == before)
    usleep(1000);
  return ino;
}

/* The file's colour: "" none, or -errno. */
static int told(uint64_t ino, bool ask, char colour[32]) {
  struct kvlist meta;
  int rc;

  kvlist_init(&meta);
  rc =
      ask ? ns_get_metadata(desk.ns, ino, &patient, &meta) : ns_known_metadata(desk.ns, ino, &meta);
  snprintf(colour, 32, "%s",
           kvlist_get_ci(&meta, "colour") != NULL ? kvlist_get_ci(&meta, "colour") : "");
  kvlist_fini(&meta);
  return rc;
}

#define expect_told(ino, ask, want)                                                                \
  do {                                                                                             \
    char colour[32];                                                                               \
    cr_expect_eq(told(ino, ask, colour), 0);                                                       \
    cr_expect_str_eq(colour, want);                                                                \
  } while (0)

static void list(uint64_t dir) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;

  cr_assert_eq(ns_dir_open(desk.ns, dir, &patient, &d), 0);
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  while (!end)
    cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  ns_dir_close(d);
}

Test(metadata, costs_one_head_a_version) {
  uint64_t dir;
  uint64_t f;
  uint64_t before;

  put("d/f", "blue");
  dir = find_folder("d");
  list(dir);
  f = desk_find(&desk, dir, "f");
  before = heads();
  expect_told(f, false, "");
  cr_expect_eq(heads(), before, "what is not known is not asked for");
  expect_told(f, true, "blue");
  expect_told(f, true, "blue");
  expect_told(f, false, "blue");
  cr_expect_eq(heads(), before + 1);
  put("d/f", "red");
  desk_later(DESK_TTL + 1);
  list(dir);
  cr_expect_eq(desk_find(&desk, dir, "f"), f);
  expect_told(f, false, "");
  expect_told(f, true, "red");
  cr_expect_eq(heads(), before + 2);
  cr_expect_eq(ns_get_metadata(desk.ns, dir, &patient, &(struct kvlist){0}), 0,
               "folders have none");
  cr_expect_eq(ns_get_metadata(desk.ns, 4711, &patient, NULL), -ESTALE);
}

Test(metadata, files_in_a_row_are_asked_for_ahead) {
  uint64_t inos[FILES];
  char name[32];
  uint64_t before;
  uint64_t dir;

  for (int i = 0; i < FILES; i++) {
    snprintf(name, sizeof(name), "d/%03d", i);
    put(name, name + 2);
  }
  dir = find_folder("d");
  list(dir);
  for (int i = 0; i < FILES; i++) {
    snprintf(name, sizeof(name), "%03d", i);
    inos[i] = desk_find(&desk, dir, name);
  }
  before = heads();
  for (int i = 0; i < FILES; i++) {
    snprintf(name, sizeof(name), "%03d", i);
    expect_told(inos[i], true, name);
    while (i == FILES / 2 && heads() < before + FILES / 2 + 8)
      usleep(1000); /* a test that hangs here found nothing asked ahead */
  }
  cr_expect_eq(heads(), before + FILES, "each once");
}

Test(metadata, of_one_file_alone_no_other_is_asked_for) {
  uint64_t dir;
  uint64_t before;

  put("d/a", "blue");
  put("d/b", "red");
  put("d/c", "green");
  dir = find_folder("d");
  list(dir);
  before = heads();
  expect_told(desk_find(&desk, dir, "b"), true, "red");
  expect_told(desk_find(&desk, dir, "a"), true, "blue");
  cr_expect_eq(heads(), before + 2);
}

Test(metadata, an_own_change_of_metadata_alone_is_seen_at_once) {
  struct store_attr attr;
  struct kvlist meta;
  uint64_t f;

  put("f", "blue");
  f = desk_find(&desk, NS_ROOT_INO, "f");
  expect_told(f, true, "blue");
  kvlist_init(&meta);
  cr_assert_eq(desk.mem->ops->head(desk.mem, "f", &attr, &meta), 0);
  kvlist_fini(&meta);
  cr_assert_eq(mem_store_set_meta(desk.mem, "f", "colour", "red"), 0);
  ns_stored(desk.ns, f, &attr, NULL); /* within one second, so the same version by its looks */
  expect_told(f, false, "");
  expect_told(f, true, "red");
}

Test(metadata, what_is_younger_than_its_clock_tells_ages) {
  uint64_t f;
  uint64_t before;

  mem_store_set_mtime(desk.mem, 1800000000);
  put("f", "blue");
  f = desk_find(&desk, NS_ROOT_INO, "f");
  before = heads();
  expect_told(f, true, "blue");
  expect_told(f, true, "blue");
  cr_expect_eq(heads(), before + 1);
  cr_assert_eq(mem_store_set_meta(desk.mem, "f", "colour", "red"), 0); /* in that very second */
  desk_later(DESK_TTL + 1);
  expect_told(f, true, "red");
}

Test(metadata, a_file_that_is_not_in_the_store_yet_has_none) {
  const struct ns_made made = {.type = NS_FILE};
  struct ns_attr a;

  cr_assert_eq(ns_made(desk.ns, NS_ROOT_INO, "new", &made, &a), 0);
  expect_told(a.ino, true, "");
  expect_told(a.ino, false, "");
}

Test(metadata_unkept, nothing_is_older_than_close_to_open_allows) {
  uint64_t f;

  open_with(0);
  mem_store_set_mtime(desk.mem, 1800000000);
  put("f", "blue");
  f = desk_find(&desk, NS_ROOT_INO, "f");
  expect_told(f, true, "blue");
  cr_assert_eq(mem_store_set_meta(desk.mem, "f", "colour", "red"), 0);
  expect_told(f, true, "red");
  desk_end();
}

Test(metadata, a_failure_is_that_of_who_asked) {
  uint64_t f;
  char none[32];

  put("f", "blue");
  f = desk_find(&desk, NS_ROOT_INO, "f");
  cr_assert_eq(mem_store_delete(desk.mem, "f"), 0);
  cr_expect_eq(told(f, true, none), -ENOENT);
  put("f", "red");
  expect_told(f, true, "red");
}
