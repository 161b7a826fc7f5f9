/* Endpoint resolution against the cases that AWS publishes for its SDKs.
 *
 * The cases are data outside of the project: $S3APFS_VECTORS or
 * ../shared/vectors; without them the tests are skipped. Every failing case is
 * told. Excluded are transfer acceleration, the Object Lambda write host and
 * Snow devices, which s3apfs does not have. */
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3apfs/aws/endpoint.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"

static const char *vectors_dir(void) {
  const char *dir = getenv("S3APFS_VECTORS");
  struct stat st;

  if (dir == NULL || *dir == '\0')
    dir = "../shared/vectors";
  return stat(dir, &st) == 0 ? dir : NULL;
}

static cJSON *load_cases(const char *name) {
  const char *dir = vectors_dir();
  char *path;
  struct buf text;
  cJSON *root;

  if (dir == NULL) {
    fprintf(stderr, "endpoint vectors: %s skipped, set S3APFS_VECTORS\n", name);
    cr_skip_test("no conformance data");
  }
  path = text_printf("%s/endpoints/%s", dir, name);
  buf_init(&text, 0);
  cr_assert_eq(file_read(path, &text), 0, "%s", path);
  root = cJSON_Parse(buf_cstr(&text));
  cr_assert_not_null(root, "%s is JSON", path);
  buf_fini(&text);
  free(path);
  return root;
}

static const char *param(const cJSON *params, const char *name) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(params, name);

  return cJSON_GetStringValue(v);
}

static bool flag(const cJSON *params, const char *name) {
  return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(params, name)) != 0;
}

static enum tristate tri(const cJSON *params, const char *name) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(params, name);

  if (v == NULL)
    return TRISTATE_UNSET;
  return cJSON_IsTrue(v) ? TRISTATE_TRUE : TRISTATE_FALSE;
}

static int resolve_s3(const cJSON *p, struct endpoint *out, struct buf *why) {
  struct s3_endpoint_params params = {
      .bucket = param(p, "Bucket"),
      .region = param(p, "Region"),
      .endpoint = param(p, "Endpoint"),
      .use_fips = flag(p, "UseFIPS"),
      .use_dual_stack = flag(p, "UseDualStack"),
      .force_path_style = flag(p, "ForcePathStyle"),
      .use_global_endpoint = flag(p, "UseGlobalEndpoint"),
      .use_arn_region = tri(p, "UseArnRegion"),
      .disable_access_points = flag(p, "DisableAccessPoints"),
      .disable_multi_region_access_points = tri(p, "DisableMultiRegionAccessPoints"),
      .use_s3express_control_endpoint = flag(p, "UseS3ExpressControlEndpoint"),
      .disable_s3express_session_auth = flag(p, "DisableS3ExpressSessionAuth"),
  };

  return endpoint_resolve_s3(&params, out, why);
}

static int resolve_s3control(const cJSON *p, struct endpoint *out, struct buf *why) {
  struct s3control_endpoint_params params = {
      .region = param(p, "Region"),
      .endpoint = param(p, "Endpoint"),
      .account_id = param(p, "AccountId"),
      .access_point_name = param(p, "AccessPointName"),
      .bucket = param(p, "Bucket"),
      .outpost_id = param(p, "OutpostId"),
      .resource_arn = param(p, "ResourceArn"),
      .requires_account_id = flag(p, "RequiresAccountId"),
      .use_fips = flag(p, "UseFIPS"),
      .use_dual_stack = flag(p, "UseDualStack"),
      .use_arn_region = tri(p, "UseArnRegion"),
      .use_s3express_control_endpoint = flag(p, "UseS3ExpressControlEndpoint"),
  };

  return endpoint_resolve_s3control(&params, out, why);
}

static int resolve_sts(const cJSON *p, struct endpoint *out, struct buf *why) {
  struct sts_endpoint_params params = {
      .region = param(p, "Region"),
      .endpoint = param(p, "Endpoint"),
      .use_fips = flag(p, "UseFIPS"),
      .use_dual_stack = flag(p, "UseDualStack"),
      .use_global_endpoint = flag(p, "UseGlobalEndpoint"),
  };

  return endpoint_resolve_sts(&params, out, why);
}

static bool excluded(const cJSON *p) {
  const char *region = param(p, "Region");

  return flag(p, "Accelerate") || flag(p, "UseObjectLambdaEndpoint") ||
         (region != NULL && strcmp(region, "snow") == 0);
}

