/* What the tree shows of this mount's own changes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../support/remove_tree.h"
#include "desk.h"

TestSuite(change, .init = desk_usual, .fini = desk_end);

static struct store_attr put(const char *key) {
  struct store_attr a;

  desk_put(&desk, key);
  cr_assert_eq(desk.mem->ops->head(desk.mem, key, &a, NULL), 0);
  return a;
}

static void new_tree_over(struct state *state) {
  struct ns_options o = {.clock = &desk_clock, .state = state};

  desk_close(&desk);
  desk_open(&desk, DESK_MEMORY, &o);
}

static struct ns_attr listed(const char *name) {
  struct ns_entry e;
  struct ns_dir *d;
  bool end = false;

  cr_assert_eq(ns_dir_open(desk.ns, NS_ROOT_INO, &patient, &d), 0);
  for (uint64_t at = 0; !end; at = e.next) {
    cr_assert_eq(ns_dir_read(d, at, true, &patient, &e, &end), 0);
    cr_assert_not(end, "%s is not listed", name);
    if (strcmp(e.name, name) == 0)
      break;
  }
  ns_dir_close(d);
  return e.attr;
}

/* The commit that took a mode along may be over before the tree is told of the mode. */
Test(change, what_was_set_on_a_stored_file_is_remembered) {
  struct posix before = {.has_mode = true, .mode = S_IFREG | 0644};
  struct posix after = {.has_mode = true, .mode = S_IFREG | 0600};
  char dir[] = "/tmp/s3apfs-change-XXXXXX";
  struct store_attr stored = put("f");
  struct state *state;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_not_null(mkdtemp(dir));
  cr_assert_eq(state_open(dir, "mount", &why, &state), 0, "%s", buf_cstr(&why));
  new_tree_over(state);
  ns_stored(desk.ns, listed("f").ino, &stored, &before);
  cr_assert_eq(ns_dressed(desk.ns, listed("f").ino, &after), 0);
  new_tree_over(state);
  cr_expect_eq(listed("f").mode, (mode_t)(S_IFREG | 0600));
  new_tree_over(NULL);
  state_close(state);
  buf_fini(&why);
  cr_expect_eq(remove_tree(dir), 0);
}

static unsigned requests(void) {
  struct mem_store_counts c = desk_counts(&desk);

  return c.heads + c.lists;
}

static uint64_t make(const char *dir, const char *name, enum ns_type type,
                     const struct store_attr *attr) {
  struct ns_made m = {.type = type, .attr = attr};
  struct ns_attr a;

  cr_assert_eq(ns_made(desk.ns, desk_ino(&desk, dir), name, &m, &a), 0);
  return a.ino;
}

Test(change, made_names_are_there_at_once) {
  struct ns_attr a;
  struct store_attr new;

  put("d/b");
  desk_expect_ls(&desk, "d", "b ");
  cr_expect_eq(desk_walk(&desk, "d/a", &a), -ENOENT);
  new = put("d/a");
  make("d", "a", NS_FILE, &new);
  make("d", "sub", NS_DIR, NULL);
  new = put("d/l");
  make("d", "l", NS_LINK, &new);
  desk_expect_ls(&desk, "d", "b a sub/ l@ ");
  cr_assert_eq(desk_walk(&desk, "d/a", &a), 0);
  cr_expect_eq(a.size, 3);
}

Test(change, a_listing_that_began_later_is_believed) {
  struct store_attr new;

  desk_expect_ls(&desk, "", "");
  new = put("a");
  make("", "a", NS_FILE, &new);
  mem_store_delete(desk.mem, "a"); /* another host */
  desk_expect_ls(&desk, "", "a ");
  desk_later(DESK_TTL + 1);
  desk_expect_ls(&desk, "", "");
}

Test(change, removed_names_are_gone_at_once) {
  struct ns_attr a;

  put("d/a");
  put("d/b");
  desk_expect_ls(&desk, "d", "a b ");
  mem_store_delete(desk.mem, "d/a");
  ns_removed(desk.ns, desk_ino(&desk, "d"), "a");
  desk_expect_ls(&desk, "d", "b ");
  cr_expect_eq(desk_walk(&desk, "d/a", &a), -ENOENT);
  put("d/a"); /* another host: found after the negative ttl */
  cr_expect_eq(desk_walk(&desk, "d/a", &a), -ENOENT);
  desk_later(DESK_NEGATIVE_TTL + 1);
  cr_expect_eq(desk_walk(&desk, "d/a", &a), 0);
}

