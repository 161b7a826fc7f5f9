#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"
#include "s3apfs/base/text.h"

static struct desk desk;

static void setup(void) {
  desk_init(&desk, "", &desk_root);
  desk_open(&desk, DESK_MEMORY, NULL);
}

static void teardown(void) {
  desk_fini(&desk);
}

TestSuite(ns, .init = setup, .fini = teardown);

/* A folder at the top is known by its LIST; its HEAD may run after that, and is to be counted. */
static void walk_and_count(const char *folder) {
  unsigned before = desk_counts(&desk).heads;
  struct ns_attr a;

  cr_assert_eq(desk_walk(&desk, folder, &a), 0);
  while (desk_counts(&desk).heads == before)
    usleep(1000);
}

Test(ns, files_and_folders) {
  struct ns_attr a;

  desk_put(&desk, "a/b/c.txt");
  desk_put(&desk, "top.txt");
  cr_assert_eq(desk_walk(&desk, "top.txt", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFREG | 0644));
  cr_expect_eq(a.size, 7);
  cr_expect_eq(a.uid, 12);
  cr_expect_eq(a.gid, 34);
  cr_expect_gt(a.mtime_ns, 1767225600LL * 1000000000);
  cr_expect_eq(a.ttl_ms, DESK_TTL);
  cr_assert_eq(desk_walk(&desk, "a/b", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0755));
  cr_assert_eq(desk_walk(&desk, "a/b/c.txt", &a), 0);
  cr_expect_eq(desk_walk(&desk, "a/x", &a), -ENOENT);
  cr_expect_eq(desk_walk(&desk, "top.txt/x", &a), -ENOTDIR);
  desk_expect_ls(&desk, "", "a/ top.txt ");
  desk_expect_ls(&desk, "a", "b/ ");
  desk_expect_ls(&desk, "a/b", "c.txt ");
}

Test(ns, bad_names) {
  struct ns_attr a;
  char name[258];

  memset(name, 'n', 257);
  name[256] = '\0';
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, name, &patient, &a), -ENAMETOOLONG);
  name[255] = '\0';
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, name, &patient, &a), -ENOENT);
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "\xc3(", &patient, &a), -EILSEQ);
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "..", &patient, &a), -ENOENT);
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "", &patient, &a), -ENOENT);
  cr_expect_eq(ns_lookup(desk.ns, 4711, "a", &patient, &a), -ESTALE);
  cr_expect_eq(ns_getattr(desk.ns, 4711, &patient, &a), -ESTALE);
}

Test(ns, keys_of_more_than_1024_bytes) {
  struct ns_attr a;
  char name[256];
  uint64_t at = NS_ROOT_INO;
  char key[1100] = "";

  memset(name, 'n', 255);
  name[255] = '\0';
  for (int i = 0; i < 4; i++)
    snprintf(key + 256 * i, sizeof(key) - 256 * (size_t)i, "%s/", name);
  desk_put(&desk, key);
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(ns_lookup(desk.ns, at, name, &patient, &a), 0);
    at = a.ino;
    cr_expect_eq(ns_lookup(desk.ns, at, "y", &patient, &a), i < 3 ? -ENOENT : -ENAMETOOLONG);
  }
}

Test(ns, inode_numbers_are_the_same_after_a_remount) {
  uint64_t file;
  uint64_t dir;

  desk_put(&desk, "a/b");
  file = desk_ino(&desk, "a/b");
  dir = desk_ino(&desk, "a");
  desk_close(&desk);
  desk_open(&desk, DESK_MEMORY, NULL);
  cr_expect_eq(desk_ino(&desk, "a/b"), file);
  cr_expect_eq(desk_ino(&desk, "a"), dir);
  cr_expect_neq(dir, file);
}

Test(ns, listing_answers_lookups_without_requests) {
  struct mem_store_counts before;
  struct ns_attr a;

  desk_put(&desk, "d/one");
  desk_put(&desk, "d/sub/x");
  desk_expect_ls(&desk, "d", "one sub/ ");
  before = desk_counts(&desk);
  cr_expect_eq(desk_walk(&desk, "d/one", &a), 0);
  cr_expect_eq(desk_walk(&desk, "d/sub", &a), 0);
  cr_expect_eq(desk_walk(&desk, "d/none", &a), -ENOENT);
  cr_expect_eq(desk_counts(&desk).heads, before.heads);
  cr_expect_eq(desk_counts(&desk).lists, before.lists);
  desk_put(&desk, "d/none");
  desk_later(DESK_NEGATIVE_TTL);
  cr_expect_eq(desk_walk(&desk, "d/none", &a), 0, "absence is trusted for a shorter time");
}

