/* SOURCE classification: spelling first, then the form by its beginning
 * (arn:, s3://, grants) or, for a bare name, by its suffix.
 *
 * A source is a head (what goes to endpoint resolution) and a key prefix. The
 * head is checked against AWS's naming rules, because a wrong name would show
 * up only as a failing host name or a denial. Nothing is corrected silently:
 * the message shows the spelling that would have worked. */
#include "s3apfs/aws/target.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/aws/arn.h"
#include "s3apfs/aws/partition.h"
#include "s3apfs/base/text.h"
#include "target_spelling.h"

#define KEY_MAX_BYTES 1024 /* S3's limit for an object key */
#define ACCOUNT_DIGITS 12
#define NAME_MIN 3 /* access point names, S3 user guide */
#define NAME_MAX_BYTES 50
#define BUCKET_MAX_BYTES 255 /* buckets older than the present rules */
#define OUTPOSTS_ALIAS_MIN 50

static int refuse(struct buf *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct buf *why, const char *fmt, ...) {
  va_list ap;

  va_start(ap, fmt);
  buf_vprintf(why, fmt, ap);
  va_end(ap);
  return buf_error(why) == -ENOMEM ? -ENOMEM : -EINVAL;
}

static int set_copy(char **at, const char *s, size_t n) {
  *at = text_dup_n(s, n);
  return *at != NULL ? 0 : -ENOMEM;
}

static bool only_chars(const char *s, const char *chars) {
  return s[strspn(s, chars)] == '\0';
}

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool has_upper(const char *s) {
  return strpbrk(s, UPPER) != NULL;
}

/* "... are lower case; did you mean x". */
static int refuse_upper(struct buf *why, const char *what, const char *s) {
  buf_printf(why, "%s are lower case; did you mean ", what);
  for (; *s != '\0'; s++)
    buf_putc(why, *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s);
  return -EINVAL;
}

/* --- key prefixes ------------------------------------------------------------------------- */

/* Bytes of prefix in front of the stars that end it; -EINVAL for `a*`. */
static int prefix_length(const char *prefix, size_t *out, struct buf *why) {
  size_t n = strlen(prefix);

  while (n > 0 && prefix[n - 1] == '*')
    n--;
  if (prefix[n] == '*' && n > 0 && prefix[n - 1] != '/')
    return refuse(why, "a folder's prefix ends in '/', not in '*'; did you mean %.*s/", (int)n,
                  prefix);
  *out = n;
  return 0;
}

/* raw: what stands behind the head, from its slash on. */
static int set_prefix(struct target *t, const char *raw, struct buf *why) {
  size_t n = 0;
  const char *slash;
  int rc;

  raw += strspn(raw, "/");
  rc = prefix_length(raw, &n, why);
  if (rc != 0)
    return rc;
  slash = n > 0 && raw[n - 1] != '/' ? "/" : "";
  if (n + strlen(slash) >= KEY_MAX_BYTES)
    return refuse(why,
                  "the prefix has %zu bytes and leaves no room for a name: a key has at most %d",
                  n + strlen(slash), KEY_MAX_BYTES);
  t->prefix = text_printf("%.*s%s", (int)n, raw, slash);
  return t->prefix != NULL ? 0 : -ENOMEM;
}

/* Policies name objects as NAME/object/KEY. */
static const char *skip_object_word(const char *raw) {
  static const char word[] = "/object/";

  return text_has_prefix(raw, word) && raw[strlen(word)] != '\0' ? raw + strlen(word) - 1 : raw;
}

/* --- parts of names ----------------------------------------------------------------------- */

static int check_account(const char *account, struct buf *why) {
  struct buf digits;

  if (strlen(account) == ACCOUNT_DIGITS && only_chars(account, DIGITS))
    return 0;
  buf_init(&digits, 0);
  for (const char *s = account; *s != '\0'; s++)
    if (*s != '-')
      buf_putc(&digits, *s);
  if (digits.len == ACCOUNT_DIGITS && only_chars(buf_cstr(&digits), DIGITS))
    refuse(why, "an account id is 12 digits; did you mean %s", buf_cstr(&digits));
  else
    refuse(why, "an account id is 12 digits, not `%s`", account);
  buf_fini(&digits);
  return -EINVAL;
}

