/* Names and attributes changed through the file system: in the store at once, seen at
 * once, and nothing lost on the way. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "s3apfs/state/journal.h"
#include "unit/fs/world.h"

#define NOREPLACE 1U
#define EXCHANGE 2U

static struct world w;
static const struct fs_maker me = {.mode = 0750, .uid = 1000, .gid = 100};

static void set_up(void) {
  world_init(&w, "");
  world_open_writable(&w);
}

static void tear_down(void) {
  world_fini(&w);
}

TestSuite(names, .init = set_up, .fini = tear_down);

static void put(const char *key, const char *text) {
  cr_assert_eq(mem_store_put(w.mem, key, text, strlen(text)), 0);
}

static uint64_t ino_of(const char *path) {
  struct fs_entry e;

  cr_assert_eq(world_walk(&w, path, &e), 0, "%s", path);
  return e.ino;
}

static int stat_of(const char *path, struct stat *out) {
  struct fs_entry e;
  int rc = world_walk(&w, path, &e);

  if (rc == 0)
    *out = e.st;
  return rc;
}

static void expect_ls(const char *path, const char *want) {
  int rc;
  char *got = world_ls(&w, path, true, &rc);

  cr_assert_eq(rc, 0, "%s: %d", path, rc);
  cr_expect_str_eq(got, want, "%s: %s", path, got);
  free(got);
}

/* Every key of the store: "key key ". */
static void expect_keys(const char *want) {
  struct store_page page;
  struct buf b;

  cr_assert_eq(fs_fsyncdir(w.fs, FS_ROOT_INO), 0);
  buf_init(&b, 0);
  cr_assert_eq(w.mem->ops->list(w.mem, "", false, NULL, 1000, &page), 0);
  for (size_t i = 0; i < page.count; i++)
    buf_printf(&b, "%s ", page.entries[i].name);
  cr_expect_str_eq(buf_cstr(&b), want, "%s", buf_cstr(&b));
  store_page_fini(&page);
  buf_fini(&b);
}

static void expect_object(const char *key, const char *text) {
  char got[256] = "";
  size_t n = 0;
  int rc = store_read(w.mem, key, NULL, 0, got, sizeof(got) - 1, &n, NULL);

  cr_expect(rc == 0 || (rc == -ERANGE && *text == '\0'), "%s: %d", key, rc);
  cr_expect_str_eq(got, text);
}

static void expect_meta(const char *key, const char *name, const char *want) {
  struct store_detail d;
  const char *got;

  cr_assert_eq(w.mem->write->detail(w.mem, key, &d), 0, "%s", key);
  got = kvlist_get_ci(&d.meta, name);
  cr_expect_str_eq(got != NULL ? got : "", want, "%s %s: %s", key, name, got);
  store_detail_fini(&d);
}

static int mkdir_at(const char *dir, const char *name) {
  struct fs_entry e;

  return fs_mkdir(w.fs, ino_of(dir), name, &me, &e);
}

static int rename_at(const char *dir, const char *name, const char *newdir, const char *newname,
                     unsigned flags) {
  return fs_rename(w.fs, ino_of(dir), name, ino_of(newdir), newname, flags);
}

static uint64_t create_at(const char *dir, const char *name) {
  struct fs_entry e;
  struct fs_opened o;

  cr_assert_eq(fs_create(w.fs, ino_of(dir), name, O_RDWR | O_EXCL, &me, &e, &o), 0);
  return o.handle;
}

static void write_text(uint64_t handle, const char *text) {
  cr_assert_eq(fs_write(w.fs, handle, 0, text, strlen(text)), 0);
}

Test(names, folders_are_made_and_removed) {
  struct stat st;

  cr_assert_eq(mkdir_at("", "d"), 0);
  expect_keys("d/ ");
  expect_meta("d/", "file-permissions", "040750");
  expect_meta("d/", "file-owner", "1000");
  cr_assert_eq(stat_of("d", &st), 0);
  cr_expect_eq(st.st_mode, S_IFDIR | 0750);
  cr_expect_eq(st.st_uid, 1000);
  expect_ls("d", "");
  expect_ls("", "d/ ");
  cr_assert_eq(mkdir_at("d", "s"), 0);
  cr_expect_eq(fs_rmdir(w.fs, FS_ROOT_INO, "d"), -ENOTEMPTY);
  cr_expect_eq(fs_unlink(w.fs, FS_ROOT_INO, "d"), -EISDIR);
  cr_expect_eq(fs_rmdir(w.fs, ino_of("d"), "s"), 0);
  cr_expect_eq(fs_rmdir(w.fs, FS_ROOT_INO, "d"), 0);
  expect_keys("");
  expect_ls("", "");
  cr_expect_eq(stat_of("d", &st), -ENOENT);
}

