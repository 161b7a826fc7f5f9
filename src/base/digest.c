/* Digests by EVP. Streaming errors stick and are told by digest_final(). */
#include "s3apfs/base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

struct digest {
  EVP_MD_CTX *ctx;
  int err;
};

static const EVP_MD *digest_md(enum digest_kind kind) {
  switch (kind) {
  case DIGEST_MD5:
    return EVP_md5();
  case DIGEST_SHA1:
    return EVP_sha1();
  case DIGEST_SHA512:
    return EVP_sha512();
  case DIGEST_SHA256:
    break;
  }
  return EVP_sha256();
}

size_t digest_size(enum digest_kind kind) {
  switch (kind) {
  case DIGEST_MD5:
    return 16;
  case DIGEST_SHA1:
    return 20;
  case DIGEST_SHA512:
    return 64;
  case DIGEST_SHA256:
    break;
  }
  return 32;
}

int digest_once(enum digest_kind kind, const void *data, size_t len, uint8_t *out) {
  return EVP_Digest(data, len, out, NULL, digest_md(kind), NULL) == 1 ? 0 : -EIO;
}

int digest_new(enum digest_kind kind, struct digest **out) {
  struct digest *d = calloc(1, sizeof(*d));

  if (d == NULL)
    return -ENOMEM;
  d->ctx = EVP_MD_CTX_new();
  if (d->ctx == NULL || EVP_DigestInit_ex(d->ctx, digest_md(kind), NULL) != 1) {
    digest_free(d);
    return -ENOMEM;
  }
  *out = d;
  return 0;
}

void digest_update(struct digest *d, const void *data, size_t len) {
  if (d->err == 0 && EVP_DigestUpdate(d->ctx, data, len) != 1)
    d->err = -EIO;
}

int digest_final(struct digest *d, uint8_t *out) {
  if (d->err == 0 && EVP_DigestFinal_ex(d->ctx, out, NULL) != 1)
    d->err = -EIO;
  return d->err;
}

void digest_free(struct digest *d) {
  if (d == NULL)
    return;
  EVP_MD_CTX_free(d->ctx);
  free(d);
}

int digest_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                       uint8_t out[32]) {
  return HMAC(EVP_sha256(), key, (int)key_len, data, len, out, NULL) != NULL ? 0 : -EIO;
}

int digest_sha256_hex(const void *data, size_t len, char out[65]) {
  static const char digits[] = "0123456789abcdef";
  uint8_t raw[32];
  int rc = digest_once(DIGEST_SHA256, data, len, raw);

  if (rc != 0)
    return rc;
  for (size_t i = 0; i < sizeof(raw); i++) {
    out[2 * i] = digits[raw[i] >> 4];
    out[2 * i + 1] = digits[raw[i] & 15];
  }
  out[64] = '\0';
  return 0;
}
