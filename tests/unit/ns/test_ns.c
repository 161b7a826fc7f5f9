/* How names and attributes are found, and how long what was found is used. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"
#include "s3apfs/base/text.h"

TestSuite(ns, .init = desk_usual, .fini = desk_end);

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
