/* Buckets, access points, Access Grants and VPC endpoints, from the world document. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world_config.h"

/* --- buckets --- */

static int read_ownership(const struct cfg *item, enum world_ownership *out) {
  struct cfg m = cfg_member(item, "ownership");
  const char *s = NULL;
  int rc = cfg_string(item, "ownership", &s);

  if (rc == 0 && s != NULL && world_ownership_parse(s, out) != 0)
    rc = cfg_fail(&m, "BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter is expected");
  return rc;
}

int config_read_bucket(const struct cfg *item, void *arg) {
  static const char *const names[] = {
      "name",      "account",        "region",  "policy", "public-access-block",
      "ownership", "requester-pays", "created", NULL};
  struct world *w = arg;
  const char *name = NULL;
  const char *region = w->synced.region;
  struct account *a = NULL;
  struct bucket *b;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "name", &name);
  if (rc == 0)
    rc = config_account(item, w, "account", &a);
  if (rc == 0)
    rc = cfg_string(item, "region", &region);
  if (rc != 0)
    return rc;
  rc = world_add_bucket_locked(w, name, a, region, &b);
  if (rc == -EINVAL)
    return cfg_fail(item, "\"%s\" is no bucket name", name);
  if (rc == -EEXIST || rc == -EBUSY)
    return cfg_fail(item, "bucket %s is given twice", name);
  if (rc == 0)
    rc = config_document(item, "policy", &b->policy);
  if (rc == 0)
    rc = config_bpa(item, "public-access-block", &b->has_bpa, &b->bpa);
  if (rc == 0)
    rc = read_ownership(item, &b->ownership);
  if (rc == 0)
    rc = cfg_bool(item, "requester-pays", &b->requester_pays);
  return rc == 0 ? cfg_time(item, "created", &b->created) : rc;
}

/* --- access points --- */

static int read_access_point_bucket(const struct cfg *item, struct world *w,
                                    struct access_point *p) {
  const char *bucket = NULL;
  const char *account = NULL;
  const struct bucket *b;
  int rc = cfg_need_string(item, "bucket", &bucket);

  if (rc == 0)
    rc = cfg_string(item, "bucket-account", &account);
  if (rc != 0)
    return rc;
  b = world_bucket_locked(w, bucket);
  if (account == NULL)
    account = b != NULL ? b->account->id : p->account->id;
  rc = config_copy(&p->bucket, bucket);
  return rc == 0 ? config_copy(&p->bucket_account, account) : rc;
}

struct access_point_wish {
  struct account *account;
  const char *name, *region, *alias, *vpc, *outpost;
  enum access_point_kind kind;
  int64_t created;
};

static int read_kind(const struct cfg *item, struct access_point_wish *wish) {
  const char *kind = NULL;
  int rc = cfg_string(item, "kind", &kind);

  if (rc == 0 && kind != NULL && world_access_point_kind_parse(kind, &wish->kind) != 0)
    return cfg_fail(item, "kind: general, object-lambda, outposts, multi-region or directory");
  return rc == 0 ? cfg_string(item, "outpost", &wish->outpost) : rc;
}

static int read_function(const struct cfg *item, struct access_point_function *f) {
  static const char *const names[] = {"transform", "takes-ranges", "hides-length", "tells-version",
                                      NULL};
  struct cfg m = cfg_member(item, "function");
  const char *transform = "copy";
  int rc;

  if (m.json == NULL)
    return 0;
  rc = cfg_only(&m, names);
  if (rc == 0)
    rc = cfg_string(&m, "transform", &transform);
  if (rc == 0 && strcmp(transform, "upper") == 0)
    f->transform = FUNCTION_UPPER;
  else if (rc == 0 && strcmp(transform, "twice") == 0)
    f->transform = FUNCTION_TWICE;
  else if (rc == 0 && strcmp(transform, "copy") != 0)
    rc = cfg_fail(&m, "transform: copy, upper or twice is expected");
  if (rc == 0)
    rc = cfg_bool(&m, "takes-ranges", &f->takes_ranges);
  if (rc == 0)
    rc = cfg_bool(&m, "hides-length", &f->hides_length);
  return rc == 0 ? cfg_bool(&m, "tells-version", &f->tells_version) : rc;
}