/* The LIST that finds a folder shows what is in a small one. */
Test(ns, small_folder_that_was_looked_up_opens_without_a_request) {
  uint64_t lists;

  desk_put(&desk, "d/a");
  desk_put(&desk, "d/b");
  desk_put(&desk, "d/sub/c");
  walk_and_count("d");
  lists = desk_counts(&desk).lists;
  desk_expect_ls(&desk, "d", "a b sub/ ");
  cr_expect_eq(desk_counts(&desk).lists, lists);
  cr_expect_eq(desk_counts(&desk).heads, 1);
}

Test(ns, names_in_a_folder_that_was_only_looked_up_are_asked_for) {
  struct ns_attr a;
  uint64_t heads;

  desk_put(&desk, "d/a");
  walk_and_count("d");
  heads = desk_counts(&desk).heads;
  cr_assert_eq(desk_walk(&desk, "d/a", &a), 0);
  cr_expect_eq(desk_counts(&desk).heads, heads + 1, "its metadata may say that it is a link");
}

Test(ns, folders_in_a_folder_that_was_looked_up_are_known) {
  struct mem_store_counts before;
  struct ns_attr a;

  desk_put(&desk, "d/sub/c");
  desk_put(&desk, "d/a");
  walk_and_count("d");
  before = desk_counts(&desk);
  cr_assert_eq(desk_walk(&desk, "d/sub", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(desk_counts(&desk).heads, before.heads, "of a folder a LIST tells all");
  cr_expect_eq(desk_counts(&desk).lists, before.lists);
  desk_expect_ls(&desk, "d/sub", "c ");
  desk_later(DESK_TTL + 1);
  cr_assert_eq(mem_store_delete(desk.mem, "d/sub/c"), 0);
  cr_expect_eq(desk_walk(&desk, "d/sub", &a), -ENOENT);
}

static void show_first(const char *folder) {
  struct store_page first;

  cr_assert_eq(desk.mem->ops->list(desk.mem, folder, true, NULL, 100, &first), 0);
  ns_show_first(desk.ns, desk.catalog.roots[0], &first, clock_mono_ms(&desk_clock));
  store_page_fini(&first);
}

/* A mount's first request is a LIST. */
Test(ns, folders_that_the_first_list_showed_are_known) {
  struct mem_store_counts before;
  struct ns_attr a;

  desk_put(&desk, "d/c");
  desk_put(&desk, "f");
  show_first("");
  before = desk_counts(&desk);
  cr_assert_eq(desk_walk(&desk, "d", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(desk_counts(&desk).heads + desk_counts(&desk).lists, before.heads + before.lists);
  cr_assert_eq(desk_walk(&desk, "f", &a), 0);
  cr_expect_eq(desk_counts(&desk).heads, before.heads + 1, "a file may be a link");
  desk_put(&desk, "later");
  desk_expect_ls(&desk, "", "d/ f later ");
}

Test(ns, own_changes_count_more_than_the_first_list) {
  struct ns_attr a;

  desk_put(&desk, "d/c");
  desk_put(&desk, "e/c");
  show_first("");
  ns_removed(desk.ns, NS_ROOT_INO, "d");
  cr_assert_eq(mem_store_delete(desk.mem, "d/c"), 0);
  cr_expect_eq(desk_walk(&desk, "d", &a), -ENOENT);
  cr_expect_eq(desk_walk(&desk, "e", &a), 0);
}

Test(ns, the_first_list_gets_old) {
  struct ns_attr a;

  desk_put(&desk, "d/c");
  show_first("");
  cr_assert_eq(mem_store_delete(desk.mem, "d/c"), 0);
  desk_later(DESK_TTL);
  cr_expect_eq(desk_walk(&desk, "d", &a), -ENOENT);
}

Test(ns, large_folder_is_listed_for_itself) {
  struct ns_attr a;
  char key[32];
  uint64_t lists;
  int rc;

  for (int i = 0; i < 150; i++) {
    snprintf(key, sizeof(key), "d/%03d", i);
    desk_put(&desk, key);
  }
  cr_assert_eq(desk_walk(&desk, "d", &a), 0);
  lists = desk_counts(&desk).lists;
  free(desk_ls(&desk, a.ino, false, &rc));
  cr_expect_eq(rc, 0);
  cr_expect_eq(desk_counts(&desk).lists, lists + 1);
}

Test(ns, what_a_look_up_saw_gets_old) {
  uint64_t ino;
  char *got;
  int rc;

  desk_put(&desk, "d/a");
  ino = desk_ino(&desk, "d");
  desk_later(DESK_TTL + 1);
  desk_put(&desk, "d/b");
  got = desk_ls(&desk, ino, false, &rc);
  cr_expect_str_eq(got, "a b ");
  free(got);
}

Test(ns, own_changes_are_shown_over_what_a_look_up_saw) {
  struct ns_made m = {.type = NS_FILE};
  uint64_t ino;

  desk_put(&desk, "d/a");
  desk_put(&desk, "d/c");
  ino = desk_ino(&desk, "d");
  desk_put(&desk, "d/b");
  cr_assert_eq(ns_made(desk.ns, ino, "b", &m, NULL), 0);
  ns_removed(desk.ns, ino, "c");
  cr_assert_eq(mem_store_delete(desk.mem, "d/c"), 0);
  desk_expect_ls(&desk, "d", "a b ");
}

Test(ns, what_is_known_is_used_for_its_time) {
  struct ns_attr a;
  unsigned heads;

  desk_put(&desk, "f");
  cr_assert_eq(desk_walk(&desk, "f", &a), 0);
  heads = desk_counts(&desk).heads;
  desk_later(DESK_TTL - 1);
  cr_assert_eq(desk_walk(&desk, "f", &a), 0);
  cr_expect_eq(a.ttl_ms, 1);
  cr_expect_eq(desk_counts(&desk).heads, heads);
  cr_assert_eq(mem_store_put(desk.mem, "f", "longer now", 10), 0);
  desk_later(1);
  cr_assert_eq(ns_getattr(desk.ns, a.ino, &patient, &a), 0);
  cr_expect_eq(a.size, 10);
  cr_expect_eq(desk_counts(&desk).heads, heads + 1);
}

Test(ns, absent_names_are_remembered_briefly) {
  struct ns_attr a;
  unsigned heads;

  cr_expect_eq(desk_walk(&desk, "new", &a), -ENOENT);
  heads = desk_counts(&desk).heads;
  desk_put(&desk, "new");
  cr_expect_eq(desk_walk(&desk, "new", &a), -ENOENT);
  cr_expect_eq(desk_counts(&desk).heads, heads);
  desk_later(DESK_NEGATIVE_TTL);
  cr_expect_eq(desk_walk(&desk, "new", &a), 0);
  cr_expect_eq(ns_negative_ttl(desk.ns, NS_ROOT_INO), DESK_NEGATIVE_TTL);
}

Test(ns, folder_wins_over_object_of_the_same_name) {
  struct ns_stats st;
  struct ns_attr a;

  desk_put(&desk, "a");
  desk_put(&desk, "a-b");
  desk_put(&desk, "a/x");
  cr_assert_eq(desk_walk(&desk, "a", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  desk_expect_ls(&desk, "", "a/ a-b ");
  ns_stats(desk.ns, &st);
  cr_expect_eq(st.hidden, 1);
  cr_assert_eq(desk_walk(&desk, "a", &a), 0);
  cr_expect(S_ISDIR(a.mode));
}

Test(ns, odd_keys_are_hidden_and_counted) {
  struct ns_stats st;
  struct ns_attr a;
  char key[400];

  desk_put(&desk, "d/");
  desk_put(&desk, "d//x");
  desk_put(&desk, "d/./x");
  desk_put(&desk, "d/../x");
  desk_put(&desk, "d/.");
  desk_put(&desk, "d/ok");
  desk_put(&desk, "d/.s3keep");
  desk_put(&desk, "d/bad\xff");
  desk_put(&desk, "d/gr\xc3\xbc\xc3\x9f"
                  "e");
  memset(key, 'k', sizeof(key));
  memcpy(key, "d/", 2);
  key[2 + 256] = '\0';
  desk_put(&desk, key);
  key[2 + 255] = '\0';
  desk_put(&desk, key);
  cr_assert_eq(desk_walk(&desk, "d", &a), 0);
  {
    int rc;
    char *got = desk_ls(&desk, a.ino, false, &rc);

    cr_assert_eq(rc, 0);
    cr_expect_eq(strlen(got), strlen("gr\xc3\xbc\xc3\x9f"
                                     "e ok ") +
                                  256);
    cr_expect(text_has_prefix(got, "gr\xc3\xbc\xc3\x9f"
                                   "e kkk"));
    free(got);
  }
  ns_stats(desk.ns, &st);
  cr_expect_eq(st.hidden, 6);
  cr_expect_eq(desk_walk(&desk, "d/.s3keep", &a), -ENOENT);
}

Test(ns, empty_root_and_marker_folders) {
  struct ns_attr a;

  desk_expect_ls(&desk, "", "");
  desk_put(&desk, "empty/");
  desk_later(DESK_TTL);
  desk_expect_ls(&desk, "", "empty/ ");
  desk_expect_ls(&desk, "empty", "");
  cr_expect_eq(desk_walk(&desk, "empty/x", &a), -ENOENT);
}

static void put_many(unsigned n) {
  char key[32];

  for (unsigned i = 0; i < n; i++) {
    snprintf(key, sizeof(key), "big/f%06u", i);
    cr_assert_eq(mem_store_put(desk.mem, key, "x", 1), 0);
  }
}

/* Reads a directory of put_many() in handles' order and compares every name. */
static unsigned check_many(uint64_t ino, bool plus) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;
  unsigned n = 0;

  cr_assert_eq(ns_dir_open(desk.ns, ino, &patient, &d), 0);
  for (uint64_t at = 0; !end; at = e.next) {
    char want[32];

    cr_assert_eq(ns_dir_read(d, at, plus, &patient, &e, &end), 0);
    if (end)
      break;
    if (at < 2)
      continue;
    snprintf(want, sizeof(want), "f%06u", n);
    cr_assert_str_eq(e.name, want);
    if (plus) {
      cr_assert_eq(e.attr.size, 1);
      ns_forget(desk.ns, e.attr.ino, 1);
    }
    n++;
  }
  ns_dir_close(d);
  return n;
}

/* One LIST finds the folder, 25 show it, two at most look behind its end. */
Test(ns, directory_of_25000_names) {
  struct ns_stats st;
  struct ns_attr a;
  uint64_t ino;

  put_many(25000);
  ino = desk_ino(&desk, "big");
  cr_expect_eq(check_many(ino, true), 25000);
  cr_expect_eq(desk_counts(&desk).heads, 1, "no HEAD for an entry");
  cr_expect_leq(desk_counts(&desk).lists, 28);
  cr_expect_eq(check_many(ino, false), 25000);
  cr_expect_leq(desk_counts(&desk).lists, 28, "from the listing at hand");
  cr_expect_eq(desk_walk(&desk, "big/f024999", &a), 0);
  cr_expect_eq(desk_walk(&desk, "big/f025000", &a), -ENOENT);
  cr_expect_leq(desk_counts(&desk).lists, 28);
  ns_stats(desk.ns, &st);
  cr_expect_leq(st.nodes, 10, "forgotten nodes are gone");
}

Test(ns, huge_directory_in_little_memory) {
  struct ns_stats st;
  uint64_t ino;

  put_many(25000);
  desk_close(&desk);
  desk_open(&desk, 300 << 10, NULL);
  ino = desk_ino(&desk, "big");
  cr_expect_eq(check_many(ino, false), 25000);
  ns_stats(desk.ns, &st);
  cr_expect_leq(st.listing_bytes, 300 << 10);
  cr_expect_leq(desk_counts(&desk).lists, 30);
}

Test(ns, no_memory_for_listings_at_all) {
  put_many(2500);
  desk_close(&desk);
  desk_open(&desk, 1, NULL);
  cr_expect_eq(check_many(desk_ino(&desk, "big"), true), 2500);
}

Test(ns, offsets_stay_when_pages_were_dropped) {
  struct ns_dir *d;
  struct ns_entry e;
  uint64_t mark = 0;
  bool end = false;

  put_many(25000);
  desk_close(&desk);
  desk_open(&desk, 300 << 10, NULL);
  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "big"), &patient, &d), 0);
  for (uint64_t at = 0; !end; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, false, &patient, &e, &end), 0);
    if (!end && strcmp(e.name, "f001234") == 0)
      mark = e.next;
  }
  cr_assert_neq(mark, 0);
  cr_assert_eq(ns_dir_read(d, mark, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "f001235");
  ns_dir_close(d);
}

Test(ns, folder_and_file_on_different_pages) {
  char key[32];
  int rc;
  char *got;

  desk_put(&desk, "d/a");
  for (unsigned i = 0; i < 999; i++) {
    snprintf(key, sizeof(key), "d/a-%04u", i);
    desk_put(&desk, key);
  }
  desk_put(&desk, "d/a/x");
  got = desk_ls(&desk, desk_ino(&desk, "d"), true, &rc);
  cr_assert_eq(rc, 0);
  cr_expect(text_has_prefix(got, "a-0000 "), "the file is hidden");
  cr_expect(text_has_suffix(got, " a/ "));
  free(got);
}

Test(ns, folder_that_comes_pages_after_its_file) {
  char key[32];
  int rc;
  char *got;

  desk_put(&desk, "d/a");
  for (unsigned i = 0; i < 2500; i++) {
    snprintf(key, sizeof(key), "d/a-%04u", i);
    desk_put(&desk, key);
  }
  desk_put(&desk, "d/a/x");
  desk_put(&desk, "d/b");
  got = desk_ls(&desk, desk_ino(&desk, "d"), true, &rc);
  cr_assert_eq(rc, 0);
  cr_expect(text_has_prefix(got, "a a-0000 "));
  cr_expect(text_has_suffix(got, "a-2499 b "), "a name is shown once");
  free(got);
}

Test(ns, rewinding_shows_what_is_new) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;

  desk_put(&desk, "d/a");
  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "d"), &patient, &d), 0);
  desk_put(&desk, "d/0");
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  cr_assert_eq(ns_dir_read(d, 2, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "a", "the listing is still fresh");
  desk_later(DESK_TTL);
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, ".");
  cr_assert_eq(ns_dir_read(d, 2, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "0");
  ns_dir_close(d);
}

