/* Providers: a role that is given by settings, and the web identity of the
 * environment, where a platform (Amazon EKS, CI services) puts it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "role.h"
#include "s3apfs/base/text.h"

struct role_source {
  struct key_source base;
  struct cred_context context;
  struct cred_role role; /* owned strings */
  char *profile;         /* or NULL */
  struct key_source *from;
  struct role_memory *memory;
};

static int load_profile(const struct cred_context *c, const char *name, const char *who,
                        struct aws_profile **out, struct s3_error *error) {
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = aws_profile_load(&c->env, name, out, &why);
  if (rc != 0)
    rc = cred_fail(error, rc == -ENOENT ? -EINVAL : rc, CRED_INVALID, "%s: %s", who,
                   why.len > 0 ? buf_cstr(&why) : strerror(-rc));
  buf_fini(&why);
  return rc;
}

static int role_source_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct role_source *self = (struct role_source *)s;
  struct role_step step = {.who = "role-arn", .role = self->role, .memory = self->memory};
  struct aws_profile *p = NULL;
  struct keys *base = NULL;
  int rc = load_profile(&self->context, self->profile, step.who, &p, error);

  step.profile = p;
  if (rc == 0 && self->from != NULL)
    rc = key_source_get(self->from, &base, error);
  if (rc == 0)
    rc = role_assume(&self->context, &step, base, out, error);
  keys_unref(base);
  aws_profile_free(p);
  return rc;
}

static void role_source_expired(struct key_source *s, const struct keys *k) {
  role_memory_forget(((struct role_source *)s)->memory, k);
}

static void role_source_destroy(struct key_source *s) {
  struct role_source *self = (struct role_source *)s;

  key_source_free(self->from);
  role_memory_free(self->memory);
  free((char *)self->role.arn);
  free((char *)self->role.session_name);
  free((char *)self->role.external_id);
  free((char *)self->role.source_identity);
  free((char *)self->role.mfa_serial);
  free((char *)self->role.token_file);
  free(self->profile);
  free(self);
}

static const struct key_source_ops role_source_ops = {role_source_get, role_source_expired,
                                                      role_source_destroy};

static bool copy(const char **out, const char *s) {
  *out = s != NULL ? strdup(s) : NULL;
  return s == NULL || *out != NULL;
}

static bool copy_role(struct cred_role *to, const struct cred_role *r) {
  to->duration_s = r->duration_s;
  return copy(&to->arn, r->arn) && copy(&to->session_name, r->session_name) &&
         copy(&to->external_id, r->external_id) && copy(&to->source_identity, r->source_identity) &&
         copy(&to->mfa_serial, r->mfa_serial) && copy(&to->token_file, r->token_file);
}

int cred_role_new(const struct cred_context *c, const struct cred_role *r, const char *profile,
                  struct key_source *base, struct key_source **out) {
  struct role_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &role_source_ops;
  self->context = *c;
  if (role_memory_new(&self->memory) != 0 || !copy_role(&self->role, r) ||
      !copy((const char **)&self->profile, profile)) {
    role_source_destroy(&self->base);
    return -ENOMEM;
  }
  self->from = base;
  *out = &self->base;
  return 0;
}

/* --- of the environment -------------------------------------------------------------------- */

#define WEB "web identity"
#define TOKEN_FILE "AWS_WEB_IDENTITY_TOKEN_FILE"
#define ROLE_ARN "AWS_ROLE_ARN"

struct web_source {
  struct key_source base;
  struct cred_context context;
  struct role_memory *memory;
};

static int web_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct web_source *self = (struct web_source *)s;
  const struct cred_env *env = &self->context.env;
  struct role_step step = {.who = WEB,
                           .memory = self->memory,
                           .role = {.arn = cred_env_get(env, ROLE_ARN),
                                    .session_name = cred_env_get(env, "AWS_ROLE_SESSION_NAME"),
                                    .token_file = cred_env_get(env, TOKEN_FILE)}};
  struct aws_profile *p = NULL;
  int rc;

  if (step.role.token_file == NULL)
    return cred_fail(error, -ENOENT, CRED_NONE, WEB ": not configured");
  if (step.role.arn == NULL)
    return cred_fail(error, -EINVAL, CRED_INVALID,
                     WEB ": " TOKEN_FILE " is set but " ROLE_ARN " is not");
  rc = load_profile(&self->context, NULL, WEB, &p, error);
  step.profile = p;
  if (rc == 0)
    rc = role_assume(&self->context, &step, NULL, out, error);
  aws_profile_free(p);
  return rc;
}

static void web_destroy(struct key_source *s) {
  struct web_source *self = (struct web_source *)s;

  role_memory_free(self->memory);
  free(self);
}

static const struct key_source_ops web_ops = {.get = web_get, .destroy = web_destroy};

int cred_web_identity_new(const struct cred_context *c, struct key_source **out) {
  struct web_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &web_ops;
  self->context = *c;
  if (role_memory_new(&self->memory) != 0) {
    free(self);
    return -ENOMEM;
  }
  *out = &self->base;
  return 0;
}
