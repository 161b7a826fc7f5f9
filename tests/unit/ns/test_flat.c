/* Walks through many folders from few LISTs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"
#include "s3apfs/base/buf.h"

TestSuite(flat, .init = desk_lasting, .fini = desk_end);

static void put_tree(unsigned folders, unsigned files) {
  char key[64];

  for (unsigned d = 0; d < folders; d++) {
    for (unsigned f = 0; f < files; f++) {
      snprintf(key, sizeof(key), "top/d%03u/f%04u", d, f);
      desk_put(&desk, key);
    }
  }
}

/* As `find` walks: entries with attributes, then each folder in turn. */
static void walk(uint64_t ino, const char *path, struct buf *out) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;
  struct {
    uint64_t ino;
    char name[NS_NAME_MAX + 1];
  } *folders = NULL;
  size_t count = 0;

  cr_assert_eq(ns_dir_open(desk.ns, ino, &patient, &d), 0, "%s", path);
  for (uint64_t at = 2;; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, true, &patient, &e, &end), 0);
    if (end)
      break;
    buf_printf(out, "%s/%s%s ", path, e.name, S_ISDIR(e.attr.mode) ? "/" : "");
    if (!S_ISDIR(e.attr.mode))
      continue;
    folders = realloc(folders, (count + 1) * sizeof(*folders));
    folders[count].ino = e.attr.ino;
    memcpy(folders[count++].name, e.name, sizeof(e.name));
  }
  ns_dir_close(d);
  for (size_t i = 0; i < count; i++) {
    char below[2048];

    snprintf(below, sizeof(below), "%s/%s", path, folders[i].name);
    walk(folders[i].ino, below, out);
  }
  free(folders);
}

static char *walk_top(void) {
  struct ns_attr a;
  struct buf b;

  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "top", &patient, &a), 0);
  buf_init(&b, 0);
  walk(a.ino, "", &b);
  return buf_take(&b);
}

static unsigned words(const char *s) {
  unsigned n = 0;

  for (; *s != '\0'; s++)
    n += *s == ' ';
  return n;
}

Test(flat, twenty_folders_of_a_hundred_files_need_few_lists) {
  unsigned before;
  char *seen;

  put_tree(20, 100);
  before = desk_counts(&desk).lists;
  seen = walk_top();
  cr_expect_eq(words(seen), 20 + 2000);
  cr_expect_not_null(strstr(seen, "/d019/f0099 "));
  cr_expect_eq(desk_counts(&desk).lists - before, 3, "%u LISTs: the look-up, and two pages",
               desk_counts(&desk).lists - before);
  free(seen);
}

Test(flat, large_folders_are_listed_by_themselves) {
  unsigned before;
  char *seen;

  put_tree(4, 2500);
  before = desk_counts(&desk).lists;
  seen = walk_top();
  cr_expect_eq(words(seen), 4 + 10000);
  cr_expect_leq(desk_counts(&desk).lists - before, 4 * 3 + 4, "%u LISTs",
                desk_counts(&desk).lists - before);
  free(seen);
}

Test(flat, small_and_large_folders_mixed) {
  char key[64];
  char *seen;

  put_tree(6, 3);
  for (unsigned i = 0; i < 1500; i++) {
    snprintf(key, sizeof(key), "top/d003/x%05u", i);
    desk_put(&desk, key);
  }
  for (unsigned i = 0; i < 5; i++) {
    snprintf(key, sizeof(key), "top/d003/deep%u/leaf", i);
    desk_put(&desk, key);
  }
  seen = walk_top();
  cr_expect_eq(words(seen), 6 + 18 + 1500 + 5 + 5);
  cr_expect_not_null(strstr(seen, "/d003/deep4/leaf "));
  cr_expect_not_null(strstr(seen, "/d005/f0002 "));
  free(seen);
}

Test(flat, a_large_folder_among_small_ones_is_jumped_over) {
  char key[64];
  unsigned before;
  char *seen;

  put_tree(30, 50);
  for (unsigned i = 0; i < 5000; i++) {
    snprintf(key, sizeof(key), "top/d010/x%05u", i);
    desk_put(&desk, key);
  }
  before = desk_counts(&desk).lists;
  seen = walk_top();
  cr_expect_eq(words(seen), 30 + 1500 + 5000);
  cr_expect_not_null(strstr(seen, "/d010/x04999 "));
  cr_expect_not_null(strstr(seen, "/d029/f0049 "));
  /* its own six pages, three flat ones, and the names above; not one for each of the 19 behind */
  cr_expect_leq(desk_counts(&desk).lists - before, 14, "%u LISTs",
                desk_counts(&desk).lists - before);
  free(seen);
}