/* --- GET without LIST --- */

Test(ns, get_without_list) {
  struct ns_attr a;
  struct ns_dir *d;
  unsigned lists;

  desk_put(&desk, "data/deep/known.csv");
  mem_store_deny_list(desk.mem, true);
  cr_expect_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), -EACCES);
  cr_assert_eq(desk_walk(&desk, "data/deep/known.csv", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_assert_eq(desk_walk(&desk, "data/deep", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), -EACCES);
  cr_assert_eq(desk_walk(&desk, "data/deep/unknown.csv", &a), 0, "cannot be told from a folder");
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), -EACCES);
  cr_expect(ns_root_unlistable(desk.ns, desk.catalog.roots[0]));
  lists = desk_counts(&desk).lists;
  for (unsigned i = 0; i < 20; i++) {
    char path[64];

    snprintf(path, sizeof(path), "data/deep/other%u/x", i);
    cr_assert_eq(desk_walk(&desk, path, &a), 0);
  }
  cr_expect_eq(desk_counts(&desk).lists, lists, "no more denied calls for names");
}

Test(ns, known_objects_cost_no_denied_list) {
  struct ns_attr a;
  unsigned lists;
  char key[16];

  for (unsigned i = 0; i < 20; i++) {
    snprintf(key, sizeof(key), "f%u", i);
    desk_put(&desk, key);
  }
  mem_store_deny_list(desk.mem, true);
  cr_assert_eq(desk_walk(&desk, "f0", &a), 0);
  lists = desk_counts(&desk).lists;
  for (unsigned i = 1; i < 20; i++) {
    snprintf(key, sizeof(key), "f%u", i);
    cr_assert_eq(desk_walk(&desk, key, &a), 0);
    cr_expect(S_ISREG(a.mode));
  }
  cr_expect_eq(desk_counts(&desk).lists, lists);
}

