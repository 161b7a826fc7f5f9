/* Writing through the file system: what was written is seen at once, and is in the
 * store when a close says so. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/fs/world.h"

static struct world w;
static const struct fs_maker maker = {.mode = 0640, .uid = 7, .gid = 8};

/* The first file of a root is special: see the tests of denials. */
static void write_first(void) {
  struct fs_entry e;
  struct fs_opened o;

  cr_assert_eq(fs_create(w.fs, FS_ROOT_INO, "first", O_RDWR, &maker, &e, &o), 0);
  fs_release(w.fs, o.handle);
}

static void set_up(void) {
  world_init(&w, "");
  cr_assert_eq(mem_store_put(w.mem, "dir/old", "old content", 11), 0);
  world_open_writable(&w);
  write_first();
}

static void tear_down(void) {
  world_fini(&w);
}

TestSuite(writing, .init = set_up, .fini = tear_down);

static uint64_t open_at(const char *path, int flags) {
  struct fs_entry e;
  struct fs_opened o;

  cr_assert_eq(world_walk(&w, path, &e), 0);
  cr_assert_eq(fs_open(w.fs, e.ino, flags, &o), 0);
  return o.handle;
}

static uint64_t create(const char *dir, const char *name, int flags, struct fs_entry *out) {
  struct fs_entry e;
  struct fs_opened o;

  cr_assert_eq(world_walk(&w, dir, &e), 0);
  cr_assert_eq(fs_create(w.fs, e.ino, name, flags | O_RDWR, &maker, out, &o), 0);
  return o.handle;
}

static void expect_read(uint64_t handle, const char *text) {
  char got[100] = "";
  ssize_t n = world_copy(&w, handle, 0, got, sizeof(got));

  cr_assert_eq(n, (ssize_t)strlen(text), "%zd bytes", n);
  cr_assert_arr_eq(got, text, strlen(text));
}

static void expect_object(const char *key, const char *text) {
  char got[100];
  struct store_attr a;
  size_t n = 0;

  cr_assert_eq(w.mem->ops->head(w.mem, key, &a, NULL), 0, "'%s' is not there", key);
  if (a.size > 0)
    cr_assert_eq(store_read(w.mem, key, NULL, 0, got, sizeof(got), &n, NULL), 0);
  cr_assert_eq(n, strlen(text));
  cr_assert_arr_eq(got, text, strlen(text));
}

static void expect_size(const char *path, size_t size) {
  struct fs_entry e;

  cr_assert_eq(world_walk(&w, path, &e), 0);
  cr_expect_eq(e.st.st_size, (off_t)size);
}

Test(writing, is_seen_by_every_handle_at_once) {
  uint64_t before = open_at("dir/old", O_RDONLY);
  uint64_t writer;
  uint64_t after;

  expect_read(before, "old content");
  writer = open_at("dir/old", O_RDWR);
  cr_assert_eq(fs_write(w.fs, writer, 0, "NEW", 3), 0);
  cr_assert_eq(fs_write(w.fs, writer, 11, " and more", 9), 0);
  after = open_at("dir/old", O_RDONLY);
  expect_read(writer, "NEW content and more");
  expect_read(before, "NEW content and more");
  expect_read(after, "NEW content and more");
  expect_size("dir/old", 20);
  expect_object("dir/old", "old content");
  cr_assert_eq(fs_flush(w.fs, writer, 0), 0);
  expect_object("dir/old", "NEW content and more");
  fs_release(w.fs, writer);
  expect_read(before, "NEW content and more");
  expect_size("dir/old", 20);
  fs_release(w.fs, before);
  fs_release(w.fs, after);
  after = open_at("dir/old", O_RDONLY);
  expect_read(after, "NEW content and more");
  fs_release(w.fs, after);
}