static int check_region(const char *region, struct buf *why) {
  if (*region == '\0')
    return refuse(why, "the ARN names no region");
  if (has_upper(region))
    return refuse_upper(why, "regions", region);
  if (!only_chars(region, LOWER DIGITS "-") || *region == '-')
    return refuse(why, "`%s` is not a region", region);
  return 0;
}

static int check_access_point_name(const char *name, struct buf *why) {
  size_t n = strlen(name);

  if (n == 0)
    return refuse(why, "the ARN names no access point");
  if (text_has_suffix(name, "-s3alias"))
    return refuse(why, "an alias stands alone, not in an ARN; did you mean %s", name);
  if (!only_chars(name, LOWER UPPER DIGITS "-"))
    return refuse(why, "access point names hold only a-z, 0-9 and '-', not `%s`", name);
  if (has_upper(name))
    return refuse_upper(why, "access point names", name);
  if (name[0] == '-' || name[n - 1] == '-')
    return refuse(why, "access point names neither start nor end with '-', not `%s`", name);
  if (n < NAME_MIN || n > NAME_MAX_BYTES)
    return refuse(why, "access point names have %d to %d characters, not `%s`", NAME_MIN,
                  NAME_MAX_BYTES, name);
  return 0;
}

static int check_bucket_name(const char *name, struct buf *why) {
  size_t n = strlen(name);

  if (n == 0)
    return refuse(why, "the source names no bucket; a bucket is written s3://BUCKET/PREFIX");
  if (n < NAME_MIN || n > BUCKET_MAX_BYTES || !only_chars(name, LOWER UPPER DIGITS ".-_"))
    return refuse(why, "`%s` is not a bucket's name", name);
  return 0;
}

/* --- bare names: buckets and aliases ------------------------------------------------------ */

static enum target_kind kind_by_suffix(const char *name) {
  static const struct {
    const char *suffix;
    enum target_kind kind;
  } suffixes[] = {{"--x-s3", TARGET_DIRECTORY_BUCKET},
                  {"--xa-s3", TARGET_DIRECTORY_ACCESS_POINT},
                  {"--ol-s3", TARGET_ACCESS_POINT_ALIAS},
                  {"-s3alias", TARGET_ACCESS_POINT_ALIAS}, /* -ext-s3alias too */
                  {"--op-s3", TARGET_OUTPOSTS_ALIAS}};

  for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
    if (strlen(name) > strlen(suffixes[i].suffix) && text_has_suffix(name, suffixes[i].suffix) &&
        (suffixes[i].kind != TARGET_OUTPOSTS_ALIAS || strlen(name) >= OUTPOSTS_ALIAS_MIN))
      return suffixes[i].kind;
  return TARGET_BUCKET;
}

/* `name` of `len` bytes, then a prefix: a bucket or any alias. */
static int parse_named(struct target *t, const char *name, size_t len, struct buf *why) {
  int rc;

  if (set_copy(&t->name, name, len) != 0 || set_copy(&t->bucket, name, len) != 0)
    return -ENOMEM;
  rc = check_bucket_name(t->name, why);
  if (rc != 0)
    return rc;
  t->kind = kind_by_suffix(t->name);
  if (text_has_suffix(t->name, ".mrap"))
    return refuse(why,
                  "a Multi-Region Access Point is named by its ARN, arn:aws:s3::ACCOUNT:"
                  "accesspoint/%s",
                  t->name);
  return set_prefix(t, name + len, why);
}

static int refuse_bare(const char *s, struct buf *why) {
  refuse(why, "`%s` is neither an ARN, an alias, s3://BUCKET, grants nor a file", s);
  if (strchr(LOWER DIGITS, *s) != NULL)
    buf_printf(why, "; a bucket is written s3://%s", s);
  return -EINVAL;
}

