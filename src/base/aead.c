/* AES-256-GCM: one EVP context a key, started anew for each message. */
#include "s3apfs/base/aead.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/random.h>

struct aead {
  EVP_CIPHER_CTX *seal;
  EVP_CIPHER_CTX *open;
};

void aead_free(struct aead *a) {
  if (a == NULL)
    return;
  EVP_CIPHER_CTX_free(a->seal);
  EVP_CIPHER_CTX_free(a->open);
  free(a);
}

int aead_new(const uint8_t key[AEAD_KEY], struct aead **out) {
  struct aead *a = calloc(1, sizeof(*a));

  if (a == NULL)
    return -ENOMEM;
  a->seal = EVP_CIPHER_CTX_new();
  a->open = EVP_CIPHER_CTX_new();
  if (a->seal == NULL || a->open == NULL ||
      EVP_EncryptInit_ex(a->seal, EVP_aes_256_gcm(), NULL, key, NULL) != 1 ||
      EVP_DecryptInit_ex(a->open, EVP_aes_256_gcm(), NULL, key, NULL) != 1) {
    aead_free(a);
    return -ENOMEM;
  }
  *out = a;
  return 0;
}

int aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE], const void *ad, size_t ad_len,
              const void *plain, size_t len, void *sealed, uint8_t tag[AEAD_TAG]) {
  int n = 0;

  if (ad_len > INT_MAX || len > INT_MAX)
    return -EIO;
  if (EVP_EncryptInit_ex(a->seal, NULL, NULL, NULL, nonce) != 1 ||
      EVP_EncryptUpdate(a->seal, NULL, &n, ad, (int)ad_len) != 1 ||
      EVP_EncryptUpdate(a->seal, sealed, &n, plain, (int)len) != 1 || n != (int)len ||
      EVP_EncryptFinal_ex(a->seal, (unsigned char *)sealed + len, &n) != 1 ||
      EVP_CIPHER_CTX_ctrl(a->seal, EVP_CTRL_GCM_GET_TAG, AEAD_TAG, tag) != 1)
    return -EIO;
  return 0;
}

int aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE], const void *ad, size_t ad_len,
              const void *sealed, size_t len, void *plain, const uint8_t tag[AEAD_TAG]) {
  int n = 0;

  if (ad_len > INT_MAX || len > INT_MAX)
    return -EBADMSG;
  if (EVP_DecryptInit_ex(a->open, NULL, NULL, NULL, nonce) != 1 ||
      EVP_DecryptUpdate(a->open, NULL, &n, ad, (int)ad_len) != 1 ||
      EVP_DecryptUpdate(a->open, plain, &n, sealed, (int)len) != 1 || n != (int)len ||
      EVP_CIPHER_CTX_ctrl(a->open, EVP_CTRL_GCM_SET_TAG, AEAD_TAG, (void *)tag) != 1 ||
      EVP_DecryptFinal_ex(a->open, (unsigned char *)plain + len, &n) != 1)
    return -EBADMSG;
  return 0;
}

int aead_random(void *out, size_t len) {
  unsigned char *at = out;

  while (len > 0) {
    ssize_t n = getrandom(at, len, 0);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return -EIO;
    at += n;
    len -= (size_t)n;
  }
  return 0;
}
