/* Own changes: made, removed, moved, stored.
 *
 * Each leaves a note in the directory, stamps the node with a new tick so that
 * answers asked for before do not count, and forgets absences. A node whose name
 * is taken away is detached: it lives on for the kernel and for handles, without a
 * name, and keeps what was known. */
#include "s3apfs/ns/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/ns.h"

#define KEEP_FILE ".s3keep"

static enum node_kind kind_of(enum ns_type type) {
  static const enum node_kind kinds[] = {[NS_FILE] = NODE_FILE,
                                         [NS_DIR] = NODE_DIR,
                                         [NS_LINK] = NODE_LINK,
                                         [NS_FIFO] = NODE_FIFO,
                                         [NS_SOCKET] = NODE_SOCKET};

  return kinds[type];
}

static enum ns_type type_of(const struct node *i) {
  static const enum ns_type types[NODE_KINDS] = {
      [NODE_ABOVE] = NS_DIR, [NODE_DIR] = NS_DIR,   [NODE_FILE] = NS_FILE,
      [NODE_LINK] = NS_LINK, [NODE_FIFO] = NS_FIFO, [NODE_SOCKET] = NS_SOCKET};

  return types[i->kind];
}

int ns_place(struct ns *n, uint64_t parent, const char *name, const struct root **root,
             char **key) {
  struct node *dir;
  char *above = NULL;
  int rc = name_check(name, strlen(name));

  if (rc != 0)
    return rc;
  mtx_lock(&n->synced.lock);
  dir = node_find_locked(n, parent);
  if (dir == NULL || (dir->gone && !node_is_retired(dir)))
    rc = -ESTALE;
  else if (node_is_retired(dir))
    rc = -ENOENT;
  else if (!node_is_dir(dir))
    rc = -ENOTDIR;
  else if (dir->kind == NODE_ABOVE)
    rc = -EROFS;
  else if (strcmp(name, KEEP_FILE) == 0)
    rc = -EPERM;
  if (rc == 0) {
    above = node_key_locked(dir);
    *root = dir->root;
  }
  mtx_unlock(&n->synced.lock);
  if (rc != 0)
    return rc;
  if (above != NULL && strlen(above) + strlen(name) > ns_key_max(*root))
    rc = -ENAMETOOLONG;
  else
    *key = above != NULL ? text_printf("%s%s", above, name) : NULL;
  free(above);
  if (rc == 0 && *key == NULL)
    rc = -ENOMEM;
  return rc;
}

/* --- what stands there --------------------------------------------------------------- */

static int fill_child_locked(struct node *i, struct ns_child *out) {
  struct ns_child c = {
      .ino = i->ino, .type = type_of(i), .root = i->root, .local = i->local, .own = i->own};

  c.key = node_key_locked(i);
  if (c.key == NULL)
    return -ENOMEM;
  if (i->posix != NULL)
    c.posix = *i->posix;
  c.has_posix = i->posix != NULL;
  if (node_is_dir(i)) {
    c.marker = i->marker;
  } else {
    c.attr.size = i->file.size;
    c.attr.mtime = i->file.mtime;
    c.attr.archived = i->archived;
    if (i->file.etag != NULL)
      memcpy(c.attr.etag, i->file.etag, strlen(i->file.etag) + 1);
  }
  node_ref_locked(i);
  *out = c;
  return 0;
}

int ns_child_of(struct ns *n, uint64_t ino, const struct patience *p, struct ns_child *out) {
  struct node *i;
  int rc = -ESTALE;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL) {
    node_ref_locked(i);
    rc = find_refresh_locked(n, i, p);
    if (rc == 0 && i->gone)
      rc = -ENOENT;
    if (rc == 0)
      rc = fill_child_locked(i, out);
    node_unref_locked(n, i);
  }
  mtx_unlock(&n->synced.lock);
  return rc;
}

