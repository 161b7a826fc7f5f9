/* Buckets' configuration: owner, region, policy, Block Public Access,
 * ownership, who pays. Objects are not here. The list is kept in order of names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world_free.h"
#include "world_internal.h"

static void free_bucket(struct bucket *b) {
  document_fini(&b->policy);
  free(b->name);
  free(b->region);
  free(b);
}

struct bucket *world_bucket_locked(struct world *w, const char *name) {
  struct bucket *b;

  DL_FOREACH (w->synced.buckets, b) {
    if (strcmp(b->name, name) == 0)
      return b;
  }
  return NULL;
}

static int by_name(const struct bucket *a, const struct bucket *b) {
  return strcmp(a->name, b->name);
}

int world_add_bucket_locked(struct world *w, const char *name, struct account *a,
                            const char *region, struct bucket **out) {
  struct bucket *b;

  if (!world_valid_bucket_name(name))
    return -EINVAL;
  b = world_bucket_locked(w, name);
  if (b != NULL)
    return b->account == a ? -EEXIST : -EBUSY;
  b = calloc(1, sizeof(*b));
  if (b == NULL)
    return -ENOMEM;
  b->name = strdup(name);
  b->region = strdup(region);
  b->account = a;
  b->created = world_now(w);
  if (b->name == NULL || b->region == NULL) {
    free_bucket(b);
    return -ENOMEM;
  }
  DL_INSERT_INORDER(w->synced.buckets, b, by_name);
  *out = b;
  return 0;
}

void world_drop_bucket_locked(struct world *w, struct bucket *b) {
  DL_DELETE(w->synced.buckets, b);
  free_bucket(b);
}

void world_free_storage(struct world *w) {
  while (w->synced.buckets != NULL)
    world_drop_bucket_locked(w, w->synced.buckets);
  world_free_access_points(w);
  world_free_grants(w);
}

struct block_public_access world_effective_bpa(const struct block_public_access *own,
                                               const struct account *a) {
  struct block_public_access e = *own;

  if (a->has_bpa) {
    e.block_acls |= a->bpa.block_acls;
    e.ignore_acls |= a->bpa.ignore_acls;
    e.block_policy |= a->bpa.block_policy;
    e.restrict_buckets |= a->bpa.restrict_buckets;
  }
  return e;
}

/* --- copies for the data plane -------------------------------------------------------------------
 */

static int copy_bucket(const struct bucket *b, struct world_bucket *out) {
  out->name = strdup(b->name);
  out->account = strdup(b->account->id);
  out->region = strdup(b->region);
  out->ownership = b->ownership;
  out->requester_pays = b->requester_pays;
  out->created = b->created;
  return out->name == NULL || out->account == NULL || out->region == NULL ? -ENOMEM : 0;
}

int world_find_bucket(struct world *w, const char *name, struct world_bucket *out) {
  struct world_bucket fresh = {0};
  const struct bucket *b;
  int rc;

  world_lock(w);
  b = world_bucket_locked(w, name);
  rc = b == NULL ? -ENOENT : copy_bucket(b, &fresh);
  world_unlock(w);
  if (rc != 0)
    world_bucket_fini(&fresh);
  else
    *out = fresh;
  return rc;
}

void world_bucket_fini(struct world_bucket *b) {
  free(b->name);
  free(b->account);
  free(b->region);
  memset(b, 0, sizeof(*b));
}

static int copy_buckets_locked(struct world *w, const char *account, struct world_buckets *out) {
  const struct bucket *b;
  size_t n = 0;
  int rc = 0;

  DL_COUNT(w->synced.buckets, b, n);
  out->items = calloc(n + 1, sizeof(*out->items));
  if (out->items == NULL)
    return -ENOMEM;
  DL_FOREACH (w->synced.buckets, b) {
    if (rc == 0 && (account == NULL || strcmp(account, b->account->id) == 0))
      rc = copy_bucket(b, &out->items[out->count++]);
  }
  return rc;
}

int world_list_buckets(struct world *w, const char *account, struct world_buckets *out) {
  struct world_buckets fresh = {0};
  int rc;

  world_lock(w);
  rc = copy_buckets_locked(w, account, &fresh);
  world_unlock(w);
  if (rc != 0)
    world_buckets_fini(&fresh);
  else
    *out = fresh;
  return rc;
}

void world_buckets_fini(struct world_buckets *b) {
  for (size_t i = 0; i < b->count; i++)
    world_bucket_fini(&b->items[i]);
  free(b->items);
  memset(b, 0, sizeof(*b));
}

/* --- administration --- */

