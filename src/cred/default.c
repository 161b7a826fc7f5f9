/* The standard chain of providers, in the order of the AWS SDKs: a profile that
 * is a role goes before the web identity of the environment, any other profile
 * behind it. */
#include <errno.h>

#include "s3apfs/cred/provider.h"

int cred_default_new(const struct cred_context *c, const char *explicit_profile,
                     struct key_source **out) {
  struct cred_link links[] = {{"environment", NULL},  {"role of the profile", NULL},
                              {"web identity", NULL}, {"profile", NULL},
                              {"container", NULL},    {"instance metadata", NULL}};
  const size_t count = sizeof(links) / sizeof(links[0]);
  int rc;

  if (explicit_profile != NULL)
    return cred_profile_new(c, explicit_profile, CRED_PROFILE_ALL, out);
  rc = cred_environment_new(&c->env, &links[0].source);
  if (rc == 0)
    rc = cred_profile_new(c, NULL, CRED_PROFILE_ROLE, &links[1].source);
  if (rc == 0)
    rc = cred_web_identity_new(c, &links[2].source);
  if (rc == 0)
    rc = cred_profile_new(c, NULL, CRED_PROFILE_ALL, &links[3].source);
  if (rc == 0)
    rc = cred_container_new(c, 0, &links[4].source);
  if (rc == 0)
    rc = cred_imds_new(c, &links[5].source);
  if (rc == 0)
    rc = cred_chain_new(links, count, out);
  for (size_t i = 0; rc != 0 && i < count; i++)
    key_source_free(links[i].source);
  return rc;
}
