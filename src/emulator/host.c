/* Host header grammar. Pure, no threads. */
#include "host.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define ACCOUNT_DIGITS 12

bool host_is_account(const char *s) {
  return strlen(s) == ACCOUNT_DIGITS && strspn(s, "0123456789") == ACCOUNT_DIGITS;
}

int host_split_access_point(const char *label, char **name, char **account) {
  const char *dash = strrchr(label, '-');
  if (!dash || dash == label || !host_is_account(dash + 1))
    return -EINVAL;
  char *n = text_dup_n(label, (size_t)(dash - label)), *a = strdup(dash + 1);
  if (!n || !a) {
    free(n);
    free(a);
    return -ENOMEM;
  }
  *name = n;
  *account = a;
  return 0;
}

/* A PrivateLink host has the endpoint's labels behind the name, an Outposts host has the
 * Outpost's, a Multi-Region one the word accesspoint. */
char *host_bare_name(const char *name) {
  const char *dot = strrchr(name, '.');
  const char *link = strstr(name, ".accesspoint.vpce-");
  if (!link)
    link = strstr(name, ".bucket.vpce-");
  if (link)
    return text_dup_n(name, (size_t)(link - name));
  bool extra = dot && (text_has_prefix(dot, ".op-") || strcmp(dot, ".ec2") == 0 ||
                       strcmp(dot, ".accesspoint") == 0);

  return extra ? text_dup_n(name, (size_t)(dot - name)) : strdup(name);
}

void host_fini(struct host *h) {
  free(h->name);
  free(h->region);
  memset(h, 0, sizeof(*h));
}

static bool label_is(const char *label, size_t len, const char *what) {
  return len == strlen(what) && memcmp(label, what, len) == 0;
}

/* The kind a service's label stands for, or -1. */
static int service_label(const char *l, size_t len) {
  if (label_is(l, len, "s3") || label_is(l, len, "s3-fips"))
    return HOST_BUCKET;
  if (label_is(l, len, "s3-accesspoint") || label_is(l, len, "s3-accesspoint-fips") ||
      label_is(l, len, "s3-object-lambda") || label_is(l, len, "s3-object-lambda-fips") ||
      label_is(l, len, "s3-outposts") || label_is(l, len, "s3-global"))
    return HOST_ACCESS_POINT;
  if (label_is(l, len, "s3express-control") || label_is(l, len, "s3express-control-fips"))
    return HOST_PLAIN;
  if (len > 10 && strncmp(l, "s3express-", 10) == 0)
    return HOST_BUCKET;
  if (label_is(l, len, "s3-control") || label_is(l, len, "s3-control-fips"))
    return HOST_CONTROL;
  if (label_is(l, len, "sts") || label_is(l, len, "sts-fips") || label_is(l, len, "iam"))
    return HOST_PLAIN;
  return -1;
}

/* "dualstack.eu-west-1.amazonaws.com" says eu-west-1, "amazonaws.com" nothing. */
static char *region_after(const char *rest) {
  if (text_has_prefix(rest, "dualstack."))
    rest += strlen("dualstack.");
  size_t len = strcspn(rest, ".");
  if (len == 0 || label_is(rest, len, "amazonaws") || label_is(rest, len, "localhost") ||
      !memchr(rest, '-', len))
    return strdup("");
  return text_dup_n(rest, len);
}

static int finish(struct host *out, enum host_kind kind, char *name, char *region) {
  if (!name || !region) {
    free(name);
    free(region);
    return -ENOMEM;
  }
  *out = (struct host){.kind = kind, .name = name, .region = region};
  return 0;
}

static char *lower_without_port(const char *value) {
  const char *end = value[0] == '[' ? strchr(value, ']') : strchr(value, ':');
  char *h = text_dup_n(value, end ? (size_t)(end - value) : strlen(value));
  for (char *p = h; p && *p; p++)
    *p = (char)tolower((unsigned char)*p);
  return h;
}

static int parse_service_host(const char *host, struct host *out, bool *matched) {
  for (const char *l = host; l; l = strchr(l, '.') ? strchr(l, '.') + 1 : NULL) {
    size_t len = strcspn(l, ".");
    int kind = service_label(l, len);
    if (kind < 0)
      continue;
    *matched = true;
    size_t before = l > host ? (size_t)(l - host) - 1 : 0;
    if (before == 0 && kind != HOST_CONTROL)
      kind = HOST_PLAIN;
    return finish(out, kind, text_dup_n(host, before), region_after(l[len] ? l + len + 1 : ""));
  }
  return 0;
}

static bool is_address(const char *host) {
  return host[0] == '[' || (host[0] && strspn(host, "0123456789.") == strlen(host));
}

int host_parse(const char *value, struct host *out) {
  char *host = lower_without_port(value);
  if (!host)
    return -ENOMEM;
  bool matched = false;
  int err = 0;
  if (is_address(host) || !strchr(host, '.'))
    err = finish(out, HOST_PLAIN, strdup(""), strdup(""));
  else
    err = parse_service_host(host, out, &matched);
  if (!err && !matched && strchr(host, '.') && !is_address(host)) {
    bool local = text_has_suffix(host, ".localhost");
    size_t len = local ? strlen(host) - strlen(".localhost") : strcspn(host, ".");
    err = finish(out, HOST_ANY, text_dup_n(host, len), strdup(""));
  }
  free(host);
  return err;
}
