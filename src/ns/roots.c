/* The roots, and the directories above them: fixed nodes, which are there without any
 * store being asked.
 *
 * A root that is hidden loses its name, and so do directories above that lead nowhere
 * else. Its nodes live on for who has them open, under a top that nobody finds; when the
 * root is shown again, that is another node, and what is looked up below it, too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/ns.h"

/* What the kernel is to be told, once the lock is not held: the highest name of a root's
 * path that is new, or gone. */
struct news {
  uint64_t parent;
  uint64_t ino; /* 0: it has nothing of it */
  char name[NS_NAME_MAX + 1];
  bool any;
};

static void news_set(struct news *w, const struct node *parent, const char *name, uint64_t ino) {
  w->parent = parent->ino;
  w->ino = ino;
  memcpy(w->name, name, strlen(name) + 1);
  w->any = true;
}

static void news_tell(struct ns *n, const struct news *w) {
  if (w->any && n->told != NULL)
    n->told(n->told_arg, w->parent, w->name, w->ino);
}

struct node *root_child_locked(struct ns *n, const struct node *parent, const char *name) {
  for (size_t k = 0; k < n->synced.fixed_count; k++) {
    struct node *i = n->synced.fixed[k];

    if (i != NULL && i->parent == parent && strcmp(i->name, name) == 0)
      return i;
  }
  return NULL;
}

/* One name of a root's path; root is NULL but for the last. */
static int add_step_locked(struct ns *n, struct node **at, const char *name, size_t len,
                           const struct root *root, struct news *w) {
  char copy[NS_NAME_MAX + 1];
  struct node *i;
  int rc = 0;

  memcpy(copy, name, len);
  copy[len] = '\0';
  i = root_child_locked(n, *at, copy);
  if (i == NULL) {
    rc = node_add_fixed_locked(n, *at, copy, root, &i);
    if (rc == 0 && !w->any)
      news_set(w, *at, copy, 0);
  }
  if (rc == 0)
    *at = i;
  return rc;
}

static int add_path_locked(struct ns *n, struct node **at, const struct root *r, struct news *w) {
  const char *path = r->path;
  int rc = 0;

  *at = node_find_locked(n, NS_ROOT_INO);
  while (rc == 0 && *path != '\0') {
    size_t len = strcspn(path, "/");
    bool last = path[len] == '\0';

    rc = add_step_locked(n, at, path, len, last ? r : NULL, w);
    path += len + (last ? 0 : 1);
  }
  return rc;
}

/* Directories from `i` upwards that lead to nothing lose their names. The highest is told. */
static void drop_above_locked(struct ns *n, struct node *i, struct news *w) {
  while (i->parent != NULL) {
    struct node *parent = i->parent;

    for (size_t k = 0; k < n->synced.fixed_count; k++)
      if (n->synced.fixed[k] != NULL && n->synced.fixed[k]->parent == i)
        return;
    news_set(w, parent, i->name, i->ino);
    node_unfix_locked(n, i);
    i = parent;
  }
}

static int state_grow_locked(struct ns *n, size_t count) {
  struct root_state *grown;

  if (count <= n->synced.root_count)
    return 0;
  grown = realloc(n->synced.roots, count * sizeof(*grown));
  if (grown == NULL)
    return -ENOMEM;
  memset(&grown[n->synced.root_count], 0, (count - n->synced.root_count) * sizeof(*grown));
  n->synced.roots = grown;
  n->synced.root_count = count;
  return 0;
}

int ns_show_root(struct ns *n, const struct root *r) {
  struct news w = {.any = false};
  struct node *at = NULL;
  struct posix kept;
  bool has_kept = memo_find(n, r, "", &kept); /* what an earlier mount did in it */
  int rc;

  mtx_lock(&n->synced.lock);
  rc = state_grow_locked(n, r->index + 1);
  if (rc == 0)
    rc = add_path_locked(n, &at, r, &w);
  if (rc == 0)
    folder_restore_locked(n, at, has_kept ? &kept : NULL);
  else if (at != NULL && at->kind == NODE_ABOVE)
    drop_above_locked(n, at, &w);
  mtx_unlock(&n->synced.lock);
  news_tell(n, &w);
  return rc;
}

static struct node *top_locked(struct ns *n, const struct root *r) {
  for (size_t k = 0; k < n->synced.fixed_count; k++)
    if (n->synced.fixed[k] != NULL && n->synced.fixed[k]->root == r)
      return n->synced.fixed[k];
  return NULL;
}

void ns_show_first(struct ns *n, const struct root *r, const struct store_page *first,
                   int64_t asked_ms) {
  struct page *page;
  struct node *top;

  if (r->options.escaped || page_new(first, "", &page) != 0)
    return;
  memo_fill(n, r, "", page);
  mtx_lock(&n->synced.lock);
  top = top_locked(n, r);
  if (top != NULL)
    peeks_put_locked(n, top, page, ns_tick_locked(n), asked_ms + r->options.metadata_ttl_ms, false);
  mtx_unlock(&n->synced.lock);
  if (top == NULL)
    page_free(page);
}

void ns_hide_root(struct ns *n, const struct root *r) {
  struct news w = {.any = false};
  struct node *top;

  mtx_lock(&n->synced.lock);
  peeks_forget_locked(n);
  top = top_locked(n, r);
  if (top != NULL && top->parent != NULL)
    drop_above_locked(n, top, &w);
  mtx_unlock(&n->synced.lock);
  news_tell(n, &w);
}

int roots_new(struct ns *n, const struct catalog *c) {
  const struct root *whole = c->count == 1 && c->roots[0]->path[0] == '\0' ? c->roots[0] : NULL;
  struct node *top;
  int rc;

  mtx_lock(&n->synced.lock);
  rc = node_add_fixed_locked(n, NULL, "", whole, &top);
  mtx_unlock(&n->synced.lock);
  for (size_t k = 0; rc == 0 && k < c->count; k++)
    rc = ns_show_root(n, c->roots[k]);
  return rc;
}

bool ns_is_retired(struct ns *n, uint64_t ino) {
  const struct node *i;
  bool retired;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  retired = i != NULL && node_is_retired(i);
  mtx_unlock(&n->synced.lock);
  return retired;
}
