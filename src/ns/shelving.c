/* Listings kept over remounts (state/shelf).
 *
 * A listing that was read to its end is kept when its directory is closed. A mount
 * that has not listed a folder yet shows what an earlier mount kept of it, once the store
 * has answered a LIST of this root to this mount, and asks the store behind: one folder
 * after the other, by the listing of the folder above where that is a walk. What turns out
 * to be different is forgotten here and by the kernel. A kept listing proves no absence;
 * where only a name was asked for it shows the folders that paths lead through. It is used
 * only until the store's answer is there, RESTORED_MS at most.
 *
 * Own changes make a kept listing wrong, so it is dropped with the note of each change: another
 * mount that shares the directory may have kept one since the change before.
 * Disk and kernel are spoken to without the lock: what is to be dropped and told is
 * noted and done by shelving_flush(). Jobs run one at a time on n->shelver. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/change.h"
#include "s3apfs/state/shelf.h"
#include "shelving_form.h"

#define RESTORED_MS 10000
#define AGE_MAX_MS ((int64_t)24 * 3600 * 1000)
#define LIMIT_MS 60000
#define SPECULATION_MAX 2 /* pages that are asked for although nobody opened the folder */
#define END_OF_FOLDER "\xf4\x8f\xbf\xbf" /* the last character there is */

/* What is to be done without the lock: a kept listing dropped (key), or a name told. */
struct errand {
  struct errand *next;
  const struct root *root;
  char *key;
  uint64_t parent;
  uint64_t ino;
  char *name;
};

static void errand_add_locked(struct ns *n, const struct errand *from) {
  struct errand *e = malloc(sizeof(*e));

  if (e == NULL || (from->key == NULL && from->name == NULL)) {
    free(e);
    free(from->key);
    free(from->name);
    return;
  }
  *e = *from;
  LL_PREPEND(n->synced.errands, e);
}

void shelving_unkeep_locked(struct ns *n, struct node *dir) {
  if (n->shelf == NULL || dir->kind != NODE_DIR)
    return;
  errand_add_locked(n, &(struct errand){.root = dir->root, .key = node_key_locked(dir)});
}

void shelving_reshaped_locked(struct ns *n, const struct root *r) {
  n->synced.roots[r->index].reshaped = true;
}

/* Every folder of the key below the first `from` characters. */
void shelving_drop_path(struct ns *n, const struct root *r, const char *key, size_t from) {
  for (const char *end = key + from; n->shelf != NULL && *end != '\0'; end++) {
    char *folder = *end == '/' ? text_printf("%.*s", (int)(end + 1 - key), key) : NULL;

    if (folder != NULL)
      shelf_drop(n->shelf, store_realm(r->store), folder);
    free(folder);
  }
}

void ns_unkeep(struct ns *n, const struct root *r, const char *key) {
  size_t len = strlen(key);
  char *folder;

  if (len > 0 && key[len - 1] == '/')
    len--;
  while (len > 0 && key[len - 1] != '/')
    len--;
  folder = n->shelf != NULL ? text_printf("%.*s", (int)len, key) : NULL;
  if (folder != NULL)
    shelf_drop(n->shelf, store_realm(r->store), folder);
  free(folder);
}

void shelving_flush(struct ns *n) {
  struct errand *e;
  struct errand *next;

  if (n->shelf == NULL)
    return;
  mtx_lock(&n->synced.lock);
  e = n->synced.errands;
  n->synced.errands = NULL;
  mtx_unlock(&n->synced.lock);
  for (; e != NULL; e = next) {
    next = e->next;
    if (e->key != NULL)
      shelf_drop(n->shelf, store_realm(e->root->store), e->key);
    else if (n->told != NULL)
      n->told(n->told_arg, e->parent, e->name, e->ino);
    free(e->key);
    free(e->name);
    free(e);
  }
}

/* --- showing --- */

static bool may_restore_locked(struct ns *n, const struct node *dir) {
  const struct root *r = dir->root;

  return n->shelf != NULL && !n->synced.roots[r->index].reshaped && dir->kind == NODE_DIR &&
         dir->dir.listing == NULL && dir->dir.notes == NULL && !dir->gone &&
         r->options.metadata_ttl_ms > 0 && r->options.listed;
}

static void revalidate(void *arg);

struct job {
  struct ns *ns;
  struct node *dir;
  struct listing *listing;
};

