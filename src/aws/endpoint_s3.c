/* S3 endpoints: the entry, and buckets by host name or by path.
 *
 * Order of the rules: settings that exclude each other, directory buckets and
 * their access points, Outposts aliases, buckets that can stand in a host name
 * (aliases of access points are such buckets), ARNs, and path style for the rest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint_private.h"
#include "s3apfs/base/text.h"

#define GLOBAL_REGION "aws-global"
#define GLOBAL_SIGNING_REGION "us-east-1"
#define BAD_REGION "Invalid region: region was not a valid DNS name."

static bool is_global(const struct s3_endpoint_params *p) {
  return strcmp(p->region, GLOBAL_REGION) == 0;
}

static struct signing s3_signing(const struct s3_endpoint_params *p) {
  return (struct signing){
      .auth = AUTH_SIGV4, .name = "s3", .region = is_global(p) ? GLOBAL_SIGNING_REGION : p->region};
}

/* s3[-fips][.dualstack][.REGION].SUFFIX; the legacy global host has no region. */
static char *s3_host(const struct s3_resolution *r) {
  const struct s3_endpoint_params *p = r->p;
  const char *region = is_global(p) ? GLOBAL_SIGNING_REGION : p->region;
  bool legacy = is_global(p) || (p->use_global_endpoint && strcmp(region, "us-east-1") == 0);

  if (legacy && !p->use_fips && !p->use_dual_stack)
    return text_printf("s3.%s", r->partition->dns_suffix);
  return text_printf("s3%s%s.%s.%s", p->use_fips ? "-fips" : "",
                     p->use_dual_stack ? ".dualstack" : "", region, r->partition->dns_suffix);
}

static int resolve_without_bucket(const struct s3_resolution *r) {
  struct signing s = s3_signing(r->p);

  if (!endpoint_is_host_label(r->p->region, true))
    return endpoint_fail(r->why, BAD_REGION);
  if (r->url != NULL)
    return endpoint_at_url(r->out, &s, r->url->scheme, strdup(r->url->authority),
                           strdup(r->url->path));
  return endpoint_at_host(r->out, &s, s3_host(r), strdup(""));
}

static int resolve_virtual_host(const struct s3_resolution *r) {
  const char *bucket = r->p->bucket;
  struct signing s = s3_signing(r->p);
  char *host;
  int rc;

  if (!endpoint_is_host_label(r->p->region, false))
    return endpoint_fail(r->why, BAD_REGION);
  if (r->url != NULL && r->url->is_ip)
    return endpoint_at_url(r->out, &s, r->url->scheme, strdup(r->url->authority),
                           text_printf("%s/%s", r->url->path, bucket));
  if (r->url != NULL)
    return endpoint_at_url(r->out, &s, r->url->scheme,
                           text_printf("%s.%s", bucket, r->url->authority), strdup(r->url->path));
  host = s3_host(r);
  if (host == NULL)
    return -ENOMEM;
  rc = endpoint_at_host(r->out, &s, text_printf("%s.%s", bucket, host), strdup(""));
  free(host);
  return rc;
}

/* A bucket with dots may stand in a host name where no certificate must match.
 * The rule set signs with the client's region here, aws-global included. */
static bool is_dotted_over_http(const struct s3_resolution *r) {
  return r->url != NULL && strcmp(r->url->scheme, "http") == 0 &&
         endpoint_is_hostable_bucket(r->p->bucket, true);
}

static int resolve_dotted(const struct s3_resolution *r) {
  struct signing s = {.auth = AUTH_SIGV4, .name = "s3", .region = r->p->region};

  if (!endpoint_is_host_label(r->p->region, false))
    return endpoint_fail(r->why, BAD_REGION);
  return endpoint_at_url(r->out, &s, r->url->scheme,
                         text_printf("%s.%s", r->p->bucket, r->url->authority),
                         strdup(r->url->path));
}

static int resolve_path_style(const struct s3_resolution *r) {
  struct signing s = s3_signing(r->p);
  struct buf path;

  buf_init(&path, 0);
  if (r->url != NULL)
    buf_puts(&path, r->url->path);
  buf_putc(&path, '/');
  text_uri_encode(&path, r->p->bucket, strlen(r->p->bucket), false);
  if (r->url != NULL)
    return endpoint_at_url(r->out, &s, r->url->scheme, strdup(r->url->authority), buf_take(&path));
  return endpoint_at_host(r->out, &s, s3_host(r), buf_take(&path));
}

static int resolve_arn_or_path(const struct s3_resolution *r) {
  struct endpoint_arn a;
  int rc = endpoint_arn_parse(r->p->bucket, &a);

  if (rc == -EINVAL && text_has_prefix(r->p->bucket, "arn:"))
    return endpoint_fail(r->why, "Invalid ARN: `%s` was not a valid ARN", r->p->bucket);
  if (rc == -EINVAL)
    return resolve_path_style(r);
  if (rc != 0)
    return rc;
  if (r->p->force_path_style)
    rc = endpoint_fail(r->why, "Path-style addressing cannot be used with ARN buckets");
  else
    rc = endpoint_resolve_s3_arn(r, &a);
  endpoint_arn_fini(&a);
  return rc;
}

static int resolve_bucket(const struct s3_resolution *r) {
  const char *bucket = r->p->bucket;
  size_t express = endpoint_express_suffix(bucket);

  if (express != 0)
    return endpoint_resolve_s3_express(r, express);
  if (endpoint_is_outposts_alias(bucket))
    return endpoint_resolve_s3_outposts_alias(r);
  if (!r->p->force_path_style && endpoint_is_hostable_bucket(bucket, false))
    return resolve_virtual_host(r);
  if (!r->p->force_path_style && is_dotted_over_http(r))
    return resolve_dotted(r);
  return resolve_arn_or_path(r);
}

static int check_settings(const struct s3_endpoint_params *p, struct buf *why) {
  if (p->region == NULL)
    return endpoint_fail(why, "A region must be set when sending requests to S3.");
  if (p->use_dual_stack && p->endpoint != NULL)
    return endpoint_fail(why, "Cannot set dual-stack in combination with a custom endpoint.");
  if (p->use_fips && p->endpoint != NULL)
    return endpoint_fail(why, "A custom endpoint cannot be combined with FIPS");
  if (p->use_fips && strcmp(partition_of_region(p->region)->id, "aws-cn") == 0)
    return endpoint_fail(why, "Partition does not support FIPS");
  return 0;
}

static int resolve(const struct s3_resolution *r) {
  if (r->p->bucket != NULL)
    return resolve_bucket(r);
  if (r->p->use_s3express_control_endpoint)
    return endpoint_resolve_s3_express_control(r);
  return resolve_without_bucket(r);
}

int endpoint_resolve_s3(const struct s3_endpoint_params *p, struct endpoint *out, struct buf *why) {
  struct endpoint_url url = {NULL, NULL, NULL, false};
  int rc = check_settings(p, why);

  if (rc == 0 && p->endpoint != NULL) {
    rc = endpoint_url_parse(p->endpoint, &url);
    if (rc == -EINVAL)
      rc = endpoint_fail(why, "Custom endpoint `%s` was not a valid URI", p->endpoint);
  }
  if (rc != 0)
    return rc;
  rc = resolve(&(struct s3_resolution){.p = p,
                                       .partition = partition_of_region(p->region),
                                       .url = p->endpoint != NULL ? &url : NULL,
                                       .out = out,
                                       .why = why});
  endpoint_url_fini(&url);
  return rc;
}
