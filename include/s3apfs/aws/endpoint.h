/* Endpoint resolution for S3, S3 Control and STS: what host and path prefix a
 * request goes to and how it is signed. Follows the AWS SDKs' published rule
 * sets; error texts are theirs. Pure. */
#ifndef S3APFS_AWS_ENDPOINT_H
#define S3APFS_AWS_ENDPOINT_H

#include <stdbool.h>

#include "s3apfs/base/buf.h"

enum auth_scheme { AUTH_SIGV4, AUTH_SIGV4A, AUTH_SIGV4_S3EXPRESS };

struct endpoint {
  char *scheme; /* "https" or "http" */
  char *host;   /* host[:port]; the Host header's value */
  char *path;   /* "" or "/prefix" already percent-encoded; the key's "/KEY" follows */
  enum auth_scheme auth;
  char *signing_name;   /* "s3", "s3-object-lambda", "s3-outposts", "s3express", "sts" */
  char *signing_region; /* a region; for AUTH_SIGV4A the region set, "*" */
  bool disable_double_encoding;
};

enum tristate { TRISTATE_UNSET, TRISTATE_FALSE, TRISTATE_TRUE };

/* Members left zero are "not given", as in the rule set's parameters. */
struct s3_endpoint_params {
  const char *bucket; /* NULL: a call without bucket */
  const char *region;
  const char *endpoint; /* custom endpoint URL */
  bool use_fips;
  bool use_dual_stack;
  bool force_path_style;
  bool use_global_endpoint;
  enum tristate use_arn_region;
  bool disable_access_points;
  enum tristate disable_multi_region_access_points;
  bool use_s3express_control_endpoint;
  bool disable_s3express_session_auth;
};

struct s3control_endpoint_params {
  const char *region;
  const char *endpoint;
  const char *account_id;
  const char *access_point_name; /* NULL, a name or an ARN */
  const char *bucket;            /* NULL, a name or an Outposts bucket ARN */
  const char *outpost_id;
  const char *resource_arn;
  bool requires_account_id;
  bool use_fips;
  bool use_dual_stack;
  enum tristate use_arn_region;
  bool use_s3express_control_endpoint;
  bool no_account_prefix; /* not in the rule set: ACCOUNT. is not put before the host */
};

struct sts_endpoint_params {
  const char *region;
  const char *endpoint;
  bool use_fips;
  bool use_dual_stack;
  bool use_global_endpoint;
};

/* 0; -EINVAL with the rule set's message in *why; -ENOMEM. On success the
 * caller owns *out: endpoint_fini(). */
int endpoint_resolve_s3(const struct s3_endpoint_params *p, struct endpoint *out, struct buf *why);
int endpoint_resolve_s3control(const struct s3control_endpoint_params *p, struct endpoint *out,
                               struct buf *why);
int endpoint_resolve_sts(const struct sts_endpoint_params *p, struct endpoint *out,
                         struct buf *why);
void endpoint_fini(struct endpoint *e);

#endif
