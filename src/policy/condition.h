/* Condition blocks: how operators, keys and values combine. */
#ifndef S3APFS_POLICY_CONDITION_H
#define S3APFS_POLICY_CONDITION_H

#include <stdbool.h>

#include "document.h"
#include "s3apfs/policy/policy.h"

/* Every condition of the statement holds. Memory running out counts as "does
 * not hold" for Allow and as "holds" for Deny, so it never opens anything. */
bool condition_all_hold(const struct policy *p, const struct statement *s,
                        const struct policy_request *r);

#endif
