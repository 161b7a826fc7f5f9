/* Open directories.
 *
 * A handle keeps its directory's node and one listing, so offsets mean the same
 * as long as it is open: "." is 0, ".." is 1, and behind them every item has its
 * page and its place in the page. Reading from the start again takes a fresh
 * listing. Who is in the middle of a listing that is not the directory's any more needs the
 * notes since it began (notes.c): until the end was told twice, as a call that brings the last
 * names looks one further. Who only holds the directory open keeps none. Directories above the
 * roots list the catalog's nodes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "s3apfs/ns/ns.h"
#include "s3apfs/store/escape.h"

#define OFFSET_ITEMS 2 /* behind "." and ".." */
#define PAGE_BITS 10   /* a page holds at most 1,000 items */
#define PAGE_MASK ((1u << PAGE_BITS) - 1)
#define OFFSET_NOTES ((uint64_t)1 << 62) /* names made here that the listing lacks */

/* A name that was shown, and the offset behind it. */
struct shown {
  uint64_t next; /* 0: none */
  char name[NS_NAME_MAX + 1];
};

struct ns_dir {
  struct ns *ns;
  struct node *node;
  struct listing *listing; /* NULL above the roots; under the tree's lock */
  bool reading;            /* in the middle of it; the same */
  uint64_t end;            /* where the last read found the end; 0: it did not */
  struct shown last[2];    /* latest first: a caller may have had no room for that one */
};

static void hand_back_locked(struct ns_dir *d) {
  d->listing->idle -= !d->reading;
  listing_unref_locked(d->listing);
}

static void set_reading_locked(struct ns_dir *d, bool reading) {
  if (d->listing != NULL) {
    d->listing->idle += !reading;
    d->listing->idle -= !d->reading;
  }
  d->reading = reading;
}

/* Takes the directory's fresh listing, or a new one, in place of the old. */
static int take_listing_locked(struct ns_dir *d) {
  struct listing *l = listing_fresh_locked(d->ns, d->node);

  if (l != NULL)
    listing_ref_locked(l);
  else
    l = listing_new_locked(d->ns, d->node);
  if (l == NULL)
    return -ENOMEM;
  if (d->listing != NULL)
    hand_back_locked(d);
  d->listing = l;
  l->idle += !d->reading;
  return 0;
}

static int begin_locked(struct ns_dir *d, const struct patience *p) {
  int rc = take_listing_locked(d);

  return rc != 0 ? rc : listing_load_locked(d->listing, 0, false, p);
}

static int open_locked(struct ns_dir *d, const struct patience *p) {
  struct ns *n = d->ns;
  int rc;

  if (!node_is_dir(d->node))
    return -ENOTDIR;
  if (d->node->gone || node_is_retired(d->node))
    return -ENOENT;
  if (d->node->kind == NODE_ABOVE)
    return 0;
  if (d->node->dir.denied_until > ns_now(n))
    return -EACCES;
  peeks_use_locked(n, d->node);
  shelving_restore_locked(n, d->node, true);
  if (outage_at_locked(n, d->node) != 0)
    return listing_fresh_locked(n, d->node) != NULL ? begin_locked(d, p) : -EIO;
  if (d->node->dir.listing == NULL || !d->node->dir.listing->restored) {
    flat_fill_locked(n, d->node, p);
    walks_note_locked(n, d->node);
  }
  rc = begin_locked(d, p);
  if (outage_is_no_answer(rc) && outage_at_locked(n, d->node) != 0 &&
      listing_fresh_locked(n, d->node) != NULL)
    rc = begin_locked(d, p); /* with what was known before */
  return rc;
}

static void close_locked(struct ns_dir *d) {
  if (d->listing != NULL) {
    shelving_keep_locked(d->ns, d->listing);
    hand_back_locked(d);
  }
  node_unref_locked(d->ns, d->node);
}

int ns_dir_open(struct ns *n, uint64_t ino, const struct patience *p, struct ns_dir **out) {
  struct ns_dir *d = calloc(1, sizeof(*d));
  int rc;

  if (d == NULL)
    return -ENOMEM;
  d->ns = n;
  mtx_lock(&n->synced.lock);
  d->node = node_find_locked(n, ino);
  if (d->node == NULL) {
    mtx_unlock(&n->synced.lock);
    free(d);
    return -ESTALE;
  }
  node_ref_locked(d->node);
  rc = open_locked(d, p);
  if (rc != 0)
    close_locked(d);
  mtx_unlock(&n->synced.lock);
  shelving_flush(n);
  if (rc != 0) {
    free(d);
    return rc;
  }
  *out = d;
  return 0;
}

