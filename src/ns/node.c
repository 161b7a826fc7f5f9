/* The table of nodes.
 *
 * A node's inode number is a hash of its root's path and its key; two that fall
 * together are told apart by counting on from there. A child keeps its parent
 * alive, so a key is found by walking up. A node goes when neither the kernel
 * nor anything inside refers to it: a lookup that comes at the same time either
 * finds it, and counts, or makes it anew. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "s3apfs/base/array.h"
#include "s3apfs/ns/ns.h"

#define FIRST_BUCKETS 1024
#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u
#define INO_MIN 16

static uint64_t hash_bytes(uint64_t h, const char *s, size_t len) {
  for (size_t i = 0; i < len; i++)
    h = (h ^ (unsigned char)s[i]) * FNV_PRIME;
  return h;
}

/* FNV spreads badly in its low bits; positive as a signed number, for old tools. */
static uint64_t hash_to_ino(uint64_t h) {
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdu;
  h ^= h >> 33;
  h &= INT64_MAX;
  return h < INO_MIN ? h + INO_MIN : h;
}

uint64_t node_child_hash(const struct node *parent, const char *name) {
  return hash_bytes(FNV_START ^ parent->ino * FNV_PRIME, name, strlen(name));
}

static uint64_t child_hash(const struct node *parent, const char *name, enum node_kind kind) {
  static const char *const marks[NODE_KINDS] = {[NODE_ABOVE] = "/",
                                                [NODE_DIR] = "/",
                                                [NODE_LINK] = "@",
                                                [NODE_FIFO] = "|",
                                                [NODE_SOCKET] = "="};
  uint64_t h = hash_bytes(parent->dir.hash, name, strlen(name));

  return kind == NODE_FILE ? h : hash_bytes(h, marks[kind], 1);
}

int node_table_new(struct ns *n) {
  n->synced.buckets = calloc(FIRST_BUCKETS, sizeof(struct node *));
  n->synced.bucket_count = FIRST_BUCKETS;
  return n->synced.buckets != NULL ? 0 : -ENOMEM;
}

static void node_free(struct node *i) {
  free(i->posix);
  if (i->name != i->first_name)
    free(i->name);
  if (!node_is_dir(i)) {
    free(i->file.etag);
  } else {
    notes_free_locked(i);
    if (i->dir.listing != NULL)
      listing_unref_locked(i->dir.listing);
  }
  free(i);
}

void node_table_free(struct ns *n) {
  for (size_t b = 0; b < n->synced.bucket_count && n->synced.buckets != NULL; b++) {
    struct node *next;

    for (struct node *i = n->synced.buckets[b]; i != NULL; i = next) {
      next = i->chain;
      node_free(i);
    }
  }
  free(n->synced.buckets);
  free(n->synced.fixed);
  free(n->synced.displaced);
}

static struct node **bucket_locked(struct ns *n, uint64_t ino) {
  return &n->synced.buckets[ino & (n->synced.bucket_count - 1)];
}

/* Without memory for more buckets the chains just get longer. */
static void grow_locked(struct ns *n) {
  size_t old_count = n->synced.bucket_count;
  struct node **old = n->synced.buckets;
  struct node **grown = calloc(old_count * 2, sizeof(struct node *));

  if (grown == NULL)
    return;
  n->synced.buckets = grown;
  n->synced.bucket_count = old_count * 2;
  for (size_t b = 0; b < old_count; b++) {
    struct node *next;

    for (struct node *i = old[b]; i != NULL; i = next) {
      struct node **to = bucket_locked(n, i->ino);

      next = i->chain;
      i->chain = *to;
      *to = i;
    }
  }
  free(old);
}

static void insert_locked(struct ns *n, struct node *i) {
  struct node **b;

  if (n->synced.node_count >= n->synced.bucket_count)
    grow_locked(n);
  b = bucket_locked(n, i->ino);
  i->chain = *b;
  *b = i;
  n->synced.node_count++;
}

