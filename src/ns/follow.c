/* Reading on in a folder that moved.
 *
 * A listing asks for its next page under the name that the folder had when it began, and after a
 * move nothing is left there: who was in the middle would find the end, and no error. So listings
 * of what moved are marked, and their readers go on in one that is made under the new name, behind
 * the name that they saw last. */
#include <errno.h>
#include <string.h>

#include "listing_internal.h"

static void mark_locked(struct listing *l, const struct node *dir) {
  for (; l != NULL; l = l->next)
    if (l->dir == dir || node_is_below_locked(l->dir, dir))
      l->moved = true;
}

void listing_moved_locked(struct ns *n, const struct node *dir) {
  mark_locked(n->synced.listings, dir);
  mark_locked(n->synced.aside, dir);
}

static bool find_in(const struct page *page, const char *name, size_t *at) {
  const struct item *it = page_find(page, name, false);

  if (it == NULL)
    it = page_find(page, name, true);
  if (it != NULL)
    *at = (size_t)(it - page->items) + 1;
  return it != NULL;
}

static size_t first_behind(const struct page *page, const char *name) {
  size_t at = 0;

  while (at < page->count && strcmp(page->items[at].name, name) <= 0)
    at++;
  return at;
}

int listing_behind_locked(struct listing *l, const char *name, const struct patience *p,
                          size_t *slot, size_t *at) {
  for (*slot = 0;; ++*slot) {
    const struct page *page;
    int rc = listing_load_locked(l, *slot, true, p);

    *at = 0;
    if (rc != 0)
      return rc == -ERANGE ? 0 : rc;
    page = l->slots[*slot].page;
    if (find_in(page, name, at))
      return 0;
    if (strcmp(page->last, name) > 0) {
      *at = first_behind(page, name);
      return 0;
    }
  }
}
