/* Instances: machines with a role, whose keys their metadata service tells. A
 * session is told again until five minutes before its end, as on AWS. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world_internal.h"

#define FRESH_S 300

static void instance_free(struct instance *i) {
  free(i->id);
  free(i->role_arn);
  free(i->key_id);
  free(i);
}

int world_add_instance_locked(struct world *w, const char *id, const char *role_arn,
                              struct instance **out) {
  struct instance *i;

  DL_FOREACH (w->synced.instances, i) {
    if (strcmp(i->id, id) == 0)
      return -EEXIST;
  }
  i = calloc(1, sizeof(*i));
  if (i == NULL)
    return -ENOMEM;
  i->id = strdup(id);
  i->role_arn = strdup(role_arn);
  i->duration = INSTANCE_DURATION_S;
  if (i->id == NULL || i->role_arn == NULL) {
    instance_free(i);
    return -ENOMEM;
  }
  DL_APPEND(w->synced.instances, i);
  *out = i;
  return 0;
}

void world_drop_instances_locked(struct world *w) {
  struct instance *i;
  struct instance *next;

  DL_FOREACH_SAFE(w->synced.instances, i, next) {
    instance_free(i);
  }
  w->synced.instances = NULL;
}

static struct instance *find(struct world *w, const char *id) {
  struct instance *i;

  DL_FOREACH (w->synced.instances, i) {
    if (strcmp(i->id, id) == 0)
      return i;
  }
  return NULL;
}

int world_find_instance(struct world *w, const char *id, struct world_instance *out) {
  struct world_instance fresh = {0};
  const struct instance *i;
  const struct role *r;
  int rc = -ENOENT;

  world_lock(w);
  i = find(w, id);
  if (i != NULL) {
    r = world_role_by_arn_locked(w, i->role_arn);
    fresh.id = strdup(i->id);
    fresh.role_name = strdup(r != NULL ? r->name : "");
    fresh.region = strdup(w->synced.region != NULL ? w->synced.region : "us-east-1");
    rc = fresh.id == NULL || fresh.role_name == NULL || fresh.region == NULL ? -ENOMEM : 0;
  }
  world_unlock(w);
  if (rc != 0)
    world_instance_fini(&fresh);
  else
    *out = fresh;
  return rc;
}

void world_instance_fini(struct world_instance *i) {
  free(i->id);
  free(i->role_name);
  free(i->region);
  memset(i, 0, sizeof(*i));
}

static bool is_fresh(struct world *w, const struct credential *c) {
  return c != NULL && c->expiration > world_now(w) + FRESH_S;
}

static int renew(struct world *w, struct instance *i, struct role *r) {
  struct session_wish wish = {
      .account = r->account, .role = r, .name = i->id, .duration = i->duration};
  struct credential *c;
  char *id;
  int rc = world_add_session_locked(w, &wish, &c);

  if (rc != 0)
    return rc;
  id = strdup(c->id);
  if (id == NULL)
    return -ENOMEM;
  free(i->key_id);
  i->key_id = id;
  world_touch_locked(w);
  return 0;
}

static int current_key(struct world *w, const char *id, char **out) {
  struct instance *i = find(w, id);
  struct role *r = i != NULL ? world_role_by_arn_locked(w, i->role_arn) : NULL;
  int rc = 0;

  if (r == NULL)
    return -ENOENT;
  if (i->key_id == NULL || !is_fresh(w, world_credential_locked(w, i->key_id)))
    rc = renew(w, i, r);
  if (rc == 0)
    *out = strdup(i->key_id);
  return rc != 0 || *out != NULL ? rc : -ENOMEM;
}

int world_instance_keys(struct world *w, const char *id, struct world_key *out) {
  char *key = NULL;
  int rc;

  world_lock(w);
  rc = current_key(w, id, &key);
  world_unlock(w);
  if (rc == 0)
    rc = world_find_key(w, key, out);
  free(key);
  return rc;
}
