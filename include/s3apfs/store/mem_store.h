/* Object store in memory: the reference back end of unit tests.
 *
 * get() answers on threads of its own, progress() comes in pieces of 64 KiB; a
 * get reads the version that stood when it was called. */
#ifndef S3APFS_STORE_MEM_STORE_H
#define S3APFS_STORE_MEM_STORE_H

#include "s3apfs/store/store.h"

int mem_store_new(const char *domain, struct store **out);
/* Creates or replaces; the etag changes whenever the bytes are put. 0 or -ENOMEM. */
int mem_store_put(struct store *s, const char *key, const void *data, size_t len);
int mem_store_delete(struct store *s, const char *key); /* 0 or -ENOENT */
/* User metadata head() gives from now on; a later put keeps it. 0, -ENOENT or -ENOMEM. */
int mem_store_set_meta(struct store *s, const char *key, const char *name, const char *value);
/* The time new versions get; 0 (the start value): 2026-01-01T00:00:00Z plus one second a put. */
void mem_store_set_mtime(struct store *s, int64_t mtime);
void mem_store_set_archived(struct store *s, const char *key, bool archived);
/* LIST answers -EACCES from now on (GET without LIST), absent keys too. */
void mem_store_deny_list(struct store *s, bool deny);
/* As an s3:prefix condition: LIST answers only below this prefix (NULL: everywhere). Copied. */
void mem_store_allow_list_below(struct store *s, const char *prefix);
/* GET and HEAD of this key answer -EACCES; it is still listed. */
void mem_store_deny_key(struct store *s, const char *key, bool deny);
/* Calls made so far. */
struct mem_store_counts {
  unsigned gets, heads, lists;
  uint64_t bytes;
};
void mem_store_counts(struct store *s, struct mem_store_counts *out);

#endif
