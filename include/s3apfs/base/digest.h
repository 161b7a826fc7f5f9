/* Message digests over OpenSSL's EVP, one shot and streaming. */
#ifndef S3APFS_BASE_DIGEST_H
#define S3APFS_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_MAX 64

enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

struct digest; /* streaming state */

size_t digest_size(enum digest_kind kind);
/* out: digest_size(kind) bytes. 0 or -ENOMEM/-EIO (the library refused). */
int digest_once(enum digest_kind kind, const void *data, size_t len, uint8_t *out);
int digest_new(enum digest_kind kind, struct digest **out);
void digest_update(struct digest *d, const void *data, size_t len);
int digest_final(struct digest *d, uint8_t *out); /* once; still needs digest_free */
void digest_free(struct digest *d);

/* HMAC-SHA-256; out: 32 bytes. */
int digest_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                       uint8_t out[32]);
/* Lower-case hex of SHA-256, NUL-terminated. */
int digest_sha256_hex(const void *data, size_t len, char out[65]);

#endif