static const char *scheme_name(enum auth_scheme auth) {
  static const char *const names[] = {"sigv4", "sigv4a", "sigv4-s3express"};

  return names[auth];
}

static bool scheme_matches(const cJSON *scheme, const struct endpoint *e) {
  const char *region = param(scheme, "signingRegion");
  const cJSON *set = cJSON_GetObjectItemCaseSensitive(scheme, "signingRegionSet");

  if (region == NULL)
    region = cJSON_GetStringValue(cJSON_GetArrayItem(set, 0));
  return region != NULL && strcmp(param(scheme, "name"), scheme_name(e->auth)) == 0 &&
         strcmp(param(scheme, "signingName"), e->signing_name) == 0 &&
         strcmp(region, e->signing_region) == 0 &&
         flag(scheme, "disableDoubleEncoding") == e->disable_double_encoding;
}

/* One of the case's schemes; a case without (STS) signs as the service itself. */
static bool signing_matches(const cJSON *endpoint, const cJSON *params, const struct endpoint *e) {
  const cJSON *props = cJSON_GetObjectItemCaseSensitive(endpoint, "properties");
  const cJSON *schemes = cJSON_GetObjectItemCaseSensitive(props, "authSchemes");
  const char *region = param(params, "Region");
  const cJSON *scheme;

  if (schemes == NULL)
    return e->auth == AUTH_SIGV4 && strcmp(e->signing_name, "sts") == 0 &&
           (region == NULL || strcmp(region, e->signing_region) == 0);
  cJSON_ArrayForEach(scheme, schemes) {
    if (scheme_matches(scheme, e))
      return true;
  }
  return false;
}

static void check_endpoint(const char *label, const cJSON *expected, const cJSON *params,
                           const struct endpoint *e) {
  char *url = text_printf("%s://%s%s", e->scheme, e->host, e->path);
  char *want = strdup(param(expected, "url"));

  while (text_has_suffix(want, "/"))
    want[strlen(want) - 1] = '\0';
  cr_expect_str_eq(url, want, "%s: %s, not %s", label, url, want);
  cr_expect(signing_matches(expected, params, e), "%s: signed %s %s %s", label,
            scheme_name(e->auth), e->signing_name, e->signing_region);
  free(url);
  free(want);
}

typedef int (*resolve_fn)(const cJSON *params, struct endpoint *out, struct buf *why);

static void check_case(const cJSON *c, resolve_fn resolve) {
  const cJSON *params = cJSON_GetObjectItemCaseSensitive(c, "params");
  const cJSON *expect = cJSON_GetObjectItemCaseSensitive(c, "expect");
  const char *error = param(expect, "error");
  int index = (int)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(c, "index"));
  char *label = text_printf("case %d (%s)", index, param(c, "documentation"));
  struct endpoint e;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = resolve(params, &e, &why);
  cr_expect_eq(rc, error != NULL ? -EINVAL : 0, "%s: returned %d (%s)", label, rc, buf_cstr(&why));
  if (error != NULL)
    cr_expect_str_eq(buf_cstr(&why), error, "%s: said `%s`, not `%s`", label, buf_cstr(&why),
                     error);
  else if (rc == 0)
    check_endpoint(label, cJSON_GetObjectItemCaseSensitive(expect, "endpoint"), params, &e);
  if (rc == 0)
    endpoint_fini(&e);
  buf_fini(&why);
  free(label);
}

static void run_file(const char *name, resolve_fn resolve) {
  cJSON *root = load_cases(name);
  const cJSON *cases = cJSON_GetObjectItemCaseSensitive(root, "testCases");
  const cJSON *c;
  int ran = 0;
  int skipped = 0;

  cJSON_ArrayForEach(c, cases) {
    if (excluded(cJSON_GetObjectItemCaseSensitive(c, "params"))) {
      skipped++;
      continue;
    }
    check_case(c, resolve);
    ran++;
  }
  fprintf(stderr, "%s: %d cases ran, %d excluded\n", name, ran, skipped);
  cr_assert_gt(ran, 0, "%s holds no case", name);
  cJSON_Delete(root);
}

Test(endpoint_vectors, s3) {
  run_file("s3.json", resolve_s3);
}

Test(endpoint_vectors, s3control) {
  run_file("s3control.json", resolve_s3control);
}

Test(endpoint_vectors, sts) {
  run_file("sts.json", resolve_sts);
}
