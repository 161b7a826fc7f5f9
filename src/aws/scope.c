/* Grant scopes. A scope is a bucket and either a key prefix (it ended in a
 * star, or named the bucket alone) or one key. */
#include "s3apfs/aws/scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define SCHEME "s3://"

static size_t without_stars(const char *s) {
  size_t n = strlen(s);

  while (n > 0 && s[n - 1] == '*')
    n--;
  return n;
}

int scope_parse(const char *s, struct scope *out) {
  struct scope parsed;
  const char *prefix;
  size_t len;
  size_t bucket;

  if (!text_has_prefix(s, SCHEME))
    return -EINVAL;
  s += strlen(SCHEME);
  len = without_stars(s);
  bucket = strcspn(s, "/");
  if (bucket > len)
    bucket = len;
  if (bucket == 0)
    return -EINVAL;
  prefix = bucket < len ? s + bucket + 1 : s + len;
  parsed.is_prefix = s[len] == '*' || prefix == s + len;
  parsed.bucket = text_dup_n(s, bucket);
  parsed.prefix = text_dup_n(prefix, (size_t)(s + len - prefix));
  if (parsed.bucket == NULL || parsed.prefix == NULL) {
    scope_fini(&parsed);
    return -ENOMEM;
  }
  *out = parsed;
  return 0;
}

void scope_fini(struct scope *s) {
  free(s->bucket);
  free(s->prefix);
  memset(s, 0, sizeof(*s));
}

bool scope_covers(const struct scope *g, const struct scope *target) {
  if (strcmp(g->bucket, target->bucket) != 0)
    return false;
  if (g->is_prefix)
    return text_has_prefix(target->prefix, g->prefix);
  return !target->is_prefix && strcmp(g->prefix, target->prefix) == 0;
}

bool scope_covers_key(const struct scope *g, const char *bucket, const char *key) {
  if (strcmp(g->bucket, bucket) != 0)
    return false;
  return g->is_prefix ? text_has_prefix(key, g->prefix) : strcmp(key, g->prefix) == 0;
}

bool scope_touches_prefix(const struct scope *g, const char *bucket, const char *prefix) {
  if (strcmp(g->bucket, bucket) != 0)
    return false;
  return text_has_prefix(g->prefix, prefix) || (g->is_prefix && text_has_prefix(prefix, g->prefix));
}

static const struct {
  const char *name;
  enum scope_permission value;
} permissions[] = {{"READ", SCOPE_READ}, {"WRITE", SCOPE_WRITE}, {"READWRITE", SCOPE_READWRITE}};

#define PERMISSION_COUNT (sizeof(permissions) / sizeof(permissions[0]))

int scope_permission_parse(const char *s, enum scope_permission *out) {
  for (size_t i = 0; i < PERMISSION_COUNT; i++) {
    if (strcmp(s, permissions[i].name) == 0) {
      *out = permissions[i].value;
      return 0;
    }
  }
  return -EINVAL;
}

const char *scope_permission_name(enum scope_permission p) {
  for (size_t i = 0; i < PERMISSION_COUNT; i++)
    if (permissions[i].value == p)
      return permissions[i].name;
  return "none";
}

bool scope_permission_allows(enum scope_permission granted, enum scope_permission wanted) {
  return ((unsigned)granted & (unsigned)wanted) == (unsigned)wanted;
}
