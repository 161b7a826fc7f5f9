/* Files that stand behind another one in their folder's listing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/ns.h"

/* A page holds at most 1,000 items. */
#define PAGE_BITS 10

static bool in_page(const struct page *p, const char *name) {
  return p->count > 0 && strcmp(p->items[0].name, name) <= 0 &&
         strcmp(name, p->items[p->count - 1].name) <= 0;
}

int siblings_place_locked(const struct listing *l, const char *name, bool is_dir, uint32_t *index) {
  for (size_t i = 0; i < l->count; i++) {
    const struct page *page = l->slots[i].page;
    const struct item *it;

    if (page == NULL || !in_page(page, name))
      continue;
    it = page_find(page, name, is_dir);
    if (it == NULL)
      continue;
    *index = (uint32_t)(i << PAGE_BITS | (size_t)(it - page->items));
    return 0;
  }
  return -ENOENT;
}

int ns_position(struct ns *n, uint64_t ino, struct ns_position *out) {
  struct listing *l = NULL;
  struct node *i;
  int rc = -ENOENT;

  mtx_lock(&n->synced.lock);
  i = node_find_locked(n, ino);
  if (i != NULL && i->kind == NODE_FILE && i->parent != NULL && node_is_dir(i->parent))
    l = listing_fresh_locked(n, i->parent);
  if (l != NULL)
    rc = siblings_place_locked(l, i->name, false, &out->index);
  if (rc == 0) {
    out->dir = i->parent->ino;
    out->listing = (uint64_t)l->asof;
  }
  mtx_unlock(&n->synced.lock);
  return rc;
}

const struct item *siblings_item_locked(const struct listing *l, uint32_t *index) {
  size_t slot = *index >> PAGE_BITS;
  size_t at = *index & ((1u << PAGE_BITS) - 1);

  for (; slot < l->count; slot++, at = 0) {
    const struct page *page = l->slots[slot].page;

    if (page == NULL)
      return NULL;
    if (at < page->count) {
      *index = (uint32_t)(slot << PAGE_BITS | at);
      return &page->items[at];
    }
  }
  return NULL;
}

static int sibling_take_locked(const struct listing *l, const struct item *it, uint32_t index,
                               struct ns_sibling *out) {
  *out = (struct ns_sibling){.index = index, .attr = {.size = it->size, .mtime = it->mtime}};
  memcpy(out->attr.etag, it->etag, strlen(it->etag) + 1);
  out->key = text_printf("%s%s", l->prefix, it->name);
  return out->key != NULL ? 0 : -ENOMEM;
}

size_t ns_following(struct ns *n, const struct ns_position *place, size_t max,
                    struct ns_sibling *out, const struct root **root) {
  const struct node *dir;
  struct listing *l = NULL;
  size_t count = 0;

  mtx_lock(&n->synced.lock);
  dir = node_find_locked(n, place->dir);
  if (dir != NULL && node_is_dir(dir))
    l = listing_fresh_locked(n, dir);
  if (l != NULL && (uint64_t)l->asof == place->listing) {
    uint32_t index = place->index + 1;
    const struct item *it;

    *root = dir->root;
    for (; count < max && (it = siblings_item_locked(l, &index)) != NULL; index++) {
      if (it->is_dir || it->hidden || it->archived || it->size == 0)
        continue;
      if (sibling_take_locked(l, it, index, &out[count]) != 0)
        break;
      count++;
    }
  }
  mtx_unlock(&n->synced.lock);
  return count;
}