Test(writing, a_new_file_is_there_when_it_is_closed) {
  struct fs_entry e;
  struct fs_entry dir;
  struct fs_opened o;
  uint64_t handle = create("dir", "new", 0, &e);
  struct mem_store_counts before = world_counts(&w);
  struct mem_store_counts c;
  struct store_attr attr;
  struct kvlist meta;
  char *names;
  int rc;

  expect_size("dir/new", 0);
  cr_assert_eq(fs_write(w.fs, handle, 0, "hello", 5), 0);
  expect_size("dir/new", 5);
  cr_assert_eq(world_walk(&w, "dir", &dir), 0);
  cr_expect_eq(fs_create(w.fs, dir.ino, "new", O_RDWR | O_EXCL, &maker, &e, &o), -EEXIST);
  cr_assert_eq(fs_flush(w.fs, handle, 0), 0);
  fs_release(w.fs, handle);
  expect_object("dir/new", "hello");
  c = world_counts(&w);
  cr_expect_eq(c.puts, before.puts + 1, "one put, at the close");
  cr_assert_eq(world_walk(&w, "dir/new", &e), 0);
  cr_expect_eq(e.st.st_mode, S_IFREG | 0640);
  cr_expect_eq(e.st.st_uid, 7);
  kvlist_init(&meta);
  cr_assert_eq(w.mem->ops->head(w.mem, "dir/new", &attr, &meta), 0);
  cr_expect_str_eq(kvlist_get(&meta, "file-permissions"), "0100640");
  cr_expect_not_null(kvlist_get(&meta, "file-mtime"));
  kvlist_fini(&meta);
  names = world_ls(&w, "dir", false, &rc);
  cr_assert_eq(rc, 0);
  cr_expect_str_eq(names, "new old ");
  free(names);
}

Test(writing, opening_with_truncation_begins_anew) {
  uint64_t handle = open_at("dir/old", O_WRONLY | O_TRUNC);
  struct mem_store_counts before = world_counts(&w);

  expect_size("dir/old", 0);
  cr_assert_eq(fs_write(w.fs, handle, 0, "short", 5), 0);
  cr_assert_eq(fs_fsync(w.fs, handle), 0);
  fs_release(w.fs, handle);
  cr_expect_eq(world_counts(&w).gets, before.gets, "the old content is not fetched");
  expect_object("dir/old", "short");
}

Test(writing, appends_go_to_the_end) {
  uint64_t one = open_at("dir/old", O_WRONLY | O_APPEND);
  uint64_t two = open_at("dir/old", O_WRONLY | O_APPEND);

  cr_assert_eq(fs_write(w.fs, one, 11, "1", 1), 0);
  cr_assert_eq(fs_write(w.fs, two, 11, "2", 1), 0);
  cr_assert_eq(fs_write(w.fs, one, 0, "3", 1), 0);
  cr_assert_eq(fs_flush(w.fs, one, 0), 0);
  cr_assert_eq(fs_flush(w.fs, two, 0), 0);
  expect_object("dir/old", "old content123");
  fs_release(w.fs, one);
  fs_release(w.fs, two);
}

/* The kernel sends it some time after the close. */
Test(writing, a_release_leaves_what_another_handle_has_not_saved) {
  uint64_t saved = open_at("dir/old", O_WRONLY);
  uint64_t half;

  cr_assert_eq(fs_write(w.fs, saved, 0, "NEW", 3), 0);
  cr_assert_eq(fs_flush(w.fs, saved, 0), 0);
  half = open_at("dir/old", O_WRONLY | O_TRUNC);
  fs_release(w.fs, saved);
  expect_object("dir/old", "NEW content");
  cr_assert_eq(fs_write(w.fs, half, 0, "whole", 5), 0);
  cr_assert_eq(fs_flush(w.fs, half, 0), 0);
  expect_object("dir/old", "whole");
  cr_assert_eq(fs_truncate(w.fs, 0, half, 2), 0);
  fs_release(w.fs, half);
  expect_object("dir/old", "wh");
}

/* The kernel sends a mapping's pages through whichever handle it finds. */
Test(writing, a_release_saves_what_a_mapping_changed) {
  uint64_t mapping = open_at("dir/old", O_RDWR);
  uint64_t other = open_at("dir/old", O_WRONLY | O_APPEND);

  cr_assert_eq(fs_flush(w.fs, mapping, 0), 0);
  cr_assert_eq(fs_write_mapped(w.fs, other, 0, "NEW", 3), 0);
  expect_object("dir/old", "old content");
  fs_release(w.fs, mapping);
  expect_object("dir/old", "NEW content");
  fs_release(w.fs, other);
  expect_object("dir/old", "NEW content");
}

