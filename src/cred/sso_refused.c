/* Digests, so that no secret stays; one word each. */
#include "sso_refused.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "s3apfs/base/digest.h"

#define PLACES 64

static _Atomic uint64_t refused[PLACES];

/* 0: there is no digest. */
static uint64_t digest_of(const char *token) {
  uint8_t hash[DIGEST_MAX];
  uint64_t d = 0;

  if (digest_once(DIGEST_SHA256, token, strlen(token), hash) == 0)
    memcpy(&d, hash, sizeof(d));
  return d;
}

bool sso_refused_note(const char *refresh_token) {
  uint64_t d = digest_of(refresh_token);

  return d != 0 && atomic_exchange(&refused[d % PLACES], d) != d;
}

bool sso_refused_is(const char *refresh_token) {
  uint64_t d = digest_of(refresh_token);

  return d != 0 && atomic_load(&refused[d % PLACES]) == d;
}
