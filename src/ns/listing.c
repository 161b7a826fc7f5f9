/* Listings: what LIST says about one folder, page by page.
 *
 * A listing grows as readers ask for pages (load.c); each page but the first is asked
 * for with the token that the one before it brought, or (lanes.c) from a name on, and
 * that is kept, so a page that was dropped for want of memory can be asked for again
 * and offsets stay stable. While a listing is fresh it answers lookups too: names in
 * it exist, and when all of it is here, other names do not.
 *
 * S3 can hold an object "a" beside a folder "a/". The folder is shown, the object
 * hidden. Both may come on different pages, as names like "a-b" sort between
 * them, so a page is shown only when the next one is here (settled). A folder
 * that comes later still finds its file already shown under that name
 * (open_names) and is hidden instead. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "listing_internal.h"
#include "s3apfs/base/text.h"

static void close_names_locked(struct listing *l) {
  for (size_t i = 0; i < l->open_count; i++)
    free(l->open_names[i]);
  free(l->open_names);
  l->open_names = NULL;
  l->open_count = 0;
}

void listing_slots_free_locked(struct listing *l, struct slot *slots, size_t count) {
  for (size_t i = 0; i < count; i++) {
    listing_drop_page_locked(l, &slots[i]);
    free(slots[i].token);
    free(slots[i].until);
  }
  free(slots);
}

static void listing_free_locked(struct listing *l) {
  lanes_free_locked(l);
  listing_slots_free_locked(l, l->slots, l->count);
  close_names_locked(l);
  flat_free(l->flat);
  if (l->instead != NULL)
    listing_unref_locked(l->instead);
  if (l->cached)
    DL_DELETE(l->ns->synced.listings, l);
  else
    DL_DELETE(l->ns->synced.aside, l);
  l->ns->synced.listing_count--;
  notes_prune_locked(l->ns, l->dir);
  free(l->prefix);
  free(l);
}

void listing_ref_locked(struct listing *l) {
  l->refs++;
}

void listing_unref_locked(struct listing *l) {
  if (--l->refs == 0)
    listing_free_locked(l);
}

void listing_uncache_locked(struct listing *l) {
  if (!l->cached)
    return;
  l->cached = false;
  DL_DELETE(l->ns->synced.listings, l);
  DL_APPEND(l->ns->synced.aside, l);
  l->dir->dir.listing = NULL;
  listing_unref_locked(l);
}

struct within {
  struct node *top;
  bool below;
};

static void forget_one(struct node *i, void *arg) {
  const struct within *w = arg;

  if (i->kind == NODE_DIR && i->dir.listing != NULL &&
      (i == w->top || (w->below && node_is_below_locked(i, w->top))))
    listing_uncache_locked(i->dir.listing);
}

void listing_forget_locked(struct ns *n, struct node *dir, bool below) {
  struct within w = {.top = dir, .below = below};

  if (below)
    peeks_forget_locked(n);
  else
    peeks_drop_locked(n, dir);
  if (below)
    node_each_locked(n, forget_one, &w);
  else
    forget_one(dir, &w);
}

bool listing_add_slot(struct slot **slots, size_t *count, char *token, bool after) {
  struct slot *grown = realloc(*slots, (*count + 1) * sizeof(*grown));

  if (grown == NULL)
    return false;
  *slots = grown;
  grown[(*count)++] = (struct slot){.token = token, .after = after};
  return true;
}

struct listing *listing_new_aside_locked(struct ns *n, struct node *dir) {
  struct listing *l = calloc(1, sizeof(*l));

  if (l == NULL)
    return NULL;
  l->prefix = node_key_locked(dir);
  if (l->prefix == NULL || !listing_add_slot(&l->slots, &l->count, NULL, false)) {
    free(l->prefix);
    free(l);
    return NULL;
  }
  l->ns = n;
  l->dir = dir;
  l->asof = ns_tick_locked(n);
  l->fresh_until = ns_now(n) + dir->root->options.metadata_ttl_ms;
  DL_APPEND(n->synced.aside, l);
  n->synced.listing_count++;
  l->refs = 1;
  return l;
}

void listing_cache_locked(struct listing *l) {
  struct node *dir = l->dir;

  if (dir->dir.listing != NULL)
    listing_uncache_locked(dir->dir.listing);
  dir->dir.listing = l;
  l->cached = true;
  DL_DELETE(l->ns->synced.aside, l);
  DL_APPEND(l->ns->synced.listings, l);
  listing_ref_locked(l);
}

struct listing *listing_new_locked(struct ns *n, struct node *dir) {
  struct listing *l = listing_new_aside_locked(n, dir);

  if (l == NULL)
    return NULL;
  if (dir->root->store->outage != NULL && dir->dir.listing != NULL) {
    l->instead = dir->dir.listing;
    listing_ref_locked(l->instead);
  }
  listing_cache_locked(l);
  notes_prune_locked(n, dir);
  return l;
}

void listing_answered_locked(struct listing *l, size_t slot, int rc) {
  struct listing *before = l->instead;

  l->instead = NULL;
  if (rc != 0 && outage_is_no_answer(rc) && outage_at_locked(l->ns, l->dir) != 0) {
    if (before != NULL)
      listing_cache_locked(before);
    else if (slot == 0)
      listing_uncache_locked(l); /* nothing is in it */
  } else if (rc != 0) {
    listing_uncache_locked(l);
  }
  if (before != NULL)
    listing_unref_locked(before);
}

