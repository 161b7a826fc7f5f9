/* Endpoint resolution beyond the published cases: aliases, other partitions,
 * custom endpoints of emulators and private links, malformed input. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/endpoint.h"
#include "s3apfs/base/text.h"

#define AP "arn:aws:s3:us-west-2:123456789012:accesspoint/my-ap"

static void expect_url(const char *label, int rc, struct endpoint *e, struct buf *why,
                       const char *url, const char *region) {
  char *got;

  cr_assert_eq(rc, 0, "%s: %s", label, buf_cstr(why));
  got = text_printf("%s://%s%s", e->scheme, e->host, e->path);
  cr_expect_str_eq(got, url, "%s: %s, not %s", label, got, url);
  cr_expect_str_eq(e->signing_region, region, "%s: signed for %s", label, e->signing_region);
  free(got);
  endpoint_fini(e);
  buf_fini(why);
}

static void expect_s3(struct s3_endpoint_params p, const char *url, const char *region) {
  struct endpoint e;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = endpoint_resolve_s3(&p, &e, &why);
  expect_url(p.bucket != NULL ? p.bucket : "no bucket", rc, &e, &why, url, region);
}

static void expect_s3_error(struct s3_endpoint_params p, const char *text) {
  struct endpoint e = {.scheme = (char *)"kept"};
  struct buf why;

  buf_init(&why, 0);
  cr_expect_eq(endpoint_resolve_s3(&p, &e, &why), -EINVAL, "%s", text);
  cr_expect_str_eq(buf_cstr(&why), text, "%s", buf_cstr(&why));
  cr_expect_str_eq(e.scheme, "kept", "results are written only on success");
  buf_fini(&why);
}

static void expect_control(struct s3control_endpoint_params p, const char *url) {
  struct endpoint e;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = endpoint_resolve_s3control(&p, &e, &why);
  expect_url(url, rc, &e, &why, url, p.region);
}

Test(endpoint, aliases_are_buckets) {
  expect_s3((struct s3_endpoint_params){.bucket = "my-ap-s3alias",
                                        .region = "us-west-2",
                                        .use_fips = true,
                                        .use_dual_stack = true},
            "https://my-ap-s3alias.s3-fips.dualstack.us-west-2.amazonaws.com", "us-west-2");
  expect_s3((struct s3_endpoint_params){.bucket = "x-ext-s3alias", .region = "us-west-2"},
            "https://x-ext-s3alias.s3.us-west-2.amazonaws.com", "us-west-2");
  expect_s3((struct s3_endpoint_params){.bucket = "x-s3alias",
                                        .region = "us-west-2",
                                        .endpoint = "http://localhost:9000",
                                        .force_path_style = true},
            "http://localhost:9000/x-s3alias", "us-west-2");
}

Test(endpoint, access_points_of_other_partitions) {
  expect_s3((struct s3_endpoint_params){.bucket = "arn:aws-iso:s3:us-iso-east-1:123456789012:"
                                                  "accesspoint:my-ap",
                                        .region = "us-iso-east-1"},
            "https://my-ap-123456789012.s3-accesspoint.us-iso-east-1.c2s.ic.gov", "us-iso-east-1");
  expect_s3((struct s3_endpoint_params){.bucket = "arn:aws-eusc:s3:eusc-de-east-1:123456789012:"
                                                  "accesspoint/my-ap",
                                        .region = "eusc-de-east-1"},
            "https://my-ap-123456789012.s3-accesspoint.eusc-de-east-1.amazonaws.eu",
            "eusc-de-east-1");
}

Test(endpoint, the_arns_region_wins) {
  expect_s3((struct s3_endpoint_params){.bucket = AP, .region = "eu-west-3"},
            "https://my-ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com", "us-west-2");
  expect_s3_error((struct s3_endpoint_params){.bucket = AP,
                                              .region = "eu-west-3",
                                              .use_arn_region = TRISTATE_FALSE},
                  "Invalid configuration: region from ARN `us-west-2` does not match client "
                  "region `eu-west-3` and UseArnRegion is `false`");
}

Test(endpoint, custom_endpoints_keep_port_and_base_path) {
  expect_s3((struct s3_endpoint_params){.bucket = AP,
                                        .region = "us-west-2",
                                        .endpoint = "http://localhost:9000"},
            "http://my-ap-123456789012.localhost:9000", "us-west-2");
  expect_s3((struct s3_endpoint_params){.bucket = AP,
                                        .region = "us-west-2",
                                        .endpoint = "https://accesspoint.vpce-1a.s3.us-west-2.vpce."
                                                    "amazonaws.com/"},
            "https://my-ap-123456789012.accesspoint.vpce-1a.s3.us-west-2.vpce.amazonaws.com",
            "us-west-2");
  expect_s3((struct s3_endpoint_params){.bucket = "bucket",
                                        .region = "us-west-2",
                                        .endpoint = "HTTPS://h:1/base//path/"},
            "https://bucket.h:1/base/path", "us-west-2");
  expect_s3((struct s3_endpoint_params){.bucket = "bucket",
                                        .region = "us-west-2",
                                        .endpoint = "http://[::1]:9000/p"},
            "http://[::1]:9000/p/bucket", "us-west-2");
}

/* 004-M8 */
Test(endpoint, path_style_encodes_the_bucket) {
  expect_s3((struct s3_endpoint_params){.bucket = "b c/d\xc3\xbc", .region = "us-west-2"},
            "https://s3.us-west-2.amazonaws.com/b%20c%2Fd%C3%BC", "us-west-2");
  expect_s3_error(
      (struct s3_endpoint_params){.bucket = AP, .region = "us-west-2", .force_path_style = true},
      "Path-style addressing cannot be used with ARN buckets");
}

