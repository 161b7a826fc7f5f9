/* Shared AWS settings: environment over profile. */
#include "s3apfs/cred/settings.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

struct service_names {
  const char *variable;
  const char *block; /* in a services section */
};

static const struct service_names services[] = {
    [AWS_SERVICE_S3] = {"AWS_ENDPOINT_URL_S3", "s3"},
    [AWS_SERVICE_S3_CONTROL] = {"AWS_ENDPOINT_URL_S3_CONTROL", "s3_control"},
    [AWS_SERVICE_STS] = {"AWS_ENDPOINT_URL_STS", "sts"},
    [AWS_SERVICE_SSO] = {"AWS_ENDPOINT_URL_SSO", "sso"},
    [AWS_SERVICE_SSO_OIDC] = {"AWS_ENDPOINT_URL_SSO_OIDC", "sso_oidc"},
};

static const char *of_profile(const struct aws_profile *p, const char *block, const char *key) {
  if (p == NULL || key == NULL)
    return NULL;
  return block != NULL ? aws_profile_get_nested(p, block, key) : aws_profile_get(p, key);
}

static bool is_true(const char *value) {
  return value != NULL && strcasecmp(value, "true") == 0;
}

static enum tristate tristate_of(const char *value) {
  if (value == NULL)
    return TRISTATE_UNSET;
  return is_true(value) ? TRISTATE_TRUE : TRISTATE_FALSE;
}

const char *aws_settings_region(const struct cred_env *env, const struct aws_profile *p) {
  const char *value = cred_env_get(env, "AWS_REGION");

  if (value == NULL)
    value = cred_env_get(env, "AWS_DEFAULT_REGION");
  return value != NULL ? value : of_profile(p, NULL, "region");
}

static bool endpoints_ignored(const struct cred_env *env, const struct aws_profile *p) {
  const char *value = cred_env_get(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

  return is_true(value != NULL ? value : of_profile(p, NULL, "ignore_configured_endpoint_urls"));
}

static int services_endpoint(const struct aws_profile *p, enum aws_service service,
                             const char **out, struct buf *why) {
  const char *section = of_profile(p, NULL, "services");

  *out = NULL;
  if (section == NULL)
    return 0;
  if (!aws_profile_has_section(p, "services", section)) {
    buf_printf(why, "profile %s: there is no section [services %s] in %s", aws_profile_name(p),
               section, aws_profile_config_path(p));
    return -EINVAL;
  }
  *out = aws_profile_section_get(p, "services", section, services[service].block, "endpoint_url");
  return 0;
}

int aws_settings_endpoint_url(const struct cred_env *env, const struct aws_profile *p,
                              enum aws_service service, const char **out, struct buf *why) {
  const char *value = NULL;
  int rc = 0;

  if (!endpoints_ignored(env, p)) {
    value = cred_env_get(env, services[service].variable);
    if (value == NULL)
      value = cred_env_get(env, "AWS_ENDPOINT_URL");
    if (value == NULL)
      rc = services_endpoint(p, service, &value, why);
    if (rc == 0 && value == NULL)
      value = of_profile(p, NULL, "endpoint_url");
  }
  if (rc == 0)
    *out = value;
  return rc;
}

const char *aws_settings_ca_bundle(const struct cred_env *env, const struct aws_profile *p) {
  const char *value = cred_env_get(env, "AWS_CA_BUNDLE");

  return value != NULL ? value : of_profile(p, NULL, "ca_bundle");
}

bool aws_settings_use_fips(const struct cred_env *env, const struct aws_profile *p) {
  const char *value = cred_env_get(env, "AWS_USE_FIPS_ENDPOINT");

  return is_true(value != NULL ? value : of_profile(p, NULL, "use_fips_endpoint"));
}

bool aws_settings_use_dualstack(const struct cred_env *env, const struct aws_profile *p) {
  const char *value = cred_env_get(env, "AWS_USE_DUALSTACK_ENDPOINT");

  if (value == NULL)
    value = of_profile(p, "s3", "use_dualstack_endpoint");
  return is_true(value != NULL ? value : of_profile(p, NULL, "use_dualstack_endpoint"));
}

enum tristate aws_settings_s3_use_arn_region(const struct cred_env *env,
                                             const struct aws_profile *p) {
  const char *value = cred_env_get(env, "AWS_S3_USE_ARN_REGION");

  if (value == NULL)
    value = of_profile(p, "s3", "use_arn_region");
  return tristate_of(value != NULL ? value : of_profile(p, NULL, "s3_use_arn_region"));
}

enum tristate aws_settings_s3_disable_multi_region(const struct cred_env *env,
                                                   const struct aws_profile *p) {
  const char *value = cred_env_get(env, "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS");

  if (value == NULL)
    value = of_profile(p, "s3", "s3_disable_multiregion_access_points");
  return tristate_of(value != NULL ? value
                                   : of_profile(p, NULL, "s3_disable_multiregion_access_points"));
}

bool aws_settings_s3_disable_express_auth(const struct cred_env *env, const struct aws_profile *p) {
  const char *value = cred_env_get(env, "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH");

  return is_true(value != NULL ? value : of_profile(p, NULL, "s3_disable_express_session_auth"));
}

bool aws_settings_s3_path_style(const struct aws_profile *p) {
  const char *value = of_profile(p, "s3", "addressing_style");

  return value != NULL && strcasecmp(value, "path") == 0;
}