int ns_child_get(struct ns *n, uint64_t parent, const char *name, const struct patience *p,
                 struct ns_child *out) {
  struct ns_attr a;
  int rc = ns_lookup(n, parent, name, p, &a);

  if (rc != 0)
    return rc;
  rc = ns_child_of(n, a.ino, p, out);
  ns_forget(n, a.ino, 1);
  return rc;
}

void ns_child_fini(struct ns *n, struct ns_child *c) {
  if (c->key == NULL)
    return;
  ns_release(n, c->ino);
  free(c->key);
  c->key = NULL;
}

/* --- nodes ---------------------------------------------------------------------------- */

static bool set_posix(struct node *i, const struct posix *posix) {
  struct posix *p = posix != NULL ? malloc(sizeof(*p)) : NULL;

  if (posix != NULL && p == NULL)
    return false;
  if (p != NULL)
    *p = *posix;
  free(i->posix);
  i->posix = p;
  i->whole = p != NULL;
  return true;
}

/* The store has this version, or (attr NULL) will have one. */
static bool set_version_locked(struct ns *n, struct node *i, const struct store_attr *attr) {
  char *etag;

  metadata_drop_locked(n, i);
  if (attr == NULL) {
    i->local = true;
    i->asof = ns_tick_locked(n);
    i->fresh_until = INT64_MAX;
    return true;
  }
  etag = strdup(attr->etag);
  if (etag == NULL)
    return false;
  free(i->file.etag);
  i->file.etag = etag;
  i->file.size = attr->size;
  i->file.mtime = attr->mtime;
  i->archived = attr->archived;
  i->crc_kind = (uint8_t)attr->crc_kind;
  i->file.crc = attr->crc;
  i->local = false;
  i->asof = ns_tick_locked(n);
  i->fresh_until = ns_now(n) + i->root->options.metadata_ttl_ms;
  return true;
}

/* Whatever has the name loses it. */
static void take_name_locked(struct ns *n, struct node *dir, const char *name,
                             const struct node *but) {
  for (int kind = NODE_DIR; kind < NODE_KINDS; kind++) {
    struct node *i = node_child_locked(n, dir, name, kind);

    if (i == NULL || i == but)
      continue;
    if (i->kind == NODE_DIR)
      listing_forget_locked(n, i, true);
    folder_forget_locked(n, i);
    node_detach_locked(i);
    node_settle_locked(n, i);
  }
}

static struct node *parent_locked(struct ns *n, uint64_t ino) {
  struct node *dir = node_find_locked(n, ino);

  return dir != NULL && dir->kind == NODE_DIR ? dir : NULL;
}

/* A directory that was made has its times from now on. */
static void date_made_locked(const struct ns *n, struct node *i) {
  if (i->kind != NODE_DIR || i->posix == NULL)
    return;
  i->posix->has_ctime = true;
  i->posix->ctime_ns = i->posix->has_mtime ? i->posix->mtime_ns : clock_wall_ms(n->clock) * 1000000;
}

static int make_locked(struct ns *n, struct node *dir, const char *name, const struct ns_made *m,
                       struct ns_attr *out, struct memo memos[2]) {
  struct node *i;

  take_name_locked(n, dir, name, NULL);
  i = node_make_locked(n, dir, name, kind_of(m->type));
  if (i == NULL)
    return -ENOMEM;
  node_ref_locked(i);
  if (!set_posix(i, m->posix) || (m->type != NS_DIR && !set_version_locked(n, i, m->attr))) {
    node_unref_locked(n, i);
    return -ENOMEM;
  }
  i->own = true;
  if (m->type == NS_DIR) {
    i->marker = true;
    listing_seed_locked(n, i);
    i->asof = ns_tick_locked(n);
    i->fresh_until = ns_now(n) + i->root->options.metadata_ttl_ms;
  }
  notes_put_locked(n, dir, name, i->kind, true);
  absent_drop_locked(n, node_child_hash(dir, name));
  date_made_locked(n, i);
  memo_take_locked(n, i, &memos[0]);
  folder_keep_locked(n, i, true, &memos[0]);
  folder_touch_locked(n, dir, &memos[1]);
  if (out != NULL) {
    i->nlookup++;
    node_attr_locked(n, i, out);
  }
  node_unref_locked(n, i);
  return 0;
}