Test(change, a_removed_inode_lives_on_without_a_name) {
  struct ns_attr a;
  struct ns_attr b;
  struct ns_child c;

  put("a");
  cr_assert_eq(desk_walk(&desk, "a", &a), 0);
  mem_store_delete(desk.mem, "a");
  ns_removed(desk.ns, NS_ROOT_INO, "a");
  desk_later(DESK_TTL + 1);
  cr_assert_eq(ns_getattr(desk.ns, a.ino, &patient, &b), 0);
  cr_expect(b.gone);
  cr_expect_eq(b.size, 1);
  cr_expect_eq(ns_child_of(desk.ns, a.ino, &patient, &c), -ENOENT);
  put("a");
  cr_assert_eq(desk_walk(&desk, "a", &b), 0);
  cr_expect_neq(a.ino, b.ino, "the number is still in use");
  ns_forget(desk.ns, a.ino, 1);
}

Test(change, what_was_removed_before_it_was_stored_is_no_object) {
  struct ns_object o;
  uint64_t ino = make("", "a", NS_FILE, NULL);

  ns_removed(desk.ns, NS_ROOT_INO, "a");
  cr_expect_eq(ns_get_object(desk.ns, ino, &patient, &o), -ESTALE, "an open that comes too late");
}

Test(change, local_files_outlast_listings_until_they_are_stored) {
  struct ns_attr a;
  struct store_attr stored;
  uint64_t ino;
  unsigned before;

  put("b");
  ino = make("", "a", NS_FILE, NULL);
  desk_later(DESK_TTL + 1);
  desk_expect_ls(&desk, "", "b a ");
  desk_later(DESK_TTL + 1);
  desk_expect_ls(&desk, "", "b a ");
  ns_written(desk.ns, ino, 77, 5000000000);
  before = requests();
  cr_assert_eq(desk_walk(&desk, "a", &a), 0);
  cr_expect_eq(a.size, 77);
  cr_expect_eq(a.mtime_ns, 5000000000);
  cr_expect_eq(requests(), before);
  cr_expect(ns_has_local(desk.ns, NS_ROOT_INO));
  stored = put("a");
  ns_stored(desk.ns, ino, &stored, NULL);
  cr_expect_not(ns_has_local(desk.ns, NS_ROOT_INO));
  desk_expect_ls(&desk, "", "b a ");
  desk_later(DESK_TTL + 1);
  desk_expect_ls(&desk, "", "a b ");
  cr_expect_eq(desk_ino(&desk, "a"), ino);
}

Test(change, moved_files_keep_their_inode) {
  struct ns_attr a;
  struct store_attr new;
  uint64_t ino;

  put("d/a");
  put("e/x");
  put("e/b");
  desk_expect_ls(&desk, "d", "a ");
  desk_expect_ls(&desk, "e", "b x ");
  ino = desk_ino(&desk, "d/a");
  mem_store_delete(desk.mem, "d/a");
  new = put("e/b");
  cr_assert_eq(ns_moved(desk.ns, ino, desk_ino(&desk, "e"), "b", &new), 0);
  cr_expect_eq(desk_ino(&desk, "e/b"), ino);
  cr_expect_eq(desk_walk(&desk, "d/a", &a), -ENOENT);
  desk_expect_ls(&desk, "e", "b x ");
  desk_later(DESK_TTL + 1);
  desk_expect_ls(&desk, "e", "b x ");
  cr_expect_eq(desk_ino(&desk, "e/b"), ino);
}

Test(change, moved_folders_take_their_names_along) {
  struct ns_attr a;
  uint64_t dir;
  uint64_t file;

  put("d/s/a");
  put("d/s/t/b");
  dir = desk_ino(&desk, "d/s");
  file = desk_ino(&desk, "d/s/t/b");
  desk_expect_ls(&desk, "d/s", "a t/ ");
  mem_store_delete(desk.mem, "d/s/a");
  mem_store_delete(desk.mem, "d/s/t/b");
  put("n/a");
  put("n/t/b");
  cr_assert_eq(ns_moved(desk.ns, dir, NS_ROOT_INO, "n", NULL), 0);
  cr_expect_eq(desk_ino(&desk, "n"), dir);
  cr_expect_eq(desk_ino(&desk, "n/t/b"), file);
  cr_expect_eq(desk_walk(&desk, "d/s", &a), -ENOENT);
  desk_expect_ls(&desk, "n", "a t/ ");
  put("d/s/a"); /* the old name can be used again, for another inode */
  desk_later(DESK_NEGATIVE_TTL + 1);
  cr_expect_neq(desk_ino(&desk, "d/s"), dir);
  cr_expect_neq(desk_ino(&desk, "d/s/a"), desk_ino(&desk, "n/a"));
  desk_expect_ls(&desk, "d/s", "a ");
}