/* A bare name must be an alias; the suffix tells, in whatever case it came. */
static int parse_bare(struct target *t, const char *s, struct buf *why) {
  size_t len = strcspn(s, "/");
  char *name = text_dup_n(s, len);
  char *lower = text_dup_n(s, len);
  int rc = 0;

  for (char *c = lower; c != NULL && *c != '\0'; c++)
    *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
  if (name == NULL || lower == NULL)
    rc = -ENOMEM;
  else if (kind_by_suffix(lower) == TARGET_BUCKET && !text_has_suffix(lower, ".mrap"))
    rc = refuse_bare(s, why);
  else if (has_upper(name))
    rc = refuse_upper(why, "aliases", name);
  free(name);
  free(lower);
  return rc != 0 ? rc : parse_named(t, s, len, why);
}

/* --- grants[:ACCOUNT[:REGION]] ------------------------------------------------------------ */

static int parse_grants(struct target *t, const char *s, struct buf *why) {
  const char *region;
  int rc;

  t->kind = TARGET_GRANTS;
  if (strchr(s, '/') != NULL)
    return refuse(why, "grants takes no prefix; one granted prefix is written s3://BUCKET/PREFIX "
                       "with access=grants");
  if (*s == ':') {
    region = strchr(s + 1, ':');
    rc = set_copy(&t->account, s + 1, region != NULL ? (size_t)(region - s - 1) : strlen(s + 1));
    if (rc == 0)
      rc = check_account(t->account, why);
    if (rc == 0 && region != NULL)
      rc = set_copy(&t->region, region + 1, strlen(region + 1));
    if (rc == 0 && region != NULL)
      rc = *t->region != '\0' ? check_region(t->region, why)
                              : refuse(why, "grants:ACCOUNT:REGION lacks its region");
    if (rc != 0)
      return rc;
  }
  return set_prefix(t, "", why);
}

/* --- ARNs --------------------------------------------------------------------------------- */

/* The next '/'- or ':'-separated word of an ARN's resource; *rest goes behind
 * it, to the separator or the end. */
static int take_word(const char **rest, char **out) {
  const char *s = *rest;
  size_t n;

  if (*s == '/' || *s == ':')
    s++;
  n = strcspn(s, "/:");
  *rest = s + n;
  return set_copy(out, s, n);
}

/* Account, region and the words of the ARN are copied where they are set. */
static int take_arn_fields(struct target *t, const struct arn *a) {
  if (set_copy(&t->partition, a->partition, strlen(a->partition)) != 0)
    return -ENOMEM;
  if (*a->account != '\0' && set_copy(&t->account, a->account, strlen(a->account)) != 0)
    return -ENOMEM;
  if (*a->region != '\0' && set_copy(&t->region, a->region, strlen(a->region)) != 0)
    return -ENOMEM;
  return 0;
}

static int finish_arn(struct target *t, const char *rest, struct buf *why) {
  if (t->bucket == NULL)
    return -ENOMEM;
  if (*rest == ':')
    return refuse(why, "only /PREFIX may follow the access point's name, not `%s`", rest);
  return set_prefix(t, skip_object_word(rest), why);
}

static int refuse_resource(const struct arn *a, const char *type, struct buf *why) {
  if (strcmp(type, "access-grants") == 0)
    return refuse(why, "an Access Grants instance is written grants:%s:%s", a->account, a->region);
  if (strncasecmp(type, "access", 6) == 0)
    return refuse(why, "`%s` is not an ARN's resource type; did you mean accesspoint", type);
  return refuse(why, "`%s` is not the resource of a bucket or an access point", a->resource);
}

/* arn:P:s3::ACCOUNT:accesspoint/ALIAS.mrap */
static int parse_multi_region(struct target *t, const struct arn *a, const char *rest,
                              struct buf *why) {
  size_t stem = strlen(t->name) - strlen(".mrap");

  t->kind = TARGET_MULTI_REGION;
  if (*a->region != '\0')
    return refuse(why,
                  "a Multi-Region Access Point has no region; did you mean "
                  "arn:%s:s3::%s:accesspoint/%s",
                  a->partition, a->account, t->name);
  if (has_upper(t->name))
    return refuse_upper(why, "Multi-Region Access Point aliases", t->name);
  if (stem == 0 || strspn(t->name, LOWER DIGITS) != stem)
    return refuse(why, "`%s` is not a Multi-Region Access Point's alias", t->name);
  t->bucket = text_printf("arn:%s:s3::%s:accesspoint/%s", a->partition, a->account, t->name);
  return finish_arn(t, rest, why);
}

