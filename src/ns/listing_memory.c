/* Memory of listings. It is taken from the budget without waiting. When it is short,
 * listings that nobody has open go first, then this one's earlier pages; what still
 * does not fit stays only while it is read. */
#include <stdlib.h>
#include <utlist.h>

#include "listing_internal.h"

void listing_drop_page_locked(struct listing *l, struct slot *s) {
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

/* The least recently used listing that only its directory keeps. */
static bool drop_listing_locked(struct ns *n) {
  struct listing *l;

  DL_FOREACH (n->synced.listings, l) {
    if (l->refs == 1) {
      listing_uncache_locked(l);
      return true;
    }
  }
  return false;
}

static bool drop_early_page_locked(struct listing *l, size_t before) {
  for (size_t i = 0; i + 1 < before; i++) {
    if (l->slots[i].page != NULL && l->slots[i].pins == 0) {
      listing_drop_page_locked(l, &l->slots[i]);
      return true;
    }
  }
  return false;
}

void listing_count_page_locked(struct listing *l, struct slot *s, size_t early) {
  while (!budget_try(l->ns->budget, s->page->bytes))
    if (!drop_listing_locked(l->ns) && !drop_early_page_locked(l, early))
      return;
  s->counted = true;
  l->ns->synced.listing_bytes += s->page->bytes;
}

/* Pages that found no memory stay only while they are read. */
void listing_drop_uncounted_locked(struct listing *l, size_t but) {
  for (size_t i = 0; i < l->count; i++)
    if (l->slots[i].page != NULL && !l->slots[i].counted && l->slots[i].pins == 0 && i != but)
      listing_drop_page_locked(l, &l->slots[i]);
}
