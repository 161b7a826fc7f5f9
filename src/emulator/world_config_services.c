/* Services that give keys to machines and people, in the world document: read and
 * written. */
#include <errno.h>
#include <string.h>

#include "world_config.h"

#define SESSION_MIN_S 900
#define SESSION_MAX_S 43200

int config_read_instance(const struct cfg *item, void *arg) {
  static const char *const names[] = {"id", "role", "session-duration", NULL};
  struct world *w = arg;
  struct instance *i;
  const char *id = NULL;
  const char *role = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "id", &id);
  if (rc == 0)
    rc = cfg_need_string(item, "role", &role);
  if (rc != 0)
    return rc;
  rc = world_add_instance_locked(w, id, role, &i);
  if (rc == -EEXIST)
    return cfg_fail(item, "instance %s is given twice", id);
  return rc == 0 ? cfg_int(item, "session-duration", SESSION_MIN_S, SESSION_MAX_S, &i->duration)
                 : rc;
}

cJSON *config_print_instances(struct world *w) {
  cJSON *list = cJSON_CreateArray();
  const struct instance *i;

  DL_FOREACH (w->synced.instances, i) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "id", i->id);
    config_put_string(o, "role", i->role_arn);
    cJSON_AddNumberToObject(o, "session-duration", (double)i->duration);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}

/* --- sign-ons --- */

static int read_group(const struct cfg *item, void *arg) {
  if (!cJSON_IsString(item->json))
    return cfg_fail(item, "a group is named by the text of its id");
  return kvlist_add(arg, item->json->valuestring, "");
}

static int read_directory_identity(const struct cfg *item, struct sso_user *u) {
  const char *id = NULL;
  const char *context = NULL;
  int rc = cfg_string(item, "id", &id);

  if (rc == 0)
    rc = cfg_string(item, "context", &context);
  if (rc == 0)
    rc = cfg_each(item, "groups", read_group, &u->groups);
  if (rc == 0 && id == NULL && (context != NULL || u->groups.count > 0))
    rc = cfg_fail(item, "who has groups or a context needs an id");
  if (rc == 0)
    rc = config_copy(&u->id, id);
  return rc == 0 ? config_copy(&u->context, context) : rc;
}

static int read_sso_user(const struct cfg *item, void *arg) {
  static const char *const names[] = {"name", "access-token", "refresh-token", "expires",
                                      "id",   "groups",       "context",       NULL};
  struct sso_user *u;
  const char *name = NULL;
  const char *access = NULL;
  const char *refresh = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "name", &name);
  if (rc == 0)
    rc = cfg_has(item, "id") ? cfg_string(item, "access-token", &access)
                             : cfg_need_string(item, "access-token", &access);
  if (rc == 0)
    rc = cfg_string(item, "refresh-token", &refresh);
  if (rc == 0)
    rc = world_add_sso_user_locked(arg, name, access, refresh, &u);
  if (rc == 0)
    rc = cfg_time(item, "expires", &u->expires);
  return rc == 0 ? read_directory_identity(item, u) : rc;
}

static int read_sso_role(const struct cfg *item, void *arg) {
  static const char *const names[] = {"name", "account", "role", NULL};
  const char *name = NULL;
  const char *account = NULL;
  const char *role = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "name", &name);
  if (rc == 0)
    rc = cfg_need_string(item, "account", &account);
  if (rc == 0)
    rc = cfg_need_string(item, "role", &role);
  return rc == 0 ? world_add_sso_role_locked(arg, name, account, role) : rc;
}

int config_read_sso(const struct cfg *root, struct world *w) {
  static const char *const names[] = {"instance", "client-id", "client-secret",
                                      "users",    "roles",     NULL};
  struct cfg m = cfg_member(root, "sso");
  const char *instance = NULL;
  const char *id = NULL;
  const char *secret = NULL;
  int rc;

  if (m.json == NULL)
    return 0;
  rc = cfg_only(&m, names);
  if (rc == 0)
    rc = cfg_string(&m, "instance", &instance);
  if (rc == 0)
    rc = config_copy(&w->synced.sso.instance, instance);
  if (rc == 0)
    rc = cfg_string(&m, "client-id", &id);
  if (rc == 0)
    rc = config_copy(&w->synced.sso.client_id, id);
  if (rc == 0)
    rc = cfg_string(&m, "client-secret", &secret);
  if (rc == 0)
    rc = config_copy(&w->synced.sso.client_secret, secret);
  if (rc == 0)
    rc = cfg_each(&m, "users", read_sso_user, w);
  return rc == 0 ? cfg_each(&m, "roles", read_sso_role, w) : rc;
}

static void put_directory_identity(cJSON *o, const struct sso_user *u) {
  cJSON *groups;

  config_put_string(o, "id", u->id);
  config_put_string(o, "context", u->context);
  if (u->groups.count == 0)
    return;
  groups = cJSON_AddArrayToObject(o, "groups");
  for (size_t i = 0; i < u->groups.count; i++)
    cJSON_AddItemToArray(groups, cJSON_CreateString(u->groups.items[i].name));
}

cJSON *config_print_sso(struct world *w) {
  const struct sso *s = &w->synced.sso;
  cJSON *doc = cJSON_CreateObject();
  cJSON *users = cJSON_AddArrayToObject(doc, "users");
  cJSON *roles = cJSON_AddArrayToObject(doc, "roles");
  const struct sso_user *u;
  const struct sso_role *r;

  config_put_string(doc, "instance", s->instance);
  config_put_string(doc, "client-id", s->client_id);
  config_put_string(doc, "client-secret", s->client_secret);
  DL_FOREACH (s->users, u) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "name", u->name);
    config_put_string(o, "access-token", u->access_token);
    config_put_string(o, "refresh-token", u->refresh_token);
    config_put_time(o, "expires", u->expires);
    put_directory_identity(o, u);
    cJSON_AddItemToArray(users, o);
  }
  DL_FOREACH (s->roles, r) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "name", r->name);
    config_put_string(o, "account", r->account);
    config_put_string(o, "role", r->role_arn);
    cJSON_AddItemToArray(roles, o);
  }
  return doc;
}
