/* Layers on disk.
 *
 * A sequential writer's record grows in place instead of a new one being added,
 * so a log is as long as there are separate ranges. A record is written behind its
 * bytes: after the end of the process both are there (the page cache outlives it);
 * after the end of the machine only what layer_sync() returned for counts, and a
 * record that was cut fails its checksum.
 *
 * The data file is never made shorter; what a truncation cuts off is punched out,
 * so that a reader that is under way meets zeroes at worst. */
#include "layer.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/crc.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"

/* The kernel copies a larger piece at once into larger pages, which are more often memory that
 * was not in use lately; that took twice the time. */
#define PIECE ((size_t)128 << 10)

enum kind { KIND_START = 1, KIND_WRITE = 2, KIND_SIZE = 3, KIND_GONE = 4 };

struct record {
  uint32_t kind;
  uint32_t crc;
  uint64_t a;
  uint64_t b;
  uint64_t zero;
};

static uint32_t record_crc(const struct record *r) {
  uint32_t crc = crc32c(0, &r->kind, sizeof(r->kind));

  return crc32c(crc, &r->a, sizeof(*r) - offsetof(struct record, a));
}

static int pwrite_all(int fd, const void *data, size_t len, uint64_t at) {
  const char *p = data;

  while (len > 0) {
    ssize_t n = pwrite(fd, p, len < PIECE ? len : PIECE, (off_t)at);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    p += n;
    at += (uint64_t)n;
    len -= (size_t)n;
  }
  return 0;
}

static int put_record(struct layer *l, uint64_t at, enum kind kind, uint64_t a, uint64_t b) {
  struct record r = {.kind = htole32(kind), .a = htole64(a), .b = htole64(b)};
  int rc;

  r.crc = htole32(record_crc(&r));
  rc = pwrite_all(l->map, &r, sizeof(r), at);
  if (rc == 0)
    l->log = at + sizeof(r);
  return rc;
}

/* --- life --- */

static struct layer *layer_alloc(const char *dir, int64_t file, uint32_t seq) {
  struct layer *l = calloc(1, sizeof(*l));

  if (l == NULL)
    return NULL;
  atomic_init(&l->refs, 1);
  l->data = l->map = -1;
  l->seq = seq;
  l->data_path = text_printf("%s/%lld.%u.data", dir, (long long)file, seq);
  l->map_path = text_printf("%s/%lld.%u.map", dir, (long long)file, seq);
  if (l->data_path != NULL && l->map_path != NULL)
    return l;
  layer_unref(l);
  return NULL;
}

static int open_files(struct layer *l, int flags) {
  flags |= O_RDWR | O_CLOEXEC | O_NOFOLLOW;
  l->data = open(l->data_path, flags, 0600);
  if (l->data < 0)
    return -errno;
  l->map = open(l->map_path, flags, 0600);
  return l->map < 0 ? -errno : 0;
}

int layer_new(const char *dir, int64_t file, uint32_t seq, uint64_t size, struct layer **out) {
  struct layer *l = layer_alloc(dir, file, seq);
  int rc;

  if (l == NULL)
    return -ENOMEM;
  l->size = l->keep = size;
  rc = open_files(l, O_CREAT | O_EXCL);
  if (rc == 0)
    rc = put_record(l, 0, KIND_START, size, size);
  if (rc != 0) {
    if (rc != -EEXIST)
      layer_remove_files(l);
    layer_unref(l);
    return rc;
  }
  *out = l;
  return 0;
}

void layer_ref(struct layer *l) {
  atomic_fetch_add(&l->refs, 1);
}

void layer_unref(struct layer *l) {
  if (atomic_fetch_sub(&l->refs, 1) != 1)
    return;
  if (l->data >= 0)
    close(l->data);
  if (l->map >= 0)
    close(l->map);
  ranges_fini(&l->own);
  ranges_fini(&l->released);
  free(l->data_path);
  free(l->map_path);
  free(l);
}

void layer_remove_files(const struct layer *l) {
  unlink(l->data_path);
  unlink(l->map_path);
}

/* --- reading a log --- */

static int replay(struct layer *l, const struct record *r) {
  uint64_t a = le64toh(r->a);
  uint64_t b = le64toh(r->b);

  if (le32toh(r->crc) != record_crc(r))
    return -EUCLEAN;
  switch (le32toh(r->kind)) {
  case KIND_START:
    l->size = a;
    l->keep = b;
    return 0;
  case KIND_WRITE:
    l->last_from = a;
    l->last_to = b;
    return layer_note_write(l, a, b - a);
  case KIND_SIZE:
    l->last_to = 0;
    return layer_note_size(l, a, b);
  case KIND_GONE:
    l->last_to = 0;
    return layer_note_release(l, a, b);
  default:
    return -EUCLEAN;
  }
}

