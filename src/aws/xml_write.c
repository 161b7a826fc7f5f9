/* The writer: elements and escaped text into a buffer, whose sticky error tells
 * at the end whether all of it fitted. Text is any bytes: what XML 1.0 cannot
 * hold (control bytes, broken UTF-8, U+FFFE and U+FFFF) becomes U+FFFD, and a
 * carriage return a reference, because readers turn a bare one into a line
 * feed. */
#include "s3apfs/aws/xml.h"

#include <string.h>

#include "s3apfs/base/text.h"

static const char *reference_for(char c) {
  switch (c) {
  case '&':
    return "&amp;";
  case '<':
    return "&lt;";
  case '>':
    return "&gt;";
  case '"':
    return "&quot;";
  case '\'':
    return "&#39;";
  case '\r':
    return "&#13;";
  default:
    return NULL;
  }
}

/* Bytes of the character at s that XML can hold; 0 when it cannot. */
static size_t char_length(const char *s, size_t left) {
  unsigned char c = (unsigned char)*s;
  size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

  if (c < 0x80)
    return c >= 0x20 || c == '\t' || c == '\n' || c == '\r' ? 1 : 0;
  if (n > left || !text_is_utf8(s, n))
    return 0;
  if (n == 3 && memcmp(s, "\xef\xbf", 2) == 0 && (unsigned char)s[2] >= 0xbe)
    return 0;
  return n;
}

void xml_escape(struct buf *out, const char *text) {
  size_t left = strlen(text);

  while (left > 0) {
    size_t n = char_length(text, left);
    const char *reference = reference_for(*text);

    if (reference != NULL)
      buf_puts(out, reference);
    else if (n == 0)
      buf_puts(out, "\xef\xbf\xbd");
    else
      buf_append(out, text, n);
    n += n == 0;
    text += n;
    left -= n;
  }
}

void xml_open(struct buf *out, const char *name) {
  buf_printf(out, "<%s>", name);
}

void xml_close(struct buf *out, const char *name) {
  buf_printf(out, "</%s>", name);
}

void xml_element(struct buf *out, const char *name, const char *text) {
  xml_open(out, name);
  xml_escape(out, text);
  xml_close(out, name);
}

void xml_element_u64(struct buf *out, const char *name, uint64_t v) {
  buf_printf(out, "<%s>%llu</%s>", name, (unsigned long long)v, name);
}

void xml_element_bool(struct buf *out, const char *name, bool v) {
  xml_element(out, name, v ? "true" : "false");
}
