/* What is different in directory buckets and behind access points that are not
 * general ones (S3 user guide, "Differences for directory buckets", "Multi-Region
 * Access Points operations", "Access points attached to file systems"). */
#ifndef S3APFS_EMULATOR_S3_DIRECTORY_H
#define S3APFS_EMULATOR_S3_DIRECTORY_H

#include "exchange.h"
#include "objects.h"

bool directory_is(const struct exchange *x);
/* Operations and parameters that directory buckets do not have; 0 or an answer. */
int directory_refuse(const char *operation, struct exchange *x);
int access_point_refuse(const char *operation, struct exchange *x);
/* A page in no order that a client could guess. after: "" or page->last of the one before. */
int directory_page(struct exchange *x, const struct key_query *q, struct key_page *out);

#endif
