/* Conditions: all operators and all keys of a block must hold (AND); the values
 * of one key are alternatives (OR), for a negated operator "none of them" (NOR).
 *
 * A key that the request does not have:
 *   ...IfExists and ForAllValues hold; a negated operator without a set prefix
 *   holds, because nothing equals nothing; everything else fails.
 * A key with several values and no set prefix: one equal pair is equality, so a
 * negated operator asks that there is none. */
#include "condition.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "pattern.h"

/* The document's values of one condition, as they read for this request. */
static int expand_values(const struct policy *p, const struct condition *c,
                         const struct policy_request *r, struct strings *out) {
  struct pattern_rules rules = {
      .variables = p->variables && operator_takes_variables(&c->op),
      .wildcards = operator_takes_wildcards(&c->op),
  };
  struct buf b;
  int rc = 0;

  buf_init(&b, 0);
  for (size_t i = 0; i < c->values.count && rc == 0; i++) {
    buf_reset(&b);
    rc = pattern_expand(&b, c->values.items[i], rules, r);
    if (rc == 0)
      rc = strings_add(out, buf_cstr(&b));
    else if (rc != -ENOMEM)
      rc = 0; /* a variable without a value: this text equals nothing */
  }
  buf_fini(&b);
  return rc;
}

static bool equals_any(const struct condition *c, const struct strings *values,
                       const char *actual) {
  for (size_t i = 0; i < values->count; i++)
    if (operator_test(&c->op, values->items[i], actual))
      return true;
  return false;
}

static bool holds_for(const struct condition *c, const struct strings *values, const char *actual) {
  return equals_any(c, values, actual) != c->op.negated;
}

static bool holds_for_values(const struct condition *c, const struct strings *values,
                             const struct policy_context_key *key) {
  /* One value must do (any), or each of them (all; negated means "none equal"). */
  bool each = c->op.set == OP_FOR_ALL_VALUES || (c->op.set == OP_SINGLE && c->op.negated);

  for (size_t i = 0; i < key->count; i++)
    if (holds_for(c, values, key->values[i]) != each)
      return !each;
  return each;
}

static bool holds_when_absent(const struct operator_use *op) {
  if (op->if_exists || op->set == OP_FOR_ALL_VALUES)
    return true;
  return op->set == OP_SINGLE && op->negated;
}

static bool null_holds(const struct condition *c, bool absent) {
  for (size_t i = 0; i < c->values.count; i++)
    if ((strcasecmp(c->values.items[i], "true") == 0) == absent)
      return true;
  return false;
}

static int condition_test(const struct policy *p, const struct condition *c,
                          const struct policy_request *r, bool *out) {
  const struct policy_context_key *key = pattern_find_key(r, c->key, strlen(c->key));
  struct strings values = {0};
  int rc;

  if (c->op.family == OP_NULL) {
    *out = null_holds(c, key == NULL);
    return 0;
  }
  if (key == NULL) {
    *out = holds_when_absent(&c->op);
    return 0;
  }
  rc = expand_values(p, c, r, &values);
  if (rc == 0)
    *out = holds_for_values(c, &values, key);
  strings_fini(&values);
  return rc;
}

bool condition_all_hold(const struct policy *p, const struct statement *s,
                        const struct policy_request *r) {
  for (size_t i = 0; i < s->condition_count; i++) {
    bool holds = s->deny;

    if (condition_test(p, &s->conditions[i], r, &holds) != 0)
      holds = s->deny;
    if (!holds)
      return false;
  }
  return true;
}
