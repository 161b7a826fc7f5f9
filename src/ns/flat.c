/* Walks: listings of many small folders from few LISTs.
 *
 * `ls -R`, `find` and `du` open the first folder of a listing, then the next. A
 * LIST of the folder above without a delimiter shows what lies in all of them: when
 * the first one is opened, that is asked instead of its own listing, a thousand
 * keys at a time, and every folder that a page completes gets its listing from
 * there. It costs no more than the request it stands for. A page that completes
 * fewer than two folders ends it (large folders are better listed by themselves),
 * unless it lies within one: then the next page begins behind that one, once. So does
 * a denial, which is remembered for the whole root: policies may allow LIST with a
 * delimiter only.
 *
 * Once a second folder was opened it is a walk: from then on the next page is asked for as
 * soon as a folder of the last one is opened, so that it is here when the reader comes to
 * it. Pages never outnumber the folders opened from them, so who stops early has not
 * asked more often than by listing each by itself.
 *
 * The walk belongs to the listing of the folder above. One caller loads a page, or a thread
 * of n->ahead, with `loading` set and the lock released; what it builds is its own until
 * then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "remote.h"
#include "s3apfs/base/text.h"

#define PAGE_MAX 1000
#define PROFIT_MIN 2 /* folders a page */
#define AHEAD_LIMIT_MS 60000
/* Sorts behind every name of a folder: the last code point. */
#define BEHIND_ALL "\xf4\x8f\xbf\xbf"

struct flat {
  int64_t asof; /* tick at the start */
  int64_t fresh_until;
  bool loading;
  bool off;
  bool ended;
  char *token;
  bool ahead;      /* the next page is, or is about to be, asked for ahead */
  unsigned pages;  /* asked for, that far; */
  unsigned opened; /* and the folders opened that they showed, in turn */
  uint64_t opener; /* the last of them */
  char *begun;     /* what was reached before the last page; NULL: it is the first */
  char *reached;   /* the last key seen, or behind the folder jumped over; NULL: none */
  char *jumped;    /* prefix of the last folder jumped over; NULL: none */
  bool jumping;    /* the next page begins behind it */
  /* the folder that the last page left unfinished; the loader's */
  char *child;
  struct store_page part;
  bool overflow; /* it has more than a page */
};

/* A folder that a page completed. */
struct whole {
  char *name;
  struct page *page;
};

struct harvest {
  struct whole items[PAGE_MAX];
  size_t count;
  size_t finished; /* too large ones too */
  bool ended;
  bool bad; /* keys that do not ascend */
};

void flat_free(struct flat *f) {
  if (f == NULL)
    return;
  store_page_fini(&f->part);
  free(f->token);
  free(f->begun);
  free(f->reached);
  free(f->jumped);
  free(f->child);
  free(f);
}

/* --- taking a page apart, no lock held --- */

static int part_add(struct flat *f, const char *name, size_t len, const struct store_entry *from) {
  struct store_entry *e;
  struct store_entry *grown;

  if (f->part.count == PAGE_MAX) {
    f->overflow = true;
    return 0;
  }
  grown = realloc(f->part.entries, (f->part.count + 1) * sizeof(*grown));
  if (grown == NULL)
    return -ENOMEM;
  f->part.entries = grown;
  e = &grown[f->part.count];
  *e = (struct store_entry){.name = text_dup_n(name, len), .is_prefix = from == NULL};
  if (e->name == NULL)
    return -ENOMEM;
  if (from != NULL)
    e->attr = from->attr;
  f->part.count++;
  return 0;
}

static void finish_child(struct listing *above, struct flat *f, struct harvest *h) {
  char *prefix = f->child != NULL ? text_printf("%s%s/", above->prefix, f->child) : NULL;
  struct page *page;

  if (f->child == NULL)
    return;
  h->finished++;
  if (prefix != NULL && !f->overflow && h->count < PAGE_MAX &&
      page_new(&f->part, prefix, &page) == 0) {
    memo_fill(above->ns, above->dir->root, prefix, page);
    h->items[h->count++] = (struct whole){f->child, page};
    f->child = NULL;
  }
  free(prefix);
  free(f->child);
  f->child = NULL;
  store_page_fini(&f->part);
  f->overflow = false;
}

static bool last_is(const struct flat *f, const char *name, size_t len) {
  const struct store_entry *e;

  if (f->part.count == 0)
    return false;
  e = &f->part.entries[f->part.count - 1];
  return e->is_prefix && strncmp(e->name, name, len) == 0 && e->name[len] == '\0';
}

/* One key below the folder above; `rest` is what follows that one's. */
static int take_key(struct listing *above, struct flat *f, const struct store_entry *e,
                    const char *rest, struct harvest *h) {
  size_t len = strcspn(rest, "/");
  const char *below = rest + len + 1;
  size_t deep;

  if (f->child != NULL && (strncmp(f->child, rest, len) != 0 || f->child[len] != '\0'))
    finish_child(above, f, h);
  if (rest[len] == '\0')
    return 0;
  if (f->child == NULL)
    f->child = text_dup_n(rest, len);
  if (f->child == NULL)
    return -ENOMEM;
  deep = strcspn(below, "/");
  if (below[deep] == '\0')
    return part_add(f, e->name, strlen(e->name), e);
  len = (size_t)(below - e->name) + deep + 1;
  return last_is(f, e->name, len) ? 0 : part_add(f, e->name, len, NULL);
}

