/* Walks through large folders: who opens one folder after the other, in the order of the listing
 * above, finds the first pages of the next ones here.
 *
 * Folders of which many fit a page come from flat LISTs (flat.c). Of larger ones each is listed by
 * itself, and `find`, os.walk() or a loader of a data set with a folder for each class would wait
 * a round trip for every one of them. As many are asked for ahead, side by side, as were opened in
 * turn, AHEAD_MAX at most: who stops early has asked for no more than twice as many as he saw.
 *
 * The listing of a folder goes with its node. The kernel may not know those ahead yet, so the
 * latest of them are held here. A store whose keys need credentials of their own, by prefix, is
 * never asked ahead: a folder that nobody opens must not fetch any.
 *
 * Everything here is under the tree's lock but the loads, on threads of n->ahead. */
#include <errno.h>
#include <stdlib.h>

#include "listing_internal.h"

#define WALKS 8 /* at a time: who descends has one at each depth */
#define AHEAD_MAX 8
#define HELD (2 * AHEAD_MAX * WALKS)
#define NEAR 16                  /* places in the listing: there may be files between folders */
#define ROOM ((size_t)512 << 10) /* of the pages of one folder, about */
#define LIMIT_MS 60000

struct walk {
  uint64_t dir; /* whose folders are opened; 0: none */
  int64_t listing;
  uint32_t index; /* of the last one */
  unsigned run;   /* opened in turn before it */
  uint64_t turn;
};

struct walks {
  struct walk items[WALKS];
  uint64_t turn;
  struct node *held[HELD]; /* NULL: none */
  unsigned next_held;
};

int walks_new(struct ns *n) {
  n->synced.walks = calloc(1, sizeof(*n->synced.walks));
  return n->synced.walks != NULL ? 0 : -ENOMEM;
}

void walks_free(struct ns *n) {
  free(n->synced.walks);
}

static void hold_locked(struct ns *n, struct node *dir) {
  struct walks *w = n->synced.walks;
  struct node **place = &w->held[w->next_held++ % HELD];
  struct node *before = *place;

  node_ref_locked(dir);
  *place = dir;
  if (before != NULL)
    node_unref_locked(n, before);
}

/* --- asking --- */

static void load(void *arg) {
  struct listing *l = arg;
  struct node *dir = l->dir;
  struct ns *n = l->ns;
  struct patience p = {.deadline_mono_ms = clock_mono_ms(&clock_system) + LIMIT_MS};

  mtx_lock(&n->synced.lock);
  /* A failure is told to those who wait for it by then; later ones ask again. */
  if (l->cached && !n->synced.ending)
    listing_load_locked(l, 0, true, &p);
  listing_unref_locked(l);
  node_unref_locked(n, dir);
  mtx_unlock(&n->synced.lock);
}

static bool is_wanted_locked(struct ns *n, const struct node *dir) {
  const struct listing *l = dir->dir.listing;

  return !dir->gone && dir->dir.notes == NULL && dir->dir.denied_until <= ns_now(n) &&
         (l == NULL || (!l->restored && listing_fresh_locked(n, dir) == NULL));
}

static void ask_locked(struct ns *n, struct node *dir) {
  struct listing *l = is_wanted_locked(n, dir) ? listing_new_locked(n, dir) : NULL;

  if (l == NULL)
    return;
  if (pool_submit(n->ahead, load, l) != 0) {
    listing_uncache_locked(l);
    listing_unref_locked(l);
    return;
  }
  node_ref_locked(dir);
  hold_locked(n, dir);
}

static bool has_room_locked(const struct ns *n, unsigned count) {
  return budget_used(n->budget) + count * ROOM <= budget_size(n->budget) / 2;
}

/* The next `count` folders behind that place. */
static void ask_next_locked(struct ns *n, struct listing *above, uint32_t index, unsigned count) {
  uint32_t end = index + NEAR * count;

  if (!has_room_locked(n, count))
    return;
  for (index++; count > 0 && index < end; index++) {
    const struct item *it = siblings_item_locked(above, &index);
    struct node *dir;

    if (it == NULL)
      return;
    if (!it->is_dir || it->hidden)
      continue;
    count--;
    dir = node_make_locked(n, above->dir, it->name, NODE_DIR);
    if (dir == NULL)
      return;
    node_ref_locked(dir);
    ask_locked(n, dir);
    node_unref_locked(n, dir);
  }
}

/* --- who walks --- */

static struct walk *walk_of_locked(struct ns *n, const struct listing *above) {
  struct walks *w = n->synced.walks;
  struct walk *oldest = &w->items[0];

  for (unsigned i = 0; i < WALKS; i++) {
    struct walk *one = &w->items[i];

    if (one->dir == above->dir->ino && one->listing == above->asof)
      return one;
    if (one->turn < oldest->turn)
      oldest = one;
  }
  *oldest = (struct walk){0};
  return oldest;
}

/* How many were opened in turn, that one included; 0: it is the same as the last time. */
static unsigned step_locked(struct ns *n, const struct listing *above, uint32_t index) {
  struct walk *one = walk_of_locked(n, above);
  bool same = one->dir != 0 && index == one->index;

  if (one->dir == 0 || index < one->index || index - one->index > NEAR)
    one->run = 0;
  else if (!same)
    one->run++;
  one->dir = above->dir->ino;
  one->listing = above->asof;
  one->index = index;
  one->turn = ++n->synced.walks->turn;
  return same ? 0 : one->run + 1;
}

void walks_note_locked(struct ns *n, struct node *dir) {
  const struct node *parent = dir->parent;
  const struct root_options *o = &dir->root->options;
  struct listing *above;
  unsigned opened;
  uint32_t index;

  if (parent == NULL || parent->kind != NODE_DIR || parent->root != dir->root ||
      o->posix == ROOT_POSIX_STRICT || o->metadata_ttl_ms <= 0 || dir->root->store->scoped)
    return;
  above = listing_fresh_locked(n, parent);
  if (above == NULL || above->restored ||
      siblings_place_locked(above, dir->name, true, &index) != 0)
    return;
  opened = step_locked(n, above, index);
  if (opened >= 2 && !flat_serves_locked(above, dir))
    ask_next_locked(n, above, index, opened < AHEAD_MAX ? opened : AHEAD_MAX);
}