Test(ns, unprovable_folder_becomes_a_file_soon) {
  struct ns_attr a;
  uint64_t before;

  mem_store_deny_list(desk.mem, true);
  cr_assert_eq(desk_walk(&desk, "late", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_leq(a.ttl_ms, DESK_NEGATIVE_TTL);
  before = a.ino;
  desk_put(&desk, "late");
  desk_later(DESK_NEGATIVE_TTL);
  cr_assert_eq(desk_walk(&desk, "late", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_expect_neq(a.ino, before, "another type is another inode");
}

Test(ns, denied_folder_shows_no_read_permission) {
  struct ns_attr a;
  struct ns_dir *d;

  desk_put(&desk, "f");
  mem_store_deny_list(desk.mem, true);
  cr_assert_eq(desk_walk(&desk, "folder", &a), 0);
  cr_expect_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), -EACCES);
  cr_assert_eq(ns_getattr(desk.ns, a.ino, &patient, &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0111));
}

Test(ns, list_allowed_only_deep_down) {
  struct ns_attr a;
  struct ns_dir *d;

  desk_put(&desk, "home/me/f");
  desk_put(&desk, "home/you/g");
  mem_store_allow_list_below(desk.mem, "home/me/");
  cr_expect_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), -EACCES);
  cr_assert_eq(desk_walk(&desk, "home/you", &a), 0);
  cr_expect_eq(ns_dir_open(desk.ns, a.ino, &patient, &d), -EACCES);
  desk_expect_ls(&desk, "home/me", "f ");
  cr_expect_eq(desk_walk(&desk, "home/me/none", &a), -ENOENT);
  cr_assert_eq(desk_walk(&desk, "home/you/g", &a), 0);
  cr_expect(S_ISREG(a.mode));
}

