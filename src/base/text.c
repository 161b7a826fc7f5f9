/* Text tools but dates (text_time.c). Everything here is pure; locale is never
 * consulted. */
#include "s3apfs/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool text_has_prefix(const char *s, const char *prefix) {
  return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_has_suffix(const char *s, const char *suffix) {
  size_t n = strlen(s);
  size_t m = strlen(suffix);

  return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

char *text_dup_n(const char *s, size_t n) {
  char *copy = malloc(n + 1);

  if (copy == NULL)
    return NULL;
  memcpy(copy, s, n);
  copy[n] = '\0';
  return copy;
}

char *text_printf(const char *fmt, ...) {
  char *out = NULL;
  va_list ap;
  int n;

  va_start(ap, fmt);
  n = vasprintf(&out, fmt, ap);
  va_end(ap);
  return n >= 0 ? out : NULL;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

char *text_trim(char *s) {
  size_t n;

  while (is_blank(*s))
    s++;
  n = strlen(s);
  while (n > 0 && is_blank(s[n - 1]))
    n--;
  s[n] = '\0';
  return s;
}

/* Length of the well-formed sequence at s, 0 when there is none. */
static size_t utf8_sequence(const unsigned char *s, size_t left) {
  size_t n;
  uint32_t cp;
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

  if (s[0] < 0x80)
    return 1;
  if (s[0] >= 0xf8 || s[0] < 0xc0)
    return 0;
  n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
  if (left < n)
    return 0;
  cp = s[0] & (0xffU >> (n + 1));
  for (size_t i = 1; i < n; i++) {
    if ((s[i] & 0xc0) != 0x80)
      return 0;
    cp = (cp << 6) | (s[i] & 0x3f);
  }
  if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
    return 0;
  return n;
}

bool text_is_utf8(const char *s, size_t len) {
  for (size_t i = 0; i < len;) {
    size_t n = utf8_sequence((const unsigned char *)s + i, len - i);

    if (n == 0)
      return false;
    i += n;
  }
  return true;
}

static bool uri_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

void text_uri_encode(struct buf *out, const char *s, size_t len, bool keep_slash) {
  static const char digits[] = "0123456789ABCDEF";

  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)s[i];
    char esc[3] = {'%', digits[c >> 4], digits[c & 15]};

    if (uri_unreserved((char)c) || (c == '/' && keep_slash))
      buf_putc(out, (char)c);
    else
      buf_append(out, esc, sizeof(esc));
  }
}