static void remove_locked(struct ns *n, struct node *i) {
  struct node **b = bucket_locked(n, i->ino);

  while (*b != i)
    b = &(*b)->chain;
  *b = i->chain;
  n->synced.node_count--;
  for (size_t k = 0; i->displaced && k < n->synced.displaced_count; k++)
    if (n->synced.displaced[k] == i) {
      n->synced.displaced[k] = n->synced.displaced[--n->synced.displaced_count];
      break;
    }
}

struct node *node_find_locked(struct ns *n, uint64_t ino) {
  struct node *i = *bucket_locked(n, ino);

  while (i != NULL && i->ino != ino)
    i = i->chain;
  return i;
}

static bool is_child(const struct node *i, const struct node *parent, const char *name,
                     enum node_kind kind) {
  return i->parent == parent && i->kind == kind && !i->gone && strcmp(i->name, name) == 0;
}

/* The child, or NULL and the inode number it would get. A number that was taken when
 * the child was made may be free now, so those that have another are searched. */
static struct node *probe_locked(struct ns *n, struct node *parent, const char *name,
                                 enum node_kind kind, uint64_t *ino) {
  struct node *i;

  for (size_t k = 0; k < n->synced.displaced_count; k++)
    if (is_child(n->synced.displaced[k], parent, name, kind)) {
      *ino = n->synced.displaced[k]->ino;
      return n->synced.displaced[k];
    }
  *ino = hash_to_ino(child_hash(parent, name, kind));
  i = node_find_locked(n, *ino);
  if (i != NULL && is_child(i, parent, name, kind))
    return i;
  while (node_find_locked(n, *ino) != NULL)
    ++*ino;
  return NULL;
}

uint64_t node_child_ino_locked(struct ns *n, struct node *parent, const char *name,
                               enum node_kind kind) {
  uint64_t ino;

  probe_locked(n, parent, name, kind, &ino);
  return ino;
}

struct node *node_child_locked(struct ns *n, struct node *parent, const char *name,
                               enum node_kind kind) {
  uint64_t ino;

  return probe_locked(n, parent, name, kind, &ino);
}

static struct node *node_new(struct node *parent, const char *name, enum node_kind kind,
                             const struct root *root) {
  size_t len = strlen(name) + 1;
  struct node *i = calloc(1, sizeof(*i) + len);

  if (i == NULL)
    return NULL;
  i->name = i->first_name;
  memcpy(i->name, name, len);
  i->parent = parent;
  i->kind = kind;
  i->root = root;
  i->asof = INT64_MIN;
  i->fresh_until = INT64_MIN;
  if (node_is_dir(i))
    i->dir.denied_until = i->dir.big_until = INT64_MIN;
  if (parent != NULL)
    node_ref_locked(parent);
  return i;
}

static bool note_displaced_locked(struct ns *n, struct node *i) {
  if (array_room(&n->synced.displaced, n->synced.displaced_count, &n->synced.displaced_cap,
                 sizeof(struct node *)) != 0)
    return false;
  n->synced.displaced[n->synced.displaced_count++] = i;
  i->displaced = true;
  return true;
}

struct node *node_make_locked(struct ns *n, struct node *parent, const char *name,
                              enum node_kind kind) {
  uint64_t ino;
  struct node *i = probe_locked(n, parent, name, kind, &ino);

  if (i != NULL)
    return i;
  i = node_new(parent, name, kind, parent->root);
  if (i == NULL)
    return NULL;
  if (ino != hash_to_ino(child_hash(parent, name, kind)) && !note_displaced_locked(n, i)) {
    parent->refs--;
    free(i);
    return NULL;
  }
  i->ino = ino;
  if (node_is_dir(i))
    i->dir.hash = child_hash(parent, name, kind);
  insert_locked(n, i);
  crowd_check_locked(n);
  return i;
}

static uint64_t fixed_hash(const struct node *parent, const char *name, const struct root *root) {
  uint64_t h = parent != NULL ? child_hash(parent, name, NODE_DIR) : FNV_START;

  /* What lies in a root must not depend on what stands above it. */
  if (root != NULL)
    h = hash_bytes(hash_bytes(FNV_START, root->path, strlen(root->path)), "\n", 1);
  return h;
}

