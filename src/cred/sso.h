/* Keys for a sign-on to IAM Identity Center. */
#ifndef SRC_CRED_SSO_H
#define SRC_CRED_SSO_H

#include "s3apfs/cred/profile.h"
#include "s3apfs/cred/provider.h"

/* Whether the profile names a sign-on. */
bool sso_is_configured(const struct aws_profile *p);
/* The keys of p's account and role. Reads the cached token, renews it and writes it
 * back where that is due and possible. top: where endpoints may come from. */
int sso_keys(const struct cred_context *c, const struct aws_profile *top,
             const struct aws_profile *p, struct keys **out, struct s3_error *error);

#endif
