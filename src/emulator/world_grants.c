/* Access Grants: one instance for each account and region, its locations and
 * its grants, and the matching of a wanted target against them (S3 user guide,
 * "Requesting access to S3 data through S3 Access Grants"). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_free.h"
#include "world_internal.h"

#define DEFAULT_LOCATION "s3://"

/* --- instances --- */

struct grants_instance *world_grants_locked(struct world *w, const char *account,
                                            const char *region) {
  struct grants_instance *g;

  DL_FOREACH (w->synced.grants, g) {
    if (strcmp(g->account->id, account) == 0 && strcmp(g->region, region) == 0)
      return g;
  }
  return NULL;
}

static void free_instance(struct grants_instance *g) {
  while (g->grants != NULL)
    grants_grant_remove(g, g->grants);
  while (g->locations != NULL)
    grants_location_remove(g, g->locations);
  document_fini(&g->policy);
  kvlist_fini(&g->tags);
  free(g->region);
  free(g->arn);
  free(g->identity_center);
  free(g);
}

int world_add_grants_locked(struct world *w, struct account *a, const char *region,
                            struct grants_instance **out) {
  struct grants_instance *g;

  if (world_grants_locked(w, a->id, region) != NULL)
    return -EEXIST;
  g = calloc(1, sizeof(*g));
  if (g == NULL)
    return -ENOMEM;
  g->account = a;
  g->created = world_now(w);
  g->region = strdup(region);
  g->arn = text_printf("arn:aws:s3:%s:%s:access-grants/default", region, a->id);
  kvlist_init(&g->tags);
  if (g->region == NULL || g->arn == NULL) {
    free_instance(g);
    return -ENOMEM;
  }
  DL_APPEND(w->synced.grants, g);
  *out = g;
  return 0;
}

void world_drop_grants_locked(struct world *w, struct grants_instance *g) {
  DL_DELETE(w->synced.grants, g);
  free_instance(g);
}

void world_free_grants(struct world *w) {
  while (w->synced.grants != NULL)
    world_drop_grants_locked(w, w->synced.grants);
}

/* --- locations --- */

static void free_location(struct grants_location *l) {
  kvlist_fini(&l->tags);
  free(l->id);
  free(l->arn);
  free(l->scope);
  free(l->role_arn);
  free(l);
}

struct grants_location *grants_location_find(struct grants_instance *g, const char *id) {
  struct grants_location *l;

  DL_FOREACH (g->locations, l) {
    if (strcmp(l->id, id) == 0)
      return l;
  }
  return NULL;
}

struct grants_location *grants_location_find_scope(struct grants_instance *g, const char *scope) {
  struct grants_location *l;

  DL_FOREACH (g->locations, l) {
    if (strcmp(l->scope, scope) == 0)
      return l;
  }
  return NULL;
}

/* s3://, s3://bucket or s3://bucket/prefix, with an optional star behind a slash. */
static bool valid_location(const char *scope) {
  struct scope s;

  if (strcmp(scope, DEFAULT_LOCATION) == 0)
    return true;
  if (scope_parse(scope, &s) != 0)
    return false;
  scope_fini(&s);
  return true;
}

static char *location_id(const char *id, const char *scope) {
  if (id != NULL)
    return strdup(id);
  return strcmp(scope, DEFAULT_LOCATION) == 0 ? strdup("default") : world_make_uuid();
}

int grants_location_add(struct grants_instance *g, const char *id, const char *scope,
                        const char *role_arn, struct grants_location **out) {
  struct grants_location *l;

  if (!valid_location(scope))
    return -EINVAL;
  if (grants_location_find_scope(g, scope) != NULL ||
      (id != NULL && grants_location_find(g, id) != NULL))
    return -EEXIST;
  l = calloc(1, sizeof(*l));
  if (l == NULL)
    return -ENOMEM;
  kvlist_init(&l->tags);
  l->created = g->created;
  l->id = location_id(id, scope);
  l->scope = strdup(scope);
  l->role_arn = strdup(role_arn);
  l->arn = l->id != NULL ? text_printf("%s/location/%s", g->arn, l->id) : NULL;
  if (l->id == NULL || l->scope == NULL || l->role_arn == NULL || l->arn == NULL) {
    free_location(l);
    return -ENOMEM;
  }
  DL_APPEND(g->locations, l);
  *out = l;
  return 0;
}

void grants_location_remove(struct grants_instance *g, struct grants_location *l) {
  DL_DELETE(g->locations, l);
  free_location(l);
}

/* --- grants --- */

static void free_grant(struct grant *grant) {
  scope_fini(&grant->scope);
  kvlist_fini(&grant->tags);
  free(grant->id);
  free(grant->arn);
  free(grant->sub_prefix);
  free(grant->scope_text);
  free(grant->grantee_type);
  free(grant->grantee);
  free(grant->application_arn);
  free(grant);
}

struct grant *grants_grant_find(struct grants_instance *g, const char *id) {
  struct grant *grant;

  DL_FOREACH (g->grants, grant) {
    if (strcmp(grant->id, id) == 0)
      return grant;
  }
  return NULL;
}

