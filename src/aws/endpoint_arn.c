/* S3 endpoints of ARNs: access points, Object Lambda and Multi-Region access
 * points. The ARN's region decides host and signature unless use_arn_region is
 * false, in which case a difference is an error. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint_private.h"
#include "s3apfs/base/text.h"

int endpoint_check_s3_arn_partition(const struct s3_resolution *r, const struct arn *a) {
  const struct partition *of_arn = partition_of_region(a->region);

  if (of_arn == r->partition)
    return 0;
  return endpoint_fail(r->why, "Client was configured for partition `%s` but ARN (`%s`) has `%s`",
                       r->partition->id, r->p->bucket, of_arn->id);
}

/* What both kinds of regional access point check before they differ. */
static int check_regional(const struct s3_resolution *r, const struct endpoint_arn *a) {
  int rc;

  if (r->p->disable_access_points)
    return endpoint_fail(r->why, "Access points are not supported for this operation");
  if (endpoint_arn_word(a, 2) != NULL)
    return endpoint_fail(r->why, "Invalid ARN: The ARN may only contain a single resource "
                                 "component after `accesspoint`.");
  rc = endpoint_check_arn_region(&a->arn, r->p->region, r->p->use_arn_region, r->why);
  if (rc == 0)
    rc = endpoint_check_s3_arn_partition(r, &a->arn);
  if (rc == 0 && !endpoint_is_host_label(a->arn.region, true))
    rc = endpoint_fail(r->why, "Invalid region in ARN: `%s` (invalid DNS name)", a->arn.region);
  return rc;
}

static int check_account_and_name(const struct s3_resolution *r, const struct endpoint_arn *a) {
  int rc = endpoint_check_label(a->arn.account, "account id", r->why);

  return rc != 0 ? rc : endpoint_check_label(a->words[1], "access point name", r->why);
}

/* NAME-ACCOUNT in front of the custom endpoint, or of LABEL.REGION.SUFFIX. */
static int place_regional(const struct s3_resolution *r, const struct endpoint_arn *a,
                          const char *service, const char *label) {
  const struct arn *arn = &a->arn;
  const char *name = a->words[1];
  struct signing s = {.auth = AUTH_SIGV4, .name = service, .region = arn->region};

  if (r->url != NULL)
    return endpoint_at_url(r->out, &s, r->url->scheme,
                           text_printf("%s-%s.%s", name, arn->account, r->url->authority),
                           strdup(r->url->path));
  return endpoint_at_host(r->out, &s,
                          text_printf("%s-%s.%s.%s.%s", name, arn->account, label, arn->region,
                                      partition_of_region(arn->region)->dns_suffix),
                          strdup(""));
}

static int resolve_access_point(const struct s3_resolution *r, const struct endpoint_arn *a) {
  static const char *const labels[] = {"s3-accesspoint", "s3-accesspoint.dualstack",
                                       "s3-accesspoint-fips", "s3-accesspoint-fips.dualstack"};
  int rc = check_regional(r, a);

  if (rc == 0 && strcmp(a->arn.service, "s3") != 0)
    rc = endpoint_fail(r->why, "Invalid ARN: The ARN was not for the S3 service, found: %s",
                       a->arn.service);
  if (rc == 0)
    rc = check_account_and_name(r, a);
  if (rc != 0)
    return rc;
  return place_regional(r, a, "s3",
                        labels[(r->p->use_fips ? 2 : 0) + (r->p->use_dual_stack ? 1 : 0)]);
}

/* An access point's ARN without region; its host ignores a custom endpoint. */
static int resolve_multi_region(const struct s3_resolution *r, const struct endpoint_arn *a) {
  struct signing s = {.auth = AUTH_SIGV4A, .name = "s3", .region = "*"};
  const char *alias = a->words[1];

  if (!endpoint_is_host_label(alias, true))
    return endpoint_fail(r->why, "Invalid Access Point Name");
  if (r->p->use_dual_stack)
    return endpoint_fail(r->why, "S3 MRAP does not support dual-stack");
  if (r->p->use_fips)
    return endpoint_fail(r->why, "S3 MRAP does not support FIPS");
  if (r->p->disable_multi_region_access_points == TRISTATE_TRUE)
    return endpoint_fail(r->why,
                         "Invalid configuration: Multi-Region Access Point ARNs are disabled.");
  if (strcmp(a->arn.partition, r->partition->id) != 0)
    return endpoint_fail(
        r->why, "Client was configured for partition `%s` but bucket referred to partition `%s`",
        r->partition->id, a->arn.partition);
  return endpoint_at_host(
      r->out, &s, text_printf("%s.accesspoint.s3-global.%s", alias, r->partition->dns_suffix),
      strdup(""));
}

static int check_named(const struct s3_resolution *r, const struct endpoint_arn *a) {
  const char *name = endpoint_arn_word(a, 1);

  if (name != NULL && *name != '\0')
    return 0;
  return endpoint_fail(r->why, "Invalid ARN: Expected a resource of the format "
                               "`accesspoint:<accesspoint name>` but no name was provided");
}

static int resolve_object_lambda(const struct s3_resolution *r, const struct endpoint_arn *a) {
  int rc;

  if (strcmp(a->words[0], "accesspoint") != 0)
    return endpoint_fail(r->why,
                         "Invalid ARN: Object Lambda ARNs only support `accesspoint` arn types, "
                         "but found: `%s`",
                         a->words[0]);
  rc = check_named(r, a);
  if (rc != 0)
    return rc;
  if (r->p->use_dual_stack)
    return endpoint_fail(r->why, "S3 Object Lambda does not support Dual-stack");
  if (*a->arn.region == '\0')
    return endpoint_fail(r->why, "Invalid ARN: bucket ARN is missing a region");
  rc = check_regional(r, a);
  if (rc == 0 && *a->arn.account == '\0')
    rc = endpoint_fail(r->why, "Invalid ARN: Missing account id");
  if (rc == 0)
    rc = check_account_and_name(r, a);
  if (rc != 0)
    return rc;
  return place_regional(r, a, "s3-object-lambda",
                        r->p->use_fips ? "s3-object-lambda-fips" : "s3-object-lambda");
}

int endpoint_resolve_s3_arn(const struct s3_resolution *r, const struct endpoint_arn *a) {
  const char *type = a->words[0];
  int rc;

  if (*type == '\0')
    return endpoint_fail(r->why, "Invalid ARN: No ARN type specified");
  if (strcmp(a->arn.service, "s3-object-lambda") == 0)
    return resolve_object_lambda(r, a);
  if (strcmp(type, "accesspoint") == 0) {
    rc = check_named(r, a);
    if (rc != 0)
      return rc;
    return *a->arn.region != '\0' ? resolve_access_point(r, a) : resolve_multi_region(r, a);
  }
  if (strcmp(a->arn.service, "s3-outposts") == 0)
    return endpoint_resolve_s3_outposts_arn(r, a);
  return endpoint_fail(r->why, "Invalid ARN: Unrecognized format: %s (type: %s)", r->p->bucket,
                       type);
}
