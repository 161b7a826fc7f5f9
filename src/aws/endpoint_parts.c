/* Endpoint resolution, common part: names, URLs, ARN words and results.
 *
 * The rule sets that AWS publishes for its SDKs are trees of conditions; here
 * each kind of target is a file (endpoint_s3.c, _arn.c, _outposts.c, _express.c,
 * _s3control.c, _sts.c) that walks its branch in the same order, because the
 * order decides which of several errors is told. All of it is pure. */
#include "s3apfs/aws/endpoint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "endpoint_private.h"
#include "s3apfs/base/text.h"

#define LABEL_MAX 63
#define BUCKET_MIN 3

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_label_char(char c) {
  return is_digit(c) || c == '-' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_label(const char *s, size_t n) {
  if (n == 0 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
    return false;
  for (size_t i = 0; i < n; i++)
    if (!is_label_char(s[i]))
      return false;
  return true;
}

bool endpoint_is_host_label(const char *s, bool subdomains) {
  size_t n = strcspn(s, ".");

  for (; subdomains && s[n] == '.'; n = strcspn(s, ".")) {
    if (!is_label(s, n))
      return false;
    s += n + 1;
  }
  return s[n] == '\0' && is_label(s, n);
}

/* Four runs of digits joined by dots; a number past 255 counts too, no resolver
 * would take such a name for anything else. */
static bool is_ipv4(const char *s, size_t n) {
  size_t dots = 0;
  size_t digits = 0;

  for (size_t i = 0; i < n; i++) {
    if (is_digit(s[i]) && digits < 3) {
      digits++;
    } else if (s[i] == '.' && digits > 0) {
      dots++;
      digits = 0;
    } else {
      return false;
    }
  }
  return dots == 3 && digits > 0;
}

bool endpoint_is_hostable_bucket(const char *bucket, bool subdomains) {
  size_t n = strlen(bucket);

  if (n < BUCKET_MIN || is_ipv4(bucket, n))
    return false;
  for (size_t i = 0; i < n; i++)
    if (bucket[i] >= 'A' && bucket[i] <= 'Z')
      return false;
  return endpoint_is_host_label(bucket, subdomains);
}

/* --- URLs ----------------------------------------------------------------------------------- */

static bool is_url_char(char c) {
  return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f && strchr("?#@\"<>\\^`{|}", c) == NULL;
}

/* Slashes at the end and doubled ones go: a key's own slash follows. */
static char *clean_path(const char *path) {
  struct buf out;

  buf_init(&out, 0);
  while (*path != '\0') {
    size_t n;

    path += strspn(path, "/");
    n = strcspn(path, "/");
    if (n > 0)
      buf_printf(&out, "/%.*s", (int)n, path);
    path += n;
  }
  return buf_take(&out);
}

/* host, host:port, [v6], [v6]:port */
static int check_authority(const char *s, size_t n, bool *is_ip) {
  const char *close = memchr(s, ']', n);
  const char *rest = s[0] == '[' ? close : s;
  const char *colon;

  if (n == 0 || rest == NULL || (s[0] != '[' && close != NULL))
    return -EINVAL;
  colon = memchr(rest, ':', n - (size_t)(rest - s));
  if (colon == s)
    return -EINVAL;
  if (s[0] == '[' && (close == s + 1 || (close != s + n - 1 && colon != close + 1)))
    return -EINVAL;
  for (const char *c = colon; c != NULL && ++c < s + n;)
    if (!is_digit(*c))
      return -EINVAL;
  *is_ip = s[0] == '[' || is_ipv4(s, colon != NULL ? (size_t)(colon - s) : n);
  return 0;
}

int endpoint_url_parse(const char *s, struct endpoint_url *out) {
  struct endpoint_url u = {NULL, NULL, NULL, false};
  const char *scheme = strncasecmp(s, "https://", 8) == 0 ? "https" : "http";
  size_t n;

  if (strncasecmp(s, "https://", 8) != 0 && strncasecmp(s, "http://", 7) != 0)
    return -EINVAL;
  for (const char *c = s; *c != '\0'; c++)
    if (!is_url_char(*c))
      return -EINVAL;
  s += strlen(scheme) + strlen("://");
  n = strcspn(s, "/");
  if (check_authority(s, n, &u.is_ip) != 0)
    return -EINVAL;
  u.scheme = strdup(scheme);
  u.authority = text_dup_n(s, n);
  u.path = clean_path(s + n);
  if (u.scheme == NULL || u.authority == NULL || u.path == NULL) {
    endpoint_url_fini(&u);
    return -ENOMEM;
  }
  *out = u;
  return 0;
}

void endpoint_url_fini(struct endpoint_url *u) {
  free(u->scheme);
  free(u->authority);
  free(u->path);
  memset(u, 0, sizeof(*u));
}

/* --- ARNs ----------------------------------------------------------------------------------- */

static int split_words(struct endpoint_arn *a) {
  size_t max = 2;

  for (const char *c = a->arn.resource; *c != '\0'; c++)
    max += *c == ':' || *c == '/';
  a->text = strdup(a->arn.resource);
  a->words = calloc(max, sizeof(*a->words));
  if (a->text == NULL || a->words == NULL)
    return -ENOMEM;
  for (char *at = a->text;; at++) {
    char end;

    a->words[a->count++] = at;
    at += strcspn(at, ":/");
    end = *at;
    *at = '\0';
    if (end == '\0')
      return 0;
  }
}

int endpoint_arn_parse(const char *s, struct endpoint_arn *out) {
  struct endpoint_arn a = {.text = NULL, .words = NULL, .count = 0};
  int rc = arn_parse(s, &a.arn);

  if (rc != 0)
    return rc;
  if (split_words(&a) != 0) {
    endpoint_arn_fini(&a);
    return -ENOMEM;
  }
  *out = a;
  return 0;
}

void endpoint_arn_fini(struct endpoint_arn *a) {
  arn_fini(&a->arn);
  free(a->text);
  free(a->words);
  a->text = NULL;
  a->words = NULL;
  a->count = 0;
}

const char *endpoint_arn_word(const struct endpoint_arn *a, size_t i) {
  return i < a->count ? a->words[i] : NULL;
}

int endpoint_check_arn_region(const struct arn *a, const char *region, enum tristate use_arn_region,
                              struct buf *why) {
  if (use_arn_region != TRISTATE_FALSE || strcmp(a->region, region) == 0)
    return 0;
  return endpoint_fail(why,
                       "Invalid configuration: region from ARN `%s` does not match client region "
                       "`%s` and UseArnRegion is `false`",
                       a->region, region);
}

int endpoint_check_label(const char *value, const char *what, struct buf *why) {
  if (endpoint_is_host_label(value, false))
    return 0;
  return endpoint_fail(
      why, "Invalid ARN: The %s may only contain a-z, A-Z, 0-9 and `-`. Found: `%s`", what, value);
}

/* --- results -------------------------------------------------------------------------------- */

int endpoint_fail(struct buf *why, const char *fmt, ...) {
  va_list ap;

  va_start(ap, fmt);
  buf_vprintf(why, fmt, ap);
  va_end(ap);
  return buf_error(why) == -ENOMEM ? -ENOMEM : -EINVAL;
}

int endpoint_at_url(struct endpoint *out, const struct signing *s, const char *scheme, char *host,
                    char *path) {
  struct endpoint e = {
      .scheme = strdup(scheme),
      .host = host,
      .path = path,
      .auth = s->auth,
      .signing_name = strdup(s->name),
      .signing_region = strdup(s->region),
      .disable_double_encoding = !s->double_encoding,
  };

  if (e.scheme == NULL || e.host == NULL || e.path == NULL || e.signing_name == NULL ||
      e.signing_region == NULL) {
    endpoint_fini(&e);
    return -ENOMEM;
  }
  *out = e;
  return 0;
}

int endpoint_at_host(struct endpoint *out, const struct signing *s, char *host, char *path) {
  return endpoint_at_url(out, s, "https", host, path);
}

void endpoint_fini(struct endpoint *e) {
  free(e->scheme);
  free(e->host);
  free(e->path);
  free(e->signing_name);
  free(e->signing_region);
  memset(e, 0, sizeof(*e));
}
