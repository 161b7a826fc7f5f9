/* Parsing of Authorization headers and presigned queries (AWS documentation
 * "Authenticating requests (AWS Signature Version 4)"). Pure. */
#include "claim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/aws/sigv4.h"
#include "s3apfs/base/text.h"

#define MALFORMED "AuthorizationHeaderMalformed"
#define QUERY_WRONG "AuthorizationQueryParametersError"
/* Presigned URLs live a week at most. */
#define EXPIRES_MAX 604800

void claim_fini(struct claim *c) {
  free(c->algorithm);
  free(c->access_key_id);
  free(c->date);
  free(c->region);
  free(c->service);
  free(c->signed_headers);
  free(c->signature);
  free(c->token);
  memset(c, 0, sizeof(*c));
}

bool claim_covers(const struct claim *c, const char *header) {
  size_t len = strlen(header);
  for (const char *p = c->signed_headers; *p;) {
    size_t n = strcspn(p, ";");
    if (n == len && strncasecmp(p, header, n) == 0)
      return true;
    p += n + (p[n] == ';');
  }
  return false;
}

static int copy(char **to, const char *from) {
  free(*to);
  *to = strdup(from ? from : "");
  return *to ? 0 : -ENOMEM;
}

/* AKID/DATE/REGION/SERVICE/aws4_request; SigV4a has no region there. */
static int split_credential(const char *credential, struct claim *c) {
  char *text = strdup(credential), *rest = text, *part[6];
  size_t n = 0;
  if (!text)
    return -ENOMEM;
  while (rest && n < 6)
    part[n++] = strsep(&rest, "/");
  size_t want = c->asymmetric ? 4 : 5;
  int err = n == want && !rest && strcmp(part[n - 1], "aws4_request") == 0 ? 0 : -EINVAL;
  if (!err)
    err = copy(&c->access_key_id, part[0]);
  if (!err)
    err = copy(&c->date, part[1]);
  if (!err && !c->asymmetric)
    err = copy(&c->region, part[2]);
  if (!err)
    err = copy(&c->service, part[want - 2]);
  free(text);
  return err;
}

static int take_algorithm(struct claim *c, const char *name) {
  c->asymmetric = strcmp(name, SIGV4A_ALGORITHM) == 0;
  if (!c->asymmetric && strcmp(name, SIGV4_ALGORITHM) != 0)
    return -EINVAL;
  return copy(&c->algorithm, name);
}

/* "20261122T060300Z" or an HTTP date. */
static int parse_date(const char *text, int64_t *out) {
  if (!text)
    return -EINVAL;
  if (strlen(text) == 16 && text[8] == 'T' && text[15] == 'Z') {
    char *iso = text_printf("%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", text, text + 4, text + 6, text + 9,
                            text + 11, text + 13);
    int err = iso ? text_parse_iso8601(iso, out) : -ENOMEM;
    free(iso);
    return err;
  }
  return text_parse_http_date(text, out);
}

static int check_date(struct claim *c, const char *stamp) {
  if (parse_date(stamp, &c->time))
    return -EINVAL;
  char basic[17];
  text_iso8601_basic(c->time, basic);
  return strncmp(basic, c->date, 8) == 0 && strlen(c->date) == 8 ? 0 : -EINVAL;
}

/* Value of NAME=... in the Authorization header's comma-separated list. */
static char *authorization_part(const char *list, const char *name) {
  for (const char *p = list; *p;) {
    p += strspn(p, ", ");
    size_t n = strcspn(p, ", ");
    if (strncmp(p, name, strlen(name)) == 0)
      return text_dup_n(p + strlen(name), n - strlen(name));
    p += n;
  }
  return NULL;
}

static int parse_header(const struct aws_request *r, const char *value, struct claim *c,
                        const char **code, const char **why) {
  *code = MALFORMED;
  *why = "The authorization header that you provided is not valid.";
  size_t len = strcspn(value, " ");
  char *algorithm = text_dup_n(value, len);
  int err = algorithm ? take_algorithm(c, algorithm) : -ENOMEM;
  free(algorithm);
  if (err == -EINVAL) {
    *code = "InvalidRequest";
    *why = "The authorization mechanism you have provided is not supported. Please use "
           "AWS4-HMAC-SHA256.";
  }
  if (err)
    return err;
  char *credential = authorization_part(value + len, "Credential=");
  c->signed_headers = authorization_part(value + len, "SignedHeaders=");
  c->signature = authorization_part(value + len, "Signature=");
  err = credential && c->signed_headers && c->signature ? split_credential(credential, c) : -EINVAL;
  free(credential);
  if (!err)
    err = copy(&c->token, kvlist_get_ci(&r->headers, "x-amz-security-token"));
  if (!err && c->asymmetric)
    err = copy(&c->region, kvlist_get_ci(&r->headers, "x-amz-region-set"));
  if (err)
    return err;
  const char *stamp = kvlist_get_ci(&r->headers, "x-amz-date");
  if (check_date(c, stamp ? stamp : kvlist_get_ci(&r->headers, "date"))) {
    *code = "AccessDenied";
    *why = "AWS authentication requires a valid Date or x-amz-date header";
    return -EINVAL;
  }
  return 0;
}

static int parse_query(const struct aws_request *r, struct claim *c, const char **code,
                       const char **why) {
  const struct kvlist *q = &r->query;
  const char *algorithm = kvlist_get(q, "X-Amz-Algorithm");
  const char *credential = kvlist_get(q, "X-Amz-Credential");
  const char *names = kvlist_get(q, "X-Amz-SignedHeaders");
  const char *expires = kvlist_get(q, "X-Amz-Expires");
  uint64_t seconds;
  *code = QUERY_WRONG;
  *why = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
         "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
  c->presigned = true;
  if (!algorithm || !credential || !names || !expires || !kvlist_get(q, "X-Amz-Date"))
    return -EINVAL;
  int err = take_algorithm(c, algorithm);
  if (!err)
    err = split_credential(credential, c);
  if (!err)
    err = copy(&c->signed_headers, names);
  if (!err)
    err = copy(&c->signature, kvlist_get(q, "X-Amz-Signature"));
  if (!err)
    err = copy(&c->token, kvlist_get(q, "X-Amz-Security-Token"));
  if (!err && c->asymmetric)
    err = copy(&c->region, kvlist_get(q, "X-Amz-Region-Set"));
  if (!err)
    err = check_date(c, kvlist_get(q, "X-Amz-Date"));
  if (err)
    return err;
  if (text_parse_u64(expires, &seconds) || seconds == 0 || seconds > EXPIRES_MAX) {
    *why = "X-Amz-Expires must be between 1 and 604800 seconds";
    return -EINVAL;
  }
  c->expires = (int64_t)seconds;
  return 0;
}

int claim_parse(const struct aws_request *r, struct claim *out, const char **code,
                const char **why) {
  const char *header = kvlist_get_ci(&r->headers, "Authorization");
  bool query = kvlist_get(&r->query, "X-Amz-Signature") || kvlist_get(&r->query, "X-Amz-Algorithm");
  memset(out, 0, sizeof(*out));
  if (!header && !query)
    return -ENOENT;
  if (header && query) {
    *code = "InvalidArgument";
    *why = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
           "query string parameter or the Authorization header should be specified";
    return -EINVAL;
  }
  int err = header ? parse_header(r, header, out, code, why) : parse_query(r, out, code, why);
  if (err)
    claim_fini(out);
  return err;
}