/* arn:P:s3:R:A:accesspoint/NAME and the same of s3-object-lambda. */
static int parse_access_point(struct target *t, const struct arn *a, const char *rest,
                              struct buf *why) {
  int rc = take_word(&rest, &t->name);

  if (rc == 0)
    rc = check_account(a->account, why);
  if (rc != 0)
    return rc;
  if (text_has_suffix(t->name, ".mrap"))
    return parse_multi_region(t, a, rest, why);
  rc = check_access_point_name(t->name, why);
  if (rc == 0)
    rc = check_region(a->region, why);
  if (rc != 0)
    return rc;
  t->kind = strcmp(a->service, "s3") == 0 ? TARGET_ACCESS_POINT : TARGET_OBJECT_LAMBDA;
  t->bucket = text_printf("arn:%s:%s:%s:%s:accesspoint/%s", a->partition, a->service, a->region,
                          a->account, t->name);
  return finish_arn(t, rest, why);
}

/* arn:P:s3:::BUCKET/PREFIX; not an SDK's form, but what policies hold. */
static int parse_bucket_arn(struct target *t, const struct arn *a, struct buf *why) {
  return parse_named(t, a->resource, strcspn(a->resource, "/"), why);
}

/* arn:P:s3-outposts:R:A:outpost/OP/accesspoint/NAME */
static int parse_outposts(struct target *t, const struct arn *a, const char *rest,
                          struct buf *why) {
  char *outpost = NULL;
  char *type = NULL;
  int rc = take_word(&rest, &outpost);

  t->kind = TARGET_OUTPOSTS;
  if (rc == 0)
    rc = take_word(&rest, &type);
  if (rc == 0 && (*outpost == '\0' || strcmp(type, "accesspoint") != 0))
    rc = refuse(why,
                "an Outposts access point is written arn:%s:s3-outposts:REGION:ACCOUNT:"
                "outpost/OUTPOST/accesspoint/NAME",
                a->partition);
  if (rc == 0)
    rc = take_word(&rest, &t->name);
  if (rc == 0)
    rc = check_account(a->account, why);
  if (rc == 0)
    rc = check_region(a->region, why);
  if (rc == 0)
    rc = check_access_point_name(t->name, why);
  if (rc == 0) {
    t->bucket = text_printf("arn:%s:s3-outposts:%s:%s:outpost/%s/accesspoint/%s", a->partition,
                            a->region, a->account, outpost, t->name);
    rc = finish_arn(t, rest, why);
  }
  free(outpost);
  free(type);
  return rc;
}

/* arn:P:s3express:R:A:bucket/NAME--x-s3 and accesspoint/NAME--xa-s3: policies
 * name directory buckets so, requests use the last word alone. */
static int parse_express_arn(struct target *t, const char *rest, struct buf *why) {
  char *name = NULL;
  int rc = take_word(&rest, &name);

  if (rc == 0 && kind_by_suffix(name) != TARGET_DIRECTORY_BUCKET &&
      kind_by_suffix(name) != TARGET_DIRECTORY_ACCESS_POINT)
    rc = refuse(why, "`%s` is not a directory bucket's or its access point's name", name);
  if (rc == 0 && (t->bucket = strdup(name)) == NULL)
    rc = -ENOMEM;
  t->name = name;
  if (rc != 0)
    return rc;
  t->kind = kind_by_suffix(name);
  return finish_arn(t, rest, why);
}

static int parse_arn_resource(struct target *t, const struct arn *a, const char *type,
                              const char *rest, struct buf *why) {
  bool ap = strcmp(type, "accesspoint") == 0;

  if (strcmp(a->service, "s3") == 0 && *a->region == '\0' && *a->account == '\0')
    return parse_bucket_arn(t, a, why);
  if (strcmp(a->service, "s3-outposts") == 0 && strcmp(type, "outpost") == 0)
    return parse_outposts(t, a, rest, why);
  if (strcmp(a->service, "s3express") == 0 && (ap || strcmp(type, "bucket") == 0))
    return parse_express_arn(t, rest, why);
  if (ap && (strcmp(a->service, "s3") == 0 || strcmp(a->service, "s3-object-lambda") == 0))
    return parse_access_point(t, a, rest, why);
  if (!text_has_prefix(a->service, "s3"))
    return refuse(why, "the ARN is of service %s, not of S3", a->service);
  return refuse_resource(a, type, why);
}

