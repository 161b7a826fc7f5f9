/* Does a received signature hold? The stages of sigv4.c over what came in, with
 * the header list and the scope the client named, then one comparison. */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/aws/sigv4_parse.h"
#include "s3apfs/aws/sigv4a.h"

bool sigv4_hex_equal(const char *a, const char *b) {
  size_t len = strlen(a);

  return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}

bool sigv4_auth_signs(const struct sigv4_auth *a, const char *header) {
  size_t len = strlen(header);
  const char *p = a->signed_headers;

  while (len != 0 && *p != '\0') {
    size_t n = strcspn(p, ";");

    if (n == len && strncasecmp(p, header, len) == 0)
      return true;
    p += n;
    if (*p == ';')
      p++;
  }
  return false;
}

void sigv4_auth_scope(const struct sigv4_auth *a, bool generic_path, struct sigv4_scope *out) {
  *out = (struct sigv4_scope){.region = a->region,
                              .service = a->service,
                              .time = a->time,
                              .normalize_path = generic_path,
                              .double_encode = generic_path};
}

static int verify_hmac(const struct sigv4_auth *a, const struct sigv4_scope *scope,
                       const char *secret_access_key, const char *string_to_sign) {
  uint8_t key[32];
  char hex[65];
  int rc = sigv4_signing_key(secret_access_key, scope, key);

  if (rc == 0)
    rc = sigv4_signature(key, string_to_sign, hex);
  explicit_bzero(key, sizeof(key));
  if (rc == 0 && !sigv4_hex_equal(hex, a->signature))
    rc = -EKEYREJECTED;
  return rc;
}

static int verify_ecdsa(const struct sigv4_auth *a, const char *secret_access_key,
                        const char *string_to_sign) {
  struct sigv4a_key *key;
  int rc = sigv4a_key_derive(a->access_key_id, secret_access_key, &key);

  if (rc != 0)
    return rc;
  rc = sigv4a_verify(key, string_to_sign, a->signature);
  sigv4a_key_free(key);
  return rc;
}

int sigv4_auth_verify(const struct sigv4_auth *a, const struct aws_request *r, bool generic_path,
                      const char *secret_access_key, const char *payload_hash,
                      struct buf *canonical, struct buf *string_to_sign) {
  const char *algorithm = a->asymmetric ? SIGV4A_ALGORITHM : SIGV4_ALGORITHM;
  size_t canonical_at = canonical->len;
  size_t string_at = string_to_sign->len;
  struct sigv4_scope scope;
  int rc;

  sigv4_auth_scope(a, generic_path, &scope);
  sigv4_canonical_request(r, &scope, a->signed_headers, payload_hash,
                          a->presigned ? "X-Amz-Signature" : NULL, canonical);
  rc = buf_error(canonical);
  if (rc == 0)
    rc =
        sigv4_string_to_sign(algorithm, &scope, buf_cstr(canonical) + canonical_at, string_to_sign);
  if (rc != 0)
    return rc;
  return a->asymmetric
             ? verify_ecdsa(a, secret_access_key, buf_cstr(string_to_sign) + string_at)
             : verify_hmac(a, &scope, secret_access_key, buf_cstr(string_to_sign) + string_at);
}
