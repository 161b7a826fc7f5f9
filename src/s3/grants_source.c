/* Key sources over the vending cache. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grants_internal.h"
#include "s3apfs/base/text.h"

struct grants_source {
  struct key_source base;
  struct grants *grants;
  char *target;
  struct scope scope;
  enum scope_permission permission;
};

/* 0 with keys, -EACCES from a remembered denial, -EAGAIN: nothing known. */
static int answer_locked(struct grants_source *s, struct keys **out, struct s3_error *error) {
  struct grants *g = s->grants;
  int64_t now = grants_now_s(g);
  struct grants_entry *e = grants_entry_find_locked(g, &s->scope, s->permission, now);

  if (e != NULL) {
    if (now >= e->due && !e->renewing)
      grants_renewal_start_locked(g, e);
    g->synced.counts.answered++;
    *out = keys_ref(e->keys);
    return 0;
  }
  return grants_denial_answers_locked(g, s->target, s->permission, error) ? -EACCES : -EAGAIN;
}

/* The same after the calls for it that are under way; what those fail by is the answer to all who
 * waited, for each would ask and wait as long again. */
static int await_answer_locked(struct grants_source *s, struct keys **out, struct s3_error *error) {
  struct grants_flight *f;
  int rc;

  while ((rc = answer_locked(s, out, error)) == -EAGAIN &&
         (f = grants_flight_find_locked(s->grants, s->target, s->permission)) != NULL) {
    int failure = grants_flight_await_locked(s->grants, f, error);

    if (failure != 0) {
      rc = answer_locked(s, out, NULL);
      return rc == -EAGAIN ? failure : rc;
    }
  }
  return rc;
}

static int grants_source_get(struct key_source *base, struct keys **out, struct s3_error *error) {
  struct grants_source *s = (struct grants_source *)base;
  struct grants *g = s->grants;
  struct grants_flight f = {.target = s->target, .permission = s->permission};
  struct s3_error own;
  int rc;

  mtx_lock(&g->synced.lock);
  rc = await_answer_locked(s, out, error);
  if (rc == -EAGAIN)
    grants_flight_start_locked(g, &f);
  mtx_unlock(&g->synced.lock);
  if (rc != -EAGAIN)
    return rc;
  s3_error_init(&own);
  rc = grants_fetch(g, s->target, &s->scope, s->permission, &own);
  grants_flight_end(g, &f, rc, &own);
  if (rc == 0) {
    mtx_lock(&g->synced.lock);
    rc = answer_locked(s, out, error);
    mtx_unlock(&g->synced.lock);
    rc = rc == -EAGAIN ? -EKEYEXPIRED : rc; /* keys that were over on arrival */
  } else if (error != NULL) {
    s3_error_move(error, &own);
  }
  s3_error_fini(&own);
  return rc;
}

static void grants_source_expired(struct key_source *base, const struct keys *k) {
  struct grants *g = ((struct grants_source *)base)->grants;

  mtx_lock(&g->synced.lock);
  for (struct grants_entry *e = g->synced.entries; e != NULL; e = e->next)
    if (e->keys == k)
      e->ended = true;
  mtx_unlock(&g->synced.lock);
}

static void grants_source_destroy(struct key_source *base) {
  struct grants_source *s = (struct grants_source *)base;

  scope_fini(&s->scope);
  free(s->target);
  free(s);
}

static const struct key_source_ops grants_source_ops = {
    .get = grants_source_get,
    .expired = grants_source_expired,
    .destroy = grants_source_destroy,
};

int grants_source_new(struct grants *g, const char *target, enum scope_permission permission,
                      struct key_source **out) {
  struct grants_source *s = calloc(1, sizeof(*s));
  int rc;

  if (s == NULL)
    return -ENOMEM;
  s->base.ops = &grants_source_ops;
  s->grants = g;
  s->permission = permission;
  rc = scope_parse(target, &s->scope);
  if (rc == 0 && (s->target = strdup(target)) == NULL) {
    scope_fini(&s->scope);
    rc = -ENOMEM;
  }
  if (rc != 0) {
    free(s);
    return rc;
  }
  *out = &s->base;
  return 0;
}

/* The entry that served the source last, alive or not. */
static const struct grants_entry *entry_last_locked(struct grants_source *s) {
  const struct grants_entry *e =
      grants_entry_find_locked(s->grants, &s->scope, s->permission, grants_now_s(s->grants));

  for (const struct grants_entry *at = s->grants->synced.entries; e == NULL && at != NULL;
       at = at->next)
    if (at->permission == s->permission && scope_covers(&at->scope, &s->scope))
      e = at;
  return e;
}

void grants_source_describe(struct key_source *source, struct buf *out) {
  struct grants_source *s = (struct grants_source *)source;
  const struct grants_entry *e;
  char until[21] = "";

  mtx_lock(&s->grants->synced.lock);
  e = entry_last_locked(s);
  if (e != NULL) {
    if (e->keys->expiration != 0)
      text_iso8601(e->keys->expiration, until);
    buf_printf(out, "grant %s (%s)", e->scope_text, scope_permission_name(e->permission));
    if (e->grantee[0] != '\0')
      buf_printf(out, " to %s", e->grantee);
    if (until[0] != '\0')
      buf_printf(out, " until %s", until);
  }
  mtx_unlock(&s->grants->synced.lock);
}

int64_t grants_source_expiration(struct key_source *source) {
  struct grants_source *s = (struct grants_source *)source;
  const struct grants_entry *e;
  int64_t expiration = 0;

  mtx_lock(&s->grants->synced.lock);
  e = entry_last_locked(s);
  if (e != NULL)
    expiration = e->keys->expiration;
  mtx_unlock(&s->grants->synced.lock);
  return expiration;
}