static int parse_arn(struct target *t, const char *s, struct buf *why) {
  struct arn a;
  char *type = NULL;
  const char *rest;
  int rc = arn_parse(s, &a);

  if (rc == -EINVAL)
    return refuse(why,
                  "`%s` is no ARN; an access point's is written arn:aws:s3:REGION:ACCOUNT:"
                  "accesspoint/NAME",
                  s);
  if (rc != 0)
    return rc;
  rest = a.resource;
  if (partition_by_id(a.partition) == NULL)
    rc = refuse(why, "there is no AWS partition `%s`", a.partition);
  if (rc == 0)
    rc = take_arn_fields(t, &a);
  if (rc == 0)
    rc = take_word(&rest, &type);
  if (rc == 0)
    rc = parse_arn_resource(t, &a, type, rest, why);
  free(type);
  arn_fini(&a);
  return rc;
}

/* --- the whole ---------------------------------------------------------------------------- */

static int check_bytes(const char *s, struct buf *why) {
  if (*s == '\0')
    return refuse(why, "the source is empty");
  if (!text_is_utf8(s, strlen(s)))
    return refuse(why, "the source is not valid UTF-8");
  for (s += target_head_length(s); *s != '\0'; s++)
    if ((unsigned char)*s < 0x20 || *s == 0x7f)
      return refuse(why, "the prefix holds a control character");
  return 0;
}

/* s3:// in front of an ARN is how `aws s3` wants it. */
static int parse_form(struct target *t, const char *s, struct buf *why) {
  static const char scheme[] = "s3://";

  if (strncasecmp(s, scheme, strlen(scheme)) == 0) {
    if (!text_has_prefix(s, scheme))
      return refuse(why, "`%.5s` is written in lower case; did you mean s3://%s", s, s + 5);
    s += strlen(scheme);
    if (strncasecmp(s, "arn:", 4) != 0)
      return parse_named(t, s, strcspn(s, "/"), why);
  }
  if (strncasecmp(s, "arn:", 4) == 0)
    return text_has_prefix(s, "arn:")
               ? parse_arn(t, s, why)
               : refuse(why, "`%.4s` is written in lower case; did you mean arn:%s", s, s + 4);
  if (text_has_prefix(s, "grants") && strchr("/:", s[strlen("grants")]) != NULL)
    return parse_grants(t, s + strlen("grants"), why);
  return parse_bare(t, s, why);
}

int target_parse(const char *source, struct target *out, struct buf *why) {
  struct target t = {.kind = TARGET_BUCKET};
  int rc = check_bytes(source, why);

  if (rc == 0)
    rc = target_check_spelling(source, why);
  if (rc == 0)
    rc = parse_form(&t, source, why);
  if (rc != 0) {
    target_fini(&t);
    return rc;
  }
  *out = t;
  return 0;
}

void target_fini(struct target *t) {
  free(t->bucket);
  free(t->name);
  free(t->account);
  free(t->region);
  free(t->partition);
  free(t->prefix);
  memset(t, 0, sizeof(*t));
}

const char *target_kind_name(enum target_kind kind) {
  static const char *const names[] = {
      [TARGET_BUCKET] = "bucket",
      [TARGET_DIRECTORY_BUCKET] = "directory bucket",
      [TARGET_ACCESS_POINT] = "access point",
      [TARGET_ACCESS_POINT_ALIAS] = "access point alias",
      [TARGET_DIRECTORY_ACCESS_POINT] = "directory bucket access point",
      [TARGET_OBJECT_LAMBDA] = "Object Lambda access point",
      [TARGET_OUTPOSTS] = "Outposts access point",
      [TARGET_OUTPOSTS_ALIAS] = "Outposts access point alias",
      [TARGET_MULTI_REGION] = "Multi-Region Access Point",
      [TARGET_GRANTS] = "access grants",
  };

  return names[kind];
}
