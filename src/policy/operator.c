/* Condition operators: their names, and one comparison of each family. How the
 * values of a key combine (any, all, none) is condition.c's business. */
#include "operator.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "pattern.h"
#include "s3apfs/base/text.h"
#include "scalar.h"

static const struct {
  const char *name;
  struct operator_use use;
} operators[] = {
    {"StringEquals", {.family = OP_STRING_EQUALS}},
    {"StringNotEquals", {.family = OP_STRING_EQUALS, .negated = true}},
    {"StringEqualsIgnoreCase", {.family = OP_STRING_EQUALS_FOLD}},
    {"StringNotEqualsIgnoreCase", {.family = OP_STRING_EQUALS_FOLD, .negated = true}},
    {"StringLike", {.family = OP_STRING_LIKE}},
    {"StringNotLike", {.family = OP_STRING_LIKE, .negated = true}},
    {"ArnEquals", {.family = OP_ARN}},
    {"ArnLike", {.family = OP_ARN}},
    {"ArnNotEquals", {.family = OP_ARN, .negated = true}},
    {"ArnNotLike", {.family = OP_ARN, .negated = true}},
    {"NumericEquals", {.family = OP_NUMERIC}},
    {"NumericNotEquals", {.family = OP_NUMERIC, .negated = true}},
    {"NumericLessThan", {.family = OP_NUMERIC, .relation = OP_LESS}},
    {"NumericLessThanEquals", {.family = OP_NUMERIC, .relation = OP_LESS_EQUAL}},
    {"NumericGreaterThan", {.family = OP_NUMERIC, .relation = OP_GREATER}},
    {"NumericGreaterThanEquals", {.family = OP_NUMERIC, .relation = OP_GREATER_EQUAL}},
    {"DateEquals", {.family = OP_DATE}},
    {"DateNotEquals", {.family = OP_DATE, .negated = true}},
    {"DateLessThan", {.family = OP_DATE, .relation = OP_LESS}},
    {"DateLessThanEquals", {.family = OP_DATE, .relation = OP_LESS_EQUAL}},
    {"DateGreaterThan", {.family = OP_DATE, .relation = OP_GREATER}},
    {"DateGreaterThanEquals", {.family = OP_DATE, .relation = OP_GREATER_EQUAL}},
    {"Bool", {.family = OP_BOOL}},
    {"IpAddress", {.family = OP_IP}},
    {"NotIpAddress", {.family = OP_IP, .negated = true}},
    {"BinaryEquals", {.family = OP_BINARY}},
    {"Null", {.family = OP_NULL}},
};

#define IF_EXISTS "IfExists"
#define FOR_ANY "ForAnyValue:"
#define FOR_ALL "ForAllValues:"

static enum operator_set take_set(const char **name) {
  if (text_has_prefix(*name, FOR_ANY)) {
    *name += strlen(FOR_ANY);
    return OP_FOR_ANY_VALUE;
  }
  if (text_has_prefix(*name, FOR_ALL)) {
    *name += strlen(FOR_ALL);
    return OP_FOR_ALL_VALUES;
  }
  return OP_SINGLE;
}

int operator_parse(const char *name, struct operator_use *out) {
  enum operator_set set = take_set(&name);
  bool if_exists = text_has_suffix(name, IF_EXISTS);
  size_t len = strlen(name) - (if_exists ? strlen(IF_EXISTS) : 0);

  for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
    if (strncmp(operators[i].name, name, len) != 0 || operators[i].name[len] != '\0')
      continue;
    if (operators[i].use.family == OP_NULL && (set != OP_SINGLE || if_exists))
      return -EINVAL;
    *out = operators[i].use;
    out->set = set;
    out->if_exists = if_exists;
    return 0;
  }
  return -EINVAL;
}

bool operator_takes_variables(const struct operator_use *op) {
  return op->family <= OP_ARN;
}

bool operator_takes_wildcards(const struct operator_use *op) {
  return op->family == OP_STRING_LIKE || op->family == OP_ARN;
}

static bool is_truth(const char *s) {
  return strcasecmp(s, "true") == 0 || strcasecmp(s, "false") == 0;
}

int operator_check_value(const struct operator_use *op, const char *value, struct buf *why) {
  struct ip_network net;
  const char *wanted = NULL;
  double number;

  switch (op->family) {
  case OP_NUMERIC:
    wanted = scalar_parse_number(value, &number) != 0 ? "a number" : NULL;
    break;
  case OP_DATE:
    wanted = scalar_parse_date(value, &number) != 0
                 ? "a date such as 2026-11-22T06:03:00Z, or seconds since 1970"
                 : NULL;
    break;
  case OP_BOOL:
  case OP_NULL:
    wanted = !is_truth(value) ? "true or false" : NULL;
    break;
  case OP_IP:
    wanted = scalar_parse_network(value, &net) != 0 ? "an address or CIDR block" : NULL;
    break;
  default:
    break;
  }
  if (wanted == NULL)
    return 0;
  buf_printf(why, "\"%s\" is not %s", value, wanted);
  return -EINVAL;
}

static bool test_relation(enum operator_relation relation, double actual, double value) {
  switch (relation) {
  case OP_LESS:
    return actual < value;
  case OP_LESS_EQUAL:
    return actual <= value;
  case OP_GREATER:
    return actual > value;
  case OP_GREATER_EQUAL:
    return actual >= value;
  default:
    return actual == value;
  }
}

static bool test_scalar(const struct operator_use *op, const char *value, const char *actual) {
  int (*parse)(const char *, double *) =
      op->family == OP_DATE ? scalar_parse_date : scalar_parse_number;
  double a;
  double v;

  return parse(actual, &a) == 0 && parse(value, &v) == 0 && test_relation(op->relation, a, v);
}

static bool test_ip(const char *value, const char *actual) {
  struct ip_network net;
  struct ip_network one;

  return scalar_parse_network(value, &net) == 0 && scalar_parse_network(actual, &one) == 0 &&
         scalar_network_contains(&net, &one);
}

bool operator_test(const struct operator_use *op, const char *value, const char *actual) {
  switch (op->family) {
  case OP_STRING_EQUALS:
  case OP_BINARY:
    return strcmp(value, actual) == 0;
  case OP_STRING_EQUALS_FOLD:
  case OP_BOOL:
    return strcasecmp(value, actual) == 0;
  case OP_STRING_LIKE:
    return pattern_match(value, actual, false);
  case OP_ARN:
    return pattern_match_arn(value, actual);
  case OP_NUMERIC:
  case OP_DATE:
    return test_scalar(op, value, actual);
  case OP_IP:
    return test_ip(value, actual);
  default:
    return false;
  }
}
