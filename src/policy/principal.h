/* Principal and NotPrincipal: reading one value, matching a caller. */
#ifndef S3APFS_POLICY_PRINCIPAL_H
#define S3APFS_POLICY_PRINCIPAL_H

#include "document.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/policy/policy.h"

/* Reads a value under "AWS", "Service", ... (type) and appends it. -EINVAL with
 * a remark in *why; -ENOMEM. */
int principals_add(struct principals *l, const char *type, const char *value, struct buf *why);
void principals_fini(struct principals *l);

/* How closely the list names the caller; POLICY_VIA_NONE when it does not. */
int principals_match(const struct principals *l, const struct policy_principal *caller);

/* NotPrincipal. A caller is several principals at once: its account, its role,
 * itself. A Deny spares only a caller all of whose principals are listed; an
 * Allow serves only a caller none of whose principals is. */
bool principals_deny_spares(const struct principals *l, const struct policy_principal *caller);
bool principals_name_any_of(const struct principals *l, const struct policy_principal *caller);

#endif