int world_create_bucket(struct world *w, const char *name, const char *account, const char *region,
                        enum world_ownership ownership) {
  static const struct block_public_access all_on = {true, true, true, true};
  struct account *a;
  struct bucket *b;
  int rc;

  world_lock(w);
  a = world_account_locked(w, account);
  rc = a == NULL ? -ENOENT : world_add_bucket_locked(w, name, a, region, &b);
  if (rc == 0) {
    b->ownership = ownership;
    b->has_bpa = true;
    b->bpa = all_on;
    world_touch_locked(w);
  }
  world_unlock(w);
  return rc;
}

/* Runs `change` on the bucket under the lock and marks the world as changed. */
typedef int (*bucket_change)(struct bucket *b, const void *arg);

static int change_bucket(struct world *w, const char *name, bucket_change change, const void *arg) {
  struct bucket *b;
  int rc;

  world_lock(w);
  b = world_bucket_locked(w, name);
  rc = b == NULL ? -ENOENT : change(b, arg);
  if (rc == 0)
    world_touch_locked(w);
  world_unlock(w);
  return rc;
}

int world_delete_bucket(struct world *w, const char *name) {
  struct bucket *b;

  world_lock(w);
  b = world_bucket_locked(w, name);
  if (b != NULL) {
    world_drop_bucket_locked(w, b);
    world_touch_locked(w);
  }
  world_unlock(w);
  return b == NULL ? -ENOENT : 0;
}

static int set_ownership(struct bucket *b, const void *arg) {
  b->ownership = *(const enum world_ownership *)arg;
  return 0;
}

int world_set_bucket_ownership(struct world *w, const char *name, enum world_ownership o) {
  return change_bucket(w, name, set_ownership, &o);
}

static int set_requester_pays(struct bucket *b, const void *arg) {
  b->requester_pays = *(const bool *)arg;
  return 0;
}

int world_set_bucket_requester_pays(struct world *w, const char *name, bool on) {
  return change_bucket(w, name, set_requester_pays, &on);
}

static int set_bpa(struct bucket *b, const void *arg) {
  static const struct block_public_access none = {false, false, false, false};

  b->has_bpa = arg != NULL;
  b->bpa = arg != NULL ? *(const struct block_public_access *)arg : none;
  return 0;
}

int world_set_bucket_bpa(struct world *w, const char *name, const struct block_public_access *bpa) {
  return change_bucket(w, name, set_bpa, bpa);
}

int world_get_bucket_bpa(struct world *w, const char *name, struct block_public_access *out) {
  const struct bucket *b;
  int rc = -ENOENT;

  world_lock(w);
  b = world_bucket_locked(w, name);
  if (b != NULL)
    rc = b->has_bpa ? 0 : -ENODATA;
  if (rc == 0)
    *out = b->bpa;
  world_unlock(w);
  return rc;
}

/* --- policies --- */

int world_get_bucket_policy(struct world *w, const char *name, struct buf *out) {
  const struct bucket *b;
  int rc = -ENOENT;

  world_lock(w);
  b = world_bucket_locked(w, name);
  if (b != NULL)
    rc = b->policy.text != NULL ? 0 : -ENODATA;
  if (rc == 0) {
    buf_puts(out, b->policy.text);
    rc = buf_error(out);
  }
  world_unlock(w);
  return rc;
}

int world_get_bucket_policy_public(struct world *w, const char *name, bool *out) {
  const struct bucket *b;
  int rc = -ENOENT;

  world_lock(w);
  b = world_bucket_locked(w, name);
  if (b != NULL)
    rc = b->policy.text != NULL ? 0 : -ENODATA;
  if (rc == 0)
    *out = policy_is_public(b->policy.policy);
  world_unlock(w);
  return rc;
}

static int set_policy_locked(struct bucket *b, struct document *fresh) {
  if (fresh->policy != NULL && world_effective_bpa(&b->bpa, b->account).block_policy &&
      policy_is_public(fresh->policy))
    return -EPERM;
  document_fini(&b->policy);
  b->policy = *fresh;
  memset(fresh, 0, sizeof(*fresh));
  return 0;
}

int world_set_bucket_policy(struct world *w, const char *name, const char *text, size_t len,
                            struct buf *why) {
  struct document fresh = {0};
  struct bucket *b;
  int rc = 0;

  if (text != NULL && len > WORLD_POLICY_MAX) {
    buf_puts(why, "Policies are limited to 20480 bytes");
    return -EINVAL;
  }
  if (text != NULL)
    rc = document_set(&fresh, text, len, why);
  if (rc != 0)
    return rc;
  world_lock(w);
  b = world_bucket_locked(w, name);
  rc = b == NULL ? -ENOENT : set_policy_locked(b, &fresh);
  if (rc == 0)
    world_touch_locked(w);
  world_unlock(w);
  document_fini(&fresh);
  return rc;
}
