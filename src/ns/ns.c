/* Life of the tree, and the calls on single nodes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/ns.h"

#define DEFAULT_THREADS 32
#define AHEAD_THREADS 16           /* half of them for walks (walks.c) */
#define ABOVE_NEGATIVE_TTL_MS 1000 /* the catalog may be another after a reload */

static int ns_init(struct ns *n, const struct catalog *c, const struct ns_options *o) {
  int rc = node_table_new(n);

  if (rc == 0)
    rc = absent_new(n);
  if (rc == 0)
    rc = peeks_new(n);
  if (rc == 0)
    rc = walks_new(n);
  if (rc == 0)
    rc = metadata_new(n);
  if (rc == 0)
    rc = roots_new(n, c);
  if (rc == 0)
    rc = pool_new("ns", o->threads != 0 ? o->threads : DEFAULT_THREADS, &n->pool);
  if (rc == 0)
    rc = pool_new("ns-ahead", AHEAD_THREADS, &n->ahead);
  if (rc == 0 && n->shelf != NULL)
    rc = pool_new("ns-shelver", 1, &n->shelver);
  return rc;
}

int ns_new(const struct catalog *c, const struct ns_options *o, struct ns **out) {
  struct ns *n;
  int rc;

  if (c->count == 0)
    return -EINVAL;
  n = calloc(1, sizeof(*n));
  if (n == NULL)
    return -ENOMEM;
  n->first = c->roots[0];
  n->clock = o->clock != NULL ? o->clock : &clock_system;
  n->budget = o->budget;
  n->state = o->state;
  n->shelf = o->shelf;
  n->told = o->told;
  n->told_arg = o->told_arg;
  n->names_limit = o->names;
  n->made_ms = clock_wall_ms(n->clock);
  n->mount_time = n->made_ms / 1000;
  mtx_init(&n->synced.lock, RANK_NS);
  cond_init(&n->synced.loaded);
  rc = ns_init(n, c, o);
  if (rc != 0) {
    ns_free(n);
    return rc;
  }
  *out = n;
  return 0;
}

void ns_free(struct ns *n) {
  if (n == NULL)
    return;
  mtx_lock(&n->synced.lock);
  n->synced.ending = true;
  mtx_unlock(&n->synced.lock);
  pool_free(n->shelver);
  pool_free(n->ahead);
  pool_free(n->pool);
  n->told = NULL;
  shelving_flush(n);
  folders_free(n);
  node_table_free(n);
  free(n->synced.roots);
  free(n->synced.absent);
  peeks_free(n);
  walks_free(n);
  metadata_free(n);
  cond_fini(&n->synced.loaded);
  mtx_fini(&n->synced.lock);
  free(n);
}

int64_t ns_negative_ttl(struct ns *n, uint64_t parent) {
  int64_t ttl = ABOVE_NEGATIVE_TTL_MS;
  const struct node *dir;

  mtx_lock(&n->synced.lock);
  dir = node_find_locked(n, parent);
  if (dir != NULL && dir->root != NULL)
    ttl = dir->root->options.negative_ttl_ms;
  mtx_unlock(&n->synced.lock);
  return ttl;
}

void ns_forget(struct ns *n, uint64_t ino, uint64_t count) {
  struct node *i;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL) {
    i->nlookup -= count < i->nlookup ? count : i->nlookup;
    node_settle_locked(n, i);
  }
  mtx_unlock(&n->synced.lock);
}

int ns_hold(struct ns *n, uint64_t ino) {
  struct node *i;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL)
    node_ref_locked(i);
  mtx_unlock(&n->synced.lock);
  return i != NULL ? 0 : -ESTALE;
}

void ns_release(struct ns *n, uint64_t ino) {
  struct node *i;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL)
    node_unref_locked(n, i);
  mtx_unlock(&n->synced.lock);
}

int ns_use_fresh(struct ns *n, uint64_t ino, const struct patience *p,
                 int (*use)(struct ns *n, struct node *i, void *out), void *out) {
  struct node *i;
  int rc;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i == NULL) {
    mtx_unlock(&n->synced.lock);
    return -ESTALE;
  }
  node_ref_locked(i);
  rc = find_refresh_locked(n, i, p);
  if (rc == 0)
    i->lost = false;
  else if (rc == -ENOENT && i->lost)
    rc = -EACCES;
  if (rc == 0)
    rc = use(n, i, out);
  node_unref_locked(n, i);
  mtx_unlock(&n->synced.lock);
  return rc;
}

