/* Private to endpoint resolution: custom endpoint URLs, name rules, split ARNs
 * and the one place where a result is put together. */
#ifndef S3APFS_AWS_ENDPOINT_PRIVATE_H
#define S3APFS_AWS_ENDPOINT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "s3apfs/aws/arn.h"
#include "s3apfs/aws/endpoint.h"
#include "s3apfs/aws/partition.h"

/* A custom endpoint. */
struct endpoint_url {
  char *scheme;    /* "http" or "https" */
  char *authority; /* host[:port] */
  char *path;      /* "" or "/a/b": no slash at the end */
  bool is_ip;      /* the host is an IPv4 or a bracketed IPv6 address */
};

/* -EINVAL: no http(s) URL, or it has a query, a fragment or user information. */
int endpoint_url_parse(const char *s, struct endpoint_url *out);
void endpoint_url_fini(struct endpoint_url *u);

/* An ARN whose resource is split at ':' and '/'. words[count] is NULL. */
struct endpoint_arn {
  struct arn arn;
  char *text; /* words point into it */
  const char **words;
  size_t count;
};

int endpoint_arn_parse(const char *s, struct endpoint_arn *out);
void endpoint_arn_fini(struct endpoint_arn *a);
/* Word i, or NULL. */
const char *endpoint_arn_word(const struct endpoint_arn *a, size_t i);

/* RFC 1123 label of at most 63 bytes; subdomains: labels joined by dots. */
bool endpoint_is_host_label(const char *s, bool subdomains);
/* A bucket name that may stand in a host name. */
bool endpoint_is_hostable_bucket(const char *bucket, bool subdomains);
/* The availability zone's id in BASE--ZONE--x-s3 (suffix_len bytes of suffix):
 * a copy in *out, -EINVAL when the name has no zone. */
int endpoint_express_zone(const char *name, size_t suffix_len, char **out);

struct signing {
  enum auth_scheme auth;
  const char *name;
  const char *region;
  bool double_encoding;
};

/* Says why; returns -EINVAL. */
int endpoint_fail(struct buf *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Both put a result together. `host` and `path` are taken, NULL counts as
 * short memory. */
int endpoint_at_host(struct endpoint *out, const struct signing *s, char *host, char *path);
int endpoint_at_url(struct endpoint *out, const struct signing *s, const char *scheme, char *host,
                    char *path);

/* Checks that every kind of ARN shares, in the rule sets' order. */
int endpoint_check_arn_region(const struct arn *a, const char *region, enum tristate use_arn_region,
                              struct buf *why);
int endpoint_check_label(const char *value, const char *what, struct buf *why);

/* What resolving one S3 call needs; url is NULL without a custom endpoint. */
struct s3_resolution {
  const struct s3_endpoint_params *p;
  const struct partition *partition; /* of the client's region */
  const struct endpoint_url *url;
  struct endpoint *out;
  struct buf *why;
};

int endpoint_resolve_s3_arn(const struct s3_resolution *r, const struct endpoint_arn *a);
int endpoint_resolve_s3_outposts_arn(const struct s3_resolution *r, const struct endpoint_arn *a);
bool endpoint_is_outposts_alias(const char *bucket);
int endpoint_resolve_s3_outposts_alias(const struct s3_resolution *r);
/* suffix_len: of --x-s3 or --xa-s3, 0 for anything else. */
size_t endpoint_express_suffix(const char *bucket);
int endpoint_resolve_s3_express(const struct s3_resolution *r, size_t suffix_len);
int endpoint_resolve_s3_express_control(const struct s3_resolution *r);
/* The partition check that S3's kinds of ARN share. */
int endpoint_check_s3_arn_partition(const struct s3_resolution *r, const struct arn *a);

#endif
