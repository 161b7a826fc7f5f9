/* Listings: what LIST says about one folder, page by page.
 *
 * A listing grows as readers ask for pages; each page but the first is asked for
 * with the token that the one before it brought, and tokens are kept, so a page
 * that was dropped for want of memory can be asked for again and offsets stay
 * stable. One caller loads, the others wait. While a listing is fresh it answers
 * lookups too: names in it exist, and when all of it is here, other names do not.
 *
 * S3 can hold an object "a" beside a folder "a/". The folder is shown, the object
 * hidden. Both may come on different pages, as names like "a-b" sort between
 * them, so a page is shown only when the next one is here (settled). A folder
 * that comes later still finds its file already shown under that name
 * (open_names) and is hidden instead.
 *
 * Memory is taken from the budget without waiting. When it is short, listings
 * that nobody has open go first, then this one's earlier pages; what still does
 * not fit stays only while it is read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "ns.h"
#include "s3apfs/base/text.h"

#define PAGE_MAX 1000

static void drop_page_locked(struct listing *l, size_t slot) {
  struct slot *s = &l->slots[slot];

  if (s->page == NULL)
    return;
  if (s->counted) {
    budget_release(l->ns->budget, s->page->bytes);
    l->ns->synced.listing_bytes -= s->page->bytes;
  }
  page_free(s->page);
  s->page = NULL;
  s->counted = false;
  s->settled = false;
}

static void close_names_locked(struct listing *l) {
  for (size_t i = 0; i < l->open_count; i++)
    free(l->open_names[i]);
  free(l->open_names);
  l->open_names = NULL;
  l->open_count = 0;
}

static void listing_free_locked(struct listing *l) {
  for (size_t i = 0; i < l->count; i++) {
    drop_page_locked(l, i);
    free(l->slots[i].token);
  }
  close_names_locked(l);
  flat_free(l->flat);
  DL_DELETE(l->ns->synced.listings, l);
  l->ns->synced.listing_count--;
  free(l->slots);
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

/* The directory no longer answers from it. */
static void uncache_locked(struct listing *l) {
  if (!l->cached)
    return;
  l->cached = false;
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
    uncache_locked(i->dir.listing);
}

void listing_forget_locked(struct ns *n, struct node *dir, bool below) {
  struct within w = {.top = dir, .below = below};

  if (below)
    node_each_locked(n, forget_one, &w);
  else
    forget_one(dir, &w);
}

static int add_slot_locked(struct listing *l, char *token) {
  struct slot *grown = realloc(l->slots, (l->count + 1) * sizeof(*grown));

  if (grown == NULL)
    return -ENOMEM;
  l->slots = grown;
  l->slots[l->count++] = (struct slot){.token = token};
  return 0;
}

struct listing *listing_new_locked(struct ns *n, struct node *dir) {
  struct listing *l = calloc(1, sizeof(*l));

  if (l == NULL)
    return NULL;
  l->prefix = node_key_locked(dir);
  if (l->prefix == NULL || add_slot_locked(l, NULL) != 0) {
    free(l->prefix);
    free(l);
    return NULL;
  }
  l->ns = n;
  l->dir = dir;
  notes_prune_locked(n, dir);
  l->asof = ns_tick_locked(n);
  l->fresh_until = ns_now(n) + dir->root->options.metadata_ttl_ms;
  DL_APPEND(n->synced.listings, l);
  n->synced.listing_count++;
  if (dir->dir.listing != NULL)
    uncache_locked(dir->dir.listing);
  dir->dir.listing = l;
  l->cached = true;
  l->refs = 2;
  return l;
}

struct listing *listing_fresh_locked(struct ns *n, const struct node *dir) {
  struct listing *l = dir->dir.listing;

  if (l == NULL || l->fresh_until <= ns_now(n))
    return NULL;
  DL_DELETE(n->synced.listings, l);
  DL_APPEND(n->synced.listings, l);
  return l;
}

/* --- memory --- */

