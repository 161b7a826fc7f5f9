/* What the two signers share: everything but the signature itself. Internal to
 * the sigv4 sources. */
#ifndef S3APFS_AWS_SIGV4_INTERNAL_H
#define S3APFS_AWS_SIGV4_INTERNAL_H

#include "s3apfs/aws/sigv4.h"

/* A request made ready for its signature. */
struct sigv4_draft {
  struct buf signed_headers;
  struct buf string_to_sign;
};

bool sigv4_is_asymmetric(const char *algorithm);
/* As the algorithm has it: SigV4a leaves the region out. */
void sigv4_put_scope(const char *algorithm, const struct sigv4_scope *scope, struct buf *out);

/* Sets the date, token, region set and payload hash headers, then computes the
 * string to sign. Ended by sigv4_draft_fini(), on failure too. */
int sigv4_draft_headers(struct sigv4_draft *d, struct aws_request *r, const struct sigv4_keys *keys,
                        const char *algorithm, const struct sigv4_scope *scope,
                        const char *payload_hash, bool add_content_sha256);
/* Adds Authorization. */
int sigv4_seal_headers(const struct sigv4_draft *d, struct aws_request *r,
                       const struct sigv4_keys *keys, const char *algorithm,
                       const struct sigv4_scope *scope, const char *signature);
/* The same for the presigned form. */
int sigv4_draft_query(struct sigv4_draft *d, struct aws_request *r, const struct sigv4_keys *keys,
                      const char *algorithm, const struct sigv4_scope *scope,
                      const char *payload_hash, int64_t expires_s);
int sigv4_seal_query(struct aws_request *r, const char *signature);
void sigv4_draft_fini(struct sigv4_draft *d);

/* Strings to sign inside aws-chunked bodies; hashes and `previous` are hex. */
void sigv4_put_chunk_string(const char *algorithm, const struct sigv4_scope *scope,
                            const char *previous, const char *chunk_sha256, struct buf *out);
void sigv4_put_trailer_string(const char *algorithm, const struct sigv4_scope *scope,
                              const char *previous, const char *trailer_sha256, struct buf *out);

#endif
