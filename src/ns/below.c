/* Stores whose contents change as a whole, as when a grant comes or goes.
 *
 * Whatever is known at or below the place that changed is made old, and so are the
 * folders that lead to it, because they may have come or gone with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/ns.h"

struct place {
  uint64_t parent;
  uint64_t ino;
  char *name;
};

struct places {
  struct place *items;
  size_t count;
  size_t room;
};

/* Without memory for it the kernel's knowledge ends by its time to live. */
static void places_add(struct places *p, const struct node *i) {
  if (p->count == p->room) {
    size_t room = p->room != 0 ? p->room * 2 : 64;
    struct place *grown = realloc(p->items, room * sizeof(*grown));

    if (grown == NULL)
      return;
    p->items = grown;
    p->room = room;
  }
  p->items[p->count] =
      (struct place){.parent = i->parent->ino, .ino = i->ino, .name = strdup(i->name)};
  if (p->items[p->count].name != NULL)
    p->count++;
}

static bool is_touched(const struct node *i, const char *key, const char *prefix) {
  return text_has_prefix(key, prefix) || (node_is_dir(i) && text_has_prefix(prefix, key));
}

static void make_old_locked(struct ns *n, struct node *i) {
  if (node_is_dir(i)) {
    i->dir.denied_until = INT64_MIN;
    if (i->dir.listing != NULL)
      i->dir.listing->fresh_until = INT64_MIN;
  }
  if (i->fresh_until != INT64_MAX) {
    i->asof = ns_tick_locked(n);
    i->fresh_until = INT64_MIN;
  }
}

static int visit_locked(struct ns *n, struct node *i, const struct store *s, const char *prefix,
                        bool gone, struct places *p) {
  char *key;

  if (i->root == NULL || i->root->store != s)
    return 0;
  key = node_key_locked(i);
  if (key == NULL)
    return -ENOMEM;
  if (is_touched(i, key, prefix)) {
    make_old_locked(n, i);
    i->lost = gone;
    if (i->nlookup > 0 && i->parent != NULL && i->fresh_until != INT64_MAX)
      places_add(p, i);
  }
  free(key);
  return 0;
}

int ns_changed_below(struct ns *n, const struct store *s, const char *prefix, bool gone,
                     void (*told)(void *arg, uint64_t parent, const char *name, uint64_t ino),
                     void *arg) {
  struct places p = {0};
  int rc = 0;

  mtx_lock(&n->synced.lock);
  for (size_t b = 0; b < n->synced.bucket_count && rc == 0; b++)
    for (struct node *i = n->synced.buckets[b]; i != NULL && rc == 0; i = i->chain)
      rc = visit_locked(n, i, s, prefix, gone, &p);
  absent_forget_locked(n);
  peeks_forget_locked(n);
  mtx_unlock(&n->synced.lock);
  for (size_t k = 0; k < p.count; k++) {
    told(arg, p.items[k].parent, p.items[k].name, p.items[k].ino);
    free(p.items[k].name);
  }
  free(p.items);
  return rc;
}
