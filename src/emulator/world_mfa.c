/* Virtual MFA devices: time-based one-time passwords (RFC 6238 with SHA-1, steps
 * of 30 s, 6 digits). A code of the step before or after the present one is
 * taken, once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/digest.h"
#include "world_internal.h"

#define TOTP_STEP_S 30
#define TOTP_DIGITS 6
#define SHA1_BLOCK 64

static int decode_base32(const char *s, uint8_t **out, size_t *out_len) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  uint8_t *bytes = calloc(strlen(s) + 1, 1);
  uint32_t bits = 0;
  int held = 0;
  size_t n = 0;

  if (bytes == NULL)
    return -ENOMEM;
  for (; *s != '\0' && *s != '='; s++) {
    const char *at = strchr(alphabet, *s);

    if (at == NULL) {
      free(bytes);
      return -EINVAL;
    }
    bits = (bits << 5 | (uint32_t)(at - alphabet)) & 0xfff;
    held += 5;
    if (held >= 8) {
      held -= 8;
      bytes[n++] = (uint8_t)(bits >> held);
    }
  }
  *out = bytes;
  *out_len = n;
  return 0;
}

void mfa_device_free(struct mfa_device *d) {
  if (d->seed != NULL)
    explicit_bzero(d->seed, d->seed_len);
  free(d->seed);
  if (d->seed_text != NULL)
    explicit_bzero(d->seed_text, strlen(d->seed_text));
  free(d->seed_text);
  free(d->serial);
  free(d);
}

void mfa_devices_free(struct mfa_device **list) {
  while (*list != NULL) {
    struct mfa_device *d = *list;

    DL_DELETE(*list, d);
    mfa_device_free(d);
  }
}

int mfa_device_add(struct mfa_device **list, const char *serial, const char *seed) {
  struct mfa_device *d = calloc(1, sizeof(*d));
  int rc;

  if (d == NULL)
    return -ENOMEM;
  d->serial = strdup(serial);
  d->seed_text = strdup(seed);
  rc = d->serial == NULL || d->seed_text == NULL ? -ENOMEM
                                                 : decode_base32(seed, &d->seed, &d->seed_len);
  if (rc == 0 && (d->seed_len == 0 || d->seed_len > SHA1_BLOCK))
    rc = -EINVAL;
  if (rc != 0) {
    mfa_device_free(d);
    return rc;
  }
  DL_APPEND(*list, d);
  return 0;
}

struct mfa_device *mfa_device_find(struct mfa_device *list, const char *serial) {
  struct mfa_device *d;

  DL_FOREACH (list, d) {
    if (strcmp(d->serial, serial) == 0)
      return d;
  }
  return NULL;
}

/* RFC 2104 over SHA-1. Keys longer than a block are not used for TOTP. */
static int hmac_sha1(const uint8_t *key, size_t key_len, const void *data, size_t len,
                     uint8_t out[DIGEST_MAX]) {
  uint8_t block[SHA1_BLOCK + DIGEST_MAX] = {0};
  uint8_t inner[DIGEST_MAX];
  int rc;

  if (key_len > SHA1_BLOCK || len > DIGEST_MAX)
    return -EINVAL;
  memcpy(block, key, key_len);
  for (size_t i = 0; i < SHA1_BLOCK; i++)
    block[i] ^= 0x36;
  memcpy(block + SHA1_BLOCK, data, len);
  rc = digest_once(DIGEST_SHA1, block, SHA1_BLOCK + len, inner);
  for (size_t i = 0; i < SHA1_BLOCK; i++)
    block[i] ^= 0x36 ^ 0x5c;
  memcpy(block + SHA1_BLOCK, inner, digest_size(DIGEST_SHA1));
  if (rc == 0)
    rc = digest_once(DIGEST_SHA1, block, SHA1_BLOCK + digest_size(DIGEST_SHA1), out);
  explicit_bzero(block, sizeof(block));
  return rc;
}

static int totp(const struct mfa_device *d, int64_t step, char out[TOTP_DIGITS + 1]) {
  uint8_t counter[8];
  uint8_t mac[DIGEST_MAX];
  size_t at;
  uint32_t code;
  int rc;

  for (int i = 0; i < 8; i++)
    counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
  rc = hmac_sha1(d->seed, d->seed_len, counter, sizeof(counter), mac);
  if (rc != 0)
    return rc;
  at = mac[19] & 0xf;
  code = ((uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
          (uint32_t)mac[at + 2] << 8 | mac[at + 3]) %
         1000000;
  for (int i = TOTP_DIGITS - 1; i >= 0; i--) {
    out[i] = (char)('0' + code % 10);
    code /= 10;
  }
  out[TOTP_DIGITS] = '\0';
  return 0;
}

int mfa_device_check(struct mfa_device *d, const char *code, int64_t now) {
  char expected[TOTP_DIGITS + 1];

  for (int64_t step = now / TOTP_STEP_S - 1; step <= now / TOTP_STEP_S + 1; step++) {
    if (step <= d->last_step || totp(d, step, expected) != 0)
      continue;
    if (strcmp(expected, code) == 0) {
      d->last_step = step;
      return 0;
    }
  }
  return -EACCES;
}
