/* The condition keys of one request (IAM user guide, "AWS global condition
 * context keys"; service authorization reference, "Amazon S3"), collected from
 * the caller, the connection and the request. A key that a real request would
 * not carry is absent, which is not the same as empty. Errors stick, as in
 * struct buf. */
#ifndef S3APFS_EMULATOR_CONTEXT_H
#define S3APFS_EMULATOR_CONTEXT_H

#include "world_internal.h"

struct context {
  struct policy_context_key *keys; /* names and values owned */
  size_t count, cap;
  int err;
};

struct connection { /* borrowed; NULLs allowed */
  const char *endpoint_id;
  const char *source_ip;
  bool secure;
  const char *user_agent;
};

void context_init(struct context *c);
void context_fini(struct context *c);
/* Adds a value; a key may have several. value NULL: nothing. */
void context_add(struct context *c, const char *name, const char *value);
void context_add_bool(struct context *c, const char *name, bool value);
void context_addf(struct context *c, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* PREFIX/KEY = value for each tag, such as aws:PrincipalTag/team. */
void context_add_tags(struct context *c, const char *prefix, const struct kvlist *tags);

/* aws:Principal*, aws:userid, aws:username, MFA, time. caller NULL: anonymous. */
void context_add_caller_locked(struct context *c, const struct world *w,
                               const struct credential *caller);
/* aws:Source*, aws:SecureTransport, aws:UserAgent. */
void context_add_connection_locked(struct context *c, struct world *w, const struct connection *n);
/* aws:ResourceAccount, s3:ResourceAccount, aws:ResourceOrgID. */
void context_add_resource_locked(struct context *c, const struct world *w, const char *account);

/* Who is asking, for the evaluator. Strings live in *p. */
struct principal_text {
  struct buf arn;
  struct policy_principal principal;
};
void principal_text_init(struct principal_text *p, const struct credential *caller);
void principal_text_fini(struct principal_text *p);

#endif
