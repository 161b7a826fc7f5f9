#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/text.h"
#include "s3apfs/ns/change.h"
#include "s3apfs/ns/ns.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"

#define TTL 60000
#define NEGATIVE_TTL 5000

static atomic_int_fast64_t fake_ms;

static int64_t fake_now(const struct clock *c) {
  (void)c;
  return atomic_load(&fake_ms);
}

static const struct clock fake = {.wall_ms = fake_now, .mono_ms = fake_now};
static const struct root_options defaults = {.uid = 12,
                                             .gid = 34,
                                             .file_mode = 0644,
                                             .dir_mode = 0755,
                                             .metadata_ttl_ms = TTL,
                                             .negative_ttl_ms = NEGATIVE_TTL};
static const struct patience patient;

static struct store *mem;
static struct store *faulty;
static struct catalog catalog;
static struct budget *budget;
static struct ns *ns;

static void open_ns(size_t memory) {
  struct ns_options o = {.clock = &fake};

  cr_assert_eq(budget_new(memory, &budget), 0);
  o.budget = budget;
  cr_assert_eq(ns_new(&catalog, &o, &ns), 0);
}

static void close_ns(void) {
  ns_free(ns);
  cr_expect_eq(budget_used(budget), 0);
  budget_free(budget);
}

static void setup_at(const char *path) {
  atomic_store(&fake_ms, 1000000);
  catalog_init(&catalog);
  cr_assert_eq(mem_store_new("domain", &mem), 0);
  cr_assert_eq(fault_store_new(mem, &faulty), 0);
  cr_assert_eq(catalog_add(&catalog, path, faulty, &defaults), 0);
  open_ns((size_t)16 << 20);
}

static void setup(void) {
  setup_at("");
}

static void teardown(void) {
  close_ns();
  catalog_fini(&catalog);
}

TestSuite(ns, .init = setup, .fini = teardown);

static void later(int64_t ms) {
  atomic_fetch_add(&fake_ms, ms);
}

static void put(const char *key) {
  cr_assert_eq(mem_store_put(mem, key, key, strlen(key)), 0);
}

static struct mem_store_counts counts(void) {
  struct mem_store_counts c;

  mem_store_counts(mem, &c);
  return c;
}

/* Walks a path from the mount's root; 0 and the attributes, or -errno. */
static int walk(const char *path, struct ns_attr *out) {
  char *copy = strdup(path);
  char *save = NULL;
  int rc = ns_getattr(ns, NS_ROOT_INO, &patient, out);

  for (char *s = strtok_r(copy, "/", &save); rc == 0 && s != NULL; s = strtok_r(NULL, "/", &save))
    rc = ns_lookup(ns, out->ino, s, &patient, out);
  free(copy);
  return rc;
}

/* A folder at the top is known by its LIST; its HEAD may run after that, and is to be counted. */
static void walk_and_count(const char *folder) {
  unsigned before = counts().heads;
  struct ns_attr a;

  cr_assert_eq(walk(folder, &a), 0);
  while (counts().heads == before)
    usleep(1000);
}

static uint64_t ino_of(const char *path) {
  struct ns_attr a;

  cr_assert_eq(walk(path, &a), 0, "%s", path);
  return a.ino;
}

/* "name name/ ..." of a directory, in its order; NULL and *rc on failure. */
static char *ls_rc(uint64_t ino, bool plus, int *rc) {
  struct ns_dir *d;
  struct ns_entry e;
  struct buf b;
  bool end = false;

  *rc = ns_dir_open(ns, ino, &patient, &d);
  if (*rc != 0)
    return NULL;
  buf_init(&b, 0);
  for (uint64_t at = 0; !end; at = e.next) {
    *rc = ns_dir_read(d, at, plus, &patient, &e, &end);
    if (*rc != 0 || end)
      break;
    if (at >= 2) {
      buf_printf(&b, "%s%s ", e.name, S_ISDIR(e.attr.mode) ? "/" : "");
      if (plus)
        ns_forget(ns, e.attr.ino, 1);
    }
  }
  ns_dir_close(d);
  return buf_take(&b);
}

