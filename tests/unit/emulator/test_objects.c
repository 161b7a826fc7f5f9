/* The object store on a real folder: versions, conditions, restarts, damage. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/remove_tree.h"
#include "../src/emulator/objects.h"
#include "../src/emulator/s3_object.h"

static char dir[64];
static struct objects *store;

static void setup(void) {
  snprintf(dir, sizeof(dir), "/tmp/s3apfs-objects-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  cr_assert_eq(objects_open(dir, &store), 0);
}

static void teardown(void) {
  objects_close(store);
  remove_tree(dir);
}

TestSuite(objects, .init = setup, .fini = teardown);

static int put(const char *key, const char *text, const char *etag,
               const struct objects_condition *condition) {
  struct object_info o;
  struct body b;
  object_info_init(&o);
  body_init(&b, objects_spool_dir(store));
  cr_assert_eq(body_append(&b, text, strlen(text)), 0);
  o.entry.key = strdup(key);
  o.entry.etag = strdup(etag);
  cr_assert_eq(kvlist_add(&o.headers, "Content-Type", "text/plain"), 0);
  cr_assert_eq(kvlist_add(&o.tags, "t", "\xc3\xbc"), 0);
  int err = objects_put(store, "b", &b, &o, condition);
  body_fini(&b);
  object_info_fini(&o);
  return err;
}

static void expect(const char *key, const char *text, const char *etag) {
  int fd;
  struct object_info o;
  char data[64] = {0};
  cr_assert_eq(objects_get(store, "b", key, &fd, &o), 0, "%s", key);
  cr_assert_lt(o.entry.size, sizeof(data));
  cr_assert_eq(pread(fd, data, o.entry.size, 0), (ssize_t)o.entry.size);
  cr_expect_str_eq(data, text);
  cr_expect_str_eq(o.entry.etag, etag);
  cr_expect_str_eq(o.entry.key, key);
  cr_expect_str_eq(kvlist_get(&o.headers, "Content-Type"), "text/plain");
  cr_expect_str_eq(kvlist_get(&o.tags, "t"), "\xc3\xbc");
  close(fd);
  object_info_fini(&o);
}

static size_t count_keys(void) {
  struct key_query all = {.prefix = "", .delimiter = "", .after = "", .max = 1000};
  struct key_page p;
  cr_assert_eq(objects_page(store, "b", &all, &p), 0);
  size_t n = p.entry_count;
  key_page_fini(&p);
  return n;
}

static void reopen(void) {
  objects_close(store);
  cr_assert_eq(objects_open(dir, &store), 0);
}

Test(objects, are_there_after_a_restart) {
  cr_assert_eq(put("a", "1", "e1", NULL), 0);
  cr_assert_eq(put("a/b", "2", "e2", NULL), 0);
  cr_assert_eq(put("//", "3", "e3", NULL), 0);
  reopen();
  expect("a", "1", "e1");
  expect("a/b", "2", "e2");
  expect("//", "3", "e3");
  cr_expect_eq(count_keys(), 3);
}

static bool takes_more(unsigned appends, size_t parts) {
  struct object_info o = {.appends = appends, .part_count = parts};
  return append_has_room(&o);
}

Test(objects, how_often_they_were_appended_to_is_counted) {
  struct object_info o;
  struct body b;
  int fd;
  object_info_init(&o);
  body_init(&b, objects_spool_dir(store));
  o.entry.key = strdup("k");
  o.entry.etag = strdup("e");
  o.appends = 77;
  cr_assert_eq(objects_put(store, "b", &b, &o, NULL), 0);
  body_fini(&b);
  object_info_fini(&o);
  reopen();
  cr_assert_eq(objects_get(store, "b", "k", &fd, &o), 0);
  cr_expect_eq(o.appends, 77);
  close(fd);
  object_info_fini(&o);
  cr_expect(takes_more(9998, 0));
  cr_expect_not(takes_more(9999, 0));
  cr_expect(takes_more(9000, 999));
  cr_expect_not(takes_more(9000, 1000));
}

Test(objects, a_reader_keeps_the_version_it_opened) {
  int fd;
  struct object_info o;
  char data[8] = {0};
  cr_assert_eq(put("k", "old", "e1", NULL), 0);
  cr_assert_eq(objects_get(store, "b", "k", &fd, &o), 0);
  cr_assert_eq(put("k", "newer", "e2", NULL), 0);
  cr_assert_eq(pread(fd, data, o.entry.size, 0), 3);
  cr_expect_str_eq(data, "old");
  close(fd);
  object_info_fini(&o);
  expect("k", "newer", "e2");
}

Test(objects, conditions_of_writes) {
  struct objects_condition absent = {.must_be_absent = true}, match = {.if_match = "e1"},
                           any = {.if_match = "*"};
  cr_expect_eq(put("k", "x", "e0", &match), -ENOENT);
  cr_expect_eq(put("k", "x", "e0", &any), -ENOENT);
  cr_expect_eq(put("k", "x", "e1", &absent), 0);
  cr_expect_eq(put("k", "y", "e2", &absent), -EEXIST);
  cr_expect_eq(put("k", "y", "e2", &match), 0);
  cr_expect_eq(put("k", "z", "e3", &match), -EEXIST);
  expect("k", "y", "e2");
  cr_expect_eq(objects_remove(store, "b", "k", &match), -EEXIST);
  cr_expect_eq(objects_remove(store, "b", "k", &any), 0);
  cr_expect_eq(objects_remove(store, "b", "k", &any), -ENOENT);
  cr_expect_eq(objects_remove(store, "b", "k", NULL), 0);
}

Test(objects, tags_change_and_nothing_else_does) {
  struct kvlist none;
  kvlist_init(&none);
  cr_assert_eq(put("k", "text", "e1", NULL), 0);
  cr_assert_eq(objects_set_tags(store, "b", "k", &none), 0);
  int fd;
  struct object_info o;
  cr_assert_eq(objects_get(store, "b", "k", &fd, &o), 0);
  cr_expect_eq(o.tags.count, 0);
  cr_expect_str_eq(o.entry.etag, "e1");
  cr_expect_eq(o.entry.size, 4);
  close(fd);
  object_info_fini(&o);
  cr_expect_eq(objects_set_tags(store, "b", "no", &none), -ENOENT);
}

Test(objects, a_bucket_goes_when_it_is_empty) {
  cr_assert_eq(put("deep/k", "x", "e", NULL), 0);
  cr_expect_eq(objects_remove_bucket(store, "b"), -ENOTEMPTY);
  cr_assert_eq(objects_remove(store, "b", "deep/k", NULL), 0);
  cr_expect_eq(objects_remove_bucket(store, "b"), 0);
  char path[128];
  snprintf(path, sizeof(path), "%s/objects/b", dir);
  cr_expect_neq(access(path, F_OK), 0);
}

/* A crash in the middle of a write, a flipped byte, a stray file. */
Test(objects, damaged_files_are_left_out) {
  cr_assert_eq(put("good", "1", "e", NULL), 0);
  cr_assert_eq(put("cut", "2", "e", NULL), 0);
  cr_assert_eq(put("bent", "3", "e", NULL), 0);
  char path[128];
  struct stat st;
  snprintf(path, sizeof(path), "%s/objects/b/cut", dir);
  cr_assert_eq(stat(path, &st), 0);
  cr_assert_eq(truncate(path, st.st_size - 3), 0);
  snprintf(path, sizeof(path), "%s/objects/b/bent", dir);
  int fd = open(path, O_WRONLY);
  cr_assert_eq(stat(path, &st), 0);
  cr_assert_eq(pwrite(fd, "\xff", 1, st.st_size - 10), 1);
  close(fd);
  snprintf(path, sizeof(path), "%s/objects/b/stray", dir);
  fd = open(path, O_WRONLY | O_CREAT, 0600);
  close(fd);
  reopen();
  cr_expect_eq(count_keys(), 1);
  expect("good", "1", "e");
  struct object_info o;
  cr_expect_eq(objects_get(store, "b", "cut", &fd, &o), -EBADMSG);
}

Test(objects, long_bodies_go_through_a_file) {
  struct body b;
  char step[4096], back[4096];
  body_init(&b, objects_spool_dir(store));
  for (int i = 0; i < 600; i++) {
    memset(step, i, sizeof(step));
    cr_assert_eq(body_append(&b, step, sizeof(step)), 0);
  }
  cr_expect_not_null(b.path);
  cr_expect_eq(b.length, 600 * sizeof(step));
  memset(step, 577 & 0xff, sizeof(step));
  cr_assert_eq(body_read(&b, 577 * sizeof(step), back, sizeof(back)), (ssize_t)sizeof(back));
  cr_expect_arr_eq(back, step, sizeof(step));
  cr_expect_eq(body_load(&b, 100), -EFBIG);
  cr_expect_eq(body_load(&b, 600 * sizeof(step)), 0);
  cr_expect_null(b.path);
  cr_expect_eq(b.memory.len, 600 * sizeof(step));
  body_fini(&b);
}
