/* posix-metadata=strict: a listing does not tell metadata, so each object of a page is
 * asked for its own before the page is shown, many at once.
 *
 * What is remembered of a version does not count: another host's chmod leaves the etag
 * as it was. An object that may not be asked, or is another version by then, shows what is
 * remembered or the defaults. */
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "memo_internal.h"
#include "remote.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define SIDE_BY_SIDE 64

struct asking {
  struct ns *ns;
  const struct root *root;
  const char *prefix;
  struct page *page;
  const struct patience *patience;
};

static bool is_object(const struct item *it) {
  return !it->is_dir && !it->hidden;
}

static struct remote *ask(const struct asking *a, const struct item *it) {
  char *key = text_printf("%s%s", a->prefix, it->name);
  struct remote *c = NULL;

  if (key != NULL && remote_head(a->ns, a->root, key, &c) != 0)
    c = NULL;
  free(key);
  return c;
}

static void take(const struct asking *a, struct item *it, struct remote *c) {
  struct posix posix;

  if (c == NULL)
    return;
  if (remote_wait(c, a->patience) == 0 && strcmp(remote_attr(c)->etag, it->etag) == 0) {
    posix = *remote_posix(c);
    posix_keep_bits(&posix, it->posix);
    if (page_know(a->page, it, &posix) != 0)
      log_debug("'%s%s' shows no attributes", a->prefix, it->name);
  }
  remote_drop(c);
}

void strict_fill(struct ns *n, const struct root *r, const char *prefix, struct page *page,
                 const struct patience *p) {
  const struct asking a = {.ns = n, .root = r, .prefix = prefix, .page = page, .patience = p};
  struct remote **calls;

  if (r->options.posix != ROOT_POSIX_STRICT || page->count == 0)
    return;
  calls = calloc(page->count, sizeof(struct remote *));
  if (calls == NULL)
    return;
  for (size_t i = 0; i < page->count + SIDE_BY_SIDE; i++) {
    if (i >= SIDE_BY_SIDE && i - SIDE_BY_SIDE < page->count)
      take(&a, &page->items[i - SIDE_BY_SIDE], calls[i - SIDE_BY_SIDE]);
    if (i < page->count && is_object(&page->items[i]))
      calls[i] = ask(&a, &page->items[i]);
  }
  free(calls);
}
