/* A bucket's keys in byte order, in memory, with what a listing tells of each.
 * A page costs a binary search plus its own length, however many keys there
 * are: a common prefix is passed in one step. Not thread-safe: objects.c locks. */
#ifndef S3APFS_EMULATOR_KEY_INDEX_H
#define S3APFS_EMULATOR_KEY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_entry { /* owned strings */
  char *key;
  uint64_t size;
  int64_t mtime_ms;
  char *etag; /* without quotes */
  char *storage_class;
  char *owner;              /* account */
  char *checksum_algorithm; /* "CRC64NVME" */
  char *checksum_type;      /* "FULL_OBJECT" */
};
void key_entry_fini(struct key_entry *e);
int key_entry_copy(struct key_entry *dst, const struct key_entry *src);

struct key_index {
  struct key_entry *items;
  size_t count;
  size_t cap;
};

void key_index_init(struct key_index *x);
void key_index_fini(struct key_index *x);
/* Takes the entry's strings; replaces one of the same key. 0 or -ENOMEM (then
 * the entry is still the caller's). */
int key_index_put(struct key_index *x, struct key_entry *entry);
/* Bulk loading: append in any order, then sort once; keys must be distinct. */
int key_index_append(struct key_index *x, struct key_entry *entry);
void key_index_sort(struct key_index *x);
bool key_index_remove(struct key_index *x, const char *key);
/* Borrowed until the next change, or NULL. */
const struct key_entry *key_index_find(const struct key_index *x, const char *key);

struct key_query {
  const char *prefix;    /* "" for all */
  const char *delimiter; /* "" for none */
  const char *after;     /* only keys greater than this; "" from the start. When it is itself a
                          * common prefix, that whole group is passed */
  size_t max;            /* keys and common prefixes together */
};

struct key_page { /* owned copies */
  struct key_entry *entries;
  size_t entry_count;
  char **prefixes;
  size_t prefix_count;
  bool truncated;
  char *last; /* the last key or common prefix told, when truncated: the next `after` */
};
int key_index_page(const struct key_index *x, const struct key_query *q, struct key_page *out);
void key_page_fini(struct key_page *p);

#endif
