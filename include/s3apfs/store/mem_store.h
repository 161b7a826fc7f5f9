/* Object store in memory: the reference back end of unit tests.
 *
 * get() answers on threads of its own, progress() comes in pieces of 64 KiB; a
 * get reads the version that stood when it was called. Changes follow S3's rules:
 * conditions are judged at the moment of the change, a whole-object put has a new
 * etag even for the same bytes, an upload's ends in "-N", what an object carries
 * goes with the version, parts are checked when the upload is completed. */
#ifndef S3APFS_STORE_MEM_STORE_H
#define S3APFS_STORE_MEM_STORE_H

#include "s3apfs/store/write.h"

int mem_store_new(const char *domain, struct store **out);
/* Creates or replaces; the etag changes whenever the bytes are put. 0 or -ENOMEM. */
int mem_store_put(struct store *s, const char *key, const void *data, size_t len);
int mem_store_delete(struct store *s, const char *key); /* 0 or -ENOENT */
/* User metadata head() gives from now on; a later put keeps it. 0, -ENOENT or -ENOMEM. */
int mem_store_set_meta(struct store *s, const char *key, const char *name, const char *value);
/* The time new versions get; 0 (the start value): 2026-01-01T00:00:00Z plus one second a put. */
void mem_store_set_mtime(struct store *s, int64_t mtime);
/* From now on a version's etag says what its bytes are, as that of S3 does without KMS. */
void mem_store_set_etags_of_bytes(struct store *s);
/* As some servers do, from now on: no checksums are kept, and an etag is the MD5 of what was put at
 * once. */
void mem_store_set_no_checksums(struct store *s);
void mem_store_set_archived(struct store *s, const char *key, bool archived);
/* LIST answers -EACCES from now on (GET without LIST), absent keys too. */
void mem_store_deny_list(struct store *s, bool deny);
/* As an s3:prefix condition: LIST answers only below this prefix (NULL: everywhere). Copied. */
void mem_store_allow_list_below(struct store *s, const char *prefix);
/* GET and HEAD of this key answer -EACCES; it is still listed. */
void mem_store_deny_key(struct store *s, const char *key, bool deny);
/* Smallest part but the last that completing takes; STORE_PART_MIN at first. */
void mem_store_set_part_min(struct store *s, uint64_t bytes);
/* "a=1&b=2"; "" for none. A later put of whatever kind drops or replaces them. */
int mem_store_set_tags(struct store *s, const char *key, const char *tags);
/* Uploads neither completed nor aborted. */
unsigned mem_store_uploads(struct store *s);
/* Calls made so far, refused ones too. */
struct mem_store_counts {
  unsigned gets, heads, lists; /* heads: detail() too */
  unsigned puts, creates, parts, part_copies, completes, aborts, copies;
  unsigned appends;
  unsigned removes; /* objects named to remove() */
  unsigned tags;
  uint64_t bytes;     /* given out by gets */
  uint64_t bytes_put; /* taken by puts and parts; copies move none */
};
void mem_store_counts(struct store *s, struct mem_store_counts *out);

#endif