int ns_made(struct ns *n, uint64_t parent, const char *name, const struct ns_made *m,
            struct ns_attr *out) {
  struct memo memos[2] = {0};
  struct node *dir;
  int rc = -ESTALE;

  mtx_lock(&n->synced.lock);
  dir = parent_locked(n, parent);
  if (dir != NULL) {
    node_ref_locked(dir);
    rc = make_locked(n, dir, name, m, out, memos);
    node_unref_locked(n, dir);
  }
  mtx_unlock(&n->synced.lock);
  memo_keep(n, &memos[0]);
  memo_keep(n, &memos[1]);
  shelving_flush(n);
  return rc;
}

static void remove_locked(struct ns *n, struct node *dir, const char *name) {
  notes_put_locked(n, dir, name, NODE_FILE, false);
  absent_put_locked(n, node_child_hash(dir, name), -ENOENT, ns_tick_locked(n),
                    dir->root->options.negative_ttl_ms);
}

static void forget_key(struct ns *n, const struct root *root, const char *above, const char *name,
                       bool folder) {
  char *key = text_printf("%s%s%s", above, name, folder ? "/" : "");

  if (key != NULL)
    memo_drop(n, root, key);
  free(key);
}

void ns_removed(struct ns *n, uint64_t parent, const char *name) {
  const struct root *root = NULL;
  struct memo memo = {0};
  struct node *dir;
  char *above = NULL;
  bool folder = false;

  mtx_lock(&n->synced.lock);
  dir = parent_locked(n, parent);
  if (dir != NULL) {
    node_ref_locked(dir);
    folder = node_child_locked(n, dir, name, NODE_DIR) != NULL;
    take_name_locked(n, dir, name, NULL);
    remove_locked(n, dir, name);
    folder_touch_locked(n, dir, &memo);
    root = dir->root;
    above = node_key_locked(dir);
    node_unref_locked(n, dir);
  }
  mtx_unlock(&n->synced.lock);
  memo_keep(n, &memo);
  if (above != NULL)
    forget_key(n, root, above, name, folder);
  shelving_flush(n);
  free(above);
}

/* --- moves ----------------------------------------------------------------------------- */

struct subtree {
  struct ns *ns;
  struct node *top;
};

/* Copies have other etags; what is not in the store yet stays as it is. */
static void expire_below(struct node *i, void *arg) {
  const struct subtree *s = arg;

  if (i->gone || !node_is_below_locked(i, s->top))
    return;
  if (node_is_dir(i) || i->local)
    return;
  i->asof = ns_tick_locked(s->ns);
  i->fresh_until = INT64_MIN;
}

/* What a move leaves to be remembered: the node, and where it was and is. */
struct moved_memos {
  struct memo self;
  struct memo from;
  struct memo to;
};

static void moved_memos_keep(struct ns *n, struct moved_memos *m) {
  memo_keep(n, &m->self);
  memo_keep(n, &m->from);
  memo_keep(n, &m->to);
}

/* The node has its new place; `old` is where it was. */
static void date_moved_locked(struct ns *n, struct node *i, struct node *old,
                              struct moved_memos *m) {
  memo_take_locked(n, i, &m->self);
  if (i->kind == NODE_DIR && i->posix != NULL) {
    i->posix->has_ctime = true;
    i->posix->ctime_ns = clock_wall_ms(n->clock) * 1000000;
    folder_keep_locked(n, i, true, &m->self);
  }
  folder_touch_locked(n, old, &m->from);
  if (i->parent != old)
    folder_touch_locked(n, i->parent, &m->to);
}

static int settle_moved_locked(struct ns *n, struct node *i, const struct store_attr *attr) {
  struct subtree below = {.ns = n, .top = i};

  if (i->kind != NODE_DIR)
    return set_version_locked(n, i, attr) ? 0 : -ENOMEM;
  listing_forget_locked(n, i, true);
  listing_moved_locked(n, i);
  /* Absences go by inode numbers, and another folder may get the number of one that moved. */
  absent_forget_locked(n);
  shelving_reshaped_locked(n, i->root);
  node_each_locked(n, expire_below, &below);
  i->asof = ns_tick_locked(n);
  i->fresh_until = ns_now(n) + i->root->options.metadata_ttl_ms;
  return 0;
}

