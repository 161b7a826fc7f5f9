/* STS endpoints: regional hosts, the old global one for the regions that had
 * it, and custom endpoints. STS puts dual-stack hosts below api.aws. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint_private.h"
#include "s3apfs/base/text.h"

#define GLOBAL_HOST "sts.amazonaws.com"
#define GLOBAL_SIGNING_REGION "us-east-1"

static struct signing sts_signing(const char *region) {
  return (struct signing){
      .auth = AUTH_SIGV4, .name = "sts", .region = region, .double_encoding = true};
}

/* Regions that the global endpoint served before regional ones were the rule. */
static bool is_legacy_region(const char *region) {
  static const char *const legacy[] = {
      "ap-northeast-1", "ap-south-1",   "ap-southeast-1", "ap-southeast-2",
      "aws-global",     "ca-central-1", "eu-central-1",   "eu-north-1",
      "eu-west-1",      "eu-west-2",    "eu-west-3",      "sa-east-1",
      "us-east-1",      "us-east-2",    "us-west-1",      "us-west-2"};

  for (size_t i = 0; i < sizeof(legacy) / sizeof(legacy[0]); i++)
    if (strcmp(region, legacy[i]) == 0)
      return true;
  return false;
}

static int resolve_custom(const struct sts_endpoint_params *p, struct endpoint *out,
                          struct buf *why) {
  struct signing s = sts_signing(p->region != NULL ? p->region : GLOBAL_SIGNING_REGION);
  struct endpoint_url url;
  int rc;

  if (p->use_fips)
    return endpoint_fail(why, "Invalid Configuration: FIPS and custom endpoint are not supported");
  if (p->use_dual_stack)
    return endpoint_fail(why,
                         "Invalid Configuration: Dualstack and custom endpoint are not supported");
  rc = endpoint_url_parse(p->endpoint, &url);
  if (rc == -EINVAL)
    return endpoint_fail(why, "Custom endpoint `%s` was not a valid URI", p->endpoint);
  if (rc != 0)
    return rc;
  rc = endpoint_at_url(out, &s, url.scheme, strdup(url.authority), strdup(url.path));
  endpoint_url_fini(&url);
  return rc;
}

static int resolve_global(struct endpoint *out) {
  struct signing s = sts_signing(GLOBAL_SIGNING_REGION);

  return endpoint_at_host(out, &s, strdup(GLOBAL_HOST), strdup(""));
}

/* GovCloud's regional hosts are the FIPS ones. */
static int resolve_regional(const struct sts_endpoint_params *p, struct endpoint *out) {
  const struct partition *part = partition_of_region(p->region);
  bool gov = strcmp(part->id, "aws-us-gov") == 0 && !p->use_dual_stack;
  struct signing s = sts_signing(p->region);

  return endpoint_at_host(
      out, &s,
      text_printf("sts%s.%s.%s", p->use_fips && !gov ? "-fips" : "", p->region,
                  p->use_dual_stack ? part->dual_stack_suffix : part->dns_suffix),
      strdup(""));
}

int endpoint_resolve_sts(const struct sts_endpoint_params *p, struct endpoint *out,
                         struct buf *why) {
  bool plain = !p->use_fips && !p->use_dual_stack;

  if (p->endpoint != NULL)
    return resolve_custom(p, out, why);
  if (p->region == NULL)
    return endpoint_fail(why, "Invalid Configuration: Missing Region");
  if (plain && (strcmp(p->region, "aws-global") == 0 ||
                (p->use_global_endpoint && is_legacy_region(p->region))))
    return resolve_global(out);
  if (!endpoint_is_host_label(p->region, true))
    return endpoint_fail(why, "Invalid region: region was not a valid DNS name.");
  return resolve_regional(p, out);
}
