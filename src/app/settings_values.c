/* Values of options: how each kind of row reads its text, and what is said of a bad one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "settings_internal.h"

char **settings_string_at(const struct settings *s, const struct row *r) {
  return (char **)((char *)s + r->at);
}

static int bad_value(const struct row *r, const char *value, const char *expected,
                     struct buf *why) {
  buf_printf(why, "option '%s': '%s' is not %s", r->name, value, expected);
  return -EINVAL;
}

static int set_string(struct settings *s, const struct row *r, const char *value) {
  char *copy = strdup(value);

  if (copy == NULL)
    return -ENOMEM;
  free(*settings_string_at(s, r));
  *settings_string_at(s, r) = copy;
  return 0;
}

static int set_url(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  const char *host = text_has_prefix(value, "https://")  ? value + 8
                     : text_has_prefix(value, "http://") ? value + 7
                                                         : NULL;

  if (host == NULL || *host == '\0' || *host == '/' || strpbrk(value, " \t") != NULL)
    return bad_value(r, value, "a URL such as https://s3.example.com", why);
  return set_string(s, r, value);
}

static int set_account(struct settings *s, const struct row *r, const char *value,
                       struct buf *why) {
  if (strlen(value) != 12 || strspn(value, "0123456789") != 12)
    return bad_value(r, value, "an account number of 12 digits", why);
  return set_string(s, r, value);
}

static int set_level(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  enum log_level level;

  if (log_level_parse(value, &level) != 0)
    return bad_value(r, value, "one of error, warn, info, debug", why);
  return set_string(s, r, value);
}

static int out_of_range(const struct row *r, const char *value, struct buf *why) {
  buf_printf(why, "option '%s': '%s' is out of range", r->name, value);
  return -EINVAL;
}

static int set_size(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  uint64_t v;
  int rc = r->kind == SIZE ? text_parse_size(value, &v) : text_parse_u64(value, &v);

  if (rc == -EINVAL)
    return bad_value(r, value, r->kind == SIZE ? "a size such as 192M" : "a number", why);
  if (rc != 0 || v < r->min || v > r->max)
    return out_of_range(r, value, why);
  if (r->kind == NUMBER_ID)
    *(uint32_t *)((char *)s + r->at) = (uint32_t)v;
  else
    *(uint64_t *)((char *)s + r->at) = v;
  return 0;
}

static int set_share(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  size_t len = strlen(value);
  uint64_t percent = 0;

  if (len < 2 || len > 4 || value[len - 1] != '%') {
    if (text_parse_size(value, &s->cache_free) != 0)
      return bad_value(r, value, "a size such as 2G or a percentage such as 5%", why);
    s->cache_free_percent = 0;
    return 0;
  }
  for (size_t i = 0; i + 1 < len; i++)
    percent = percent * 10 + (uint64_t)(value[i] - '0');
  if (strspn(value, "0123456789") != len - 1 || percent > 99)
    return bad_value(r, value, "a size such as 2G or a percentage such as 5%", why);
  s->cache_free = 0;
  s->cache_free_percent = (unsigned)percent;
  return 0;
}

static int set_duration(struct settings *s, const struct row *r, const char *value,
                        struct buf *why) {
  int64_t ms;
  int rc = text_parse_duration(value, &ms);

  if (rc == -EINVAL)
    return bad_value(r, value, "a duration such as 60s", why);
  if (rc != 0 || ms < (int64_t)r->min || ms > (int64_t)r->max)
    return out_of_range(r, value, why);
  *(int64_t *)((char *)s + r->at) = ms;
  return 0;
}

static int set_mode(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  char *end;
  unsigned long v = strtoul(value, &end, 8);

  if (*end != '\0' || end == value || v > r->max)
    return bad_value(r, value, "an octal mode such as 0644", why);
  *(mode_t *)((char *)s + r->at) = (mode_t)v;
  return 0;
}

static int set_flag(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  bool v = true;

  if (value != NULL && text_parse_bool(value, &v) != 0)
    return bad_value(r, value, "yes or no", why);
  *(bool *)((char *)s + r->at) = v == (r->kind == FLAG);
  return 0;
}

/* The words of an EITHER row, from its help text: "FIRST | SECOND: ...". */
static int set_either(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  size_t first = strcspn(r->help, " ");
  const char *second = r->help + first + strlen(" | ");
  size_t len = strcspn(second, ":");
  char words[64];

  *(bool *)((char *)s + r->at) = strlen(value) == len && strncmp(value, second, len) == 0;
  if (*(bool *)((char *)s + r->at) ||
      (strlen(value) == first && strncmp(value, r->help, first) == 0))
    return 0;
  snprintf(words, sizeof(words), "%.*s or %.*s", (int)first, r->help, (int)len, second);
  return bad_value(r, value, words, why);
}

static int set_choice(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  const char *const *words = settings_words[r->min];

  for (const char *const *w = words; *w != NULL; w++)
    if (strcmp(*w, value) == 0)
      return set_string(s, r, value);
  buf_printf(why, "option '%s': '%s' is not one of", r->name, value);
  for (const char *const *w = words; *w != NULL; w++)
    buf_printf(why, "%s %s", w == words ? "" : ",", *w);
  return -EINVAL;
}

static int set_kms_key(struct settings *s, const struct row *r, const char *value,
                       struct buf *why) {
  if (!settings_is_kms_key(value))
    return bad_value(r, value, "the ARN of a KMS key, its id, or an alias", why);
  return set_string(s, r, value);
}

static int set_permission(struct settings *s, const struct row *r, const char *value,
                          struct buf *why) {
  s->permission_auto = strcmp(value, "auto") == 0;
  if (s->permission_auto) {
    s->permission = SCOPE_READ;
    return 0;
  }
  if (strcmp(value, "read") == 0)
    s->permission = SCOPE_READ;
  else if (strcmp(value, "write") == 0)
    s->permission = SCOPE_WRITE;
  else if (strcmp(value, "readwrite") == 0)
    s->permission = SCOPE_READWRITE;
  else
    return bad_value(r, value, "one of auto, read, write, readwrite", why);
  return 0;
}

static int add_kernel_word(struct settings *s, const struct row *r) {
  buf_printf(&s->kernel_words, "%s%s", s->kernel_words.len != 0 ? "," : "", r->name);
  return buf_error(&s->kernel_words);
}

int settings_apply(struct settings *s, const struct row *r, const char *value, struct buf *why) {
  switch (r->kind) {
  case STRING:
    return *value != '\0' ? set_string(s, r, value) : bad_value(r, value, "a value", why);
  case URL:
    return set_url(s, r, value, why);
  case ACCOUNT_ID:
    return set_account(s, r, value, why);
  case LEVEL:
    return set_level(s, r, value, why);
  case FLAG:
  case FLAG_OFF:
    return set_flag(s, r, value, why);
  case SIZE:
  case COUNT:
  case NUMBER_ID:
    return set_size(s, r, value, why);
  case SHARE:
    return set_share(s, r, value, why);
  case DURATION:
    return set_duration(s, r, value, why);
  case MODE:
    return set_mode(s, r, value, why);
  case EITHER:
    return set_either(s, r, value, why);
  case CHOICE:
    return set_choice(s, r, value, why);
  case KMS_KEY:
    return set_kms_key(s, r, value, why);
  case PERMISSION:
    return set_permission(s, r, value, why);
  case KERNEL:
    return add_kernel_word(s, r);
  case IGNORED:
    return 0;
  case LATER:
    break;
  }
  buf_printf(why, "option '%s' is not supported by this version", r->name);
  return -EINVAL;
}