Test(names, another_hosts_folder_is_not_made_twice) {
  put("d/", "");
  cr_expect_eq(mkdir_at("", "d"), -EEXIST);
}

Test(names, a_folder_is_not_empty_for_what_others_put_there) {
  cr_assert_eq(mkdir_at("", "d"), 0);
  expect_ls("d", "");
  put("d/theirs", "x");
  cr_expect_eq(fs_rmdir(w.fs, FS_ROOT_INO, "d"), -ENOTEMPTY);
  expect_object("d/theirs", "x");
}

Test(names, a_keep_file_goes_with_its_folder) {
  put("d/.s3keep", "");
  cr_expect_eq(fs_rmdir(w.fs, FS_ROOT_INO, "d"), 0);
  expect_keys("");
}

Test(names, a_file_that_is_being_written_keeps_its_folder) {
  uint64_t h;

  cr_assert_eq(mkdir_at("", "d"), 0);
  h = create_at("d", "f");
  cr_expect_eq(fs_rmdir(w.fs, FS_ROOT_INO, "d"), -ENOTEMPTY);
  write_text(h, "x");
  cr_assert_eq(fs_flush(w.fs, h, 0), 0);
  fs_release(w.fs, h);
  expect_keys("d/ d/f ");
}

Test(names, links) {
  struct fs_entry e;
  struct buf b;

  cr_assert_eq(fs_symlink(w.fs, FS_ROOT_INO, "l", "some where/x", &me, &e), 0);
  cr_expect_eq(e.st.st_mode, S_IFLNK | 0777);
  cr_expect_eq(e.st.st_size, 12);
  expect_object("l", "some where/x");
  expect_meta("l", "file-permissions", "0120777");
  buf_init(&b, 0);
  cr_assert_eq(fs_readlink(w.fs, ino_of("l"), &b), 0);
  cr_expect_str_eq(buf_cstr(&b), "some where/x");
  buf_fini(&b);
  cr_expect_eq(fs_symlink(w.fs, FS_ROOT_INO, "l", "y", &me, &e), -EEXIST);
  cr_assert_eq(fs_unlink(w.fs, FS_ROOT_INO, "l"), 0);
  expect_keys("");
}

Test(names, removing_removes_the_version_that_is_there) {
  put("d/f", "1");
  put("d/g", "2");
  expect_ls("d", "f g ");
  put("d/f", "newer");
  cr_expect_eq(fs_unlink(w.fs, ino_of("d"), "f"), 0);
  expect_keys("d/g ");
  cr_expect_eq(fs_unlink(w.fs, ino_of("d"), "f"), -ENOENT);
  cr_expect_eq(fs_rmdir(w.fs, ino_of("d"), "g"), -ENOTDIR);
}

Test(names, a_folder_outlives_its_last_name) {
  put("d/f", "1");
  cr_expect_eq(fs_unlink(w.fs, ino_of("d"), "f"), 0);
  expect_keys("d/ ");
  expect_ls("d", "");
  put("e/f", "1");
  put("e/g", "1");
  cr_expect_eq(fs_unlink(w.fs, ino_of("e"), "f"), 0);
  expect_keys("d/ e/g ");
}

Test(names, denied_removals_change_nothing) {
  struct stat st;

  put("f", "1");
  fault_store_fail(w.faulty, FAULT_REMOVE, 0, 1, -EACCES, 0);
  cr_expect_eq(fs_unlink(w.fs, FS_ROOT_INO, "f"), -EACCES);
  cr_expect_eq(stat_of("f", &st), 0);
  cr_expect_eq(fs_unlink(w.fs, FS_ROOT_INO, "f"), 0);
}

Test(names, what_was_never_committed_just_goes) {
  uint64_t h = create_at("", "f");
  struct mem_store_counts before = world_counts(&w);
  struct mem_store_counts c;

  write_text(h, "gone");
  cr_expect_eq(fs_unlink(w.fs, FS_ROOT_INO, "f"), 0);
  cr_expect_eq(fs_flush(w.fs, h, 0), 0);
  fs_release(w.fs, h);
  expect_keys("");
  expect_ls("", "");
  mem_store_counts(w.mem, &c);
  cr_expect_eq(c.puts, before.puts);
}

