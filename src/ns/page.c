/* One LIST page as items: names relative to the folder, sorted, in two blocks of
 * memory. Keys that no name can hold are left out and counted. Pure functions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/ns/ns.h"

#define PAGE_ITEMS_MAX 1000
/* Kept in buckets by Jupyter's contents manager so that folders exist. */
#define KEEP_FILE ".s3keep"

int name_check(const char *name, size_t len) {
  if (len == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return -EINVAL;
  if (len > NS_NAME_MAX)
    return -ENAMETOOLONG;
  return text_is_utf8(name, len) ? 0 : -EILSEQ;
}

static int compare(const void *a, const void *b) {
  const struct item *x = a;
  const struct item *y = b;
  int c = strcmp(x->name, y->name);

  return c != 0 ? c : (int)y->is_dir - (int)x->is_dir;
}

/* Where the entry's name starts below the folder, or NULL when it is none: the
 * folder's own marker, the keep file, or (counted) an odd key. */
static const char *visible_name(const struct store_entry *e, const char *prefix, size_t *len,
                                uint64_t *odd) {
  const char *name;
  char copy[NS_NAME_MAX + 1];

  *len = 0;
  if (!text_has_prefix(e->name, prefix)) {
    ++*odd;
    return NULL;
  }
  name = e->name + strlen(prefix);
  *len = strlen(name);
  if (e->is_prefix && *len > 0 && name[*len - 1] == '/')
    --*len;
  if (!e->is_prefix && (*len == 0 || strcmp(name, KEEP_FILE) == 0))
    return NULL;
  if (*len <= NS_NAME_MAX) {
    memcpy(copy, name, *len);
    copy[*len] = '\0';
  }
  if (*len > NS_NAME_MAX || memchr(name, '/', *len) != NULL || name_check(copy, *len) != 0) {
    ++*odd;
    return NULL;
  }
  return name;
}

static size_t text_size(const struct store_page *from) {
  size_t n = 1;

  for (size_t i = 0; i < from->count; i++)
    n += strlen(from->entries[i].name) + strlen(from->entries[i].attr.etag) + 2;
  return n;
}

static const char *put_text(char **at, const char *s, size_t len) {
  char *start = *at;

  memcpy(start, s, len);
  start[len] = '\0';
  *at += len + 1;
  return start;
}

static bool ascends(const struct store_page *from) {
  for (size_t i = 1; i < from->count; i++)
    if (strcmp(from->entries[i - 1].name, from->entries[i].name) >= 0)
      return false;
  return true;
}

static char *last_name(const struct store_page *from, const char *prefix) {
  const char *last = from->count > 0 ? from->entries[from->count - 1].name : "";

  return strdup(text_has_prefix(last, prefix) ? last + strlen(prefix) : last);
}

static void fill(struct page *p, const struct store_page *from, const char *prefix) {
  char *at = p->text;

  for (size_t i = 0; i < from->count; i++) {
    const struct store_entry *e = &from->entries[i];
    size_t len;
    const char *name = visible_name(e, prefix, &len, &p->odd);
    struct item *it = &p->items[p->count];

    p->marker |= !e->is_prefix && strcmp(e->name, prefix) == 0;
    if (name == NULL)
      continue;
    *it = (struct item){.size = e->attr.size,
                        .mtime = e->attr.mtime,
                        .is_dir = e->is_prefix,
                        .archived = e->attr.archived};
    it->name = put_text(&at, name, len);
    it->etag = put_text(&at, e->attr.etag, strlen(e->attr.etag));
    p->count++;
  }
  p->first = p->count > 0 ? strdup(p->items[0].name) : strdup("");
  p->last = last_name(from, prefix);
  p->raw = from->count;
  p->ordered = ascends(from);
  qsort(p->items, p->count, sizeof(*p->items), compare);
}

int page_new(const struct store_page *from, const char *prefix, struct page **out) {
  size_t text = text_size(from);
  struct page *p;

  if (from->count > PAGE_ITEMS_MAX)
    return -EIO;
  p = calloc(1, sizeof(*p));
  if (p == NULL)
    return -ENOMEM;
  p->items = calloc(from->count + 1, sizeof(*p->items));
  p->text = malloc(text);
  if (p->items != NULL && p->text != NULL)
    fill(p, from, prefix);
  if (p->first == NULL || p->last == NULL) {
    page_free(p);
    return -ENOMEM;
  }
  p->bytes = sizeof(*p) + (from->count + 1) * sizeof(*p->items) + text;
  *out = p;
  return 0;
}

int page_know(struct page *p, struct item *it, const struct posix *posix) {
  if (p->posix == NULL) {
    p->posix = calloc(p->count, sizeof(*p->posix));
    if (p->posix == NULL)
      return -ENOMEM;
    p->bytes += p->count * sizeof(*p->posix);
  }
  p->posix[it - p->items] = *posix;
  it->posix = &p->posix[it - p->items];
  return 0;
}

void page_free(struct page *p) {
  if (p == NULL)
    return;
  free(p->items);
  free(p->posix);
  free(p->text);
  free(p->first);
  free(p->last);
  free(p);
}

struct item *page_find(const struct page *p, const char *name, bool is_dir) {
  struct item wanted = {.name = name, .is_dir = is_dir};

  return bsearch(&wanted, p->items, p->count, sizeof(*p->items), compare);
}

/* As the store orders them: a folder by its name with the '/'. */
static int compare_stored(const struct item *it, const char *name) {
  size_t len = strlen(it->name);

  if (it->is_dir && strncmp(it->name, name, len) == 0)
    return '/' - (unsigned char)name[len];
  return strcmp(it->name, name);
}

bool page_is_behind(const struct page *p, const char *name) {
  for (size_t i = 0; i < p->count; i++)
    if (compare_stored(&p->items[i], name) <= 0)
      return false;
  return true;
}

void page_clip(struct page *p, const char *name) {
  size_t left = 0;

  for (size_t i = 0; i < p->count; i++)
    if (compare_stored(&p->items[i], name) <= 0)
      p->items[left++] = p->items[i];
  p->raw -= p->count - left;
  p->count = left;
}
