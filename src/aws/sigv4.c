/* The stages of Signature Version 4.
 *
 * Canonical request, string to sign, key and signature are separate functions:
 * the client runs them in a row (sigv4_sign.c), the emulator runs them over what
 * it received, with the SignedHeaders the client chose, and the conformance
 * vectors check each alone. SigV4a shares the first two. Pure, no threads. */
#include "s3apfs/aws/sigv4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"
#include "sigv4_internal.h"

/* --- path --- */

static bool segment_is(const char *s, size_t len, const char *what) {
  return len == strlen(what) && memcmp(s, what, len) == 0;
}

static void drop_last_segment(struct buf *b) {
  while (b->len > 0 && b->data[--b->len] != '/')
    ;
  if (b->data != NULL)
    b->data[b->len] = '\0';
}

/* RFC 3986 dot segments away, runs of slashes made one. */
static void put_normalized(const char *path, struct buf *out) {
  size_t whole = strlen(path);
  const char *p = path;

  while (*p != '\0') {
    size_t len = strcspn(p, "/");

    if (segment_is(p, len, "..")) {
      drop_last_segment(out);
    } else if (len != 0 && !segment_is(p, len, ".")) {
      buf_putc(out, '/');
      buf_append(out, p, len);
    }
    p += len;
    if (*p == '/')
      p++;
  }
  if (out->len == 0 || path[whole - 1] == '/')
    buf_putc(out, '/');
}

static void put_path(const char *path, const struct sigv4_scope *scope, struct buf *out) {
  struct buf normal;

  buf_init(&normal, 0);
  if (scope->normalize_path)
    put_normalized(path, &normal);
  else
    buf_puts(&normal, path[0] != '\0' ? path : "/");
  if (buf_error(&normal) != 0)
    out->err = out->err != 0 ? out->err : buf_error(&normal);
  else if (scope->double_encode)
    text_uri_encode(out, buf_cstr(&normal), normal.len, true);
  else
    buf_puts(out, buf_cstr(&normal));
  buf_fini(&normal);
}

/* --- headers --- */

static bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Trimmed, inner runs of blanks as one space. */
static void put_collapsed(const char *value, struct buf *out) {
  bool pending = false;
  bool begun = false;

  for (const char *p = value; *p != '\0'; p++) {
    if (is_blank(*p)) {
      pending = begun;
      continue;
    }
    if (pending)
      buf_putc(out, ' ');
    buf_putc(out, *p);
    begun = true;
    pending = false;
  }
}

static void put_header(const struct aws_request *r, const char *name, size_t len, struct buf *out) {
  bool first = true;

  buf_append(out, name, len);
  buf_putc(out, ':');
  if (segment_is(name, len, "host")) {
    put_collapsed(r->host, out);
  } else {
    for (size_t i = 0; i < r->headers.count; i++) {
      const struct kv *h = &r->headers.items[i];

      if (strncasecmp(h->name, name, len) != 0 || h->name[len] != '\0')
        continue;
      if (!first)
        buf_putc(out, ',');
      put_collapsed(h->value, out);
      first = false;
    }
  }
  buf_putc(out, '\n');
}

static void put_headers(const struct aws_request *r, const char *signed_headers, struct buf *out) {
  const char *p = signed_headers;

  while (*p != '\0') {
    size_t len = strcspn(p, ";");

    put_header(r, p, len, out);
    p += len;
    if (*p == ';')
      p++;
  }
}

void sigv4_canonical_request(const struct aws_request *r, const struct sigv4_scope *scope,
                             const char *signed_headers, const char *payload_hash,
                             const char *skip_query, struct buf *out) {
  buf_puts(out, r->method);
  buf_putc(out, '\n');
  put_path(r->path, scope, out);
  buf_putc(out, '\n');
  aws_request_canonical_query(&r->query, skip_query, out);
  buf_putc(out, '\n');
  put_headers(r, signed_headers, out);
  buf_putc(out, '\n');
  buf_puts(out, signed_headers);
  buf_putc(out, '\n');
  buf_puts(out, payload_hash);
}

/* --- scope and string to sign --- */

bool sigv4_is_asymmetric(const char *algorithm) {
  return text_has_prefix(algorithm, SIGV4A_ALGORITHM);
}

void sigv4_put_scope(const char *algorithm, const struct sigv4_scope *scope, struct buf *out) {
  char stamp[17];

  text_iso8601_basic(scope->time, stamp);
  buf_append(out, stamp, strnlen(stamp, 8));
  if (!sigv4_is_asymmetric(algorithm))
    buf_printf(out, "/%s", scope->region);
  buf_printf(out, "/%s/aws4_request", scope->service);
}

void sigv4_credential_scope(const struct sigv4_scope *scope, struct buf *out) {
  sigv4_put_scope(SIGV4_ALGORITHM, scope, out);
}

int sigv4_string_to_sign(const char *algorithm, const struct sigv4_scope *scope,
                         const char *canonical_request, struct buf *out) {
  char stamp[17];
  char hash[65];
  int rc = digest_sha256_hex(canonical_request, strlen(canonical_request), hash);

  if (rc != 0)
    return rc;
  text_iso8601_basic(scope->time, stamp);
  buf_printf(out, "%s\n%s\n", algorithm, stamp);
  sigv4_put_scope(algorithm, scope, out);
  buf_printf(out, "\n%s", hash);
  return buf_error(out);
}

/* --- key and signature --- */

int sigv4_signing_key(const char *secret_access_key, const struct sigv4_scope *scope,
                      uint8_t key[32]) {
  char stamp[17];
  const char *steps[] = {stamp, scope->region, scope->service, "aws4_request"};
  uint8_t k[32];
  struct buf seed;
  int rc;

  text_iso8601_basic(scope->time, stamp);
  stamp[8] = '\0';
  buf_init(&seed, 0);
  buf_puts(&seed, "AWS4");
  buf_puts(&seed, secret_access_key);
  rc = buf_error(&seed);
  for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
    const void *from = i == 0 ? (const void *)buf_cstr(&seed) : k;

    rc = digest_hmac_sha256(from, i == 0 ? seed.len : sizeof(k), steps[i], strlen(steps[i]), k);
  }
  if (rc == 0)
    memcpy(key, k, sizeof(k));
  explicit_bzero(k, sizeof(k));
  buf_wipe(&seed);
  return rc;
}

int sigv4_signature(const uint8_t key[32], const char *string_to_sign, char hex[65]) {
  uint8_t mac[32];
  struct buf text;
  int rc = digest_hmac_sha256(key, 32, string_to_sign, strlen(string_to_sign), mac);

  if (rc != 0)
    return rc;
  buf_init(&text, 64);
  text_hex(&text, mac, sizeof(mac));
  rc = buf_error(&text);
  if (rc == 0)
    memcpy(hex, buf_cstr(&text), 65);
  buf_fini(&text);
  return rc;
}
