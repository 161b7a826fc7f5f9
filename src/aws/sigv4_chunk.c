/* Signatures inside aws-chunked bodies: every chunk's covers the one before it,
 * the first covers the request's own, the trailer's the last chunk's. The
 * string-to-sign builders are shared with the decoder, which knows a chunk only
 * by its running hash, and with SigV4a, which signs the same strings. */
#include <string.h>

#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"
#include "sigv4_internal.h"

static void put_preamble(const char *algorithm, const char *kind, const struct sigv4_scope *scope,
                         const char *previous, struct buf *out) {
  char stamp[17];

  text_iso8601_basic(scope->time, stamp);
  buf_printf(out, "%s-%s\n%s\n", algorithm, kind, stamp);
  sigv4_put_scope(algorithm, scope, out);
  buf_printf(out, "\n%s\n", previous);
}

void sigv4_put_chunk_string(const char *algorithm, const struct sigv4_scope *scope,
                            const char *previous, const char *chunk_sha256, struct buf *out) {
  put_preamble(algorithm, "PAYLOAD", scope, previous, out);
  buf_printf(out, "%s\n%s", SIGV4_EMPTY_SHA256, chunk_sha256);
}

void sigv4_put_trailer_string(const char *algorithm, const struct sigv4_scope *scope,
                              const char *previous, const char *trailer_sha256, struct buf *out) {
  put_preamble(algorithm, "TRAILER", scope, previous, out);
  buf_puts(out, trailer_sha256);
}

static int sign_string(const uint8_t key[32], struct buf *string, char hex[65]) {
  int rc = buf_error(string);

  if (rc == 0)
    rc = sigv4_signature(key, buf_cstr(string), hex);
  buf_fini(string);
  return rc;
}

int sigv4_chunk_signature(const uint8_t key[32], const struct sigv4_scope *scope,
                          const char *previous, const void *chunk, size_t len, char hex[65]) {
  struct buf string;
  char hash[65];
  int rc = digest_sha256_hex(chunk, len, hash);

  if (rc != 0)
    return rc;
  buf_init(&string, 0);
  sigv4_put_chunk_string(SIGV4_ALGORITHM, scope, previous, hash, &string);
  return sign_string(key, &string, hex);
}

int sigv4_trailer_signature(const uint8_t key[32], const struct sigv4_scope *scope,
                            const char *previous, const char *trailer, size_t len, char hex[65]) {
  struct buf string;
  char hash[65];
  int rc = digest_sha256_hex(trailer, len, hash);

  if (rc != 0)
    return rc;
  buf_init(&string, 0);
  sigv4_put_trailer_string(SIGV4_ALGORITHM, scope, previous, hash, &string);
  return sign_string(key, &string, hex);
}
