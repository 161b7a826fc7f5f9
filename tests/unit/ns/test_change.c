/* What the tree shows of this mount's own changes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3apfs/ns/change.h"
#include "s3apfs/store/mem_store.h"

#define TTL 60000
#define NEGATIVE_TTL 5000

static atomic_int_fast64_t fake_ms;

static int64_t fake_now(const struct clock *c) {
  (void)c;
  return atomic_load(&fake_ms);
}

static const struct clock fake = {.wall_ms = fake_now, .mono_ms = fake_now};
static const struct root_options defaults = {
    .file_mode = 0644, .dir_mode = 0755, .metadata_ttl_ms = TTL, .negative_ttl_ms = NEGATIVE_TTL};
static const struct patience patient;
static struct store *mem;
static struct catalog catalog;
static struct budget *budget;
static struct ns *ns;

static void setup(void) {
  struct ns_options o = {.clock = &fake};

  atomic_store(&fake_ms, 1000000);
  catalog_init(&catalog);
  cr_assert_eq(mem_store_new("domain", &mem), 0);
  cr_assert_eq(catalog_add(&catalog, "", mem, &defaults), 0);
  cr_assert_eq(budget_new((size_t)16 << 20, &budget), 0);
  o.budget = budget;
  cr_assert_eq(ns_new(&catalog, &o, &ns), 0);
}

static void teardown(void) {
  ns_free(ns);
  cr_expect_eq(budget_used(budget), 0);
  budget_free(budget);
  catalog_fini(&catalog);
}

TestSuite(change, .init = setup, .fini = teardown);

static struct store_attr put(const char *key) {
  struct store_attr a;

  cr_assert_eq(mem_store_put(mem, key, key, strlen(key)), 0);
  cr_assert_eq(mem->ops->head(mem, key, &a, NULL), 0);
  return a;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
  (void)st;
  (void)type;
  (void)at;
  return remove(path);
}

static void new_tree_over(struct state *state) {
  struct ns_options o = {.clock = &fake, .budget = budget, .state = state};

  ns_free(ns);
  cr_assert_eq(ns_new(&catalog, &o, &ns), 0);
}

static struct ns_attr listed(const char *name) {
  struct ns_entry e;
  struct ns_dir *d;
  bool end = false;

  cr_assert_eq(ns_dir_open(ns, NS_ROOT_INO, &patient, &d), 0);
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
  ns_stored(ns, listed("f").ino, &stored, &before);
  cr_assert_eq(ns_dressed(ns, listed("f").ino, &after), 0);
  new_tree_over(state);
  cr_expect_eq(listed("f").mode, (mode_t)(S_IFREG | 0600));
  new_tree_over(NULL);
  state_close(state);
  buf_fini(&why);
  cr_expect_eq(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static unsigned requests(void) {
  struct mem_store_counts c;

  mem_store_counts(mem, &c);
  return c.heads + c.lists;
}

static int walk(const char *path, struct ns_attr *out) {
  char *copy = strdup(path);
  char *save = NULL;
  int rc = ns_getattr(ns, NS_ROOT_INO, &patient, out);

  for (char *s = strtok_r(copy, "/", &save); rc == 0 && s != NULL; s = strtok_r(NULL, "/", &save))
    rc = ns_lookup(ns, out->ino, s, &patient, out);
  free(copy);
  return rc;
}

static uint64_t ino_of(const char *path) {
  struct ns_attr a;

  cr_assert_eq(walk(path, &a), 0, "%s", path);
  return a.ino;
}

static void expect_ls(const char *path, const char *want) {
  for (int plus = 0; plus <= 1; plus++) {
    struct ns_dir *d;
    struct ns_entry e;
    struct buf b;
    bool end = false;

    buf_init(&b, 0);
    cr_assert_eq(ns_dir_open(ns, ino_of(path), &patient, &d), 0);
    for (uint64_t at = 0; !end; at = e.next) {
      cr_assert_eq(ns_dir_read(d, at, plus, &patient, &e, &end), 0);
      if (end || at < 2)
        continue;
      buf_printf(&b, "%s%s ", e.name, S_ISDIR(e.attr.mode) ? "/" : S_ISLNK(e.attr.mode) ? "@" : "");
      if (plus)
        ns_forget(ns, e.attr.ino, 1);
    }
    ns_dir_close(d);
    cr_expect_str_eq(buf_cstr(&b), want, "%s plus %d: %s", path, plus, buf_cstr(&b));
    buf_fini(&b);
  }
}

static uint64_t make(const char *dir, const char *name, enum ns_type type,
                     const struct store_attr *attr) {
  struct ns_made m = {.type = type, .attr = attr};
  struct ns_attr a;

  cr_assert_eq(ns_made(ns, ino_of(dir), name, &m, &a), 0);
  return a.ino;
}

Test(change, made_names_are_there_at_once) {
  struct ns_attr a;
  struct store_attr new;

  put("d/b");
  expect_ls("d", "b ");
  cr_expect_eq(walk("d/a", &a), -ENOENT);
  new = put("d/a");
  make("d", "a", NS_FILE, &new);
  make("d", "sub", NS_DIR, NULL);
  new = put("d/l");
  make("d", "l", NS_LINK, &new);
  expect_ls("d", "b a sub/ l@ ");
  cr_assert_eq(walk("d/a", &a), 0);
  cr_expect_eq(a.size, 3);
}

Test(change, a_listing_that_began_later_is_believed) {
  struct store_attr new;

  expect_ls("", "");
  new = put("a");
  make("", "a", NS_FILE, &new);
  mem_store_delete(mem, "a"); /* another host */
  expect_ls("", "a ");
  atomic_fetch_add(&fake_ms, TTL + 1);
  expect_ls("", "");
}

