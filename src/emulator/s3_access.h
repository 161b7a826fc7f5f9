/* One thing that somebody wants to do on S3, as data. */
#ifndef S3APFS_EMULATOR_S3_ACCESS_H
#define S3APFS_EMULATOR_S3_ACCESS_H

#include <stdbool.h>

#include "s3apfs/base/kv.h"

/* Everything is borrowed and may be NULL unless it says otherwise. */
struct s3_access {
  /* who */
  const char *access_key_id; /* verified; NULL = anonymous */
  /* how it came */
  const char *endpoint_id; /* the VPC endpoint ("vpce-..."), NULL = from the internet */
  const char *source_ip;   /* "127.0.0.1" */
  bool secure;             /* TLS */
  const char *user_agent;
  const struct kvlist *headers; /* of the request: x-amz-acl and friends */
  const struct kvlist *query;   /* prefix, delimiter, max-keys, versionId */
  /* what */
  const char *action; /* "s3:GetObject"; required. Several needed: one call each */
  const char *bucket; /* the bucket's name, also for requests through an access point; required
                         except for s3:ListAllMyBuckets and s3:CreateBucket of a new name */
  const char *access_point_arn;  /* NULL: addressed by bucket name */
  const char *key;               /* decoded; NULL for operations on the bucket */
  const struct kvlist *tags;     /* the existing object's */
  const struct kvlist *new_tags; /* x-amz-tagging, PutObjectTagging: s3:RequestObjectTag */
  const char *kms_key;           /* in place of all these, for kms:... actions */
  const char *object_owner;      /* account, when it is not the bucket's owner */
};

#endif
