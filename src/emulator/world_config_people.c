/* Accounts, users, roles, keys and sessions, from the world document. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_config.h"

#define SESSION_MIN_S 900
#define SESSION_MAX_S 43200

struct people {
  struct world *w;
  struct account *account;
  struct user *user;
  struct role *role;
};

/* --- keys and sessions ---------------------------------------------------------------------------
 */

static int read_key(const struct cfg *item, void *arg) {
  static const char *const names[] = {"id", "secret", "active", "created", NULL};
  struct people *p = arg;
  struct credential *c;
  const char *id = NULL;
  const char *secret = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "id", &id);
  if (rc == 0)
    rc = cfg_need_string(item, "secret", &secret);
  if (rc != 0)
    return rc;
  rc = world_add_key_locked(p->w, p->account, p->user, id, secret, &c);
  if (rc == -EEXIST)
    return cfg_fail(item, "access key id %s is used twice", id);
  if (rc == 0)
    rc = cfg_bool(item, "active", &c->active);
  if (rc == 0)
    rc = cfg_time(item, "created", &c->created);
  return rc;
}

static int read_session_details(const struct cfg *item, struct credential *c) {
  const char *source_identity = NULL;
  const char *instance = NULL;
  const char *user = NULL;
  int rc = config_document(item, "policy", &c->session_policy);

  if (rc == 0)
    rc = config_tags(item, "tags", &c->session_tags);
  if (rc == 0)
    rc = config_tags(item, "transitive-tags", &c->transitive_tags);
  if (rc == 0)
    rc = cfg_string(item, "source-identity", &source_identity);
  if (rc == 0)
    rc = config_copy(&c->source_identity, source_identity);
  if (rc == 0)
    rc = cfg_string(item, "access-grants-instance", &instance);
  if (rc == 0)
    rc = config_copy(&c->grants_instance, instance);
  if (rc == 0)
    rc = cfg_string(item, "directory-user", &user);
  if (rc == 0)
    rc = config_copy(&c->directory_user, user);
  if (rc == 0 && cfg_has(item, "mfa-time")) {
    c->mfa = true;
    rc = cfg_time(item, "mfa-time", &c->mfa_time);
  }
  return rc;
}

static int read_session(const struct cfg *item, void *arg) {
  static const char *const names[] = {"name",
                                      "id",
                                      "secret",
                                      "token",
                                      "expires",
                                      "created",
                                      "policy",
                                      "tags",
                                      "transitive-tags",
                                      "source-identity",
                                      "mfa-time",
                                      "access-grants-instance",
                                      "directory-user",
                                      NULL};
  const struct people *p = arg;
  struct session_wish wish = {.account = p->account, .user = p->user, .role = p->role};
  struct credential *c;
  int rc = cfg_only(item, names);

  if (rc == 0 && p->role != NULL)
    rc = cfg_need_string(item, "name", &wish.name);
  if (rc == 0)
    rc = cfg_need_string(item, "id", &wish.id);
  if (rc == 0)
    rc = cfg_need_string(item, "secret", &wish.secret);
  if (rc == 0)
    rc = cfg_need_string(item, "token", &wish.token);
  if (rc != 0)
    return rc;
  rc = world_add_session_locked(p->w, &wish, &c);
  if (rc == -EEXIST)
    return cfg_fail(item, "access key id %s is used twice", wish.id);
  if (rc != 0)
    return rc;
  c->expiration = 0;
  rc = cfg_time(item, "expires", &c->expiration);
  if (rc == 0)
    rc = cfg_time(item, "created", &c->created);
  return rc == 0 ? read_session_details(item, c) : rc;
}

/* --- users and roles --- */

static int read_policy(const struct cfg *item, void *arg) {
  struct named_document **list = arg;
  struct document doc = {0};
  struct named_document *d;
  int rc = config_document(item->up, item->name, &doc);

  if (rc != 0)
    return rc;
  d = calloc(1, sizeof(*d));
  if (d == NULL || (d->name = strdup(item->name)) == NULL) {
    free(d);
    document_fini(&doc);
    return -ENOMEM;
  }
  d->doc = doc;
  DL_APPEND(*list, d);
  return 0;
}

static int read_mfa(const struct cfg *item, void *arg) {
  static const char *const names[] = {"serial", "seed", NULL};
  const char *serial = NULL;
  const char *seed = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "serial", &serial);
  if (rc == 0)
    rc = cfg_need_string(item, "seed", &seed);
  if (rc == 0)
    rc = mfa_device_add(arg, serial, seed);
  return rc == -EINVAL ? cfg_fail(item, "the seed is not base32") : rc;
}

/* A path is "/" or "/some/folders/". */
static int read_name(const struct cfg *item, const char **name, const char **path) {
  struct cfg m = cfg_member(item, "path");
  int rc = cfg_need_string(item, "name", name);

  if (rc == 0)
    rc = cfg_string(item, "path", path);
  if (rc == 0 && (!text_has_prefix(*path, "/") || !text_has_suffix(*path, "/")))
    rc = cfg_fail(&m, "must start and end with a slash");
  return rc;
}

