/* Small text tools: prefixes, percent, hex and base64 codes, numbers, sizes,
 * durations, ISO 8601 and HTTP dates. Pure functions. */
#ifndef S3APFS_BASE_TEXT_H
#define S3APFS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"

bool text_has_prefix(const char *s, const char *prefix);
bool text_has_suffix(const char *s, const char *suffix);
/* strdup of the first n bytes; NULL when memory is short. */
char *text_dup_n(const char *s, size_t n);
/* malloc'd printf; NULL when memory is short. */
char *text_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Trims ASCII blanks at both ends, in place; returns the new start. */
char *text_trim(char *s);
/* Whole string is valid UTF-8 (no surrogates, no over-long forms). */
bool text_is_utf8(const char *s, size_t len);

/* RFC 3986 percent code: A-Z a-z 0-9 - . _ ~ stay (and '/' when keep_slash),
 * everything else becomes %XX with upper-case digits. */
void text_uri_encode(struct buf *out, const char *s, size_t len, bool keep_slash);
/* Decodes %XX ('+' stays a plus unless plus_is_space). Returns -EINVAL on a cut
 * or malformed escape. The result may hold NUL bytes: use out->len. */
int text_uri_decode(struct buf *out, const char *s, size_t len, bool plus_is_space);

void text_hex(struct buf *out, const void *data, size_t len); /* lower case */
/* Writes len/2 bytes; -EINVAL on odd length or a non-digit. */
int text_unhex(uint8_t *out, const char *hex, size_t len);
void text_base64(struct buf *out, const void *data, size_t len);
/* Strict base64 with padding; -EINVAL otherwise, with part of it appended. */
int text_unbase64(struct buf *out, const char *s);

/* Decimal, whole string, no sign, no blanks. -EINVAL or -ERANGE. */
int text_parse_u64(const char *s, uint64_t *out);
/* "192M", "20G", "1.5G" is refused; suffixes K M G T (1024-based), optional
 * "iB"/"B" behind it. Bytes. -EINVAL or -ERANGE. */
int text_parse_size(const char *s, uint64_t *out);
/* "60", "60s", "5m", "2h", "500ms", "1d"; milliseconds. A bare number is seconds. */
int text_parse_duration(const char *s, int64_t *out_ms);
/* "true/yes/on/1", "false/no/off/0". */
int text_parse_bool(const char *s, bool *out);

/* "2026-11-22T06:03:00Z", fractions and "+00:00" accepted; seconds since 1970. */
int text_parse_iso8601(const char *s, int64_t *out);
void text_iso8601(int64_t seconds, char out[21]);       /* 2026-11-22T06:03:00Z */
void text_iso8601_ms(int64_t ms, char out[25]);         /* ....00.000Z */
void text_iso8601_basic(int64_t seconds, char out[17]); /* 20261122T060300Z */
/* RFC 7231 IMF-fixdate; the parser takes what curl_getdate takes of that form. */
int text_parse_http_date(const char *s, int64_t *out);
void text_http_date(int64_t seconds, char out[30]);

/* '*' matches any run (slashes too), '?' one byte; iterative, linear space. */
bool text_glob_match(const char *pattern, const char *s);

#endif
