/* Own changes of what stands under a name: content, attributes, markers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "s3apfs/ns/change.h"

/* Metadata that is known, made when there is none. */
static struct posix *posix_locked(struct node *i) {
  if (i->posix == NULL)
    i->posix = calloc(1, sizeof(*i->posix));
  return i->posix;
}

void ns_written(struct ns *n, uint64_t ino, uint64_t size, int64_t mtime_ns) {
  struct node *i;
  struct posix *p;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL && !node_is_dir(i)) {
    i->file.size = size;
    p = posix_locked(i);
    if (p != NULL) {
      p->has_mtime = true;
      p->mtime_ns = mtime_ns;
    }
    if (!i->gone) {
      i->local = true;
      i->asof = ns_tick_locked(n);
      i->fresh_until = INT64_MAX;
    }
  }
  mtx_unlock(&n->synced.lock);
}

void ns_told(struct ns *n, uint64_t ino, const struct posix *posix) {
  struct node *i;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL && !node_is_dir(i) && !i->local && !i->whole && posix_locked(i) != NULL) {
    struct posix p = *posix;

    posix_keep_bits(&p, i->posix);
    *i->posix = p;
    i->whole = true;
  }
  mtx_unlock(&n->synced.lock);
}

int ns_dressed(struct ns *n, uint64_t ino, const struct posix *posix) {
  struct memo memo = {0};
  struct node *i;
  struct posix *p = NULL;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL)
    p = posix_locked(i);
  if (p != NULL)
    posix_lay_over(p, posix);
  if (p != NULL && node_is_dir(i)) {
    p->has_ctime = true;
    p->ctime_ns = clock_wall_ms(n->clock) * 1000000;
    folder_keep_locked(n, i, true, &memo);
  } else if (p != NULL) {
    memo_take_locked(n, i, &memo); /* what it was set on may be in the store already */
  }
  mtx_unlock(&n->synced.lock);
  memo_keep(n, &memo);
  if (i == NULL)
    return -ESTALE;
  return p != NULL ? 0 : -ENOMEM;
}

static void store_locked(struct ns *n, struct node *i, const struct store_attr *attr,
                         const struct posix *posix) {
  char *etag = strdup(attr->etag);

  metadata_drop_locked(n, i);
  if (posix != NULL && posix_locked(i) != NULL) {
    *i->posix = *posix;
    i->whole = true;
  }
  i->file.size = attr->size;
  i->file.mtime = attr->mtime;
  i->archived = attr->archived;
  i->crc_kind = (uint8_t)attr->crc_kind;
  i->file.crc = attr->crc;
  i->local = false;
  if (i->gone) {
    free(etag);
    return;
  }
  i->asof = ns_tick_locked(n);
  i->fresh_until = ns_now(n) + i->root->options.metadata_ttl_ms;
  if (etag == NULL) { /* without memory it is asked for again */
    i->fresh_until = INT64_MIN;
    return;
  }
  free(i->file.etag);
  i->file.etag = etag;
  notes_put_locked(n, i->parent, i->name, i->kind, true);
  absent_drop_locked(n, node_child_hash(i->parent, i->name));
}

void ns_stored(struct ns *n, uint64_t ino, const struct store_attr *attr,
               const struct posix *posix) {
  struct memo memo = {0};
  struct node *i;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL && !node_is_dir(i)) {
    store_locked(n, i, attr, posix);
    memo_take_locked(n, i, &memo);
  }
  mtx_unlock(&n->synced.lock);
  memo_keep(n, &memo);
  shelving_flush(n);
}

void ns_dropped(struct ns *n, uint64_t ino) {
  struct node *i;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL && i->local) {
    i->local = false;
    i->asof = ns_tick_locked(n);
    if (!i->gone)
      i->fresh_until = INT64_MIN;
    if (!i->gone && i->parent != NULL) /* perhaps the store has no such name */
      listing_forget_locked(n, i->parent, false);
  }
  mtx_unlock(&n->synced.lock);
}

static bool listed_other_locked(const struct node *dir, const char *name) {
  const struct listing *l = dir->dir.listing;

  for (size_t s = 0; l != NULL && s < l->count; s++) {
    const struct page *page = l->slots[s].page;

    for (size_t k = 0; page != NULL && k < page->count; k++) {
      const struct note *t = notes_find_locked(dir, page->items[k].name);

      if (strcmp(page->items[k].name, name) != 0 && (!note_is_newer(t, l->asof) || t->present))
        return true;
    }
  }
  return false;
}

bool ns_has_others(struct ns *n, uint64_t ino, const char *name) {
  const struct node *dir;
  int64_t since;
  bool yes = false;

  mtx_lock(&n->synced.lock);
  dir = node_find_locked(n, ino);
  if (dir != NULL && dir->kind == NODE_DIR) {
    since = dir->dir.listing != NULL ? dir->dir.listing->asof : INT64_MIN;
    for (const struct note *t = dir->dir.notes; t != NULL && !yes; t = t->hh.next)
      yes = t->present && note_is_newer(t, since) && strcmp(t->name, name) != 0;
    yes = yes || (listing_fresh_locked(n, dir) != NULL && !dir->dir.listing->restored &&
                  listed_other_locked(dir, name));
  }
  mtx_unlock(&n->synced.lock);
  return yes;
}

struct search {
  const struct node *top;
  bool found;
};

static void look_local(struct node *i, void *arg) {
  struct search *s = arg;

  s->found = s->found || (i->local && !i->gone && node_is_below_locked(i, s->top));
}

bool ns_has_local(struct ns *n, uint64_t ino) {
  struct search s = {0};

  mtx_lock(&n->synced.lock);
  s.top = node_find_locked(n, ino);
  if (s.top != NULL)
    node_each_locked(n, look_local, &s);
  mtx_unlock(&n->synced.lock);
  return s.found;
}

void ns_distrust(struct ns *n, uint64_t ino) {
  struct node *dir;

  mtx_lock(&n->synced.lock);
  dir = node_find_locked(n, ino);
  if (dir != NULL && dir->kind == NODE_DIR)
    listing_forget_locked(n, dir, false);
  mtx_unlock(&n->synced.lock);
}

void ns_set_marker(struct ns *n, uint64_t ino, bool marker) {
  struct node *dir;

  mtx_lock(&n->synced.lock);
  dir = node_find_locked(n, ino);
  if (dir != NULL && dir->kind == NODE_DIR)
    dir->marker = marker;
  mtx_unlock(&n->synced.lock);
}
