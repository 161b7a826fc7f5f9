/* SOURCE classification: spelling first, then the form by its beginning
 * (arn:, s3://, grants) or, for a bare name, by its suffix.
 *
 * A source is a head (what goes to endpoint resolution) and a key prefix. The
 * head is checked against AWS's naming rules, because a wrong name would show
 * up only as a failing host name or a denial. Nothing is corrected silently:
 * the message shows the spelling that would have worked. */
#include "s3apfs/aws/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/text.h"
#include "target_private.h"

#define KEY_MAX_BYTES 1024 /* S3's limit for an object key */

/* --- key prefixes ------------------------------------------------------------------------- */

/* Bytes of prefix in front of the stars that end it; -EINVAL for `a*`. */
static int prefix_length(const char *prefix, size_t *out, struct buf *why) {
  size_t n = strlen(prefix);

  while (n > 0 && prefix[n - 1] == '*')
    n--;
  if (prefix[n] == '*' && n > 0 && prefix[n - 1] != '/')
    return target_refuse(why, "a folder's prefix ends in '/', not in '*'; did you mean %.*s/",
                         (int)n, prefix);
  *out = n;
  return 0;
}

int target_set_prefix(struct target *t, const char *raw, struct buf *why) {
  size_t n = 0;
  const char *slash;
  int rc;

  raw += strspn(raw, "/");
  rc = prefix_length(raw, &n, why);
  if (rc != 0)
    return rc;
  slash = n > 0 && raw[n - 1] != '/' ? "/" : "";
  if (n + strlen(slash) >= KEY_MAX_BYTES)
    return target_refuse(
        why, "the prefix has %zu bytes and leaves no room for a name: a key has at most %d",
        n + strlen(slash), KEY_MAX_BYTES);
  t->prefix = text_printf("%.*s%s", (int)n, raw, slash);
  return t->prefix != NULL ? 0 : -ENOMEM;
}

/* --- buckets and aliases ------------------------------------------------------------------ */

int target_parse_named(struct target *t, const char *name, size_t len, struct buf *why) {
  int rc;

  if (target_set_copy(&t->name, name, len) != 0 || target_set_copy(&t->bucket, name, len) != 0)
    return -ENOMEM;
  rc = target_check_bucket_name(t->name, why);
  if (rc != 0)
    return rc;
  t->kind = target_kind_by_suffix(t->name);
  if (text_has_suffix(t->name, ".mrap"))
    return target_refuse(why,
                         "a Multi-Region Access Point is named by its ARN, arn:aws:s3::ACCOUNT:"
                         "accesspoint/%s",
                         t->name);
  return target_set_prefix(t, name + len, why);
}

static int refuse_bare(const char *s, struct buf *why) {
  target_refuse(why, "`%s` is neither an ARN, an alias, s3://BUCKET, grants nor a file", s);
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
  else if (target_kind_by_suffix(lower) == TARGET_BUCKET && !text_has_suffix(lower, ".mrap"))
    rc = refuse_bare(s, why);
  else if (has_upper(name))
    rc = target_refuse_upper(why, "aliases", name);
  free(name);
  free(lower);
  return rc != 0 ? rc : target_parse_named(t, s, len, why);
}

/* --- grants[:ACCOUNT[:REGION],...] -------------------------------------------------------- */

/* "ACCOUNT[:REGION]" of len bytes. */
static int parse_instance(char **account, char **region, const char *s, size_t len,
                          struct buf *why) {
  const char *colon = memchr(s, ':', len);
  size_t first = colon != NULL ? (size_t)(colon - s) : len;
  int rc = target_set_copy(account, s, first);

  if (rc == 0)
    rc = target_check_account(*account, why);
  if (rc != 0 || colon == NULL)
    return rc;
  rc = target_set_copy(region, colon + 1, len - first - 1);
  if (rc != 0)
    return rc;
  return **region != '\0' ? target_check_region(*region, why)
                          : target_refuse(why, "grants:ACCOUNT:REGION lacks its region");
}

