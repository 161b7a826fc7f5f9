/* Settings that AWS tools share, from the environment first and the profile
 * second (AWS SDKs and Tools Reference Guide, "Settings reference"). A flag of
 * the user's own goes over all of them and is the caller's business. Pure; what
 * is returned is borrowed from the environment or the profile. profile may be
 * NULL. */
#ifndef S3APFS_CRED_SETTINGS_H
#define S3APFS_CRED_SETTINGS_H

#include "s3apfs/aws/endpoint.h"
#include "s3apfs/cred/profile.h"

enum aws_service {
  AWS_SERVICE_S3,
  AWS_SERVICE_S3_CONTROL,
  AWS_SERVICE_STS,
  AWS_SERVICE_SSO,
  AWS_SERVICE_SSO_OIDC,
};

/* AWS_REGION, AWS_DEFAULT_REGION, region; NULL when none says. */
const char *aws_settings_region(const struct cred_env *env, const struct aws_profile *p);
/* AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's services section,
 * endpoint_url; *out NULL when none says or AWS_IGNORE_CONFIGURED_ENDPOINT_URLS.
 * -EINVAL with a line in *why when the profile names a services section that
 * does not exist. */
int aws_settings_endpoint_url(const struct cred_env *env, const struct aws_profile *p,
                              enum aws_service service, const char **out, struct buf *why);
/* AWS_CA_BUNDLE, ca_bundle. */
const char *aws_settings_ca_bundle(const struct cred_env *env, const struct aws_profile *p);
bool aws_settings_use_fips(const struct cred_env *env, const struct aws_profile *p);
bool aws_settings_use_dualstack(const struct cred_env *env, const struct aws_profile *p);
enum tristate aws_settings_s3_use_arn_region(const struct cred_env *env,
                                             const struct aws_profile *p);
enum tristate aws_settings_s3_disable_multi_region(const struct cred_env *env,
                                                   const struct aws_profile *p);
bool aws_settings_s3_disable_express_auth(const struct cred_env *env, const struct aws_profile *p);
/* s3.addressing_style = path. */
bool aws_settings_s3_path_style(const struct aws_profile *p);

#endif
