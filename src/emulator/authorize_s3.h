/* May this caller do that on S3? The one decision the data plane asks for,
 * over identity, boundary, session, bucket, access point and VPC endpoint
 * policies, Block Public Access, network origin, Requester Pays and the
 * expected bucket owner. */
#ifndef S3APFS_EMULATOR_AUTHORIZE_S3_H
#define S3APFS_EMULATOR_AUTHORIZE_S3_H

#include <stdbool.h>

#include "s3_access.h"
#include "world.h"

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