static bool is_listed(const struct target *t, const struct target_instance *one) {
  for (size_t i = 0; i + 1 < t->instance_count; i++) {
    const struct target_instance *other = &t->instances[i];
    bool here = one->region == NULL || other->region == NULL
                    ? one->region == other->region
                    : strcmp(one->region, other->region) == 0;

    if (here && strcmp(one->account, other->account) == 0)
      return true;
  }
  return false;
}

static size_t count_commas(const char *s) {
  size_t count = 0;

  for (; *s != '\0'; s++)
    count += *s == ',';
  return count;
}

static int parse_instances(struct target *t, const char *s, struct buf *why) {
  int rc = 0;

  t->instances = calloc(count_commas(s) + 1, sizeof(*t->instances));
  if (t->instances == NULL)
    return -ENOMEM;
  while (rc == 0) {
    struct target_instance *one = &t->instances[t->instance_count++];
    size_t len = strcspn(s, ",");

    rc = parse_instance(&one->account, &one->region, s, len, why);
    if (rc == 0 && is_listed(t, one))
      rc = target_refuse(why, "%.*s is listed twice", (int)len, s);
    if (s[len] == '\0')
      break;
    s += len + 1;
  }
  return rc;
}

static int parse_grants(struct target *t, const char *s, struct buf *why) {
  int rc = 0;

  t->kind = TARGET_GRANTS;
  if (strchr(s, '/') != NULL)
    return target_refuse(why,
                         "grants takes no prefix; one granted prefix is written s3://BUCKET/PREFIX "
                         "with access=grants");
  if (*s == ':' && strchr(s, ',') != NULL)
    rc = parse_instances(t, s + 1, why);
  else if (*s == ':')
    rc = parse_instance(&t->account, &t->region, s + 1, strlen(s + 1), why);
  return rc == 0 ? target_set_prefix(t, "", why) : rc;
}

/* --- the whole ---------------------------------------------------------------------------- */

/* Tabs and line ends in the head are left to the spelling check, which shows
 * the name without them. */
static int check_bytes(const char *s, struct buf *why) {
  const char *prefix = s + target_head_length(s);

  if (*s == '\0')
    return target_refuse(why, "the source is empty");
  if (!text_is_utf8(s, strlen(s)))
    return target_refuse(why, "the source is not valid UTF-8");
  for (; *s != '\0'; s++) {
    bool control = (unsigned char)*s < 0x20 || *s == 0x7f;

    if (control && (s >= prefix || strchr("\t\r\n", *s) == NULL))
      return target_refuse(why, "the source holds a control character");
  }
  return 0;
}

/* s3:// in front of an ARN is how `aws s3` wants it. */
static int parse_form(struct target *t, const char *s, struct buf *why) {
  static const char scheme[] = "s3://";

  if (strncasecmp(s, scheme, strlen(scheme)) == 0) {
    if (!text_has_prefix(s, scheme))
      return target_refuse(why, "`%.5s` is written in lower case; did you mean s3://%s", s, s + 5);
    s += strlen(scheme);
    if (strncasecmp(s, "arn:", 4) != 0)
      return target_parse_named(t, s, strcspn(s, "/"), why);
  }
  if (strncasecmp(s, "arn:", 4) == 0)
    return text_has_prefix(s, "arn:")
               ? target_parse_arn(t, s, why)
               : target_refuse(why, "`%.4s` is written in lower case; did you mean arn:%s", s,
                               s + 4);
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
  if (rc == 0 && t.region == NULL &&
      (t.kind == TARGET_DIRECTORY_BUCKET || t.kind == TARGET_DIRECTORY_ACCESS_POINT))
    rc = target_take_zone(&t);
  if (rc != 0) {
    target_fini(&t);
    return rc;
  }
  *out = t;
  return 0;
}

void target_fini(struct target *t) {
  for (size_t i = 0; i < t->instance_count; i++) {
    free(t->instances[i].account);
    free(t->instances[i].region);
  }
  free(t->instances);
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
