/* What a look-up saw of a folder: all of it, when it is small.
 *
 * The LIST that tells whether a name is a folder brings its first names along. When
 * that is all, the folder's listing needs no request of its own, if it is opened soon.
 * Names of folders are answered from there as well, because a LIST tells of them all there is;
 * others are not: it shows no metadata, and who asks for one name gets that. The last few are
 * kept. What the mount's own first LIST showed of a root is such a look-up too, but for the
 * listing: who opens the root gets what is there then. */
#include <errno.h>
#include <stdlib.h>

#include "listing_internal.h"

#define PEEKS 8

struct peek {
  uint64_t ino;
  int64_t asof; /* tick of the call */
  int64_t fresh_until;
  struct page *page; /* NULL: free */
  bool whole;        /* it may become the listing */
};

struct peeks {
  struct peek items[PEEKS];
  unsigned next; /* the one that makes room */
};

int peeks_new(struct ns *n) {
  n->synced.peeks = calloc(1, sizeof(*n->synced.peeks));
  return n->synced.peeks != NULL ? 0 : -ENOMEM;
}

void peeks_forget_locked(struct ns *n) {
  for (size_t i = 0; n->synced.peeks != NULL && i < PEEKS; i++) {
    page_free(n->synced.peeks->items[i].page);
    n->synced.peeks->items[i].page = NULL;
  }
}

void peeks_free(struct ns *n) {
  peeks_forget_locked(n);
  free(n->synced.peeks);
}

static struct peek *find_locked(struct ns *n, uint64_t ino) {
  for (size_t i = 0; i < PEEKS; i++) {
    struct peek *p = &n->synced.peeks->items[i];

    if (p->page != NULL && p->ino == ino)
      return p;
  }
  return NULL;
}

void peeks_drop_locked(struct ns *n, const struct node *dir) {
  struct peek *p = find_locked(n, dir->ino);

  if (p == NULL)
    return;
  page_free(p->page);
  p->page = NULL;
}

void peeks_put_locked(struct ns *n, const struct node *dir, struct page *page, int64_t asof,
                      int64_t fresh_until, bool whole) {
  struct peek *p = find_locked(n, dir->ino);

  if (dir->dir.notes != NULL) {
    page_free(page);
    return;
  }
  if (p == NULL) {
    p = &n->synced.peeks->items[n->synced.peeks->next];
    n->synced.peeks->next = (n->synced.peeks->next + 1) % PEEKS;
  }
  page_free(p->page);
  *p = (struct peek){
      .ino = dir->ino, .asof = asof, .fresh_until = fresh_until, .page = page, .whole = whole};
}

const struct item *peeks_find_locked(struct ns *n, const struct node *dir, const char *name,
                                     int64_t *asof, int64_t *fresh_until) {
  const struct peek *p = find_locked(n, dir->ino);

  if (p == NULL || p->fresh_until <= ns_now(n) || dir->dir.notes != NULL)
    return NULL;
  *asof = p->asof;
  *fresh_until = p->fresh_until;
  return page_find(p->page, name, true);
}

void peeks_use_locked(struct ns *n, struct node *dir) {
  struct peek *p = find_locked(n, dir->ino);
  struct page *page;

  if (p == NULL || !p->whole)
    return;
  page = p->page;
  p->page = NULL;
  if (p->fresh_until <= ns_now(n) || dir->dir.notes != NULL ||
      listing_fresh_locked(n, dir) != NULL ||
      !listing_adopt_locked(n, dir, page, p->asof, p->fresh_until))
    page_free(page);
}
