/* Object store in memory: the reference back end of unit tests. */
#ifndef S3APFS_STORE_MEM_STORE_H
#define S3APFS_STORE_MEM_STORE_H

#include "s3apfs/store/store.h"

int mem_store_new(const char *domain, struct store **out);
/* Creates or replaces; the etag changes whenever the bytes are put. 0 or -ENOMEM. */
int mem_store_put(struct store *s, const char *key, const void *data, size_t len);
int mem_store_delete(struct store *s, const char *key); /* 0 or -ENOENT */
/* LIST answers -EACCES from now on (GET without LIST), absent keys too. */
void mem_store_deny_list(struct store *s, bool deny);
void mem_store_deny_key(struct store *s, const char *key, bool deny);
/* Calls made so far. */
struct mem_store_counts {
  unsigned gets, heads, lists;
  uint64_t bytes;
};
void mem_store_counts(struct store *s, struct mem_store_counts *out);

#endif
