/* ARN grammar: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE (AWS General
 * Reference, "Amazon Resource Names"). The resource keeps its ':' and '/'. */
#ifndef S3APFS_AWS_ARN_H
#define S3APFS_AWS_ARN_H

struct arn {
  char *partition;
  char *service;
  char *region;  /* may be "" */
  char *account; /* may be "" */
  char *resource;
};

/* -EINVAL when s has not six parts, or partition, service or resource is
 * empty; -ENOMEM. On success the caller owns it: arn_fini(). */
int arn_parse(const char *s, struct arn *out);
void arn_fini(struct arn *a);

#endif
