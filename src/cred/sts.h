/* One call to STS on behalf of a provider (STS API 2011-06-15, query protocol). */
#ifndef SRC_CRED_STS_H
#define SRC_CRED_STS_H

#include "s3apfs/cred/context.h"
#include "s3apfs/cred/profile.h"

/* params: Action and its members, without Version. keys NULL: sent unsigned.
 * Region and endpoint: the context's, the environment's, those of `p` (may be
 * NULL), at last us-east-1. Blocks for 30 s at most. 0 with the reply's body in
 * *reply (the caller's: buf_wipe), else *error (initialised) is filled. */
int sts_call(const struct cred_context *c, const struct aws_profile *p, struct keys *keys,
             const struct kvlist *params, struct buf *reply, struct s3_error *error);

#endif
