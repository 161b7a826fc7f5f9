/* What the listings share: parameters and encodings. */
#ifndef S3APFS_EMULATOR_S3_LIST_H
#define S3APFS_EMULATOR_S3_LIST_H

#include "exchange.h"

struct list_params {
  const char *max_name; /* "max-keys", "max-uploads": set before reading */
  size_t max;
  const char *prefix;
  const char *delimiter;
  bool url; /* encoding-type=url */
};

/* prefix, delimiter, encoding-type and the page size. 0, or answered. */
int list_params_read(struct exchange *x, struct list_params *p);
/* An element whose text is url-encoded when the client asked for it. */
void list_element(struct buf *out, const struct list_params *p, const char *name,
                  const char *value);
/* <name><ID>canonical id</ID></name>. */
void list_owner(struct buf *out, const char *name, const char *account);

#endif
