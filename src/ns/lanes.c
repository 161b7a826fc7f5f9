/* Lanes: a big folder listed by several requests side by side.
 *
 * The listing itself is the first lane. Once three pages are here and more follow, a
 * guess (guess.c) says where later pages start, and a lane reads on from there. A lane
 * ends where the next one started: of the page that goes beyond that, what goes
 * beyond is taken away. When the listing reaches a lane's start, the lane's slots become
 * its own and the lane is gone. So every name comes once and in order, whatever was
 * guessed; a wrong guess costs a request.
 *
 * How many: the folder may cost no more than its pages and two requests more. A lane
 * that is read to its end wastes less than one page, one that starts behind the last
 * name one request. So what was wasted until now, plus one for each lane that is not at
 * its end, plus one for the new one, stays within three.
 *
 * A lane reads one page at a time on a thread of n->ahead, while somebody reads the
 * listing and there is memory. Everything here is under the tree's lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guess.h"
#include "listing_internal.h"
#include "s3apfs/ns/ns.h"

#define PAGE_MAX 1000
#define PAGES_MIN 3              /* before the first guess */
#define WASTE_MAX 3              /* pages, exclusive */
#define ROOM ((size_t)256 << 10) /* of one page, at least */
#define LIMIT_MS 60000

struct lane {
  struct lane *next; /* further behind */
  struct listing *of;
  char *start;        /* it reads what stands behind this name */
  struct slot *slots; /* the last one has no page yet, unless done */
  size_t count;
  bool done;  /* it met the next lane, or the end */
  bool ended; /* the end */
  bool loading;
  bool joined; /* it is the listing's now: what is under way is its last slot */
  bool orphan; /* nobody wants what is under way */
};

struct lanes {
  struct lane *first;
  unsigned refs; /* loads under way */
  bool off;      /* no more guesses */
  bool holding;  /* the listing waits for the first lane's first page, */
  char *held;    /* and this is its own next token */
  bool spread;   /* those of guess_spread() were made */
  bool counts;   /* names do */
  struct series series;
};

static void lane_free_locked(struct lane *e) {
  listing_slots_free_locked(e->of, e->slots, e->count);
  free(e->start);
  free(e);
}

/* What is under way for it is for nobody. */
static void remove_at_locked(struct lane **at) {
  struct lane *e = *at;

  *at = e->next;
  if (e->loading)
    e->orphan = true;
  else
    lane_free_locked(e);
}

static void remove_locked(struct lane *e) {
  struct lane **at = &e->of->lanes->first;

  while (*at != e)
    at = &(*at)->next;
  remove_at_locked(at);
}

static bool is_empty(const struct lane *e) {
  return e->slots[0].page == NULL || (e->count == 1 && e->slots[0].page->count == 0);
}

static void remove_empty_locked(struct lane **at) {
  while (*at != NULL && is_empty(*at))
    remove_at_locked(at);
}

static void remove_all_locked(struct lane **at) {
  while (*at != NULL)
    remove_at_locked(at);
}

void lanes_free_locked(struct listing *l) {
  if (l->lanes != NULL)
    remove_all_locked(&l->lanes->first);
  if (l->lanes != NULL)
    free(l->lanes->held);
  free(l->lanes);
  l->lanes = NULL;
}

unsigned lanes_refs_locked(const struct listing *l) {
  return l->lanes != NULL ? l->lanes->refs : 0;
}

const char *lanes_start_locked(const struct listing *l) {
  return l->lanes != NULL && l->lanes->first != NULL ? l->lanes->first->start : NULL;
}

void lanes_end_locked(struct listing *l) {
  if (l->lanes != NULL)
    remove_empty_locked(&l->lanes->first);
}

int lanes_join_locked(struct listing *l) {
  struct lane *e = l->lanes->first;
  struct slot *grown;
  bool on = true;

  while (on && e != NULL) {
    grown = realloc(l->slots, (l->count + e->count) * sizeof(*grown));
    if (grown == NULL)
      return -ENOMEM;
    l->slots = grown;
    memcpy(&l->slots[l->count], e->slots, e->count * sizeof(*grown));
    l->count += e->count;
    e->count = 0;
    l->lanes->first = e->next;
    on = e->done;
    if (e->loading) {
      e->joined = true;
      l->loading = true;
    } else {
      l->ended = e->ended && e->next == NULL;
      lane_free_locked(e);
    }
    e = l->lanes->first;
  }
  return 0;
}

