/* What the STS operations share. */
#ifndef S3APFS_EMULATOR_STS_INTERNAL_H
#define S3APFS_EMULATOR_STS_INTERNAL_H

#include "control_internal.h"

/* The parameter's text; "" when absent. */
const char *sts_param(const struct control *c, const char *name);
/* DurationSeconds within [min, max]; answered otherwise. */
int sts_read_duration(struct control *c, int64_t min, int64_t max, int64_t fallback, int64_t *out);
/* SerialNumber and TokenCode. *used: both were given and right. */
int sts_check_mfa(struct control *c, bool *used);
/* A session's name: 2 to 64 letters, digits or _+=,.@- */
bool sts_valid_name(const char *s);
/* <AssumedRoleUser> of a role's session. */
void sts_write_assumed_role(struct buf *out, const struct credential *session);

int sts_get_caller_identity(struct control *c);
int sts_get_session_token(struct control *c);
int sts_get_access_key_info(struct control *c);
int sts_assume_role(struct control *c);                   /* sts_assume_role.c */
int sts_assume_role_with_web_identity(struct control *c); /* sts_web_identity.c */

#endif
