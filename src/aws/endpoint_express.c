/* S3 Express: directory buckets (--x-s3) and their access points (--xa-s3).
 *
 * Names hold the id of an availability zone, which is part of the host. Object
 * calls go to the zone and are signed with a session's keys; bucket calls go to
 * the control host and are signed as usual. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint_private.h"
#include "s3apfs/base/text.h"

static struct signing express_signing(const struct s3_resolution *r, bool session) {
  return (struct signing){.auth = session ? AUTH_SIGV4_S3EXPRESS : AUTH_SIGV4,
                          .name = "s3express",
                          .region = r->p->region};
}

size_t endpoint_express_suffix(const char *bucket) {
  if (text_has_suffix(bucket, "--x-s3"))
    return strlen("--x-s3");
  return text_has_suffix(bucket, "--xa-s3") ? strlen("--xa-s3") : 0;
}

/* The rule sets know zone ids by their width only; a base name may hold "--". */
int endpoint_express_zone(const char *name, size_t suffix_len, char **out) {
  static const size_t widths[] = {8, 9, 13, 14, 20};
  size_t n = strlen(name) - suffix_len;

  for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
    if (n >= widths[i] + 2 && memcmp(name + n - widths[i] - 2, "--", 2) == 0) {
      *out = text_dup_n(name + n - widths[i], widths[i]);
      return *out != NULL ? 0 : -ENOMEM;
    }
  }
  return -EINVAL;
}

static char *control_host(const struct s3_resolution *r) {
  return text_printf("s3express-control%s%s.%s.%s", r->p->use_fips ? "-fips" : "",
                     r->p->use_dual_stack ? ".dualstack" : "", r->p->region,
                     r->partition->dns_suffix);
}

int endpoint_resolve_s3_express_control(const struct s3_resolution *r) {
  struct signing s = express_signing(r, false);

  if (r->url != NULL)
    return endpoint_at_url(r->out, &s, r->url->scheme, strdup(r->url->authority),
                           strdup(r->url->path));
  return endpoint_at_host(r->out, &s, control_host(r), strdup(""));
}

/* "/BUCKET" + rest, encoded; taken by the result. */
static char *bucket_path(const char *bucket, const char *rest) {
  struct buf path;

  buf_init(&path, 0);
  buf_putc(&path, '/');
  text_uri_encode(&path, bucket, strlen(bucket), false);
  buf_puts(&path, rest);
  return buf_take(&path);
}

static int resolve_at_custom(const struct s3_resolution *r, const struct signing *s) {
  const char *bucket = r->p->bucket;

  if (r->url->is_ip)
    return endpoint_at_url(r->out, s, r->url->scheme, strdup(r->url->authority),
                           bucket_path(bucket, r->url->path));
  if (!endpoint_is_hostable_bucket(bucket, false))
    return endpoint_fail(r->why, "S3Express bucket name is not a valid virtual hostable name.");
  return endpoint_at_url(r->out, s, r->url->scheme, text_printf("%s.%s", bucket, r->url->authority),
                         strdup(r->url->path));
}

static int resolve_at_zone(const struct s3_resolution *r, const struct signing *s,
                           size_t suffix_len) {
  char *zone;
  int rc;

  if (!endpoint_is_hostable_bucket(r->p->bucket, false))
    return endpoint_fail(r->why, "S3Express bucket name is not a valid virtual hostable name.");
  rc = endpoint_express_zone(r->p->bucket, suffix_len, &zone);
  if (rc == -EINVAL)
    return endpoint_fail(r->why, "Unrecognized S3Express bucket name format.");
  if (rc != 0)
    return rc;
  rc = endpoint_at_host(
      r->out, s,
      text_printf("%s.s3express%s-%s%s.%s.%s", r->p->bucket, r->p->use_fips ? "-fips" : "", zone,
                  r->p->use_dual_stack ? ".dualstack" : "", r->p->region, r->partition->dns_suffix),
      strdup(""));
  free(zone);
  return rc;
}

int endpoint_resolve_s3_express(const struct s3_resolution *r, size_t suffix_len) {
  struct signing plain = express_signing(r, false);
  struct signing s = express_signing(r, !r->p->disable_s3express_session_auth);

  if (r->url != NULL)
    return resolve_at_custom(r, &s);
  if (r->p->use_s3express_control_endpoint && suffix_len == strlen("--x-s3"))
    return endpoint_at_host(r->out, &plain, control_host(r), bucket_path(r->p->bucket, ""));
  return resolve_at_zone(r, &s, suffix_len);
}