Test(change, removed_names_are_gone_at_once) {
  struct ns_attr a;

  put("d/a");
  put("d/b");
  expect_ls("d", "a b ");
  mem_store_delete(mem, "d/a");
  ns_removed(ns, ino_of("d"), "a");
  expect_ls("d", "b ");
  cr_expect_eq(walk("d/a", &a), -ENOENT);
  put("d/a"); /* another host: found after the negative ttl */
  cr_expect_eq(walk("d/a", &a), -ENOENT);
  atomic_fetch_add(&fake_ms, NEGATIVE_TTL + 1);
  cr_expect_eq(walk("d/a", &a), 0);
}

Test(change, a_removed_inode_lives_on_without_a_name) {
  struct ns_attr a;
  struct ns_attr b;
  struct ns_child c;

  put("a");
  cr_assert_eq(walk("a", &a), 0);
  mem_store_delete(mem, "a");
  ns_removed(ns, NS_ROOT_INO, "a");
  atomic_fetch_add(&fake_ms, TTL + 1);
  cr_assert_eq(ns_getattr(ns, a.ino, &patient, &b), 0);
  cr_expect(b.gone);
  cr_expect_eq(b.size, 1);
  cr_expect_eq(ns_child_of(ns, a.ino, &patient, &c), -ENOENT);
  put("a");
  cr_assert_eq(walk("a", &b), 0);
  cr_expect_neq(a.ino, b.ino, "the number is still in use");
  ns_forget(ns, a.ino, 1);
}

Test(change, local_files_outlast_listings_until_they_are_stored) {
  struct ns_attr a;
  struct store_attr stored;
  uint64_t ino;
  unsigned before;

  put("b");
  ino = make("", "a", NS_FILE, NULL);
  atomic_fetch_add(&fake_ms, TTL + 1);
  expect_ls("", "b a ");
  atomic_fetch_add(&fake_ms, TTL + 1);
  expect_ls("", "b a ");
  ns_written(ns, ino, 77, 5000000000);
  before = requests();
  cr_assert_eq(walk("a", &a), 0);
  cr_expect_eq(a.size, 77);
  cr_expect_eq(a.mtime_ns, 5000000000);
  cr_expect_eq(requests(), before);
  cr_expect(ns_has_local(ns, NS_ROOT_INO));
  stored = put("a");
  ns_stored(ns, ino, &stored, NULL);
  cr_expect_not(ns_has_local(ns, NS_ROOT_INO));
  expect_ls("", "b a ");
  atomic_fetch_add(&fake_ms, TTL + 1);
  expect_ls("", "a b ");
  cr_expect_eq(ino_of("a"), ino);
}

Test(change, moved_files_keep_their_inode) {
  struct ns_attr a;
  struct store_attr new;
  uint64_t ino;

  put("d/a");
  put("e/x");
  put("e/b");
  expect_ls("d", "a ");
  expect_ls("e", "b x ");
  ino = ino_of("d/a");
  mem_store_delete(mem, "d/a");
  new = put("e/b");
  cr_assert_eq(ns_moved(ns, ino, ino_of("e"), "b", &new), 0);
  cr_expect_eq(ino_of("e/b"), ino);
  cr_expect_eq(walk("d/a", &a), -ENOENT);
  expect_ls("e", "b x ");
  atomic_fetch_add(&fake_ms, TTL + 1);
  expect_ls("e", "b x ");
  cr_expect_eq(ino_of("e/b"), ino);
}