static int take_page(struct listing *above, struct flat *f, const struct store_page *page,
                     struct harvest *h) {
  size_t skip = strlen(above->prefix);
  const char *last = f->reached;
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < page->count; i++) {
    const struct store_entry *e = &page->entries[i];

    h->bad = h->bad || e->is_prefix || !text_has_prefix(e->name, above->prefix) ||
             (last != NULL && strcmp(last, e->name) >= 0);
    if (h->bad)
      return 0;
    rc = take_key(above, f, e, e->name + skip, h);
    last = e->name;
  }
  if (rc == 0 && page->next == NULL) {
    finish_child(above, f, h);
    h->ended = true;
  }
  return rc;
}

static char *last_key(const struct store_page *page) {
  return page->count > 0 ? strdup(page->entries[page->count - 1].name) : NULL;
}

/* --- loading --- */

static int start(struct listing *above, const struct flat *f, struct remote **out) {
  const struct root *r = above->dir->root;

  return f->jumping ? remote_list_flat_after(above->ns, r, above->prefix, f->reached, PAGE_MAX, out)
                    : remote_list_flat(above->ns, r, above->prefix, f->token, PAGE_MAX, out);
}

static int ask(struct listing *above, struct flat *f, const struct patience *p, struct harvest *h,
               char **token, char **reached) {
  struct remote *c;
  int rc = start(above, f, &c);

  if (rc != 0)
    return rc;
  rc = remote_wait(c, p);
  if (rc == 0)
    rc = take_page(above, f, remote_page(c), h);
  if (rc == 0) {
    *reached = last_key(remote_page(c));
    *token = remote_page(c)->next;
    remote_page(c)->next = NULL;
  }
  remote_drop(c);
  return rc;
}

/* The folder has a listing that is better than a walk's. */
static bool has_own_locked(struct ns *n, const struct node *dir) {
  const struct listing *l = listing_fresh_locked(n, dir);

  return l != NULL && !l->restored;
}

/* What moved away may have been in the middle of it, and something else has the name now. */
static bool is_what_was_listed_locked(const struct listing *above, const struct flat *f,
                                      const char *name) {
  return above->cached && !note_is_newer(notes_find_locked(above->dir, name), f->asof);
}

static void adopt_locked(struct listing *above, const struct flat *f, struct whole *w) {
  struct ns *n = above->ns;
  struct node *child = node_child_locked(n, above->dir, w->name, NODE_DIR);

  if (child != NULL && !child->gone && child->dir.notes == NULL && !has_own_locked(n, child) &&
      is_what_was_listed_locked(above, f, w->name) &&
      listing_adopt_locked(n, child, w->page, f->asof, f->fresh_until))
    w->page = NULL;
  page_free(w->page);
  free(w->name);
}

/* The page lies within one folder, which is large: go on behind it, unless that was
 * done for this page already. */
static bool jump_locked(const struct listing *above, struct flat *f) {
  const struct store_ops *ops = above->dir->root->store->ops;
  char *over = NULL;
  char *behind = NULL;

  if (!f->jumping && ops->list_after != NULL && f->child != NULL && f->part.count >= PAGE_MAX / 2)
    over = text_printf("%s%s/", above->prefix, f->child);
  if (over != NULL)
    behind = text_printf("%s" BEHIND_ALL, over);
  if (behind == NULL) {
    free(over);
    return false;
  }
  free(f->jumped);
  free(f->reached);
  free(f->child);
  f->jumped = over;
  f->reached = behind;
  f->child = NULL;
  f->overflow = false;
  store_page_fini(&f->part);
  return true;
}

static void load_locked(struct listing *above, const struct patience *p) {
  struct ns *n = above->ns;
  struct flat *f = above->flat;
  struct harvest *h = calloc(1, sizeof(*h));
  char *reached = NULL;
  char *token = NULL;
  bool poor;
  int rc;

  f->loading = true;
  mtx_unlock(&n->synced.lock);
  rc = h != NULL ? ask(above, f, p, h, &token, &reached) : -ENOMEM;
  mtx_lock(&n->synced.lock);
  f->loading = false;
  for (size_t i = 0; h != NULL && i < h->count; i++)
    adopt_locked(above, f, &h->items[i]);
  if (rc == -EACCES)
    n->synced.roots[above->dir->root->index].flat_denied_until =
        ns_now(n) + above->dir->root->options.metadata_ttl_ms;
  poor = rc == 0 && !h->bad && h->finished < PROFIT_MIN && !h->ended;
  f->ended = rc == 0 && h->ended;
  free(f->token);
  free(f->begun);
  f->pages++;
  f->token = token;
  f->begun = f->reached;
  f->reached = reached;
  f->jumping = poor && jump_locked(above, f);
  f->off = rc != 0 || h->bad || (poor && !f->jumping);
  free(h);
  cond_broadcast(&n->synced.loaded);
}

