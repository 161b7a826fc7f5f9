/* Provider: stands in for sources that are configured by the environment but
 * cannot be used, so that nobody else's keys are taken instead. */
#include <errno.h>
#include <stdlib.h>

#include "fail.h"
#include "s3apfs/cred/provider.h"

struct unsupported_source {
  struct key_source base;
  struct cred_env env;
  const char *const *variables;
  const char *what;
};

static int unsupported_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct unsupported_source *self = (struct unsupported_source *)s;

  (void)out;
  for (const char *const *v = self->variables; *v != NULL; v++)
    if (cred_env_get(&self->env, *v) != NULL)
      return cred_fail(error, -EOPNOTSUPP, CRED_INVALID, "not supported yet: %s (%s is set)",
                       self->what, *v);
  return cred_fail(error, -ENOENT, CRED_NONE, "%s: not configured", self->what);
}

static void unsupported_destroy(struct key_source *s) {
  free((struct unsupported_source *)s);
}

static const struct key_source_ops unsupported_ops = {.get = unsupported_get,
                                                      .destroy = unsupported_destroy};

int cred_unsupported_new(const struct cred_env *env, const char *const *variables, const char *what,
                         struct key_source **out) {
  struct unsupported_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &unsupported_ops;
  self->env = *env;
  self->variables = variables;
  self->what = what;
  *out = &self->base;
  return 0;
}