/* Places do not move, because open directories count on them. */
static struct node **fixed_slot_locked(struct ns *n) {
  size_t k = 0;
  struct node **grown;

  while (k < n->synced.fixed_count && n->synced.fixed[k] != NULL)
    k++;
  if (k < n->synced.fixed_count)
    return &n->synced.fixed[k];
  grown = realloc(n->synced.fixed, (k + 1) * sizeof(struct node *));
  if (grown == NULL)
    return NULL;
  n->synced.fixed = grown;
  grown[k] = NULL;
  n->synced.fixed_count++;
  return &grown[k];
}

int node_add_fixed_locked(struct ns *n, struct node *parent, const char *name,
                          const struct root *root, struct node **out) {
  struct node **slot = fixed_slot_locked(n);
  struct node *i;

  if (slot == NULL)
    return -ENOMEM;
  i = node_new(parent, name, root != NULL ? NODE_DIR : NODE_ABOVE, root);
  if (i == NULL)
    return -ENOMEM;
  i->refs = 1;
  i->fresh_until = INT64_MAX;
  i->dir.hash = fixed_hash(parent, name, root);
  i->ino = parent == NULL ? NS_ROOT_INO : hash_to_ino(i->dir.hash);
  while (node_find_locked(n, i->ino) != NULL)
    i->ino++;
  insert_locked(n, i);
  *slot = i;
  *out = i;
  return 0;
}

void node_unfix_locked(struct ns *n, struct node *i) {
  size_t k = 0;

  while (n->synced.fixed[k] != i)
    k++;
  n->synced.fixed[k] = NULL;
  node_detach_locked(i);
  node_unref_locked(n, i);
}

bool node_move_locked(struct ns *n, struct node *i, struct node *parent, const char *name) {
  char *copy = strdup(name);
  struct node *old = i->parent;

  if (copy == NULL || (!i->displaced && !note_displaced_locked(n, i))) {
    free(copy);
    return false;
  }
  if (i->name != i->first_name)
    free(i->name);
  i->name = copy;
  i->parent = parent;
  node_ref_locked(parent);
  node_unref_locked(n, old);
  return true;
}

void node_detach_locked(struct node *i) {
  i->gone = true;
  i->fresh_until = INT64_MAX;
}

bool node_is_below_locked(const struct node *i, const struct node *top) {
  while (i != NULL && i != top)
    i = i->parent;
  return i != NULL;
}

void node_each_locked(struct ns *n, void (*fn)(struct node *i, void *arg), void *arg) {
  for (size_t b = 0; b < n->synced.bucket_count; b++)
    for (struct node *i = n->synced.buckets[b]; i != NULL; i = i->chain)
      fn(i, arg);
}

void node_ref_locked(struct node *i) {
  i->refs++;
}

void node_unref_locked(struct ns *n, struct node *i) {
  i->refs--;
  node_settle_locked(n, i);
}

void node_settle_locked(struct ns *n, struct node *i) {
  while (i != NULL && i->refs == 0 && i->nlookup == 0) {
    struct node *parent = i->parent;

    remove_locked(n, i);
    node_free(i);
    if (parent != NULL)
      parent->refs--;
    i = parent;
  }
}

/* The node stands at the top of its root. */
static bool is_top(const struct node *i) {
  return i->parent == NULL || i->parent->root != i->root;
}

char *node_key_locked(const struct node *i) {
  size_t len = 0;
  char *key;
  char *at;

  for (const struct node *j = i; !is_top(j); j = j->parent)
    len += strlen(j->name) + (node_is_dir(j) ? 1 : 0);
  key = malloc(len + 1);
  if (key == NULL)
    return NULL;
  at = key + len;
  *at = '\0';
  for (const struct node *j = i; !is_top(j); j = j->parent) {
    size_t n = strlen(j->name);

    if (node_is_dir(j))
      *--at = '/';
    at -= n;
    memcpy(at, j->name, n);
  }
  return key;
}
