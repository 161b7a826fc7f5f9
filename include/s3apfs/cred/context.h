/* What providers need of the world around them. Everything is borrowed and must
 * outlive the providers that were made with it; the struct itself is copied. */
#ifndef S3APFS_CRED_CONTEXT_H
#define S3APFS_CRED_CONTEXT_H

#include <stdatomic.h>
#include <stdint.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/cred/env.h"
#include "s3apfs/net/call.h"

struct cred_context {
  struct cred_env env;
  struct caller *caller; /* sends what goes to STS */
  /* Settings of the user's own, over environment and profile; NULL: none. */
  const char *region;
  const char *sts_endpoint_url;
  bool use_fips;
  bool use_dual_stack;
  /* Milliseconds that one step towards keys may take at most; looked up at each step,
   * so that it can be changed. NULL or 0: each provider's own time only. */
  const atomic_int_fast64_t *deadline_ms;
  /* The present code of an MFA device, appended. 0, or -ENXIO: there is nobody
   * to ask. May block; any thread. NULL: there is nobody. */
  int (*mfa_code)(void *arg, const char *serial, struct buf *code);
  void *mfa_arg;
};

/* How long a step may take that a provider gives own_ms: the shorter of both. */
int64_t cred_context_limit(const struct cred_context *c, int64_t own_ms);

#endif