Test(endpoint, multi_region_signs_for_all_regions) {
  struct s3_endpoint_params p = {.bucket = "arn:aws:s3::123456789012:accesspoint/abc.mrap",
                                 .region = "us-west-2"};
  struct endpoint e;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(endpoint_resolve_s3(&p, &e, &why), 0);
  cr_expect_eq(e.auth, AUTH_SIGV4A);
  expect_url("mrap", 0, &e, &why, "https://abc.mrap.accesspoint.s3-global.amazonaws.com", "*");
}

Test(endpoint, malformed_custom_endpoints) {
  static const char *const bad[] = {"",
                                    "localhost:9000",
                                    "ftp://host",
                                    "http://",
                                    "http:///path",
                                    "http://:80",
                                    "http://host:80a",
                                    "http://host:1:2",
                                    "http://user@host",
                                    "http://host?x=1",
                                    "http://host#f",
                                    "http://ho st",
                                    "http://host/a b",
                                    "http://host\r\nX: y",
                                    "http://h\xc3\xb6st",
                                    "http://[::1",
                                    "http://[]",
                                    "http://[::1]x",
                                    "http://::1]"};
  struct endpoint e;
  struct buf why;

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct s3_endpoint_params p = {.bucket = "bucket", .region = "us-west-2", .endpoint = bad[i]};
    struct s3control_endpoint_params c = {.region = "us-west-2", .endpoint = bad[i]};
    struct sts_endpoint_params s = {.region = "us-west-2", .endpoint = bad[i]};

    buf_init(&why, 0);
    cr_expect_eq(endpoint_resolve_s3(&p, &e, &why), -EINVAL, "s3: %s", bad[i]);
    cr_expect_eq(endpoint_resolve_s3control(&c, &e, &why), -EINVAL, "s3control: %s", bad[i]);
    cr_expect_eq(endpoint_resolve_sts(&s, &e, &why), -EINVAL, "sts: %s", bad[i]);
    buf_fini(&why);
  }
}

Test(endpoint, hostile_names_stay_out_of_hosts) {
  expect_s3_error((struct s3_endpoint_params){.bucket = "bucket", .region = "us-west-2/x"},
                  "Invalid region: region was not a valid DNS name.");
  expect_s3_error((struct s3_endpoint_params){.bucket = "arn:aws:s3:us-west-2:123456789012:"
                                                        "accesspoint:x@evil.example",
                                              .region = "us-west-2"},
                  "Invalid ARN: The access point name may only contain a-z, A-Z, 0-9 and `-`. "
                  "Found: `x@evil.example`");
  expect_s3_error((struct s3_endpoint_params){.bucket = "arn:aws:s3:us-west-2:1/2:accesspoint:x",
                                              .region = "us-west-2"},
                  "Invalid ARN: The account id may only contain a-z, A-Z, 0-9 and `-`. Found: "
                  "`1/2`");
  expect_s3_error((struct s3_endpoint_params){.bucket = "b-s3alias"},
                  "A region must be set when sending requests to S3.");
}

Test(endpoint, control_hosts) {
  struct s3control_endpoint_params p = {
      .region = "us-west-2", .account_id = "012345678901", .requires_account_id = true};

  expect_control(p, "https://012345678901.s3-control.us-west-2.amazonaws.com");
  p.endpoint = "http://localhost:9000/";
  expect_control(p, "http://012345678901.localhost:9000");
  p.no_account_prefix = true;
  expect_control(p, "http://localhost:9000");
  p.endpoint = "http://127.0.0.1:9000";
  expect_control(p, "http://127.0.0.1:9000");
}

Test(endpoint, sts_signs_its_region) {
  struct sts_endpoint_params p = {.endpoint = "http://localhost:9000/sts/"};
  struct endpoint e;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = endpoint_resolve_sts(&p, &e, &why);
  expect_url("custom", rc, &e, &why, "http://localhost:9000/sts", "us-east-1");
  p = (struct sts_endpoint_params){.region = "eu-west-3"};
  rc = endpoint_resolve_sts(&p, &e, &why);
  cr_expect_not(e.disable_double_encoding, "STS is a plain service, only S3 encodes once");
  expect_url("regional", rc, &e, &why, "https://sts.eu-west-3.amazonaws.com", "eu-west-3");
}
