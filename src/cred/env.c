/* Environment variables behind an interface. */
#include "s3apfs/cred/env.h"

#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static pthread_once_t home_once = PTHREAD_ONCE_INIT;
static char *home_dir; /* of the user database; NULL when it has none */

static void find_home(void) {
  char text[4096];
  struct passwd entry;
  struct passwd *found = NULL;

  if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) == 0 && found != NULL)
    home_dir = strdup(found->pw_dir);
}

static const char *process_getenv(void *arg, const char *name) {
  const char *value = getenv(name);

  (void)arg;
  if (value != NULL || strcmp(name, "HOME") != 0)
    return value;
  pthread_once(&home_once, find_home);
  return home_dir;
}

const struct cred_env cred_env_process = {process_getenv, NULL};

const char *cred_env_get(const struct cred_env *env, const char *name) {
  const char *value = env->getenv(env->arg, name);

  return value != NULL && *value != '\0' ? value : NULL;
}

bool cred_env_is_true(const struct cred_env *env, const char *name) {
  const char *value = cred_env_get(env, name);

  return value != NULL && strcasecmp(value, "true") == 0;
}
