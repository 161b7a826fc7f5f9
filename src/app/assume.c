/* From options to a key source. The options go without saying nothing: a
 * companion of role-arn that stands alone is a mistake. */
#include "assume.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct companion {
  const char *name;
  const char *value;
};

static int check_companions(const struct settings *s, struct buf *why) {
  const struct companion all[] = {{"external-id", s->external_id},
                                  {"role-session-name", s->role_session_name},
                                  {"source-identity", s->source_identity},
                                  {"credential-source", s->credential_source},
                                  {"mfa-serial", s->mfa_serial},
                                  {"web-identity-token-file", s->web_identity_token_file}};

  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
    if (all[i].value != NULL && s->role_arn == NULL) {
      buf_printf(why, "option '%s' goes with role-arn", all[i].name);
      return -EINVAL;
    }
  }
  return 0;
}

static int check_sources(const struct settings *s, struct buf *why) {
  bool web = s->web_identity_token_file != NULL;

  if (s->profile != NULL && s->credential_source != NULL)
    buf_puts(why, "profile and credential-source exclude each other: one has the keys that assume "
                  "role-arn");
  else if (web && (s->credential_source != NULL || s->mfa_serial != NULL ||
                   s->external_id != NULL || s->source_identity != NULL))
    buf_puts(why,
             "with web-identity-token-file a role takes neither credential-source, mfa-serial, "
             "external-id nor source-identity");
  else
    return 0;
  return -EINVAL;
}

struct named_file {
  const char *option;
  const char *path; /* NULL: not given */
  bool is_token;    /* its provider says when it cannot be read */
};

static int check_file(const struct named_file *f, struct buf *why) {
  int rc;

  if (f->path == NULL)
    return 0;
  if (f->path[0] != '/') {
    buf_printf(why, "option '%s' takes an absolute path", f->option);
    return -EINVAL;
  }
  if (f->is_token || access(f->path, R_OK) == 0)
    return 0;
  rc = -errno;
  buf_printf(why, "%s %s cannot be read: %s", f->option, f->path, strerror(-rc));
  return rc;
}

int assume_check_files(const struct settings *s, struct buf *why) {
  const struct named_file all[] = {{"config-file", s->config_file, false},
                                   {"credentials-file", s->credentials_file, false},
                                   {"web-identity-token-file", s->web_identity_token_file, true},
                                   {"container-token-file", s->container_token_file, true}};
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < sizeof(all) / sizeof(all[0]); i++)
    rc = check_file(&all[i], why);
  return rc;
}

static void to_role(const struct settings *s, struct cred_role *out) {
  *out = (struct cred_role){.arn = s->role_arn,
                            .session_name = s->role_session_name,
                            .external_id = s->external_id,
                            .source_identity = s->source_identity,
                            .mfa_serial = s->mfa_serial,
                            .token_file = s->web_identity_token_file,
                            .duration_s = s->grants ? 0 : s->duration_ms / 1000};
}

static int role_keys(const struct cred_context *c, const struct settings *s,
                     struct key_source **out, struct buf *why) {
  struct key_source *base = NULL;
  struct cred_role role;
  int rc;

  to_role(s, &role);
  rc = cred_role_check(&role, why);
  if (rc == 0 && s->credential_source != NULL)
    rc = cred_surrounding_new(c, s->credential_source, &base, why);
  else if (rc == 0 && role.token_file == NULL)
    rc = cred_default_new(c, s->profile, &base);
  if (rc == 0)
    rc = cred_role_new(c, &role, s->profile, base, out);
  if (rc != 0)
    key_source_free(base);
  return rc;
}

int assume_keys(const struct cred_context *c, const struct settings *s, struct key_source **out,
                struct buf *why) {
  int rc = check_companions(s, why);

  if (rc == 0)
    rc = check_sources(s, why);
  if (rc != 0)
    return rc;
  return s->role_arn != NULL ? role_keys(c, s, out, why) : cred_default_new(c, s->profile, out);
}

void assume_name(const struct settings *s, struct buf *out) {
  if (s->role_arn != NULL) {
    buf_printf(out, "role %s", s->role_arn);
    if (s->role_session_name != NULL)
      buf_printf(out, " (%s)", s->role_session_name);
    if (s->source_identity != NULL)
      buf_printf(out, " for %s", s->source_identity);
    buf_puts(out, s->mfa_serial != NULL ? " with MFA of " : " of ");
  }
  if (s->web_identity_token_file != NULL)
    buf_printf(out, "web identity %s", s->web_identity_token_file);
  else if (s->credential_source != NULL)
    buf_puts(out, s->credential_source);
  else if (s->profile != NULL)
    buf_printf(out, "profile %s", s->profile);
  else
    buf_puts(out, "default credentials");
}

void assume_key(const struct settings *s, struct buf *out) {
  const char *const parts[] = {s->profile,
                               s->role_arn,
                               s->role_session_name,
                               s->external_id,
                               s->source_identity,
                               s->mfa_serial,
                               s->credential_source,
                               s->region,
                               s->sts_endpoint_url,
                               s->web_identity_token_file,
                               s->config_file,
                               s->credentials_file,
                               s->container_token_file,
                               s->container_credentials_uri};

  for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
    buf_printf(out, "%s\n", parts[i] != NULL ? parts[i] : "");
  buf_printf(out, "%d%d%lld", s->fips, s->dualstack,
             s->role_arn != NULL && !s->grants ? (long long)s->duration_ms : 0);
}