Test(names, files_are_renamed) {
  struct mem_store_counts before = world_counts(&w);
  uint64_t ino;

  put("d/a", "content");
  mem_store_set_meta(w.mem, "d/a", "color", "blue");
  put("e/x", "x");
  ino = ino_of("d/a");
  cr_assert_eq(rename_at("d", "a", "e", "b", 0), 0);
  expect_keys("d/ e/b e/x ");
  expect_object("e/b", "content");
  expect_meta("e/b", "color", "blue");
  cr_expect_eq(ino_of("e/b"), ino);
  expect_ls("e", "b x ");
  cr_expect_eq(world_counts(&w).bytes_put, before.bytes_put, "no bytes came here");
  cr_expect_eq(rename_at("e", "never", "e", "b", 0), -ENOENT);
}

Test(names, renames_replace) {
  put("a", "new");
  put("b", "old");
  cr_expect_eq(rename_at("", "a", "", "b", NOREPLACE), -EEXIST);
  expect_object("b", "old");
  cr_expect_eq(rename_at("", "a", "", "b", 0), 0);
  expect_keys("b ");
  expect_object("b", "new");
  put("d/x", "");
  cr_expect_eq(rename_at("", "b", "", "d", 0), -EISDIR);
  cr_expect_eq(rename_at("", "d", "", "b", 0), -ENOTDIR);
  cr_expect_eq(rename_at("", "b", "", "c", NOREPLACE | EXCHANGE), -EINVAL);
}

Test(names, noreplace_holds_against_other_hosts) {
  struct stat st;

  put("a", "ours");
  cr_expect_eq(stat_of("b", &st), -ENOENT);
  put("b", "theirs");
  cr_expect_eq(rename_at("", "a", "", "b", NOREPLACE), -EEXIST);
  expect_object("b", "theirs");
  expect_object("a", "ours");
}

Test(names, a_renamed_file_is_the_version_that_is_there) {
  put("a", "1");
  cr_assert_neq(ino_of("a"), 0);
  put("a", "22");
  cr_expect_eq(rename_at("", "a", "", "b", 0), 0);
  expect_object("b", "22");
  expect_keys("b ");
}

Test(names, a_rename_that_cannot_remove_is_undone) {
  put("a", "1");
  fault_store_fail(w.faulty, FAULT_REMOVE, 0, 1, -EACCES, 0);
  cr_expect_eq(rename_at("", "a", "", "b", 0), -EACCES);
  expect_keys("a ");
}

Test(names, a_rename_whose_removal_may_be_done_loses_nothing) {
  put("a", "1");
  fault_store_lose(w.faulty, FAULT_REMOVE, 0, 1, -EIO);
  cr_expect_eq(rename_at("", "a", "", "b", 0), -EIO);
  expect_keys("b ");
  put("d/x", "2");
  put("d/y", "3");
  cr_assert_neq(ino_of("d"), 0);
  fault_store_lose(w.faulty, FAULT_REMOVE, 0, 1, -EIO);
  cr_expect_eq(rename_at("", "d", "", "e", 0), -EIO);
  expect_keys("b e/x e/y ");
  world_later(WORLD_NEGATIVE_TTL + 1); /* it was looked for before */
  expect_ls("e", "x y ");
}

Test(names, renaming_while_it_is_written) {
  uint64_t h = create_at("", "a");

  write_text(h, "one");
  cr_assert_eq(rename_at("", "a", "", "b", 0), 0);
  expect_keys("b ");
  expect_object("b", "one");
  write_text(h, "two");
  cr_assert_eq(fs_flush(w.fs, h, 0), 0);
  fs_release(w.fs, h);
  expect_keys("b ");
  expect_object("b", "two");
}

Test(names, renaming_over_what_is_written) {
  uint64_t h = create_at("", "b");

  write_text(h, "doomed");
  put("a", "new");
  cr_assert_eq(rename_at("", "a", "", "b", 0), 0);
  cr_expect_eq(fs_flush(w.fs, h, 0), 0);
  fs_release(w.fs, h);
  expect_keys("b ");
  expect_object("b", "new");
}

