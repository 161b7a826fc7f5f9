/* Signature Version 4 in its stages (AWS documentation "Signature Version 4
 * signing process"): canonical request, string to sign, signature. Header and
 * presigned-query forms; both signing and verification use the stages. */
#ifndef S3APFS_AWS_SIGV4_H
#define S3APFS_AWS_SIGV4_H

#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/aws/request.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"
#define SIGV4A_ALGORITHM "AWS4-ECDSA-P256-SHA256"

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Keys by reference; session_token NULL or "" for long-lived ones. */
struct sigv4_keys {
  const char *access_key_id;
  const char *secret_access_key;
  const char *session_token;
};

struct sigv4_scope {
  const char *region; /* SigV4a: the region set */
  const char *service;
  int64_t time;                   /* seconds since 1970 */
  bool normalize_path;            /* generic services; S3 sets it false */
  bool double_encode;             /* generic services; S3 sets it false */
  bool s3express_token;           /* the token goes into x-amz-s3session-token */
  bool omit_token_from_signature; /* the token is added after signing (test suite
                                     "sts-header-after") */
  const uint8_t *signing_key;     /* SigV4: 32 bytes as sigv4_signing_key() gave them for
                                     these keys, day, region and service; NULL: derived anew */
};

/* Stage 1. signed_headers: lower-case names joined by ';' in canonical order, taken
 * exactly as given (a verifier passes the client's own list; a listed header that is
 * missing counts as empty, host comes from r->host); payload_hash as it goes into
 * x-amz-content-sha256; skip_query: a parameter to leave out ("X-Amz-Signature" when
 * verifying a presigned request), or NULL. */
void sigv4_canonical_request(const struct aws_request *r, const struct sigv4_scope *scope,
                             const char *signed_headers, const char *payload_hash,
                             const char *skip_query, struct buf *out);
/* Which of the request's headers are signed (host always), canonical order: all but
 * hop-by-hop ones, User-Agent, Expect, Authorization and X-Amzn-Trace-Id. */
void sigv4_signed_headers(const struct aws_request *r, struct buf *out);
/* Stage 2. algorithm: SIGV4_ALGORITHM or SIGV4A_ALGORITHM (no region in the scope). */
int sigv4_string_to_sign(const char *algorithm, const struct sigv4_scope *scope,
                         const char *canonical_request, struct buf *out);
/* "DATE/REGION/SERVICE/aws4_request". */
void sigv4_credential_scope(const struct sigv4_scope *scope, struct buf *out);
/* Stage 3. The derived key may be cached per (secret, date, region, service). */
int sigv4_signing_key(const char *secret_access_key, const struct sigv4_scope *scope,
                      uint8_t key[32]);
int sigv4_signature(const uint8_t key[32], const char *string_to_sign, char hex[65]);

/* Signs by headers: adds the token, X-Amz-Date, x-amz-content-sha256 when
 * add_content_sha256, and Authorization, replacing those of an earlier signature. 0,
 * -ENOMEM, -E2BIG or -EIO; after a failure the request may hold some of them. */
int sigv4_sign_headers(struct aws_request *r, const struct sigv4_keys *keys,
                       const struct sigv4_scope *scope, const char *payload_hash,
                       bool add_content_sha256);
/* Presigns: adds the X-Amz-* query parameters, the signature last. */
int sigv4_presign(struct aws_request *r, const struct sigv4_keys *keys,
                  const struct sigv4_scope *scope, const char *payload_hash, int64_t expires_s);

/* Chunk and trailer signatures of aws-chunked bodies: previous signature in,
 * next one out (both 64 hex digits). `trailer`: "name:value\n" of every signed
 * trailer, names in lower case. */
int sigv4_chunk_signature(const uint8_t key[32], const struct sigv4_scope *scope,
                          const char *previous, const void *chunk, size_t len, char hex[65]);
int sigv4_trailer_signature(const uint8_t key[32], const struct sigv4_scope *scope,
                            const char *previous, const char *trailer, size_t len, char hex[65]);

#endif
