/* Where a copy comes from: x-amz-copy-source and its conditions. */
#ifndef S3APFS_EMULATOR_COPY_SOURCE_H
#define S3APFS_EMULATOR_COPY_SOURCE_H

#include "exchange.h"
#include "object_file.h"

struct copy_source {
  struct address at;
  int fd; /* open on the version to be copied */
  struct object_info object;
};

/* Parses the header (bucket/key, alias/key, access point ARN/object/key, all
 * percent-encoded), authorizes reading, opens, checks the conditions. 0, or answered. */
int copy_source_open(struct exchange *x, struct copy_source *out);
void copy_source_close(struct copy_source *s);

#endif
