/* ListAccessPoints' reply (S3 Control API reference). */
#ifndef S3APFS_AWS_ACCESS_POINTS_XML_H
#define S3APFS_AWS_ACCESS_POINTS_XML_H

#include <stddef.h>

/* Owned strings; "" when the service did not say. */
struct access_point_info {
  char *name;
  char *arn;
  char *alias;
  char *bucket;
  char *bucket_account;
  char *origin; /* "Internet" or "VPC" */
  char *vpc;
};

struct access_points {
  struct access_point_info *items;
  size_t count;
  char *next_token; /* NULL at the end */
};

/* One page. -EBADMSG: another call's reply, or an entry without a name; -ENOMEM. */
int access_points_parse(const void *xml, size_t len, struct access_points *out);
void access_points_fini(struct access_points *a);

#endif