Test(names, folders_are_renamed) {
  char key[32];
  uint64_t dir;

  for (int i = 0; i < 30; i++) {
    snprintf(key, sizeof(key), "d/s/f%02d", i);
    put(key, key);
  }
  put("d/", "");
  put("d-other", "stays");
  dir = ino_of("d");
  cr_assert_eq(mkdir_at("", "e"), 0);
  cr_assert_eq(rename_at("", "d", "e", "n", 0), 0);
  cr_expect_eq(ino_of("e/n"), dir);
  expect_object("e/n/s/f07", "d/s/f07");
  expect_ls("", "d-other e/ ");
  expect_ls("e/n", "s/ ");
  cr_expect_eq(rename_at("", "e", "e/n", "x", 0), -EINVAL);
}

Test(names, folders_replace_empty_ones_only) {
  put("a/f", "1");
  put("b/", "");
  put("c/g", "2");
  cr_expect_eq(rename_at("", "a", "", "c", 0), -ENOTEMPTY);
  cr_expect_eq(rename_at("", "a", "", "b", 0), 0);
  expect_keys("b/f c/g ");
}

Test(names, a_folder_with_something_that_is_written_moves_whole) {
  uint64_t h;

  put("d/a", "1");
  h = create_at("d", "new");
  write_text(h, "early");
  cr_assert_eq(rename_at("", "d", "", "e", 0), 0);
  expect_object("e/new", "early");
  write_text(h, "later");
  cr_assert_eq(fs_flush(w.fs, h, 0), 0);
  fs_release(w.fs, h);
  expect_object("e/new", "later");
  expect_object("e/a", "1");
  expect_ls("e", "a new ");
}

Test(names, a_folder_whose_copy_fails_stays) {
  put("d/a", "1");
  put("d/b", "2");
  put("d/c", "3");
  fault_store_fail(w.faulty, FAULT_COPY, 1, 1, -EACCES, 0);
  cr_expect_eq(rename_at("", "d", "", "e", 0), -EACCES);
  expect_keys("d/a d/b d/c ");
  expect_ls("", "d/ ");
  fault_store_fail(w.faulty, FAULT_REMOVE, 0, 1, -EACCES, 0);
  cr_expect_eq(rename_at("", "d", "", "e", 0), -EACCES);
  expect_keys("d/a d/b d/c ");
}

/* Each copy of this store has an etag of its own, as in directory buckets. */
Test(names, a_cut_move_knows_its_copies_by_their_bytes) {
  struct fs_recovered recovered;
  char what[] = "move folder";
  char domain[] = "";
  char none[] = "";
  char from[] = "d/";
  char to[] = "e/";
  struct journal_change row = {
      .domain = domain, .what = what, .key = from, .target = to, .etag = none, .detail = none};

  put("d/copied", "1");
  put("e/copied", "1");
  put("d/other", "2");
  put("e/other", "3");
  put("d/waits", "4");
  cr_assert_eq(journal_add_change(w.state, &row, STATE_DURABLE), 0);
  cr_assert_eq(fs_recover(w.fs, &recovered), 0);
  expect_keys("d/other e/copied e/other e/waits ");
  expect_object("e/other", "3");
}

Test(names, exchanging) {
  uint64_t a;
  uint64_t b;

  put("a", "content of a");
  put("d/b", "b");
  put("d/s/x", "deep");
  a = ino_of("a");
  b = ino_of("d/b");
  cr_assert_eq(rename_at("", "a", "d", "b", EXCHANGE), 0);
  expect_object("a", "b");
  expect_object("d/b", "content of a");
  cr_expect_eq(ino_of("a"), b);
  cr_expect_eq(ino_of("d/b"), a);
  cr_assert_eq(rename_at("", "a", "d", "s", EXCHANGE), 0);
  expect_object("a/x", "deep");
  expect_object("d/s", "b");
  expect_keys("a/x d/b d/s ");
  cr_expect_eq(rename_at("", "a", "", "never", EXCHANGE), -ENOENT);
}

/* Every key of the store with what it holds, which the names in between must not be among. */
static void tell_objects(struct buf *out) {
  struct store_page page;

  buf_init(out, 0);
  cr_assert_eq(w.mem->ops->list(w.mem, "", false, NULL, 1000, &page), 0);
  for (size_t i = 0; i < page.count; i++) {
    char got[64] = "";
    size_t n = 0;

    store_read(w.mem, page.entries[i].name, NULL, 0, got, sizeof(got) - 1, &n, NULL);
    buf_printf(out, "%s=%s ", page.entries[i].name, got);
  }
  store_page_fini(&page);
}