static int move_locked(struct ns *n, struct node *i, struct node *dir, const char *name,
                       const struct store_attr *attr, struct moved_memos *memos) {
  struct node *old = i->parent;
  char *old_name = strdup(i->name);
  int rc = -ENOMEM;

  node_ref_locked(old);
  if (old_name != NULL) {
    take_name_locked(n, dir, name, i);
    folder_forget_locked(n, i);
    if (node_move_locked(n, i, dir, name)) {
      remove_locked(n, old, old_name);
      notes_put_locked(n, dir, name, i->kind, true);
      absent_drop_locked(n, node_child_hash(dir, name));
      rc = settle_moved_locked(n, i, attr);
      date_moved_locked(n, i, old, memos);
    }
  }
  node_unref_locked(n, old);
  free(old_name);
  return rc;
}

int ns_moved(struct ns *n, uint64_t ino, uint64_t parent, const char *name,
             const struct store_attr *attr) {
  struct moved_memos memos = {0};
  struct node *dir;
  struct node *i;
  int rc = -ESTALE;

  mtx_lock(&n->synced.lock);
  dir = parent_locked(n, parent);
  i = node_find_locked(n, ino);
  if (dir != NULL && i != NULL && i->parent != NULL) {
    node_ref_locked(dir);
    node_ref_locked(i);
    memo_take_from_locked(i, &memos.self);
    rc = move_locked(n, i, dir, name, attr, &memos);
    node_unref_locked(n, i);
    node_unref_locked(n, dir);
  }
  mtx_unlock(&n->synced.lock);
  moved_memos_keep(n, &memos);
  shelving_flush(n);
  return rc;
}

static int swap_locked(struct ns *n, struct node *a, const struct store_attr *attr_a,
                       struct node *b, const struct store_attr *attr_b,
                       struct moved_memos memos[2]) {
  struct node *dir_a = a->parent;
  char *name_a = strdup(a->name);
  char *name_b = strdup(b->name);
  int rc = -ENOMEM;

  node_ref_locked(dir_a);
  folder_forget_locked(n, a);
  folder_forget_locked(n, b);
  if (name_a != NULL && name_b != NULL && node_move_locked(n, a, b->parent, name_b)) {
    if (!node_move_locked(n, b, dir_a, name_a))
      node_detach_locked(b); /* it is found again by its name */
    notes_put_locked(n, a->parent, name_b, a->kind, true);
    notes_put_locked(n, dir_a, name_a, b->kind, true);
    rc = settle_moved_locked(n, a, attr_a);
    if (rc == 0 && !b->gone)
      rc = settle_moved_locked(n, b, attr_b);
    date_moved_locked(n, a, dir_a, &memos[0]);
    date_moved_locked(n, b, b->parent, &memos[1]);
  }
  node_unref_locked(n, dir_a);
  free(name_a);
  free(name_b);
  return rc;
}

int ns_swapped(struct ns *n, uint64_t a, const struct store_attr *attr_a, uint64_t b,
               const struct store_attr *attr_b) {
  struct moved_memos memos[2] = {0};
  struct node *i;
  struct node *j;
  int rc = -ESTALE;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, a);
  j = node_find_locked(n, b);
  if (i != NULL && j != NULL && i->parent != NULL && j->parent != NULL) {
    node_ref_locked(i);
    node_ref_locked(j);
    rc = swap_locked(n, i, attr_a, j, attr_b, memos);
    node_unref_locked(n, j);
    node_unref_locked(n, i);
  }
  mtx_unlock(&n->synced.lock);
  moved_memos_keep(n, &memos[0]);
  moved_memos_keep(n, &memos[1]);
  shelving_flush(n);
  return rc;
}
