/* Codec of ListObjectsV2 replies (S3 API reference, ListBucketResult). */
#ifndef S3APFS_AWS_LISTING_H
#define S3APFS_AWS_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listing_object {
  char *key;           /* decoded bytes */
  char *etag;          /* without quotes; "" when the server gives none */
  char *storage_class; /* "" when the server gives none */
  uint64_t size;
  int64_t mtime; /* seconds */
};

struct listing {
  struct listing_object *objects;
  size_t object_count;
  char **prefixes; /* common prefixes, decoded */
  size_t prefix_count;
  char *next_token; /* NULL when the listing is complete */
};

/* -EBADMSG for anything that is not a well-formed ListBucketResult: missing
 * or repeated members, bad numbers, truncated without a token, undecodable or
 * empty keys, keys with NUL. -ENOMEM. Percent-encoded names are decoded when the
 * reply says EncodingType url ('+' is a space); keys are bytes and need not be
 * UTF-8. */
int listing_parse(const void *xml, size_t len, struct listing *out);
void listing_fini(struct listing *l);

#endif
