/* Kept listings: what is put is given, damaged ones never, and the room they take. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/remove_tree.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"
#include "s3apfs/state/shelf.h"

#define LIMIT ((uint64_t)1 << 20)

static char dir[32];
static struct shelf *shelf;

static void setup(void) {
  snprintf(dir, sizeof(dir), "/tmp/s3apfs-shelf-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  cr_assert_eq(shelf_open(dir, LIMIT, &shelf), 0);
}

static void teardown(void) {
  shelf_close(shelf);
  remove_tree(dir);
}

TestSuite(shelf, .init = setup, .fini = teardown);

/* Each of other bytes. */
static void piece(char *at, size_t len, unsigned number) {
  for (size_t i = 0; i < len; i++)
    at[i] = (char)(number * 31 + i);
}

static int put(const char *prefix, size_t len, unsigned count) {
  char *bytes = malloc(len);
  struct shelf_writer *w;
  int rc = shelf_writer_open(shelf, "domain", prefix, &w);

  if (rc == 0) {
    for (unsigned i = 0; rc == 0 && i < count; i++) {
      piece(bytes, len, i);
      rc = shelf_writer_add(w, bytes, len);
    }
    rc = shelf_writer_end(w, rc);
  }
  free(bytes);
  return rc;
}

/* How it ends; every piece until then is the right one, and when it ends well there are `count`. */
static int get(const char *prefix, size_t len, unsigned count) {
  char *bytes = malloc(len);
  struct shelf_reader *r;
  const char *data;
  int64_t saved;
  size_t got = 1;
  int rc = shelf_reader_open(shelf, "domain", prefix, &r, &saved);

  if (rc == 0) {
    unsigned i = 0;

    while ((rc = shelf_reader_next(r, &data, &got)) == 0 && got > 0) {
      cr_assert_eq(got, len);
      piece(bytes, len, i++);
      cr_assert_eq(memcmp(bytes, data, len), 0);
    }
    cr_assert(rc != 0 || i == count);
    shelf_reader_close(r);
  }
  free(bytes);
  return rc;
}

struct use {
  uint64_t bytes;
  unsigned files;
  char *path; /* the last one's; the caller's */
};

static struct use look(void) {
  char *path = text_printf("%s/listings", dir);
  DIR *d = opendir(path);
  struct use u = {0};
  struct dirent *de;

  cr_assert_not_null(d);
  while ((de = readdir(d)) != NULL) {
    struct stat st;

    if (de->d_name[0] == '.')
      continue;
    cr_assert_eq(fstatat(dirfd(d), de->d_name, &st, 0), 0);
    u.bytes += (uint64_t)st.st_size;
    u.files++;
    free(u.path);
    u.path = text_printf("%s/%s", path, de->d_name);
  }
  closedir(d);
  free(path);
  return u;
}

static uint64_t bytes_kept(void) {
  struct use u = look();

  free(u.path);
  return u.bytes;
}

static unsigned files_kept(void) {
  struct use u = look();

  free(u.path);
  return u.files;
}

Test(shelf, gives_what_was_put) {
  struct shelf_writer *w;

  cr_assert_eq(put("a/", 1000, 5), 0);
  cr_assert_eq(put("b/", 3, 1), 0);
  cr_expect_eq(get("a/", 1000, 5), 0);
  cr_expect_eq(get("b/", 3, 1), 0);
  cr_expect_eq(get("c/", 3, 1), -ENOENT);
  cr_assert_eq(put("a/", 10, 2), 0);
  cr_expect_eq(get("a/", 10, 2), 0, "the newer one");
  cr_assert_eq(shelf_writer_open(shelf, "domain", "a/", &w), 0);
  cr_assert_eq(shelf_writer_add(w, "x", 1), 0);
  cr_expect_eq(shelf_writer_end(w, -EAGAIN), -EAGAIN);
  cr_expect_eq(get("a/", 10, 2), 0, "what was given up changes nothing");
  shelf_drop(shelf, "domain", "a/");
  cr_expect_eq(get("a/", 10, 2), -ENOENT);
}

/* Writes these bytes as the only file, and asks for it. */
static void expect_refused(const char *path, const char *bytes, size_t len, const char *what,
                           size_t at) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  cr_assert(fd >= 0);
  cr_assert_eq(file_write_all(fd, bytes, len), 0);
  close(fd);
  cr_assert_eq(get("a/", 40, 3), -ENOENT, "%s at %zu", what, at);
  cr_assert_neq(access(path, F_OK), 0, "it stays: %s at %zu", what, at);
}

Test(shelf, what_is_damaged_is_not_given) {
  struct use u;
  struct buf b;
  char last[8] = {0};

  cr_assert_eq(put("a/", 40, 3), 0);
  u = look();
  cr_assert_eq(u.files, 1);
  buf_init(&b, 0);
  cr_assert_eq(file_read(u.path, &b), 0);
  for (size_t at = 0; at < b.len; at++) {
    for (int bit = 0; bit < 8; bit++) {
      b.data[at] = (char)(b.data[at] ^ (1 << bit));
      expect_refused(u.path, b.data, b.len, "another bit", at);
      b.data[at] = (char)(b.data[at] ^ (1 << bit));
    }
    expect_refused(u.path, b.data, at, "cut", at);
  }
  buf_append(&b, last, sizeof(last));
  expect_refused(u.path, b.data, b.len, "more bytes", b.len);
  buf_fini(&b);
  free(u.path);
}

Test(shelf, another_folders_file_is_not_given) {
  struct use a;
  struct use b;

  cr_assert_eq(put("a/", 40, 3), 0);
  a = look();
  cr_assert_eq(put("b/", 40, 3), 0);
  b = look();
  if (strcmp(a.path, b.path) == 0) { /* the directory's order */
    shelf_drop(shelf, "domain", "a/");
    free(b.path);
    b = look();
    cr_assert_eq(put("a/", 40, 3), 0);
  }
  cr_assert_eq(rename(b.path, a.path), 0);
  cr_expect_eq(get("a/", 40, 3), -ENOENT);
  free(a.path);
  free(b.path);
}

Test(shelf, the_limit_holds_while_they_are_written) {
  char *bytes = calloc(1, LIMIT / 16);
  struct shelf_writer *w;

  for (unsigned i = 0; i < 40; i++) {
    char prefix[16];

    snprintf(prefix, sizeof(prefix), "%u/", i);
    cr_assert_eq(put(prefix, LIMIT / 16 - 200, 1), 0);
    cr_expect_leq(bytes_kept(), LIMIT);
  }
  cr_assert_eq(shelf_writer_open(shelf, "domain", "large/", &w), 0);
  for (unsigned i = 0; i < 7; i++) {
    cr_assert_eq(shelf_writer_add(w, bytes, LIMIT / 16), 0);
    cr_expect_leq(bytes_kept(), LIMIT);
  }
  cr_assert_eq(shelf_writer_end(w, 0), 0);
  cr_expect_gt(files_kept(), 1, "it does not throw out all the others");
  free(bytes);
}

Test(shelf, one_takes_half_of_it) {
  unsigned before;

  cr_assert_eq(put("a/", LIMIT / 16, 7), 0);
  before = files_kept();
  cr_expect_eq(put("b/", LIMIT / 16, 8), -EFBIG);
  cr_expect_eq(files_kept(), before, "nothing of it is left");
  cr_expect_eq(get("a/", LIMIT / 16, 7), 0);
}
