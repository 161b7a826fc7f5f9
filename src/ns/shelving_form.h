/* What the shelf has of a listing: its pages, a piece each: the count of its entries, then for each
 * a record and the bytes of name and etag, in this machine's byte order. */
#ifndef S3APFS_SRC_NS_SHELVING_FORM_H
#define S3APFS_SRC_NS_SHELVING_FORM_H

#include "listing_internal.h"
#include "s3apfs/base/buf.h"

struct form_input {
  const char *at;
  size_t left;
};

void form_put_page(const struct page *p, struct buf *out);
/* The page of the folder `prefix`; the caller's. NULL: it cannot be read. */
struct page *form_take_page(struct form_input *in, const char *prefix);

#endif
