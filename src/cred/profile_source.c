/* Provider: a profile of the shared files.
 *
 * The files are read at each get, so that new keys are found without a remount.
 * What kind of profile it is follows the SDKs' order: a role, a web identity,
 * SSO, static keys of the credentials file, `aws login`, credential_process,
 * static keys of the config file. A kind that cannot be served is said, never
 * skipped. Static keys come from one file as a whole, never mixed of two. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "profile_way.h"
#include "s3apfs/base/text.h"
#include "sso.h"

struct profile_source {
  struct key_source base;
  struct cred_context context;
  char *name; /* NULL: as the environment says */
  enum cred_profile_part part;
  struct role_memory *memory;
};

static int static_keys(const struct aws_profile *p, enum aws_profile_file file, struct keys **out,
                       struct s3_error *error) {
  const char *id = aws_profile_get_from(p, file, "aws_access_key_id");
  const char *secret = aws_profile_get_from(p, file, "aws_secret_access_key");
  char *identity;
  int rc;

  if (id == NULL || secret == NULL)
    return cred_fail(error, -EINVAL, CRED_INVALID, "profile %s: %s is set but %s is not",
                     aws_profile_name(p),
                     id != NULL ? "aws_access_key_id" : "aws_secret_access_key",
                     id != NULL ? "aws_secret_access_key" : "aws_access_key_id");
  identity = text_printf("profile %s", aws_profile_name(p));
  if (identity == NULL)
    return cred_fail(error, -ENOMEM, CRED_INVALID, "profile: no memory");
  rc = keys_new(id, secret, aws_profile_get_from(p, file, "aws_session_token"), 0,
                aws_profile_get(p, "aws_account_id"), identity, out);
  free(identity);
  return rc == 0 ? 0 : cred_fail(error, rc, CRED_INVALID, "profile: no memory");
}

static bool has_static_keys(const struct aws_profile *p, enum aws_profile_file file) {
  return aws_profile_get_from(p, file, "aws_access_key_id") != NULL ||
         aws_profile_get_from(p, file, "aws_secret_access_key") != NULL;
}

bool profile_has_static_keys(const struct aws_profile *p) {
  return has_static_keys(p, AWS_PROFILE_CREDENTIALS) || has_static_keys(p, AWS_PROFILE_CONFIG);
}

bool profile_is_role(const struct aws_profile *p) {
  return aws_profile_get(p, "role_arn") != NULL &&
         aws_profile_get(p, "web_identity_token_file") == NULL;
}

static int from_process(const struct cred_context *c, const struct aws_profile *p,
                        const char *command, struct keys **out, struct s3_error *error) {
  struct key_source *process = NULL;
  char *identity = text_printf("profile %s", aws_profile_name(p));
  int64_t timeout_ms = cred_context_limit(c, CRED_PROCESS_MS);
  int rc = identity != NULL ? cred_process_new(command, identity, timeout_ms, &process) : -ENOMEM;

  free(identity);
  if (rc != 0)
    return cred_fail(error, rc, CRED_INVALID, "profile: no memory");
  rc = key_source_get(process, out, error);
  key_source_free(process);
  return rc;
}

static int unsupported(const struct aws_profile *p, const char *setting, struct s3_error *error) {
  return cred_fail(error, -EOPNOTSUPP, CRED_INVALID, "profile %s: not supported yet: %s",
                   aws_profile_name(p), setting);
}

int profile_own_keys(struct profile_way *way, const struct aws_profile *p, struct keys **out,
                     struct s3_error *error) {
  const char *command = aws_profile_get(p, "credential_process");

  if (aws_profile_get(p, "web_identity_token_file") != NULL)
    return profile_web_keys(way, p, out, error);
  if (sso_is_configured(p))
    return sso_keys(way->context, way->top, p, out, error);
  if (has_static_keys(p, AWS_PROFILE_CREDENTIALS))
    return static_keys(p, AWS_PROFILE_CREDENTIALS, out, error);
  if (aws_profile_get(p, "login_session") != NULL)
    return unsupported(p, "login_session", error);
  if (command != NULL)
    return from_process(way->context, p, command, out, error);
  if (has_static_keys(p, AWS_PROFILE_CONFIG))
    return static_keys(p, AWS_PROFILE_CONFIG, out, error);
  return cred_fail(error, -ENOENT, CRED_NONE, "profile %s has no credentials (%s, %s)",
                   aws_profile_name(p), aws_profile_config_path(p),
                   aws_profile_credentials_path(p));
}

static int keys_of_profile(struct profile_source *self, const struct aws_profile *p,
                           struct keys **out, struct s3_error *error) {
  struct profile_way way = {
      .context = &self->context, .memory = self->memory, .top = p, .steps = {p}, .count = 1};

  if (profile_is_role(p))
    return profile_role_keys(&way, p, out, error);
  if (self->part == CRED_PROFILE_ROLE)
    return cred_fail(error, -ENOENT, CRED_NONE, "profile %s is no role", aws_profile_name(p));
  return profile_own_keys(&way, p, out, error);
}

static int profile_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct profile_source *self = (struct profile_source *)s;
  struct aws_profile *p = NULL;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = aws_profile_load(&self->context.env, self->name, &p, &why);
  if (rc != 0)
    rc = cred_fail(error, rc == -ENOENT ? -EINVAL : rc, CRED_INVALID, "profile: %s",
                   why.len > 0 ? buf_cstr(&why) : strerror(-rc));
  else if (aws_profile_is_named(p) && !aws_profile_exists(p))
    rc =
        cred_fail(error, -EINVAL, CRED_INVALID, "profile %s is in neither %s nor %s",
                  aws_profile_name(p), aws_profile_config_path(p), aws_profile_credentials_path(p));
  else
    rc = keys_of_profile(self, p, out, error);
  aws_profile_free(p);
  buf_fini(&why);
  return rc;
}

static void profile_expired(struct key_source *s, const struct keys *k) {
  role_memory_forget(((struct profile_source *)s)->memory, k);
}

static void profile_destroy(struct key_source *s) {
  struct profile_source *self = (struct profile_source *)s;

  role_memory_free(self->memory);
  free(self->name);
  free(self);
}

static const struct key_source_ops profile_ops = {profile_get, profile_expired, profile_destroy};

int cred_profile_new(const struct cred_context *c, const char *name, enum cred_profile_part part,
                     struct key_source **out) {
  struct profile_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &profile_ops;
  self->context = *c;
  self->part = part;
  self->name = name != NULL ? strdup(name) : NULL;
  if (role_memory_new(&self->memory) != 0 || (name != NULL && self->name == NULL)) {
    profile_destroy(&self->base);
    return -ENOMEM;
  }
  *out = &self->base;
  return 0;
}
