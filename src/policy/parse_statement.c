/* One statement. Strict, because a document that AWS would refuse must not seem
 * to work here: unknown elements, wrong types, empty lists, pairs that exclude
 * each other, operators that do not exist. Element names are case-sensitive. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arn_text.h"
#include "parse.h"
#include "pattern.h"
#include "principal.h"
#include "s3apfs/base/text.h"

/* Checks and keeps one value; arg is the parser's destination. */
typedef int (*value_fn)(struct parser *ps, const char *value, void *arg);

/* Calls fn for a string, or for each string of a non-empty array. */
static int each_value(struct parser *ps, const cJSON *node, value_fn fn, void *arg) {
  const cJSON *item;

  if (cJSON_IsString(node))
    return fn(ps, node->valuestring, arg);
  if (!cJSON_IsArray(node))
    return parse_fail(ps, "must be a string or an array of strings");
  if (node->child == NULL)
    return parse_fail(ps, "an empty array");
  cJSON_ArrayForEach(item, node) {
    int rc;

    if (!cJSON_IsString(item))
      return parse_fail(ps, "must be a string or an array of strings");
    rc = fn(ps, item->valuestring, arg);
    if (rc != 0)
      return rc;
  }
  return 0;
}

/* Actions hold no variables, so they are kept as coded patterns. */
static int add_pattern(struct strings *l, const char *value) {
  struct pattern_rules rules = {.wildcards = true};
  struct buf b;
  int rc;

  buf_init(&b, 0);
  rc = pattern_expand(&b, value, rules, NULL);
  if (rc == 0)
    rc = strings_add(l, buf_cstr(&b));
  buf_fini(&b);
  return rc;
}

static int take_action(struct parser *ps, const char *value, void *arg) {
  const char *colon = strchr(value, ':');

  if (strpbrk(value, " \t\r\n") != NULL) {
    parse_fail(ps, "\"%s\" holds a blank", value);
    return parse_fail_value(ps, value);
  }
  if (strcmp(value, "*") != 0 && (colon == NULL || colon == value || colon[1] == '\0')) {
    parse_fail(ps, "\"%s\" is not \"*\" or service:Action, such as s3:GetObject", value);
    return parse_fail_value(ps, value);
  }
  return add_pattern(arg, value);
}

/* "arn:..." with six segments, or fewer when a star may stand for the rest. */
static bool is_resource_pattern(const char *value) {
  struct arn_text a;

  if (*value == '*')
    return true;
  arn_text_split(value, &a);
  if (!arn_text_is(&a, ARN_SCHEME, "arn"))
    return false;
  return a.count == ARN_PARTS ? a.len[ARN_RESOURCE] > 0 : strchr(value, '*') != NULL;
}

static int take_resource(struct parser *ps, const char *value, void *arg) {
  if (arn_text_check(value, &ps->remark) != 0)
    return parse_fail_value(ps, value);
  if (ps->policy->variables && pattern_check_variables(value, &ps->remark) != 0)
    return parse_fail_value(ps, value);
  if (!is_resource_pattern(value)) {
    parse_fail(ps, "\"%s\" is neither \"*\" nor an ARN", value);
    return parse_fail_value(ps, value);
  }
  return strings_add(arg, value);
}

struct principal_arg {
  struct principals *list;
  const char *type;
};

static int take_principal(struct parser *ps, const char *value, void *arg) {
  const struct principal_arg *a = arg;
  int rc = principals_add(a->list, a->type, value, &ps->remark);

  return rc == -EINVAL ? parse_fail_value(ps, value) : rc;
}

static int parse_principals(struct parser *ps, const cJSON *node, struct principals *out) {
  const cJSON *kind;

  if (cJSON_IsString(node)) {
    if (strcmp(node->valuestring, "*") != 0) {
      parse_fail(ps, "\"%s\": a plain string may only be \"*\"; write {\"AWS\": \"...\"}",
                 node->valuestring);
      return parse_fail_value(ps, node->valuestring);
    }
    return principals_add(out, "AWS", "*", &ps->remark);
  }
  if (!cJSON_IsObject(node))
    return parse_fail(ps, "must be \"*\" or an object such as {\"AWS\": \"...\"}");
  if (node->child == NULL)
    return parse_fail(ps, "an empty object");
  cJSON_ArrayForEach(kind, node) {
    struct principal_arg arg = {out, kind->string};
    int rc = each_value(ps, kind, take_principal, &arg);

    if (rc != 0)
      return rc;
  }
  return 0;
}

/* Conditions also take JSON numbers and booleans, as their text. */
static int take_condition_value(struct parser *ps, const cJSON *node, struct condition *c) {
  char *text;
  int rc;

  if (cJSON_IsString(node))
    text = strdup(node->valuestring);
  else if (cJSON_IsNumber(node) || cJSON_IsBool(node))
    text = cJSON_PrintUnformatted(node);
  else
    return parse_fail(ps, "%s: must be a string or an array of strings", c->key);
  if (text == NULL)
    return -ENOMEM;
  rc = operator_check_value(&c->op, text, &ps->remark);
  if (rc == 0 && ps->policy->variables && operator_takes_variables(&c->op))
    rc = pattern_check_variables(text, &ps->remark);
  if (rc == 0 && c->op.family == OP_ARN)
    rc = arn_text_check(text, &ps->remark);
  rc = rc != 0 ? parse_fail_value(ps, text) : strings_add(&c->values, text);
  free(text);
  return rc;
}

