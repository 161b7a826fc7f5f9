/* AWS's naming rules for what a SOURCE names, and the lines that say what a name
 * breaks. Stricter than endpoint resolution, which takes any host label. */
#include <errno.h>
#include <stdarg.h>

#include "s3apfs/base/text.h"
#include "target_private.h"

#define ACCOUNT_DIGITS 12
#define NAME_MIN 3 /* access point names, S3 user guide */
#define NAME_MAX_BYTES 50
#define BUCKET_MAX_BYTES 255 /* buckets older than the present rules */
#define OUTPOSTS_ALIAS_MIN 50

int target_refuse(struct buf *why, const char *fmt, ...) {
  va_list ap;

  va_start(ap, fmt);
  buf_vprintf(why, fmt, ap);
  va_end(ap);
  return buf_error(why) == -ENOMEM ? -ENOMEM : -EINVAL;
}

int target_set_copy(char **at, const char *s, size_t n) {
  *at = text_dup_n(s, n);
  return *at != NULL ? 0 : -ENOMEM;
}

static bool only_chars(const char *s, const char *chars) {
  return s[strspn(s, chars)] == '\0';
}

/* "... are lower case; did you mean x". */
int target_refuse_upper(struct buf *why, const char *what, const char *s) {
  buf_printf(why, "%s are lower case; did you mean ", what);
  for (; *s != '\0'; s++)
    buf_putc(why, *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s);
  return -EINVAL;
}

int target_check_account(const char *account, struct buf *why) {
  struct buf digits;

  if (strlen(account) == ACCOUNT_DIGITS && only_chars(account, DIGITS))
    return 0;
  buf_init(&digits, 0);
  for (const char *s = account; *s != '\0'; s++)
    if (*s != '-')
      buf_putc(&digits, *s);
  if (digits.len == ACCOUNT_DIGITS && only_chars(buf_cstr(&digits), DIGITS))
    target_refuse(why, "an account id is 12 digits; did you mean %s", buf_cstr(&digits));
  else
    target_refuse(why, "an account id is 12 digits, not `%s`", account);
  buf_fini(&digits);
  return -EINVAL;
}

int target_check_region(const char *region, struct buf *why) {
  if (*region == '\0')
    return target_refuse(why, "the ARN names no region");
  if (has_upper(region))
    return target_refuse_upper(why, "regions", region);
  if (!only_chars(region, LOWER DIGITS "-") || *region == '-')
    return target_refuse(why, "`%s` is not a region", region);
  return 0;
}

int target_check_access_point_name(const char *name, struct buf *why) {
  size_t n = strlen(name);

  if (n == 0)
    return target_refuse(why, "the ARN names no access point");
  if (text_has_suffix(name, "-s3alias"))
    return target_refuse(why, "an alias stands alone, not in an ARN; did you mean %s", name);
  if (!only_chars(name, LOWER UPPER DIGITS "-"))
    return target_refuse(why, "access point names hold only a-z, 0-9 and '-', not `%s`", name);
  if (has_upper(name))
    return target_refuse_upper(why, "access point names", name);
  if (name[0] == '-' || name[n - 1] == '-')
    return target_refuse(why, "access point names neither start nor end with '-', not `%s`", name);
  if (n < NAME_MIN || n > NAME_MAX_BYTES)
    return target_refuse(why, "access point names have %d to %d characters, not `%s`", NAME_MIN,
                         NAME_MAX_BYTES, name);
  return 0;
}

int target_check_bucket_name(const char *name, struct buf *why) {
  size_t n = strlen(name);

  if (n == 0)
    return target_refuse(why, "the source names no bucket; a bucket is written s3://BUCKET/PREFIX");
  if (n < NAME_MIN || n > BUCKET_MAX_BYTES || !only_chars(name, LOWER UPPER DIGITS ".-_"))
    return target_refuse(why, "`%s` is not a bucket's name", name);
  return 0;
}

enum target_kind target_kind_by_suffix(const char *name) {
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
