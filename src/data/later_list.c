/* Names behind: listings.
 *
 * A listing leaves out what is being removed, by key and version. It waits instead when it asks
 * for so few entries that what is left out would be all of them, and for folders' objects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "later_internal.h"
#include "s3apfs/base/log.h"

#define FEW_ENTRIES 16U

/* What is being removed: keys, sorted by nothing, with versions. */
struct doomed {
  char *key;
  char *etag;
};

static int snapshot(struct later *l, const char *prefix, struct doomed **out, size_t *count) {
  struct doomed *all;
  size_t n = 0;
  int rc = 0;

  mtx_lock(&l->synced.lock);
  all = calloc(HASH_COUNT(l->synced.by_key) + 1, sizeof(*all));
  for (const struct later_change *c = l->synced.head; all != NULL && c != NULL; c = c->next) {
    if (c->kind != LATER_REMOVAL || !later_is_below(c, prefix))
      continue;
    all[n] = (struct doomed){strdup(c->key), c->etag != NULL ? strdup(c->etag) : NULL};
    if (all[n].key == NULL || (c->etag != NULL && all[n].etag == NULL))
      rc = -ENOMEM;
    n++;
  }
  mtx_unlock(&l->synced.lock);
  *out = all;
  *count = n;
  return all != NULL ? rc : -ENOMEM;
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const struct doomed *)a)->key, ((const struct doomed *)b)->key);
}

static bool is_doomed(const struct doomed *all, size_t count, const struct store_entry *e) {
  struct doomed wanted = {.key = e->name};
  const struct doomed *d;

  if (e->is_prefix || count == 0)
    return false;
  d = bsearch(&wanted, all, count, sizeof(*all), by_key);
  return d != NULL && (d->etag == NULL || strcmp(d->etag, e->attr.etag) == 0);
}

static void leave_out(struct store_page *page, struct doomed *all, size_t count) {
  size_t kept = 0;

  qsort(all, count, sizeof(*all), by_key);
  for (size_t i = 0; i < page->count; i++) {
    if (is_doomed(all, count, &page->entries[i]))
      free(page->entries[i].name);
    else
      page->entries[kept++] = page->entries[i];
  }
  page->count = kept;
}

/* What a listing has to wait for. */
static later_match those_that_matter(bool folded, unsigned max) {
  if (max <= FEW_ENTRIES)
    return later_is_below;
  return folded ? later_is_deeper : later_is_made_below;
}

/* One of the two inner calls; the token is a name to start behind, or not. */
static int list_inner(struct store *inner, const char *prefix, bool folded, const char *token,
                      bool after, unsigned max, struct store_page *out) {
  if (!after)
    return inner->ops->list(inner, prefix, folded, token, max, out);
  return inner->ops->list_after != NULL
             ? inner->ops->list_after(inner, prefix, folded, token, max, out)
             : -ENOTSUP;
}

static int list_from(struct later *l, const char *prefix, bool folded, const char *token,
                     bool after, unsigned max, struct store_page *out) {
  struct doomed *all = NULL;
  size_t count = 0;
  int rc;

  /* What cannot be sent for now must not keep anybody from looking. */
  if (!later_is_failing(l) && later_wait(l, those_that_matter(folded, max), prefix) != 0)
    log_debug("'%s' is listed although changes below it wait", prefix);
  rc = later_settle_moves(l, later_is_copy_below, prefix);
  if (rc == 0)
    rc = snapshot(l, prefix, &all, &count);
  if (rc == 0)
    rc = list_inner(l->inner, prefix, folded, token, after, max, out);
  if (rc == 0)
    leave_out(out, all, count);
  for (size_t i = 0; i < count; i++) {
    free(all[i].key);
    free(all[i].etag);
  }
  free(all);
  return rc;
}

int later_list(struct store *s, const char *prefix, bool folded, const char *token, unsigned max,
               struct store_page *out) {
  return list_from(later_self(s), prefix, folded, token, false, max, out);
}

int later_list_after(struct store *s, const char *prefix, bool folded, const char *after,
                     unsigned max, struct store_page *out) {
  return list_from(later_self(s), prefix, folded, after, true, max, out);
}
