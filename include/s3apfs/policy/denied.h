/* AWS's access-denied messages, both ways (IAM user guide, "Troubleshoot access
 * denied error messages"; S3 user guide, "Troubleshoot access denied (403
 * Forbidden) errors"). */
#ifndef S3APFS_POLICY_DENIED_H
#define S3APFS_POLICY_DENIED_H

#include <stdbool.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/policy/layer.h"

/* What a message says; NULL where it does not tell. After denied_parse() the
 * strings belong to the struct; for denied_describe() they are only read. */
struct denied {
  enum policy_layer layer;
  bool explicit_deny;
  const char *principal;  /* "arn:...", "anonymous", a service */
  const char *action;     /* "s3:GetObject"; for GRANT the permission: "READ" */
  const char *resource;   /* ARN; for GRANT the s3:// prefix */
  const char *policy_arn; /* of the policy, where a newer message adds it */
};

/* Appends the message. Layer UNKNOWN, or no action: "Access Denied". Layers
 * that only ever refuse by a statement (RCP, BPA, SSE_C) are told that way
 * whatever explicit_deny says. */
void denied_describe(const struct denied *d, struct buf *out);

/* Reads a message in any spacing and letter case. The reason is looked for from
 * the end, so that an object key that imitates one is not believed. Text without a known reason
 * is layer UNKNOWN (and still gives principal, action, resource when it holds
 * them). A "resource-based policy" is the access point's or the bucket's when
 * the ARN tells, else RESOURCE. 0 or -ENOMEM. */
int denied_parse(const char *message, struct denied *out);
void denied_fini(struct denied *d);

#endif