static bool submit_locked(struct ns *n, void (*fn)(void *arg), struct node *dir,
                          struct listing *l) {
  struct job *j = malloc(sizeof(*j));

  if (j == NULL)
    return false;
  *j = (struct job){n, dir, l};
  if (pool_submit(n->shelver, fn, j) != 0) {
    free(j);
    return false;
  }
  node_ref_locked(dir);
  if (l != NULL)
    listing_ref_locked(l);
  return true;
}

static void job_end(struct job *j) {
  struct ns *n = j->ns;

  mtx_lock(&n->synced.lock);
  if (j->listing != NULL)
    listing_unref_locked(j->listing);
  node_unref_locked(n, j->dir);
  mtx_unlock(&n->synced.lock);
  shelving_flush(n);
  free(j);
}

/* What earlier mounts kept; what this one keeps it has no use for. */
static struct shelf_reader *open_kept(struct ns *n, const struct listing *l) {
  int64_t now = clock_wall_ms(n->clock);
  struct shelf_reader *r;
  int64_t saved;

  if (shelf_reader_open(n->shelf, store_realm(l->dir->root->store), l->prefix, &r, &saved) != 0)
    return NULL;
  if (saved < n->made_ms && now - saved <= AGE_MAX_MS)
    return r;
  shelf_reader_close(r);
  return NULL;
}

/* NULL: the end, where rc is 0. */
static struct page *next_page(struct ns *n, const struct listing *l, struct shelf_reader *r,
                              int *rc) {
  struct form_input in;
  struct page *page;

  *rc = shelf_reader_next(r, &in.at, &in.left);
  if (*rc != 0 || in.left == 0)
    return NULL;
  page = form_take_page(&in, l->prefix);
  if (page == NULL)
    *rc = -EIO;
  else
    memo_fill(n, l->dir->root, l->prefix, page);
  return page;
}

/* How to ask for the next page, should it be dropped: from behind this one's last name. */
static char *next_token(const char *last) {
  size_t len = strlen(last);

  return text_printf("%s%s", last, len > 0 && last[len - 1] == '/' ? END_OF_FOLDER : "");
}

static int add_slot_locked(struct listing *l) {
  char *token = next_token(l->slots[l->count - 1].page->last);

  if (token != NULL && listing_add_slot(&l->slots, &l->count, token, true))
    return 0;
  free(token);
  return -ENOMEM;
}

/* Takes the page. -ENOMEM also when not all of the listing finds room in the budget. */
static int install_locked(struct listing *l, size_t slot, struct page *page) {
  bool marker = l->dir->marker;
  char *next = NULL;
  int rc = slot > 0 ? add_slot_locked(l) : 0;

  if (rc == 0)
    rc = listing_install_locked(l, slot, page, &next);
  if (rc != 0) {
    page_free(page);
    return rc;
  }
  l->dir->marker = marker; /* it is not shown yet */
  return l->slots[slot].counted && l->slots[0].page != NULL ? 0 : -ENOMEM;
}

/* All of it, page by page, into a listing aside: at most one page is not in the budget. */
static bool read_kept_locked(struct ns *n, struct listing *l, size_t most) {
  struct shelf_reader *r;
  struct page *page;
  size_t count = 0;
  int rc = 0;

  mtx_unlock(&n->synced.lock);
  r = open_kept(n, l);
  while (r != NULL && rc == 0 && (page = next_page(n, l, r, &rc)) != NULL) {
    mtx_lock(&n->synced.lock);
    if (count < most && may_restore_locked(n, l->dir)) {
      rc = install_locked(l, count++, page);
    } else {
      page_free(page);
      rc = -ECANCELED;
    }
    mtx_unlock(&n->synced.lock);
  }
  shelf_reader_close(r);
  mtx_lock(&n->synced.lock);
  return rc == 0 && count > 0;
}

static void show_locked(struct ns *n, struct listing *l) {
  int64_t ttl = l->dir->root->options.metadata_ttl_ms;

  listing_cache_locked(l);
  l->dir->marker = l->slots[0].page->marker;
  l->asof = 0; /* older than all that this mount learned */
  l->fresh_until = ns_now(n) + (ttl < RESTORED_MS ? ttl : RESTORED_MS);
  l->restored = true;
  if (!submit_locked(n, revalidate, l->dir, NULL))
    listing_uncache_locked(l);
}