void ns_dir_close(struct ns_dir *d) {
  mtx_lock(&d->ns->synced.lock);
  close_locked(d);
  mtx_unlock(&d->ns->synced.lock);
  free(d);
}

static void dots_locked(struct ns_dir *d, uint64_t offset, struct ns_entry *out) {
  const struct node *i = d->node;

  if (offset == 1 && i->parent != NULL)
    i = i->parent;
  memcpy(out->name, "..", 3);
  if (offset == 0)
    out->name[1] = '\0';
  out->attr = (struct ns_attr){.ino = i->ino, .mode = S_IFDIR};
  out->next = offset + 1;
}

static void show_node_locked(struct ns_dir *d, struct node *i, bool plus, struct ns_entry *out) {
  if (plus) {
    i->nlookup++;
    node_attr_locked(d->ns, i, &out->attr);
  } else {
    out->attr = (struct ns_attr){.ino = i->ino, .mode = S_IFDIR};
  }
}

static void above_locked(struct ns_dir *d, uint64_t offset, bool plus, struct ns_entry *out,
                         bool *end) {
  struct ns *n = d->ns;

  for (uint64_t k = offset - OFFSET_ITEMS; k < n->synced.fixed_count; k++) {
    struct node *i = n->synced.fixed[k];

    if (i == NULL || i->parent != d->node)
      continue;
    memcpy(out->name, i->name, strlen(i->name) + 1);
    out->next = k + 1 + OFFSET_ITEMS;
    show_node_locked(d, i, plus, out);
    return;
  }
  *end = true;
}

static int show_note_locked(struct ns_dir *d, const struct note *t, bool plus,
                            struct ns_entry *out) {
  struct node *i;

  memcpy(out->name, t->name, strlen(t->name) + 1);
  if (!plus) {
    out->attr = (struct ns_attr){.ino = node_child_ino_locked(d->ns, d->node, t->name, t->kind),
                                 .mode = node_kind_mode(t->kind)};
    return 0;
  }
  i = node_make_locked(d->ns, d->node, t->name, t->kind);
  if (i == NULL)
    return -ENOMEM;
  show_node_locked(d, i, plus, out);
  return 0;
}

static int show_item_locked(struct ns_dir *d, const struct item *it, bool plus,
                            struct ns_entry *out) {
  enum node_kind kind = find_item_kind_locked(d->ns, d->node, it);
  const struct note *t = notes_find_locked(d->node, it->name);
  struct node *i;

  if (note_is_newer(t, d->listing->asof))
    return show_note_locked(d, t, plus, out); /* another version, or a link now */
  memcpy(out->name, it->name, strlen(it->name) + 1);
  if (!plus) {
    out->attr = (struct ns_attr){.ino = node_child_ino_locked(d->ns, d->node, it->name, kind),
                                 .mode = node_kind_mode(kind)};
    return 0;
  }
  i = find_attach_locked(d->ns, d->node, it, d->listing);
  if (i == NULL)
    return -ENOMEM;
  show_node_locked(d, i, plus, out);
  return 0;
}

/* A folder of its name hides it, and here it has another one. */
static bool is_twin(const struct ns_dir *d, const struct item *it) {
  return d->node->root->options.escaped && it->hidden && !it->is_dir &&
         strlen(it->name) + strlen(ESCAPE_TWIN) <= NS_NAME_MAX;
}

static int show_twin_locked(struct ns_dir *d, const struct item *it, bool plus,
                            struct ns_entry *out) {
  char name[NS_NAME_MAX + 1];
  struct item twin = *it;

  snprintf(name, sizeof(name), "%s%s", ESCAPE_TWIN, it->name);
  twin.name = name;
  twin.hidden = false;
  return show_item_locked(d, &twin, plus, out);
}

/* The listing is right about this item; else a note says what became of it. */
static bool is_shown_locked(const struct ns_dir *d, const struct item *it) {
  const struct note *t = it->hidden ? NULL : notes_find_locked(d->node, it->name);

  if (it->hidden || !note_is_newer(t, d->listing->asof))
    return !it->hidden || is_twin(d, it);
  return t->present && it->is_dir == (t->kind == NODE_DIR);
}

/* What was made here since the listing began, in the order it was made. */
static int note_locked(struct ns_dir *d, uint64_t seq, bool plus, struct ns_entry *out, bool *end) {
  const struct note *next = NULL;

  for (const struct note *t = d->node->dir.notes; t != NULL; t = t->hh.next) {
    const struct item *it;

    if (!t->present || t->seq < seq || !note_is_newer(t, d->listing->asof) ||
        (next != NULL && t->seq > next->seq))
      continue;
    it = listing_find_locked(d->listing, t->name);
    if (it == NULL || it->is_dir != (t->kind == NODE_DIR))
      next = t;
  }
  *end = next == NULL;
  if (next == NULL)
    return 0;
  out->next = OFFSET_NOTES + next->seq + 1;
  return show_note_locked(d, next, plus, out);
}