/* The least recently used listing that only its directory keeps. */
static bool drop_listing_locked(struct ns *n) {
  struct listing *l;

  DL_FOREACH (n->synced.listings, l) {
    if (l->cached && l->refs == 1) {
      uncache_locked(l);
      return true;
    }
  }
  return false;
}

static bool drop_early_page_locked(struct listing *l, size_t before) {
  for (size_t i = 0; i + 1 < before; i++) {
    if (l->slots[i].page != NULL && l->slots[i].pins == 0) {
      drop_page_locked(l, i);
      return true;
    }
  }
  return false;
}

static void count_page_locked(struct listing *l, size_t slot) {
  struct slot *s = &l->slots[slot];

  while (!budget_try(l->ns->budget, s->page->bytes))
    if (!drop_listing_locked(l->ns) && !drop_early_page_locked(l, slot))
      return;
  s->counted = true;
  l->ns->synced.listing_bytes += s->page->bytes;
}

/* Pages that found no memory stay only while they are read. */
static void drop_uncounted_locked(struct listing *l, size_t slot) {
  for (size_t i = 0; i < l->count; i++)
    if (l->slots[i].page != NULL && !l->slots[i].counted && l->slots[i].pins == 0 && i != slot)
      drop_page_locked(l, i);
}

/* --- loading --- */

static int install_locked(struct listing *l, size_t slot, struct page *page, char **next) {
  struct slot *s = &l->slots[slot];

  if (*next != NULL && slot + 1 == l->count) {
    int rc = add_slot_locked(l, *next);

    if (rc != 0)
      return rc;
    *next = NULL;
    s = &l->slots[slot];
  } else if (*next == NULL && slot + 1 == l->count) {
    l->ended = true;
  }
  if (slot == 0)
    l->dir->dir.marker = page->marker;
  s->page = page;
  s->odd = page->odd;
  s->hidden = 0;
  count_page_locked(l, slot);
  drop_uncounted_locked(l, slot);
  return 0;
}

/* Without memory the store is asked for it. */
void listing_seed_locked(struct ns *n, struct node *dir) {
  const struct store_page nothing = {0};
  struct listing *l = listing_new_locked(n, dir);
  bool marker = dir->dir.marker;
  struct page *page;
  char *next = NULL;

  if (l == NULL)
    return;
  if (page_new(&nothing, l->prefix, &page) != 0 || install_locked(l, 0, page, &next) != 0)
    uncache_locked(l);
  dir->dir.marker = marker;
  listing_unref_locked(l);
}

static int ask(struct listing *l, const char *token, const struct patience *p, struct page **page,
               char **next) {
  struct remote *c;
  int rc = patience_check(p); /* a store may give empty pages for ever */

  if (rc == 0)
    rc = remote_list(l->ns, l->dir->root, l->prefix, token, PAGE_MAX, &c);
  if (rc != 0)
    return rc;
  rc = remote_wait(c, p);
  remote_note_list(l->ns, l->dir->root, l->prefix, rc);
  if (rc == 0 && token != NULL && remote_page(c)->next != NULL &&
      strcmp(token, remote_page(c)->next) == 0)
    rc = -EIO; /* would never end */
  if (rc == 0)
    rc = page_new(remote_page(c), l->prefix, page);
  if (rc == 0)
    memo_fill(l->ns, l->dir->root, l->prefix, *page);
  if (rc == 0) {
    *next = remote_page(c)->next;
    remote_page(c)->next = NULL;
  }
  remote_drop(c);
  return rc;
}

/* This caller loads the page. */
static int load_page_locked(struct listing *l, size_t slot, const struct patience *p) {
  struct ns *n = l->ns;
  char *token = l->slots[slot].token;
  struct page *page = NULL;
  char *next = NULL;
  bool gave_up;
  int rc;

  l->loading = true;
  mtx_unlock(&n->synced.lock);
  rc = ask(l, token, p, &page, &next);
  gave_up = patience_check(p) != 0; /* that says nothing to those who wait */
  mtx_lock(&n->synced.lock);
  l->loading = false;
  l->flight++;
  if (rc == 0)
    rc = install_locked(l, slot, page, &next);
  else if (rc == -EACCES)
    l->dir->dir.denied_until = ns_now(n) + l->dir->root->options.metadata_ttl_ms;
  if (rc != 0) {
    page_free(page);
    uncache_locked(l);
  }
  l->flight_err = gave_up ? 0 : rc;
  free(next);
  cond_broadcast(&n->synced.loaded);
  return rc;
}

