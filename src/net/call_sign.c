/* Signed calls: one attempt's signature. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "call_internal.h"
#include "keys_internal.h"
#include "s3apfs/base/digest.h"

/* Above this a hash costs more than it protects on a TLS connection, or where no wire
 * is: on this machine. Only object data is that large, and S3 is the service that takes
 * it unsigned; its checksum goes along and is signed. */
#define HASH_LIMIT ((size_t)64 << 10)

static int choose_payload_hash(struct call *call) {
  const char *own = kvlist_get_ci(&call->request.headers, "x-amz-content-sha256");
  bool safe = strcmp(call->request.scheme, "https") == 0 || http_host_is_local(call->request.host);

  if (call->payload_hash[0] != '\0')
    return 0; /* the body does not change between attempts */
  if (own != NULL)
    snprintf(call->payload_hash, sizeof(call->payload_hash), "%s", own);
  else if (call->q.body_len == 0)
    snprintf(call->payload_hash, sizeof(call->payload_hash), "%s", SIGV4_EMPTY_SHA256);
  else if (safe && call->q.body_len > HASH_LIMIT && !call->q.generic_path)
    snprintf(call->payload_hash, sizeof(call->payload_hash), "%s", SIGV4_UNSIGNED_PAYLOAD);
  else
    return digest_sha256_hex(call->q.body, call->q.body_len, call->payload_hash);
  return 0;
}

static int sign_symmetric(struct call *call, const struct sigv4_keys *keys,
                          struct sigv4_scope *scope) {
  uint8_t key[32];
  int rc = keys_signing_key(call->keys, scope, key);

  if (rc == 0) {
    scope->signing_key = key;
    rc = sigv4_sign_headers(&call->request, keys, scope, call->payload_hash, !call->q.generic_path);
    scope->signing_key = NULL;
  }
  explicit_bzero(key, sizeof(key));
  return rc;
}

static int sign_asymmetric(struct call *call, const struct sigv4_keys *keys,
                           const struct sigv4_scope *scope) {
  const struct sigv4a_key *key = NULL;
  int rc = keys_sigv4a_key(call->keys, &key);

  if (rc != 0)
    return rc;
  return sigv4a_sign_headers(&call->request, keys, key, scope, call->payload_hash,
                             !call->q.generic_path);
}

int call_sign(struct call *call) {
  struct sigv4_keys keys = {.access_key_id = call->keys->access_key_id,
                            .secret_access_key = call->keys->secret_access_key,
                            .session_token = call->keys->session_token};
  struct sigv4_scope scope = {.region = call->signing_region,
                              .service = call->signing_name,
                              .time = caller_now(call->caller),
                              .normalize_path = call->q.generic_path,
                              .double_encode = call->q.generic_path,
                              .s3express_token = call->q.auth == AUTH_SIGV4_S3EXPRESS};
  int rc = choose_payload_hash(call);

  if (rc != 0)
    return rc;
  return call->q.auth == AUTH_SIGV4A ? sign_asymmetric(call, &keys, &scope)
                                     : sign_symmetric(call, &keys, &scope);
}
