/* The escaped form of keys. Pure functions. */
#include "s3apfs/store/escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define NAME_MAX_BYTES 255
#define MARK ESCAPE_MARK
#define MARK_LEN (sizeof(MARK) - 1)
#define GOES_ON MARK "+"
#define ROOM (NAME_MAX_BYTES - (sizeof(GOES_ON) - 1))
#define KEY_MAX 1024

/* --- escaping ------------------------------------------------------------------------ */

/* One character, or one byte that is none: how many bytes of s, and its escaped form. */
static size_t take_unit(const char *s, size_t len, char out[8], size_t *out_len) {
  static const char digits[] = "0123456789abcdef";
  size_t n = 1;

  while (n < 4 && n < len && !text_is_utf8(s, n))
    n++;
  if (!text_is_utf8(s, n)) {
    memcpy(out, MARK "x", MARK_LEN + 1);
    out[MARK_LEN + 1] = digits[(unsigned char)*s >> 4];
    out[MARK_LEN + 2] = digits[(unsigned char)*s & 15];
    *out_len = MARK_LEN + 3;
    return 1;
  }
  memcpy(out, s, n);
  *out_len = n;
  if (n == MARK_LEN && memcmp(s, MARK, MARK_LEN) == 0) {
    memcpy(out + MARK_LEN, MARK, MARK_LEN);
    *out_len = 2 * MARK_LEN;
  }
  return n;
}

static size_t escaped_size(const char *s, size_t len) {
  size_t total = 0;
  char unit[8];
  size_t n;

  for (size_t at = 0; at < len; total += n)
    at += take_unit(s + at, len - at, unit, &n);
  return total;
}

/* Units up to `room` bytes; how many bytes of s they are. */
static size_t put_units(const char *s, size_t len, size_t room, struct buf *out) {
  size_t at = 0;
  char unit[8];
  size_t n;

  while (at < len) {
    size_t took = take_unit(s + at, len - at, unit, &n);

    if (n > room)
      break;
    buf_append(out, unit, n);
    room -= n;
    at += took;
  }
  return at;
}

static void put_part(const char *s, size_t len, struct buf *out) {
  while (escaped_size(s, len) > NAME_MAX_BYTES) {
    size_t took = put_units(s, len, ROOM, out);

    buf_puts(out, GOES_ON "/");
    s += took;
    len -= took;
  }
  if (len == 0)
    buf_puts(out, MARK "0");
  else if ((len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
    buf_puts(out, MARK);
  put_units(s, len, SIZE_MAX, out);
}

int escape_key(const char *key, struct buf *out) {
  while (*key != '\0') {
    size_t len = strcspn(key, "/");

    put_part(key, len, out);
    if (key[len] == '\0')
      break;
    buf_putc(out, '/');
    key += len + 1;
  }
  return buf_error(out);
}

/* --- and back -------------------------------------------------------------------------- */

static bool is_mark(const char *s, size_t len) {
  return len >= MARK_LEN && memcmp(s, MARK, MARK_LEN) == 0;
}

static bool is_text(const char *s, size_t len, const char *text) {
  return len == strlen(text) && memcmp(s, text, len) == 0;
}

/* What follows a mark at s; how many bytes of it, 0: nothing that is known. */
static size_t undo_mark(const char *s, size_t len, struct buf *out) {
  static const char digits[] = "0123456789abcdef";
  const char *high;
  const char *low;

  if (is_mark(s, len)) {
    buf_puts(out, MARK);
    return MARK_LEN;
  }
  if (len < 3 || s[0] != 'x')
    return 0;
  high = strchr(digits, s[1]);
  low = strchr(digits, s[2]);
  if (high == NULL || low == NULL)
    return 0;
  buf_putc(out, (char)((high - digits) * 16 + (low - digits)));
  return 3;
}

/* *on: the next name is more of the same part. */
static int undo_part(const char *s, size_t len, struct buf *out, bool *on) {
  size_t at = 0;

  *on = false;
  if (is_text(s, len, MARK "0"))
    return 0;
  if (is_text(s, len, MARK ".") || is_text(s, len, MARK "..")) {
    buf_append(out, s + MARK_LEN, len - MARK_LEN);
    return 0;
  }
  while (at < len && !*on) {
    size_t n;

    if (!is_mark(s + at, len - at)) {
      buf_putc(out, s[at++]);
      continue;
    }
    at += MARK_LEN;
    *on = at > MARK_LEN && is_text(s + at, len - at, "+");
    n = *on ? 1 : undo_mark(s + at, len - at, out);
    if (n == 0)
      return -EINVAL;
    at += n;
  }
  return 0;
}

/* Another spelling of the same key is no name of it. */
static int check_form(const char *escaped, bool twin, const char *key) {
  const char *last = strrchr(escaped, '/');
  struct buf form;
  size_t above = last != NULL ? (size_t)(last + 1 - escaped) : 0;
  size_t skip = twin ? sizeof(ESCAPE_TWIN) - 1 : 0;
  int rc;

  buf_init(&form, 0);
  rc = escape_key(key, &form);
  if (rc == 0 &&
      (form.len + skip != strlen(escaped) || memcmp(buf_cstr(&form), escaped, above) != 0 ||
       strcmp(buf_cstr(&form) + above, escaped + above + skip) != 0))
    rc = -EINVAL;
  buf_fini(&form);
  return rc;
}

int escape_undo(const char *escaped, struct buf *out, bool *twin) {
  const char *at = escaped;
  size_t start = out->len;
  bool on = false;
  int rc = 0;

  *twin = false;
  while (rc == 0 && *at != '\0') {
    size_t len = strcspn(at, "/");
    bool last = at[len] == '\0';

    if (last && len > sizeof(ESCAPE_TWIN) - 1 && text_has_prefix(at, ESCAPE_TWIN)) {
      *twin = true;
      at += sizeof(ESCAPE_TWIN) - 1;
      len -= sizeof(ESCAPE_TWIN) - 1;
    }
    rc = undo_part(at, len, out, &on);
    if (rc == 0 && last && on)
      rc = -EINVAL; /* a piece alone is no key */
    if (!last && !on)
      buf_putc(out, '/');
    at += len + (last ? 0 : 1);
  }
  if (rc == 0)
    rc = buf_error(out);
  if (rc == 0 && out->len - start > KEY_MAX)
    rc = -ENAMETOOLONG;
  return rc == 0 && !on ? check_form(escaped, *twin, buf_cstr(out) + start) : rc;
}
