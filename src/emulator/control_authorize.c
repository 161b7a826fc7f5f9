/* Authorization of control-plane operations: one resource, the caller's
 * identity side, and a resource policy where the service has one. */
#include <errno.h>

#include "access.h"
#include "control_internal.h"

static int decide(struct control *c, const struct authorize_request *request, const char *owner) {
  struct authorize_verdict verdict;
  struct buf message;

  authorize_decide(request, &c->w->synced.assumptions, &verdict);
  if (verdict.allowed)
    return 0;
  buf_init(&message, 0);
  access_describe_locked(c->w, c->caller, request->action, owner, &verdict, &message);
  control_write_error(c, 403, "AccessDenied", "%s", buf_cstr(&message));
  buf_fini(&message);
  return -EPROTO;
}

static void add_request_context(struct control *c, struct context *context, const char *account,
                                const struct context *extra) {
  struct connection connection = {c->q->endpoint_id, c->q->source_ip, c->q->secure,
                                  c->q->user_agent};

  context_add_caller_locked(context, c->w, c->caller);
  context_add_connection_locked(context, c->w, &connection);
  context_add_resource_locked(context, c->w, account);
  context_add(context, "aws:RequestedRegion", c->q->region);
  for (size_t i = 0; extra != NULL && i < extra->count; i++) {
    for (size_t j = 0; j < extra->keys[i].count; j++)
      context_add(context, extra->keys[i].name, extra->keys[i].values[j]);
  }
}

int control_authorize_layer(struct control *c, const char *action, enum policy_layer layer,
                            const char *resource, const char *account,
                            const struct document *resource_policy, const struct context *extra) {
  struct authorize_resource target = {.layer = layer,
                                      .arn = resource,
                                      .account = account,
                                      .policy =
                                          resource_policy != NULL ? resource_policy->policy : NULL};
  struct access_caller caller;
  struct context context;
  int rc;

  if (c->caller == NULL)
    return control_error(
        c, 403, c->q->plane == CONTROL_S3 ? "AccessDenied" : "MissingAuthenticationToken",
        c->q->plane == CONTROL_S3 ? "Access Denied" : "Request is missing Authentication Token");
  if (access_caller_init(&caller, c->caller) != 0)
    return control_no_memory(c);
  context_init(&context);
  add_request_context(c, &context, account, extra);
  if (context.err != 0) {
    rc = control_no_memory(c);
  } else {
    struct authorize_request request = {.caller = &caller.caller,
                                        .action = action,
                                        .resource = &target,
                                        .context = context.keys,
                                        .context_count = context.count};

    rc = decide(c, &request, account);
  }
  context_fini(&context);
  access_caller_fini(&caller);
  return rc;
}

int control_authorize(struct control *c, const char *action, const char *resource,
                      const char *account, const struct document *resource_policy,
                      const struct context *extra) {
  return control_authorize_layer(c, action, POLICY_LAYER_RESOURCE, resource, account,
                                 resource_policy, extra);
}
