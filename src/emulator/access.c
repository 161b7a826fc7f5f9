/* The bridge between the world's people and layer policy's evaluator. Pure but
 * for reading the world. */
#include "access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/policy/denied.h"

static const struct named_document *documents_of(const struct credential *c) {
  return c->role != NULL ? c->role->policies : c->user != NULL ? c->user->policies : NULL;
}

static int collect_identity(struct access_caller *a, const struct credential *c) {
  const struct named_document *list = documents_of(c);
  const struct named_document *d;
  size_t n = 0;

  DL_COUNT(list, d, n);
  a->identity = calloc(n + 1, sizeof(const struct policy *));
  if (a->identity == NULL)
    return -ENOMEM;
  DL_FOREACH (list, d) {
    a->identity[a->caller.identity.count++] = d->doc.policy;
  }
  a->caller.identity.items = a->identity;
  return 0;
}

int access_caller_init(struct access_caller *a, const struct credential *credential) {
  int rc = 0;

  memset(a, 0, sizeof(*a));
  principal_text_init(&a->principal, credential);
  a->caller.principal = a->principal.principal;
  if (credential == NULL)
    return 0;
  rc = collect_identity(a, credential);
  if (rc == 0)
    rc = buf_error(&a->principal.arn);
  if (rc != 0) {
    access_caller_fini(a);
    return rc;
  }
  if (credential->role != NULL)
    a->caller.boundary = credential->role->boundary.policy;
  else if (credential->user != NULL)
    a->caller.boundary = credential->user->boundary.policy;
  if (credential->session_policy.policy != NULL) {
    a->session[0] = credential->session_policy.policy;
    a->caller.session.items = a->session;
    a->caller.session.count = 1;
  }
  return 0;
}

void access_caller_fini(struct access_caller *a) {
  principal_text_fini(&a->principal);
  free(a->identity);
  memset(a, 0, sizeof(*a));
}

bool access_service_may(const struct role *r, const char *service, const char *action,
                        const struct context *context) {
  struct policy_request request = {.principal = {.service = service},
                                   .action = action,
                                   .resource = r->arn,
                                   .context = context->keys,
                                   .context_count = context->count};
  struct policy_decision decision;

  if (r->trust.policy == NULL)
    return false;
  policy_evaluate_resource(r->trust.policy, &request, &decision);
  return decision.effect == POLICY_ALLOW;
}

void access_describe_locked(const struct world *w, const struct credential *caller,
                            const char *action, const char *owner,
                            const struct authorize_verdict *v, struct buf *out) {
  struct denied d = {.layer = POLICY_LAYER_UNKNOWN};
  struct principal_text who;

  principal_text_init(&who, caller);
  if (caller != NULL && world_related_locked(w, caller->account->id, owner)) {
    d.layer = v->layer;
    d.explicit_deny = v->explicit_deny;
    d.principal = who.principal.arn;
    d.action = action;
    d.resource = v->resource;
  }
  denied_describe(&d, out);
  principal_text_fini(&who);
}
