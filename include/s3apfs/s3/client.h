/* S3 data plane client for one target (bucket, access point, alias): builds,
 * sends and decodes calls. Thread-safe. Errors are negative errno with the AWS
 * detail in struct s3_error. */
#ifndef S3APFS_S3_CLIENT_H
#define S3APFS_S3_CLIENT_H

#include "s3apfs/aws/checksum.h"
#include "s3apfs/aws/endpoint.h"
#include "s3apfs/aws/listing.h"
#include "s3apfs/aws/target.h"
#include "s3apfs/net/call.h"
#include "s3apfs/store/store.h"

/* How to reach a service and sign for it; strings are borrowed by constructors
 * and copied. Zeroed members are "not given". */
struct s3_site {
  const char *region;
  const char *endpoint_url;           /* S3 data plane */
  const char *s3control_endpoint_url; /* Access Grants and access point calls */
  const char *sts_endpoint_url;
  bool use_fips;
  bool use_dual_stack;
  bool path_style;
  bool no_account_prefix; /* S3 Control custom endpoint takes no ACCOUNT. label */
  enum tristate use_arn_region;
  enum tristate disable_multi_region_access_points;
  bool disable_express_session_auth; /* directory buckets: every call signed with plain keys */
};

/* How what is written is kept, as the user wishes it. In the words of S3's headers;
 * NULL: not said, so that the bucket decides and objects keep what they have. */
struct s3_placing {
  const char *sse; /* also over what an object has */
  const char *kms_key;
  const char *bucket_key;      /* "true", "false" */
  const char *storage_class;   /* of new objects */
  const char *acl;             /* of everything that is written */
  enum checksum_kind checksum; /* what goes along with bytes */
  bool drop_tags;              /* tags are neither read nor written */
  bool keep_tags;              /* they are asked for even where a HEAD tells of none: it tells
                                * only who may read them */
};

struct s3_client_options {
  struct s3_site site;
  struct key_source *plain_keys; /* those that made the session of a directory bucket; borrowed */
  bool requester_pays;
  const char *expected_bucket_owner; /* NULL: not sent */
  int64_t deadline_ms;               /* per call; 0: 60 s */
  struct s3_placing placing;         /* copied */
  bool brief; /* changes that may be given up: no more time for them, nor a look at what
               * became of one without a reply */
};

struct s3_client;

/* keys is borrowed and must outlive the client. 0; -EINVAL with the rule's
 * message in *why (path style with an ARN, no region, ...); -ENOMEM. */
int s3_client_new(struct caller *c, struct key_source *keys, const char *bucket,
                  const struct s3_client_options *o, struct s3_client **out, struct buf *why);
/* Every call must have ended. */
void s3_client_free(struct s3_client *c);
/* "https://host/path": where calls go now. Appended to out. */
void s3_client_describe(struct s3_client *c, struct buf *out);
/* The region that requests are signed for; appended. */
void s3_client_region(struct s3_client *c, struct buf *out);

/* Blocking calls. Keys are whole object keys, bytes. */
int s3_client_head(struct s3_client *c, const char *key, struct store_attr *out,
                   struct kvlist *meta, struct s3_error *error);
/* Goes on from `token`, or starts behind the key `after` (-ENOTSUP in directory
 * buckets, which have no order); both may be NULL. */
int s3_client_list(struct s3_client *c, const char *prefix, const char *delimiter,
                   const char *token, const char *after, unsigned max, struct listing *out,
                   struct s3_error *error);

/* Asynchronous ranged GET into g->dst; contract of struct store_get, with g->key
 * taken as the whole key given here. on_error sees the detail of a failure just
 * before g->done and returns the errno to report (may be NULL). */
int s3_client_get(struct s3_client *c, const char *key, struct store_get *g,
                  int (*on_error)(void *arg, int err, struct s3_error *e), void *arg);
void s3_client_get_cancel(struct s3_client *c, struct store_get *g);

#endif
