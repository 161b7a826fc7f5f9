/* Access keys and sessions: one table by access key id. Long-lived keys belong
 * to a user or to an account's root; sessions come from STS, from Access
 * Grants, or, with fixed ids, from the configuration. Expired sessions stay
 * findable for an hour, so that their holder hears ExpiredToken rather than
 * that the key is unknown, and are thrown away when a later one is issued. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_internal.h"

#define EXPIRED_KEEP_S 3600
#define SESSION_TOKEN_CHARS 340 /* AWS's are this long and longer: clients must not assume less */

struct credential *world_credential_locked(struct world *w, const char *id) {
  struct credential *c = NULL;

  HASH_FIND_STR(w->synced.credentials, id, c);
  return c;
}

struct credential *world_live_credential_locked(struct world *w, const char *id) {
  struct credential *c = world_credential_locked(w, id);

  if (c == NULL || !c->active || (c->expiration != 0 && c->expiration <= world_now(w)))
    return NULL;
  return c;
}

static void free_secret(char *s) {
  if (s != NULL)
    explicit_bzero(s, strlen(s));
  free(s);
}

static void free_credential(struct credential *c) {
  free(c->id);
  free_secret(c->secret);
  free_secret(c->token);
  free(c->session_name);
  free(c->source_identity);
  free(c->directory_user);
  free(c->grants_instance);
  free(c->express_arn);
  document_fini(&c->session_policy);
  kvlist_fini(&c->session_tags);
  kvlist_fini(&c->transitive_tags);
  free(c);
}

void world_remove_credential_locked(struct world *w, struct credential *c) {
  HASH_DEL(w->synced.credentials, c);
  free_credential(c);
}

void world_drop_credentials_locked(struct world *w) {
  struct credential *c = w->synced.credentials;

  HASH_CLEAR(hh, w->synced.credentials);
  while (c != NULL) {
    struct credential *next = c->hh.next;

    free_credential(c);
    c = next;
  }
}

static int add_credential(struct world *w, const char *prefix, const char *id, const char *secret,
                          struct credential **out) {
  struct credential *c;

  if (id != NULL && world_credential_locked(w, id) != NULL)
    return -EEXIST;
  c = calloc(1, sizeof(*c));
  if (c == NULL)
    return -ENOMEM;
  kvlist_init(&c->session_tags);
  kvlist_init(&c->transitive_tags);
  c->active = true;
  c->created = world_now(w);
  c->id = id != NULL ? strdup(id) : world_make_id(prefix, 16);
  c->secret = secret != NULL ? strdup(secret) : world_make_secret();
  if (c->id == NULL || c->secret == NULL) {
    free_credential(c);
    return -ENOMEM;
  }
  HASH_ADD_KEYPTR(hh, w->synced.credentials, c->id, strlen(c->id), c);
  *out = c;
  return 0;
}

int world_add_key_locked(struct world *w, struct account *a, struct user *u, const char *id,
                         const char *secret, struct credential **out) {
  struct credential *c;
  int rc = add_credential(w, "AKIA", id, secret, &c);

  if (rc != 0)
    return rc;
  c->account = a;
  c->user = u;
  *out = c;
  return 0;
}

static void drop_expired(struct world *w) {
  int64_t now = world_now(w);
  struct credential *c;
  struct credential *next;

  HASH_ITER (hh, w->synced.credentials, c, next) {
    if (c->expiration != 0 && c->expiration + EXPIRED_KEEP_S < now)
      world_remove_credential_locked(w, c);
  }
}

int world_add_session_locked(struct world *w, const struct session_wish *s,
                             struct credential **out) {
  struct credential *c;
  int rc;

  drop_expired(w);
  rc = add_credential(w, "ASIA", s->id, s->secret, &c);
  if (rc != 0)
    return rc;
  c->account = s->account;
  c->user = s->user;
  c->role = s->role;
  c->expiration = s->expiration != 0 ? s->expiration : world_now(w) + s->duration;
  c->token =
      s->token != NULL ? strdup(s->token) : world_make_id("IQoJb3JpZ2luX2Vj", SESSION_TOKEN_CHARS);
  c->session_name = s->name != NULL ? strdup(s->name) : NULL;
  if (c->token == NULL || (s->name != NULL && c->session_name == NULL)) {
    world_remove_credential_locked(w, c);
    return -ENOMEM;
  }
  *out = c;
  return 0;
}

void credential_arn(const struct credential *c, struct buf *out) {
  if (c->role != NULL)
    buf_printf(out, "arn:aws:sts::%s:assumed-role/%s/%s", c->account->id, c->role->name,
               c->session_name);
  else if (c->user != NULL)
    buf_puts(out, c->user->arn);
  else
    buf_printf(out, "arn:aws:iam::%s:root", c->account->id);
}

void credential_user_id(const struct credential *c, struct buf *out) {
  if (c->role != NULL)
    buf_printf(out, "%s:%s", c->role->id, c->session_name);
  else
    buf_puts(out, c->user != NULL ? c->user->id : c->account->id);
}

/* --- what authentication asks ------------------------------------------------------------------
 */

static int copy_key(const struct credential *c, struct world_key *out) {
  struct buf arn;
  struct buf id;

  buf_init(&arn, 0);
  buf_init(&id, 0);
  credential_arn(c, &arn);
  credential_user_id(c, &id);
  out->access_key_id = strdup(c->id);
  out->secret = strdup(c->secret);
  out->session_token = c->token != NULL ? strdup(c->token) : NULL;
  out->expiration = c->expiration;
  out->active = c->active;
  out->express = c->express_arn != NULL;
  out->account = strdup(c->account->id);
  out->arn = buf_take(&arn);
  out->user_id = buf_take(&id);
  buf_fini(&arn);
  buf_fini(&id);
  if (out->access_key_id == NULL || out->secret == NULL || out->account == NULL ||
      out->arn == NULL || out->user_id == NULL || (c->token != NULL && out->session_token == NULL))
    return -ENOMEM;
  return 0;
}

int world_find_key(struct world *w, const char *access_key_id, struct world_key *out) {
  struct world_key fresh = {0};
  const struct credential *c;
  int rc;

  world_lock(w);
  c = world_credential_locked(w, access_key_id);
  rc = c == NULL ? -ENOENT : copy_key(c, &fresh);
  world_unlock(w);
  if (rc != 0)
    world_key_fini(&fresh);
  else
    *out = fresh;
  return rc;
}

void world_key_fini(struct world_key *k) {
  free(k->access_key_id);
  free_secret(k->secret);
  free_secret(k->session_token);
  free(k->account);
  free(k->arn);
  free(k->user_id);
  memset(k, 0, sizeof(*k));
}
