/* One instance of Access Grants: the account is learned with the first list, and the
 * instance that lists the grants is the one that vends for them. */
#include "instance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

int instance_open(struct instance *one, const struct instance_env *env,
                  const struct target_instance *named, struct buf *why) {
  const struct settings *set = env->settings;

  mtx_init(&one->synced.lock, RANK_APP);
  one->env = env;
  identity_site(env->identity, set, &one->site);
  one->account_named = named != NULL ? named->account : set->account;
  if (named != NULL && named->region != NULL)
    one->site.region = named->region;
  return control_new(env->caller, identity_keys(env->identity), &one->site, set->deadline_ms,
                     &one->control, why);
}

void instance_fini(struct instance *one) {
  if (one->env == NULL)
    return;
  caller_grants_fini(&one->list);
  grants_free(one->synced.grants);
  control_free(one->control);
  free(one->account);
  mtx_fini(&one->synced.lock);
}

static int own_account(struct instance *one, char **out, struct s3_error *error) {
  struct caller_identity me;
  int rc;

  if (one->account_named != NULL) {
    *out = strdup(one->account_named);
    return *out != NULL ? 0 : -ENOMEM;
  }
  rc = control_caller_identity(one->control, 0, 0, &me, error);
  if (rc != 0)
    return rc;
  *out = strdup(me.account);
  caller_identity_fini(&me);
  return *out != NULL ? 0 : -ENOMEM;
}

static int make_grants(struct instance *one) {
  const struct settings *set = one->env->settings;
  struct grants_options o = {.clock = caller_clock(one->env->caller),
                             .account = one->account,
                             .duration_s = (unsigned)(set->duration_ms / 1000),
                             .minimal = set->minimal};
  struct control *control;
  struct grants *grants;
  struct buf why;
  int rc;

  buf_init(&why, 4096);
  rc = control_new(one->env->caller, identity_keys(one->env->identity), &one->site,
                   set->deadline_ms, &control, &why);
  buf_fini(&why);
  if (rc != 0)
    return rc;
  rc = grants_new(control, &o, &grants);
  if (rc != 0) {
    control_free(control);
    return rc;
  }
  mtx_lock(&one->synced.lock);
  one->synced.grants = grants;
  mtx_unlock(&one->synced.lock);
  return 0;
}

int instance_refresh(struct instance *one, struct s3_error *error) {
  struct caller_grants fresh;
  struct caller_grants old;
  int rc = 0;

  if (one->account == NULL)
    rc = own_account(one, &one->account, error);
  if (rc == 0 && instance_grants(one) == NULL)
    rc = make_grants(one);
  if (rc == 0)
    rc = control_caller_grants(one->control, one->account, NULL, &fresh, error);
  if (rc != 0)
    return rc;
  mtx_lock(&one->synced.lock);
  old = one->list;
  one->list = fresh;
  mtx_unlock(&one->synced.lock);
  caller_grants_fini(&old);
  return 0;
}

struct grants *instance_grants(struct instance *one) {
  struct grants *g;

  mtx_lock(&one->synced.lock);
  g = one->synced.grants;
  mtx_unlock(&one->synced.lock);
  return g;
}

/* The service may end a scope in several stars. */
bool instance_route(const struct caller_grant *g, struct route *r, char **prefix) {
  static const char scheme[] = "s3://";
  const char *at = g->scope + sizeof(scheme) - 1;
  size_t len;

  if (!text_has_prefix(g->scope, scheme))
    return false;
  len = strlen(at);
  r->whole = len > 0 && at[len - 1] != '*';
  while (len > 0 && at[len - 1] == '*')
    len--;
  if (memchr(at, '/', len) == NULL || at[0] == '/')
    return false;
  *prefix = text_dup_n(at, len);
  r->prefix = *prefix;
  r->can_read = strstr(g->permission, "READ") != NULL;
  r->can_write = strstr(g->permission, "WRITE") != NULL;
  return *prefix != NULL;
}

static size_t covered_by(const struct caller_grant *g, const char *key) {
  struct route r;
  char *prefix;
  size_t len = 0;

  if (!instance_route(g, &r, &prefix))
    return 0;
  if (r.whole ? strcmp(key, prefix) == 0 : text_has_prefix(key, prefix))
    len = strlen(prefix);
  free(prefix);
  return len;
}

size_t instance_covers(struct instance *one, const char *key) {
  size_t best = 0;

  mtx_lock(&one->synced.lock);
  for (size_t i = 0; i < one->list.count; i++) {
    size_t len = covered_by(&one->list.items[i], key);

    if (len > best)
      best = len;
  }
  mtx_unlock(&one->synced.lock);
  return best;
}
