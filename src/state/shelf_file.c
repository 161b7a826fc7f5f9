/* A kept listing's file: a head, domain and prefix, then pieces.
 *
 * It is written beside its place and renamed, without a sync: a crash leaves the old one, or
 * one whose checksums are wrong. The head is written last. Each piece's checksum is seeded
 * with the one of the piece before, and the head has the last one: a piece that is missing
 * or another's is found out, and what was read until then is known to be of this writing. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/xxh.h"
#include "shelf_internal.h"

#define MAGIC "s3apls\0002"
#define TEXT_MAX 4096 /* of domain and of prefix */
#define ONE_SHARE 2   /* a listing takes no more than one part in so many of the limit */

/* Numbers are in the machine's byte order: a cache does not move. */
struct head {
  char magic[8];
  uint64_t check; /* XXH3 of what follows, and of domain and prefix */
  int64_t saved_ms;
  uint32_t domain_len;
  uint32_t prefix_len;
  uint64_t data_len; /* the pieces with their heads */
  uint64_t last;     /* the last piece's checksum */
};
#define CHECKED offsetof(struct head, saved_ms)

struct piece {
  uint64_t check;
  uint64_t len;
};

static void put_start(struct buf *out, const struct head *h, const char *domain,
                      const char *prefix) {
  buf_append(out, h, sizeof(*h));
  buf_puts(out, domain);
  buf_puts(out, prefix);
}

static uint64_t head_check(const struct buf *start) {
  return xxh64_of(start->data + CHECKED, start->len - CHECKED, 0);
}

/* --- writing --- */

struct shelf_writer {
  struct shelf *shelf;
  int fd;
  char name[SHELF_NAME_LEN + 1];
  char temporary[SHELF_NAME_LEN + 48];
  struct head head;
  struct buf start; /* head, domain and prefix */
  uint64_t bytes;   /* of the file, which room is held for, */
  size_t files;     /* and for this one */
};

