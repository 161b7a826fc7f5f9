/* Fetching keys: one GetDataAccess call for all who want the same, and renewals on
 * the pool. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grants_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/net/renewal.h"

static char *describe_grantee(const struct data_access *d) {
  return d->grantee[0] != '\0' ? text_printf("%s %s", d->grantee_type, d->grantee) : strdup("");
}

/* Builds the entry for an answer. The matched target must cover what was asked:
 * anything else would sign requests with keys of another scope. */
static int entry_new(struct grants *g, const char *target, const struct scope *asked,
                     enum scope_permission p, const struct data_access *d,
                     struct grants_entry **out) {
  struct grants_entry *e = calloc(1, sizeof(*e));
  char *identity;
  int rc;

  if (e == NULL)
    return -ENOMEM;
  rc = scope_parse(d->matched_target, &e->scope);
  if (rc == 0 && !scope_covers(&e->scope, asked))
    rc = -EBADMSG;
  e->permission = p;
  e->target = strdup(target);
  e->scope_text =
      text_printf("s3://%s/%s%s", rc == 0 ? e->scope.bucket : "", rc == 0 ? e->scope.prefix : "",
                  rc == 0 && e->scope.is_prefix ? "*" : "");
  e->grantee = describe_grantee(d);
  identity = text_printf("grant %s", e->scope_text != NULL ? e->scope_text : "");
  if (e->target == NULL || e->scope_text == NULL || e->grantee == NULL || identity == NULL)
    rc = -ENOMEM;
  if (rc == 0)
    rc = keys_new(d->keys.access_key_id, d->keys.secret_access_key, d->keys.session_token,
                  d->keys.expiration, NULL, identity, &e->keys);
  free(identity);
  if (rc != 0) {
    grants_entry_free(e);
    return rc;
  }
  *out = e;
  (void)g;
  return 0;
}

/* Puts an entry in place of the one with the same scope, permission and target. */
static void entry_keep_locked(struct grants *g, struct grants_entry *e) {
  struct grants_entry **at = &g->synced.entries;
  double random = (double)rand_r(&g->synced.seed) / ((double)RAND_MAX + 1.0);

  while (*at != NULL &&
         ((*at)->permission != e->permission || strcmp((*at)->scope_text, e->scope_text) != 0))
    at = &(*at)->next;
  if (*at != NULL) {
    struct grants_entry *old = *at;

    *at = old->next;
    grants_entry_free(old);
  }
  e->due = renewal_due(grants_now_s(g), e->keys->expiration, random);
  e->next = g->synced.entries;
  g->synced.entries = e;
  g->synced.counts.vended++;
}

/* One GetDataAccess call; the answer becomes an entry, a denial is remembered. */
int grants_fetch(struct grants *g, const char *target, const struct scope *asked,
                 enum scope_permission p, struct s3_error *error) {
  struct data_access_request q = {.target = target,
                                  .permission = p,
                                  .minimal = g->minimal,
                                  .target_is_object = !asked->is_prefix,
                                  .duration_s = g->duration_s};
  struct data_access d;
  struct grants_entry *e;
  char *account;
  int rc = grants_account_get(g, target, &account, error);

  if (rc != 0)
    return rc;
  q.account = account;
  rc = control_data_access(g->control, &q, &d, error);
  free(account);
  if (rc == 0) {
    rc = entry_new(g, target, asked, p, &d, &e);
    data_access_fini(&d);
    if (rc == -EBADMSG || rc == -EINVAL) {
      s3_error_from_local(error, -EIO, "MalformedReply",
                          "GetDataAccess answered for a scope that does not cover the target");
      rc = -EIO;
    }
  }
  mtx_lock(&g->synced.lock);
  if (rc == 0) {
    entry_keep_locked(g, e);
    grants_denial_drop_locked(grants_denial_find_locked(g, target, p));
  } else if (rc == -EACCES) {
    g->synced.counts.denied++;
    grants_denial_keep_locked(g, target, p, error);
  }
  mtx_unlock(&g->synced.lock);
  return rc;
}

