/* Profiles that are roles: role_arn with source_profile or credential_source, or
 * with web_identity_token_file (AWS SDKs and Tools Reference Guide, "Assume role
 * credential provider").
 *
 * A source profile with static keys ends the way, also when it names a role
 * itself; so a profile may be its own source. Any other return is a loop. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fail.h"
#include "profile_way.h"
#include "s3apfs/base/text.h"

static int fail(const struct aws_profile *p, const char *what, struct s3_error *error) {
  return cred_fail(error, -EINVAL, CRED_INVALID, "profile %s: %s", aws_profile_name(p), what);
}

static int read_duration(const struct aws_profile *p, int64_t *out, struct s3_error *error) {
  const char *text = aws_profile_get(p, "duration_seconds");
  uint64_t v = 0;

  if (text != NULL && (text_parse_u64(text, &v) != 0 || v < 900 || v > 43200))
    return fail(p, "duration_seconds is no number from 900 to 43200", error);
  *out = (int64_t)v;
  return 0;
}

static int assume(struct profile_way *way, const struct aws_profile *p, const char *token_file,
                  struct keys *base, struct keys **out, struct s3_error *error) {
  char *who = text_printf("profile %s", aws_profile_name(p));
  struct role_step step = {.who = who,
                           .profile = way->top,
                           .memory = way->memory,
                           .role = {.arn = aws_profile_get(p, "role_arn"),
                                    .session_name = aws_profile_get(p, "role_session_name"),
                                    .external_id = aws_profile_get(p, "external_id"),
                                    .source_identity = aws_profile_get(p, "source_identity"),
                                    .mfa_serial = aws_profile_get(p, "mfa_serial"),
                                    .token_file = token_file}};
  int rc = who == NULL ? cred_fail(error, -ENOMEM, CRED_INVALID, "profile: no memory")
                       : read_duration(p, &step.role.duration_s, error);

  if (rc == 0)
    rc = role_assume(way->context, &step, base, out, error);
  free(who);
  return rc;
}

int profile_web_keys(struct profile_way *way, const struct aws_profile *p, struct keys **out,
                     struct s3_error *error) {
  if (aws_profile_get(p, "role_arn") == NULL)
    return fail(p, "web_identity_token_file is set but role_arn is not", error);
  return assume(way, p, aws_profile_get(p, "web_identity_token_file"), NULL, out, error);
}

/* --- by another profile ------------------------------------------------------------------ */

static int fail_loop(const struct profile_way *way, const char *source, struct s3_error *error) {
  struct buf names;
  int rc;

  buf_init(&names, 4096);
  for (size_t i = 0; i < way->count; i++)
    buf_printf(&names, "%s -> ", aws_profile_name(way->steps[i]));
  rc = cred_fail(error, -EINVAL, CRED_INVALID, "profile %s: source_profile goes in a loop: %s%s",
                 aws_profile_name(way->top), buf_cstr(&names), source);
  buf_fini(&names);
  return rc;
}

static bool is_visited(const struct profile_way *way, const char *name) {
  for (size_t i = 0; i < way->count; i++)
    if (strcmp(aws_profile_name(way->steps[i]), name) == 0)
      return true;
  return false;
}

static int keys_of_source(struct profile_way *way, const struct aws_profile *source,
                          struct keys **out, struct s3_error *error) {
  int rc;

  if (way->count == PROFILE_STEPS_MAX)
    return fail(way->top, "source_profile leads over more than 16 profiles", error);
  way->steps[way->count++] = source;
  if (profile_is_role(source) && !profile_has_static_keys(source))
    rc = profile_role_keys(way, source, out, error);
  else
    rc = profile_own_keys(way, source, out, error);
  way->count--;
  return rc;
}

static int from_profile(struct profile_way *way, const struct aws_profile *p, const char *name,
                        struct keys **out, struct s3_error *error) {
  struct aws_profile *source = NULL;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = aws_profile_load(&way->context->env, name, &source, &why);
  if (rc != 0)
    rc = fail(p, why.len > 0 ? buf_cstr(&why) : strerror(-rc), error);
  else if (!aws_profile_exists(source))
    rc = cred_fail(error, -EINVAL, CRED_INVALID, "profile %s: there is no source_profile %s",
                   aws_profile_name(p), name);
  else if (is_visited(way, name) &&
           (strcmp(aws_profile_name(p), name) != 0 || !profile_has_static_keys(source)))
    rc = fail_loop(way, name, error);
  else
    rc = keys_of_source(way, source, out, error);
  if (rc == -ENOENT)
    rc = cred_fail(error, -EINVAL, CRED_INVALID, "profile %s: source_profile %s has no credentials",
                   aws_profile_name(p), name);
  aws_profile_free(source);
  buf_fini(&why);
  return rc;
}

/* --- by what surrounds the process --------------------------------------------------------- */

static int new_surrounding(const struct cred_context *c, const char *name,
                           struct key_source **out) {
  if (strcasecmp(name, "Environment") == 0)
    return cred_environment_new(&c->env, out);
  if (strcasecmp(name, "EcsContainer") == 0)
    return cred_container_new(c, 0, out);
  if (strcasecmp(name, "Ec2InstanceMetadata") == 0)
    return cred_imds_new(c, out);
  return -EINVAL;
}

int cred_surrounding_new(const struct cred_context *c, const char *name, struct key_source **out,
                         struct buf *why) {
  int rc = new_surrounding(c, name, out);

  if (rc == -EINVAL)
    buf_printf(why,
               "credential_source is '%s', not one of Environment, Ec2InstanceMetadata, "
               "EcsContainer",
               name);
  return rc;
}

static int from_surrounding(struct profile_way *way, const struct aws_profile *p, const char *name,
                            struct keys **out, struct s3_error *error) {
  struct key_source *s = NULL;
  struct buf why;
  int rc;

  buf_init(&why, 4096);
  rc = cred_surrounding_new(way->context, name, &s, &why);
  if (rc != 0)
    rc = fail(p, why.len > 0 ? buf_cstr(&why) : strerror(-rc), error);
  else
    rc = key_source_get(s, out, error);
  key_source_free(s);
  if (rc == -ENOENT)
    rc = cred_fail(error, -EINVAL, CRED_INVALID,
                   "profile %s: credential_source %s has no credentials: %s", aws_profile_name(p),
                   name, error != NULL ? error->message : "");
  buf_fini(&why);
  return rc;
}

int profile_role_keys(struct profile_way *way, const struct aws_profile *p, struct keys **out,
                      struct s3_error *error) {
  const char *profile = aws_profile_get(p, "source_profile");
  const char *surrounding = aws_profile_get(p, "credential_source");
  struct keys *base = NULL;
  int rc;

  if (profile != NULL && surrounding != NULL)
    return fail(p, "source_profile and credential_source exclude each other", error);
  if (profile != NULL)
    rc = from_profile(way, p, profile, &base, error);
  else if (surrounding != NULL)
    rc = from_surrounding(way, p, surrounding, &base, error);
  else
    rc = fail(p, "role_arn needs source_profile or credential_source", error);
  if (rc == 0)
    rc = assume(way, p, NULL, base, out, error);
  keys_unref(base);
  return rc;
}
