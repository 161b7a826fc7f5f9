/* The world's frame: creation, the lock, documents, tags, ownership names, and
 * the VPC endpoints.
 *
 * One mutex guards everything. It is held for lookups, changes and policy
 * evaluation, all of them pure computation over a small model, and never over
 * I/O: world_save.c prints under the lock and writes without it. */
#include "world_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_free.h"

void world_lock(struct world *w) {
  mtx_lock(&w->synced.lock);
}

void world_unlock(struct world *w) {
  mtx_unlock(&w->synced.lock);
}

void world_touch_locked(struct world *w) {
  w->synced.changes++;
}

int64_t world_now(const struct world *w) {
  return clock_wall_ms(w->clock) / 1000;
}

int world_new(const struct clock *clock, struct world **out) {
  struct world *w = calloc(1, sizeof(*w));

  if (w == NULL)
    return -ENOMEM;
  w->clock = clock;
  w->synced.region = strdup("us-east-1");
  if (w->synced.region == NULL) {
    free(w);
    return -ENOMEM;
  }
  mtx_init(&w->synced.lock, RANK_EMULATOR);
  cond_init(&w->synced.saved);
  *out = w;
  return 0;
}

static void free_endpoint(struct vpc_endpoint *e) {
  free(e->id);
  free(e->vpc);
  document_fini(&e->policy);
  free(e);
}

void world_free(struct world *w) {
  struct vpc_endpoint *e;
  struct vpc_endpoint *next;

  if (w == NULL)
    return;
  world_free_storage(w);
  world_drop_instances_locked(w);
  world_drop_sso_locked(w);
  world_free_people(w);
  DL_FOREACH_SAFE(w->synced.endpoints, e, next) {
    DL_DELETE(w->synced.endpoints, e);
    free_endpoint(e);
  }
  free(w->synced.region);
  free(w->synced.organization);
  free(w->synced.server);
  cond_fini(&w->synced.saved);
  mtx_fini(&w->synced.lock);
  free(w->data_dir);
  free(w->config_hash);
  free(w);
}

int world_server_json(struct world *w, struct buf *out) {
  world_lock(w);
  if (w->synced.server != NULL)
    buf_puts(out, w->synced.server);
  world_unlock(w);
  return buf_error(out);
}

/* --- documents ---------------------------------------------------------------------------------
 */

int document_set(struct document *d, const char *text, size_t len, struct buf *why) {
  struct document fresh = {0};
  int rc = policy_parse(text, len, &fresh.policy, why);

  if (rc != 0)
    return rc;
  fresh.text = text_dup_n(text, len);
  if (fresh.text == NULL) {
    policy_free(fresh.policy);
    return -ENOMEM;
  }
  document_fini(d);
  *d = fresh;
  return 0;
}

void document_fini(struct document *d) {
  free(d->text);
  policy_free(d->policy);
  memset(d, 0, sizeof(*d));
}

/* --- names --- */

static const char *const ownership_names[] = {
    [OWNERSHIP_BUCKET_OWNER_ENFORCED] = "BucketOwnerEnforced",
    [OWNERSHIP_BUCKET_OWNER_PREFERRED] = "BucketOwnerPreferred",
    [OWNERSHIP_OBJECT_WRITER] = "ObjectWriter",
};

const char *world_ownership_name(enum world_ownership o) {
  return ownership_names[o];
}

int world_ownership_parse(const char *s, enum world_ownership *out) {
  for (size_t i = 0; i < sizeof(ownership_names) / sizeof(ownership_names[0]); i++) {
    if (strcmp(s, ownership_names[i]) == 0) {
      *out = (enum world_ownership)i;
      return 0;
    }
  }
  return -EINVAL;
}

/* --- VPC endpoints --- */

struct vpc_endpoint *world_endpoint_locked(struct world *w, const char *id) {
  struct vpc_endpoint *e;

  DL_FOREACH (w->synced.endpoints, e) {
    if (strcmp(e->id, id) == 0)
      return e;
  }
  return NULL;
}

int world_add_endpoint_locked(struct world *w, const char *id, const char *vpc, int port,
                              struct vpc_endpoint **out) {
  struct vpc_endpoint *e;

  if (world_endpoint_locked(w, id) != NULL)
    return -EEXIST;
  e = calloc(1, sizeof(*e));
  if (e == NULL)
    return -ENOMEM;
  e->id = strdup(id);
  e->vpc = strdup(vpc);
  e->port = port;
  if (e->id == NULL || e->vpc == NULL) {
    free_endpoint(e);
    return -ENOMEM;
  }
  DL_APPEND(w->synced.endpoints, e);
  *out = e;
  return 0;
}

static int copy_endpoints_locked(struct world *w, struct world_endpoints *out) {
  struct vpc_endpoint *e;
  size_t n = 0;

  DL_COUNT(w->synced.endpoints, e, n);
  out->items = calloc(n + 1, sizeof(*out->items));
  if (out->items == NULL)
    return -ENOMEM;
  DL_FOREACH (w->synced.endpoints, e) {
    struct world_endpoint *item = &out->items[out->count++];

    item->id = strdup(e->id);
    item->vpc = strdup(e->vpc);
    item->port = e->port;
    if (item->id == NULL || item->vpc == NULL)
      return -ENOMEM;
  }
  return 0;
}

int world_list_endpoints(struct world *w, struct world_endpoints *out) {
  struct world_endpoints fresh = {0};
  int rc;

  world_lock(w);
  rc = copy_endpoints_locked(w, &fresh);
  world_unlock(w);
  if (rc != 0)
    world_endpoints_fini(&fresh);
  else
    *out = fresh;
  return rc;
}

void world_endpoints_fini(struct world_endpoints *e) {
  for (size_t i = 0; i < e->count; i++) {
    free(e->items[i].id);
    free(e->items[i].vpc);
  }
  free(e->items);
  memset(e, 0, sizeof(*e));
}

bool world_related_locked(const struct world *w, const char *account_a, const char *account_b) {
  const struct account *a;
  int members = 0;

  if (strcmp(account_a, account_b) == 0)
    return true;
  DL_FOREACH (w->synced.accounts, a) {
    if (a->in_organization && (strcmp(a->id, account_a) == 0 || strcmp(a->id, account_b) == 0))
      members++;
  }
  return members == 2;
}