Test(change, moved_folders_take_their_names_along) {
  struct ns_attr a;
  uint64_t dir;
  uint64_t file;

  put("d/s/a");
  put("d/s/t/b");
  dir = ino_of("d/s");
  file = ino_of("d/s/t/b");
  expect_ls("d/s", "a t/ ");
  mem_store_delete(mem, "d/s/a");
  mem_store_delete(mem, "d/s/t/b");
  put("n/a");
  put("n/t/b");
  cr_assert_eq(ns_moved(ns, dir, NS_ROOT_INO, "n", NULL), 0);
  cr_expect_eq(ino_of("n"), dir);
  cr_expect_eq(ino_of("n/t/b"), file);
  cr_expect_eq(walk("d/s", &a), -ENOENT);
  expect_ls("n", "a t/ ");
  put("d/s/a"); /* the old name can be used again, for another inode */
  atomic_fetch_add(&fake_ms, NEGATIVE_TTL + 1);
  cr_expect_neq(ino_of("d/s"), dir);
  cr_expect_neq(ino_of("d/s/a"), ino_of("n/a"));
  expect_ls("d/s", "a ");
}

Test(change, an_absence_in_one_folder_is_none_in_another) {
  struct ns_attr a;

  put("d/a");
  cr_expect_eq(walk("d/x", &a), -ENOENT);
  put("n/a");
  mem_store_delete(mem, "d/a");
  cr_assert_eq(ns_moved(ns, ino_of("d"), NS_ROOT_INO, "n", NULL), 0);
  put("d/x");
  atomic_fetch_add(&fake_ms, NEGATIVE_TTL - 1);
  ns_distrust(ns, make("", "d", NS_DIR, NULL));
  cr_expect_eq(walk("d/x", &a), 0);
}

Test(change, an_absence_goes_when_another_folder_gets_the_number) {
  struct ns_attr a;
  uint64_t first;
  uint64_t second;

  put("d/a");
  put("e/x");
  first = ino_of("d");
  second = ino_of("e");
  cr_expect_eq(walk("d/x", &a), -ENOENT);
  cr_assert_eq(ns_moved(ns, first, NS_ROOT_INO, "n", NULL), 0);
  put("n/a");
  mem_store_delete(mem, "d/a");
  ns_forget(ns, first, UINT64_MAX);
  mem_store_delete(mem, "e/x");
  put("d/x");
  cr_assert_eq(ns_moved(ns, second, NS_ROOT_INO, "d", NULL), 0);
  ns_forget(ns, second, UINT64_MAX);
  atomic_fetch_add(&fake_ms, NEGATIVE_TTL - 1);
  cr_expect_eq(ino_of("d"), first);
  cr_expect_eq(walk("d/x", &a), 0);
}

Test(change, swapped_names) {
  struct store_attr a = put("a");
  struct store_attr b = put("bb");
  uint64_t ino_a = ino_of("a");
  uint64_t ino_b = ino_of("bb");

  expect_ls("", "a bb ");
  cr_assert_eq(ns_swapped(ns, ino_a, &b, ino_b, &a), 0);
  cr_expect_eq(ino_of("a"), ino_b);
  cr_expect_eq(ino_of("bb"), ino_a);
  expect_ls("", "a bb ");
}

Test(change, places) {
  const struct root *root = NULL;
  char *key = NULL;

  put("d/a");
  cr_assert_eq(ns_place(ns, ino_of("d"), "new", &root, &key), 0);
  cr_expect_str_eq(key, "d/new");
  cr_expect_eq(root, catalog.roots[0]);
  free(key);
  cr_expect_eq(ns_place(ns, ino_of("d/a"), "x", &root, &key), -ENOTDIR);
  cr_expect_eq(ns_place(ns, 99, "x", &root, &key), -ESTALE);
  cr_expect_eq(ns_place(ns, NS_ROOT_INO, "\xff", &root, &key), -EILSEQ);
  cr_expect_eq(ns_place(ns, NS_ROOT_INO, ".s3keep", &root, &key), -EPERM);
}

Test(change, others_in_a_folder) {
  put("d/a");
  put("d/b");
  expect_ls("d", "a b ");
  cr_expect(ns_has_others(ns, ino_of("d"), "a"));
  ns_removed(ns, ino_of("d"), "b");
  cr_expect_not(ns_has_others(ns, ino_of("d"), "a"));
  make("d", "s", NS_DIR, NULL);
  cr_expect(ns_has_others(ns, ino_of("d"), "a"));
}