static int make_file(struct shelf_writer *w) {
  static atomic_uint number;

  snprintf(w->temporary, sizeof(w->temporary), "%s.%d-%u", w->name, (int)getpid(),
           atomic_fetch_add(&number, 1));
  w->fd = openat(w->shelf->fd, w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  return w->fd >= 0 ? 0 : -errno;
}

static int append(struct shelf_writer *w, const void *data, size_t len) {
  int rc;

  if (w->bytes + len > w->shelf->limit / ONE_SHARE)
    return -EFBIG;
  if (!shelf_take_room(w->shelf, len, 0))
    return -ENOSPC;
  rc = file_pwrite_all(w->fd, data, len, (off_t)w->bytes);
  w->bytes += len;
  return rc;
}

static int start(struct shelf_writer *w, const char *domain, const char *prefix) {
  put_start(&w->start, &w->head, domain, prefix);
  if (buf_error(&w->start) != 0 || !shelf_name(domain, prefix, w->name))
    return -ENOMEM;
  if (!shelf_take_room(w->shelf, 0, 1))
    return -ENOSPC;
  w->files = 1;
  return make_file(w);
}

int shelf_writer_open(struct shelf *s, const char *domain, const char *prefix,
                      struct shelf_writer **out) {
  struct head h = {.magic = MAGIC,
                   .saved_ms = clock_wall_ms(&clock_system),
                   .domain_len = (uint32_t)strlen(domain),
                   .prefix_len = (uint32_t)strlen(prefix)};
  struct shelf_writer *w;
  int rc;

  if (h.domain_len > TEXT_MAX || h.prefix_len > TEXT_MAX)
    return -EFBIG;
  w = calloc(1, sizeof(*w));
  if (w == NULL)
    return -ENOMEM;
  w->shelf = s;
  w->fd = -1;
  w->head = h;
  w->head.last = (uint64_t)h.saved_ms;
  buf_init(&w->start, 0);
  rc = start(w, domain, prefix);
  if (rc == 0)
    rc = append(w, w->start.data, w->start.len);
  if (rc != 0)
    return shelf_writer_end(w, rc);
  *out = w;
  return 0;
}

int shelf_writer_add(struct shelf_writer *w, const void *data, size_t len) {
  struct piece p = {.check = xxh64_of(data, len, w->head.last), .len = len};
  int rc = append(w, &p, sizeof(p));

  if (rc == 0)
    rc = append(w, data, len);
  w->head.last = p.check;
  return rc;
}

static int finish(struct shelf_writer *w) {
  uint64_t check;
  int rc;

  w->head.data_len = w->bytes - w->start.len;
  memcpy(w->start.data, &w->head, sizeof(w->head));
  check = head_check(&w->start);
  memcpy(w->start.data + offsetof(struct head, check), &check, sizeof(check));
  rc = file_pwrite_all(w->fd, w->start.data, w->start.len, 0);
  if (close(w->fd) != 0 && rc == 0)
    rc = -errno;
  w->fd = -1;
  if (rc == 0 && renameat(w->shelf->fd, w->temporary, w->shelf->fd, w->name) != 0)
    rc = -errno;
  return rc;
}

int shelf_writer_end(struct shelf_writer *w, int rc) {
  if (rc == 0)
    rc = finish(w);
  if (w->fd >= 0)
    close(w->fd);
  if (rc != 0) {
    unlinkat(w->shelf->fd, w->temporary, 0);
    shelf_give_room(w->shelf, w->bytes, w->files);
  }
  buf_fini(&w->start);
  free(w);
  return rc;
}

/* --- reading --- */

struct shelf_reader {
  struct shelf *shelf;
  int fd;
  char name[SHELF_NAME_LEN + 1];
  struct head head;
  off_t at;
  uint64_t left;
  uint64_t last; /* checksum so far */
  char *piece;
};

static int read_start(struct shelf_reader *r, const struct buf *want) {
  size_t len = want->len;
  char *text = malloc(len);
  int rc = text != NULL ? file_pread_all(r->fd, text, len, 0) : -ENOMEM;

  if (rc == 0 && (r->head.check != head_check(want) || memcmp(text, want->data, len) != 0))
    rc = -EIO;
  free(text);
  return rc;
}

/* Whole by its size, and of this folder. */
static int begin(struct shelf_reader *r, const char *domain, const char *prefix) {
  struct head *h = &r->head;
  struct stat st;
  struct buf want;
  int rc = fstat(r->fd, &st) == 0 ? file_pread_all(r->fd, h, sizeof(*h), 0) : -errno;

  if (rc != 0)
    return rc;
  buf_init(&want, 0);
  put_start(&want, h, domain, prefix);
  rc = buf_error(&want);
  if (rc == 0 &&
      (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0 || h->domain_len != strlen(domain) ||
       h->prefix_len != strlen(prefix) || h->data_len != (uint64_t)st.st_size - want.len))
    rc = -EIO;
  if (rc == 0)
    rc = read_start(r, &want);
  r->at = (off_t)want.len;
  r->left = h->data_len;
  r->last = (uint64_t)h->saved_ms;
  buf_fini(&want);
  return rc;
}

/* What is damaged goes, and was never there. */
static int result(const struct shelf_reader *r, int rc) {
  if (rc != -EIO)
    return rc;
  unlinkat(r->shelf->fd, r->name, 0);
  return -ENOENT;
}

int shelf_reader_open(struct shelf *s, const char *domain, const char *prefix,
                      struct shelf_reader **out, int64_t *saved_ms) {
  struct shelf_reader *r = calloc(1, sizeof(*r));
  int rc;

  if (r == NULL)
    return -ENOMEM;
  r->shelf = s;
  r->fd = -1;
  rc = shelf_name(domain, prefix, r->name) ? 0 : -ENOMEM;
  if (rc == 0)
    r->fd = openat(s->fd, r->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (rc == 0)
    rc = r->fd >= 0 ? result(r, begin(r, domain, prefix)) : -errno;
  if (rc != 0) {
    shelf_reader_close(r);
    return rc;
  }
  *saved_ms = r->head.saved_ms;
  *out = r;
  return 0;
}

static int read_piece(struct shelf_reader *r, size_t *len) {
  struct piece p;
  char *grown;
  int rc;

  *len = 0;
  if (r->left == 0)
    return r->last == r->head.last ? 0 : -EIO;
  rc = r->left > sizeof(p) ? file_pread_all(r->fd, &p, sizeof(p), r->at) : -EIO;
  if (rc == 0 && (p.len == 0 || p.len > SHELF_PIECE_MAX || p.len > r->left - sizeof(p)))
    rc = -EIO;
  if (rc != 0)
    return rc;
  grown = realloc(r->piece, p.len);
  if (grown == NULL)
    return -ENOMEM;
  r->piece = grown;
  rc = file_pread_all(r->fd, r->piece, p.len, r->at + (off_t)sizeof(p));
  if (rc == 0 && p.check != xxh64_of(r->piece, p.len, r->last))
    rc = -EIO;
  r->at += (off_t)(sizeof(p) + p.len);
  r->left -= sizeof(p) + p.len;
  r->last = p.check;
  *len = rc == 0 ? p.len : 0;
  return rc;
}

int shelf_reader_next(struct shelf_reader *r, const char **data, size_t *len) {
  int rc = result(r, read_piece(r, len));

  *data = r->piece;
  return rc;
}

void shelf_reader_close(struct shelf_reader *r) {
  if (r == NULL)
    return;
  if (r->fd >= 0)
    close(r->fd);
  free(r->piece);
  free(r);
}