Test(ns, denied_object_marks_no_neighbour) {
  struct ns_attr a;
  struct ns_object o;

  desk_put(&desk, "d/open");
  desk_put(&desk, "d/shut");
  mem_store_deny_key(desk.mem, "d/shut", true);
  cr_assert_eq(desk_walk(&desk, "d/shut", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_expect_eq(a.size, 6);
  cr_assert_eq(desk_walk(&desk, "d/open", &a), 0);
  desk_expect_ls(&desk, "d", "open shut ");
  desk_later(DESK_TTL);
  cr_assert_eq(ns_getattr(desk.ns, desk_ino(&desk, "d/shut"), &patient, &a), 0);
  cr_assert_eq(ns_get_object(desk.ns, desk_ino(&desk, "d/shut"), &patient, &o), 0);
  cr_expect_str_eq(o.key, "d/shut");
  ns_object_fini(&o);
  cr_expect_not(ns_root_unlistable(desk.ns, desk.catalog.roots[0]));
}

/* --- faults --- */

Test(ns, errors_of_the_store) {
  struct ns_attr a;
  struct ns_dir *d;

  desk_put(&desk, "d/f");
  fault_store_fail(desk.faulty, FAULT_HEAD, 0, 1, -EIO, 0);
  cr_expect_eq(desk_walk(&desk, "nothing", &a), -EIO);
  cr_expect_eq(desk_walk(&desk, "nothing", &a), -ENOENT, "a failure is not remembered");
  fault_store_fail(desk.faulty, FAULT_LIST, 0, 1, -ETIMEDOUT, 0);
  cr_expect_eq(desk_walk(&desk, "x", &a), -ETIMEDOUT);
  fault_store_fail(desk.faulty, FAULT_LIST, 0, 1, -EIO, 0);
  cr_expect_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), -EIO);
  desk_expect_ls(&desk, "", "d/ ");
}

