/* A policy document in memory: what the parser makes and the evaluator reads.
 * Private to this layer. Everything is immutable once policy_parse returned. */
#ifndef S3APFS_POLICY_DOCUMENT_H
#define S3APFS_POLICY_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "operator.h"
#include "strings.h"

enum principal_kind {
  PRINCIPAL_ANYONE,    /* "*" or {"AWS": "*"} */
  PRINCIPAL_ACCOUNT,   /* 12 digits, or the account's root ARN; value holds the digits */
  PRINCIPAL_ARN,       /* user, role, assumed-role session, federated user */
  PRINCIPAL_UNIQUE_ID, /* what is left of a deleted role or user: never matches */
  PRINCIPAL_SERVICE,
  PRINCIPAL_FEDERATED,
  PRINCIPAL_CANONICAL, /* never matches */
};

struct principal {
  enum principal_kind kind;
  char *value;
};

struct principals {
  struct principal *items;
  size_t count;
};

struct condition {
  struct operator_use op;
  char *key;
  struct strings values;
};

struct statement {
  char *sid; /* "" when it has none */
  bool deny;
  bool not_action;
  bool not_resource;
  bool not_principal;
  struct strings actions;       /* coded patterns */
  struct strings resources;     /* empty: no Resource element */
  struct principals principals; /* empty: no Principal element */
  struct condition *conditions;
  size_t condition_count;
};

struct policy {
  bool variables; /* Version 2012-10-17 */
  struct statement *statements;
  size_t count;
};

#endif