static int read_user(const struct cfg *item, void *arg) {
  static const char *const names[] = {"name",        "path",     "id",   "created",
                                      "policies",    "boundary", "tags", "access-keys",
                                      "mfa-devices", "sessions", NULL};
  struct people p = *(struct people *)arg;
  const char *name = NULL;
  const char *path = "/";
  const char *id = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = read_name(item, &name, &path);
  if (rc == 0)
    rc = cfg_string(item, "id", &id);
  if (rc != 0)
    return rc;
  rc = world_add_user_locked(p.w, p.account, name, path, id, &p.user);
  if (rc == -EEXIST)
    return cfg_fail(item, "user %s is given twice", name);
  if (rc == 0)
    rc = cfg_time(item, "created", &p.user->created);
  if (rc == 0)
    rc = cfg_each_member(item, "policies", read_policy, &p.user->policies);
  if (rc == 0)
    rc = config_document(item, "boundary", &p.user->boundary);
  if (rc == 0)
    rc = config_tags(item, "tags", &p.user->tags);
  if (rc == 0)
    rc = cfg_each(item, "access-keys", read_key, &p);
  if (rc == 0)
    rc = cfg_each(item, "mfa-devices", read_mfa, &p.user->mfa);
  if (rc == 0)
    rc = cfg_each(item, "sessions", read_session, &p);
  return rc;
}

static int read_role_details(const struct cfg *item, struct people *p) {
  struct role *r = p->role;
  const char *description = NULL;
  int rc = config_document(item, "trust", &r->trust);

  if (rc == 0 && r->trust.text == NULL)
    rc = cfg_fail(item, "\"trust\" is missing");
  if (rc == 0)
    rc = cfg_int(item, "max-session-duration", SESSION_MIN_S, SESSION_MAX_S, &r->max_session);
  if (rc == 0)
    rc = cfg_time(item, "created", &r->created);
  if (rc == 0)
    rc = cfg_string(item, "description", &description);
  if (rc == 0)
    rc = config_copy(&r->description, description);
  if (rc == 0)
    rc = cfg_each_member(item, "policies", read_policy, &r->policies);
  if (rc == 0)
    rc = config_document(item, "boundary", &r->boundary);
  if (rc == 0)
    rc = config_tags(item, "tags", &r->tags);
  if (rc == 0)
    rc = cfg_each(item, "sessions", read_session, p);
  return rc;
}

static int read_role(const struct cfg *item, void *arg) {
  static const char *const names[] = {
      "name",     "path",     "id",   "created",  "description", "trust", "max-session-duration",
      "policies", "boundary", "tags", "sessions", NULL};
  struct people p = *(struct people *)arg;
  const char *name = NULL;
  const char *path = "/";
  const char *id = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = read_name(item, &name, &path);
  if (rc == 0)
    rc = cfg_string(item, "id", &id);
  if (rc != 0)
    return rc;
  rc = world_add_role_locked(p.w, p.account, name, path, id, &p.role);
  if (rc == -EEXIST)
    return cfg_fail(item, "role %s is given twice", name);
  return rc == 0 ? read_role_details(item, &p) : rc;
}

/* --- token issuers --- */

static int read_client_id(const struct cfg *item, void *arg) {
  const char *name = cJSON_GetStringValue(item->json);

  if (name == NULL || *name == '\0')
    return cfg_fail(item, "a client's name is expected");
  return kvlist_add(arg, name, "");
}

static int read_oidc_provider(const struct cfg *item, void *arg) {
  static const char *const names[] = {"issuer", "client-ids", "keys", NULL};
  struct people *p = arg;
  struct oidc_provider *o;
  const char *issuer = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "issuer", &issuer);
  if (rc != 0)
    return rc;
  if (!text_has_prefix(issuer, "https://") || issuer[8] == '\0')
    return cfg_fail(item, "the issuer is no https URL");
  rc = oidc_provider_add(p->account, issuer + 8, &o);
  if (rc == -EEXIST)
    return cfg_fail(item, "the issuer is given twice");
  if (rc == 0)
    rc = cfg_each(item, "client-ids", read_client_id, &o->client_ids);
  return rc == 0 ? config_tags(item, "keys", &o->keys) : rc;
}

int config_read_account(const struct cfg *item, void *arg) {
  static const char *const names[] = {"id",    "public-access-block", "access-keys", "users",
                                      "roles", "oidc-providers",      "mfa-devices", NULL};
  struct people p = {.w = arg};
  const char *id = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "id", &id);
  if (rc != 0)
    return rc;
  if (!world_valid_account_id(id))
    return cfg_fail(item, "\"%s\" is no account id: 12 digits are expected", id);
  rc = world_add_account_locked(p.w, id, &p.account);
  if (rc == -EEXIST)
    return cfg_fail(item, "account %s is given twice", id);
  if (rc == 0)
    rc = config_bpa(item, "public-access-block", &p.account->has_bpa, &p.account->bpa);
  if (rc == 0)
    rc = cfg_each(item, "access-keys", read_key, &p);
  if (rc == 0)
    rc = cfg_each(item, "users", read_user, &p);
  if (rc == 0)
    rc = cfg_each(item, "roles", read_role, &p);
  if (rc == 0)
    rc = cfg_each(item, "oidc-providers", read_oidc_provider, &p);
  if (rc == 0)
    rc = cfg_each(item, "mfa-devices", read_mfa, &p.account->mfa);
  return rc;
}
