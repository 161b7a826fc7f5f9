/* IAM Identity Center for clients: the portal that gives keys for a sign-on (IAM
 * Identity Center portal API, GetRoleCredentials) and the OIDC service that renews
 * the sign-on (OIDC API, CreateToken with a refresh token), both below /_sso/: what
 * AWS_ENDPOINT_URL_SSO and AWS_ENDPOINT_URL_SSO_OIDC are set to. */
#ifndef S3APFS_EMULATOR_SSO_H
#define S3APFS_EMULATOR_SSO_H

#include "exchange.h"

/* NULL: the request is for another service. Else "SsoGetRoleCredentials",
 * "SsoCreateToken" or "SsoUnknown". */
const char *sso_operation(const struct exchange *x);
/* Answers it. */
void sso_run(struct exchange *x);

#endif
