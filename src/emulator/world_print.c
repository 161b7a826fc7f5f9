/* Writing the world document: the mirror of world_config_people.c and
 * world_config_storage.c. Runs under the world's lock. */
#include "world_config.h"

#include "s3apfs/base/text.h"

void config_put_string(cJSON *object, const char *name, const char *value) {
  if (value != NULL)
    cJSON_AddStringToObject(object, name, value);
}

void config_put_time(cJSON *object, const char *name, int64_t seconds) {
  char text[21];

  if (seconds == 0)
    return;
  text_iso8601(seconds, text);
  cJSON_AddStringToObject(object, name, text);
}

/* As a string, so that the text comes back byte for byte. */
void config_put_document(cJSON *object, const char *name, const struct document *d) {
  config_put_string(object, name, d->text);
}

void config_put_tags(cJSON *object, const char *name, const struct kvlist *tags) {
  cJSON *list;

  if (tags->count == 0)
    return;
  list = cJSON_AddObjectToObject(object, name);
  for (size_t i = 0; i < tags->count; i++)
    cJSON_AddStringToObject(list, tags->items[i].name, tags->items[i].value);
}

void config_put_bpa(cJSON *object, const char *name, bool has,
                    const struct block_public_access *bpa) {
  cJSON *o;

  if (!has)
    return;
  o = cJSON_AddObjectToObject(object, name);
  cJSON_AddBoolToObject(o, "BlockPublicAcls", bpa->block_acls);
  cJSON_AddBoolToObject(o, "IgnorePublicAcls", bpa->ignore_acls);
  cJSON_AddBoolToObject(o, "BlockPublicPolicy", bpa->block_policy);
  cJSON_AddBoolToObject(o, "RestrictPublicBuckets", bpa->restrict_buckets);
}

/* --- people --- */

static void put_policies(cJSON *object, const struct named_document *list) {
  const struct named_document *d;
  cJSON *o;

  if (list == NULL)
    return;
  o = cJSON_AddObjectToObject(object, "policies");
  DL_FOREACH (list, d) {
    config_put_document(o, d->name, &d->doc);
  }
}

static cJSON *print_key(const struct credential *c) {
  cJSON *o = cJSON_CreateObject();

  config_put_string(o, "id", c->id);
  config_put_string(o, "secret", c->secret);
  if (!c->active)
    cJSON_AddFalseToObject(o, "active");
  config_put_time(o, "created", c->created);
  return o;
}

static cJSON *print_session(const struct credential *c) {
  cJSON *o = cJSON_CreateObject();

  config_put_string(o, "name", c->session_name);
  config_put_string(o, "id", c->id);
  config_put_string(o, "secret", c->secret);
  config_put_string(o, "token", c->token);
  config_put_time(o, "expires", c->expiration);
  config_put_time(o, "created", c->created);
  config_put_document(o, "policy", &c->session_policy);
  config_put_tags(o, "tags", &c->session_tags);
  config_put_tags(o, "transitive-tags", &c->transitive_tags);
  config_put_string(o, "source-identity", c->source_identity);
  config_put_string(o, "directory-user", c->directory_user);
  config_put_string(o, "access-grants-instance", c->grants_instance);
  if (c->mfa)
    config_put_time(o, "mfa-time", c->mfa_time);
  return o;
}

/* Keys and sessions of one user (or, both NULL, of the account's root). */
static void put_credentials(cJSON *object, struct world *w, const struct account *a,
                            const struct user *u, const struct role *r) {
  cJSON *keys = cJSON_CreateArray();
  cJSON *sessions = cJSON_CreateArray();
  const struct credential *c;
  const struct credential *next;

  HASH_ITER (hh, w->synced.credentials, c, next) {
    if (c->account != a || c->user != u || c->role != r)
      continue;
    if (c->token == NULL)
      cJSON_AddItemToArray(keys, print_key(c));
    else
      cJSON_AddItemToArray(sessions, print_session(c));
  }
  if (keys != NULL && keys->child != NULL)
    cJSON_AddItemToObject(object, "access-keys", keys);
  else
    cJSON_Delete(keys);
  if (sessions != NULL && sessions->child != NULL)
    cJSON_AddItemToObject(object, "sessions", sessions);
  else
    cJSON_Delete(sessions);
}

