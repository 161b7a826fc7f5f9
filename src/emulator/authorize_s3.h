/* May this caller do that on S3? The one decision the data plane asks for,
 * over identity, boundary, session, bucket, access point and VPC endpoint
 * policies, Block Public Access, network origin, Requester Pays and the
 * expected bucket owner. */
#ifndef S3APFS_EMULATOR_AUTHORIZE_S3_H
#define S3APFS_EMULATOR_AUTHORIZE_S3_H

#include <stdbool.h>

#include "s3apfs/base/kv.h"
#include "world.h"

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
  const char *object_owner;      /* account, when it is not the bucket's owner */
};

struct s3_verdict {
  bool allowed;
  int http_status;  /* of the refusal: mostly 403 */
  const char *code; /* static: "AccessDenied" */
  char *message;    /* owned: "Access Denied", or AWS's longer text that names the layer */
};
void s3_verdict_fini(struct s3_verdict *v);

/* 0 with a verdict, or -ENOMEM. A verdict that denies is a success. */
int authorize_s3(struct world *w, const struct s3_access *a, struct s3_verdict *out);

/* For a key that is not there: true when the caller may list, so that the
 * answer is 404 NoSuchKey; otherwise 403 Access Denied hides the difference. */
bool authorize_s3_may_know(struct world *w, const struct s3_access *a);

#endif