static void expect_ls(const char *path, const char *want) {
  for (int plus = 0; plus <= 1; plus++) {
    int rc;
    char *got = ls_rc(ino_of(path), plus, &rc);

    cr_assert_eq(rc, 0, "%s: %d", path, rc);
    cr_expect_str_eq(got, want, "%s plus %d: %s", path, plus, got);
    free(got);
  }
}

Test(ns, files_and_folders) {
  struct ns_attr a;

  put("a/b/c.txt");
  put("top.txt");
  cr_assert_eq(walk("top.txt", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFREG | 0644));
  cr_expect_eq(a.size, 7);
  cr_expect_eq(a.uid, 12);
  cr_expect_eq(a.gid, 34);
  cr_expect_gt(a.mtime_ns, 1767225600LL * 1000000000);
  cr_expect_eq(a.ttl_ms, TTL);
  cr_assert_eq(walk("a/b", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0755));
  cr_assert_eq(walk("a/b/c.txt", &a), 0);
  cr_expect_eq(walk("a/x", &a), -ENOENT);
  cr_expect_eq(walk("top.txt/x", &a), -ENOTDIR);
  expect_ls("", "a/ top.txt ");
  expect_ls("a", "b/ ");
  expect_ls("a/b", "c.txt ");
}

Test(ns, bad_names) {
  struct ns_attr a;
  char name[258];

  memset(name, 'n', 257);
  name[256] = '\0';
  cr_expect_eq(ns_lookup(ns, NS_ROOT_INO, name, &patient, &a), -ENAMETOOLONG);
  name[255] = '\0';
  cr_expect_eq(ns_lookup(ns, NS_ROOT_INO, name, &patient, &a), -ENOENT);
  cr_expect_eq(ns_lookup(ns, NS_ROOT_INO, "\xc3(", &patient, &a), -EILSEQ);
  cr_expect_eq(ns_lookup(ns, NS_ROOT_INO, "..", &patient, &a), -ENOENT);
  cr_expect_eq(ns_lookup(ns, NS_ROOT_INO, "", &patient, &a), -ENOENT);
  cr_expect_eq(ns_lookup(ns, 4711, "a", &patient, &a), -ESTALE);
  cr_expect_eq(ns_getattr(ns, 4711, &patient, &a), -ESTALE);
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
  put(key);
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(ns_lookup(ns, at, name, &patient, &a), 0);
    at = a.ino;
    cr_expect_eq(ns_lookup(ns, at, "y", &patient, &a), i < 3 ? -ENOENT : -ENAMETOOLONG);
  }
}

Test(ns, inode_numbers_are_the_same_after_a_remount) {
  uint64_t file;
  uint64_t dir;

  put("a/b");
  file = ino_of("a/b");
  dir = ino_of("a");
  close_ns();
  open_ns((size_t)16 << 20);
  cr_expect_eq(ino_of("a/b"), file);
  cr_expect_eq(ino_of("a"), dir);
  cr_expect_neq(dir, file);
}

Test(ns, listing_answers_lookups_without_requests) {
  struct mem_store_counts before;
  struct ns_attr a;

  put("d/one");
  put("d/sub/x");
  expect_ls("d", "one sub/ ");
  before = counts();
  cr_expect_eq(walk("d/one", &a), 0);
  cr_expect_eq(walk("d/sub", &a), 0);
  cr_expect_eq(walk("d/none", &a), -ENOENT);
  cr_expect_eq(counts().heads, before.heads);
  cr_expect_eq(counts().lists, before.lists);
  put("d/none");
  later(NEGATIVE_TTL);
  cr_expect_eq(walk("d/none", &a), 0, "absence is trusted for a shorter time");
}

/* The LIST that finds a folder shows what is in a small one. */
Test(ns, small_folder_that_was_looked_up_opens_without_a_request) {
  uint64_t lists;

  put("d/a");
  put("d/b");
  put("d/sub/c");
  walk_and_count("d");
  lists = counts().lists;
  expect_ls("d", "a b sub/ ");
  cr_expect_eq(counts().lists, lists);
  cr_expect_eq(counts().heads, 1);
}

Test(ns, names_in_a_folder_that_was_only_looked_up_are_asked_for) {
  struct ns_attr a;
  uint64_t heads;

  put("d/a");
  walk_and_count("d");
  heads = counts().heads;
  cr_assert_eq(walk("d/a", &a), 0);
  cr_expect_eq(counts().heads, heads + 1, "its metadata may say that it is a link");
}