Test(change, an_absence_in_one_folder_is_none_in_another) {
  struct ns_attr a;

  put("d/a");
  cr_expect_eq(desk_walk(&desk, "d/x", &a), -ENOENT);
  put("n/a");
  mem_store_delete(desk.mem, "d/a");
  cr_assert_eq(ns_moved(desk.ns, desk_ino(&desk, "d"), NS_ROOT_INO, "n", NULL), 0);
  put("d/x");
  desk_later(DESK_NEGATIVE_TTL - 1);
  ns_distrust(desk.ns, make("", "d", NS_DIR, NULL));
  cr_expect_eq(desk_walk(&desk, "d/x", &a), 0);
}

Test(change, an_absence_goes_when_another_folder_gets_the_number) {
  struct ns_attr a;
  uint64_t first;
  uint64_t second;

  put("d/a");
  put("e/x");
  first = desk_ino(&desk, "d");
  second = desk_ino(&desk, "e");
  cr_expect_eq(desk_walk(&desk, "d/x", &a), -ENOENT);
  cr_assert_eq(ns_moved(desk.ns, first, NS_ROOT_INO, "n", NULL), 0);
  put("n/a");
  mem_store_delete(desk.mem, "d/a");
  ns_forget(desk.ns, first, UINT64_MAX);
  mem_store_delete(desk.mem, "e/x");
  put("d/x");
  cr_assert_eq(ns_moved(desk.ns, second, NS_ROOT_INO, "d", NULL), 0);
  ns_forget(desk.ns, second, UINT64_MAX);
  desk_later(DESK_NEGATIVE_TTL - 1);
  cr_expect_eq(desk_ino(&desk, "d"), first);
  cr_expect_eq(desk_walk(&desk, "d/x", &a), 0);
}

Test(change, swapped_names) {
  struct store_attr a = put("a");
  struct store_attr b = put("bb");
  uint64_t ino_a = desk_ino(&desk, "a");
  uint64_t ino_b = desk_ino(&desk, "bb");

  desk_expect_ls(&desk, "", "a bb ");
  cr_assert_eq(ns_swapped(desk.ns, ino_a, &b, ino_b, &a), 0);
  cr_expect_eq(desk_ino(&desk, "a"), ino_b);
  cr_expect_eq(desk_ino(&desk, "bb"), ino_a);
  desk_expect_ls(&desk, "", "a bb ");
}

Test(change, places) {
  const struct root *root = NULL;
  char *key = NULL;

  put("d/a");
  cr_assert_eq(ns_place(desk.ns, desk_ino(&desk, "d"), "new", &root, &key), 0);
  cr_expect_str_eq(key, "d/new");
  cr_expect_eq(root, desk.catalog.roots[0]);
  free(key);
  cr_expect_eq(ns_place(desk.ns, desk_ino(&desk, "d/a"), "x", &root, &key), -ENOTDIR);
  cr_expect_eq(ns_place(desk.ns, 99, "x", &root, &key), -ESTALE);
  cr_expect_eq(ns_place(desk.ns, NS_ROOT_INO, "\xff", &root, &key), -EILSEQ);
  cr_expect_eq(ns_place(desk.ns, NS_ROOT_INO, ".s3keep", &root, &key), -EPERM);
}

Test(change, others_in_a_folder) {
  put("d/a");
  put("d/b");
  desk_expect_ls(&desk, "d", "a b ");
  cr_expect(ns_has_others(desk.ns, desk_ino(&desk, "d"), "a"));
  ns_removed(desk.ns, desk_ino(&desk, "d"), "b");
  cr_expect_not(ns_has_others(desk.ns, desk_ino(&desk, "d"), "a"));
  make("d", "s", NS_DIR, NULL);
  cr_expect(ns_has_others(desk.ns, desk_ino(&desk, "d"), "a"));
}

Test(change, an_answer_that_is_older_than_a_change_does_not_count) {
  struct ns_child c;

  put("a");
  cr_assert_eq(ns_child_get(desk.ns, NS_ROOT_INO, "a", &patient, &c), 0);
  cr_expect_eq(c.type, NS_FILE);
  cr_expect_str_eq(c.key, "a");
  cr_expect(c.has_posix);
  ns_child_fini(desk.ns, &c);
  cr_assert_eq(
      ns_dressed(desk.ns, desk_ino(&desk, "a"), &(struct posix){.has_mode = true, .mode = 0600}),
      0);
  cr_assert_eq(ns_child_get(desk.ns, NS_ROOT_INO, "a", &patient, &c), 0);
  cr_expect_eq(c.posix.mode & 0777, 0600);
  ns_child_fini(desk.ns, &c);
}