static void expect_either(int rc, const char *what, const char *old, const char *new) {
  struct buf now;

  cr_assert_eq(fs_fsyncdir(w.fs, FS_ROOT_INO), 0);
  tell_objects(&now);
  cr_expect_str_eq(buf_cstr(&now), rc == 0 ? new : old, "%s: %d, %s", what, rc, buf_cstr(&now));
  buf_fini(&now);
}

static void put_four(void) {
  put("a", "1");
  put("b", "2");
  put("d/x", "3");
  put("d/y", "4");
}

/* The nth request of a kind fails, or its reply is lost. */
struct exchange_fault {
  enum fault_op op;
  unsigned n;
  bool lost;
};

static int exchange_with(const struct exchange_fault *f, const char *other) {
  int rc;

  if (f->lost)
    fault_store_lose(w.faulty, f->op, f->n, 1, -EIO);
  else
    fault_store_fail(w.faulty, f->op, f->n, 1, -EACCES, 0);
  rc = rename_at("", "a", "", other, EXCHANGE);
  fault_store_fail(w.faulty, f->op, 0, 0, 0, 0); /* those that did not come */
  fault_store_lose(w.faulty, f->op, 0, 0, 0);
  return rc;
}

static const char *tell_fault(const struct exchange_fault *f, const char *other) {
  static char what[64];

  snprintf(what, sizeof(what), "a and %s, %s %u %s", other,
           f->op == FAULT_COPY ? "copy" : "removal", f->n, f->lost ? "lost" : "failed");
  return what;
}

static unsigned each_exchange_fault(int (*fn)(const struct exchange_fault *f, const char *other)) {
  unsigned failed = 0;

  for (unsigned i = 0; i < 8 * 7; i++) {
    const struct exchange_fault f = {
        .op = (i & 2) != 0 ? FAULT_COPY : FAULT_REMOVE, .n = i / 8, .lost = (i & 4) != 0};

    failed += fn(&f, (i & 1) != 0 ? "d" : "b") != 0;
  }
  return failed;
}

static int exchange_wholly(const struct exchange_fault *f, const char *other) {
  const char *old = "a=1 b=2 d/x=3 d/y=4 ";
  const char *new = strcmp(other, "b") == 0 ? "a=2 b=1 d/x=3 d/y=4 " : "a/x=3 a/y=4 b=2 d=1 ";
  int rc = exchange_with(f, other);

  expect_either(rc, tell_fault(f, other), old, new);
  if (rc == 0) { /* it did all the same, or met no fault */
    cr_assert_eq(rename_at("", "a", "", other, EXCHANGE), 0);
    expect_either(0, "back", "", old);
  }
  return rc;
}

Test(names, an_exchange_that_fails_has_not_happened) {
  unsigned failed;

  mem_store_set_etags_of_bytes(w.mem); /* so copies are known for what they are */
  put_four();
  failed = each_exchange_fault(exchange_wholly);
  cr_expect_gt(failed, 12U, "%u", failed);
}

static int exchange_safely(const struct exchange_fault *f, const char *other) {
  static const char *const bytes[] = {"=1 ", "=2 ", "=3 ", "=4 "};
  struct buf now;
  int rc;

  tear_down();
  set_up();
  put_four();
  rc = exchange_with(f, other);
  tell_objects(&now);
  for (size_t i = 0; i < 4; i++)
    cr_expect_not_null(strstr(buf_cstr(&now), bytes[i]), "%s: %s", tell_fault(f, other),
                       buf_cstr(&now));
  cr_expect_null(strstr(buf_cstr(&now), ".s3apfs-exchange-"), "%s: %s", tell_fault(f, other),
                 buf_cstr(&now));
  buf_fini(&now);
  return rc;
}

/* Nobody can tell a copy from what another host put there. */
Test(names, an_exchange_that_fails_loses_nothing) {
  each_exchange_fault(exchange_safely);
}