/* --- what a lane's load brought --- */

static int go_on_locked(struct lane *e, struct slot *s, struct page *page, char **next) {
  if (e->next != NULL && lane_is_met(page, *next, e->next->start)) {
    s->until = strdup(e->next->start);
    if (s->until == NULL)
      return -ENOMEM;
    page_clip(page, s->until);
    e->done = true;
  } else if (*next == NULL) {
    remove_empty_locked(&e->next);
    e->done = e->ended = e->of->lanes->off = true;
  } else {
    if (!listing_add_slot(&e->slots, &e->count, *next, false))
      return -ENOMEM;
    *next = NULL;
  }
  return 0;
}

static struct root_state *root_state_locked(const struct listing *l) {
  return &l->ns->synced.roots[l->dir->root->index];
}

/* A server may ignore what it does not know, and list from the folder's beginning. */
static bool is_right_locked(const struct lane *e, const struct page *page) {
  bool right = page->ordered && page_is_behind(page, e->start);

  if (!right)
    root_state_locked(e->of)->unordered = true;
  else if (page->count > 0)
    root_state_locked(e->of)->ordered = true;
  return right;
}

bool lanes_hold_locked(struct listing *l, char **next) {
  struct lanes *a = l->lanes;

  if (a->first->slots[0].page != NULL || root_state_locked(l)->ordered)
    return false;
  if (!a->first->loading) { /* for want of memory, or after a failure */
    remove_all_locked(&a->first);
    a->off = true;
    return false;
  }
  a->holding = true;
  a->held = *next;
  *next = NULL;
  l->loading = true;
  return true;
}

/* Where the listing waited, it may go on now. */
static void release_locked(struct listing *l) {
  struct lanes *a = l->lanes;
  struct page *page = l->slots[l->count - 1].page;
  char *next = a->held;
  int rc;

  if (!a->holding)
    return;
  a->holding = false;
  a->held = NULL;
  l->loading = false;
  l->flight++;
  rc = page != NULL ? listing_extend_locked(l, page, &next) : -ENOMEM;
  if (rc != 0)
    listing_uncache_locked(l);
  l->flight_err = rc;
  free(next);
  cond_broadcast(&l->ns->synced.loaded);
}

/* What fails is asked for again once a reader needs it, or (the first page) was a bad
 * idea. Takes the page. */
static void take_locked(struct lane *e, int rc, struct page *page, char **next) {
  struct listing *l = e->of;
  size_t at = e->count - 1;

  if (rc == 0 && !is_right_locked(e, page))
    rc = -EIO;
  if (rc == 0 && (at > 0 || page->raw > 0 || *next != NULL))
    rc = go_on_locked(e, &e->slots[at], page, next);
  else if (rc == 0)
    rc = -ERANGE; /* nothing stands behind the guess */
  if (rc != 0) {
    page_free(page);
    l->lanes->off = true;
    if (at == 0)
      remove_locked(e);
    return;
  }
  l->shown += page->raw;
  e->slots[at].page = page;
  e->slots[at].odd = page->odd;
  listing_count_page_locked(l, &e->slots[at], 0);
}

static void lane_run(void *arg) {
  struct lane *e = arg;
  struct listing *l = e->of;
  struct node *dir = l->dir;
  struct ns *n = l->ns;
  struct patience p = {.deadline_mono_ms = clock_mono_ms(&clock_system) + LIMIT_MS};
  struct page *page = NULL;
  char *next = NULL;
  const char *token;
  bool after;
  int rc;

  mtx_lock(&n->synced.lock);
  token = e->joined ? l->slots[l->count - 1].token : e->slots[e->count - 1].token;
  after = e->joined ? l->slots[l->count - 1].after : e->slots[e->count - 1].after;
  mtx_unlock(&n->synced.lock);
  rc = listing_ask(l, token, after, &p, &page, &next);
  mtx_lock(&n->synced.lock);
  e->loading = false;
  if (e->joined) {
    listing_loaded_locked(l, l->count - 1, rc, page, &next);
    lane_free_locked(e);
  } else if (e->orphan) {
    l->asked++;
    page_free(page);
    lane_free_locked(e);
  } else {
    l->asked++;
    take_locked(e, rc, page, &next);
    release_locked(l);
  }
  free(next);
  lanes_plan_locked(l);
  l->lanes->refs--;
  listing_unref_locked(l);
  node_unref_locked(n, dir);
  mtx_unlock(&n->synced.lock);
}