/* --- who walks --- */

/* The first of two folders at least, in a listing that fits one page. */
static bool begins_walk_locked(const struct listing *above, const char *name) {
  const struct page *page = above->slots[0].page;
  unsigned folders = 0;
  bool first = false;

  if (!above->ended || above->count != 1 || page == NULL)
    return false;
  for (size_t i = 0; i < page->count && folders < 2; i++) {
    if (!page->items[i].is_dir)
      continue;
    first = first || (folders == 0 && strcmp(page->items[i].name, name) == 0);
    folders++;
  }
  return first && folders == 2;
}

static struct flat *flat_new_locked(struct ns *n, const struct node *above) {
  struct flat *f = calloc(1, sizeof(*f));

  if (f == NULL)
    return NULL;
  f->asof = ns_tick_locked(n);
  f->fresh_until = ns_now(n) + above->root->options.metadata_ttl_ms;
  return f;
}

/* Its keys may still come. */
static bool may_come(const struct flat *f, const char *prefix) {
  if (f->jumped != NULL && strcmp(f->jumped, prefix) == 0)
    return false;
  return f->reached == NULL || strcmp(f->reached, prefix) < 0 ||
         text_has_prefix(f->reached, prefix);
}

static bool denied_locked(struct ns *n, const struct root *r) {
  const struct root_state *s = &n->synced.roots[r->index];

  return s->flat_denied_until > ns_now(n);
}

/* --- ahead of who walks --- */

static bool may_go_on(const struct flat *f) {
  return !f->off && !f->ended && !f->loading && !f->jumping;
}

static void load_ahead(void *arg) {
  struct listing *above = arg;
  struct node *dir = above->dir;
  struct ns *n = above->ns;
  struct flat *f = above->flat;
  struct patience p = {.deadline_mono_ms = clock_mono_ms(&clock_system) + AHEAD_LIMIT_MS};

  mtx_lock(&n->synced.lock);
  if (may_go_on(f) && f->opened > f->pages && above->refs > 1 && !n->synced.ending)
    load_locked(above, &p);
  f->ahead = false;
  listing_unref_locked(above);
  node_unref_locked(n, dir);
  mtx_unlock(&n->synced.lock);
}

/* A folder that the walk's last page showed. */
static bool is_of_last_page(const struct flat *f, const char *prefix) {
  return f->begun == NULL || strcmp(f->begun, prefix) < 0 || text_has_prefix(f->begun, prefix);
}

static bool gave_locked(const struct flat *f, const struct node *dir) {
  return dir->dir.listing != NULL && dir->dir.listing->asof == f->asof;
}

bool flat_serves_locked(const struct listing *above, const struct node *dir) {
  const struct flat *f = above->flat;

  return f != NULL && !f->off && (!f->ended || gave_locked(f, dir));
}

static void go_ahead_locked(struct listing *above, const struct node *dir, const char *prefix) {
  struct ns *n = above->ns;
  struct flat *f = above->flat;

  if (!gave_locked(f, dir))
    return; /* it was listed by itself */
  f->opened += f->opener != dir->ino;
  f->opener = dir->ino;
  if (f->ahead || !may_go_on(f) || f->opened <= f->pages || !is_of_last_page(f, prefix) ||
      pool_submit(n->ahead, load_ahead, above) != 0)
    return;
  f->ahead = true;
  listing_ref_locked(above);
  node_ref_locked(above->dir); /* the kernel may forget it meanwhile */
}

static void fill_locked(struct listing *above, const struct node *dir, const char *prefix,
                        const struct patience *p) {
  struct ns *n = above->ns;

  while (!above->flat->off && !above->flat->ended && may_come(above->flat, prefix) &&
         !has_own_locked(n, dir) && patience_check(p) == 0) {
    if (above->flat->loading)
      patience_wait(p, &n->synced.loaded, &n->synced.lock);
    else
      load_locked(above, p);
  }
}

void flat_fill_locked(struct ns *n, struct node *dir, const struct patience *p) {
  struct node *parent = dir->parent;
  struct listing *above;
  char *prefix;

  if (parent == NULL || parent->kind != NODE_DIR || parent->root != dir->root ||
      dir->root->options.posix == ROOT_POSIX_STRICT)
    return;
  above = listing_fresh_locked(n, parent);
  if (above == NULL || denied_locked(n, dir->root))
    return;
  if (above->flat == NULL && !has_own_locked(n, dir) && begins_walk_locked(above, dir->name))
    above->flat = flat_new_locked(n, parent);
  prefix = above->flat != NULL ? node_key_locked(dir) : NULL;
  if (prefix == NULL)
    return;
  listing_ref_locked(above);
  node_ref_locked(parent);
  fill_locked(above, dir, prefix, p);
  go_ahead_locked(above, dir, prefix);
  listing_unref_locked(above);
  node_unref_locked(n, parent);
  free(prefix);
}
