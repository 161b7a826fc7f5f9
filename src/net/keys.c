/* Credentials as shared immutable objects, and what signing derives from them.
 *
 * Derived keys (SigV4: one per day, region and service; SigV4a: one) are made on
 * first use and die with their credentials, so nothing outlives a secret. One
 * lock serves all objects: it is held for a lookup only, never while deriving.
 * Two threads may derive the same key; the first one to come back is kept. */
#include "s3apfs/net/keys.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "keys_internal.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define DAY_S 86400
/* S3 and STS in two regions over midnight; a source that needs more derives again. */
#define MAX_SIGNING_KEYS 8

struct signing_key {
  int64_t day; /* days since 1970; the key's date */
  char *region;
  char *service;
  uint8_t bytes[32];
};

struct keys_derived {
  struct sigv4a_key *sigv4a;
  struct signing_key signing[MAX_SIGNING_KEYS];
  unsigned next; /* slot to fill, oldest first */
};

static struct mtx derived_lock;
static pthread_once_t derived_once = PTHREAD_ONCE_INIT;

static void derived_start(void) {
  mtx_init(&derived_lock, RANK_CALL);
}

static void free_secret(char *s) {
  if (s == NULL)
    return;
  log_unhide(s);
  explicit_bzero(s, strlen(s));
  free(s);
}

static void signing_key_fini(struct signing_key *s) {
  free(s->region);
  free(s->service);
  explicit_bzero(s, sizeof(*s));
}

static void derived_free(struct keys_derived *d) {
  if (d == NULL)
    return;
  sigv4a_key_free(d->sigv4a);
  for (unsigned i = 0; i < MAX_SIGNING_KEYS; i++)
    signing_key_fini(&d->signing[i]);
  free(d);
}

static void keys_free(struct keys *k) {
  derived_free(k->derived);
  free_secret(k->secret_access_key);
  free_secret(k->session_token);
  free(k->access_key_id);
  free(k->account);
  free(k->identity);
  free(k->who);
  free(k);
}

static int copy_optional(char **at, const char *s) {
  if (s == NULL || *s == '\0')
    return 0;
  *at = strdup(s);
  return *at != NULL ? 0 : -ENOMEM;
}

int keys_new(const char *access_key_id, const char *secret_access_key, const char *session_token,
             int64_t expiration, const char *account, const char *identity, struct keys **out) {
  struct keys *k = calloc(1, sizeof(*k));

  if (k == NULL)
    return -ENOMEM;
  atomic_init(&k->refs, 1);
  k->expiration = expiration;
  k->access_key_id = strdup(access_key_id);
  k->secret_access_key = strdup(secret_access_key);
  k->identity = strdup(identity);
  k->derived = calloc(1, sizeof(*k->derived));
  log_hide(k->secret_access_key);
  if (copy_optional(&k->session_token, session_token) != 0 ||
      copy_optional(&k->account, account) != 0 || k->access_key_id == NULL ||
      k->secret_access_key == NULL || k->identity == NULL || k->derived == NULL) {
    keys_free(k);
    return -ENOMEM;
  }
  log_hide(k->session_token);
  *out = k;
  return 0;
}

int keys_set_who(struct keys *k, const char *who) {
  return copy_optional(&k->who, who);
}

#define ID_DIGITS 32 /* of the hash */

int keys_who(const struct keys *k, struct buf *out) {
  char hex[65];
  int rc;

  if (k->who != NULL) {
    buf_puts(out, k->who);
    return buf_error(out);
  }
  rc = digest_sha256_hex(k->access_key_id, strlen(k->access_key_id), hex);
  if (rc == 0)
    buf_printf(out, "key %.*s", ID_DIGITS, hex);
  return rc == 0 ? buf_error(out) : rc;
}

struct keys *keys_ref(struct keys *k) {
  atomic_fetch_add(&k->refs, 1);
  return k;
}

void keys_unref(struct keys *k) {
  if (k != NULL && atomic_fetch_sub(&k->refs, 1) == 1)
    keys_free(k);
}

static struct signing_key *find_locked(struct keys_derived *d, const struct sigv4_scope *scope) {
  for (unsigned i = 0; i < MAX_SIGNING_KEYS; i++) {
    struct signing_key *s = &d->signing[i];

    if (s->region != NULL && s->day == scope->time / DAY_S &&
        strcmp(s->region, scope->region) == 0 && strcmp(s->service, scope->service) == 0)
      return s;
  }
  return NULL;
}

static bool lookup(struct keys *k, const struct sigv4_scope *scope, uint8_t out[32]) {
  const struct signing_key *s;

  pthread_once(&derived_once, derived_start);
  mtx_lock(&derived_lock);
  s = find_locked(k->derived, scope);
  if (s != NULL)
    memcpy(out, s->bytes, sizeof(s->bytes));
  mtx_unlock(&derived_lock);
  return s != NULL;
}

/* Keeping is a convenience: without memory for the names it is left out. */
static void keep(struct keys *k, const struct sigv4_scope *scope, const uint8_t key[32]) {
  struct signing_key fresh = {
      scope->time / DAY_S, strdup(scope->region), strdup(scope->service), {0}};
  struct signing_key *slot;

  memcpy(fresh.bytes, key, sizeof(fresh.bytes));
  mtx_lock(&derived_lock);
  if (fresh.region != NULL && fresh.service != NULL && find_locked(k->derived, scope) == NULL) {
    struct signing_key old;

    slot = &k->derived->signing[k->derived->next++ % MAX_SIGNING_KEYS];
    old = *slot;
    *slot = fresh;
    fresh = old;
  }
  mtx_unlock(&derived_lock);
  signing_key_fini(&fresh);
}

int keys_signing_key(struct keys *k, const struct sigv4_scope *scope, uint8_t out[32]) {
  int rc;

  if (lookup(k, scope, out))
    return 0;
  rc = sigv4_signing_key(k->secret_access_key, scope, out);
  if (rc == 0)
    keep(k, scope, out);
  return rc;
}

/* Keeps `spare` when there is none yet; returns the one that is kept. */
static struct sigv4a_key *sigv4a_of(struct keys *k, struct sigv4a_key **spare) {
  struct sigv4a_key *kept;

  pthread_once(&derived_once, derived_start);
  mtx_lock(&derived_lock);
  if (k->derived->sigv4a == NULL) {
    k->derived->sigv4a = *spare;
    *spare = NULL;
  }
  kept = k->derived->sigv4a;
  mtx_unlock(&derived_lock);
  return kept;
}

int keys_sigv4a_key(struct keys *k, const struct sigv4a_key **out) {
  struct sigv4a_key *spare = NULL;
  struct sigv4a_key *kept = sigv4a_of(k, &spare);
  int rc;

  if (kept == NULL) {
    rc = sigv4a_key_derive(k->access_key_id, k->secret_access_key, &spare);
    if (rc != 0)
      return rc;
    kept = sigv4a_of(k, &spare);
    sigv4a_key_free(spare);
  }
  *out = kept;
  return 0;
}