Test(writing, a_flush_from_another_process_does_not_commit) {
  struct fs_entry e;
  uint64_t handle = create("dir", "f", 0, &e);
  struct store_attr a;

  fs_set_opener(handle, 100);
  cr_assert_eq(fs_write(w.fs, handle, 0, "half", 4), 0);
  cr_assert_eq(fs_flush(w.fs, handle, 200), 0);
  cr_expect_eq(w.mem->ops->head(w.mem, "dir/f", &a, NULL), -ENOENT);
  cr_assert_eq(fs_write(w.fs, handle, 4, " and half", 9), 0);
  cr_assert_eq(fs_flush(w.fs, handle, 200), 0);
  fs_release(w.fs, handle);
  expect_object("dir/f", "half and half");
}

Test(writing, truncation_by_name_is_committed) {
  struct fs_entry e;

  cr_assert_eq(world_walk(&w, "dir/old", &e), 0);
  cr_assert_eq(fs_truncate(w.fs, e.ino, 0, 3), 0);
  expect_object("dir/old", "old");
  expect_size("dir/old", 3);
  cr_assert_eq(fs_truncate(w.fs, e.ino, 0, 3), 0);
}

Test(writing, truncation_by_handle_waits_for_the_close) {
  uint64_t handle = open_at("dir/old", O_RDWR);

  cr_assert_eq(fs_truncate(w.fs, 0, handle, 3), 0);
  expect_size("dir/old", 3);
  expect_object("dir/old", "old content");
  fs_release(w.fs, handle);
  expect_object("dir/old", "old");
}

Test(writing, somebody_elses_version_wins_and_is_shown) {
  uint64_t handle = open_at("dir/old", O_RDWR);
  struct store_page page;
  uint64_t reader;

  cr_assert_eq(fs_truncate(w.fs, 0, handle, 0), 0);
  cr_assert_eq(fs_write(w.fs, handle, 0, "ours", 4), 0);
  cr_assert_eq(mem_store_put(w.mem, "dir/old", "theirs", 6), 0);
  cr_expect_eq(fs_flush(w.fs, handle, 0), -ESTALE);
  expect_object("dir/old", "theirs");
  cr_expect_eq(fs_write(w.fs, handle, 0, "x", 1), -ESTALE);
  reader = open_at("dir/old", O_RDONLY);
  expect_read(reader, "theirs");
  fs_release(w.fs, reader);
  fs_release(w.fs, handle);
  cr_assert_eq(w.mem->ops->list(w.mem, "dir/old.conflict-", true, NULL, 10, &page), 0);
  cr_assert_eq(page.count, 1);
  expect_object(page.entries[0].name, "ours");
  store_page_fini(&page);
}

Test(writing, what_could_not_be_committed_is_kept) {
  struct fs_entry e;
  uint64_t handle = create("dir", "f", 0, &e);
  uint64_t again;

  cr_assert_eq(fs_write(w.fs, handle, 0, "kept", 4), 0);
  fault_store_fail(w.faulty, FAULT_PUT, 0, 2, -ETIMEDOUT, 0);
  cr_expect_eq(fs_flush(w.fs, handle, 0), -ETIMEDOUT);
  fs_release(w.fs, handle);
  expect_size("dir/f", 4);
  again = open_at("dir/f", O_RDONLY);
  expect_read(again, "kept");
  cr_assert_eq(fs_fsync(w.fs, again), 0);
  expect_object("dir/f", "kept");
  fs_release(w.fs, again);
}

Test(writing, an_open_for_writing_asks_for_the_current_version) {
  struct fs_entry e;
  uint64_t handle;

  cr_assert_eq(world_walk(&w, "dir/old", &e), 0);
  cr_assert_eq(mem_store_put(w.mem, "dir/old", "theirs, since", 13), 0);
  handle = open_at("dir/old", O_RDWR);
  expect_read(handle, "theirs, since");
  cr_assert_eq(fs_write(w.fs, handle, 0, "T", 1), 0);
  cr_assert_eq(fs_flush(w.fs, handle, 0), 0);
  fs_release(w.fs, handle);
  expect_object("dir/old", "Theirs, since");
}

/* The look-up asked in the same instant, and for this open. */
Test(writing, the_look_up_that_an_open_needs_is_its_question) {
  struct mem_store_counts before;
  uint64_t handle;
  struct fs_entry e;

  cr_assert_eq(world_walk(&w, "dir", &e), 0);
  before = world_counts(&w);
  handle = open_at("dir/old", O_RDWR);
  cr_expect_eq(world_counts(&w).heads, before.heads + 1);
  fs_release(w.fs, handle);
  world_later(WORLD_TTL + 1);
  cr_assert_eq(world_walk(&w, "dir/old", &e), 0);
  before = world_counts(&w);
  world_later(100);
  handle = open_at("dir/old", O_RDWR);
  cr_expect_eq(world_counts(&w).heads, before.heads + 1);
  fs_release(w.fs, handle);
}