Test(names, handles_stay_with_their_files_when_an_exchange_fails) {
  uint64_t a = create_at("", "a");
  uint64_t b = create_at("", "b");

  write_text(a, "a");
  write_text(b, "b");
  for (unsigned i = 0; i < 6; i++) {
    if (i % 2 == 0)
      fault_store_fail(w.faulty, i < 4 ? FAULT_COPY : FAULT_REMOVE, i / 2 % 2 + (i < 4), 1, -EACCES,
                       0);
    else
      fault_store_lose(w.faulty, FAULT_REMOVE, i / 2, 1, -EIO);
    if (rename_at("", "a", "", "b", EXCHANGE) == 0)
      cr_assert_eq(rename_at("", "a", "", "b", EXCHANGE), 0);
    write_text(a, "A");
    write_text(b, "B");
    cr_expect_eq(fs_flush(w.fs, a, 0), 0, "%u", i);
    cr_expect_eq(fs_flush(w.fs, b, 0), 0, "%u", i);
    expect_keys("a b ");
    expect_object("a", "A");
    expect_object("b", "B");
  }
  fs_release(w.fs, a);
  fs_release(w.fs, b);
}

Test(names, between_sources_is_another_device) {
  struct store *second;

  tear_down();
  world_init(&w, "one");
  second = world_add(&w, "two");
  cr_assert_eq(mem_store_put(second, "x", "x", 1), 0);
  put("f", "1");
  world_open_writable(&w);
  cr_expect_eq(rename_at("one", "f", "two", "f", 0), -EXDEV);
  cr_expect_eq(mkdir_at("", "new"), -EROFS, "above the sources");
  cr_expect_eq(fs_rmdir(w.fs, FS_ROOT_INO, "one"), -EBUSY);
}

static int set_at(const char *path, struct fs_set s, struct stat *st) {
  double ttl;

  return fs_setattr(w.fs, ino_of(path), &s, st, &ttl);
}

Test(names, attributes_are_kept_in_metadata) {
  struct stat st;

  put("f", "content");
  mem_store_set_meta(w.mem, "f", "color", "blue");
  mem_store_set_tags(w.mem, "f", "a=1");
  cr_assert_eq(set_at("f", (struct fs_set){.what = FS_SET_MODE, .mode = 0600}, &st), 0);
  cr_expect_eq(st.st_mode, S_IFREG | 0600);
  cr_assert_eq(set_at("f",
                      (struct fs_set){.what = FS_SET_UID | FS_SET_MTIME,
                                      .uid = 77,
                                      .mtime_ns = 1595002920123456789},
                      &st),
               0);
  cr_expect_eq(st.st_uid, 77);
  cr_expect_eq(st.st_mtim.tv_sec, 1595002920);
  cr_expect_eq(st.st_mtim.tv_nsec, 123456789);
  expect_object("f", "content");
  expect_meta("f", "file-permissions", "0100600");
  expect_meta("f", "file-owner", "77");
  expect_meta("f", "file-mtime", "1595002920123456789ns");
  expect_meta("f", "color", "blue");
  cr_assert_eq(stat_of("f", &st), 0);
  cr_expect_eq(st.st_mode, S_IFREG | 0600);
}

Test(names, attributes_of_folders) {
  struct stat st;

  put("d/f", "1");
  cr_assert_eq(set_at("d", (struct fs_set){.what = FS_SET_MODE, .mode = 0711}, &st), 0);
  cr_expect_eq(st.st_mode, S_IFDIR | 0711);
  expect_meta("d/", "file-permissions", "040711");
  cr_assert_eq(set_at("d", (struct fs_set){.what = FS_SET_GID, .gid = 5}, &st), 0);
  expect_meta("d/", "file-permissions", "040711");
  expect_meta("d/", "file-group", "5");
  cr_expect_eq(set_at("", (struct fs_set){.what = FS_SET_MODE, .mode = 0700}, &st), -EPERM);
}

Test(names, attributes_of_what_is_written_go_with_it) {
  struct mem_store_counts before;
  struct mem_store_counts after;
  struct stat st;
  uint64_t h = create_at("", "f");

  write_text(h, "x");
  before = world_counts(&w);
  cr_assert_eq(set_at("f",
                      (struct fs_set){
                          .what = FS_SET_MODE | FS_SET_MTIME, .mode = 0444, .mtime_ns = 5000000000},
                      &st),
               0);
  cr_expect_eq(st.st_mode, S_IFREG | 0444);
  cr_expect_eq(st.st_mtim.tv_sec, 5);
  cr_assert_eq(fs_flush(w.fs, h, 0), 0);
  fs_release(w.fs, h);
  after = world_counts(&w);
  cr_expect_eq(after.puts, before.puts + 1);
  cr_expect_eq(after.copies, before.copies);
  expect_meta("f", "file-permissions", "0100444");
  expect_meta("f", "file-mtime", "5000000000ns");
  expect_meta("f", "file-owner", "1000");
  cr_assert_eq(stat_of("f", &st), 0);
  cr_expect_eq(st.st_mtim.tv_sec, 5);
}

