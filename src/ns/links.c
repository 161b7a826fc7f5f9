/* Link counts of folders: 2 and one for each subfolder, where all of a folder's names are known
 * and young, as in one that was made or listed just now. Else 1, which promises nothing: 2 would
 * tell programs like find(1) that there are no subfolders. No request is made for it, and
 * nothing kept: names are counted, when they are few. */
#include "listing_internal.h"

#define NAMES_MAX 256

/* The one page that shows all of the folder; NULL: that is not known, or it is not small. */
static const struct page *all_names_locked(struct ns *n, const struct node *dir) {
  const struct listing *l = dir->dir.listing;

  if (l == NULL || l->restored || l->fresh_until <= ns_now(n) || !l->ended || l->count != 1 ||
      l->slots[0].page == NULL || l->slots[0].page->count > NAMES_MAX ||
      HASH_COUNT(dir->dir.notes) > NAMES_MAX)
    return NULL;
  return l->slots[0].page;
}

unsigned links_locked(struct ns *n, const struct node *i) {
  const struct page *p = i->kind == NODE_DIR ? all_names_locked(n, i) : NULL;
  unsigned links = 2;
  const struct note *t;

  if (p == NULL)
    return 1;
  for (size_t k = 0; k < p->count; k++)
    links += p->items[k].is_dir && !p->items[k].hidden &&
             !note_is_newer(notes_find_locked(i, p->items[k].name), i->dir.listing->asof);
  for (t = i->dir.notes; t != NULL; t = t->hh.next)
    links += t->present && t->kind == NODE_DIR && note_is_newer(t, i->dir.listing->asof);
  return links;
}