Test(ns, folders_in_a_folder_that_was_looked_up_are_known) {
  struct mem_store_counts before;
  struct ns_attr a;

  put("d/sub/c");
  put("d/a");
  walk_and_count("d");
  before = counts();
  cr_assert_eq(walk("d/sub", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(counts().heads, before.heads, "of a folder a LIST tells all");
  cr_expect_eq(counts().lists, before.lists);
  expect_ls("d/sub", "c ");
  later(defaults.metadata_ttl_ms + 1);
  cr_assert_eq(mem_store_delete(mem, "d/sub/c"), 0);
  cr_expect_eq(walk("d/sub", &a), -ENOENT);
}

static void show_first(const char *folder) {
  struct store_page first;

  cr_assert_eq(mem->ops->list(mem, folder, true, NULL, 100, &first), 0);
  ns_show_first(ns, catalog.roots[0], &first, atomic_load(&fake_ms));
  store_page_fini(&first);
}

/* A mount's first request is a LIST. */
Test(ns, folders_that_the_first_list_showed_are_known) {
  struct mem_store_counts before;
  struct ns_attr a;

  put("d/c");
  put("f");
  show_first("");
  before = counts();
  cr_assert_eq(walk("d", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(counts().heads + counts().lists, before.heads + before.lists);
  cr_assert_eq(walk("f", &a), 0);
  cr_expect_eq(counts().heads, before.heads + 1, "a file may be a link");
  put("later");
  expect_ls("", "d/ f later ");
}

Test(ns, own_changes_count_more_than_the_first_list) {
  struct ns_attr a;

  put("d/c");
  put("e/c");
  show_first("");
  ns_removed(ns, NS_ROOT_INO, "d");
  cr_assert_eq(mem_store_delete(mem, "d/c"), 0);
  cr_expect_eq(walk("d", &a), -ENOENT);
  cr_expect_eq(walk("e", &a), 0);
}

Test(ns, the_first_list_gets_old) {
  struct ns_attr a;

  put("d/c");
  show_first("");
  cr_assert_eq(mem_store_delete(mem, "d/c"), 0);
  later(defaults.metadata_ttl_ms);
  cr_expect_eq(walk("d", &a), -ENOENT);
}

Test(ns, large_folder_is_listed_for_itself) {
  struct ns_attr a;
  char key[32];
  uint64_t lists;
  int rc;

  for (int i = 0; i < 150; i++) {
    snprintf(key, sizeof(key), "d/%03d", i);
    put(key);
  }
  cr_assert_eq(walk("d", &a), 0);
  lists = counts().lists;
  free(ls_rc(a.ino, false, &rc));
  cr_expect_eq(rc, 0);
  cr_expect_eq(counts().lists, lists + 1);
}

Test(ns, what_a_look_up_saw_gets_old) {
  uint64_t ino;
  char *got;
  int rc;

  put("d/a");
  ino = ino_of("d");
  later(defaults.metadata_ttl_ms + 1);
  put("d/b");
  got = ls_rc(ino, false, &rc);
  cr_expect_str_eq(got, "a b ");
  free(got);
}

Test(ns, own_changes_are_shown_over_what_a_look_up_saw) {
  struct ns_made m = {.type = NS_FILE};
  uint64_t ino;

  put("d/a");
  put("d/c");
  ino = ino_of("d");
  put("d/b");
  cr_assert_eq(ns_made(ns, ino, "b", &m, NULL), 0);
  ns_removed(ns, ino, "c");
  cr_assert_eq(mem_store_delete(mem, "d/c"), 0);
  expect_ls("d", "a b ");
}

Test(ns, what_is_known_is_used_for_its_time) {
  struct ns_attr a;
  unsigned heads;

  put("f");
  cr_assert_eq(walk("f", &a), 0);
  heads = counts().heads;
  later(TTL - 1);
  cr_assert_eq(walk("f", &a), 0);
  cr_expect_eq(a.ttl_ms, 1);
  cr_expect_eq(counts().heads, heads);
  cr_assert_eq(mem_store_put(mem, "f", "longer now", 10), 0);
  later(1);
  cr_assert_eq(ns_getattr(ns, a.ino, &patient, &a), 0);
  cr_expect_eq(a.size, 10);
  cr_expect_eq(counts().heads, heads + 1);
}

Test(ns, absent_names_are_remembered_briefly) {
  struct ns_attr a;
  unsigned heads;

  cr_expect_eq(walk("new", &a), -ENOENT);
  heads = counts().heads;
  put("new");
  cr_expect_eq(walk("new", &a), -ENOENT);
  cr_expect_eq(counts().heads, heads);
  later(NEGATIVE_TTL);
  cr_expect_eq(walk("new", &a), 0);
  cr_expect_eq(ns_negative_ttl(ns, NS_ROOT_INO), NEGATIVE_TTL);
}

Test(ns, folder_wins_over_object_of_the_same_name) {
  struct ns_stats st;
  struct ns_attr a;

  put("a");
  put("a-b");
  put("a/x");
  cr_assert_eq(walk("a", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  expect_ls("", "a/ a-b ");
  ns_stats(ns, &st);
  cr_expect_eq(st.hidden, 1);
  cr_assert_eq(walk("a", &a), 0);
  cr_expect(S_ISDIR(a.mode));
}

Test(ns, odd_keys_are_hidden_and_counted) {
  struct ns_stats st;
  struct ns_attr a;
  char key[400];

  put("d/");
  put("d//x");
  put("d/./x");
  put("d/../x");
  put("d/.");
  put("d/ok");
  put("d/.s3keep");
  put("d/bad\xff");
  put("d/gr\xc3\xbc\xc3\x9f"
      "e");
  memset(key, 'k', sizeof(key));
  memcpy(key, "d/", 2);
  key[2 + 256] = '\0';
  put(key);
  key[2 + 255] = '\0';
  put(key);
  cr_assert_eq(walk("d", &a), 0);
  {
    int rc;
    char *got = ls_rc(a.ino, false, &rc);

    cr_assert_eq(rc, 0);
    cr_expect_eq(strlen(got), strlen("gr\xc3\xbc\xc3\x9f"
                                     "e ok ") +
                                  256);
    cr_expect(text_has_prefix(got, "gr\xc3\xbc\xc3\x9f"
                                   "e kkk"));
    free(got);
  }
  ns_stats(ns, &st);
  cr_expect_eq(st.hidden, 6);
  cr_expect_eq(walk("d/.s3keep", &a), -ENOENT);
}

Test(ns, empty_root_and_marker_folders) {
  struct ns_attr a;

  expect_ls("", "");
  put("empty/");
  later(TTL);
  expect_ls("", "empty/ ");
  expect_ls("empty", "");
  cr_expect_eq(walk("empty/x", &a), -ENOENT);
}

static void put_many(unsigned n) {
  char key[32];

  for (unsigned i = 0; i < n; i++) {
    snprintf(key, sizeof(key), "big/f%06u", i);
    cr_assert_eq(mem_store_put(mem, key, "x", 1), 0);
  }
}

/* Reads a directory of put_many() in handles' order and compares every name. */
static unsigned check_many(uint64_t ino, bool plus) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end = false;
  unsigned n = 0;

  cr_assert_eq(ns_dir_open(ns, ino, &patient, &d), 0);
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
      ns_forget(ns, e.attr.ino, 1);
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
  ino = ino_of("big");
  cr_expect_eq(check_many(ino, true), 25000);
  cr_expect_eq(counts().heads, 1, "no HEAD for an entry");
  cr_expect_leq(counts().lists, 28);
  cr_expect_eq(check_many(ino, false), 25000);
  cr_expect_leq(counts().lists, 28, "from the listing at hand");
  cr_expect_eq(walk("big/f024999", &a), 0);
  cr_expect_eq(walk("big/f025000", &a), -ENOENT);
  cr_expect_leq(counts().lists, 28);
  ns_stats(ns, &st);
  cr_expect_leq(st.nodes, 10, "forgotten nodes are gone");
}

Test(ns, huge_directory_in_little_memory) {
  struct ns_stats st;
  uint64_t ino;

  put_many(25000);
  close_ns();
  open_ns(300 << 10);
  ino = ino_of("big");
  cr_expect_eq(check_many(ino, false), 25000);
  ns_stats(ns, &st);
  cr_expect_leq(st.listing_bytes, 300 << 10);
  cr_expect_leq(counts().lists, 30);
}

Test(ns, no_memory_for_listings_at_all) {
  put_many(2500);
  close_ns();
  open_ns(1);
  cr_expect_eq(check_many(ino_of("big"), true), 2500);
}

Test(ns, offsets_stay_when_pages_were_dropped) {
  struct ns_dir *d;
  struct ns_entry e;
  uint64_t mark = 0;
  bool end = false;

  put_many(25000);
  close_ns();
  open_ns(300 << 10);
  cr_assert_eq(ns_dir_open(ns, ino_of("big"), &patient, &d), 0);
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

  put("d/a");
  for (unsigned i = 0; i < 999; i++) {
    snprintf(key, sizeof(key), "d/a-%04u", i);
    put(key);
  }
  put("d/a/x");
  got = ls_rc(ino_of("d"), true, &rc);
  cr_assert_eq(rc, 0);
  cr_expect(text_has_prefix(got, "a-0000 "), "the file is hidden");
  cr_expect(text_has_suffix(got, " a/ "));
  free(got);
}

Test(ns, folder_that_comes_pages_after_its_file) {
  char key[32];
  int rc;
  char *got;

  put("d/a");
  for (unsigned i = 0; i < 2500; i++) {
    snprintf(key, sizeof(key), "d/a-%04u", i);
    put(key);
  }
  put("d/a/x");
  put("d/b");
  got = ls_rc(ino_of("d"), true, &rc);
  cr_assert_eq(rc, 0);
  cr_expect(text_has_prefix(got, "a a-0000 "));
  cr_expect(text_has_suffix(got, "a-2499 b "), "a name is shown once");
  free(got);
}

Test(ns, rewinding_shows_what_is_new) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;

  put("d/a");
  cr_assert_eq(ns_dir_open(ns, ino_of("d"), &patient, &d), 0);
  put("d/0");
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  cr_assert_eq(ns_dir_read(d, 2, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "a", "the listing is still fresh");
  later(TTL);
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

  put("data/deep/known.csv");
  mem_store_deny_list(mem, true);
  cr_expect_eq(ns_dir_open(ns, NS_ROOT_INO, &patient, &d), -EACCES);
  cr_assert_eq(walk("data/deep/known.csv", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_assert_eq(walk("data/deep", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(ns_dir_open(ns, a.ino, &patient, &d), -EACCES);
  cr_assert_eq(walk("data/deep/unknown.csv", &a), 0, "cannot be told from a folder");
  cr_expect(S_ISDIR(a.mode));
  cr_expect_eq(ns_dir_open(ns, a.ino, &patient, &d), -EACCES);
  cr_expect(ns_root_unlistable(ns, catalog.roots[0]));
  lists = counts().lists;
  for (unsigned i = 0; i < 20; i++) {
    char path[64];

    snprintf(path, sizeof(path), "data/deep/other%u/x", i);
    cr_assert_eq(walk(path, &a), 0);
  }
  cr_expect_eq(counts().lists, lists, "no more denied calls for names");
}

Test(ns, known_objects_cost_no_denied_list) {
  struct ns_attr a;
  unsigned lists;
  char key[16];

  for (unsigned i = 0; i < 20; i++) {
    snprintf(key, sizeof(key), "f%u", i);
    put(key);
  }
  mem_store_deny_list(mem, true);
  cr_assert_eq(walk("f0", &a), 0);
  lists = counts().lists;
  for (unsigned i = 1; i < 20; i++) {
    snprintf(key, sizeof(key), "f%u", i);
    cr_assert_eq(walk(key, &a), 0);
    cr_expect(S_ISREG(a.mode));
  }
  cr_expect_eq(counts().lists, lists);
}

Test(ns, unprovable_folder_becomes_a_file_soon) {
  struct ns_attr a;
  uint64_t before;

  mem_store_deny_list(mem, true);
  cr_assert_eq(walk("late", &a), 0);
  cr_expect(S_ISDIR(a.mode));
  cr_expect_leq(a.ttl_ms, NEGATIVE_TTL);
  before = a.ino;
  put("late");
  later(NEGATIVE_TTL);
  cr_assert_eq(walk("late", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_expect_neq(a.ino, before, "another type is another inode");
}

Test(ns, denied_folder_shows_no_read_permission) {
  struct ns_attr a;
  struct ns_dir *d;

  put("f");
  mem_store_deny_list(mem, true);
  cr_assert_eq(walk("folder", &a), 0);
  cr_expect_eq(ns_dir_open(ns, a.ino, &patient, &d), -EACCES);
  cr_assert_eq(ns_getattr(ns, a.ino, &patient, &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0111));
}

Test(ns, list_allowed_only_deep_down) {
  struct ns_attr a;
  struct ns_dir *d;

  put("home/me/f");
  put("home/you/g");
  mem_store_allow_list_below(mem, "home/me/");
  cr_expect_eq(ns_dir_open(ns, NS_ROOT_INO, &patient, &d), -EACCES);
  cr_assert_eq(walk("home/you", &a), 0);
  cr_expect_eq(ns_dir_open(ns, a.ino, &patient, &d), -EACCES);
  expect_ls("home/me", "f ");
  cr_expect_eq(walk("home/me/none", &a), -ENOENT);
  cr_assert_eq(walk("home/you/g", &a), 0);
  cr_expect(S_ISREG(a.mode));
}

Test(ns, denied_object_marks_no_neighbour) {
  struct ns_attr a;
  struct ns_object o;

  put("d/open");
  put("d/shut");
  mem_store_deny_key(mem, "d/shut", true);
  cr_assert_eq(walk("d/shut", &a), 0);
  cr_expect(S_ISREG(a.mode));
  cr_expect_eq(a.size, 6);
  cr_assert_eq(walk("d/open", &a), 0);
  expect_ls("d", "open shut ");
  later(TTL);
  cr_assert_eq(ns_getattr(ns, ino_of("d/shut"), &patient, &a), 0);
  cr_assert_eq(ns_get_object(ns, ino_of("d/shut"), &patient, &o), 0);
  cr_expect_str_eq(o.key, "d/shut");
  ns_object_fini(&o);
  cr_expect_not(ns_root_unlistable(ns, catalog.roots[0]));
}

/* --- faults --- */

Test(ns, errors_of_the_store) {
  struct ns_attr a;
  struct ns_dir *d;

  put("d/f");
  fault_store_fail(faulty, FAULT_HEAD, 0, 1, -EIO, 0);
  cr_expect_eq(walk("nothing", &a), -EIO);
  cr_expect_eq(walk("nothing", &a), -ENOENT, "a failure is not remembered");
  fault_store_fail(faulty, FAULT_LIST, 0, 1, -ETIMEDOUT, 0);
  cr_expect_eq(walk("x", &a), -ETIMEDOUT);
  fault_store_fail(faulty, FAULT_LIST, 0, 1, -EIO, 0);
  cr_expect_eq(ns_dir_open(ns, NS_ROOT_INO, &patient, &d), -EIO);
  expect_ls("", "d/ ");
}

Test(ns, failing_page_in_the_middle) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;
  uint64_t at = 0;
  unsigned failed = 0;

  put_many(3000);
  cr_assert_eq(ns_dir_open(ns, ino_of("big"), &patient, &d), 0);
  /* until the reader sees it: a page may also be asked for ahead of him */
  fault_store_fail(faulty, FAULT_LIST, 1, UINT_MAX, -EIO, 0);
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
      fault_store_fail(faulty, FAULT_LIST, 0, 0, 0, 0);
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

  put("d/f");
  fault_store_gate(faulty, FAULT_HEAD, 0);
  fault_store_gate(faulty, FAULT_LIST, 0);
  cr_expect_eq(ns_lookup(ns, NS_ROOT_INO, "d", &interrupted, &a), -EINTR);
  cr_expect_eq(ns_lookup(ns, NS_ROOT_INO, "d", &hurried, &a), -ETIMEDOUT);
  cr_expect_eq(ns_dir_open(ns, NS_ROOT_INO, &interrupted, &d), -EINTR);
  fault_store_open(faulty);
  expect_ls("", "d/ ");
}

Test(ns, expired_node_is_asked_for_again) {
  struct ns_attr a;
  struct ns_object o;

  put("d/f");
  expect_ls("d", "f ");
  cr_assert_eq(walk("d/f", &a), 0);
  cr_assert_eq(mem_store_put(mem, "d/f", "changed!", 8), 0);
  ns_expire(ns, a.ino, -ESTALE);
  cr_assert_eq(ns_get_object(ns, a.ino, &patient, &o), 0);
  cr_expect_eq(o.attr.size, 8, "not from the older listing");
  ns_object_fini(&o);
  cr_assert_eq(mem_store_delete(mem, "d/f"), 0);
  ns_expire(ns, a.ino, -ENOENT);
  cr_expect_eq(ns_get_object(ns, a.ino, &patient, &o), -ENOENT);
  cr_expect_eq(walk("d/f", &a), -ENOENT);
  cr_expect_eq(ns_get_object(ns, ino_of("d"), &patient, &o), -EISDIR);
}

Test(ns, vanished_folder) {
  struct ns_attr a;

  put("d/f");
  cr_assert_eq(walk("d", &a), 0);
  cr_assert_eq(mem_store_delete(mem, "d/f"), 0);
  cr_expect_eq(ns_getattr(ns, a.ino, &patient, &a), 0);
  later(TTL);
  cr_expect_eq(ns_getattr(ns, a.ino, &patient, &a), -ENOENT);
}

/* --- references --- */

Test(ns, forgetting_frees_nodes) {
  struct ns_stats st;
  struct ns_attr a;

  put("a/b/c");
  cr_assert_eq(walk("a/b/c", &a), 0);
  ns_stats(ns, &st);
  cr_expect_eq(st.nodes, 4);
  cr_assert_eq(ns_hold(ns, a.ino), 0);
  ns_forget(ns, ino_of("a"), 2);
  ns_forget(ns, ino_of("a/b"), 100);
  ns_forget(ns, a.ino, 1);
  cr_expect_eq(ns_getattr(ns, a.ino, &patient, &a), 0, "held");
  ns_release(ns, a.ino);
  cr_expect_eq(ns_getattr(ns, a.ino, &patient, &a), -ESTALE);
  ns_forget(ns, 4711, 1);
  cr_expect_eq(ns_hold(ns, 4711), -ESTALE);
}

static atomic_bool stop;

static void *look_up_and_forget(void *arg) {
  unsigned seed = (unsigned)(uintptr_t)arg;

  while (!atomic_load(&stop)) {
    static const char *const names[] = {"a", "b", "none", "dir"};
    struct ns_attr a;
    int rc = ns_lookup(ns, NS_ROOT_INO, names[rand_r(&seed) % 4], &patient, &a);

    if (rc == 0) {
      struct ns_attr b;

      rc = ns_getattr(ns, a.ino, &patient, &b);
      if (rc != 0 || a.ino != b.ino)
        abort();
      ns_forget(ns, a.ino, 1);
    } else if (rc != -ENOENT) {
      abort();
    }
    if (rand_r(&seed) % 16 == 0)
      later(NEGATIVE_TTL);
  }
  return NULL;
}

static void *list_and_forget(void *arg) {
  (void)arg;
  while (!atomic_load(&stop)) {
    int rc;
    char *got = ls_rc(NS_ROOT_INO, true, &rc);

    if (rc != 0 || strcmp(got, "a b dir/ ") != 0)
      abort();
    free(got);
  }
  return NULL;
}

Test(ns, lookups_forgets_and_listings_at_once) {
  pthread_t threads[8];
  struct ns_stats st;

  put("a");
  put("b");
  put("dir/x");
  for (uintptr_t i = 0; i < 8; i++)
    cr_assert_eq(
        pthread_create(&threads[i], NULL, i < 5 ? look_up_and_forget : list_and_forget, (void *)i),
        0);
  usleep(300000);
  atomic_store(&stop, true);
  for (unsigned i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  ns_stats(ns, &st);
  cr_expect_eq(st.nodes, 1);
}

static void *open_listing(void *arg) {
  struct ns_dir *d;

  (void)arg;
  if (ns_dir_open(ns, NS_ROOT_INO, &patient, &d) != 0)
    abort();
  ns_dir_close(d);
  return NULL;
}

Test(ns, listing_is_asked_for_once) {
  pthread_t threads[8];

  put("a");
  fault_store_gate(faulty, FAULT_LIST, 0);
  for (unsigned i = 0; i < 8; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, open_listing, NULL), 0);
  while (fault_store_waiting(faulty) == 0)
    usleep(1000);
  usleep(20000);
  fault_store_open(faulty);
  for (unsigned i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  cr_expect_eq(counts().lists, 1);
}

/* --- roots --- */

static void add_root(const char *path, const char *key) {
  struct store *s;

  cr_assert_eq(mem_store_new(path, &s), 0);
  cr_assert_eq(mem_store_put(s, key, key, strlen(key)), 0);
  cr_assert_eq(catalog_add(&catalog, path, s, &defaults), 0);
}

static void setup_roots(void) {
  setup_at("customers");
  close_ns();
  put("c1");
  add_root("team/product", "p/1");
  add_root("team/people/all", "q");
  open_ns((size_t)16 << 20);
}

TestSuite(ns_roots, .init = setup_roots, .fini = teardown);

Test(ns_roots, nested_names) {
  struct ns_attr a;
  struct ns_attr b;
  const struct root *r;
  char *key;

  expect_ls("", "customers/ team/ ");
  expect_ls("team", "product/ people/ ");
  expect_ls("team/people", "all/ ");
  expect_ls("customers", "c1 ");
  expect_ls("team/product", "p/ ");
  expect_ls("team/product/p", "1 ");
  cr_expect_eq(walk("team/none", &a), -ENOENT);
  cr_expect_eq(walk("none", &a), -ENOENT);
  cr_assert_eq(walk("team", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0555));
  cr_assert_eq(walk("team/product", &b), 0);
  cr_expect_eq(b.mode, (mode_t)(S_IFDIR | 0755));
  ns_forget(ns, b.ino, 1000);
  cr_assert_eq(ns_get_key(ns, b.ino, &r, &key), 0, "roots are never forgotten");
  cr_expect_str_eq(key, "");
  cr_expect_str_eq(r->path, "team/product");
  free(key);
  cr_assert_eq(ns_get_key(ns, ino_of("team/product/p"), &r, &key), 0);
  cr_expect_str_eq(key, "p/");
  free(key);
  cr_assert_eq(ns_get_key(ns, a.ino, &r, &key), 0);
  cr_expect_null(r);
  free(key);
  cr_assert_eq(ns_get_key(ns, ino_of("team/product/p/1"), &r, &key), 0);
  cr_expect_str_eq(key, "p/1");
  free(key);
}

Test(ns_roots, dot_dot_is_the_parent) {
  struct ns_dir *d;
  struct ns_entry e;
  bool end;

  cr_assert_eq(ns_dir_open(ns, ino_of("team/product"), &patient, &d), 0);
  cr_assert_eq(ns_dir_read(d, 0, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, ".");
  cr_expect_eq(e.attr.ino, ino_of("team/product"));
  cr_assert_eq(ns_dir_read(d, e.next, false, &patient, &e, &end), 0);
  cr_expect_str_eq(e.name, "..");
  cr_expect_eq(e.attr.ino, ino_of("team"));
  ns_dir_close(d);
}

Test(ns_roots, same_keys_in_two_roots_are_two_inodes) {
  uint64_t before = ino_of("team/product/p/1");

  close_ns();
  add_root("other", "p/1");
  open_ns((size_t)16 << 20);
  cr_expect_neq(ino_of("other/p/1"), before);
  cr_expect_eq(ino_of("team/product/p/1"), before, "whatever stands beside it");
}

Test(ns_roots, read_only_store_shows_no_write_permission) {
  struct ns_attr a;

  faulty->read_only = true;
  cr_assert_eq(walk("customers/c1", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFREG | 0444));
  cr_assert_eq(walk("customers", &a), 0);
  cr_expect_eq(a.mode, (mode_t)(S_IFDIR | 0555));
}

Test(ns_roots, empty_catalog) {
  struct ns_options o = {.clock = &fake, .budget = budget};
  struct ns *none;

  cr_expect_eq(ns_new(&(struct catalog){0}, &o, &none), -EINVAL);
}
