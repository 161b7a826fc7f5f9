/* Access points: unique by name within account and region, and by alias. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "world_free.h"
#include "world_internal.h"

static void free_access_point(struct access_point *p) {
  document_fini(&p->policy);
  free(p->name);
  free(p->region);
  free(p->alias);
  free(p->arn);
  free(p->bucket);
  free(p->bucket_account);
  free(p->vpc);
  free(p->outpost);
  free(p);
}

struct access_point *world_access_point_locked(struct world *w, const char *account,
                                               const char *region, const char *name) {
  struct access_point *p;

  DL_FOREACH (w->synced.access_points, p) {
    if (strcmp(p->name, name) == 0 && strcmp(p->account->id, account) == 0 &&
        (region == NULL || strcmp(p->region, region) == 0))
      return p;
  }
  return NULL;
}

struct access_point *world_access_point_by_arn_locked(struct world *w, const char *arn) {
  struct access_point *p;

  DL_FOREACH (w->synced.access_points, p) {
    if (strcmp(p->arn, arn) == 0)
      return p;
  }
  return NULL;
}

static int by_name(const struct access_point *a, const struct access_point *b) {
  return strcmp(a->name, b->name);
}

int world_add_access_point_locked(struct world *w, struct account *a, const char *region,
                                  const char *name, const char *alias, struct access_point **out) {
  static const struct block_public_access all_on = {true, true, true, true};
  struct access_point *p;

  if (!world_valid_access_point_name(name))
    return -EINVAL;
  if (world_access_point_locked(w, a->id, region, name) != NULL)
    return -EEXIST;
  p = calloc(1, sizeof(*p));
  if (p == NULL)
    return -ENOMEM;
  p->account = a;
  p->bpa = all_on;
  p->created = world_now(w);
  p->name = strdup(name);
  p->region = strdup(region);
  p->alias = alias != NULL ? strdup(alias) : world_make_alias(name, a->id, region, p->created);
  p->arn = text_printf("arn:aws:s3:%s:%s:accesspoint/%s", region, a->id, name);
  if (p->name == NULL || p->region == NULL || p->alias == NULL || p->arn == NULL) {
    free_access_point(p);
    return -ENOMEM;
  }
  DL_INSERT_INORDER(w->synced.access_points, p, by_name);
  *out = p;
  return 0;
}

void world_drop_access_point_locked(struct world *w, struct access_point *p) {
  DL_DELETE(w->synced.access_points, p);
  free_access_point(p);
}

void world_free_access_points(struct world *w) {
  while (w->synced.access_points != NULL)
    world_drop_access_point_locked(w, w->synced.access_points);
}

/* --- copies for the data plane --- */

static int copy_access_point(const struct access_point *p, struct world_access_point *out) {
  out->kind = p->kind;
  out->function = p->function;
  out->name = strdup(p->name);
  out->account = strdup(p->account->id);
  out->region = strdup(p->region);
  out->bucket = strdup(p->bucket);
  out->bucket_account = strdup(p->bucket_account);
  out->alias = strdup(p->alias);
  out->arn = strdup(p->arn);
  out->vpc = p->vpc != NULL ? strdup(p->vpc) : NULL;
  if (out->name == NULL || out->account == NULL || out->region == NULL || out->bucket == NULL ||
      out->bucket_account == NULL || out->alias == NULL || out->arn == NULL ||
      (p->vpc != NULL && out->vpc == NULL))
    return -ENOMEM;
  return 0;
}

static int finish_find(const struct access_point *p, struct world_access_point *out) {
  struct world_access_point fresh = {0};
  int rc = p == NULL ? -ENOENT : copy_access_point(p, &fresh);

  if (rc != 0)
    world_access_point_fini(&fresh);
  else
    *out = fresh;
  return rc;
}

int world_find_access_point(struct world *w, const char *account, const char *region,
                            const char *name, struct world_access_point *out) {
  int rc;

  world_lock(w);
  rc = finish_find(world_access_point_locked(w, account, region, name), out);
  world_unlock(w);
  return rc;
}

int world_find_access_point_by_alias(struct world *w, const char *alias,
                                     struct world_access_point *out) {
  const struct access_point *p;
  int rc;

  world_lock(w);
  DL_FOREACH (w->synced.access_points, p) {
    if (strcmp(p->alias, alias) == 0)
      break;
  }
  rc = finish_find(p, out);
  world_unlock(w);
  return rc;
}

void world_access_point_fini(struct world_access_point *a) {
  free(a->name);
  free(a->account);
  free(a->region);
  free(a->bucket);
  free(a->bucket_account);
  free(a->alias);
  free(a->arn);
  free(a->vpc);
  memset(a, 0, sizeof(*a));
}