static int use_attr(struct ns *n, struct node *i, void *out) {
  node_attr_locked(n, i, out);
  return 0;
}

int ns_getattr(struct ns *n, uint64_t ino, const struct patience *p, struct ns_attr *out) {
  return ns_use_fresh(n, ino, p, use_attr, out);
}

/* How long the kernel may take from a look-up to the open that it was for. */
#define SAME_CALL_MS 2

static bool just_told_locked(const struct ns *n, const struct node *i) {
  const struct told *t = &n->synced.told;

  return t->ino == i->ino && t->asof == i->asof && ns_now(n) - t->at <= SAME_CALL_MS;
}

static int use_object(struct ns *n, struct node *i, void *out) {
  struct ns_object o = {.root = i->root, .just_told = just_told_locked(n, i)};

  if (node_is_dir(i))
    return -EISDIR;
  if (i->file.etag == NULL) /* never stored, and removed since it was looked up */
    return -ESTALE;
  o.key = node_key_locked(i);
  if (o.key == NULL)
    return -ENOMEM;
  o.attr.size = i->file.size;
  o.attr.mtime = i->file.mtime;
  o.attr.archived = i->archived;
  o.attr.denied = i->denied;
  o.attr.crc_kind = (enum crc_kind)i->crc_kind;
  o.attr.crc = i->file.crc;
  memcpy(o.attr.etag, i->file.etag, strlen(i->file.etag) + 1);
  *(struct ns_object *)out = o;
  return 0;
}

int ns_get_object(struct ns *n, uint64_t ino, const struct patience *p, struct ns_object *out) {
  return ns_use_fresh(n, ino, p, use_object, out);
}

void ns_object_fini(struct ns_object *o) {
  free(o->key);
  o->key = NULL;
}

int ns_get_key(struct ns *n, uint64_t ino, const struct root **root, char **key) {
  struct node *i;
  char *k = NULL;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL)
    k = node_key_locked(i);
  if (k != NULL) {
    *root = i->root;
    *key = k;
  }
  mtx_unlock(&n->synced.lock);
  if (i == NULL)
    return -ESTALE;
  return k != NULL ? 0 : -ENOMEM;
}

bool ns_has_name(struct ns *n, uint64_t ino) {
  const struct node *i;
  bool has;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  has = i != NULL && !i->gone;
  mtx_unlock(&n->synced.lock);
  return has;
}

void ns_expire(struct ns *n, uint64_t ino, int err) {
  struct node *i;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL && i->fresh_until != INT64_MAX && !i->local) {
    i->asof = ns_tick_locked(n);
    i->fresh_until = INT64_MIN;
    if (err == -ENOENT)
      absent_put_locked(n, node_child_hash(i->parent, i->name), err, i->asof,
                        i->root->options.negative_ttl_ms);
  }
  mtx_unlock(&n->synced.lock);
}

static uint64_t hidden_locked(struct ns *n) {
  uint64_t hidden = 0;

  for (const struct listing *l = n->synced.listings; l != NULL; l = l->next)
    for (size_t k = 0; k < l->count; k++)
      hidden += l->slots[k].odd + (l->dir->root->options.escaped ? 0 : l->slots[k].hidden);
  return hidden;
}

void ns_stats(struct ns *n, struct ns_stats *out) {
  mtx_lock(&n->synced.lock);
  *out = (struct ns_stats){.nodes = n->synced.node_count,
                           .listings = n->synced.listing_count,
                           .listing_bytes = n->synced.listing_bytes,
                           .hidden = hidden_locked(n),
                           .heads = atomic_load(&n->heads),
                           .lists = atomic_load(&n->lists)};
  mtx_unlock(&n->synced.lock);
}

bool ns_root_unlistable(struct ns *n, const struct root *r) {
  const struct root_state *s;
  bool unlistable;

  mtx_lock(&n->synced.lock);
  s = &n->synced.roots[r->index];
  unlistable = !s->listed && s->denied > 0;
  mtx_unlock(&n->synced.lock);
  return unlistable;
}
