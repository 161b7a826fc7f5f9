/* Who asks, with the documents that hang on the caller. Everything is borrowed. */
#ifndef S3APFS_POLICY_CALLER_H
#define S3APFS_POLICY_CALLER_H

#include <stddef.h>

#include "s3apfs/policy/policy.h"

struct policy_set {
  const struct policy *const *items;
  size_t count;
};

struct authorize_caller {
  struct policy_principal principal; /* account is needed unless anonymous or a service */
  struct policy_set identity;        /* any of them may allow */
  const struct policy *boundary;     /* NULL: none */
  struct policy_set session;         /* empty: none; any of them may allow */
  struct policy_set scps;            /* empty: none; one per level, each must allow */
};

#endif
