/* The vending cache of Access Grants.
 *
 * Entries: one per matched scope and permission, with the keys AWS gave for it.
 *   live      now < due: handed out as they are
 *   due       due <= now < expiration: handed out, one renewal runs behind
 *   ended     now >= expiration, or the service called the keys expired: the
 *             next asker fetches in its own thread, others wait for it
 * Denials: target and permission with the service's words, for denied_ttl_ms.
 * Flights: GetDataAccess calls under way, by target and permission; whoever
 *   wants the same thing waits on `changed`.
 *
 * No lock is held over a call. Renewals run on a small pool, so a reader never
 * pays for one. A failed renewal keeps the old keys while they live and tries
 * again after a tenth of what remains. */
#include "s3apfs/s3/grants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/arn.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/text.h"
#include "s3apfs/net/renewal.h"

#define DENIED_TTL_MS 30000
#define RENEWAL_THREADS 2

struct entry {
  struct scope scope;
  char *scope_text;
  enum scope_permission permission;
  struct keys *keys;
  char *target; /* what was asked when it was fetched; renewals ask the same */
  char *grantee;
  int64_t due;
  bool renewing;
  bool ended;
  struct entry *next;
};

struct denial {
  char *target;
  enum scope_permission permission;
  int64_t until_ms; /* monotonic */
  char *message;
  char *request_id;
  struct denial *next;
};

struct flight {
  const char *target;
  enum scope_permission permission;
  struct flight *next;
};

struct grants {
  struct control *control;
  const struct clock *clock;
  unsigned duration_s;
  bool minimal;
  int64_t denied_ttl_ms;
  struct pool *pool;
  struct {
    struct mtx lock;
    struct cond changed;
    char *account; /* owner of the instance, once known */
    struct entry *entries;
    struct denial *denials;
    struct flight *flights;
    struct grants_counts counts;
    unsigned seed;
  } synced;
};

struct grants_source {
  struct key_source base;
  struct grants *grants;
  char *target;
  struct scope scope;
  enum scope_permission permission;
};

/* --- life --------------------------------------------------------------------- */

int grants_new(struct control *c, const struct grants_options *o, struct grants **out) {
  struct grants *g = calloc(1, sizeof(*g));
  int rc;

  if (g == NULL)
    return -ENOMEM;
  g->clock = o->clock != NULL ? o->clock : &clock_system;
  g->duration_s = o->duration_s;
  g->minimal = o->minimal;
  g->denied_ttl_ms = o->denied_ttl_ms != 0 ? o->denied_ttl_ms : DENIED_TTL_MS;
  mtx_init(&g->synced.lock, RANK_GRANTS);
  cond_init(&g->synced.changed);
  g->synced.seed = (unsigned)clock_wall_ms(g->clock);
  rc = pool_new("s3apfs-grants", RENEWAL_THREADS, &g->pool);
  if (rc == 0 && o->account != NULL) {
    g->synced.account = strdup(o->account);
    rc = g->synced.account == NULL ? -ENOMEM : 0;
  }
  if (rc != 0) {
    grants_free(g);
    return rc;
  }
  g->control = c;
  *out = g;
  return 0;
}

static void entry_free(struct entry *e) {
  if (e == NULL)
    return;
  if (e->keys != NULL)
    keys_unref(e->keys);
  scope_fini(&e->scope);
  free(e->scope_text);
  free(e->target);
  free(e->grantee);
  free(e);
}

static void denial_free(struct denial *d) {
  free(d->target);
  free(d->message);
  free(d->request_id);
  free(d);
}

void grants_free(struct grants *g) {
  if (g == NULL)
    return;
  pool_free(g->pool);
  while (g->synced.entries != NULL) {
    struct entry *e = g->synced.entries;

    g->synced.entries = e->next;
    entry_free(e);
  }
  while (g->synced.denials != NULL) {
    struct denial *d = g->synced.denials;

    g->synced.denials = d->next;
    denial_free(d);
  }
  free(g->synced.account);
  control_free(g->control);
  cond_fini(&g->synced.changed);
  mtx_fini(&g->synced.lock);
  free(g);
}

/* --- the instance's owner -------------------------------------------------------- */

static int account_of_arn(const char *instance, char **out) {
  struct arn arn;
  int rc = arn_parse(instance, &arn);

  if (rc != 0)
    return rc;
  *out = strdup(arn.account);
  arn_fini(&arn);
  return *out != NULL ? 0 : -ENOMEM;
}

/* The caller's account, then the instance that serves the prefix, as AWS's own
 * clients do: two calls, once a mount. */
static int account_lookup(struct grants *g, const char *target, char **out,
                          struct s3_error *error) {
  struct caller_identity me;
  char *instance;
  int rc = control_caller_identity(g->control, 0, 0, &me, error);

  if (rc != 0)
    return rc;
  rc = control_grants_instance(g->control, me.account, target, &instance, error);
  caller_identity_fini(&me);
  if (rc != 0)
    return rc;
  rc = account_of_arn(instance, out);
  free(instance);
  if (rc != 0)
    s3_error_from_local(error, rc, "MalformedReply",
                        "the Access Grants instance has no usable ARN");
  return rc;
}