static int take_condition_values(struct parser *ps, const cJSON *node, struct condition *c) {
  const cJSON *item;

  if (!cJSON_IsArray(node))
    return take_condition_value(ps, node, c);
  if (node->child == NULL)
    return parse_fail(ps, "%s: an empty array", c->key);
  cJSON_ArrayForEach(item, node) {
    int rc = take_condition_value(ps, item, c);

    if (rc != 0)
      return rc;
  }
  return 0;
}

static int add_condition(struct statement *s, const struct operator_use *op, const char *key,
                         struct condition **out) {
  struct condition *items = realloc(s->conditions, (s->condition_count + 1) * sizeof(*items));

  if (items == NULL)
    return -ENOMEM;
  s->conditions = items;
  *out = &items[s->condition_count];
  memset(*out, 0, sizeof(**out));
  (*out)->op = *op;
  (*out)->key = strdup(key);
  if ((*out)->key == NULL)
    return -ENOMEM;
  s->condition_count++;
  return 0;
}

static int parse_operator(struct parser *ps, const cJSON *node, struct statement *s) {
  struct operator_use op;
  const cJSON *key;

  if (operator_parse(node->string, &op) != 0)
    return parse_fail(ps, "\"%s\" is not a condition operator", node->string);
  if (!cJSON_IsObject(node))
    return parse_fail(ps, "%s: must be an object of condition keys", node->string);
  cJSON_ArrayForEach(key, node) {
    struct condition *c;
    int rc;

    if (strchr(key->string, ':') == NULL || strpbrk(key->string, "\t\r\n") != NULL)
      return parse_fail(ps, "\"%s\" is not a condition key such as aws:SourceIp", key->string);
    for (const cJSON *other = key->next; other != NULL; other = other->next)
      if (strcasecmp(key->string, other->string) == 0)
        return parse_fail(ps, "\"%s\" appears twice under %s", key->string, node->string);
    rc = add_condition(s, &op, key->string, &c);
    if (rc == 0)
      rc = take_condition_values(ps, key, c);
    if (rc != 0)
      return rc;
  }
  return 0;
}

static int parse_conditions(struct parser *ps, const cJSON *node, struct statement *s) {
  const cJSON *op;

  if (!cJSON_IsObject(node))
    return parse_fail(ps, "must be an object of operators");
  cJSON_ArrayForEach(op, node) {
    int rc = parse_operator(ps, op, s);

    if (rc != 0)
      return rc;
  }
  return 0;
}

static int parse_sid(struct parser *ps, const cJSON *node, struct statement *s) {
  if (!cJSON_IsString(node))
    return parse_fail(ps, "must be a string");
  s->sid = strdup(node->valuestring);
  return s->sid != NULL ? 0 : -ENOMEM;
}

static int parse_effect(struct parser *ps, const cJSON *node, struct statement *s) {
  const char *v = cJSON_GetStringValue(node);

  if (v == NULL || (strcmp(v, "Allow") != 0 && strcmp(v, "Deny") != 0))
    return parse_fail(ps, "must be \"Allow\" or \"Deny\"");
  s->deny = *v == 'D';
  return 0;
}

static int exclusive(struct parser *ps, bool taken, const char *name) {
  return taken ? parse_fail(ps, "both %s and Not%s", name, name) : 0;
}

static int parse_element(struct parser *ps, const cJSON *node, struct statement *s) {
  const char *name = node->string;
  const char *bare = text_has_prefix(name, "Not") ? name + 3 : name;
  int rc;

  ps->element = name;
  if (strcmp(name, "Sid") == 0)
    return parse_sid(ps, node, s);
  if (strcmp(name, "Effect") == 0)
    return parse_effect(ps, node, s);
  if (strcmp(name, "Condition") == 0)
    return parse_conditions(ps, node, s);
  if (strcmp(bare, "Action") == 0) {
    s->not_action = bare != name;
    rc = exclusive(ps, s->actions.count > 0, bare);
    return rc != 0 ? rc : each_value(ps, node, take_action, &s->actions);
  }
  if (strcmp(bare, "Resource") == 0) {
    s->not_resource = bare != name;
    rc = exclusive(ps, s->resources.count > 0, bare);
    return rc != 0 ? rc : each_value(ps, node, take_resource, &s->resources);
  }
  if (strcmp(bare, "Principal") == 0) {
    s->not_principal = bare != name;
    rc = exclusive(ps, s->principals.count > 0, bare);
    return rc != 0 ? rc : parse_principals(ps, node, &s->principals);
  }
  return parse_fail(ps, "unknown element");
}

int parse_statement(struct parser *ps, const cJSON *node, struct statement *out) {
  const cJSON *element;

  if (!cJSON_IsObject(node))
    return parse_fail(ps, "must be an object");
  cJSON_ArrayForEach(element, node) {
    int rc = parse_element(ps, element, out);

    if (rc != 0)
      return rc;
  }
  ps->element = NULL;
  if (cJSON_GetObjectItemCaseSensitive(node, "Effect") == NULL)
    return parse_fail(ps, "Effect is missing");
  if (out->actions.count == 0)
    return parse_fail(ps, "Action is missing");
  if (out->sid == NULL && (out->sid = strdup("")) == NULL)
    return -ENOMEM;
  return 0;
}

void statement_fini(struct statement *s) {
  free(s->sid);
  strings_fini(&s->actions);
  strings_fini(&s->resources);
  principals_fini(&s->principals);
  for (size_t i = 0; i < s->condition_count; i++) {
    free(s->conditions[i].key);
    strings_fini(&s->conditions[i].values);
  }
  free(s->conditions);
}
