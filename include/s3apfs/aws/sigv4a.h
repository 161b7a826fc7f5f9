/* Signature Version 4a: ECDSA P-256 with a key derived from the credentials,
 * no region in the scope, X-Amz-Region-Set signed instead. Multi-Region Access
 * Points need it. */
#ifndef S3APFS_AWS_SIGV4A_H
#define S3APFS_AWS_SIGV4A_H

#include "s3apfs/aws/sigv4.h"

struct sigv4a_key; /* derived once per credentials; immutable, may be shared */

int sigv4a_key_derive(const char *access_key_id, const char *secret_access_key,
                      struct sigv4a_key **out);
/* A public key alone, from 64 hex digits each; it can only verify. */
int sigv4a_key_from_public(const char *x_hex, const char *y_hex, struct sigv4a_key **out);
void sigv4a_key_free(struct sigv4a_key *k);
/* 64 hex digits each. */
int sigv4a_key_public(const struct sigv4a_key *k, char x_hex[65], char y_hex[65]);

/* Appends hex of the DER signature over the string to sign; two signatures of the
 * same string differ. -EINVAL with a public key alone. */
int sigv4a_signature(const struct sigv4a_key *k, const char *string_to_sign, struct buf *hex);
/* 0; -EKEYREJECTED when it does not verify; -EINVAL when malformed. */
int sigv4a_verify(const struct sigv4a_key *k, const char *string_to_sign,
                  const char *signature_hex);

/* As sigv4_sign_headers/sigv4_presign; scope->region is the region set. The secret
 * in `keys` is not used. */
int sigv4a_sign_headers(struct aws_request *r, const struct sigv4_keys *keys,
                        const struct sigv4a_key *k, const struct sigv4_scope *scope,
                        const char *payload_hash, bool add_content_sha256);
int sigv4a_presign(struct aws_request *r, const struct sigv4_keys *keys, const struct sigv4a_key *k,
                   const struct sigv4_scope *scope, const char *payload_hash, int64_t expires_s);

#endif