Test(ns, failing_page_in_the_middle) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;
  uint64_t at = 0;
  unsigned failed = 0;

  put_many(3000);
  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "big"), &patient, &d), 0);
  /* until the reader sees it: a page may also be asked for ahead of him */
  fault_store_fail(desk.faulty, FAULT_LIST, 1, UINT_MAX, -EIO, 0);
  for (unsigned n = 0; n < 3002;) {
    int rc = ns_dir_read(d, at, false, &patient, &e, &end);

    if (rc == 0) {
      cr_assert_not(end);
      at = e.next;
      n++;
    } else {
      cr_assert_eq(rc, -EIO);
      cr_expect_geq(n, 2, "what came before is intact");
      failed++;
      fault_store_fail(desk.faulty, FAULT_LIST, 0, 0, 0, 0);
    }
  }
  cr_expect_geq(failed, 1);
  cr_assert_eq(ns_dir_read(d, at, false, &patient, &e, &end), 0);
  cr_expect(end);
  ns_dir_close(d);
}

static bool yes(void *arg) {
  (void)arg;
  return true;
}

Test(ns, interrupted_and_late_calls) {
  struct patience interrupted = {.interrupted = yes};
  struct patience hurried = {.deadline_mono_ms = clock_mono_ms(&clock_system) + 30};
  struct ns_attr a;
  struct ns_dir *d;

  desk_put(&desk, "d/f");
  fault_store_gate(desk.faulty, FAULT_HEAD, 0);
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "d", &interrupted, &a), -EINTR);
  cr_expect_eq(ns_lookup(desk.ns, NS_ROOT_INO, "d", &hurried, &a), -ETIMEDOUT);
  cr_expect_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &interrupted, &d), -EINTR);
  fault_store_open(desk.faulty);
  desk_expect_ls(&desk, "", "d/ ");
}

