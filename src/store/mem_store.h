/* The in-memory store's inside: its object table, shared by mem_objects.c
 * (contents) and mem_store.c (the store interface). */
#ifndef S3APFS_SRC_STORE_MEM_STORE_H
#define S3APFS_SRC_STORE_MEM_STORE_H

#include <stdatomic.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/store/mem_store.h"

struct blob {
  atomic_uint refs;
  struct store_attr attr;
  size_t len;
  unsigned char data[];
};

struct object {
  char *key;
  struct blob *blob;
  struct kvlist meta;
  bool denied;
};

struct mem_store {
  struct store store;
  struct pool *pool;
  struct {
    struct mtx lock;
    struct object *objects; /* sorted by key */
    size_t count;
    size_t cap;
    uint64_t versions;
    int64_t mtime;
    bool deny_list;
    char *list_below;
    struct mem_store_counts counts;
  } synced;
};

static inline struct mem_store *mem_store_self(struct store *s) {
  return (struct mem_store *)s;
}

void blob_unref(struct blob *b);
void object_fini(struct object *o);
/* Index of the first object whose key is not below `key`. */
size_t objects_find_locked(const struct mem_store *ms, const char *key);
/* The object of exactly that key, or NULL. */
struct object *objects_get_locked(struct mem_store *ms, const char *key);

#endif
