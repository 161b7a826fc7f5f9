/* Whole-file helpers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"

static char dir[] = "/tmp/s3apfs-file-XXXXXX";

static void make_dir(void) {
  cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void) {
  char *command = text_printf("rm -rf '%s'", dir);

  cr_assert_eq(system(command), 0);
  free(command);
}

TestSuite(file, .init = make_dir, .fini = remove_dir);

Test(file, writes_atomically_and_reads_back) {
  char *path = text_printf("%s/f", dir);
  struct buf text;
  struct stat st;

  cr_assert_eq(file_write_atomic(path, "one", 3, 0600), 0);
  cr_assert_eq(file_write_atomic(path, "t\0wo", 4, 0640), 0);
  buf_init(&text, 0);
  cr_assert_eq(file_read(path, &text), 0);
  cr_expect_eq(text.len, 4);
  cr_expect_arr_eq(text.data, "t\0wo", 4);
  cr_assert_eq(stat(path, &st), 0);
  cr_expect_eq(st.st_mode & 0777, 0640);
  buf_fini(&text);
  free(path);
}

Test(file, a_failed_write_leaves_no_temporary) {
  char *path = text_printf("%s/sub", dir);
  char *child = text_printf("%s/sub/x", dir);
  struct buf text;

  cr_assert_eq(mkdir(path, 0700), 0);
  cr_assert_eq(mkdir(child, 0700), 0);
  cr_expect_eq(file_write_atomic(child, "x", 1, 0600), -EISDIR);
  cr_assert_eq(rmdir(child), 0);
  cr_expect_eq(rmdir(path), 0, "the directory is empty again");
  cr_expect_eq(file_write_atomic(child, "x", 1, 0600), -ENOENT);
  buf_init(&text, 0);
  cr_expect_eq(file_read(child, &text), -ENOENT);
  cr_expect_eq(file_read(dir, &text), -EISDIR);
  buf_fini(&text);
  free(path);
  free(child);
}

Test(file, read_respects_the_cap) {
  char *path = text_printf("%s/f", dir);
  struct buf text;

  cr_assert_eq(file_write_atomic(path, "0123456789", 10, 0600), 0);
  buf_init(&text, 9);
  cr_expect_eq(file_read(path, &text), -EFBIG);
  buf_fini(&text);
  buf_init(&text, 10);
  cr_expect_eq(file_read(path, &text), 0);
  buf_fini(&text);
  free(path);
}

Test(file, makes_parents) {
  char *path = text_printf("%s/a/b//c/", dir);
  char *plain = text_printf("%s/plain", dir);
  char *below = text_printf("%s/plain/x", dir);
  struct stat st;

  cr_expect_eq(file_mkdirs(path, 0700), 0);
  cr_expect_eq(file_mkdirs(path, 0700), 0, "again");
  cr_expect(stat(path, &st) == 0 && S_ISDIR(st.st_mode));
  cr_assert_eq(file_write_atomic(plain, "", 0, 0600), 0);
  cr_expect_eq(file_mkdirs(below, 0700), -ENOTDIR);
  cr_expect_eq(file_mkdirs(plain, 0700), -ENOTDIR);
  free(path);
  free(plain);
  free(below);
}

Test(file, preads_in_full) {
  char *path = text_printf("%s/f", dir);
  char data[8];
  int fd;

  cr_assert_eq(file_write_atomic(path, "0123456789", 10, 0600), 0);
  fd = open(path, O_RDONLY);
  cr_assert_geq(fd, 0);
  cr_expect_eq(file_pread_all(fd, data, 4, 6), 0);
  cr_expect_arr_eq(data, "6789", 4);
  cr_expect_eq(file_pread_all(fd, data, 5, 6), -EIO, "the end came early");
  cr_expect_eq(file_pread_all(fd, data, 0, 100), 0);
  cr_expect_eq(file_write_all(fd, "x", 1), -EBADF);
  close(fd);
  free(path);
}