bool shelving_answers_locked(const struct node *dir, const struct listing *l,
                             const struct item *it) {
  return !l->restored || dir->opened || it->is_dir;
}

void shelving_restore_locked(struct ns *n, struct node *dir, bool open) {
  struct listing *l;

  if (dir->kind != NODE_DIR || dir->root->options.posix == ROOT_POSIX_STRICT ||
      (open ? dir->opened : dir->looked))
    return;
  dir->looked = true;
  dir->opened = dir->opened || open;
  if (!may_restore_locked(n, dir))
    return;
  l = listing_new_aside_locked(n, dir);
  if (l == NULL)
    return;
  if (read_kept_locked(n, l, open ? SIZE_MAX : SPECULATION_MAX) && may_restore_locked(n, dir))
    show_locked(n, l);
  listing_unref_locked(l);
}

/* --- asking behind --- */

static bool is_restored_locked(const struct node *dir) {
  return dir->dir.listing != NULL && dir->dir.listing->restored;
}

static bool same(const struct item *a, const struct item *b) {
  return b != NULL && a->is_dir == b->is_dir && a->size == b->size && a->mtime == b->mtime &&
         a->archived == b->archived && strcmp(a->etag, b->etag) == 0;
}

static void tell_locked(struct ns *n, struct node *dir, const struct item *it) {
  for (int kind = NODE_DIR; kind < NODE_KINDS; kind++) {
    struct node *i =
        node_kind_is_object(kind) != it->is_dir ? node_child_locked(n, dir, it->name, kind) : NULL;

    if (i == NULL || i->local || i->fresh_until == INT64_MAX)
      continue;
    i->fresh_until = INT64_MIN;
    if (i->nlookup > 0)
      errand_add_locked(
          n, &(struct errand){.parent = dir->ino, .ino = i->ino, .name = strdup(it->name)});
  }
}

/* Names of the same folder stand in the same order: the search begins where the one before it
 * ended. */
static const struct item *find_again_locked(const struct listing *l, const struct item *it,
                                            size_t *slot) {
  for (size_t i = 0; i < l->count; i++) {
    size_t s = (*slot + i) % l->count;
    const struct page *p = l->slots[s].page;
    const struct item *found = p != NULL ? page_find(p, it->name, it->is_dir) : NULL;

    if (found == NULL || found->hidden)
      continue;
    *slot = s;
    return found;
  }
  return NULL;
}

static void compare_page_locked(struct ns *n, struct node *dir, const struct page *p,
                                const struct listing *now, size_t *slot) {
  for (size_t i = 0; p != NULL && i < p->count; i++)
    if (!p->items[i].hidden && !same(&p->items[i], find_again_locked(now, &p->items[i], slot)))
      tell_locked(n, dir, &p->items[i]);
}

void shelving_compare_locked(struct ns *n, struct node *dir, const struct listing *old,
                             const struct listing *now) {
  size_t slot = 0;

  for (size_t s = 0; s < old->count; s++)
    compare_page_locked(n, dir, old->slots[s].page, now, &slot);
}

/* The new listing answers already. Where much is different that takes a while: others
 * go on in between. */
static void compare_aside_locked(struct ns *n, struct node *dir, struct listing *old,
                                 const struct listing *now) {
  size_t slot = 0;

  for (size_t s = 0; s < old->count; s++) {
    compare_page_locked(n, dir, old->slots[s].page, now, &slot);
    mtx_unlock(&n->synced.lock);
    mtx_lock(&n->synced.lock);
  }
}

/* The whole folder, while the restored listing still answers. 0: it may take its place. */
static int read_all_locked(struct listing *l, const struct patience *p) {
  int rc = 0;

  for (size_t slot = 0; rc == 0 && !l->ns->synced.ending; slot++) {
    rc = listing_load_locked(l, slot, true, p);
    if (rc == 0)
      listing_ahead_locked(l, slot);
  }
  return rc == -ERANGE ? 0 : rc != 0 ? rc : -ECANCELED;
}

static void keep(void *arg);

