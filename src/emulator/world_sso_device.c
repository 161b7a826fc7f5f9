/* Signing on by a device: clients register, ask for a code, a person allows it
 * elsewhere, and the client that asks again has tokens (RFC 8628; OIDC API of IAM
 * Identity Center). Kept in memory only. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_internal.h"

#define CLIENT_LIFETIME_S ((int64_t)90 * 86400)
#define DEVICE_LIFETIME_S 600
#define SECRET_CHARS 64

struct sso_client {
  char *id, *secret;
  int64_t expires;
  struct sso_client *prev, *next;
};

struct sso_device {
  char *code, *user_code, *client_id;
  char *user; /* who allowed it; "": it was refused; NULL: nobody said anything yet */
  int64_t expires;
  struct sso_device *prev, *next;
};

static void client_free(struct sso_client *c) {
  if (c->secret != NULL)
    explicit_bzero(c->secret, strlen(c->secret));
  free(c->secret);
  free(c->id);
  free(c);
}

static void device_free(struct sso_device *d) {
  free(d->code);
  free(d->user_code);
  free(d->client_id);
  free(d->user);
  free(d);
}

void world_drop_sso_devices_locked(struct world *w) {
  struct sso_client *c;
  struct sso_client *next_client;
  struct sso_device *d;
  struct sso_device *next_device;

  DL_FOREACH_SAFE(w->synced.sso.clients, c, next_client) {
    client_free(c);
  }
  DL_FOREACH_SAFE(w->synced.sso.devices, d, next_device) {
    device_free(d);
  }
}

bool world_sso_is_registered_locked(const struct world *w, const char *id, const char *secret) {
  const struct sso_client *c;

  DL_FOREACH (w->synced.sso.clients, c) {
    if (strcmp(c->id, id) == 0 && strcmp(c->secret, secret) == 0)
      return c->expires > world_now(w);
  }
  return false;
}

static bool set(char **out, const char *s) {
  *out = strdup(s);
  return *out != NULL;
}

int world_sso_register(struct world *w, struct world_sso_client *out) {
  struct sso_client *c = calloc(1, sizeof(*c));
  int rc = -ENOMEM;

  if (c == NULL)
    return rc;
  *out = (struct world_sso_client){0};
  c->id = world_make_id("", 22);
  c->secret = world_make_id("", SECRET_CHARS);
  if (c->id != NULL && c->secret != NULL && set(&out->id, c->id) && set(&out->secret, c->secret))
    rc = 0;
  if (rc != 0) {
    client_free(c);
    world_sso_client_fini(out);
    return rc;
  }
  world_lock(w);
  out->issued = world_now(w);
  out->expires = c->expires = out->issued + CLIENT_LIFETIME_S;
  DL_APPEND(w->synced.sso.clients, c);
  world_unlock(w);
  return 0;
}

void world_sso_client_fini(struct world_sso_client *c) {
  if (c->secret != NULL)
    explicit_bzero(c->secret, strlen(c->secret));
  free(c->id);
  free(c->secret);
  *c = (struct world_sso_client){0};
}

/* "ABCD-EFGH". */
static char *make_user_code(void) {
  char *s = world_make_id("", 8);
  char *out = s != NULL ? text_printf("%.4s-%s", s, s + 4) : NULL;

  free(s);
  return out;
}

int world_sso_start(struct world *w, const char *client_id, const char *secret,
                    struct world_sso_device *out) {
  struct sso_device *d = calloc(1, sizeof(*d));
  int rc = -ENOMEM;

  if (d == NULL)
    return rc;
  *out = (struct world_sso_device){.lifetime = DEVICE_LIFETIME_S};
  d->code = world_make_id("", SECRET_CHARS);
  d->user_code = make_user_code();
  if (d->code != NULL && d->user_code != NULL && set(&d->client_id, client_id) &&
      set(&out->code, d->code) && set(&out->user_code, d->user_code))
    rc = 0;
  world_lock(w);
  if (rc == 0 && !world_sso_is_client_locked(w, client_id, secret))
    rc = -EPERM;
  if (rc == 0) {
    d->expires = world_now(w) + DEVICE_LIFETIME_S;
    DL_APPEND(w->synced.sso.devices, d);
  }
  world_unlock(w);
  if (rc != 0) {
    device_free(d);
    world_sso_device_fini(out);
  }
  return rc;
}

void world_sso_device_fini(struct world_sso_device *d) {
  free(d->code);
  free(d->user_code);
  *d = (struct world_sso_device){0};
}

static struct sso_user *user_named(struct world *w, const char *name) {
  struct sso_user *u;

  DL_FOREACH (w->synced.sso.users, u) {
    if (strcmp(u->name, name) == 0)
      return u;
  }
  return NULL;
}

int world_sso_decide(struct world *w, const char *user_code, const char *user) {
  struct sso_device *d;
  int rc = 0;

  world_lock(w);
  DL_FOREACH (w->synced.sso.devices, d) {
    if (strcmp(d->user_code, user_code) == 0)
      break;
  }
  if (d == NULL || d->user != NULL || d->expires <= world_now(w) ||
      (*user != '\0' && user_named(w, user) == NULL))
    rc = -ENOENT;
  else if (!set(&d->user, user))
    rc = -ENOMEM;
  world_unlock(w);
  return rc;
}

/* A code is good for one pair of tokens. */
static int take(struct world *w, const char *client_id, const char *code,
                struct world_sso_token *out) {
  struct sso_device *d;
  struct sso_user *u;
  int rc;

  DL_FOREACH (w->synced.sso.devices, d) {
    if (strcmp(d->code, code) == 0 && strcmp(d->client_id, client_id) == 0)
      break;
  }
  if (d == NULL)
    return -EACCES;
  if (d->expires <= world_now(w))
    return -ETIMEDOUT;
  if (d->user == NULL)
    return -EAGAIN;
  u = user_named(w, d->user);
  rc = u != NULL ? world_sso_fresh_tokens_locked(w, u, out) : -ECANCELED;
  DL_DELETE(w->synced.sso.devices, d);
  device_free(d);
  return rc;
}

int world_sso_take(struct world *w, const char *client_id, const char *secret, const char *code,
                   struct world_sso_token *out) {
  int rc;

  world_lock(w);
  rc = world_sso_is_client_locked(w, client_id, secret) ? take(w, client_id, code, out) : -EPERM;
  world_unlock(w);
  return rc;
}
