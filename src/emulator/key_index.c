/* The sorted array of a bucket's keys.
 *
 * An array, not a tree: listing is a walk over neighbours, a lookup a binary
 * search, and moving the tail for an insertion is one memmove of at most some
 * megabytes at the sizes a local emulator sees. */
#include "key_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

void key_entry_fini(struct key_entry *e) {
  free(e->key);
  free(e->etag);
  free(e->storage_class);
  free(e->owner);
  free(e->checksum_algorithm);
  free(e->checksum_type);
  memset(e, 0, sizeof(*e));
}

static int copy_text(char **dst, const char *src) {
  *dst = strdup(src ? src : "");
  return *dst ? 0 : -ENOMEM;
}

int key_entry_copy(struct key_entry *dst, const struct key_entry *src) {
  struct key_entry e = {.size = src->size, .mtime_ms = src->mtime_ms};
  if (copy_text(&e.key, src->key) || copy_text(&e.etag, src->etag) ||
      copy_text(&e.storage_class, src->storage_class) || copy_text(&e.owner, src->owner) ||
      copy_text(&e.checksum_algorithm, src->checksum_algorithm) ||
      copy_text(&e.checksum_type, src->checksum_type)) {
    key_entry_fini(&e);
    return -ENOMEM;
  }
  *dst = e;
  return 0;
}

void key_index_init(struct key_index *x) {
  memset(x, 0, sizeof(*x));
}

void key_index_fini(struct key_index *x) {
  for (size_t i = 0; i < x->count; i++)
    key_entry_fini(&x->items[i]);
  free(x->items);
  key_index_init(x);
}

/* The first position whose key is >= the given bytes. */
static size_t lower_bound(const struct key_index *x, const char *key) {
  size_t low = 0, high = x->count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (strcmp(x->items[mid].key, key) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

/* The first position behind all keys that start with the first len bytes of text. */
static size_t behind_prefix(const struct key_index *x, size_t from, const char *text, size_t len) {
  size_t low = from, high = x->count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (strncmp(x->items[mid].key, text, len) <= 0)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

static int make_room(struct key_index *x) {
  if (x->count < x->cap)
    return 0;
  size_t cap = x->cap ? x->cap * 2 : 64;
  struct key_entry *grown = reallocarray(x->items, cap, sizeof(*grown));
  if (!grown)
    return -ENOMEM;
  x->items = grown;
  x->cap = cap;
  return 0;
}

int key_index_put(struct key_index *x, struct key_entry *entry) {
  size_t at = lower_bound(x, entry->key);
  if (at < x->count && strcmp(x->items[at].key, entry->key) == 0) {
    key_entry_fini(&x->items[at]);
    x->items[at] = *entry;
    memset(entry, 0, sizeof(*entry));
    return 0;
  }
  int err = make_room(x);
  if (err)
    return err;
  memmove(x->items + at + 1, x->items + at, (x->count - at) * sizeof(*x->items));
  x->items[at] = *entry;
  x->count++;
  memset(entry, 0, sizeof(*entry));
  return 0;
}

int key_index_append(struct key_index *x, struct key_entry *entry) {
  int err = make_room(x);
  if (err)
    return err;
  x->items[x->count++] = *entry;
  memset(entry, 0, sizeof(*entry));
  return 0;
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const struct key_entry *)a)->key, ((const struct key_entry *)b)->key);
}

void key_index_sort(struct key_index *x) {
  if (x->count)
    qsort(x->items, x->count, sizeof(*x->items), by_key);
}

bool key_index_remove(struct key_index *x, const char *key) {
  size_t at = lower_bound(x, key);
  if (at == x->count || strcmp(x->items[at].key, key) != 0)
    return false;
  key_entry_fini(&x->items[at]);
  memmove(x->items + at, x->items + at + 1, (x->count - at - 1) * sizeof(*x->items));
  x->count--;
  return true;
}

const struct key_entry *key_index_find(const struct key_index *x, const char *key) {
  size_t at = lower_bound(x, key);
  return at < x->count && strcmp(x->items[at].key, key) == 0 ? &x->items[at] : NULL;
}

/* --- pages --- */

void key_page_fini(struct key_page *p) {
  for (size_t i = 0; i < p->entry_count; i++)
    key_entry_fini(&p->entries[i]);
  for (size_t i = 0; i < p->prefix_count; i++)
    free(p->prefixes[i]);
  free(p->entries);
  free(p->prefixes);
  free(p->last);
  memset(p, 0, sizeof(*p));
}

/* Length of the common prefix this key rolls up to, 0 when it is told itself. */
static size_t group_length(const struct key_query *q, const char *key) {
  if (!*q->delimiter)
    return 0;
  const char *hit = strstr(key + strlen(q->prefix), q->delimiter);
  return hit ? (size_t)(hit - key) + strlen(q->delimiter) : 0;
}

static size_t first_position(const struct key_index *x, const struct key_query *q) {
  size_t at = lower_bound(x, q->prefix);
  if (strcmp(q->after, q->prefix) < 0)
    return at;
  size_t resume = lower_bound(x, q->after);
  if (resume < x->count && strcmp(x->items[resume].key, q->after) == 0)
    resume++;
  if (!text_has_prefix(q->after, q->prefix))
    return resume;
  size_t group = group_length(q, q->after);
  if (group && group == strlen(q->after))
    resume = behind_prefix(x, resume, q->after, group);
  return resume > at ? resume : at;
}

static int page_add(struct key_page *p, const struct key_entry *e, size_t group) {
  if (!group) {
    int err = key_entry_copy(&p->entries[p->entry_count], e);
    if (!err)
      p->entry_count++;
    return err;
  }
  p->prefixes[p->prefix_count] = text_dup_n(e->key, group);
  if (!p->prefixes[p->prefix_count])
    return -ENOMEM;
  p->prefix_count++;
  return 0;
}

static int page_fill(const struct key_index *x, const struct key_query *q, struct key_page *p) {
  size_t prefix_len = strlen(q->prefix);
  const struct key_entry *last = NULL;
  size_t last_group = 0;
  for (size_t at = first_position(x, q); at < x->count;) {
    const struct key_entry *e = &x->items[at];
    if (strncmp(e->key, q->prefix, prefix_len) != 0)
      break;
    if (p->entry_count + p->prefix_count == q->max) {
      p->truncated = q->max > 0;
      break;
    }
    last = e;
    last_group = group_length(q, e->key);
    int err = page_add(p, e, last_group);
    if (err)
      return err;
    at = last_group ? behind_prefix(x, at, e->key, last_group) : at + 1;
  }
  if (p->truncated && last) {
    p->last = last_group ? text_dup_n(last->key, last_group) : strdup(last->key);
    return p->last ? 0 : -ENOMEM;
  }
  return 0;
}

int key_index_page(const struct key_index *x, const struct key_query *q, struct key_page *out) {
  struct key_page p = {0};
  size_t most = q->max < x->count ? q->max : x->count;
  p.entries = calloc(most + 1, sizeof(*p.entries));
  p.prefixes = calloc(most + 1, sizeof(*p.prefixes));
  int err = p.entries && p.prefixes ? page_fill(x, q, &p) : -ENOMEM;
  if (err) {
    key_page_fini(&p);
    return err;
  }
  *out = p;
  return 0;
}
