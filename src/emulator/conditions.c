/* Conditions and ranges. Etags compare as S3 does: quotes are optional, weak
 * ones ("W/") match none. */
#include "conditions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/text.h"

const struct condition_names conditions_of_read = {"If-Match", "If-None-Match", "If-Modified-Since",
                                                   "If-Unmodified-Since"};
const struct condition_names conditions_of_copy_source = {
    "x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-modified-since", "x-amz-copy-source-if-unmodified-since"};

/* Is the etag in a comma-separated list? */
static bool etag_listed(const char *list, const char *etag) {
  size_t len = strlen(etag);
  for (const char *p = list; *p;) {
    p += strspn(p, ", \t");
    size_t n = strcspn(p, ", \t");
    if (n == 1 && *p == '*')
      return true;
    if (n == len + 2 && p[0] == '"' && p[n - 1] == '"' && memcmp(p + 1, etag, len) == 0)
      return true;
    if (n == len && memcmp(p, etag, len) == 0)
      return true;
    p += n;
  }
  return false;
}

static int refuse(struct exchange *x, const char *condition) {
  struct kvlist more;
  kvlist_init(&more);
  kvlist_add(&more, "Condition", condition);
  int err =
      reply_error_with(x, 412, "PreconditionFailed",
                       "At least one of the pre-conditions you specified did not hold", &more);
  kvlist_fini(&more);
  return err;
}

static int not_modified(struct exchange *x, const struct condition_names *names,
                        const struct key_entry *e) {
  if (names != &conditions_of_read)
    return refuse(x, names->none_match);
  char date[30];
  reply_status(x, 304);
  text_http_date(e->mtime_ms / 1000, date);
  reply_header(x, "Last-Modified", date);
  reply_headerf(x, "ETag", "\"%s\"", e->etag);
  return -EPROTO;
}

static bool date_of(const struct exchange *x, const char *name, int64_t *out) {
  const char *text = exchange_header(x, name);
  return text && text_parse_http_date(text, out) == 0;
}

int conditions_check(struct exchange *x, const struct condition_names *names,
                     const struct key_entry *e) {
  const char *match = exchange_header(x, names->match);
  const char *none = exchange_header(x, names->none_match);
  int64_t mtime = e->mtime_ms / 1000, then;
  if (match && !etag_listed(match, e->etag))
    return refuse(x, names->match);
  if (!match && date_of(x, names->unmodified_since, &then) && mtime > then)
    return refuse(x, names->unmodified_since);
  if (none && etag_listed(none, e->etag))
    return not_modified(x, names, e);
  if (!none && date_of(x, names->modified_since, &then) && mtime <= then)
    return not_modified(x, names, e);
  return 0;
}

int conditions_of_write(struct exchange *x, struct objects_condition *out, char **etag) {
  const char *match = exchange_header(x, "If-Match");
  const char *none = exchange_header(x, "If-None-Match");
  *out = (struct objects_condition){0};
  *etag = NULL;
  if (none && strcmp(none, "*") != 0)
    return reply_error(x, 501, "NotImplemented",
                       "A header you provided implies functionality that is not implemented");
  if (none && match)
    return reply_error(x, 501, "NotImplemented",
                       "If-Match and If-None-Match cannot be used together");
  out->must_be_absent = none != NULL;
  if (!match)
    return 0;
  size_t len = strlen(match);
  bool quoted = len >= 2 && match[0] == '"' && match[len - 1] == '"';
  *etag = quoted ? text_dup_n(match + 1, len - 2) : strdup(match);
  if (!*etag)
    return reply_error(x, 500, "InternalError", "Out of memory.");
  out->if_match = *etag;
  return 0;
}

int conditions_refuse(struct exchange *x, int err) {
  if (err == -EEXIST)
    return refuse(x, exchange_header(x, "If-Match") ? "If-Match" : "If-None-Match");
  if (err == -ENOENT)
    return reply_error(x, 404, "NoSuchKey", "The specified key does not exist.");
  return reply_error(x, 500, "InternalError", "The object cannot be stored.");
}

/* --- ranges --- */

static bool parse_digits(const char **p, uint64_t *out) {
  size_t n = strspn(*p, "0123456789");
  char *text = text_dup_n(*p, n);
  bool ok = n > 0 && text && text_parse_u64(text, out) == 0;
  free(text);
  *p += n;
  return ok;
}

int range_parse(const char *value, uint64_t size, struct range *out) {
  uint64_t first = 0, last = 0;
  *out = (struct range){.length = size, .whole = true};
  if (!value || strncasecmp(value, "bytes=", 6) != 0)
    return 0;
  const char *p = value + 6;
  bool has_first = parse_digits(&p, &first);
  if (*p++ != '-')
    return 0;
  bool has_last = parse_digits(&p, &last);
  if (*p || (!has_first && !has_last) || (has_first && has_last && last < first))
    return 0;
  if (has_first ? first >= size : last == 0 || size == 0)
    return -ERANGE;
  if (!has_first) {
    first = last < size ? size - last : 0;
    last = size - 1;
  } else if (!has_last || last >= size) {
    last = size - 1;
  }
  *out = (struct range){.offset = first, .length = last - first + 1};
  return 0;
}
