/* IAM policy documents: parsing and evaluation (IAM user guide, "Policy
 * evaluation logic" and "JSON policy element reference"). Pure: no sockets, no
 * threads, no globals. Used by the emulator to decide and by the client's
 * `policy` commands to explain. */
#ifndef S3APFS_POLICY_POLICY_H
#define S3APFS_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "s3apfs/base/buf.h"

struct policy; /* one parsed document; immutable */

/* At most 64 KiB. Accepts a single statement object or an array; Version
 * 2012-10-17 (variables are expanded) and 2008-10-17, the default (they are
 * not). -EINVAL with one line in *why: which statement (counted from 1), which
 * element, and the line and column where they are known; -ENOMEM. */
int policy_parse(const char *json, size_t len, struct policy **out, struct buf *why);
void policy_free(struct policy *p);

/* Is the document of the kind its place wants? 0, or -EINVAL with one line in
 * *why (which may be NULL, here and above). Identity (also boundaries, session
 * policies, service control policies): Resource, no Principal. Resource
 * (buckets, access points, VPC endpoints): Principal and Resource. Trust:
 * Principal, no Resource. */
int policy_check_identity(const struct policy *p, struct buf *why);
int policy_check_resource(const struct policy *p, struct buf *why);
int policy_check_trust(const struct policy *p, struct buf *why);

/* Values of one condition key in a request. A key absent from the context is
 * not in the list at all. Names match case-insensitively. */
struct policy_context_key {
  const char *name; /* "aws:SourceVpce", "s3:prefix", "s3:ExistingObjectTag/team" */
  const char *const *values;
  size_t count;
};

struct policy_principal {
  const char *arn;      /* the caller: user, assumed-role session, account root; NULL = anonymous */
  const char *role_arn; /* for a session: the role's ARN; else NULL */
  const char *account;  /* 12 digits or NULL */
  const char *service;  /* "sagemaker.amazonaws.com" for service principals; else NULL */
  const char *federated; /* or NULL */
};

struct policy_request {
  struct policy_principal principal;
  const char *action;   /* "s3:GetObject" */
  const char *resource; /* ARN */
  const struct policy_context_key *context;
  size_t context_count;
};

enum policy_effect { POLICY_NO_MATCH, POLICY_ALLOW, POLICY_DENY };

struct policy_decision {
  enum policy_effect effect;
  const char *sid;  /* of the deciding statement, "" when it has none; owned by the policy */
  size_t statement; /* index of the deciding statement, from 0; meaningless for NO_MATCH */
  /* For ALLOW by a resource policy: the statement names exactly this caller's
   * session or user ARN (such a grant is not cut by boundaries and session
   * policies), its role, or only its account / everyone. */
  enum {
    POLICY_VIA_NONE,
    POLICY_VIA_PRINCIPAL,
    POLICY_VIA_ROLE,
    POLICY_VIA_ACCOUNT,
    POLICY_VIA_ANYONE
  } via;
};

/* Identity-style documents have no Principal: every statement is about the
 * caller. Resource-style documents match Principal/NotPrincipal too. An
 * explicit Deny wins over any Allow. */
void policy_evaluate_identity(const struct policy *p, const struct policy_request *r,
                              struct policy_decision *out);
void policy_evaluate_resource(const struct policy *p, const struct policy_request *r,
                              struct policy_decision *out);

/* Block Public Access's test: some Allow statement grants to everyone and no
 * condition pins it to fixed accounts, VPCs, ARNs or addresses. */
bool policy_is_public(const struct policy *p);

#endif
