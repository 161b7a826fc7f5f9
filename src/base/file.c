/* Whole-file helpers. */
#include "s3apfs/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/text.h"

#define PIPE_TIMEOUT_MS 5000

static int read_fd(int fd, struct buf *out) {
  char chunk[16384];
  ssize_t n;
  int rc = 0;

  while (rc == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
    if (n > 0)
      buf_append(out, chunk, (size_t)n);
    else if (errno != EINTR)
      rc = -errno;
    if (rc == 0)
      rc = buf_error(out) == -E2BIG ? -EFBIG : buf_error(out);
  }
  explicit_bzero(chunk, sizeof(chunk));
  return rc;
}

/* A pipe may have no writer yet, or for ever. */
static int wait_for_writer(int fd) {
  struct stat st;
  struct pollfd p = {.fd = fd, .events = POLLIN};

  if (fstat(fd, &st) != 0)
    return -errno;
  if (S_ISFIFO(st.st_mode) && poll(&p, 1, PIPE_TIMEOUT_MS) == 0)
    return -ETIMEDOUT;
  return fcntl(fd, F_SETFL, 0) == 0 ? 0 : -errno;
}

int file_read(const char *path, struct buf *out) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  int rc;

  if (fd < 0)
    return -errno;
  rc = wait_for_writer(fd);
  if (rc == 0)
    rc = read_fd(fd, out);
  close(fd);
  return rc;
}

int file_write_all(int fd, const void *data, size_t len) {
  const char *p = data;

  while (len > 0) {
    ssize_t n = write(fd, p, len);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    p += n;
    len -= (size_t)n;
  }
  return 0;
}

int file_pread_all(int fd, void *data, size_t len, off_t at) {
  char *p = data;

  while (len > 0) {
    ssize_t n = pread(fd, p, len, at);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? -errno : -EIO;
    p += n;
    at += n;
    len -= (size_t)n;
  }
  return 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode) {
  char *tmp = text_printf("%s.tmp-XXXXXX", path);
  int rc;
  int fd;

  if (tmp == NULL)
    return -ENOMEM;
  fd = mkostemp(tmp, O_CLOEXEC);
  if (fd < 0) {
    rc = -errno;
    free(tmp);
    return rc;
  }
  rc = file_write_all(fd, data, len);
  if (rc == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
    rc = -errno;
  if (close(fd) != 0 && rc == 0)
    rc = -errno;
  if (rc == 0 && rename(tmp, path) != 0)
    rc = -errno;
  if (rc != 0)
    unlink(tmp);
  free(tmp);
  return rc;
}

static int make_one(const char *path, mode_t mode) {
  struct stat st;

  if (mkdir(path, mode) == 0)
    return 0;
  if (errno != EEXIST)
    return -errno;
  if (stat(path, &st) != 0)
    return -errno;
  return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_mkdirs(const char *path, mode_t mode) {
  char *copy = strdup(path);
  int rc = 0;

  if (copy == NULL)
    return -ENOMEM;
  for (char *at = copy + 1; rc == 0 && *copy != '\0'; at++) {
    char c = *at;

    if (c != '/' && c != '\0')
      continue;
    *at = '\0';
    rc = make_one(copy, mode);
    *at = c;
    if (c == '\0')
      break;
  }
  free(copy);
  return rc;
}

int file_pwrite_all(int fd, const void *data, size_t len, off_t at) {
  const char *p = data;

  while (len > 0) {
    ssize_t n = pwrite(fd, p, len, at);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    p += n;
    at += n;
    len -= (size_t)n;
  }
  return 0;
}