/* --- single flight and renewal --- */

struct grants_flight *grants_flight_find_locked(const struct grants *g, const char *target,
                                                enum scope_permission p) {
  for (struct grants_flight *f = g->synced.flights; f != NULL; f = f->next)
    if (f->permission == p && strcmp(f->target, target) == 0)
      return f;
  return NULL;
}

void grants_flight_start_locked(struct grants *g, struct grants_flight *f) {
  f->next = g->synced.flights;
  g->synced.flights = f;
}

int grants_flight_await_locked(struct grants *g, struct grants_flight *f, struct s3_error *error) {
  int rc;

  f->waiters++;
  while (!f->ended)
    cond_wait(&g->synced.changed, &g->synced.lock);
  rc = f->rc;
  if (rc != 0 && error != NULL) {
    s3_error_from_local(error, rc, f->error->code, f->error->message);
    error->call = f->error->call;
    error->class = f->error->class;
    error->http_status = f->error->http_status;
  }
  if (--f->waiters == 0)
    cond_broadcast(&g->synced.changed);
  return rc;
}

void grants_flight_end(struct grants *g, struct grants_flight *f, int rc,
                       const struct s3_error *e) {
  struct grants_flight **at;

  mtx_lock(&g->synced.lock);
  for (at = &g->synced.flights; *at != f; at = &(*at)->next)
    ;
  *at = f->next;
  f->ended = true;
  f->rc = rc;
  f->error = e;
  cond_broadcast(&g->synced.changed);
  while (f->waiters > 0)
    cond_wait(&g->synced.changed, &g->synced.lock);
  mtx_unlock(&g->synced.lock);
}

struct renewal {
  struct grants *grants;
  char *target;
  struct scope scope;
  enum scope_permission permission;
};

static void renewal_free(struct renewal *r) {
  scope_fini(&r->scope);
  free(r->target);
  free(r);
}

/* After a failed renewal the old keys stay in use; the entry is due again later. */
static void renewal_failed(struct grants *g, const struct renewal *r, const struct s3_error *e) {
  int64_t now = grants_now_s(g);
  struct buf line;

  mtx_lock(&g->synced.lock);
  for (struct grants_entry *at = g->synced.entries; at != NULL; at = at->next) {
    if (at->permission == r->permission && strcmp(at->target, r->target) == 0) {
      at->renewing = false;
      at->due = renewal_again(now, at->keys->expiration);
    }
  }
  mtx_unlock(&g->synced.lock);
  buf_init(&line, 0);
  s3_error_describe(e, &line);
  log_warn("renewing %s keys for %s failed, the old ones stay in use: %s",
           scope_permission_name(r->permission), r->target, buf_cstr(&line));
  buf_fini(&line);
}

static void renewal_run(void *arg) {
  struct renewal *r = arg;
  struct grants_flight f = {.target = r->target, .permission = r->permission};
  struct s3_error error;
  int rc;

  mtx_lock(&r->grants->synced.lock);
  grants_flight_start_locked(r->grants, &f);
  mtx_unlock(&r->grants->synced.lock);
  s3_error_init(&error);
  rc = grants_fetch(r->grants, r->target, &r->scope, r->permission, &error);
  if (rc != 0)
    renewal_failed(r->grants, r, &error);
  grants_flight_end(r->grants, &f, rc, &error);
  s3_error_fini(&error);
  renewal_free(r);
}

void grants_renewal_start_locked(struct grants *g, struct grants_entry *e) {
  struct renewal *r = calloc(1, sizeof(*r));

  if (r == NULL)
    return;
  r->grants = g;
  r->permission = e->permission;
  r->target = strdup(e->target);
  if (r->target == NULL || scope_parse(e->target, &r->scope) != 0) {
    free(r->target);
    free(r);
    return;
  }
  e->renewing = true;
  if (pool_submit(g->pool, renewal_run, r) != 0) {
    e->renewing = false;
    renewal_free(r);
  }
}
