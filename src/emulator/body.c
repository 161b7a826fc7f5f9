/* Spooled request bodies.
 *
 * States: in memory (path NULL, fd -1), then, from the append that would pass
 * BODY_MEMORY_MAX on, in a temporary file (path and fd set, memory empty).
 * Digests are taken by reading the spool again: pages just written are still
 * cached, and only requests that need a digest pay for it. One thread at a time. */
#include "body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"

/* Big enough that system calls do not matter, small enough for a thread's stack. */
#define STEP ((size_t)32 << 10)

void body_init(struct body *b, const char *spool_dir) {
  memset(b, 0, sizeof(*b));
  b->spool_dir = spool_dir;
  b->fd = -1;
  buf_init(&b->memory, 0);
}

void body_fini(struct body *b) {
  if (b->fd >= 0)
    close(b->fd);
  if (b->path)
    unlink(b->path);
  free(b->path);
  buf_fini(&b->memory);
  body_init(b, b->spool_dir);
}

static int body_spill(struct body *b) {
  char *path = text_printf("%s/body-XXXXXX", b->spool_dir);
  if (!path)
    return -ENOMEM;
  int fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0) {
    int err = -errno;
    free(path);
    return err;
  }
  b->path = path;
  b->fd = fd;
  int err = file_write_all(fd, buf_cstr(&b->memory), b->memory.len);
  buf_fini(&b->memory);
  buf_init(&b->memory, 0);
  return err;
}

int body_append(struct body *b, const void *data, size_t len) {
  if (!b->path && b->memory.len + len > BODY_MEMORY_MAX) {
    int err = body_spill(b);
    if (err)
      return err;
  }
  if (b->path) {
    int err = file_write_all(b->fd, data, len);
    if (err)
      return err;
  } else {
    buf_append(&b->memory, data, len);
    if (buf_error(&b->memory))
      return buf_error(&b->memory);
  }
  b->length += len;
  return 0;
}

/* copy_file_range in full; what it refuses (other file systems, old kernels)
 * goes through a buffer. */
static int copy_range(int from, off_t at, int to, uint64_t len) {
  while (len > 0) {
    ssize_t n = copy_file_range(from, &at, to, NULL, len, 0);
    if (n <= 0)
      break;
    len -= (uint64_t)n;
  }
  char step[STEP];
  while (len > 0) {
    size_t n = len < sizeof(step) ? (size_t)len : sizeof(step);
    int err = file_pread_all(from, step, n, at);
    if (!err)
      err = file_write_all(to, step, n);
    if (err)
      return err;
    at += (off_t)n;
    len -= n;
  }
  return 0;
}

int body_append_file(struct body *b, int fd, uint64_t at, uint64_t len) {
  if (!b->path) {
    int err = body_spill(b);
    if (err)
      return err;
  }
  int err = copy_range(fd, (off_t)at, b->fd, len);
  if (!err)
    b->length += len;
  return err;
}

ssize_t body_read(const struct body *b, uint64_t at, void *data, size_t len) {
  if (at >= b->length)
    return 0;
  if (len > b->length - at)
    len = (size_t)(b->length - at);
  if (!b->path) {
    memcpy(data, buf_cstr(&b->memory) + at, len);
    return (ssize_t)len;
  }
  int err = file_pread_all(b->fd, data, len, (off_t)at);
  return err ? err : (ssize_t)len;
}

int body_detach(struct body *b, int *fd, char **path) {
  if (!b->path) {
    int err = body_spill(b);
    if (err)
      return err;
  }
  *fd = b->fd;
  *path = b->path;
  b->fd = -1;
  b->path = NULL;
  b->length = 0;
  return 0;
}

void body_replace(struct body *b, struct body *other) {
  body_fini(b);
  *b = *other;
  body_init(other, b->spool_dir);
}

int body_each(const struct body *b, body_taker take, void *arg) {
  char step[STEP];
  uint64_t at = 0;
  ssize_t n;
  while ((n = body_read(b, at, step, sizeof(step))) > 0) {
    int err = take(arg, step, (size_t)n);
    if (err)
      return err;
    at += (uint64_t)n;
  }
  return (int)n;
}

static int add_to_digest(void *arg, const void *data, size_t len) {
  digest_update(arg, data, len);
  return 0;
}

int body_digest(const struct body *b, enum digest_kind kind, uint8_t *out) {
  struct digest *d;
  int err = digest_new(kind, &d);
  if (err)
    return err;
  err = body_each(b, add_to_digest, d);
  if (!err)
    err = digest_final(d, out);
  digest_free(d);
  return err;
}

static int add_to_checksum(void *arg, const void *data, size_t len) {
  checksum_update(arg, data, len);
  return 0;
}

int body_checksum(const struct body *b, enum checksum_kind kind, struct checksum *out) {
  struct checksum_stream *s;
  int err = checksum_new(kind, &s);
  if (err)
    return err;
  err = body_each(b, add_to_checksum, s);
  if (!err)
    err = checksum_final(s, out);
  checksum_free(s);
  return err;
}

static int add_to_buf(void *arg, const void *data, size_t len) {
  buf_append(arg, data, len);
  return buf_error(arg);
}

int body_load(struct body *b, size_t max) {
  if (b->length > max)
    return -EFBIG;
  if (!b->path)
    return 0;
  struct buf all;
  buf_init(&all, max);
  int err = body_each(b, add_to_buf, &all);
  if (err) {
    buf_fini(&all);
    return err;
  }
  uint64_t length = b->length;
  body_fini(b);
  buf_fini(&b->memory);
  b->memory = all;
  b->length = length;
  return 0;
}