/* Another caller loads: its failure is also that of those who waited for it. */
static int wait_locked(struct listing *l, const struct patience *p) {
  struct ns *n = l->ns;
  uint64_t flight = l->flight;
  int rc = 0;

  patience_wait(p, &n->synced.loaded, &n->synced.lock);
  if (l->flight == flight) {
    mtx_unlock(&n->synced.lock);
    rc = patience_check(p);
    mtx_lock(&n->synced.lock);
  }
  return rc == 0 && l->flight == flight + 1 ? l->flight_err : rc;
}

static int need_page_locked(struct listing *l, size_t slot, const struct patience *p) {
  int rc = 0;

  while (rc == 0 && (slot >= l->count || l->slots[slot].page == NULL)) {
    if (slot >= l->count && l->ended)
      return -ERANGE;
    if (l->loading)
      rc = wait_locked(l, p);
    else
      rc = load_page_locked(l, slot < l->count ? slot : l->count - 1, p);
  }
  return rc;
}

/* --- reading ahead --- */

#define AHEAD_LIMIT_MS 60000

static void load_ahead(void *arg) {
  struct listing *l = arg;
  struct ns *n = l->ns;
  struct patience p = {.deadline_mono_ms = clock_mono_ms(&clock_system) + AHEAD_LIMIT_MS};

  mtx_lock(&n->synced.lock);
  /* A failure is told to those who wait for this page now; later ones ask again. */
  if (l->refs > 1 && !l->loading && !l->ended && l->slots[l->count - 1].page == NULL)
    load_page_locked(l, l->count - 1, &p);
  l->ahead = false;
  listing_unref_locked(l);
  mtx_unlock(&n->synced.lock);
}

void listing_ahead_locked(struct listing *l, size_t slot) {
  if (l->ahead || l->ended || l->loading || l->count - 1 > slot + 2 ||
      l->slots[l->count - 1].page != NULL)
    return;
  if (pool_submit(l->ns->ahead, load_ahead, l) != 0)
    return;
  l->ahead = true;
  listing_ref_locked(l);
}

bool listing_adopt_locked(struct ns *n, struct node *dir, struct page *page, int64_t asof,
                          int64_t fresh_until) {
  struct listing *l = listing_new_locked(n, dir);
  char *next = NULL;

  if (l == NULL)
    return false;
  l->asof = asof;
  l->fresh_until = fresh_until;
  install_locked(l, 0, page, &next);
  listing_unref_locked(l);
  return true;
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

static void settle_locked(struct listing *l, size_t slot) {
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

/* The page itself is here and pinned. */
static int settle_with_next_locked(struct listing *l, size_t slot, const struct patience *p) {
  int rc = need_page_locked(l, slot + 1, p);

  if (rc != 0 && rc != -ERANGE)
    return rc;
  if (!l->slots[slot].settled)
    settle_locked(l, slot);
  return 0;
}

int listing_load_locked(struct listing *l, size_t slot, bool settle, const struct patience *p) {
  int rc = need_page_locked(l, slot, p);

  if (rc != 0 || !settle || l->slots[slot].settled)
    return rc;
  l->slots[slot].pins++;
  rc = settle_with_next_locked(l, slot, p);
  l->slots[slot].pins--;
  return rc;
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

  if (ns_now(l->ns) >= l->fresh_until - o->metadata_ttl_ms + o->negative_ttl_ms)
    return false;
  for (size_t i = 0; i < l->count; i++)
    if (l->slots[i].page == NULL)
      return false;
  return l->ended;
}