static char *account_known(struct grants *g) {
  char *account;

  mtx_lock(&g->synced.lock);
  account = g->synced.account != NULL ? strdup(g->synced.account) : NULL;
  mtx_unlock(&g->synced.lock);
  return account;
}

static int account_get(struct grants *g, const char *target, char **out, struct s3_error *error) {
  char *account = account_known(g);
  int rc;

  if (account == NULL) {
    rc = account_lookup(g, target, &account, error);
    if (rc != 0)
      return rc;
    mtx_lock(&g->synced.lock);
    if (g->synced.account == NULL)
      g->synced.account = strdup(account);
    mtx_unlock(&g->synced.lock);
  }
  *out = account;
  return 0;
}

int grants_account(struct grants *g, const char *target, struct buf *out, struct s3_error *error) {
  char *account;
  int rc = account_get(g, target, &account, error);

  if (rc != 0)
    return rc;
  buf_puts(out, account);
  free(account);
  return buf_error(out);
}

int grants_list(struct grants *g, const char *account, const char *scope, struct caller_grants *out,
                struct s3_error *error) {
  return control_caller_grants(g->control, account, scope, out, error);
}

/* --- entries and denials ------------------------------------------------------------ */

static int64_t now_s(const struct grants *g) {
  return clock_wall_ms(g->clock) / 1000;
}

static bool entry_alive(const struct entry *e, int64_t now) {
  return !e->ended && (e->keys->expiration == 0 || now < e->keys->expiration);
}

/* The smallest live scope that covers the target with the permission. */
static struct entry *entry_find_locked(struct grants *g, const struct scope *target,
                                       enum scope_permission p, int64_t now) {
  struct entry *best = NULL;

  for (struct entry *e = g->synced.entries; e != NULL; e = e->next) {
    if ((e->permission & p) != p || !entry_alive(e, now) || !scope_covers(&e->scope, target))
      continue;
    if (best == NULL || strlen(e->scope.prefix) > strlen(best->scope.prefix) ||
        (strlen(e->scope.prefix) == strlen(best->scope.prefix) && e->permission < best->permission))
      best = e;
  }
  return best;
}

static struct denial **denial_find_locked(struct grants *g, const char *target,
                                          enum scope_permission p) {
  struct denial **at = &g->synced.denials;

  while (*at != NULL && ((*at)->permission != p || strcmp((*at)->target, target) != 0))
    at = &(*at)->next;
  return at;
}

static void denial_drop_locked(struct denial **at) {
  struct denial *d = *at;

  if (d == NULL)
    return;
  *at = d->next;
  denial_free(d);
}

static void denial_keep_locked(struct grants *g, const char *target, enum scope_permission p,
                               const struct s3_error *error) {
  struct denial *d = calloc(1, sizeof(*d));

  denial_drop_locked(denial_find_locked(g, target, p));
  if (d == NULL)
    return; /* not remembered: the next asker calls again */
  d->target = strdup(target);
  d->message = strdup(error->message);
  d->request_id = strdup(error->request_id);
  d->permission = p;
  d->until_ms = clock_mono_ms(g->clock) + g->denied_ttl_ms;
  if (d->target == NULL || d->message == NULL || d->request_id == NULL) {
    denial_free(d);
    return;
  }
  d->next = g->synced.denials;
  g->synced.denials = d;
}

static bool denial_answers_locked(struct grants *g, const char *target, enum scope_permission p,
                                  struct s3_error *error) {
  struct denial **at = denial_find_locked(g, target, p);

  if (*at == NULL)
    return false;
  if (clock_mono_ms(g->clock) >= (*at)->until_ms) {
    denial_drop_locked(at);
    return false;
  }
  if (error != NULL) {
    char *message = text_printf("%s [request id %s]", (*at)->message, (*at)->request_id);

    s3_error_from_local(error, -EACCES, "AccessDenied", message != NULL ? message : "");
    free(message);
  }
  return true;
}

/* --- fetching ------------------------------------------------------------------------ */

static char *describe_grantee(const struct data_access *d) {
  return d->grantee[0] != '\0' ? text_printf("%s %s", d->grantee_type, d->grantee) : strdup("");
}

/* Builds the entry for an answer. The matched target must cover what was asked:
 * anything else would sign requests with keys of another scope. */
static int entry_new(struct grants *g, const char *target, const struct scope *asked,
                     enum scope_permission p, const struct data_access *d, struct entry **out) {
  struct entry *e = calloc(1, sizeof(*e));
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
    entry_free(e);
    return rc;
  }
  *out = e;
  (void)g;
  return 0;
}

/* Puts an entry in place of the one with the same scope, permission and target. */
static void entry_keep_locked(struct grants *g, struct entry *e) {
  struct entry **at = &g->synced.entries;
  double random = (double)rand_r(&g->synced.seed) / ((double)RAND_MAX + 1.0);

  while (*at != NULL &&
         ((*at)->permission != e->permission || strcmp((*at)->scope_text, e->scope_text) != 0))
    at = &(*at)->next;
  if (*at != NULL) {
    struct entry *old = *at;

    *at = old->next;
    entry_free(old);
  }
  e->due = renewal_due(now_s(g), e->keys->expiration, random);
  e->next = g->synced.entries;
  g->synced.entries = e;
  g->synced.counts.vended++;
}

