/* The bridge between the world's people and layer policy's evaluator. Pure but
 * for reading the world. */
#include "access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* The policy's name as AWS's messages have it; bucket and access point policies
 * are both "resource-based". */
static const char *layer_phrase(enum policy_layer layer) {
  switch (layer) {
  case POLICY_LAYER_IDENTITY:
    return "identity-based policy";
  case POLICY_LAYER_BOUNDARY:
    return "permissions boundary";
  case POLICY_LAYER_SESSION:
    return "session policy";
  case POLICY_LAYER_ENDPOINT:
    return "VPC endpoint policy";
  case POLICY_LAYER_TRUST:
    return "role trust policy";
  default:
    return "resource-based policy";
  }
}

static void describe(const char *who, const char *action, const struct authorize_verdict *v,
                     struct buf *out) {
  const char *phrase = layer_phrase(v->layer);
  const char *quote = v->layer == POLICY_LAYER_TRUST || strncmp(action, "sts:", 4) == 0 ? "" : "\"";

  buf_printf(out, "User: %s is not authorized to perform: %s on resource: %s%s%s ", who, action,
             quote, v->resource, quote);
  if (!v->explicit_deny)
    buf_printf(out, "because no %s allows the %s action", phrase, action);
  else if (v->layer == POLICY_LAYER_TRUST)
    buf_printf(out, "with an explicit deny in the %s", phrase);
  else
    buf_printf(out, "with an explicit deny in a%s %s", v->layer == POLICY_LAYER_IDENTITY ? "n" : "",
               phrase);
}

void access_describe_locked(const struct world *w, const struct credential *caller,
                            const char *action, const char *owner,
                            const struct authorize_verdict *v, struct buf *out) {
  struct principal_text who;

  if (caller == NULL || !world_related_locked(w, caller->account->id, owner)) {
    buf_puts(out, "Access Denied");
    return;
  }
  principal_text_init(&who, caller);
  describe(who.principal.arn, action, v, out);
  principal_text_fini(&who);
}