Test(change, absent_names_of_a_busy_folder_cost_one_listing) {
  struct store_attr new;
  struct ns_attr a;
  char name[16];
  unsigned before;

  put("d/old");
  cr_assert_eq(desk_walk(&desk, "d", &a), 0);
  new = put("d/f");
  make("d", "f", NS_FILE, &new);
  before = requests();
  for (int i = 0; i < 50; i++) {
    snprintf(name, sizeof(name), "d/n%d", i);
    cr_expect_eq(desk_walk(&desk, name, &a), -ENOENT);
    new = put(name);
    make("d", name + 2, NS_FILE, &new);
  }
  cr_expect_eq(requests(), before + 1 + 50, "the test's own HEADs are 50");
  put("d/theirs");
  desk_later(DESK_NEGATIVE_TTL + 1);
  cr_expect_eq(desk_walk(&desk, "d/theirs", &a), 0, "found after the negative ttl");
}

Test(change, a_folder_made_here_is_known_to_be_empty) {
  struct ns_attr a;
  unsigned before;

  make("", "d", NS_DIR, NULL);
  put("d/theirs");
  before = requests();
  cr_expect_eq(desk_walk(&desk, "d/new", &a), -ENOENT);
  desk_expect_ls(&desk, "d", "");
  cr_expect_eq(requests(), before);
  desk_later(DESK_NEGATIVE_TTL + 1);
  cr_expect_eq(desk_walk(&desk, "d/theirs", &a), 0);
  desk_later(DESK_TTL);
  desk_expect_ls(&desk, "d", "theirs ");
}

static unsigned links_of(const char *path) {
  struct ns_attr a;

  cr_assert_eq(desk_walk(&desk, path, &a), 0, "%s", path);
  return a.links;
}

Test(change, folders_count_their_subfolders_where_they_are_known) {
  unsigned before;
  uint64_t moved;

  put("theirs/file");
  put("theirs/one/file");
  put("theirs/two/file");
  desk_ino(&desk, "theirs/one");
  cr_expect_eq(links_of("theirs/file"), 1);
  cr_expect_eq(links_of("theirs"), 1, "not known");
  desk_expect_ls(&desk, "theirs", "file one/ two/ ");
  make("", "ours", NS_DIR, NULL);
  before = requests();
  cr_expect_eq(links_of("theirs"), 4);
  cr_expect_eq(links_of("ours"), 2);
  moved = make("ours", "sub", NS_DIR, NULL);
  make("ours", "file", NS_FILE, NULL);
  make("theirs", "three", NS_DIR, NULL);
  cr_expect_eq(links_of("ours"), 3);
  cr_expect_eq(links_of("theirs"), 5);
  cr_assert_eq(ns_moved(desk.ns, moved, desk_ino(&desk, "theirs"), "sub", NULL), 0);
  cr_expect_eq(links_of("ours"), 2);
  cr_expect_eq(links_of("theirs"), 6);
  ns_removed(desk.ns, desk_ino(&desk, "theirs"), "three");
  ns_removed(desk.ns, desk_ino(&desk, "theirs"), "file");
  cr_expect_eq(links_of("theirs"), 5);
  cr_expect_eq(requests(), before);
  desk_later(DESK_TTL + 1);
  cr_expect_eq(links_of("theirs"), 1, "not known any more");
}

Test(change, a_big_folder_is_not_listed_for_a_name) {
  struct store_attr new;
  struct ns_attr a;
  char name[16];
  unsigned before;

  for (int i = 0; i < 1100; i++) {
    snprintf(name, sizeof(name), "d/%04d", i);
    put(name);
  }
  cr_assert_eq(desk_walk(&desk, "d", &a), 0);
  new = put("d/f");
  make("d", "f", NS_FILE, &new);
  cr_expect_eq(desk_walk(&desk, "d/n1", &a), -ENOENT);
  before = requests();
  cr_expect_eq(desk_walk(&desk, "d/n2", &a), -ENOENT);
  cr_expect_eq(requests(), before + 2);
}

Test(change, a_number_that_became_free_hides_nobody) {
  struct store_attr new;
  struct ns_attr a;
  uint64_t first;
  uint64_t second;

  first = make("", "lock", NS_FILE, NULL);
  new = put("config");
  cr_assert_eq(ns_moved(desk.ns, first, NS_ROOT_INO, "config", &new), 0);
  second = make("", "lock", NS_FILE, NULL);
  cr_expect_neq(second, first);
  ns_removed(desk.ns, NS_ROOT_INO, "config");
  ns_forget(desk.ns, first, 100);
  cr_assert_eq(desk_walk(&desk, "lock", &a), 0);
  cr_expect_eq(a.ino, second);
}