/* --- where and when --- */

/* Somebody reads it now; those who read ahead are nobody. */
static bool is_read_locked(const struct listing *l) {
  return l->refs > lanes_refs_locked(l) + (l->cached ? 1 : 0) + (l->ahead ? 1 : 0);
}

static bool has_room_locked(const struct listing *l) {
  return budget_used(l->ns->budget) + ROOM * (l->lanes->refs + 1) <= budget_size(l->ns->budget) / 2;
}

static void start_locked(struct lane *e) {
  struct listing *l = e->of;

  if (e->done || e->loading || !has_room_locked(l) || pool_submit(l->ns->ahead, lane_run, e) != 0)
    return;
  e->loading = true;
  l->lanes->refs++;
  listing_ref_locked(l);
  node_ref_locked(l->dir); /* the kernel may forget it meanwhile */
}

static bool may_guess_locked(const struct listing *l) {
  int64_t worst = (int64_t)l->asked * PAGE_MAX - (int64_t)l->shown;

  for (const struct lane *e = l->lanes->first; e != NULL; e = e->next)
    worst += e->done ? 0 : PAGE_MAX;
  return !l->lanes->off && worst + 2 * PAGE_MAX <= WASTE_MAX * PAGE_MAX;
}

/* A lane at the very end. */
static bool add_locked(struct listing *l, const char *start) {
  struct lane **at = &l->lanes->first;
  struct lane *e = calloc(1, sizeof(*e));
  char *token = strdup(start);

  if (e != NULL)
    e->start = strdup(start);
  if (e == NULL || token == NULL || e->start == NULL ||
      !listing_add_slot(&e->slots, &e->count, token, true)) {
    if (e != NULL)
      free(e->start);
    free(e);
    free(token);
    return false;
  }
  e->of = l;
  while (*at != NULL)
    at = &(*at)->next;
  *at = e;
  return true;
}

/* The last name known to lie before what the last lane has under way; NULL: not known. */
static const char *reached_locked(const struct listing *l) {
  const struct lane *e = l->lanes->first;
  const struct slot *slots;
  size_t count;

  while (e != NULL && e->next != NULL)
    e = e->next;
  if (e != NULL && (e->count == 1 || e->slots[e->count - 2].page == NULL))
    return e->count == 1 ? e->start : NULL;
  slots = e != NULL ? e->slots : l->slots;
  count = e != NULL ? e->count : l->count;
  return slots[count - 2].page != NULL ? slots[count - 2].page->last : NULL;
}

static void count_on_locked(struct listing *l) {
  struct lanes *a = l->lanes;
  char name[NS_NAME_MAX + 1];
  const char *last;
  uint64_t v;

  while (may_guess_locked(l)) {
    last = reached_locked(l);
    if (last == NULL || !series_value(&a->series, last, &v) ||
        !series_name(&a->series, v + a->series.step * PAGE_MAX, name) || !add_locked(l, name))
      a->off = true;
  }
}

static void spread_locked(struct listing *l) {
  char names[GUESS_SPREAD][NS_NAME_MAX + 1];

  l->lanes->spread = true;
  if (l->slots[0].page == NULL || l->slots[PAGES_MIN - 1].page == NULL ||
      !guess_spread(l->slots[0].page, l->slots[PAGES_MIN - 1].page, PAGES_MIN, names)) {
    l->lanes->off = true;
    return;
  }
  for (int i = 0; i < GUESS_SPREAD && may_guess_locked(l); i++)
    add_locked(l, names[i]);
}

static bool begin_locked(struct listing *l) {
  const struct page *last = l->count == PAGES_MIN + 1 ? l->slots[PAGES_MIN - 1].page : NULL;
  struct lanes *a;

  if (last == NULL || !last->ordered)
    return false;
  a = calloc(1, sizeof(*a));
  if (a == NULL)
    return false;
  a->counts = guess_series(last, &a->series);
  l->lanes = a;
  return true;
}

void lanes_plan_locked(struct listing *l) {
  if (l->ended || !is_read_locked(l) || root_state_locked(l)->unordered)
    return;
  if (l->lanes == NULL && !begin_locked(l))
    return;
  if (l->lanes->counts)
    count_on_locked(l);
  else if (!l->lanes->spread)
    spread_locked(l);
  for (struct lane *e = l->lanes->first; e != NULL; e = e->next)
    start_locked(e);
}