Test(change, an_answer_that_is_older_than_a_change_does_not_count) {
  struct ns_child c;

  put("a");
  cr_assert_eq(ns_child_get(ns, NS_ROOT_INO, "a", &patient, &c), 0);
  cr_expect_eq(c.type, NS_FILE);
  cr_expect_str_eq(c.key, "a");
  cr_expect(c.has_posix);
  ns_child_fini(ns, &c);
  cr_assert_eq(ns_dressed(ns, ino_of("a"), &(struct posix){.has_mode = true, .mode = 0600}), 0);
  cr_assert_eq(ns_child_get(ns, NS_ROOT_INO, "a", &patient, &c), 0);
  cr_expect_eq(c.posix.mode & 0777, 0600);
  ns_child_fini(ns, &c);
}

Test(change, absent_names_of_a_busy_folder_cost_one_listing) {
  struct store_attr new;
  struct ns_attr a;
  char name[16];
  unsigned before;

  put("d/old");
  cr_assert_eq(walk("d", &a), 0);
  new = put("d/f");
  make("d", "f", NS_FILE, &new);
  before = requests();
  for (int i = 0; i < 50; i++) {
    snprintf(name, sizeof(name), "d/n%d", i);
    cr_expect_eq(walk(name, &a), -ENOENT);
    new = put(name);
    make("d", name + 2, NS_FILE, &new);
  }
  cr_expect_eq(requests(), before + 1 + 50, "the test's own HEADs are 50");
  put("d/theirs");
  atomic_fetch_add(&fake_ms, NEGATIVE_TTL + 1);
  cr_expect_eq(walk("d/theirs", &a), 0, "found after the negative ttl");
}

Test(change, a_folder_made_here_is_known_to_be_empty) {
  struct ns_attr a;
  unsigned before;

  make("", "d", NS_DIR, NULL);
  put("d/theirs");
  before = requests();
  cr_expect_eq(walk("d/new", &a), -ENOENT);
  expect_ls("d", "");
  cr_expect_eq(requests(), before);
  atomic_fetch_add(&fake_ms, NEGATIVE_TTL + 1);
  cr_expect_eq(walk("d/theirs", &a), 0);
  atomic_fetch_add(&fake_ms, TTL);
  expect_ls("d", "theirs ");
}

static unsigned links_of(const char *path) {
  struct ns_attr a;

  cr_assert_eq(walk(path, &a), 0, "%s", path);
  return a.links;
}

Test(change, folders_count_their_subfolders_where_they_are_known) {
  unsigned before;
  uint64_t moved;

  put("theirs/file");
  put("theirs/one/file");
  put("theirs/two/file");
  ino_of("theirs/one");
  cr_expect_eq(links_of("theirs/file"), 1);
  cr_expect_eq(links_of("theirs"), 1, "not known");
  expect_ls("theirs", "file one/ two/ ");
  make("", "ours", NS_DIR, NULL);
  before = requests();
  cr_expect_eq(links_of("theirs"), 4);
  cr_expect_eq(links_of("ours"), 2);
  moved = make("ours", "sub", NS_DIR, NULL);
  make("ours", "file", NS_FILE, NULL);
  make("theirs", "three", NS_DIR, NULL);
  cr_expect_eq(links_of("ours"), 3);
  cr_expect_eq(links_of("theirs"), 5);
  cr_assert_eq(ns_moved(ns, moved, ino_of("theirs"), "sub", NULL), 0);
  cr_expect_eq(links_of("ours"), 2);
  cr_expect_eq(links_of("theirs"), 6);
  ns_removed(ns, ino_of("theirs"), "three");
  ns_removed(ns, ino_of("theirs"), "file");
  cr_expect_eq(links_of("theirs"), 5);
  cr_expect_eq(requests(), before);
  atomic_fetch_add(&fake_ms, TTL + 1);
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
  cr_assert_eq(walk("d", &a), 0);
  new = put("d/f");
  make("d", "f", NS_FILE, &new);
  cr_expect_eq(walk("d/n1", &a), -ENOENT);
  before = requests();
  cr_expect_eq(walk("d/n2", &a), -ENOENT);
  cr_expect_eq(requests(), before + 2);
}

Test(change, a_number_that_became_free_hides_nobody) {
  struct store_attr new;
  struct ns_attr a;
  uint64_t first;
  uint64_t second;

  first = make("", "lock", NS_FILE, NULL);
  new = put("config");
  cr_assert_eq(ns_moved(ns, first, NS_ROOT_INO, "config", &new), 0);
  second = make("", "lock", NS_FILE, NULL);
  cr_expect_neq(second, first);
  ns_removed(ns, NS_ROOT_INO, "config");
  ns_forget(ns, first, 100);
  cr_assert_eq(walk("lock", &a), 0);
  cr_expect_eq(a.ino, second);
}
