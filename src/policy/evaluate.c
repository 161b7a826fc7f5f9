/* Evaluation of one document. Statements are independent: the first Deny that
 * applies decides, else an Allow that applies. Among Allows of a resource
 * document the one that names the caller most closely is told, because callers
 * named themselves are treated differently (see `via`). */
#include <errno.h>
#include <string.h>

#include "condition.h"
#include "document.h"
#include "pattern.h"
#include "principal.h"
#include "s3apfs/policy/policy.h"

/* Memory running out while a pattern is expanded must open nothing: matches for
 * Deny, does not for Allow. NotX turns that around. */
static bool expanded_match(const struct statement *s, bool inverted, const struct policy *p,
                           const char *text, const struct policy_request *r) {
  struct pattern_rules rules = {.variables = p->variables, .wildcards = true};
  bool found = false;
  struct buf b;
  int rc;

  buf_init(&b, 0);
  rc = pattern_expand(&b, text, rules, r);
  if (rc == 0)
    found = pattern_match_resource(buf_cstr(&b), r->resource);
  else if (rc == -ENOMEM)
    found = s->deny != inverted;
  buf_fini(&b);
  return found;
}

static bool resource_applies(const struct policy *p, const struct statement *s,
                             const struct policy_request *r) {
  if (s->resources.count == 0) /* a trust policy: about the role it stands on */
    return true;
  for (size_t i = 0; i < s->resources.count; i++)
    if (expanded_match(s, s->not_resource, p, s->resources.items[i], r))
      return !s->not_resource;
  return s->not_resource;
}

static bool action_applies(const struct statement *s, const struct policy_request *r) {
  for (size_t i = 0; i < s->actions.count; i++)
    if (pattern_match(s->actions.items[i], r->action, true))
      return !s->not_action;
  return s->not_action;
}

static bool principal_applies(const struct statement *s, const struct policy_request *r, int *via) {
  *via = POLICY_VIA_NONE;
  if (s->principals.count == 0)
    return false;
  if (!s->not_principal) {
    *via = principals_match(&s->principals, &r->principal);
    return *via != POLICY_VIA_NONE;
  }
  *via = POLICY_VIA_ANYONE;
  return s->deny ? !principals_deny_spares(&s->principals, &r->principal)
                 : !principals_name_any_of(&s->principals, &r->principal);
}

static bool statement_applies(const struct policy *p, const struct statement *s,
                              const struct policy_request *r) {
  return action_applies(s, r) && resource_applies(p, s, r) && condition_all_hold(p, s, r);
}

static void decide(struct policy_decision *out, const struct statement *s, size_t index, int via) {
  out->effect = s->deny ? POLICY_DENY : POLICY_ALLOW;
  out->sid = s->sid;
  out->statement = index;
  out->via = via;
}

static bool improves(const struct policy_decision *d, int via) {
  return d->effect == POLICY_NO_MATCH || (via != POLICY_VIA_NONE && via < (int)d->via);
}

static void evaluate(const struct policy *p, const struct policy_request *r, bool resource_style,
                     struct policy_decision *out) {
  memset(out, 0, sizeof(*out));
  out->effect = POLICY_NO_MATCH;
  out->sid = "";
  for (size_t i = 0; i < p->count; i++) {
    const struct statement *s = &p->statements[i];
    int via = POLICY_VIA_NONE;

    if (resource_style && !principal_applies(s, r, &via))
      continue;
    if (!s->deny && !improves(out, via))
      continue;
    if (!statement_applies(p, s, r))
      continue;
    decide(out, s, i, via);
    if (s->deny)
      return;
  }
}

void policy_evaluate_identity(const struct policy *p, const struct policy_request *r,
                              struct policy_decision *out) {
  evaluate(p, r, false, out);
}

void policy_evaluate_resource(const struct policy *p, const struct policy_request *r,
                              struct policy_decision *out) {
  evaluate(p, r, true, out);
}