static int item_locked(struct ns_dir *d, uint64_t offset, bool plus, const struct patience *p,
                       struct ns_entry *out, bool *end) {
  size_t slot = (size_t)((offset - OFFSET_ITEMS) >> PAGE_BITS);
  size_t at = (size_t)((offset - OFFSET_ITEMS) & PAGE_MASK);

  if (offset >= OFFSET_NOTES)
    return note_locked(d, offset - OFFSET_NOTES, plus, out, end);
  for (;; slot++, at = 0) {
    const struct page *page;
    int rc = listing_load_locked(d->listing, slot, true, p);

    if (rc == -ERANGE)
      return note_locked(d, 0, plus, out, end);
    if (rc != 0)
      return rc;
    if (at == 0)
      listing_ahead_locked(d->listing, slot);
    page = d->listing->slots[slot].page;
    while (at < page->count && !is_shown_locked(d, &page->items[at]))
      at++;
    if (at == page->count)
      continue;
    out->next = ((uint64_t)slot << PAGE_BITS) + at + 1 + OFFSET_ITEMS;
    return is_twin(d, &page->items[at]) ? show_twin_locked(d, &page->items[at], plus, out)
                                        : show_item_locked(d, &page->items[at], plus, out);
  }
}

/* Notes since it began may be gone already when it is not the directory's any more. */
static bool is_old_locked(const struct ns_dir *d) {
  if (!stands_locked(d->ns, d->node, d->listing->fresh_until))
    return true;
  return !d->listing->cached && !d->node->gone && outage_at_locked(d->ns, d->node) == 0;
}

static bool is_over_locked(const struct ns_dir *d, uint64_t offset) {
  return !d->reading && d->listing != NULL && !d->listing->cached && offset != 0 &&
         offset == d->end;
}

static void note_end_locked(struct ns_dir *d, uint64_t offset, bool end) {
  if (end && offset == d->end)
    set_reading_locked(d, false);
  d->end = end ? offset : 0;
}

static void note_shown_locked(struct ns_dir *d, const struct ns_entry *e) {
  if (d->last[0].next != e->next)
    d->last[1] = d->last[0];
  d->last[0].next = e->next;
  memcpy(d->last[0].name, e->name, strlen(e->name) + 1);
}

/* The folder has another name than when its listing began: on behind what was shown last. Any
 * other place stands where it was, as the names are the same. */
static int follow_locked(struct ns_dir *d, const struct patience *p, uint64_t *offset) {
  const struct shown *last = &d->last[d->last[0].next != *offset];
  size_t slot;
  size_t at;
  int rc = take_listing_locked(d);

  if (rc == 0 && *offset > OFFSET_ITEMS && *offset < OFFSET_NOTES && last->next == *offset) {
    rc = listing_behind_locked(d->listing, last->name, p, &slot, &at);
    *offset = ((uint64_t)slot << PAGE_BITS) + at + OFFSET_ITEMS;
  }
  return rc;
}

static int read_locked(struct ns_dir *d, uint64_t offset, bool plus, const struct patience *p,
                       struct ns_entry *out, bool *end) {
  int rc = 0;

  if (offset == 0 && d->listing != NULL && is_old_locked(d))
    rc = take_listing_locked(d);
  if (rc != 0)
    return rc;
  *end = is_over_locked(d, offset);
  if (*end)
    return 0;
  set_reading_locked(d, true);
  if (offset >= OFFSET_ITEMS && d->listing != NULL && d->listing->moved && !d->node->gone)
    rc = follow_locked(d, p, &offset);
  if (rc != 0)
    return rc;
  if (offset < OFFSET_ITEMS)
    dots_locked(d, offset, out);
  else if (d->listing == NULL)
    above_locked(d, offset, plus, out, end);
  else
    rc = item_locked(d, offset, plus, p, out, end);
  if (rc == 0 && !*end)
    note_shown_locked(d, out);
  note_end_locked(d, offset, *end);
  return rc;
}

int ns_dir_read(struct ns_dir *d, uint64_t offset, bool plus, const struct patience *p,
                struct ns_entry *out, bool *end) {
  int rc;

  *end = false;
  out->attr = (struct ns_attr){0}; /* most entries tell but ino and type */
  mtx_lock(&d->ns->synced.lock);
  rc = read_locked(d, offset, plus, p, out, end);
  mtx_unlock(&d->ns->synced.lock);
  return rc;
}
