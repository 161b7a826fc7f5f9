/* Shared settings: environment over profile, the order of endpoint URLs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "fixture.h"
#include "s3apfs/cred/settings.h"

static struct aws_profile *load(struct fixture *f, const char *text) {
  struct aws_profile *p = NULL;
  struct buf why;

  fixture_config(f, text);
  buf_init(&why, 0);
  cr_assert_eq(aws_profile_load(&f->env, NULL, &p, &why), 0, "%s", buf_cstr(&why));
  buf_fini(&why);
  return p;
}

Test(settings, region) {
  struct fixture f;
  struct aws_profile *p;

  fixture_init(&f);
  cr_assert_null(aws_settings_region(&f.env, NULL));
  p = load(&f, "[default]\nregion = profile-1\n");
  cr_assert_str_eq(aws_settings_region(&f.env, p), "profile-1");
  fixture_set(&f, "AWS_DEFAULT_REGION", "default-1");
  cr_assert_str_eq(aws_settings_region(&f.env, p), "default-1");
  fixture_set(&f, "AWS_REGION", "env-1");
  cr_assert_str_eq(aws_settings_region(&f.env, p), "env-1");
  fixture_set(&f, "AWS_REGION", "");
  cr_assert_str_eq(aws_settings_region(&f.env, p), "default-1", "empty is unset");
  aws_profile_free(p);
  fixture_fini(&f);
}

static void expect_url(struct fixture *f, const struct aws_profile *p, enum aws_service s,
                       const char *want) {
  const char *got = "untouched";
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(aws_settings_endpoint_url(&f->env, p, s, &got, &why), 0, "%s", buf_cstr(&why));
  if (want == NULL)
    cr_assert_null(got, "%s", got);
  else
    cr_assert(got != NULL && strcmp(got, want) == 0, "%s", got != NULL ? got : "(none)");
  buf_fini(&why);
}

Test(settings, endpoint_urls_in_order) {
  struct fixture f;
  struct aws_profile *p;

  fixture_init(&f);
  expect_url(&f, NULL, AWS_SERVICE_S3, NULL);
  p = load(&f, "[default]\nendpoint_url = http://profile\nservices = mine\n"
               "[services mine]\ns3 =\n  endpoint_url = http://services\n");
  expect_url(&f, p, AWS_SERVICE_S3, "http://services");
  expect_url(&f, p, AWS_SERVICE_STS, "http://profile");
  fixture_set(&f, "AWS_ENDPOINT_URL", "http://env");
  expect_url(&f, p, AWS_SERVICE_S3, "http://env");
  fixture_set(&f, "AWS_ENDPOINT_URL_S3", "http://env-s3");
  fixture_set(&f, "AWS_ENDPOINT_URL_S3_CONTROL", "http://env-control");
  fixture_set(&f, "AWS_ENDPOINT_URL_STS", "http://env-sts");
  expect_url(&f, p, AWS_SERVICE_S3, "http://env-s3");
  expect_url(&f, p, AWS_SERVICE_S3_CONTROL, "http://env-control");
  expect_url(&f, p, AWS_SERVICE_STS, "http://env-sts");
  fixture_set(&f, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True");
  expect_url(&f, p, AWS_SERVICE_S3, NULL);
  fixture_set(&f, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "yes");
  expect_url(&f, p, AWS_SERVICE_S3, "http://env-s3");
  aws_profile_free(p);
  fixture_fini(&f);
}

Test(settings, missing_services_section_is_an_error) {
  struct fixture f;
  struct aws_profile *p;
  const char *got = "untouched";
  struct buf why;

  fixture_init(&f);
  p = load(&f, "[default]\nservices = gone\nendpoint_url = http://profile\n");
  buf_init(&why, 0);
  cr_assert_eq(aws_settings_endpoint_url(&f.env, p, AWS_SERVICE_S3, &got, &why), -EINVAL);
  cr_assert_neq(strstr(buf_cstr(&why), "[services gone]"), NULL, "%s", buf_cstr(&why));
  cr_assert_str_eq(got, "untouched");
  buf_fini(&why);
  aws_profile_free(p);
  fixture_fini(&f);
}

Test(settings, switches) {
  struct fixture f;
  struct aws_profile *p;

  fixture_init(&f);
  cr_assert_not(aws_settings_use_fips(&f.env, NULL));
  cr_assert_eq(aws_settings_s3_use_arn_region(&f.env, NULL), TRISTATE_UNSET);
  p = load(&f, "[default]\nuse_fips_endpoint = TRUE\nuse_dualstack_endpoint = 1\nca_bundle = /ca\n"
               "s3_use_arn_region = true\ns3_disable_express_session_auth = true\n"
               "s3 =\n  use_dualstack_endpoint = true\n  use_arn_region = false\n"
               "  s3_disable_multiregion_access_points = true\n  addressing_style = path\n");
  cr_assert(aws_settings_use_fips(&f.env, p));
  cr_assert(aws_settings_use_dualstack(&f.env, p));
  cr_assert_str_eq(aws_settings_ca_bundle(&f.env, p), "/ca");
  cr_assert_eq(aws_settings_s3_use_arn_region(&f.env, p), TRISTATE_FALSE);
  cr_assert_eq(aws_settings_s3_disable_multi_region(&f.env, p), TRISTATE_TRUE);
  cr_assert(aws_settings_s3_disable_express_auth(&f.env, p));
  cr_assert(aws_settings_s3_path_style(p));
  fixture_set(&f, "AWS_USE_FIPS_ENDPOINT", "false");
  fixture_set(&f, "AWS_USE_DUALSTACK_ENDPOINT", "no");
  fixture_set(&f, "AWS_CA_BUNDLE", "/env/ca");
  fixture_set(&f, "AWS_S3_USE_ARN_REGION", "true");
  cr_assert_not(aws_settings_use_fips(&f.env, p));
  cr_assert_not(aws_settings_use_dualstack(&f.env, p));
  cr_assert_str_eq(aws_settings_ca_bundle(&f.env, p), "/env/ca");
  cr_assert_eq(aws_settings_s3_use_arn_region(&f.env, p), TRISTATE_TRUE);
  aws_profile_free(p);
  fixture_fini(&f);
}