static void put_mfa(cJSON *object, const struct mfa_device *list) {
  const struct mfa_device *d;
  cJSON *a;

  if (list == NULL)
    return;
  a = cJSON_AddArrayToObject(object, "mfa-devices");
  DL_FOREACH (list, d) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "serial", d->serial);
    config_put_string(o, "seed", d->seed_text);
    cJSON_AddItemToArray(a, o);
  }
}

static cJSON *print_user(struct world *w, const struct user *u) {
  cJSON *o = cJSON_CreateObject();

  config_put_string(o, "name", u->name);
  config_put_string(o, "path", u->path);
  config_put_string(o, "id", u->id);
  config_put_time(o, "created", u->created);
  put_policies(o, u->policies);
  config_put_document(o, "boundary", &u->boundary);
  config_put_tags(o, "tags", &u->tags);
  put_mfa(o, u->mfa);
  put_credentials(o, w, u->account, u, NULL);
  return o;
}

static cJSON *print_role(struct world *w, const struct role *r) {
  cJSON *o = cJSON_CreateObject();

  config_put_string(o, "name", r->name);
  config_put_string(o, "path", r->path);
  config_put_string(o, "id", r->id);
  config_put_time(o, "created", r->created);
  config_put_string(o, "description", r->description);
  config_put_document(o, "trust", &r->trust);
  cJSON_AddNumberToObject(o, "max-session-duration", (double)r->max_session);
  put_policies(o, r->policies);
  config_put_document(o, "boundary", &r->boundary);
  config_put_tags(o, "tags", &r->tags);
  put_credentials(o, w, r->account, NULL, r);
  return o;
}

static void put_oidc_providers(cJSON *o, const struct account *a) {
  cJSON *list = cJSON_AddArrayToObject(o, "oidc-providers");
  const struct oidc_provider *p;

  DL_FOREACH (a->oidc_providers, p) {
    cJSON *item = cJSON_CreateObject();
    cJSON *clients = cJSON_AddArrayToObject(item, "client-ids");
    struct buf issuer;

    buf_init(&issuer, 0);
    buf_printf(&issuer, "https://%s", p->issuer);
    config_put_string(item, "issuer", buf_cstr(&issuer));
    buf_fini(&issuer);
    for (size_t i = 0; i < p->client_ids.count; i++)
      cJSON_AddItemToArray(clients, cJSON_CreateString(p->client_ids.items[i].name));
    config_put_tags(item, "keys", &p->keys);
    cJSON_AddItemToArray(list, item);
  }
}

cJSON *config_print_accounts(struct world *w) {
  cJSON *list = cJSON_CreateArray();
  const struct account *a;

  DL_FOREACH (w->synced.accounts, a) {
    cJSON *o = cJSON_CreateObject();
    cJSON *users = cJSON_AddArrayToObject(o, "users");
    cJSON *roles = cJSON_AddArrayToObject(o, "roles");
    const struct user *u;
    const struct role *r;

    config_put_string(o, "id", a->id);
    config_put_bpa(o, "public-access-block", a->has_bpa, &a->bpa);
    put_credentials(o, w, a, NULL, NULL);
    DL_FOREACH (a->users, u) {
      cJSON_AddItemToArray(users, print_user(w, u));
    }
    DL_FOREACH (a->roles, r) {
      cJSON_AddItemToArray(roles, print_role(w, r));
    }
    put_oidc_providers(o, a);
    put_mfa(o, a->mfa);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}

/* --- storage --- */

cJSON *config_print_buckets(struct world *w) {
  cJSON *list = cJSON_CreateArray();
  const struct bucket *b;

  DL_FOREACH (w->synced.buckets, b) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "name", b->name);
    config_put_string(o, "account", b->account->id);
    config_put_string(o, "region", b->region);
    config_put_document(o, "policy", &b->policy);
    config_put_bpa(o, "public-access-block", b->has_bpa, &b->bpa);
    config_put_string(o, "ownership", world_ownership_name(b->ownership));
    cJSON_AddBoolToObject(o, "requester-pays", b->requester_pays);
    config_put_time(o, "created", b->created);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}

