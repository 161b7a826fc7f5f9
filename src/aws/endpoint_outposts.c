/* S3 on Outposts: access point ARNs (outpost/OP/accesspoint/NAME) and aliases
 * (63 characters that hold region, outpost id and kind of hardware at fixed
 * places, counted from the end). The rule set offers SigV4a first and SigV4
 * second; SigV4 in the ARN's region is enough for one outpost. Hosts are always
 * https, whatever the custom endpoint's scheme. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint_private.h"
#include "s3apfs/base/text.h"

/* Places in an alias, as bytes from its end. */
#define ALIAS_SUFFIX "--op-s3"
#define ALIAS_REGION_END 8
#define ALIAS_REGION_BYTES 4
#define ALIAS_OUTPOST_END 32
#define ALIAS_OUTPOST_BYTES 17
#define ALIAS_HARDWARE_END 49
#define ALIAS_MIN 50

static int check_outposts_settings(const struct s3_resolution *r, const struct endpoint_arn *a) {
  const char *outpost = endpoint_arn_word(a, 1);

  if (r->p->use_dual_stack)
    return endpoint_fail(r->why, "S3 Outposts does not support Dual-stack");
  if (r->p->use_fips)
    return endpoint_fail(r->why, "S3 Outposts does not support FIPS");
  if (endpoint_arn_word(a, 4) != NULL)
    return endpoint_fail(r->why, "Invalid Arn: Outpost Access Point ARN contains sub resources");
  if (outpost == NULL)
    return endpoint_fail(r->why, "Invalid ARN: The Outpost Id was not set");
  return endpoint_check_label(outpost, "outpost Id", r->why);
}

static int check_outposts_resource(const struct s3_resolution *r, const struct endpoint_arn *a) {
  const char *type = endpoint_arn_word(a, 2);
  const char *name = endpoint_arn_word(a, 3);

  if (type == NULL)
    return endpoint_fail(r->why, "Invalid ARN: Expected a 4-component resource");
  if (name == NULL)
    return endpoint_fail(r->why, "Invalid ARN: expected an access point name");
  if (strcmp(type, "accesspoint") != 0)
    return endpoint_fail(r->why, "Expected an outpost type `accesspoint`, found %s", type);
  return endpoint_check_label(name, "access point name", r->why);
}

static int check_outposts_arn(const struct s3_resolution *r, const struct endpoint_arn *a) {
  int rc = check_outposts_settings(r, a);

  if (rc == 0)
    rc = endpoint_check_arn_region(&a->arn, r->p->region, r->p->use_arn_region, r->why);
  if (rc == 0)
    rc = endpoint_check_s3_arn_partition(r, &a->arn);
  if (rc == 0 && !endpoint_is_host_label(a->arn.region, true))
    rc = endpoint_fail(r->why, "Invalid region in ARN: `%s` (invalid DNS name)", a->arn.region);
  if (rc == 0)
    rc = endpoint_check_label(a->arn.account, "account id", r->why);
  if (rc == 0)
    rc = check_outposts_resource(r, a);
  return rc;
}

int endpoint_resolve_s3_outposts_arn(const struct s3_resolution *r, const struct endpoint_arn *a) {
  const struct arn *arn = &a->arn;
  struct signing s = {.auth = AUTH_SIGV4, .name = "s3-outposts", .region = arn->region};
  int rc = check_outposts_arn(r, a);

  if (rc != 0)
    return rc;
  if (r->url != NULL)
    return endpoint_at_host(
        r->out, &s,
        text_printf("%s-%s.%s.%s", a->words[3], arn->account, a->words[1], r->url->authority),
        strdup(""));
  return endpoint_at_host(r->out, &s,
                          text_printf("%s-%s.%s.s3-outposts.%s.%s", a->words[3], arn->account,
                                      a->words[1], arn->region,
                                      partition_of_region(arn->region)->dns_suffix),
                          strdup(""));
}

bool endpoint_is_outposts_alias(const char *bucket) {
  if (strlen(bucket) < ALIAS_MIN || !text_has_suffix(bucket, ALIAS_SUFFIX))
    return false;
  for (; *bucket != '\0'; bucket++)
    if ((unsigned char)*bucket >= 0x80)
      return false;
  return true;
}

/* An alias of the beta names no public host; elsewhere a custom endpoint is
 * not looked at. */
static int place_alias(const struct s3_resolution *r, const char *outpost, bool beta) {
  const char *alias = r->p->bucket;
  struct signing s = {.auth = AUTH_SIGV4, .name = "s3-outposts", .region = r->p->region};

  if (beta && r->url == NULL)
    return endpoint_fail(r->why, "Expected a endpoint to be specified but no endpoint was found");
  if (beta)
    return endpoint_at_host(r->out, &s, text_printf("%s.%s.%s", alias, outpost, r->url->authority),
                            strdup(""));
  return endpoint_at_host(r->out, &s,
                          text_printf("%s.%s.s3-outposts.%s.%s", alias, outpost, r->p->region,
                                      r->partition->dns_suffix),
                          strdup(""));
}

int endpoint_resolve_s3_outposts_alias(const struct s3_resolution *r) {
  const char *end = r->p->bucket + strlen(r->p->bucket);
  char hardware = end[-ALIAS_HARDWARE_END - 1];
  bool beta = memcmp(end - ALIAS_REGION_END - ALIAS_REGION_BYTES, "beta", ALIAS_REGION_BYTES) == 0;
  char outpost[sizeof("op-") + ALIAS_OUTPOST_BYTES] = "op-";

  memcpy(outpost + strlen("op-"), end - ALIAS_OUTPOST_END - ALIAS_OUTPOST_BYTES,
         ALIAS_OUTPOST_BYTES);
  outpost[strlen("op-") + ALIAS_OUTPOST_BYTES] = '\0';
  if (!endpoint_is_host_label(outpost + strlen("op-"), false))
    return endpoint_fail(r->why,
                         "Invalid ARN: The outpost Id must only contain a-z, A-Z, 0-9 and `-`.");
  if (!endpoint_is_hostable_bucket(r->p->bucket, false))
    return endpoint_fail(r->why, "Invalid Outposts Bucket alias - it must be a valid bucket name.");
  if (hardware != 'e' && hardware != 'o')
    return endpoint_fail(r->why,
                         "Unrecognized hardware type: \"Expected hardware type o or e but got %c\"",
                         hardware);
  return place_alias(r, hardware == 'e' ? "ec2" : outpost, beta);
}
