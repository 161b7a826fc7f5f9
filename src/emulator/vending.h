/* The session policy that narrows a location role's session to one grant. */
#ifndef S3APFS_EMULATOR_VENDING_H
#define S3APFS_EMULATOR_VENDING_H

#include "s3apfs/aws/scope.h"
#include "s3apfs/base/buf.h"

/* Appends the JSON document. READ: get, and list below the prefix; WRITE: put,
 * delete, abort. Characters of the scope that a policy would take for
 * wildcards or variables stand for themselves. */
void vending_session_policy(const struct scope *scope, enum scope_permission permission,
                            struct buf *out);

#endif