Test(writing, holes_can_be_found) {
  struct fs_entry e;
  uint64_t handle = create("dir", "f", 0, &e);
  uint64_t at = 0;

  cr_assert_eq(fs_write(w.fs, handle, 10, "x", 1), 0);
  cr_assert_eq(fs_seek(w.fs, handle, 0, SEEK_DATA, &at), 0);
  cr_expect_eq(at, 10);
  cr_assert_eq(fs_allocate(w.fs, handle, 0, 0, 20), 0);
  expect_size("dir/f", 20);
  fs_release(w.fs, handle);
}

static int count_pending(void *arg, const struct fs_pending_item *item) {
  (void)item;
  ++*(unsigned *)arg;
  return 0;
}

/* --- what is open while names change --- */

Test(writing, a_removed_file_lives_on_for_those_who_have_it_open) {
  uint64_t reader = open_at("dir/old", O_RDONLY);
  uint64_t writer = open_at("dir/old", O_RDWR);
  struct fs_entry dir;
  struct fs_entry e;
  struct store_attr a;

  cr_assert_eq(world_walk(&w, "dir", &dir), 0);
  cr_assert_eq(fs_unlink(w.fs, dir.ino, "old"), 0);
  cr_expect_eq(w.mem->ops->head(w.mem, "dir/old", &a, NULL), -ENOENT);
  cr_expect_eq(world_walk(&w, "dir/old", &e), -ENOENT);
  expect_read(reader, "old content");
  cr_assert_eq(fs_write(w.fs, writer, 0, "OLD", 3), 0);
  expect_read(reader, "OLD content");
  cr_expect_eq(fs_flush(w.fs, writer, 0), 0);
  fs_release(w.fs, writer);
  fs_release(w.fs, reader);
  cr_expect_eq(w.mem->ops->head(w.mem, "dir/old", &a, NULL), -ENOENT);
}

Test(writing, a_removal_that_is_denied_loses_nothing) {
  uint64_t writer = open_at("dir/old", O_RDWR);
  struct fs_entry dir;

  cr_assert_eq(fs_write(w.fs, writer, 0, "NEW", 3), 0);
  cr_assert_eq(world_walk(&w, "dir", &dir), 0);
  fault_store_fail(w.faulty, FAULT_REMOVE, 0, 1, -EACCES, 0);
  cr_expect_eq(fs_unlink(w.fs, dir.ino, "old"), -EACCES);
  cr_assert_eq(fs_flush(w.fs, writer, 0), 0);
  expect_object("dir/old", "NEW content");
  fs_release(w.fs, writer);
}

Test(writing, a_moved_file_is_read_on) {
  uint64_t reader = open_at("dir/old", O_RDONLY);
  struct fs_entry dir;

  cr_assert_eq(world_walk(&w, "dir", &dir), 0);
  cr_assert_eq(fs_rename(w.fs, dir.ino, "old", dir.ino, "new", 0), 0);
  expect_read(reader, "old content");
  fs_release(w.fs, reader);
  reader = open_at("dir/new", O_RDONLY);
  cr_assert_eq(fs_rename(w.fs, FS_ROOT_INO, "dir", FS_ROOT_INO, "other", 0), 0);
  expect_read(reader, "old content");
  fs_release(w.fs, reader);
  expect_object("other/new", "old content");
}

Test(writing, a_replaced_file_is_read_on) {
  uint64_t reader = open_at("dir/old", O_RDONLY);
  struct fs_entry dir;
  struct fs_entry e;
  uint64_t handle = create("dir", "tmp", 0, &e);

  cr_assert_eq(fs_write(w.fs, handle, 0, "replacement", 11), 0);
  fs_release(w.fs, handle);
  cr_assert_eq(world_walk(&w, "dir", &dir), 0);
  cr_assert_eq(fs_rename(w.fs, dir.ino, "tmp", dir.ino, "old", 0), 0);
  expect_read(reader, "old content");
  fs_release(w.fs, reader);
  reader = open_at("dir/old", O_RDONLY);
  expect_read(reader, "replacement");
  fs_release(w.fs, reader);
  expect_object("dir/old", "replacement");
}

