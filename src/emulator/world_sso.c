/* Sign-ons: who is signed on by which token, and what that may become. A renewed
 * sign-on gets both tokens anew; the former ones are worth nothing from then on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world_internal.h"

#define TOKEN_CHARS 64

static void free_wiped(char *s) {
  if (s != NULL)
    explicit_bzero(s, strlen(s));
  free(s);
}

static void user_free(struct sso_user *u) {
  kvlist_fini(&u->groups);
  free(u->name);
  free(u->id);
  free_wiped(u->context);
  free_wiped(u->access_token);
  free_wiped(u->refresh_token);
  free(u);
}

static void role_free(struct sso_role *r) {
  free(r->name);
  free(r->account);
  free(r->role_arn);
  free(r);
}

static bool copy(char **out, const char *s) {
  *out = s != NULL ? strdup(s) : NULL;
  return s == NULL || *out != NULL;
}

int world_add_sso_user_locked(struct world *w, const char *name, const char *access_token,
                              const char *refresh_token, struct sso_user **out) {
  struct sso_user *u = calloc(1, sizeof(*u));

  if (u == NULL)
    return -ENOMEM;
  kvlist_init(&u->groups);
  if (!copy(&u->name, name) || !copy(&u->access_token, access_token) ||
      !copy(&u->refresh_token, refresh_token)) {
    user_free(u);
    return -ENOMEM;
  }
  u->expires = world_now(w) + SSO_LIFETIME_S;
  DL_APPEND(w->synced.sso.users, u);
  *out = u;
  return 0;
}

int world_add_sso_role_locked(struct world *w, const char *name, const char *account,
                              const char *role_arn) {
  struct sso_role *r = calloc(1, sizeof(*r));

  if (r == NULL)
    return -ENOMEM;
  if (!copy(&r->name, name) || !copy(&r->account, account) || !copy(&r->role_arn, role_arn)) {
    role_free(r);
    return -ENOMEM;
  }
  DL_APPEND(w->synced.sso.roles, r);
  return 0;
}

void world_drop_sso_locked(struct world *w) {
  struct sso_user *u;
  struct sso_user *next_user;
  struct sso_role *r;
  struct sso_role *next_role;

  DL_FOREACH_SAFE(w->synced.sso.users, u, next_user) {
    user_free(u);
  }
  DL_FOREACH_SAFE(w->synced.sso.roles, r, next_role) {
    role_free(r);
  }
  world_drop_sso_devices_locked(w);
  free(w->synced.sso.instance);
  free(w->synced.sso.client_id);
  free_wiped(w->synced.sso.client_secret);
  memset(&w->synced.sso, 0, sizeof(w->synced.sso));
}

const struct sso_user *world_directory_user_locked(const struct world *w, const char *id) {
  const struct sso_user *u;

  DL_FOREACH (w->synced.sso.users, u) {
    if (u->id != NULL && strcmp(u->id, id) == 0)
      return u;
  }
  return NULL;
}

const struct sso_user *world_asserted_user_locked(const struct world *w, const char *context) {
  const struct sso_user *u;

  DL_FOREACH (w->synced.sso.users, u) {
    if (u->id != NULL && u->context != NULL && strcmp(u->context, context) == 0)
      return u;
  }
  return NULL;
}

static struct sso_user *signed_on(struct world *w, const char *token) {
  struct sso_user *u;

  DL_FOREACH (w->synced.sso.users, u) {
    if (u->access_token != NULL && strcmp(u->access_token, token) == 0)
      return u->expires > world_now(w) ? u : NULL;
  }
  return NULL;
}

static struct role *assigned(struct world *w, const char *account, const char *name) {
  struct sso_role *r;

  DL_FOREACH (w->synced.sso.roles, r) {
    if (strcmp(r->name, name) == 0 && strcmp(r->account, account) == 0)
      return world_role_by_arn_locked(w, r->role_arn);
  }
  return NULL;
}

static int issue(struct world *w, const char *token, const char *account, const char *name,
                 char **key_id) {
  const struct sso_user *u = signed_on(w, token);
  struct session_wish wish = {0};
  struct credential *c;
  struct role *r;
  int rc;

  if (u == NULL)
    return -EACCES;
  r = assigned(w, account, name);
  if (r == NULL)
    return -ENOENT;
  wish.role = r;
  wish.account = r->account;
  wish.name = u->name;
  wish.duration = r->max_session;
  rc = world_add_session_locked(w, &wish, &c);
  if (rc != 0)
    return rc;
  world_touch_locked(w);
  *key_id = strdup(c->id);
  return *key_id != NULL ? 0 : -ENOMEM;
}

int world_sso_keys(struct world *w, const char *token, const char *account, const char *role,
                   struct world_key *out) {
  char *key_id = NULL;
  int rc;

  world_lock(w);
  rc = issue(w, token, account, role, &key_id);
  world_unlock(w);
  if (rc == 0)
    rc = world_find_key(w, key_id, out);
  free(key_id);
  return rc;
}

bool world_sso_is_client_locked(const struct world *w, const char *id, const char *secret) {
  const struct sso *s = &w->synced.sso;

  if (world_sso_is_registered_locked(w, id, secret))
    return true;
  return s->client_id != NULL && s->client_secret != NULL && strcmp(s->client_id, id) == 0 &&
         strcmp(s->client_secret, secret) == 0;
}

int world_sso_fresh_tokens_locked(struct world *w, struct sso_user *u,
                                  struct world_sso_token *out) {
  char *access = world_make_id("aoa", TOKEN_CHARS);
  char *refresh = world_make_id("aor", TOKEN_CHARS);

  *out = (struct world_sso_token){.lifetime = SSO_LIFETIME_S};
  if (access == NULL || refresh == NULL || !copy(&out->access_token, access) ||
      !copy(&out->refresh_token, refresh)) {
    world_sso_token_fini(out);
    free_wiped(access);
    free_wiped(refresh);
    return -ENOMEM;
  }
  free_wiped(u->access_token);
  free_wiped(u->refresh_token);
  u->access_token = access;
  u->refresh_token = refresh;
  u->expires = world_now(w) + SSO_LIFETIME_S;
  world_touch_locked(w);
  return 0;
}

static int renew(struct world *w, const char *refresh_token, struct world_sso_token *out) {
  struct sso_user *u;

  DL_FOREACH (w->synced.sso.users, u) {
    if (u->refresh_token != NULL && strcmp(u->refresh_token, refresh_token) == 0)
      return world_sso_fresh_tokens_locked(w, u, out);
  }
  return -EACCES;
}

int world_sso_renew(struct world *w, const char *client_id, const char *client_secret,
                    const char *refresh_token, struct world_sso_token *out) {
  int rc;

  world_lock(w);
  rc = world_sso_is_client_locked(w, client_id, client_secret) ? renew(w, refresh_token, out)
                                                               : -EPERM;
  world_unlock(w);
  return rc;
}

void world_sso_token_fini(struct world_sso_token *t) {
  free_wiped(t->access_token);
  free_wiped(t->refresh_token);
  memset(t, 0, sizeof(*t));
}
