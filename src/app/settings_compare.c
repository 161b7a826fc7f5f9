/* Which options differ, for a mount whose configuration is read again. */
#include <string.h>

#include "settings_internal.h"

static bool same_text(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The words are separated by commas. */
static bool has_word(const struct settings *s, const char *word) {
  const char *at = buf_cstr(&s->kernel_words);
  size_t len = strlen(word);

  while (*at != '\0') {
    size_t n = strcspn(at, ",");

    if (n == len && memcmp(at, word, n) == 0)
      return true;
    at += n + (at[n] == ',');
  }
  return false;
}

static bool same(const struct row *r, const struct settings *a, const struct settings *b) {
  const char *in_a = (const char *)a + r->at;
  const char *in_b = (const char *)b + r->at;

  switch (r->kind) {
  case STRING:
  case URL:
  case ACCOUNT_ID:
  case LEVEL:
  case CHOICE:
  case KMS_KEY:
    return same_text(*(char *const *)in_a, *(char *const *)in_b);
  case FLAG:
  case EITHER:
    return *(const bool *)in_a == *(const bool *)in_b;
  case SIZE:
  case COUNT:
    return *(const uint64_t *)in_a == *(const uint64_t *)in_b;
  case DURATION:
    return *(const int64_t *)in_a == *(const int64_t *)in_b;
  case MODE:
    return *(const mode_t *)in_a == *(const mode_t *)in_b;
  case NUMBER_ID:
    return *(const uint32_t *)in_a == *(const uint32_t *)in_b;
  case SHARE:
    return a->cache_free == b->cache_free && a->cache_free_percent == b->cache_free_percent;
  case PERMISSION:
    return a->permission_auto == b->permission_auto && a->permission == b->permission;
  case KERNEL:
    return has_word(a, r->name) == has_word(b, r->name);
  case FLAG_OFF: /* its opposite is a row of its own */
  case IGNORED:
  case LATER:
    break;
  }
  return true;
}

bool settings_same_dir(const struct settings *a, const struct settings *b) {
  const struct row *r;

  for (size_t i = 0; (r = settings_row_at(i)) != NULL; i++)
    if (r->place == ANYWHERE && !same(r, a, b))
      return false;
  return true;
}

void settings_each_difference(const struct settings *a, const struct settings *b,
                              void (*fn)(void *arg, const char *name), void *arg) {
  const struct row *r;

  for (size_t i = 0; (r = settings_row_at(i)) != NULL; i++)
    if (r->place == MOUNT_ONLY && !same(r, a, b))
      fn(arg, r->name);
}
