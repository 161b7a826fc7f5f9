/* Escaping of object keys into file names; see the header for the form. */
#include "key_name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"

static bool stays(unsigned char c) {
  return isascii(c) && (isalnum(c) || strchr("-_.,=@", c));
}

/* One byte's escaped form is never split between two pieces, so that unescaping
 * a piece needs no look at its neighbour. */
void key_name_escape(struct buf *out, const char *key) {
  size_t piece = 0;
  for (const char *p = key; *p; p++) {
    unsigned char c = (unsigned char)*p;
    bool plain = stays(c) && !(c == '.' && piece == 0);
    size_t need = plain ? 1 : 3;
    if (piece + need > KEY_NAME_PIECE) {
      buf_puts(out, "~/");
      piece = 0;
      plain = plain && c != '.';
      need = plain ? 1 : 3;
    }
    if (plain)
      buf_putc(out, (char)c);
    else
      buf_printf(out, "%%%02X", c);
    piece += need;
  }
}

int key_name_unescape(struct buf *out, const char *path) {
  struct buf joined;
  buf_init(&joined, 0);
  for (const char *p = path; *p; p++) {
    if (p[0] == '~' && p[1] == '/') {
      p++;
      continue;
    }
    buf_putc(&joined, *p);
  }
  size_t start = out->len;
  int err = buf_error(&joined);
  if (!err)
    err = text_uri_decode(out, buf_cstr(&joined), joined.len, false);
  if (!err && memchr(out->data + start, 0, out->len - start))
    err = -EINVAL;
  buf_fini(&joined);
  return err;
}