static int read_access_point_wish(const struct cfg *item, struct world *w,
                                  struct access_point_wish *wish) {
  int rc = cfg_need_string(item, "name", &wish->name);

  wish->region = w->synced.region;
  if (rc == 0)
    rc = config_account(item, w, "account", &wish->account);
  if (rc == 0)
    rc = cfg_string(item, "region", &wish->region);
  if (rc == 0)
    rc = cfg_string(item, "alias", &wish->alias);
  if (rc == 0)
    rc = cfg_string(item, "vpc", &wish->vpc);
  if (rc == 0)
    rc = read_kind(item, wish);
  return rc == 0 ? cfg_time(item, "created", &wish->created) : rc;
}

/* A configured access point has the same alias at every start. */
static int add_access_point(const struct cfg *item, struct world *w,
                            const struct access_point_wish *wish, struct access_point **out) {
  char *alias = wish->alias != NULL
                    ? strdup(wish->alias)
                    : world_make_alias(wish->name, wish->account->id, wish->region, wish->created);
  int rc = alias == NULL ? -ENOMEM
                         : world_add_access_point_locked(w, wish->account, wish->region, wish->name,
                                                         alias, out);

  free(alias);
  if (rc == -EINVAL)
    return cfg_fail(item, "\"%s\" is no access point name", wish->name);
  if (rc == -EEXIST)
    return cfg_fail(item, "access point %s is given twice", wish->name);
  if (rc == 0)
    rc = world_set_access_point_kind_locked(*out, wish->kind, wish->outpost, wish->alias);
  if (rc == -EINVAL)
    return cfg_fail(item, "name, alias or outpost are not those of kind %s",
                    world_access_point_kind_name(wish->kind));
  return rc;
}

int config_read_access_point(const struct cfg *item, void *arg) {
  static const char *const names[] = {
      "name", "account", "region",   "bucket", "bucket-account",      "alias",   "vpc",
      "kind", "outpost", "function", "policy", "public-access-block", "created", NULL};
  struct access_point_wish wish = {0};
  struct access_point *p = NULL;
  bool has_bpa;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = read_access_point_wish(item, arg, &wish);
  if (rc == 0)
    rc = add_access_point(item, arg, &wish, &p);
  if (rc != 0)
    return rc;
  if (wish.created != 0)
    p->created = wish.created;
  rc = read_access_point_bucket(item, arg, p);
  if (rc == 0)
    rc = config_copy(&p->vpc, wish.vpc);
  if (rc == 0)
    rc = read_function(item, &p->function);
  if (rc == 0)
    rc = config_document(item, "policy", &p->policy);
  return rc == 0 ? config_bpa(item, "public-access-block", &has_bpa, &p->bpa) : rc;
}

/* --- Access Grants --- */

static int read_location(const struct cfg *item, void *arg) {
  static const char *const names[] = {"id", "scope", "role", "tags", "created", NULL};
  struct grants_instance *g = arg;
  struct grants_location *l;
  const char *id = NULL;
  const char *scope = NULL;
  const char *role = NULL;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_string(item, "id", &id);
  if (rc == 0)
    rc = cfg_need_string(item, "scope", &scope);
  if (rc == 0)
    rc = cfg_need_string(item, "role", &role);
  if (rc != 0)
    return rc;
  rc = grants_location_add(g, id, scope, role, &l);
  if (rc == -EINVAL)
    return cfg_fail(item, "\"%s\" is no location: s3://, s3://bucket or s3://bucket/prefix", scope);
  if (rc == -EEXIST)
    return cfg_fail(item, "this location is given twice");
  if (rc == 0)
    rc = config_tags(item, "tags", &l->tags);
  return rc == 0 ? cfg_time(item, "created", &l->created) : rc;
}

static int read_grantee(const struct cfg *item, struct grant_wish *wish) {
  static const char *const names[] = {"type", "id", NULL};
  struct cfg m = cfg_member(item, "grantee");
  int rc;

  if (m.json == NULL)
    return cfg_fail(item, "\"grantee\" is missing");
  wish->grantee_type = "IAM";
  rc = cfg_only(&m, names);
  if (rc == 0)
    rc = cfg_string(&m, "type", &wish->grantee_type);
  if (rc == 0 && strcmp(wish->grantee_type, "IAM") != 0 &&
      strcmp(wish->grantee_type, "DIRECTORY_USER") != 0 &&
      strcmp(wish->grantee_type, "DIRECTORY_GROUP") != 0)
    rc = cfg_fail(&m, "type: IAM, DIRECTORY_USER or DIRECTORY_GROUP is expected");
  return rc == 0 ? cfg_need_string(&m, "id", &wish->grantee) : rc;
}