static int hex_value(char c) {
  if (is_digit(c))
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

int text_uri_decode(struct buf *out, const char *s, size_t len, bool plus_is_space) {
  for (size_t i = 0; i < len; i++) {
    if (s[i] == '%') {
      int hi = i + 2 < len ? hex_value(s[i + 1]) : -1;
      int lo = hi >= 0 ? hex_value(s[i + 2]) : -1;

      if (lo < 0)
        return -EINVAL;
      buf_putc(out, (char)(hi << 4 | lo));
      i += 2;
    } else {
      buf_putc(out, s[i] == '+' && plus_is_space ? ' ' : s[i]);
    }
  }
  return buf_error(out);
}

void text_hex(struct buf *out, const void *data, size_t len) {
  static const char digits[] = "0123456789abcdef";
  const uint8_t *p = data;

  for (size_t i = 0; i < len; i++) {
    buf_putc(out, digits[p[i] >> 4]);
    buf_putc(out, digits[p[i] & 15]);
  }
}

int text_unhex(uint8_t *out, const char *hex, size_t len) {
  if (len % 2 != 0)
    return -EINVAL;
  for (size_t i = 0; i < len; i += 2) {
    int hi = hex_value(hex[i]);
    int lo = hex_value(hex[i + 1]);

    if (hi < 0 || lo < 0)
      return -EINVAL;
    out[i / 2] = (uint8_t)(hi << 4 | lo);
  }
  return 0;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_base64(struct buf *out, const void *data, size_t len) {
  const uint8_t *p = data;

  for (size_t i = 0; i < len; i += 3) {
    size_t n = len - i < 3 ? len - i : 3;
    uint32_t v =
        (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0U);
    char quad[4] = {base64_digits[v >> 18], base64_digits[v >> 12 & 63],
                    n > 1 ? base64_digits[v >> 6 & 63] : '=', n > 2 ? base64_digits[v & 63] : '='};

    buf_append(out, quad, sizeof(quad));
  }
}

static int base64_value(char c) {
  const char *at = c != '\0' ? strchr(base64_digits, c) : NULL;

  return at != NULL ? (int)(at - base64_digits) : -1;
}

int text_unbase64(struct buf *out, const char *s) {
  size_t len = strlen(s);
  size_t pad = 0;

  if (len % 4 != 0)
    return -EINVAL;
  while (pad < 2 && pad < len && s[len - 1 - pad] == '=')
    pad++;
  for (size_t i = 0; i < len; i += 4) {
    size_t skip = i + 4 == len ? pad : 0;
    uint32_t v = 0;
    char bytes[3];

    for (size_t j = 0; j < 4; j++) {
      int d = j < 4 - skip ? base64_value(s[i + j]) : 0;

      if (d < 0)
        return -EINVAL;
      v = v << 6 | (uint32_t)d;
    }
    if (skip > 0 && (v & ((1U << 8 * skip) - 1)) != 0)
      return -EINVAL; /* bits that no encoder leaves set */
    bytes[0] = (char)(v >> 16);
    bytes[1] = (char)(v >> 8 & 255);
    bytes[2] = (char)(v & 255);
    buf_append(out, bytes, 3 - skip);
  }
  return buf_error(out);
}

/* Decimal digits at s; *end points behind them. */
static int parse_digits(const char *s, uint64_t *out, const char **end) {
  uint64_t v = 0;

  if (!is_digit(*s))
    return -EINVAL;
  for (; is_digit(*s); s++) {
    if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
      return -ERANGE;
  }
  *out = v;
  *end = s;
  return 0;
}

int text_parse_u64(const char *s, uint64_t *out) {
  const char *end;
  uint64_t v;
  int rc = parse_digits(s, &v, &end);

  if (rc != 0)
    return rc;
  if (*end != '\0')
    return -EINVAL;
  *out = v;
  return 0;
}

int text_parse_size(const char *s, uint64_t *out) {
  static const char suffixes[] = "KMGT";
  const char *end;
  const char *at;
  uint64_t v;
  unsigned shift = 0;
  int rc = parse_digits(s, &v, &end);

  if (rc != 0)
    return rc;
  at = *end != '\0' ? strchr(suffixes, *end >= 'a' ? *end - 32 : *end) : NULL;
  if (at != NULL) {
    shift = (unsigned)(at - suffixes + 1) * 10;
    end++;
    if (*end == 'i')
      end++;
  }
  if (*end == 'B' || *end == 'b')
    end++;
  if (*end != '\0')
    return -EINVAL;
  if (shift != 0 && v >> (64 - shift) != 0)
    return -ERANGE;
  *out = v << shift;
  return 0;
}

int text_parse_duration(const char *s, int64_t *out_ms) {
  static const struct {
    const char *unit;
    uint64_t ms;
  } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
  const char *end;
  uint64_t v;
  int rc = parse_digits(s, &v, &end);

  if (rc != 0)
    return rc;
  for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
    if (strcmp(end, units[i].unit) != 0)
      continue;
    if (__builtin_mul_overflow(v, units[i].ms, &v) || v > INT64_MAX)
      return -ERANGE;
    *out_ms = (int64_t)v;
    return 0;
  }
  return -EINVAL;
}

int text_parse_bool(const char *s, bool *out) {
  static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (strcasecmp(s, words[i]) == 0) {
      *out = i % 2 == 1;
      return 0;
    }
  }
  return -EINVAL;
}

bool text_glob_match(const char *pattern, const char *s) {
  const char *star = NULL;
  const char *resume = NULL;

  while (*s != '\0') {
    if (*pattern == '*') {
      star = ++pattern;
      resume = s;
    } else if (*pattern == '?' || *pattern == *s) {
      pattern++;
      s++;
    } else if (star != NULL) {
      pattern = star;
      s = ++resume;
    } else {
      return false;
    }
  }
  while (*pattern == '*')
    pattern++;
  return *pattern == '\0';
}