Test(flat, odd_keys_markers_and_files_between) {
  char *seen;

  desk_put(&desk, "top/a/");
  desk_put(&desk, "top/a/x");
  desk_put(&desk, "top/a/s");
  desk_put(&desk, "top/a/s/y");
  desk_put(&desk, "top/a-file");
  desk_put(&desk, "top/b//odd");
  desk_put(&desk, "top/b/z");
  desk_put(&desk, "top/b/./odd");
  desk_put(&desk, "top/c/");
  seen = walk_top();
  cr_expect_str_eq(seen, "/a/ /a-file /b/ /c/ /a/s/ /a/x /a/s/y /b/z ");
  free(seen);
}

Test(flat, only_the_first_folder_begins_a_walk) {
  struct ns_attr top;
  struct ns_attr a;
  struct ns_dir *d;
  unsigned before;

  put_tree(20, 100);
  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "top", &patient, &top), 0);
  cr_assert_eq(ns_dir_open(desk.ns, top.ino, &patient, &d), 0);
  ns_dir_close(d);
  cr_assert_eq(ns_lookup(desk.ns, top.ino, "d007", &patient, &a), 0);
  before = desk_counts(&desk).lists;
  cr_assert_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), 0);
  ns_dir_close(d);
  cr_expect_eq(desk_counts(&desk).lists - before, 1);
}

/* --- ahead of who walks --- */

static struct ns_attr top;

/* And shows what is in it. */
static void open_top(void) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;

  cr_assert_eq(ns_lookup(desk.ns, NS_ROOT_INO, "top", &patient, &top), 0);
  cr_assert_eq(ns_dir_open(desk.ns, top.ino, &patient, &d), 0);
  for (uint64_t at = 2; !end; at = e.next)
    cr_assert_eq(ns_dir_read(d, at, true, &patient, &e, &end), 0);
  ns_dir_close(d);
}

/* Opens top/dNNN, and closes it. */
static void open_folder(unsigned number) {
  struct ns_attr a;
  struct ns_dir *d;
  char name[16];

  snprintf(name, sizeof(name), "d%03u", number);
  cr_assert_eq(ns_lookup(desk.ns, top.ino, name, &patient, &a), 0);
  cr_assert_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), 0, "%s", name);
  ns_dir_close(d);
}

static bool comes_to_wait(void) {
  for (int ms = 0; ms < 5000 && fault_store_waiting(desk.faulty) == 0; ms++)
    usleep(1000);
  return fault_store_waiting(desk.faulty) == 1;
}

Test(flat, the_next_page_is_asked_for_from_the_second_folder_on) {
  unsigned before;

  put_tree(30, 100);
  before = desk_counts(&desk).lists;
  open_top();
  open_folder(0);
  cr_expect_eq(desk_counts(&desk).lists - before, 2);
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  open_folder(0); /* the same again is no walk */
  open_folder(1);
  cr_expect(comes_to_wait(), "nobody asks for the second page");
  for (unsigned i = 2; i < 9; i++)
    open_folder(i); /* they are here already */
  fault_store_open(desk.faulty);
  for (unsigned i = 9; i < 30; i++)
    open_folder(i);
  cr_expect_eq(desk_counts(&desk).lists - before, 4);
}

Test(flat, one_folder_is_one_list) {
  unsigned before;

  put_tree(20, 100);
  open_top();
  before = desk_counts(&desk).lists;
  for (int i = 0; i < 3; i++)
    open_folder(0);
  open_folder(5);
  ns_free(desk.ns);
  desk.ns = NULL;
  cr_expect_leq(desk_counts(&desk).lists - before, 2, "not more than folders");
}

Test(flat, a_page_that_fails_ahead_ends_the_walk_and_nothing_else) {
  unsigned before;
  char *seen;

  put_tree(20, 100);
  open_top();
  before = desk_counts(&desk).lists;
  open_folder(0);
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  fault_store_fail(desk.faulty, FAULT_LIST, 0, 1, -EIO, 0);
  open_folder(1);
  cr_expect(comes_to_wait());
  fault_store_open(desk.faulty);
  seen = walk_top();
  cr_expect_eq(words(seen), 20 + 2000);
  cr_expect_leq(desk_counts(&desk).lists - before, 1 + 1 + 12);
  free(seen);
}

Test(flat, a_mount_ends_while_a_page_is_asked_for_ahead) {
  put_tree(20, 100);
  open_top();
  open_folder(0);
  fault_store_delay(desk.faulty, FAULT_LIST, 200);
  open_folder(1);
}