Test(names, attributes_changed_under_an_open_writer) {
  struct stat st;
  uint64_t h = create_at("", "f");

  write_text(h, "one");
  cr_assert_eq(fs_fsync(w.fs, h), 0);
  cr_assert_eq(set_at("f", (struct fs_set){.what = FS_SET_MODE, .mode = 0400}, &st), 0);
  write_text(h, "two");
  cr_assert_eq(fs_flush(w.fs, h, 0), 0);
  fs_release(w.fs, h);
  expect_object("f", "two");
  expect_meta("f", "file-permissions", "0100400");
}

Test(names, extended_attributes) {
  struct buf b;
  uint64_t ino;

  put("f", "1");
  ino = ino_of("f");
  buf_init(&b, 0);
  cr_expect_eq(fs_setxattr(w.fs, ino, "user.color", "red", 3, XATTR_REPLACE), -ENODATA);
  cr_expect_eq(fs_setxattr(w.fs, ino, "user.color", "red", 3, 0), 0);
  cr_expect_eq(fs_setxattr(w.fs, ino, "user.color", "x", 1, XATTR_CREATE), -EEXIST);
  cr_expect_eq(fs_getxattr(w.fs, ino, "user.color", &b), 0);
  cr_expect_str_eq(buf_cstr(&b), "red");
  expect_meta("f", "color", "red");
  cr_expect_eq(fs_setxattr(w.fs, ino, "user.bytes", "\xff\n", 2, 0), -EINVAL);
  cr_expect_eq(fs_setxattr(w.fs, ino, "trusted.x", "1", 1, 0), -EOPNOTSUPP);
  cr_expect_eq(fs_removexattr(w.fs, ino, "user.color"), 0);
  cr_expect_eq(fs_removexattr(w.fs, ino, "user.color"), -ENODATA);
  expect_object("f", "1");
  buf_fini(&b);
}

Test(names, more_metadata_than_an_object_can_carry) {
  char big[2100];

  memset(big, 'x', sizeof(big));
  put("f", "1");
  cr_expect_eq(fs_setxattr(w.fs, ino_of("f"), "user.big", big, sizeof(big), 0), -ENOSPC);
}

Test(names, empty_files) {
  struct fs_entry e;

  cr_assert_eq(fs_mknod(w.fs, FS_ROOT_INO, "f", &me, &e), 0);
  cr_expect_eq(e.st.st_mode, S_IFREG | 0750);
  expect_object("f", "");
  cr_expect_eq(fs_mknod(w.fs, FS_ROOT_INO, "f", &me, &e), -EEXIST);
}

Test(names, fifos_and_sockets) {
  static const mode_t types[] = {S_IFIFO, S_IFSOCK};
  struct fs_maker by = me;
  struct fs_entry e;

  for (size_t i = 0; i < 2; i++) {
    const char *name = i == 0 ? "fifo" : "socket";

    by.mode = types[i] | 0600;
    cr_assert_eq(fs_mknod(w.fs, FS_ROOT_INO, name, &by, &e), 0);
    cr_expect_eq(e.st.st_mode, types[i] | 0600);
    expect_object(name, "");
    cr_expect_eq(fs_unlink(w.fs, FS_ROOT_INO, name), 0);
  }
  by.mode = S_IFCHR | 0600;
  cr_expect_eq(fs_mknod(w.fs, FS_ROOT_INO, "dev", &by, &e), -EPERM);
}

Test(names, nothing_changes_where_only_reading_is_allowed) {
  struct fs_entry e;

  tear_down();
  world_init(&w, "");
  put("f", "1");
  world_open(&w, 64 << 20, 0);
  cr_expect_eq(mkdir_at("", "d"), -EROFS);
  cr_expect_eq(fs_symlink(w.fs, FS_ROOT_INO, "l", "x", &me, &e), -EROFS);
  cr_expect_eq(fs_unlink(w.fs, FS_ROOT_INO, "f"), -EROFS);
  cr_expect_eq(rename_at("", "f", "", "g", 0), -EROFS);
  cr_expect_eq(fs_setxattr(w.fs, ino_of("f"), "user.x", "1", 1, 0), -EROFS);
  expect_keys("f ");
}
