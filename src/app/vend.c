/* Keys for other programs. What a grant covers is asked for by name, so that the
 * smallest scope that allows the permission answers, from the same cache that the
 * mount reads with. */
#include "vend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "tree.h"

static bool is_at_or_below(const char *path, const char *root) {
  size_t n = strlen(root);

  return n == 0 || (strncmp(path, root, n) == 0 && (path[n] == '\0' || path[n] == '/'));
}

static struct source *source_of(struct app *a, const char *path, const char **key) {
  struct source *s;

  for (size_t i = 0; (s = app_source_at(a, i)) != NULL; i++) {
    if (atomic_load(&s->retired) || !is_at_or_below(path, s->dir->path))
      continue;
    *key = path + strlen(s->dir->path);
    *key += **key == '/' && *s->dir->path != '\0';
    return s;
  }
  return NULL;
}

static int ask(struct grants *g, const char *place, enum scope_permission p, struct keys **out,
               struct s3_error *error) {
  bool folder = text_has_suffix(place, "/");
  char *target = text_printf("s3://%s%s", place, folder ? "*" : "");
  struct key_source *source;
  int rc = target == NULL ? -ENOMEM : grants_source_new(g, target, p, &source);

  free(target);
  if (rc != 0)
    return rc;
  rc = key_source_get(source, out, error);
  key_source_free(source);
  return rc;
}

static int keys_of(struct source *s, const char *key, enum scope_permission p, struct keys **out,
                   struct s3_error *error) {
  char *place;
  int rc;

  if (s->tree != NULL && (strchr(key, '/') == NULL || tree_grants(s->tree, key) == NULL)) {
    s3_error_from_local(error, -EINVAL, "NoScope", "a grant covers a prefix of one bucket");
    return -EINVAL;
  }
  if (s->tree != NULL)
    return ask(tree_grants(s->tree, key), key, p, out, error);
  if (s->grants == NULL)
    return key_source_get(identity_keys(s->identity), out, error);
  place = text_printf("%s/%s%s", s->dir->target.bucket, s->dir->target.prefix, key);
  rc = place == NULL ? -ENOMEM : ask(s->grants, place, p, out, error);
  free(place);
  return rc;
}

int vend_keys(struct app *a, const char *path, enum scope_permission permission, struct keys **out,
              struct buf *why) {
  struct s3_error error;
  const char *key;
  struct source *s = source_of(a, path, &key);
  int rc;

  if (s == NULL) {
    buf_puts(why, "no source serves this path");
    return -ENOENT;
  }
  s3_error_init(&error);
  rc = keys_of(s, key, permission, out, &error);
  if (rc != 0) {
    buf_printf(why, "%s as ", s->dir->source);
    identity_learn(s->identity, &s->dir->settings);
    identity_describe(s->identity, why);
    buf_puts(why, ": ");
    s3_error_describe(&error, why);
  }
  s3_error_fini(&error);
  return rc;
}

cJSON *vend_document(const struct keys *k) {
  cJSON *doc = cJSON_CreateObject();
  char until[21];

  cJSON_AddNumberToObject(doc, "Version", 1);
  cJSON_AddStringToObject(doc, "AccessKeyId", k->access_key_id);
  cJSON_AddStringToObject(doc, "SecretAccessKey", k->secret_access_key);
  if (k->session_token != NULL)
    cJSON_AddStringToObject(doc, "SessionToken", k->session_token);
  if (k->expiration != 0) {
    text_iso8601(k->expiration, until);
    cJSON_AddStringToObject(doc, "Expiration", until);
  }
  if (k->account != NULL)
    cJSON_AddStringToObject(doc, "AccountId", k->account);
  return doc;
}