/* One GetDataAccess call; the answer becomes an entry, a denial is remembered. */
static int fetch(struct grants *g, const char *target, const struct scope *asked,
                 enum scope_permission p, struct s3_error *error) {
  struct data_access_request q = {
      .target = target, .permission = p, .minimal = g->minimal, .duration_s = g->duration_s};
  struct data_access d;
  struct entry *e;
  char *account;
  int rc = account_get(g, target, &account, error);

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
    denial_drop_locked(denial_find_locked(g, target, p));
  } else if (rc == -EACCES) {
    g->synced.counts.denied++;
    denial_keep_locked(g, target, p, error);
  }
  mtx_unlock(&g->synced.lock);
  return rc;
}

/* --- single flight ---------------------------------------------------------------------- */

static bool flight_exists_locked(const struct grants *g, const char *target,
                                 enum scope_permission p) {
  for (const struct flight *f = g->synced.flights; f != NULL; f = f->next)
    if (f->permission == p && strcmp(f->target, target) == 0)
      return true;
  return false;
}

static void flight_start_locked(struct grants *g, struct flight *f) {
  f->next = g->synced.flights;
  g->synced.flights = f;
}

static void flight_end(struct grants *g, struct flight *f) {
  struct flight **at;

  mtx_lock(&g->synced.lock);
  for (at = &g->synced.flights; *at != f; at = &(*at)->next)
    ;
  *at = f->next;
  cond_broadcast(&g->synced.changed);
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
  int64_t now = now_s(g);
  struct buf line;

  mtx_lock(&g->synced.lock);
  for (struct entry *at = g->synced.entries; at != NULL; at = at->next) {
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
  struct flight f = {.target = r->target, .permission = r->permission};
  struct s3_error error;

  mtx_lock(&r->grants->synced.lock);
  flight_start_locked(r->grants, &f);
  mtx_unlock(&r->grants->synced.lock);
  s3_error_init(&error);
  if (fetch(r->grants, r->target, &r->scope, r->permission, &error) != 0)
    renewal_failed(r->grants, r, &error);
  s3_error_fini(&error);
  flight_end(r->grants, &f);
  renewal_free(r);
}

static void renewal_start_locked(struct grants *g, struct entry *e) {
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

/* --- key sources ---------------------------------------------------------------------------- */

/* 0 with keys, -EACCES from a remembered denial, -EAGAIN: nothing known. */
static int answer_locked(struct grants_source *s, struct keys **out, struct s3_error *error) {
  struct grants *g = s->grants;
  int64_t now = now_s(g);
  struct entry *e = entry_find_locked(g, &s->scope, s->permission, now);

  if (e != NULL) {
    if (now >= e->due && !e->renewing)
      renewal_start_locked(g, e);
    g->synced.counts.answered++;
    *out = keys_ref(e->keys);
    return 0;
  }
  return denial_answers_locked(g, s->target, s->permission, error) ? -EACCES : -EAGAIN;
}

static int grants_source_get(struct key_source *base, struct keys **out, struct s3_error *error) {
  struct grants_source *s = (struct grants_source *)base;
  struct grants *g = s->grants;
  struct flight f = {.target = s->target, .permission = s->permission};
  struct s3_error own;
  int rc;

  mtx_lock(&g->synced.lock);
  while ((rc = answer_locked(s, out, error)) == -EAGAIN &&
         flight_exists_locked(g, s->target, s->permission))
    cond_wait(&g->synced.changed, &g->synced.lock);
  if (rc == -EAGAIN)
    flight_start_locked(g, &f);
  mtx_unlock(&g->synced.lock);
  if (rc != -EAGAIN)
    return rc;
  s3_error_init(&own);
  rc = fetch(g, s->target, &s->scope, s->permission, &own);
  flight_end(g, &f);
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
  for (struct entry *e = g->synced.entries; e != NULL; e = e->next)
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
static const struct entry *entry_last_locked(struct grants_source *s) {
  const struct entry *e = entry_find_locked(s->grants, &s->scope, s->permission, now_s(s->grants));

  for (const struct entry *at = s->grants->synced.entries; e == NULL && at != NULL; at = at->next)
    if (at->permission == s->permission && scope_covers(&at->scope, &s->scope))
      e = at;
  return e;
}

void grants_source_describe(struct key_source *source, struct buf *out) {
  struct grants_source *s = (struct grants_source *)source;
  const struct entry *e;
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
  const struct entry *e;
  int64_t expiration = 0;

  mtx_lock(&s->grants->synced.lock);
  e = entry_last_locked(s);
  if (e != NULL)
    expiration = e->keys->expiration;
  mtx_unlock(&s->grants->synced.lock);
  return expiration;
}

void grants_counts(struct grants *g, struct grants_counts *out) {
  mtx_lock(&g->synced.lock);
  *out = g->synced.counts;
  mtx_unlock(&g->synced.lock);
}