Test(ns, expired_node_is_asked_for_again) {
  struct ns_attr a;
  struct ns_object o;

  desk_put(&desk, "d/f");
  desk_expect_ls(&desk, "d", "f ");
  cr_assert_eq(desk_walk(&desk, "d/f", &a), 0);
  cr_assert_eq(mem_store_put(desk.mem, "d/f", "changed!", 8), 0);
  ns_expire(desk.ns, a.ino, -ESTALE);
  cr_assert_eq(ns_get_object(desk.ns, a.ino, &patient, &o), 0);
  cr_expect_eq(o.attr.size, 8, "not from the older listing");
  ns_object_fini(&o);
  cr_assert_eq(mem_store_delete(desk.mem, "d/f"), 0);
  ns_expire(desk.ns, a.ino, -ENOENT);
  cr_expect_eq(ns_get_object(desk.ns, a.ino, &patient, &o), -ENOENT);
  cr_expect_eq(desk_walk(&desk, "d/f", &a), -ENOENT);
  cr_expect_eq(ns_get_object(desk.ns, desk_ino(&desk, "d"), &patient, &o), -EISDIR);
}

Test(ns, vanished_folder) {
  struct ns_attr a;

  desk_put(&desk, "d/f");
  cr_assert_eq(desk_walk(&desk, "d", &a), 0);
  cr_assert_eq(mem_store_delete(desk.mem, "d/f"), 0);
  cr_expect_eq(ns_getattr(desk.ns, a.ino, &patient, &a), 0);
  desk_later(DESK_TTL);
  cr_expect_eq(ns_getattr(desk.ns, a.ino, &patient, &a), -ENOENT);
}

/* --- references --- */

Test(ns, forgetting_frees_nodes) {
  struct ns_stats st;
  struct ns_attr a;

  desk_put(&desk, "a/b/c");
  cr_assert_eq(desk_walk(&desk, "a/b/c", &a), 0);
  ns_stats(desk.ns, &st);
  cr_expect_eq(st.nodes, 4);
  cr_assert_eq(ns_hold(desk.ns, a.ino), 0);
  ns_forget(desk.ns, desk_ino(&desk, "a"), 2);
  ns_forget(desk.ns, desk_ino(&desk, "a/b"), 100);
  ns_forget(desk.ns, a.ino, 1);
  cr_expect_eq(ns_getattr(desk.ns, a.ino, &patient, &a), 0, "held");
  ns_release(desk.ns, a.ino);
  cr_expect_eq(ns_getattr(desk.ns, a.ino, &patient, &a), -ESTALE);
  ns_forget(desk.ns, 4711, 1);
  cr_expect_eq(ns_hold(desk.ns, 4711), -ESTALE);
}

static atomic_bool stop;

static void *look_up_and_forget(void *arg) {
  unsigned seed = (unsigned)(uintptr_t)arg;

  while (!atomic_load(&stop)) {
    static const char *const names[] = {"a", "b", "none", "dir"};
    struct ns_attr a;
    int rc = ns_lookup(desk.ns, NS_ROOT_INO, names[rand_r(&seed) % 4], &patient, &a);

    if (rc == 0) {
      struct ns_attr b;

      rc = ns_getattr(desk.ns, a.ino, &patient, &b);
      if (rc != 0 || a.ino != b.ino)
        abort();
      ns_forget(desk.ns, a.ino, 1);
    } else if (rc != -ENOENT) {
      abort();
    }
    if (rand_r(&seed) % 16 == 0)
      desk_later(DESK_NEGATIVE_TTL);
  }
  return NULL;
}

static void *list_and_forget(void *arg) {
  (void)arg;
  while (!atomic_load(&stop)) {
    int rc;
    char *got = desk_ls(&desk, NS_ROOT_INO, true, &rc);

    if (rc != 0 || strcmp(got, "a b dir/ ") != 0)
      abort();
    free(got);
  }
  return NULL;
}

Test(ns, lookups_forgets_and_listings_at_once) {
  pthread_t threads[8];
  struct ns_stats st;

  desk_put(&desk, "a");
  desk_put(&desk, "b");
  desk_put(&desk, "dir/x");
  for (uintptr_t i = 0; i < 8; i++)
    cr_assert_eq(
        pthread_create(&threads[i], NULL, i < 5 ? look_up_and_forget : list_and_forget, (void *)i),
        0);
  usleep(300000);
  atomic_store(&stop, true);
  for (unsigned i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  ns_stats(desk.ns, &st);
  cr_expect_eq(st.nodes, 1);
}

static void *open_listing(void *arg) {
  struct ns_dir *d;

  (void)arg;
  if (ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d) != 0)
    abort();
  ns_dir_close(d);
  return NULL;
}

