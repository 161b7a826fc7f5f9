/* The whole decision over several layers (IAM user guide, "Policy evaluation
 * logic"; S3 user guide, "Configuring IAM policies for using access points" and
 * "Access points: cross-account"). Pure, like policy.h.
 *
 * The rules
 * 1. An explicit Deny in any layer wins.
 * 2. The caller's own account must not stand in the way: service control
 *    policies, permissions boundary and session policies each have to allow
 *    what the identity policies allow.
 * 3. Directly addressed resource. Owner's account = caller's: identity policies
 *    or the resource policy. Another account's: both.
 *    A resource policy of the own account that names the session or user itself
 *    is not cut by boundary and session policy; one that names the role or
 *    everyone is; one that names only the account hands the decision to the
 *    identity policies.
 * 4. Through an access point: the access point's policy is asked about the
 *    access point's ARN, the bucket's about the bucket's ARN, identity policies
 *    about the access point's ARN, the VPC endpoint's policy about both.
 *      caller = access point's owner:   identity or access point policy
 *      caller in another account:       identity and access point policy
 *      and the bucket's side:
 *        the access point's owner is not the bucket's, or the caller's account
 *        is not the bucket's: the bucket policy must allow (delegation);
 *        all three in one account: see enum authorize_bucket_side.
 * 5. Nobody stands behind an anonymous caller or a service: resource policies
 *    alone decide.
 * 6. An account's root user needs no identity policy.
 *
 * What AWS does not state, or what could not be checked against it, is a switch
 * in struct authorize_options; all zero is the default. */
#ifndef S3APFS_POLICY_AUTHORIZE_H
#define S3APFS_POLICY_AUTHORIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "s3apfs/policy/caller.h"
#include "s3apfs/policy/layer.h"
#include "s3apfs/policy/policy.h"

/* Something that is asked for: a bucket, an access point, a role, an Access
 * Grants instance. Its policy is asked with this arn. */
struct authorize_resource {
  /* Names it in the verdict. POLICY_LAYER_TRUST: rule 3, but the trust policy
   * must allow in any case. */
  enum policy_layer layer;
  const char *arn;             /* "arn:aws:s3:::b/k", "arn:...:accesspoint/ap/object/k" */
  const char *account;         /* of the owner */
  const struct policy *policy; /* NULL: none */
  bool restrict_public;        /* RestrictPublicBuckets is on: a public policy serves the owner's
                                  account and services only */
};

/* How the bucket's side is met when caller, access point and bucket belong to
 * one account and no bucket policy allows. */
enum authorize_bucket_side {
  /* An identity policy that allows on the access point's or the bucket's ARN;
   * the access point policy alone is not enough. Missing: told as IDENTITY. */
  AUTHORIZE_BUCKET_BY_IDENTITY,
  /* The common owner is enough. */
  AUTHORIZE_BUCKET_BY_OWNER,
  /* Only an identity policy that allows on the bucket's own ARN. Missing: told
   * as BUCKET, because delegation is the usual cure. */
  AUTHORIZE_BUCKET_BY_BUCKET_ARN,
};

struct authorize_options {
  enum authorize_bucket_side bucket_side;
  /* In the access point owner's own account identity AND access point policy
   * must allow, not one of them. */
  bool access_point_needs_both;
  /* An identity policy that names only the bucket's ARN never serves a request
   * through an access point. Otherwise it does once the bucket policy allows. */
  bool strict_access_point_arn;
  /* Bucket in another account: the access point policy of the caller's own
   * account does not stand in for a missing identity policy. */
  bool cross_account_needs_identity;
  /* A resource policy naming the caller's own account allows by itself. */
  bool account_principal_grants;
};

struct authorize_request {
  const struct authorize_caller *caller;
  const char *action;
  const struct authorize_resource *resource;     /* the bucket, or whatever is asked for */
  const struct authorize_resource *access_point; /* NULL: addressed directly */
  const struct policy *endpoint; /* VPC endpoint's policy; NULL: none on the way, or full access */
  const struct policy_context_key *context; /* the same for every document */
  size_t context_count;
};

struct authorize_verdict {
  bool allowed;
  bool explicit_deny;      /* a statement said Deny, or RestrictPublicBuckets did */
  enum policy_layer layer; /* that refused; when allowed: whose Allow came first */
  const char *resource;    /* the ARN as that layer saw it; borrowed from the request */
  const char *sid;         /* of the deciding statement, "" without; owned by the document */
};

/* options NULL: the defaults. Of several layers that refuse one is told, as AWS
 * does: an explicit Deny before a missing Allow, then in the order of
 * enum policy_layer with the resource's side before the VPC endpoint's. */
void authorize_decide(const struct authorize_request *r, const struct authorize_options *options,
                      struct authorize_verdict *out);

#endif
