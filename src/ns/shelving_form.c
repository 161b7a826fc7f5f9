/* The form of a kept listing: a page. */
#include "shelving_form.h"

#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define PAGE_MAX 1000

struct record {
  uint64_t size;
  int64_t mtime;
  uint16_t name_len;
  uint8_t etag_len;
  uint8_t flags;
};
#define IS_DIR 1
#define IS_ARCHIVED 2

static void put_item(struct buf *out, const struct item *it) {
  struct record r = {.size = it->size,
                     .mtime = it->mtime,
                     .name_len = (uint16_t)strlen(it->name),
                     .etag_len = (uint8_t)strlen(it->etag),
                     .flags =
                         (uint8_t)((it->is_dir ? IS_DIR : 0) | (it->archived ? IS_ARCHIVED : 0))};

  buf_append(out, &r, sizeof(r));
  buf_append(out, it->name, r.name_len);
  buf_append(out, it->etag, r.etag_len);
}

void form_put_page(const struct page *p, struct buf *out) {
  uint32_t count = (uint32_t)(p->count + (p->marker ? 1 : 0));

  buf_append(out, &count, sizeof(count));
  if (p->marker) /* the folder's own object has no name in it */
    put_item(out, &(struct item){.name = "", .etag = ""});
  for (size_t i = 0; i < p->count; i++)
    put_item(out, &p->items[i]);
}

static bool take(struct form_input *in, void *out, size_t len) {
  if (in->left < len)
    return false;
  memcpy(out, in->at, len);
  in->at += len;
  in->left -= len;
  return true;
}

static bool take_entry(struct form_input *in, const char *prefix, struct store_entry *e) {
  struct record r;

  if (!take(in, &r, sizeof(r)) || in->left < (size_t)r.name_len + r.etag_len ||
      r.etag_len >= STORE_ETAG_MAX)
    return false;
  e->is_prefix = (r.flags & IS_DIR) != 0;
  e->name = text_printf("%s%.*s%s", prefix, (int)r.name_len, in->at, e->is_prefix ? "/" : "");
  if (e->name == NULL)
    return false;
  in->at += r.name_len;
  in->left -= r.name_len;
  e->attr = (struct store_attr){
      .size = r.size, .mtime = r.mtime, .archived = (r.flags & IS_ARCHIVED) != 0};
  return take(in, e->attr.etag, r.etag_len);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct store_entry *)a)->name, ((const struct store_entry *)b)->name);
}

struct page *form_take_page(struct form_input *in, const char *prefix) {
  struct store_page from = {0};
  struct page *page = NULL;
  uint32_t count;

  if (!take(in, &count, sizeof(count)) || count > PAGE_MAX)
    return NULL;
  from.entries = calloc(count + 1, sizeof(*from.entries));
  if (from.entries == NULL)
    return NULL;
  while (from.count < count && take_entry(in, prefix, &from.entries[from.count]))
    from.count++;
  if (from.count == count) {
    qsort(from.entries, from.count, sizeof(*from.entries), by_name);
    if (page_new(&from, prefix, &page) != 0)
      page = NULL;
  } else {
    free(from.entries[from.count].name);
  }
  store_page_fini(&from);
  return page;
}
