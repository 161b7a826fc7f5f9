/* S3 Control endpoints: ACCOUNT.s3-control.REGION.SUFFIX for account-level
 * calls (access points, Access Grants), s3-outposts hosts for what lives on an
 * outpost, s3express-control for access points of directory buckets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint_private.h"
#include "s3apfs/base/text.h"

struct control_resolution {
  const struct s3control_endpoint_params *p;
  const struct partition *partition; /* of the client's region */
  const struct endpoint_url *url;
  struct endpoint *out;
  struct buf *why;
};

static int at_custom(const struct control_resolution *r, const struct signing *s, bool with_path) {
  return endpoint_at_url(r->out, s, r->url->scheme, strdup(r->url->authority),
                         strdup(with_path ? r->url->path : ""));
}

static int check_dual_stack(const struct control_resolution *r) {
  if (r->p->endpoint == NULL || !r->p->use_dual_stack)
    return 0;
  return endpoint_fail(r->why,
                       "Invalid Configuration: DualStack and custom endpoint are not supported");
}

static int check_account(const struct control_resolution *r) {
  if (r->p->requires_account_id && r->p->account_id == NULL)
    return endpoint_fail(r->why, "AccountId is required but not set");
  if (r->p->account_id != NULL && !endpoint_is_host_label(r->p->account_id, false))
    return endpoint_fail(r->why, "AccountId must only contain a-z, A-Z, 0-9 and `-`.");
  return 0;
}

static int check_region(const struct control_resolution *r) {
  if (endpoint_is_host_label(r->p->region, true))
    return 0;
  return endpoint_fail(r->why, "Invalid region: region was not a valid DNS name.");
}

/* --- outposts ------------------------------------------------------------------------------- */

static char *outposts_host(const struct control_resolution *r, const char *region) {
  const struct partition *part = partition_of_region(region);

  return text_printf("s3-outposts%s.%s.%s", r->p->use_fips ? "-fips" : "", region,
                     r->p->use_dual_stack ? part->dual_stack_suffix : part->dns_suffix);
}

static int resolve_outpost(const struct control_resolution *r) {
  struct signing s = {.auth = AUTH_SIGV4, .name = "s3-outposts", .region = r->p->region};
  int rc = check_account(r);

  if (rc == 0 && !endpoint_is_host_label(r->p->outpost_id, false))
    rc = endpoint_fail(r->why, "OutpostId must only contain a-z, A-Z, 0-9 and `-`.");
  if (rc == 0)
    rc = check_dual_stack(r);
  if (rc == 0)
    rc = check_region(r);
  if (rc != 0)
    return rc;
  if (r->url != NULL)
    return at_custom(r, &s, true);
  return endpoint_at_host(r->out, &s, outposts_host(r, r->p->region), strdup(""));
}

static int check_arn_partition(const struct control_resolution *r, const struct arn *a) {
  const struct partition *of_arn = partition_of_region(a->region);

  if (of_arn == r->partition)
    return 0;
  return endpoint_fail(r->why, "Client was configured for partition `%s` but ARN has `%s`",
                       r->partition->id, of_arn->id);
}

static int check_arn_account(const struct control_resolution *r, const struct arn *a) {
  int rc;

  if (*a->account == '\0')
    return endpoint_fail(r->why, "Invalid ARN: missing account ID");
  rc = endpoint_check_label(a->account, "account id", r->why);
  if (rc == 0 && r->p->account_id != NULL && strcmp(r->p->account_id, a->account) != 0)
    rc = endpoint_fail(r->why,
                       "Invalid ARN: the accountId specified in the ARN (`%s`) does not match the "
                       "parameter (`%s`)",
                       a->account, r->p->account_id);
  return rc;
}