static void print_kind(cJSON *o, const struct access_point *p) {
  static const char *const transforms[] = {"copy", "upper", "twice"};
  cJSON *f;

  config_put_string(o, "kind", world_access_point_kind_name(p->kind));
  config_put_string(o, "outpost", p->outpost);
  if (p->kind != ACCESS_POINT_OBJECT_LAMBDA)
    return;
  f = cJSON_AddObjectToObject(o, "function");
  config_put_string(f, "transform", transforms[p->function.transform]);
  cJSON_AddBoolToObject(f, "takes-ranges", p->function.takes_ranges);
  cJSON_AddBoolToObject(f, "hides-length", p->function.hides_length);
  cJSON_AddBoolToObject(f, "tells-version", p->function.tells_version);
}

cJSON *config_print_access_points(struct world *w) {
  cJSON *list = cJSON_CreateArray();
  const struct access_point *p;

  DL_FOREACH (w->synced.access_points, p) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "name", p->name);
    config_put_string(o, "account", p->account->id);
    config_put_string(o, "region", p->region);
    config_put_string(o, "bucket", p->bucket);
    config_put_string(o, "bucket-account", p->bucket_account);
    config_put_string(o, "alias", p->alias);
    config_put_string(o, "vpc", p->vpc);
    print_kind(o, p);
    config_put_document(o, "policy", &p->policy);
    config_put_bpa(o, "public-access-block", true, &p->bpa);
    config_put_time(o, "created", p->created);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}

static cJSON *print_locations(const struct grants_instance *g) {
  cJSON *list = cJSON_CreateArray();
  const struct grants_location *l;

  DL_FOREACH (g->locations, l) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "id", l->id);
    config_put_string(o, "scope", l->scope);
    config_put_string(o, "role", l->role_arn);
    config_put_tags(o, "tags", &l->tags);
    config_put_time(o, "created", l->created);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}

static cJSON *print_grant_list(const struct grants_instance *g) {
  cJSON *list = cJSON_CreateArray();
  const struct grant *grant;

  DL_FOREACH (g->grants, grant) {
    cJSON *o = cJSON_CreateObject();
    cJSON *grantee = cJSON_AddObjectToObject(o, "grantee");

    config_put_string(o, "id", grant->id);
    config_put_string(o, "location", grant->location->id);
    config_put_string(o, "sub-prefix", grant->sub_prefix);
    cJSON_AddBoolToObject(o, "object", grant->object);
    config_put_string(grantee, "type", grant->grantee_type);
    config_put_string(grantee, "id", grant->grantee);
    config_put_string(o, "permission", scope_permission_name(grant->permission));
    config_put_string(o, "application", grant->application_arn);
    config_put_tags(o, "tags", &grant->tags);
    config_put_time(o, "created", grant->created);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}

cJSON *config_print_grants(struct world *w) {
  cJSON *list = cJSON_CreateArray();
  const struct grants_instance *g;

  DL_FOREACH (w->synced.grants, g) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "account", g->account->id);
    config_put_string(o, "region", g->region);
    config_put_string(o, "identity-center", g->identity_center);
    config_put_document(o, "policy", &g->policy);
    config_put_tags(o, "tags", &g->tags);
    cJSON_AddItemToObject(o, "locations", print_locations(g));
    cJSON_AddItemToObject(o, "grants", print_grant_list(g));
    config_put_time(o, "created", g->created);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}

cJSON *config_print_endpoints(struct world *w) {
  cJSON *list = cJSON_CreateArray();
  const struct vpc_endpoint *e;

  DL_FOREACH (w->synced.endpoints, e) {
    cJSON *o = cJSON_CreateObject();

    config_put_string(o, "id", e->id);
    config_put_string(o, "vpc", e->vpc);
    cJSON_AddNumberToObject(o, "port", e->port);
    config_put_document(o, "policy", &e->policy);
    cJSON_AddItemToArray(list, o);
  }
  return list;
}
