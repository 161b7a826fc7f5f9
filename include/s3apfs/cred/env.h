/* Where environment variables come from: injectable, so that tests and mounts
 * started without a user's environment choose their own. */
#ifndef S3APFS_CRED_ENV_H
#define S3APFS_CRED_ENV_H

#include <stdbool.h>

struct cred_env {
  /* The value, or NULL; valid until the environment changes. Thread-safe. */
  const char *(*getenv)(void *arg, const char *name);
  void *arg;
};

/* The process's own; HOME falls back to the user database, because mounts from
 * fstab or systemd have none. */
extern const struct cred_env cred_env_process;

/* As getenv, but an empty variable counts as unset (as in the AWS SDKs). */
const char *cred_env_get(const struct cred_env *env, const char *name);
/* Only "true", in any case, is true. */
bool cred_env_is_true(const struct cred_env *env, const char *name);

#endif