static int read_grant_wish(const struct cfg *item, struct grants_instance *g,
                           struct grant_wish *wish) {
  const char *location = NULL;
  const char *permission = NULL;
  int rc = cfg_string(item, "id", &wish->id);

  if (rc == 0)
    rc = cfg_need_string(item, "location", &location);
  if (rc == 0)
    rc = cfg_string(item, "sub-prefix", &wish->sub_prefix);
  if (rc == 0)
    rc = cfg_bool(item, "object", &wish->object);
  if (rc == 0)
    rc = cfg_need_string(item, "permission", &permission);
  if (rc == 0)
    rc = cfg_string(item, "application", &wish->application_arn);
  if (rc == 0)
    rc = read_grantee(item, wish);
  if (rc == 0 && scope_permission_parse(permission, &wish->permission) != 0)
    rc = cfg_fail(item, "permission: READ, WRITE or READWRITE is expected");
  if (rc != 0)
    return rc;
  wish->location = grants_location_find(g, location);
  if (wish->location == NULL)
    return cfg_fail(item, "location \"%s\" is not among \"locations\"", location);
  return 0;
}

static int read_grant(const struct cfg *item, void *arg) {
  static const char *const names[] = {"id",      "location",   "sub-prefix",  "object",
                                      "grantee", "permission", "application", "tags",
                                      "created", NULL};
  struct grants_instance *g = arg;
  struct grant_wish wish = {0};
  struct grant *grant;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = read_grant_wish(item, g, &wish);
  if (rc != 0)
    return rc;
  rc = grants_grant_add(g, &wish, &grant);
  if (rc == -EINVAL)
    return cfg_fail(item, wish.object ? "an object grant must not end in a star"
                                      : "the scope must end in a star (or \"object\" be true)");
  if (rc == -EEXIST)
    return cfg_fail(item, "this grant is given twice");
  if (rc == 0)
    rc = config_tags(item, "tags", &grant->tags);
  return rc == 0 ? cfg_time(item, "created", &grant->created) : rc;
}

int config_read_grants(const struct cfg *item, void *arg) {
  static const char *const names[] = {"account",   "region", "identity-center", "policy", "tags",
                                      "locations", "grants", "created",         NULL};
  struct world *w = arg;
  const char *region = w->synced.region;
  const char *identity_center = NULL;
  struct account *a = NULL;
  struct grants_instance *g;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = config_account(item, w, "account", &a);
  if (rc == 0)
    rc = cfg_string(item, "region", &region);
  if (rc == 0)
    rc = cfg_string(item, "identity-center", &identity_center);
  if (rc != 0)
    return rc;
  rc = world_add_grants_locked(w, a, region, &g);
  if (rc == -EEXIST)
    return cfg_fail(item, "account %s has two instances in %s", a->id, region);
  if (rc == 0)
    rc = config_copy(&g->identity_center, identity_center);
  if (rc == 0)
    rc = config_document(item, "policy", &g->policy);
  if (rc == 0)
    rc = config_tags(item, "tags", &g->tags);
  if (rc == 0)
    rc = cfg_time(item, "created", &g->created);
  if (rc == 0)
    rc = cfg_each(item, "locations", read_location, g);
  return rc == 0 ? cfg_each(item, "grants", read_grant, g) : rc;
}

/* --- VPC endpoints --- */

int config_read_endpoint(const struct cfg *item, void *arg) {
  static const char *const names[] = {"id", "vpc", "port", "policy", NULL};
  struct world *w = arg;
  const char *id = NULL;
  const char *vpc = NULL;
  int64_t port = 0;
  struct vpc_endpoint *e;
  int rc = cfg_only(item, names);

  if (rc == 0)
    rc = cfg_need_string(item, "id", &id);
  if (rc == 0)
    rc = cfg_need_string(item, "vpc", &vpc);
  if (rc == 0)
    rc = cfg_int(item, "port", 0, 65535, &port);
  if (rc != 0)
    return rc;
  rc = world_add_endpoint_locked(w, id, vpc, (int)port, &e);
  if (rc == -EEXIST)
    return cfg_fail(item, "endpoint %s is given twice", id);
  return rc == 0 ? config_document(item, "policy", &e->policy) : rc;
}