/* A damaged record ends the log; that is an error only before `limit`. */
static int replay_all(struct layer *l, const struct buf *text, uint64_t limit) {
  size_t at = 0;
  int rc = 0;

  while (rc == 0 && at + sizeof(struct record) <= text->len && at < limit) {
    struct record r;

    memcpy(&r, text->data + at, sizeof(r));
    rc = replay(l, &r);
    if (rc == 0)
      at += sizeof(r);
  }
  l->log = at;
  if (rc == -EUCLEAN && limit == UINT64_MAX && at > 0)
    rc = 0;
  if (rc == 0 && (at == 0 || (limit != UINT64_MAX && at < limit)))
    rc = -EUCLEAN;
  return rc;
}

int layer_load(const char *dir, int64_t file, uint32_t seq, uint64_t log, struct layer **out) {
  struct layer *l = layer_alloc(dir, file, seq);
  struct buf text;
  int rc;

  if (l == NULL)
    return -ENOMEM;
  buf_init(&text, (size_t)1 << 31);
  rc = open_files(l, 0);
  if (rc == 0)
    rc = file_read(l->map_path, &text);
  if (rc == 0)
    rc = replay_all(l, &text, log);
  buf_fini(&text);
  if (rc != 0) {
    layer_unref(l);
    return rc;
  }
  *out = l;
  return 0;
}

/* --- changing --- */

static int log_write(struct layer *l, uint64_t from, uint64_t to) {
  uint64_t at = l->log;
  int rc;

  if (l->last_to != 0 && l->last_to == from) {
    from = l->last_from;
    at -= sizeof(struct record);
  }
  rc = put_record(l, at, KIND_WRITE, from, to);
  if (rc == 0) {
    l->last_from = from;
    l->last_to = to;
  }
  return rc;
}

int layer_write(struct layer *l, uint64_t offset, const void *data, size_t len) {
  int rc = pwrite_all(l->data, data, len, offset);

  if (rc != 0 || ranges_cover(&l->own, offset, offset + len))
    return rc;
  return log_write(l, offset, offset + len);
}

int layer_punch(const struct layer *l, uint64_t from, uint64_t to) {
  return fallocate(l->data, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                   (off_t)(to - from)) == 0
             ? 0
             : -errno;
}

int layer_write_zeroes(struct layer *l, uint64_t offset, uint64_t len) {
  int rc = layer_punch(l, offset, offset + len);

  if (rc != 0)
    return rc;
  return ranges_cover(&l->own, offset, offset + len) ? 0 : log_write(l, offset, offset + len);
}

int layer_note_write(struct layer *l, uint64_t offset, uint64_t len) {
  int rc = ranges_add(&l->own, offset, offset + len);

  if (rc == 0 && offset + len > l->size)
    l->size = offset + len;
  return rc;
}

int layer_log_size(struct layer *l, uint64_t size, uint64_t *keep) {
  int rc;

  *keep = size < l->keep ? size : l->keep;
  rc = put_record(l, l->log, KIND_SIZE, size, *keep);
  if (rc != 0)
    return rc;
  l->last_to = 0;
  return size < l->size ? layer_punch(l, size, l->size) : 0;
}

int layer_log_release(struct layer *l, uint64_t from, uint64_t to) {
  int rc = put_record(l, l->log, KIND_GONE, from, to);

  if (rc != 0)
    return rc;
  l->last_to = 0;
  return fdatasync(l->map) == 0 ? 0 : -errno;
}

int layer_note_release(struct layer *l, uint64_t from, uint64_t to) {
  return ranges_add(&l->released, from, to);
}

int layer_note_size(struct layer *l, uint64_t size, uint64_t keep) {
  int rc = ranges_remove(&l->own, size, UINT64_MAX);

  if (rc == 0)
    rc = ranges_remove(&l->released, size, UINT64_MAX);
  if (rc == 0) {
    l->size = size;
    l->keep = keep;
  }
  return rc;
}

int layer_read(const struct layer *l, uint64_t offset, void *dst, size_t len) {
  char *p = dst;

  while (len > 0) {
    ssize_t n = pread(l->data, p, len, (off_t)offset);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    if (n == 0) { /* a hole at the end of the file */
      memset(p, 0, len);
      return 0;
    }
    p += n;
    offset += (uint64_t)n;
    len -= (size_t)n;
  }
  return 0;
}

int layer_sync(const struct layer *l) {
  if (fdatasync(l->data) != 0 || fdatasync(l->map) != 0)
    return -errno;
  return 0;
}
