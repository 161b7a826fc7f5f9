/* Calls of S3 Control (Access Grants) and STS that the client makes. Blocking.
 * Wire formats: S3 Control API 2018-08-20, STS API 2011-06-15. */
#ifndef S3APFS_S3_CONTROL_H
#define S3APFS_S3_CONTROL_H

#include "s3apfs/aws/access_points_xml.h"
#include "s3apfs/aws/grants_xml.h"
#include "s3apfs/aws/scope.h"
#include "s3apfs/s3/client.h"

struct control; /* caller + keys + site; immutable, thread-safe */

/* keys borrowed. -EINVAL when the site has no region. */
int control_new(struct caller *c, struct key_source *keys, const struct s3_site *site,
                int64_t deadline_ms, struct control **out, struct buf *why);
void control_free(struct control *c);

/* timeout_ms 0: the control's deadline; attempts 0: the caller's. */
int control_caller_identity(struct control *c, int64_t timeout_ms, unsigned attempts,
                            struct caller_identity *out, struct s3_error *error);
/* account: whose instance; the caller's own for the lookup by prefix. */
int control_grants_instance(struct control *c, const char *account, const char *s3prefix,
                            char **instance_arn, struct s3_error *error);

struct data_access_request {
  const char *account; /* owner of the Access Grants instance */
  const char *target;  /* s3://BUCKET/PREFIX followed by a star */
  enum scope_permission permission;
  bool minimal;          /* privilege=Minimal */
  bool target_is_object; /* targetType=Object */
  unsigned duration_s;   /* 0: the service's default */
};
int control_data_access(struct control *c, const struct data_access_request *q,
                        struct data_access *out, struct s3_error *error);

/* All pages. scope NULL: every grant. */
int control_caller_grants(struct control *c, const char *account, const char *scope,
                          struct caller_grants *out, struct s3_error *error);

/* The account's access points in the control's Region, all pages. */
int control_access_points(struct control *c, const char *account, struct access_points *out,
                          struct s3_error *error);

#endif
