/* AES-256-GCM over OpenSSL's EVP: sealing with a key, a nonce and associated data
 * (NIST SP 800-38D). A nonce must never seal two messages under one key. */
#ifndef S3APFS_BASE_AEAD_H
#define S3APFS_BASE_AEAD_H

#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY 32
#define AEAD_NONCE 12
#define AEAD_TAG 16

/* A key ready for use; not thread-safe. */
struct aead;

/* 0 or -ENOMEM. */
int aead_new(const uint8_t key[AEAD_KEY], struct aead **out);
void aead_free(struct aead *a); /* wipes; NULL is fine */

/* len bytes of `plain` become as many at `sealed`, which may be the same memory, and a
 * tag. 0 or -EIO (the library refused). */
int aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE], const void *ad, size_t ad_len,
              const void *plain, size_t len, void *sealed, uint8_t tag[AEAD_TAG]);
/* The reverse. -EBADMSG: not what was sealed; what stands at `plain` then means
 * nothing. */
int aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE], const void *ad, size_t ad_len,
              const void *sealed, size_t len, void *plain, const uint8_t tag[AEAD_TAG]);

/* Bytes that nobody can foresee. 0 or -EIO. */
int aead_random(void *out, size_t len);

#endif
