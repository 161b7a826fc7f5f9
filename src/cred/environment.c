/* Provider: the environment. Read at each get; half a pair is a mistake that
 * must not fall through to another identity. */
#include <errno.h>
#include <stdlib.h>

#include "fail.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"

struct environment_source {
  struct key_source base;
  struct cred_env env;
};

static int read_expiration(const struct cred_env *env, int64_t *out, struct s3_error *error) {
  const char *text = cred_env_get(env, "AWS_CREDENTIAL_EXPIRATION");

  *out = 0;
  if (text == NULL || text_parse_iso8601(text, out) == 0)
    return 0;
  return cred_fail(error, -EINVAL, CRED_INVALID,
                   "environment: AWS_CREDENTIAL_EXPIRATION is no ISO 8601 time");
}

static int environment_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  const struct cred_env *env = &((struct environment_source *)s)->env;
  const char *id = cred_env_get(env, "AWS_ACCESS_KEY_ID");
  const char *secret = cred_env_get(env, "AWS_SECRET_ACCESS_KEY");
  const char *token = cred_env_get(env, "AWS_SESSION_TOKEN");
  int64_t expiration;
  int rc;

  if (id == NULL && secret == NULL)
    return cred_fail(error, -ENOENT, CRED_NONE, "environment: AWS_ACCESS_KEY_ID is not set");
  if (id == NULL || secret == NULL)
    return cred_fail(error, -EINVAL, CRED_INVALID, "environment: %s is set but %s is not",
                     id != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                     id != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
  rc = read_expiration(env, &expiration, error);
  if (rc != 0)
    return rc;
  if (token == NULL)
    token = cred_env_get(env, "AWS_SECURITY_TOKEN");
  rc = keys_new(id, secret, token, expiration, cred_env_get(env, "AWS_ACCOUNT_ID"), "environment",
                out);
  return rc == 0 ? 0 : cred_fail(error, rc, CRED_INVALID, "environment: no memory");
}

static void environment_destroy(struct key_source *s) {
  free((struct environment_source *)s);
}

static const struct key_source_ops environment_ops = {.get = environment_get,
                                                      .destroy = environment_destroy};

int cred_environment_new(const struct cred_env *env, struct key_source **out) {
  struct environment_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &environment_ops;
  self->env = *env;
  *out = &self->base;
  return 0;
}
