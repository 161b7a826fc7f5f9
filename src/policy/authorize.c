/* The decision over all layers. First every document is asked about the ARNs
 * that concern it; the answers are a value (struct answers), and what follows
 * is only combining them: explicit denials, then the rules for a resource
 * addressed directly or through an access point, then the VPC endpoint.
 *
 * A combining function returns the finding that refuses, NULL when none does. */
#include "s3apfs/policy/authorize.h"

#include <string.h>

#include "caller_side.h"

struct answers {
  const struct authorize_request *r;
  const struct authorize_options *options;
  struct caller_side by_resource_arn;
  struct caller_side by_access_point_arn; /* only when there is an access point */
  struct finding resource;
  struct finding access_point;
  struct finding endpoint[2]; /* about the resource's ARN, the access point's */
  size_t endpoint_count;
};

static bool same_account(const char *a, const char *b) {
  return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool stands_alone(const struct answers *a) {
  return a->r->caller->principal.arn == NULL;
}

static bool owned_by_caller(const struct answers *a, const struct authorize_resource *res) {
  return same_account(a->r->caller->principal.account, res->account);
}

/* --- asking
 * --------------------------------------------------------------------------------------- */

static struct policy_request question(const struct authorize_request *r, const char *arn) {
  return (struct policy_request){
      .principal = r->caller->principal,
      .action = r->action,
      .resource = arn,
      .context = r->context,
      .context_count = r->context_count,
  };
}

static void ask_caller_side(const struct authorize_request *r, const char *arn,
                            struct caller_side *out) {
  struct policy_request q = question(r, arn);

  caller_side_evaluate(r->caller, &q, out);
}

static struct finding ask_resource_style(const struct authorize_request *r, enum policy_layer layer,
                                         const struct policy *p, const char *arn) {
  struct finding f = {.layer = layer, .sid = "", .resource = arn};
  struct policy_request q = question(r, arn);
  struct policy_decision d;

  if (p == NULL)
    return f;
  policy_evaluate_resource(p, &q, &d);
  f.effect = d.effect;
  f.via = d.via;
  f.sid = d.sid;
  return f;
}

static struct finding ask_resource(const struct authorize_request *r,
                                   const struct authorize_resource *res) {
  struct finding f = ask_resource_style(r, res->layer, res->policy, res->arn);
  bool outsider = !same_account(r->caller->principal.account, res->account) &&
                  r->caller->principal.service == NULL;

  if (res->restrict_public && outsider && f.effect != POLICY_DENY && res->policy != NULL &&
      policy_is_public(res->policy)) {
    f.effect = POLICY_DENY;
    f.sid = "";
  }
  return f;
}

static void ask_endpoint(struct answers *a, const struct authorize_resource *res) {
  if (a->r->endpoint == NULL || res == NULL)
    return;
  a->endpoint[a->endpoint_count++] =
      ask_resource_style(a->r, POLICY_LAYER_ENDPOINT, a->r->endpoint, res->arn);
}

static void ask_all(struct answers *a) {
  const struct authorize_request *r = a->r;

  ask_caller_side(r, r->resource->arn, &a->by_resource_arn);
  a->resource = ask_resource(r, r->resource);
  if (r->access_point != NULL) {
    ask_caller_side(r, r->access_point->arn, &a->by_access_point_arn);
    a->access_point = ask_resource(r, r->access_point);
  }
  ask_endpoint(a, r->access_point);
  ask_endpoint(a, r->resource);
}

/* --- explicit denials
 * ------------------------------------------------------------------------------ */

static const struct finding *denial_in_side(const struct caller_side *s) {
  for (int i = 0; i < SIDE_COUNT; i++)
    if (s->findings[i].effect == POLICY_DENY)
      return &s->findings[i];
  return NULL;
}

static const struct finding *find_denial(const struct answers *a) {
  const struct finding *f = NULL;

  if (a->r->access_point != NULL)
    f = denial_in_side(&a->by_access_point_arn);
  if (f == NULL)
    f = denial_in_side(&a->by_resource_arn);
  if (f == NULL && a->r->access_point != NULL && a->access_point.effect == POLICY_DENY)
    f = &a->access_point;
  if (f == NULL && a->resource.effect == POLICY_DENY)
    f = &a->resource;
  for (size_t i = 0; i < a->endpoint_count && f == NULL; i++)
    if (a->endpoint[i].effect == POLICY_DENY)
      f = &a->endpoint[i];
  return f;
}

/* --- combining allows
 * ------------------------------------------------------------------------------ */

/* A resource policy of the caller's own account grants without help of identity
 * policies. What limits it then is told by the result: NULL means it does grant. */
static const struct finding *own_policy_refusal(const struct answers *a, const struct finding *p,
                                                const struct caller_side *side) {
  if (p->effect != POLICY_ALLOW)
    return p;
  if (p->via == POLICY_VIA_ACCOUNT && !a->options->account_principal_grants)
    return p;
  return caller_side_missing(side, p->via == POLICY_VIA_PRINCIPAL ? SIDE_SCP : SIDE_BOUNDARY);
}

/* Either is enough. The better reason of two refusals: the limit that cuts an
 * Allow which is there, else the missing identity policy. */
static const struct finding *either(const struct answers *a, const struct finding *p,
                                    const struct caller_side *side,
                                    const struct finding *identity) {
  const struct finding *policy = own_policy_refusal(a, p, side);

  if (identity == NULL || policy == NULL)
    return NULL;
  return policy != p && identity->layer == POLICY_LAYER_IDENTITY ? policy : identity;
}

static const struct finding *unless_allowed(const struct finding *f) {
  return f->effect == POLICY_ALLOW ? NULL : f;
}

static const struct finding *refusal_direct(const struct answers *a) {
  const struct caller_side *side = &a->by_resource_arn;
  const struct finding *identity = caller_side_missing(side, SIDE_IDENTITY);
  const struct finding *refusal = NULL;

  if (stands_alone(a))
    return unless_allowed(&a->resource);
  if (!owned_by_caller(a, a->r->resource))
    return identity != NULL ? identity : unless_allowed(&a->resource);
  refusal = either(a, &a->resource, side, identity);
  if (refusal == NULL && a->r->resource->layer == POLICY_LAYER_TRUST)
    refusal = unless_allowed(&a->resource);
  return refusal;
}

/* Identity policies about the access point; those about the bucket count too
 * once the bucket has delegated. */
static const struct finding *identity_refusal(const struct answers *a) {
  const struct finding *by_ap = caller_side_missing(&a->by_access_point_arn, SIDE_IDENTITY);
  const struct finding *by_bucket = caller_side_missing(&a->by_resource_arn, SIDE_IDENTITY);

  if (by_ap == NULL || a->options->strict_access_point_arn || a->resource.effect != POLICY_ALLOW)
    return by_ap;
  if (by_bucket == NULL)
    return NULL;
  return by_ap->layer == POLICY_LAYER_IDENTITY && by_bucket->layer != POLICY_LAYER_IDENTITY
             ? by_bucket
             : by_ap;
}

static const struct finding *access_point_refusal(const struct answers *a,
                                                  const struct finding *identity) {
  if (stands_alone(a))
    return unless_allowed(&a->access_point);
  if (owned_by_caller(a, a->r->access_point) && !a->options->access_point_needs_both)
    return either(a, &a->access_point, &a->by_access_point_arn, identity);
  return identity != NULL ? identity : unless_allowed(&a->access_point);
}

static const struct finding *one_account_bucket_refusal(const struct answers *a) {
  const struct finding *by_ap = caller_side_missing(&a->by_access_point_arn, SIDE_IDENTITY);
  const struct finding *by_bucket = caller_side_missing(&a->by_resource_arn, SIDE_IDENTITY);

  switch (a->options->bucket_side) {
  case AUTHORIZE_BUCKET_BY_OWNER:
    return NULL;
  case AUTHORIZE_BUCKET_BY_BUCKET_ARN:
    return by_bucket == NULL ? NULL : &a->resource;
  default:
    return by_bucket == NULL ? NULL : by_ap;
  }
}

static const struct finding *bucket_refusal(const struct answers *a,
                                            const struct finding *identity) {
  bool one_account = owned_by_caller(a, a->r->resource) && owned_by_caller(a, a->r->access_point);

  if (a->resource.effect != POLICY_ALLOW)
    return one_account ? one_account_bucket_refusal(a) : &a->resource;
  if (a->options->cross_account_needs_identity && !stands_alone(a) &&
      !owned_by_caller(a, a->r->resource))
    return identity;
  return NULL;
}

static const struct finding *refusal_through_access_point(const struct answers *a) {
  const struct finding *identity = identity_refusal(a);
  const struct finding *refusal = access_point_refusal(a, identity);

  return refusal != NULL ? refusal : bucket_refusal(a, identity);
}

static const struct finding *find_refusal(const struct answers *a) {
  const struct finding *f =
      a->r->access_point != NULL ? refusal_through_access_point(a) : refusal_direct(a);

  for (size_t i = 0; i < a->endpoint_count && f == NULL; i++)
    f = unless_allowed(&a->endpoint[i]);
  return f;
}

/* --- the verdict
 * ----------------------------------------------------------------------------------- */

static const struct finding *first_allow(const struct answers *a) {
  const struct finding *identity = a->r->access_point != NULL
                                       ? &a->by_access_point_arn.findings[SIDE_IDENTITY]
                                       : &a->by_resource_arn.findings[SIDE_IDENTITY];

  if (identity->effect == POLICY_ALLOW)
    return identity;
  if (a->r->access_point != NULL && a->access_point.effect == POLICY_ALLOW)
    return &a->access_point;
  return a->resource.effect == POLICY_ALLOW ? &a->resource : identity;
}

static void tell(struct authorize_verdict *out, const struct finding *f, bool allowed) {
  out->allowed = allowed;
  out->explicit_deny = !allowed && f->effect == POLICY_DENY;
  out->layer = f->layer;
  out->resource = f->resource;
  out->sid = allowed || out->explicit_deny ? f->sid : "";
}

void authorize_decide(const struct authorize_request *r, const struct authorize_options *options,
                      struct authorize_verdict *out) {
  static const struct authorize_options defaults;
  struct answers a = {.r = r, .options = options != NULL ? options : &defaults};
  const struct finding *f;

  ask_all(&a);
  f = find_denial(&a);
  if (f == NULL)
    f = find_refusal(&a);
  if (f != NULL)
    tell(out, f, false);
  else
    tell(out, first_allow(&a), true);
}
