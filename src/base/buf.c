/* Growable buffer: doubling growth, sticky error, one terminator byte spare. */
#include "s3apfs/base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max) {
  memset(b, 0, sizeof(*b));
  b->max = max != 0 ? max : BUF_DEFAULT_MAX;
}

void buf_fini(struct buf *b) {
  size_t max = b->max;
  free(b->data);
  buf_init(b, max);
}

void buf_wipe(struct buf *b) {
  if (b->data != NULL)
    explicit_bzero(b->data, b->cap);
  buf_fini(b);
}

void buf_reset(struct buf *b) {
  b->len = 0;
  b->err = 0;
  if (b->data != NULL)
    b->data[0] = '\0';
}

/* Grows by copying by hand, not realloc: a secret must not stay in a freed block. */
static int buf_grow(struct buf *b, size_t need) {
  size_t cap = b->cap != 0 ? b->cap : 64;
  char *data;

  if (need > b->max)
    return -E2BIG;
  while (cap < need + 1)
    cap *= 2;
  data = malloc(cap);
  if (data == NULL)
    return -ENOMEM;
  if (b->data != NULL) {
    memcpy(data, b->data, b->len);
    explicit_bzero(b->data, b->len);
    free(b->data);
  }
  data[b->len] = '\0';
  b->data = data;
  b->cap = cap;
  return 0;
}

static int buf_room(struct buf *b, size_t more) {
  if (b->err != 0)
    return b->err;
  if (more > b->max - b->len)
    b->err = -E2BIG;
  else if (b->data == NULL || b->len + more + 1 > b->cap)
    b->err = buf_grow(b, b->len + more);
  return b->err;
}

void buf_append(struct buf *b, const void *data, size_t len) {
  if (buf_room(b, len) != 0 || len == 0)
    return;
  memcpy(b->data + b->len, data, len);
  b->len += len;
  b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s) {
  buf_append(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c) {
  buf_append(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap) {
  va_list again;
  int n;

  va_copy(again, ap);
  n = vsnprintf(NULL, 0, fmt, ap);
  if (n < 0) {
    if (b->err == 0)
      b->err = -EINVAL;
  } else if (buf_room(b, (size_t)n) == 0) {
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
    b->len += (size_t)n;
  }
  va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...) {
  va_list ap;

  va_start(ap, fmt);
  buf_vprintf(b, fmt, ap);
  va_end(ap);
}

int buf_error(const struct buf *b) {
  return b->err;
}

const char *buf_cstr(const struct buf *b) {
  return b->data != NULL ? b->data : "";
}

char *buf_take(struct buf *b) {
  char *data;

  buf_append(b, "", 0); /* an empty buffer gives "", not NULL */
  data = b->err == 0 ? b->data : NULL;
  if (data != NULL)
    b->data = NULL;
  buf_fini(b);
  return data;
}