static int check_outposts_words(const struct control_resolution *r, const struct endpoint_arn *a,
                                bool bucket) {
  const char *type = endpoint_arn_word(a, 2);

  if (type == NULL)
    return endpoint_fail(r->why, "Invalid ARN: Expected a 4-component resource");
  if (endpoint_arn_word(a, 3) == NULL)
    return endpoint_fail(r->why, "Invalid ARN: expected %s name",
                         bucket ? "a bucket" : "an access point");
  if (strcmp(type, bucket ? "bucket" : "accesspoint") == 0)
    return 0;
  if (bucket)
    return endpoint_fail(r->why, "Invalid ARN: Expected an outpost type `bucket`, found `%s`",
                         type);
  return endpoint_fail(r->why, "Expected an outpost type `accesspoint`, found `%s`", type);
}

static int check_outposts_arn(const struct control_resolution *r, const struct endpoint_arn *a,
                              bool bucket) {
  const char *outpost = endpoint_arn_word(a, 1);
  int rc;

  if (outpost == NULL)
    return endpoint_fail(r->why, "Invalid ARN: The Outpost Id was not set");
  if (!endpoint_is_host_label(outpost, false))
    return endpoint_fail(r->why,
                         "Invalid ARN: The outpost Id must only contain a-z, A-Z, 0-9 and `-`., "
                         "found: `%s`",
                         outpost);
  rc = check_dual_stack(r);
  if (rc == 0)
    rc = endpoint_check_arn_region(&a->arn, r->p->region, r->p->use_arn_region, r->why);
  if (rc == 0)
    rc = check_arn_partition(r, &a->arn);
  if (rc == 0 && !endpoint_is_host_label(a->arn.region, true))
    rc = endpoint_fail(r->why, "Invalid region in ARN: `%s` (invalid DNS name)", a->arn.region);
  if (rc == 0)
    rc = check_arn_account(r, &a->arn);
  return rc != 0 ? rc : check_outposts_words(r, a, bucket);
}

/* A custom endpoint is passed over when FIPS is asked for, as in the rule set. */
static int resolve_outposts_arn(const struct control_resolution *r, const struct endpoint_arn *a,
                                bool bucket) {
  struct signing s = {.auth = AUTH_SIGV4, .name = "s3-outposts", .region = a->arn.region};
  int rc = check_outposts_arn(r, a, bucket);

  if (rc != 0)
    return rc;
  if (r->url != NULL && !r->p->use_fips)
    return at_custom(r, &s, true);
  return endpoint_at_host(r->out, &s, outposts_host(r, a->arn.region), strdup(""));
}

/* --- directory buckets ---------------------------------------------------------------------- */

static int resolve_express(const struct control_resolution *r) {
  struct signing s = {.auth = AUTH_SIGV4, .name = "s3express", .region = r->p->region};
  int rc = check_dual_stack(r);

  if (rc == 0 && r->p->use_dual_stack)
    rc = endpoint_fail(r->why, "S3Express does not support Dual-stack.");
  if (rc != 0)
    return rc;
  if (r->url != NULL)
    return at_custom(r, &s, false);
  return endpoint_at_host(r->out, &s,
                          text_printf("s3express-control%s.%s.%s", r->p->use_fips ? "-fips" : "",
                                      r->p->region, r->partition->dns_suffix),
                          strdup(""));
}

static int resolve_express_arn(const struct control_resolution *r, const struct arn *a) {
  int rc = check_arn_partition(r, a);

  if (rc == 0)
    rc = endpoint_check_arn_region(a, r->p->region, r->p->use_arn_region, r->why);
  return rc != 0 ? rc : resolve_express(r);
}

static int resolve_express_name(const struct control_resolution *r) {
  char *zone = NULL;
  int rc = 0;

  if (r->p->endpoint == NULL && !r->p->use_dual_stack)
    rc = endpoint_express_zone(r->p->access_point_name, strlen("--xa-s3"), &zone);
  free(zone);
  if (rc == -EINVAL)
    return endpoint_fail(r->why, "Unrecognized S3Express Access Point name format.");
  return rc != 0 ? rc : resolve_express(r);
}

/* --- accounts ------------------------------------------------------------------------------- */

