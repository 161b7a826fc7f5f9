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
#include <stdlib.h>
#include <string.h>

#include "grants_internal.h"
#include "s3apfs/aws/arn.h"

#define DENIED_TTL_MS 30000
#define RENEWAL_THREADS 2

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

void grants_entry_free(struct grants_entry *e) {
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

void grants_denial_free(struct grants_denial *d) {
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
    struct grants_entry *e = g->synced.entries;

    g->synced.entries = e->next;
    grants_entry_free(e);
  }
  while (g->synced.denials != NULL) {
    struct grants_denial *d = g->synced.denials;

    g->synced.denials = d->next;
    grants_denial_free(d);
  }
  free(g->synced.account);
  control_free(g->control);
  cond_fini(&g->synced.changed);
  mtx_fini(&g->synced.lock);
  free(g);
}

int64_t grants_now_s(const struct grants *g) {
  return clock_wall_ms(g->clock) / 1000;
}

/* --- the instance's owner --- */

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

int grants_account_get(struct grants *g, const char *target, char **out, struct s3_error *error) {
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
  int rc = grants_account_get(g, target, &account, error);

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

void grants_counts(struct grants *g, struct grants_counts *out) {
  mtx_lock(&g->synced.lock);
  *out = g->synced.counts;
  mtx_unlock(&g->synced.lock);
}
