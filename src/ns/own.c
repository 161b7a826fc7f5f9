/* What this mount makes itself: files that have no object yet, and new versions.
 *
 * A file that was created here is a node that nothing has to confirm: it stays
 * fresh until its object is there, or until somebody else's took the name. Listings
 * that were asked for before do not know of it, so its folder is listed anew. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ns.h"

#define KEY_MAX 1024 /* bytes; S3's limit */
/* Longer than any mount, but not the mark of nodes that are never forgotten. */
#define UNCONFIRMED (INT64_MAX - 1)

static void expire_listing_locked(struct node *dir) {
  if (dir->dir.listing != NULL)
    dir->dir.listing->fresh_until = INT64_MIN;
}

static int begin_locked(struct ns *n, struct node *dir, const char *name, struct ns_object *object,
                        struct ns_attr *attr) {
  struct store_attr none = {.mtime = clock_wall_ms(n->clock) / 1000};
  struct node *i = node_make_locked(n, dir, name, NODE_FILE);

  if (i == NULL || !node_update_locked(i, &none, NULL, ns_tick_locked(n), UNCONFIRMED)) {
    if (i != NULL)
      node_settle_locked(n, i);
    return -ENOMEM;
  }
  object->root = dir->root;
  object->attr = none;
  object->key = node_key_locked(i);
  if (object->key == NULL || strlen(object->key) > KEY_MAX) {
    int rc = object->key == NULL ? -ENOMEM : -ENAMETOOLONG;

    i->fresh_until = INT64_MIN;
    ns_object_fini(object);
    node_settle_locked(n, i);
    return rc;
  }
  absent_drop_locked(n, node_child_hash(dir, name));
  i->nlookup++;
  node_attr_locked(n, i, attr);
  return 0;
}

int ns_begin_file(struct ns *n, uint64_t parent, const char *name, struct ns_object *object,
                  struct ns_attr *attr) {
  struct node *dir;
  int rc = name_check(name, strlen(name));

  if (rc != 0)
    return rc;
  mtx_lock(&n->synced.lock);
  dir = node_find_locked(n, parent);
  if (dir == NULL)
    rc = -ESTALE;
  else if (dir->kind != NODE_DIR)
    rc = dir->kind == NODE_ABOVE ? -EROFS : -ENOTDIR;
  if (rc == 0)
    rc = begin_locked(n, dir, name, object, attr);
  mtx_unlock(&n->synced.lock);
  return rc;
}

void ns_own_object(struct ns *n, uint64_t ino, const struct store_attr *attr) {
  struct node *i;
  bool ok = true;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL && i->kind == NODE_FILE) {
    int64_t until = ns_now(n) + i->root->options.metadata_ttl_ms;

    ok = node_update_locked(i, attr, NULL, ns_tick_locked(n), until);
    absent_drop_locked(n, node_child_hash(i->parent, i->name));
    expire_listing_locked(i->parent);
  }
  mtx_unlock(&n->synced.lock);
  if (!ok)
    ns_expire(n, ino, -ESTALE);
}
