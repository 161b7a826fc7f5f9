/* Condition operators (IAM user guide, "Condition operators" and "Multivalued
 * context keys"). */
#ifndef S3APFS_POLICY_OPERATOR_H
#define S3APFS_POLICY_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "s3apfs/base/buf.h"

enum operator_family {
  OP_STRING_EQUALS,
  OP_STRING_EQUALS_FOLD,
  OP_STRING_LIKE,
  OP_ARN,
  OP_NUMERIC,
  OP_DATE,
  OP_BOOL,
  OP_IP,
  OP_BINARY,
  OP_NULL,
};

enum operator_relation { OP_EQUAL, OP_LESS, OP_LESS_EQUAL, OP_GREATER, OP_GREATER_EQUAL };

enum operator_set { OP_SINGLE, OP_FOR_ANY_VALUE, OP_FOR_ALL_VALUES };

/* An operator as a document writes it: "ForAnyValue:StringNotLikeIfExists". */
struct operator_use {
  enum operator_family family;
  enum operator_relation relation;
  bool negated;
  enum operator_set set;
  bool if_exists;
};

/* -EINVAL: no such operator, or Null with a prefix or suffix. */
int operator_parse(const char *name, struct operator_use *out);

/* True when the family compares texts, which may hold policy variables. */
bool operator_takes_variables(const struct operator_use *op);
/* True when '*' and '?' in a value are wildcards. */
bool operator_takes_wildcards(const struct operator_use *op);

/* Can this value of the document ever be compared? -EINVAL with a remark in
 * *why when it is no number, date, address, boolean. Variables count as fine. */
int operator_check_value(const struct operator_use *op, const char *value, struct buf *why);

/* One value of the document (variables expanded, wildcards coded as in
 * pattern.h) against one value of the request, negation not applied. A value of
 * the request that cannot be read is equal to nothing. */
bool operator_test(const struct operator_use *op, const char *value, const char *actual);

#endif