static int resolve_account(const struct control_resolution *r) {
  struct signing s = {.auth = AUTH_SIGV4, .name = "s3", .region = r->p->region};
  bool prefixed = r->p->requires_account_id && r->p->account_id != NULL && !r->p->no_account_prefix;
  const char *account = prefixed ? r->p->account_id : "";
  const char *dot = prefixed ? "." : "";
  int rc = check_region(r);

  if (rc == 0)
    rc = check_account(r);
  if (rc == 0)
    rc = check_dual_stack(r);
  if (rc != 0)
    return rc;
  if (r->url != NULL)
    return endpoint_at_url(r->out, &s, r->url->scheme,
                           text_printf("%s%s%s", account, dot, r->url->authority),
                           strdup(r->url->path));
  return endpoint_at_host(
      r->out, &s,
      text_printf("%s%ss3-control%s%s.%s.%s", account, dot, r->p->use_fips ? "-fips" : "",
                  r->p->use_dual_stack ? ".dualstack" : "", r->p->region, r->partition->dns_suffix),
      strdup(""));
}

/* Resolves `s` when it is an ARN; 1 when it is a name. Only ARNs of outposts are
 * taken; for any other the rule set ends in this message. */
static int try_outposts_arn(const struct control_resolution *r, const char *s, bool bucket) {
  struct endpoint_arn a;
  int rc;

  if (s == NULL)
    return 1;
  rc = endpoint_arn_parse(s, &a);
  if (rc != 0)
    return rc == -EINVAL ? 1 : rc;
  if (*a.words[0] == '\0' || strcmp(a.arn.service, "s3-outposts") != 0)
    rc = endpoint_fail(r->why, "Invalid ARN: No ARN type specified");
  else
    rc = resolve_outposts_arn(r, &a, bucket);
  endpoint_arn_fini(&a);
  return rc;
}

/* As above for an ARN of a directory bucket. */
static int try_express_arn(const struct control_resolution *r) {
  struct arn a;
  int rc;

  if (r->p->resource_arn == NULL)
    return 1;
  rc = arn_parse(r->p->resource_arn, &a);
  if (rc != 0)
    return rc == -EINVAL ? 1 : rc;
  rc = strcmp(a.service, "s3express") == 0 ? resolve_express_arn(r, &a) : 1;
  arn_fini(&a);
  return rc;
}

static int resolve(const struct control_resolution *r) {
  int rc;

  if (r->p->outpost_id != NULL)
    return resolve_outpost(r);
  rc = try_express_arn(r);
  if (rc != 1)
    return rc;
  if (r->p->access_point_name != NULL && text_has_suffix(r->p->access_point_name, "--xa-s3"))
    return resolve_express_name(r);
  if (r->p->use_s3express_control_endpoint)
    return resolve_express(r);
  rc = try_outposts_arn(r, r->p->access_point_name, false);
  if (rc == 1)
    rc = try_outposts_arn(r, r->p->bucket, true);
  return rc != 1 ? rc : resolve_account(r);
}

/* A malformed custom endpoint is told after what is wrong with the names, which
 * is the rule set's order: resolve without it, then refuse the result. */
int endpoint_resolve_s3control(const struct s3control_endpoint_params *p, struct endpoint *out,
                               struct buf *why) {
  struct endpoint_url url = {NULL, NULL, NULL, false};
  struct endpoint e;
  int parsed = -EINVAL;
  int rc;

  if (p->region == NULL)
    return endpoint_fail(why, "Region must be set");
  if (p->use_fips && strcmp(partition_of_region(p->region)->id, "aws-cn") == 0)
    return endpoint_fail(why, "Partition does not support FIPS");
  if (p->endpoint != NULL)
    parsed = endpoint_url_parse(p->endpoint, &url);
  if (parsed == -ENOMEM)
    return parsed;
  rc = resolve(&(struct control_resolution){.p = p,
                                            .partition = partition_of_region(p->region),
                                            .url = parsed == 0 ? &url : NULL,
                                            .out = &e,
                                            .why = why});
  endpoint_url_fini(&url);
  if (rc != 0)
    return rc;
  if (p->endpoint != NULL && parsed != 0) {
    endpoint_fini(&e);
    return endpoint_fail(why, "Custom endpoint `%s` was not a valid URI", p->endpoint);
  }
  *out = e;
  return 0;
}
