/* Loading pages of listings. One caller loads, the others wait; a failure is told to
 * those who wait for that load, and the next caller tries again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "remote.h"
#include "s3apfs/base/text.h"

#define PAGE_MAX 1000

bool lane_is_met(const struct page *page, const char *next, const char *start) {
  int c = strcmp(page->last, start);

  return c > 0 || (c == 0 && next != NULL);
}

static int join_locked(struct listing *l, struct page *page, const char *lane) {
  char *until = strdup(lane);

  if (until == NULL)
    return -ENOMEM;
  page_clip(page, until);
  l->slots[l->count - 1].until = until;
  return lanes_join_locked(l);
}

int listing_extend_locked(struct listing *l, struct page *page, char **next) {
  const char *lane = lanes_start_locked(l);
  int rc = 0;

  if (lane != NULL && lane_is_met(page, *next, lane)) {
    if (lanes_hold_locked(l, next))
      return 0;
    lane = lanes_start_locked(l);
  } else {
    lane = NULL;
  }
  if (lane != NULL) {
    rc = join_locked(l, page, lane);
  } else if (*next != NULL) {
    if (!listing_add_slot(&l->slots, &l->count, *next, false))
      return -ENOMEM;
    *next = NULL;
  } else {
    lanes_end_locked(l);
    if (lanes_start_locked(l) != NULL)
      rc = lanes_join_locked(l);
    else
      l->ended = true;
  }
  l->asked++;
  l->shown += page->raw;
  return rc;
}

int listing_install_locked(struct listing *l, size_t slot, struct page *page, char **next) {
  struct slot *s = &l->slots[slot];

  if (s->until != NULL) {
    page_clip(page, s->until);
  } else if (slot + 1 == l->count) {
    int rc = listing_extend_locked(l, page, next);

    if (rc != 0)
      return rc;
    s = &l->slots[slot];
  }
  if (slot == 0)
    l->dir->marker = page->marker;
  s->page = page;
  s->odd = page->odd;
  s->hidden = 0;
  listing_count_page_locked(l, s, slot);
  listing_drop_uncounted_locked(l, slot);
  return 0;
}

static int start(struct listing *l, const char *token, bool after, struct remote **c) {
  const struct root *r = l->dir->root;
  char *key;
  int rc;

  if (!after)
    return remote_list(l->ns, r, l->prefix, token, PAGE_MAX, c);
  key = text_printf("%s%s", l->prefix, token);
  rc = key != NULL ? remote_list_after(l->ns, r, l->prefix, key, PAGE_MAX, c) : -ENOMEM;
  free(key);
  return rc;
}

int listing_ask(struct listing *l, const char *token, bool after, const struct patience *p,
                struct page **page, char **next) {
  struct remote *c;
  int rc = patience_check(p); /* a store may give empty pages for ever */

  if (rc == 0)
    rc = start(l, token, after, &c);
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
  if (rc == 0)
    strict_fill(l->ns, l->dir->root, l->prefix, *page, p);
  if (rc == 0) {
    *next = remote_page(c)->next;
    remote_page(c)->next = NULL;
  }
  remote_drop(c);
  return rc;
}

int listing_loaded_locked(struct listing *l, size_t slot, int rc, struct page *page, char **next) {
  struct ns *n = l->ns;

  l->loading = false;
  l->flight++;
  if (rc == 0)
    rc = listing_install_locked(l, slot, page, next);
  else if (rc == -EACCES) {
    l->dir->dir.denied_until = ns_now(n) + l->dir->root->options.metadata_ttl_ms;
    shelving_unkeep_locked(n, l->dir);
  }
  if (rc != 0)
    page_free(page);
  listing_answered_locked(l, slot, rc);
  l->flight_err = rc;
  cond_broadcast(&n->synced.loaded);
  return rc;
}

/* This caller loads the page. */
static int load_page_locked(struct listing *l, size_t slot, const struct patience *p) {
  struct ns *n = l->ns;
  char *token = l->slots[slot].token;
  bool after = l->slots[slot].after;
  struct page *page = NULL;
  char *next = NULL;
  bool gave_up;
  int rc;

  l->loading = true;
  mtx_unlock(&n->synced.lock);
  rc = listing_ask(l, token, after, p, &page, &next);
  gave_up = patience_check(p) != 0; /* that says nothing to those who wait */
  mtx_lock(&n->synced.lock);
  rc = listing_loaded_locked(l, slot, rc, page, &next);
  if (gave_up)
    l->flight_err = 0;
  free(next);
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

/* The page itself is here and pinned. */
static int settle_with_next_locked(struct listing *l, size_t slot, const struct patience *p) {
  int rc = need_page_locked(l, slot + 1, p);

  if (rc != 0 && rc != -ERANGE)
    return rc;
  if (!l->slots[slot].settled)
    listing_settle_locked(l, slot);
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

/* --- reading ahead --- */

#define AHEAD_LIMIT_MS 60000

static void load_ahead(void *arg) {
  struct listing *l = arg;
  struct node *dir = l->dir;
  struct ns *n = l->ns;
  struct patience p = {.deadline_mono_ms = clock_mono_ms(&clock_system) + AHEAD_LIMIT_MS};

  mtx_lock(&n->synced.lock);
  /* A failure is told to those who wait for this page now; later ones ask again. */
  if (l->refs > 1 && !l->loading && !l->ended && l->slots[l->count - 1].page == NULL)
    load_page_locked(l, l->count - 1, &p);
  l->ahead = false;
  listing_unref_locked(l);
  node_unref_locked(n, dir);
  mtx_unlock(&n->synced.lock);
}

static void page_ahead_locked(struct listing *l, size_t slot) {
  if (l->ahead || l->ended || l->loading || l->count - 1 > slot + 2 ||
      l->slots[l->count - 1].page != NULL)
    return;
  if (pool_submit(l->ns->ahead, load_ahead, l) != 0)
    return;
  l->ahead = true;
  listing_ref_locked(l);
  node_ref_locked(l->dir); /* the kernel may forget it meanwhile */
}

void listing_ahead_locked(struct listing *l, size_t slot) {
  page_ahead_locked(l, slot);
  lanes_plan_locked(l);
}

/* --- listings that need no request --- */

/* Without memory the store is asked for it. */
void listing_seed_locked(struct ns *n, struct node *dir) {
  const struct store_page nothing = {0};
  struct listing *l = listing_new_locked(n, dir);
  bool marker = dir->marker;
  struct page *page;
  char *next = NULL;

  if (l == NULL)
    return;
  if (page_new(&nothing, l->prefix, &page) != 0 || listing_install_locked(l, 0, page, &next) != 0)
    listing_uncache_locked(l);
  dir->marker = marker;
  listing_unref_locked(l);
}

bool listing_adopt_locked(struct ns *n, struct node *dir, struct page *page, int64_t asof,
                          int64_t fresh_until) {
  struct listing *old = dir->dir.listing;
  struct listing *l;
  char *next = NULL;

  if (old != NULL)
    listing_ref_locked(old);
  l = listing_new_locked(n, dir);
  if (l != NULL) {
    l->asof = asof;
    l->fresh_until = fresh_until;
    listing_install_locked(l, 0, page, &next);
    if (old != NULL && old->restored)
      shelving_compare_locked(n, dir, old, l);
    if (old != NULL && old->restored)
      shelving_keep_locked(n, l);
    listing_unref_locked(l);
  }
  if (old != NULL)
    listing_unref_locked(old);
  return l != NULL;
}