Test(ns, listing_is_asked_for_once) {
  pthread_t threads[8];

  desk_put(&desk, "a");
  fault_store_gate(desk.faulty, FAULT_LIST, 0);
  for (unsigned i = 0; i < 8; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, open_listing, NULL), 0);
  while (fault_store_waiting(desk.faulty) == 0)
    usleep(1000);
  usleep(20000);
  fault_store_open(desk.faulty);
  for (unsigned i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  cr_expect_eq(desk_counts(&desk).lists, 1);
}

/* --- roots --- */

static void add_root(const char *path, const char *key) {
  cr_assert_eq(mem_store_put(desk_add(&desk, path), key, key, strlen(key)), 0);
}

static void setup_roots(void) {
  desk_init(&desk, "customers", &desk_root);
  desk_put(&desk, "c1");
  add_root("team/product", "p/1");
  add_root("team/people/all", "q");
  desk_open(&desk, DESK_MEMORY, NULL);
}

TestSuite(ns_roots, .init = setup_roots, .fini = teardown);

Test(ns_roots, nested_names) {
  struct ns_attr a;
  struct ns_attr b;
  const struct root *r;
  char *key;

  desk_expect_ls(&desk, "", "customers/ team/ ");
  desk_expect_ls(&desk, "team", "product/ people/ ");
  desk_expect_ls(&desk, "team/people", "all/ ");
  desk_expect_ls(&desk, "customers", "c1 ");
  desk_expect_ls(&desk, "team/product", "p/ ");
  desk_expect_ls(&desk, "team/product/p", "1 ");
  cr_expect_eq(desk_walk(&desk, "team/none", &a), -ENOENT);
  cr_expect_eq(desk_walk(&desk, "none", &a), -ENOENT);
  cr_assert_eq(desk_walk(&desk, "team", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0555));
  cr_assert_eq(desk_walk(&desk, "team/product", &b), 0);
  cr_expect_eq(b.mode, (mode_t)(S_IFDIR | 0755));
  ns_forget(desk.ns, b.ino, 1000);
  cr_assert_eq(ns_get_key(desk.ns, b.ino, &r, &key), 0, "roots are never forgotten");
  cr_expect_str_eq(key, "");
  cr_expect_str_eq(r->path, "team/product");
  free(key);
  cr_assert_eq(ns_get_key(desk.ns, desk_ino(&desk, "team/product/p"), &r, &key), 0);
  cr_expect_str_eq(key, "p/");
  free(key);
  cr_assert_eq(ns_get_key(desk.ns, a.ino, &r, &key), 0);
  cr_expect_null(r);
  free(key);
  cr_assert_eq(ns_get_key(desk.ns, desk_ino(&desk, "team/product/p/1"), &r, &key), 0);
  cr_expect_str_eq(key, "p/1");
  free(key);
}

Test(ns_roots, dot_dot_is_the_parent) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;

  cr_assert_eq(ns_dir_open(desk.ns, desk_ino(&desk, "team/product"), &patient, &d), 0);
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, ".");
  cr_expect_eq(e.attr.ino, desk_ino(&desk, "team/product"));
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "..");
  cr_expect_eq(e.attr.ino, desk_ino(&desk, "team"));
  ns_dir_close(d);
}

Test(ns_roots, same_keys_in_two_roots_are_two_inodes) {
  uint64_t before = desk_ino(&desk, "team/product/p/1");

  desk_close(&desk);
  add_root("other", "p/1");
  desk_open(&desk, DESK_MEMORY, NULL);
  cr_expect_neq(desk_ino(&desk, "other/p/1"), before);
  cr_expect_eq(desk_ino(&desk, "team/product/p/1"), before, "whatever stands beside it");
}

Test(ns_roots, read_only_store_shows_no_write_permission) {
  struct ns_attr a;

  desk.faulty->read_only = true;
  cr_assert_eq(desk_walk(&desk, "customers/c1", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFREG | 0444));
  cr_assert_eq(desk_walk(&desk, "customers", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0555));
}

Test(ns_roots, empty_catalog) {
  struct ns_options o = {.clock = &desk_clock, .budget = desk.budget};
  struct ns *none;

  cr_expect_eq(ns_new(&(struct catalog){0}, &o, &none), -EINVAL);
}
