/* Growable byte buffer with a hard cap and sticky errors.
 *
 * Appends return nothing: the first failure (-ENOMEM, or -E2BIG past the cap)
 * sticks, later appends do nothing, and buf_error() tells it once at the end.
 * Contents are always NUL-terminated, so buf_cstr() may go to C string calls.
 * Ownership: embedded (`_init/_fini`); buf_take() moves the bytes out. */
#ifndef S3APFS_BASE_BUF_H
#define S3APFS_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
  char *data;
  size_t len;
  size_t cap;
  size_t max; /* bytes, terminator not counted */
  int err;
};

/* max: 0 means BUF_DEFAULT_MAX. Nothing is allocated until the first append. */
#define BUF_DEFAULT_MAX ((size_t)64 << 20)
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* As buf_fini, but the bytes are overwritten first: for secrets. */
void buf_wipe(struct buf *b);
/* Empties, keeps the allocation, clears the error. */
void buf_reset(struct buf *b);

void buf_append(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* 0 or the first error. */
int buf_error(const struct buf *b);
/* Never NULL, valid until the next append. */
const char *buf_cstr(const struct buf *b);
/* The bytes as a malloc'd NUL-terminated string the caller frees; the buffer
 * is empty afterwards. NULL when an error stuck or memory is short. */
char *buf_take(struct buf *b);

#endif