/* The location's scope without its star, a slash where both parts lack it
 * ("s3://b" + "UserA/" + star), then the sub-prefix. A prefix grant always ends
 * in a star: AWS refuses prefix grants without one, except for S3PrefixType=Object. */
static char *join_scope(const char *location, const char *sub_prefix, bool object) {
  size_t len = strlen(location);
  const char *slash = "";

  while (len > 0 && location[len - 1] == '*')
    len--;
  /* "s3://" and "s3://b/p/" end in a slash already; "s3://b" needs one, and
   * "s3://b/p" is a plain string prefix that the sub-prefix continues. */
  if (len > strlen(DEFAULT_LOCATION) && memchr(location + 5, '/', len - 5) == NULL)
    slash = "/";
  if (*sub_prefix == '\0' && !object)
    return text_printf("%.*s%s*", (int)len, location, slash);
  return text_printf("%.*s%s%s", (int)len, location, slash, sub_prefix);
}

static bool same_grant(const struct grant *a, const struct grant_wish *b, const char *scope) {
  return strcmp(a->scope_text, scope) == 0 && a->permission == b->permission &&
         strcmp(a->grantee_type, b->grantee_type) == 0 && strcmp(a->grantee, b->grantee) == 0;
}

static int fill_grant(struct grants_instance *g, const struct grant_wish *wish,
                      struct grant *grant) {
  kvlist_init(&grant->tags);
  grant->instance = g;
  grant->location = wish->location;
  grant->created = g->created;
  grant->object = wish->object;
  grant->permission = wish->permission;
  grant->sub_prefix = strdup(wish->sub_prefix != NULL ? wish->sub_prefix : "");
  if (grant->sub_prefix == NULL)
    return -ENOMEM;
  grant->scope_text = join_scope(wish->location->scope, grant->sub_prefix, wish->object);
  grant->id = wish->id != NULL ? strdup(wish->id) : world_make_uuid();
  grant->grantee_type = strdup(wish->grantee_type);
  grant->grantee = strdup(wish->grantee);
  if (wish->application_arn != NULL)
    grant->application_arn = strdup(wish->application_arn);
  grant->arn = grant->id != NULL ? text_printf("%s/grant/%s", g->arn, grant->id) : NULL;
  if (grant->scope_text == NULL || grant->arn == NULL || grant->grantee_type == NULL ||
      grant->grantee == NULL || (wish->application_arn != NULL && grant->application_arn == NULL))
    return -ENOMEM;
  return scope_parse(grant->scope_text, &grant->scope);
}

int grants_grant_add(struct grants_instance *g, const struct grant_wish *wish, struct grant **out) {
  struct grant *grant = calloc(1, sizeof(*grant));
  struct grant *other;
  int rc;

  if (grant == NULL)
    return -ENOMEM;
  rc = fill_grant(g, wish, grant);
  if (rc == 0 && (wish->object ? grant->scope.is_prefix : !grant->scope.is_prefix))
    rc = -EINVAL;
  DL_FOREACH (g->grants, other) {
    if (rc == 0 &&
        (same_grant(other, wish, grant->scope_text) || strcmp(other->id, grant->id) == 0))
      rc = -EEXIST;
  }
  if (rc != 0) {
    free_grant(grant);
    return rc;
  }
  DL_APPEND(g->grants, grant);
  *out = grant;
  return 0;
}

void grants_grant_remove(struct grants_instance *g, struct grant *grant) {
  DL_DELETE(g->grants, grant);
  free_grant(grant);
}

/* --- matching --- */

/* Only the directory that the instance is associated with counts. */
static bool is_for_directory_user(const struct world *w, const struct grant *g, const char *id) {
  const struct sso_user *u = id != NULL ? world_directory_user_locked(w, id) : NULL;
  const char *directory = g->instance->identity_center;

  if (u == NULL || directory == NULL || w->synced.sso.instance == NULL ||
      strcmp(directory, w->synced.sso.instance) != 0)
    return false;
  if (strcmp(g->grantee_type, "DIRECTORY_USER") == 0)
    return strcmp(g->grantee, u->id) == 0;
  return kvlist_get(&u->groups, g->grantee) != NULL;
}

bool grant_is_for(const struct world *w, const struct grant *g, const struct credential *c) {
  if (strcmp(g->grantee_type, "IAM") != 0)
    return is_for_directory_user(w, g, c->directory_user);
  if (c->role != NULL)
    return strcmp(g->grantee, c->role->arn) == 0;
  if (c->user != NULL)
    return strcmp(g->grantee, c->user->arn) == 0;
  return false;
}

struct grant *grants_match(const struct world *w, const struct grants_instance *g,
                           const struct credential *c, const struct scope *target,
                           enum scope_permission permission) {
  struct grant *best = NULL;
  struct grant *grant;

  DL_FOREACH (g->grants, grant) {
    if ((grant->permission & permission) != permission || !grant_is_for(w, grant, c) ||
        !scope_covers(&grant->scope, target))
      continue;
    if (best == NULL || strlen(grant->scope_text) > strlen(best->scope_text))
      best = grant;
  }
  return best;
}
