/* The standard chain of providers. Sources that are not served yet have a place
 * in it, where they stop the search when they are configured. */
#include <errno.h>

#include "s3apfs/cred/provider.h"

static const char *const web_identity_variables[] = {"AWS_WEB_IDENTITY_TOKEN_FILE", NULL};

int cred_default_new(const struct cred_env *env, const char *explicit_profile,
                     struct key_source **out) {
  struct cred_link links[4] = {
      {"environment", NULL}, {"web identity", NULL}, {"profile", NULL}, {"container", NULL}};
  int rc;

  if (explicit_profile != NULL)
    return cred_profile_new(env, explicit_profile, out);
  rc = cred_environment_new(env, &links[0].source);
  if (rc == 0)
    rc = cred_unsupported_new(env, web_identity_variables, "web identity", &links[1].source);
  if (rc == 0)
    rc = cred_profile_new(env, NULL, &links[2].source);
  if (rc == 0)
    rc = cred_container_new(env, 0, &links[3].source);
  if (rc == 0)
    rc = cred_chain_new(links, 4, out);
  for (size_t i = 0; rc != 0 && i < 4; i++)
    key_source_free(links[i].source);
  return rc;
}