Test(writing, behind_the_journal_it_is_in_the_store_soon) {
  struct fs_entry e;
  struct store_attr a;
  unsigned failed;
  uint64_t handle;

  world_fini(&w);
  world_init(&w, "");
  cr_assert_eq(mem_store_put(w.mem, "dir/old", "old content", 11), 0);
  w.catalog.roots[0]->options.writeback = true;
  world_open_writable(&w);
  write_first();
  fault_store_gate(w.faulty, FAULT_PUT, 0);
  handle = create("dir", "f", 0, &e);
  cr_assert_eq(fs_write(w.fs, handle, 0, "soon", 4), 0);
  cr_assert_eq(fs_flush(w.fs, handle, 0), 0, "returns although the store does not answer");
  cr_expect_eq(w.mem->ops->head(w.mem, "dir/f", &a, NULL), -ENOENT);
  fs_release(w.fs, handle);
  expect_size("dir/f", 4);
  fault_store_open(w.faulty);
  cr_assert_eq(fs_sync(w.fs, &failed), 0);
  expect_object("dir/f", "soon");
}

/* --- denials --- */

Test(denied, where_nobody_may_write_the_first_open_says_so) {
  struct mem_store_counts before;
  struct fs_entry e;
  struct fs_opened o;
  uint64_t handle;
  unsigned left = 0;

  world_init(&w, "");
  cr_assert_eq(mem_store_put(w.mem, "old", "old content", 11), 0);
  world_open_writable(&w);
  fault_store_fail(w.faulty, FAULT_PUT, 0, 99, -EACCES, 0);
  handle = open_at("old", O_RDWR);
  cr_assert_eq(fs_write(w.fs, handle, 0, "NEW", 3), 0);
  cr_expect_eq(fs_flush(w.fs, handle, 0), -EACCES);
  fs_release(w.fs, handle);
  handle = open_at("old", O_RDONLY);
  expect_read(handle, "old content");
  fs_release(w.fs, handle);
  before = world_counts(&w);
  cr_expect_eq(fs_create(w.fs, FS_ROOT_INO, "new", O_RDWR, &maker, &e, &o), -EACCES);
  cr_expect_eq(world_counts(&w).puts, before.puts, "it is taken at its word for a while");
  cr_expect_eq(world_walk(&w, "new", &e), -ENOENT);
  cr_assert_eq(fs_pending(w.fs, count_pending, &left), 0);
  cr_expect_eq(left, 0, "nothing denied waits for ever");
  world_fini(&w);
}

Test(denied, the_first_file_is_proved_at_its_open) {
  struct fs_entry e;
  struct fs_opened o;

  world_init(&w, "");
  cr_assert_eq(mem_store_put(w.mem, "old", "old content", 11), 0);
  world_open_writable(&w);
  fault_store_fail(w.faulty, FAULT_PUT, 0, 1, -EACCES, 0);
  cr_expect_eq(fs_create(w.fs, FS_ROOT_INO, "new", O_RDWR, &maker, &e, &o), -EACCES);
  cr_expect_eq(world_walk(&w, "new", &e), -ENOENT);
  world_fini(&w);
}

Test(read_only, is_refused) {
  struct fs_entry e;
  struct fs_entry out;
  struct fs_opened o;

  world_init(&w, "");
  cr_assert_eq(mem_store_put(w.mem, "f", "x", 1), 0);
  world_open(&w, (size_t)64 << 20, 0);
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_expect_eq(fs_open(w.fs, e.ino, O_RDWR, &o), -EROFS);
  cr_expect_eq(fs_truncate(w.fs, e.ino, 0, 0), -EROFS);
  cr_expect_eq(fs_create(w.fs, FS_ROOT_INO, "g", O_RDWR, &maker, &out, &o), -EROFS);
  world_fini(&w);
  world_init(&w, "");
  cr_assert_eq(mem_store_put(w.mem, "f", "x", 1), 0);
  w.faulty->read_only = true;
  world_open_writable(&w);
  cr_assert_eq(world_walk(&w, "f", &e), 0);
  cr_expect_eq(fs_open(w.fs, e.ino, O_RDWR, &o), -EACCES);
  world_fini(&w);
}