struct listing *listing_fresh_locked(struct ns *n, const struct node *dir) {
  struct listing *l = dir->dir.listing;

  if (l == NULL || !stands_locked(n, dir, l->fresh_until))
    return NULL;
  DL_DELETE(n->synced.listings, l);
  DL_APPEND(n->synced.listings, l);
  return l;
}

/* --- names on both sides of a page border --- */

static bool was_shown_locked(const struct listing *l, const char *name) {
  for (size_t i = 0; i < l->open_count; i++)
    if (strcmp(l->open_names[i], name) == 0)
      return true;
  return false;
}

/* "a/" may come in or behind a page that starts with "a-b" or with "a/" itself,
 * not behind "b". */
static bool may_come(const char *name, const char *first) {
  size_t len = strlen(name);

  return strncmp(name, first, len) == 0 && (unsigned char)first[len] < '/';
}

/* Without memory the name is not noted: it might be shown twice. */
static void open_name_locked(struct listing *l, const char *name) {
  char **grown = realloc(l->open_names, (l->open_count + 1) * sizeof(char *));

  if (grown == NULL)
    return;
  l->open_names = grown;
  l->open_names[l->open_count] = strdup(name);
  if (l->open_names[l->open_count] != NULL)
    l->open_count++;
}

static void close_old_names_locked(struct listing *l, const char *first) {
  size_t left = 0;

  for (size_t i = 0; i < l->open_count; i++) {
    if (may_come(l->open_names[i], first))
      l->open_names[left++] = l->open_names[i];
    else
      free(l->open_names[i]);
  }
  l->open_count = left;
}

/* Whether it is hidden; a file whose folder may still come is noted. */
static bool hide_locked(struct listing *l, const struct page *page, const struct page *next,
                        const struct item *it) {
  if (it->is_dir)
    return was_shown_locked(l, it->name);
  if (page_find(page, it->name, true) != NULL)
    return true;
  if (next != NULL && page_find(next, it->name, true) != NULL)
    return true;
  if (next != NULL && may_come(it->name, next->first))
    open_name_locked(l, it->name);
  return false;
}

void listing_settle_locked(struct listing *l, size_t slot) {
  struct slot *s = &l->slots[slot];
  const struct page *next = slot + 1 < l->count ? l->slots[slot + 1].page : NULL;

  for (size_t i = 0; i < s->page->count; i++) {
    struct item *it = &s->page->items[i];

    it->hidden = hide_locked(l, s->page, next, it);
    s->hidden += it->hidden;
  }
  if (next != NULL && next->first[0] != '\0')
    close_old_names_locked(l, next->first);
  s->settled = true;
}

const struct item *listing_find_locked(const struct listing *l, const char *name) {
  const struct item *file = NULL;

  for (size_t i = 0; i < l->count; i++) {
    const struct page *page = l->slots[i].page;
    const struct item *it;

    if (page == NULL)
      continue;
    it = page_find(page, name, true);
    if (it != NULL && !it->hidden)
      return it;
    it = page_find(page, name, false);
    if (it != NULL && !it->hidden)
      file = it;
  }
  return file;
}

bool listing_proves_absence_locked(const struct listing *l) {
  const struct root_options *o = &l->dir->root->options;

  if (l->restored)
    return false;
  if (ns_now(l->ns) >= l->fresh_until - o->metadata_ttl_ms + o->negative_ttl_ms &&
      outage_at_locked(l->ns, l->dir) == 0)
    return false;
  for (size_t i = 0; i < l->count; i++)
    if (l->slots[i].page == NULL)
      return false;
  return l->ended;
}
