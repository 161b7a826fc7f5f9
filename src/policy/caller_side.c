/* The caller's side: identity policies grant; boundary, session policies and
 * service control policies only limit. A caller without an account behind it
 * (anonymous, a service) has nothing that grants and nothing that limits. */
#include "caller_side.h"

#include <string.h>

#include "s3apfs/base/text.h"

static bool is_root(const struct policy_principal *p) {
  return p->arn != NULL && text_has_suffix(p->arn, ":root");
}

/* Any document may allow, unless each must; a Deny in any of them decides. */
static struct finding ask_set(enum policy_layer layer, const struct policy_set *set,
                              const struct policy_request *q, bool each) {
  struct finding f = {.layer = layer, .sid = "", .resource = q->resource};
  size_t allowing = 0;

  for (size_t i = 0; i < set->count; i++) {
    struct policy_decision d;

    policy_evaluate_identity(set->items[i], q, &d);
    if (d.effect == POLICY_NO_MATCH)
      continue;
    if (d.effect == POLICY_DENY || allowing == 0) {
      f.effect = d.effect;
      f.sid = d.sid;
    }
    if (d.effect == POLICY_DENY)
      return f;
    allowing++;
  }
  if (each && allowing < set->count)
    f.effect = POLICY_NO_MATCH;
  return f;
}

static struct finding ask_limit(enum policy_layer layer, const struct policy_set *set,
                                const struct policy_request *q, bool each) {
  if (set->count == 0 || q->principal.arn == NULL)
    return (struct finding){
        .layer = layer, .effect = POLICY_ALLOW, .sid = "", .resource = q->resource};
  return ask_set(layer, set, q, each);
}

void caller_side_evaluate(const struct authorize_caller *c, const struct policy_request *q,
                          struct caller_side *out) {
  struct policy_set boundary = {&c->boundary, c->boundary != NULL ? 1 : 0};
  struct finding *f = out->findings;

  f[SIDE_IDENTITY] = ask_set(POLICY_LAYER_IDENTITY, &c->identity, q, false);
  if (f[SIDE_IDENTITY].effect == POLICY_NO_MATCH && is_root(&c->principal))
    f[SIDE_IDENTITY].effect = POLICY_ALLOW;
  f[SIDE_BOUNDARY] = ask_limit(POLICY_LAYER_BOUNDARY, &boundary, q, false);
  f[SIDE_SESSION] = ask_limit(POLICY_LAYER_SESSION, &c->session, q, false);
  f[SIDE_SCP] = ask_limit(POLICY_LAYER_SCP, &c->scps, q, true);
}

const struct finding *caller_side_missing(const struct caller_side *s, int from) {
  for (int i = from; i < SIDE_COUNT; i++)
    if (s->findings[i].effect != POLICY_ALLOW)
      return &s->findings[i];
  return NULL;
}