static void relist_locked(struct ns *n, struct node *dir, const struct patience *p) {
  struct listing *l = listing_new_aside_locked(n, dir);
  struct listing *old;
  int rc;

  if (l == NULL)
    return;
  rc = read_all_locked(l, p);
  old = dir->dir.listing;
  if (rc == 0 && is_restored_locked(dir)) {
    listing_ref_locked(old);
    listing_cache_locked(l);
    compare_aside_locked(n, dir, old, l);
    listing_unref_locked(old);
    l->kept = submit_locked(n, keep, dir, l);
  } else if ((rc == -EACCES || rc == -ENOKEY) && is_restored_locked(dir)) {
    for (size_t i = 0; i < old->count; i++)
      for (size_t k = 0; old->slots[i].page != NULL && k < old->slots[i].page->count; k++)
        tell_locked(n, dir, &old->slots[i].page->items[k]);
    listing_uncache_locked(old);
  }
  listing_unref_locked(l);
}

static void revalidate(void *arg) {
  struct job *j = arg;
  struct ns *n = j->ns;
  struct patience p = {.deadline_mono_ms = clock_mono_ms(&clock_system) + LIMIT_MS};

  mtx_lock(&n->synced.lock);
  if (is_restored_locked(j->dir) && !n->synced.ending)
    flat_fill_locked(n, j->dir, &p);
  if (is_restored_locked(j->dir) && !n->synced.ending)
    relist_locked(n, j->dir, &p);
  mtx_unlock(&n->synced.lock);
  job_end(j);
}

/* --- keeping --- */

/* Whether this mount changed a name since, or lists anew: then the notes of changes are
 * the new listing's. */
static bool is_outdated_locked(const struct node *dir, const struct listing *l) {
  if (dir->gone || !l->cached)
    return true;
  for (const struct note *t = dir->dir.notes; t != NULL; t = t->hh.next)
    if (note_is_newer(t, l->asof))
      return true;
  return false;
}

/* The page, a piece of what is kept. -EAGAIN: it was dropped, or the listing is outdated. */
static int put_page(const struct job *j, size_t slot, struct shelf_writer *w, struct buf *b) {
  const struct listing *l = j->listing;
  int rc = -EAGAIN;

  buf_reset(b);
  mtx_lock(&j->ns->synced.lock);
  if (!is_outdated_locked(j->dir, l) && l->slots[slot].page != NULL) {
    form_put_page(l->slots[slot].page, b);
    rc = buf_error(b);
  }
  mtx_unlock(&j->ns->synced.lock);
  return rc == 0 ? shelf_writer_add(w, b->data, b->len) : rc;
}

static int put(const struct job *j, const char *realm, const char *key, size_t count) {
  struct shelf_writer *w;
  struct buf b;
  int rc = shelf_writer_open(j->ns->shelf, realm, key, &w);

  if (rc != 0)
    return rc;
  buf_init(&b, SHELF_PIECE_MAX);
  for (size_t slot = 0; rc == 0 && slot < count; slot++)
    rc = put_page(j, slot, w, &b);
  buf_fini(&b);
  return shelf_writer_end(w, rc);
}

/* What became outdated while it was written may have been dropped before it was there:
 * it is dropped here. */
static void drop_outdated(const struct job *j, const char *realm, const char *key) {
  bool outdated;

  mtx_lock(&j->ns->synced.lock);
  outdated = is_outdated_locked(j->dir, j->listing);
  mtx_unlock(&j->ns->synced.lock);
  if (outdated)
    shelf_drop(j->ns->shelf, realm, key);
}

static void keep(void *arg) {
  struct job *j = arg;
  struct ns *n = j->ns;
  const char *realm = store_realm(j->dir->root->store);
  char *key = NULL;
  size_t count = 0;
  int rc;

  mtx_lock(&n->synced.lock);
  if (!is_outdated_locked(j->dir, j->listing)) {
    key = node_key_locked(j->dir);
    count = j->listing->count;
  }
  mtx_unlock(&n->synced.lock);
  if (key != NULL) {
    rc = put(j, realm, key, count);
    if (rc != 0)
      log_debug("the listing of '%s' is not kept: %s", key, strerror(-rc));
    drop_outdated(j, realm, key);
  }
  free(key);
  job_end(j);
}

void shelving_keep_locked(struct ns *n, struct listing *l) {
  if (n->shelf == NULL || !l->ended || l->restored || l->kept || !l->cached ||
      !l->dir->root->options.listed || l->dir->root->options.metadata_ttl_ms == 0)
    return;
  for (size_t i = 0; i < l->count; i++)
    if (l->slots[i].page == NULL)
      return;
  l->kept = submit_locked(n, keep, l->dir, l);
}
