/* AWS partitions: which DNS suffix a region's hosts end in (botocore's
 * partitions.json, as of 2026-08). */
#ifndef S3APFS_AWS_PARTITION_H
#define S3APFS_AWS_PARTITION_H

#include <stdbool.h>

struct partition {
  const char *id;                /* "aws", "aws-cn", ... */
  const char *dns_suffix;        /* "amazonaws.com" */
  const char *dual_stack_suffix; /* "api.aws" */
  const char *implicit_global_region;
  bool supports_fips;
};

/* Never NULL: an unknown region is in partition "aws". */
const struct partition *partition_of_region(const char *region);
/* NULL when there is none of that id. */
const struct partition *partition_by_id(const char *id);

#endif
