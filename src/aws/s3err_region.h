/* Region hints in error replies. */
#ifndef S3APFS_AWS_S3ERR_REGION_H
#define S3APFS_AWS_S3ERR_REGION_H

#include <stdbool.h>

/* 1 to 63 of a-z 0-9 '-', a letter first: it becomes part of a host name. */
bool s3err_region_is_valid(const char *s);
/* The region in an <Endpoint> host ("b.s3-eu-west-1.amazonaws.com",
 * "b.s3.dualstack.eu-west-1.amazonaws.com.cn", "s3.amazonaws.com"), or NULL when
 * it has none or memory is short. The caller frees it. */
char *s3err_region_of_endpoint(const char *host);

#endif
