/* sts:AssumeRole (STS API reference; IAM user guide, "Role trust policies",
 * "Passing session tags", "Monitor and control actions taken with assumed roles").
 *
 * Order: the parameters are checked, the MFA code is used up, then sts:AssumeRole,
 * and sts:TagSession, sts:SetSourceIdentity and sts:SetContext where asked for, must be allowed
 * by the trust policy and, unless that names the caller in his own account, by
 * the caller's identity policies; then limits of duration; then the session. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "sts_internal.h"

#define DURATION_MIN 900
#define DURATION_MAX 43200
#define DURATION_DEFAULT 3600
#define CHAINED_MAX 3600 /* a role assumed from a role */
#define POLICY_MAX 2048
#define TAGS_MAX 50
#define CONTEXT_PROVIDER "arn:aws:iam::aws:contextProvider/IdentityCenter"

struct wanted {
  struct role *role; /* NULL: there is no such role */
  const char *role_arn;
  const char *session_name;
  int64_t duration;
  const char *source_identity; /* "" when none */
  struct kvlist tags;          /* asked for */
  struct kvlist transitive;    /* the part of tags that is transitive */
  const struct sso_user *user; /* whose identity context came with this call, or NULL */
  bool mfa;                    /* a code came with this call */
};

static int invalid(struct control *c, const char *name, const char *value) {
  return control_error(c, 400, "ValidationError",
                       "1 validation error detected: Value '%s' at '%s' failed to satisfy "
                       "constraint",
                       value, name);
}

bool sts_valid_name(const char *s) {
  size_t len = strlen(s);

  for (const char *p = s; *p != '\0'; p++) {
    if (!isalnum((unsigned char)*p) && strchr("_+=,.@-", *p) == NULL)
      return false;
  }
  return len >= 2 && len <= 64;
}

/* --- parameters --- */

static int read_tags(struct control *c, struct kvlist *out) {
  for (int i = 1; i <= TAGS_MAX; i++) {
    char key[40];
    char value[40];
    const char *k;

    snprintf(key, sizeof(key), "Tags.member.%d.Key", i);
    snprintf(value, sizeof(value), "Tags.member.%d.Value", i);
    k = sts_param(c, key);
    if (*k == '\0')
      return 0;
    if (kvlist_get_ci(out, k) != NULL)
      return control_error(c, 400, "InvalidParameterValue",
                           "Duplicate tag keys found. Please note that Tag keys are case "
                           "insensitive.");
    if (kvlist_add(out, k, sts_param(c, value)) != 0)
      return control_no_memory(c);
  }
  return invalid(c, "tags", "more than 50");
}

static int read_transitive(struct control *c, struct wanted *w) {
  for (int i = 1; i <= TAGS_MAX; i++) {
    char name[40];
    const char *key;
    const char *value;

    snprintf(name, sizeof(name), "TransitiveTagKeys.member.%d", i);
    key = sts_param(c, name);
    if (*key == '\0')
      break;
    value = kvlist_get_ci(&w->tags, key);
    if (value == NULL)
      return control_error(c, 400, "InvalidParameterValue",
                           "The transitive tag key %s is not among the requested session tags.",
                           key);
    if (kvlist_add(&w->transitive, key, value) != 0)
      return control_no_memory(c);
  }
  return 0;
}

/* Who it is about is in the assertion, which only Identity Center's makers can write. */
static int read_context(struct control *c, struct wanted *w) {
  const char *provider = sts_param(c, "ProvidedContexts.member.1.ProviderArn");
  const char *assertion = sts_param(c, "ProvidedContexts.member.1.ContextAssertion");

  if (*provider == '\0' && *assertion == '\0')
    return 0;
  if (strcmp(provider, CONTEXT_PROVIDER) != 0)
    return invalid(c, "providedContexts.1.member.providerArn", provider);
  if (*sts_param(c, "ProvidedContexts.member.2.ProviderArn") != '\0')
    return invalid(c, "providedContexts", "more than 1 of a provider");
  w->user = world_asserted_user_locked(c->w, assertion);
  if (w->user == NULL)
    return control_error(c, 400, "InvalidParameterValue",
                         "The context assertion is not one of the provider %s.", provider);
  return 0;
}

static int read_wanted(struct control *c, struct wanted *w) {
  const char *external_id = sts_param(c, "ExternalId");
  size_t id_len = strlen(external_id);

  w->role_arn = sts_param(c, "RoleArn");
  w->session_name = sts_param(c, "RoleSessionName");
  w->source_identity = sts_param(c, "SourceIdentity");
  if (strlen(w->role_arn) < 20 || strlen(w->role_arn) > 2048)
    return invalid(c, "roleArn", w->role_arn);
  if (!sts_valid_name(w->session_name))
    return invalid(c, "roleSessionName", w->session_name);
  if (*w->source_identity != '\0' && !sts_valid_name(w->source_identity))
    return invalid(c, "sourceIdentity", w->source_identity);
  if (id_len > 0 && (id_len < 2 || id_len > 1224))
    return invalid(c, "externalId", external_id);
  if (*sts_param(c, "PolicyArns.member.1.arn") != '\0')
    return control_error(c, 400, "ValidationError",
                         "Managed session policies (PolicyArns) are not offered here.");
  if (sts_read_duration(c, DURATION_MIN, DURATION_MAX, DURATION_DEFAULT, &w->duration) != 0 ||
      read_tags(c, &w->tags) != 0 || read_transitive(c, w) != 0 || read_context(c, w) != 0)
    return -EPROTO;
  w->role = world_role_by_arn_locked(c->w, w->role_arn);
  return sts_check_mfa(c, &w->mfa);
}

/* --- who may --- */

static int refuse_unknown(struct control *c, const char *role_arn) {
  struct buf who;

  buf_init(&who, 0);
  credential_arn(c->caller, &who);
  control_write_error(c, 403, "AccessDenied",
                      "User: %s is not authorized to perform: sts:AssumeRole on resource: %s",
                      buf_cstr(&who), role_arn);
  buf_fini(&who);
  return -EPROTO;
}

static void add_context(struct control *c, const struct wanted *w, struct context *out) {
  const char *external_id = sts_param(c, "ExternalId");

  context_add(out, "sts:RoleSessionName", w->session_name);
  if (*external_id != '\0')
    context_add(out, "sts:ExternalId", external_id);
  if (*w->source_identity != '\0')
    context_add(out, "sts:SourceIdentity", w->source_identity);
  if (w->user != NULL)
    context_add(out, "sts:RequestContextProviders", CONTEXT_PROVIDER);
  context_add_tags(out, "aws:RequestTag", &w->tags);
  for (size_t i = 0; i < w->tags.count; i++)
    context_add(out, "aws:TagKeys", w->tags.items[i].name);
  for (size_t i = 0; i < w->transitive.count; i++)
    context_add(out, "sts:TransitiveTagKeys", w->transitive.items[i].name);
  /* A long-lived key carries no MFA keys of its own; the code in this call
   * gives them. */
  if (w->mfa && c->caller->token == NULL) {
    context_add_bool(out, "aws:MultiFactorAuthPresent", true);
    context_add(out, "aws:MultiFactorAuthAge", "0");
  }
}

static int authorize(struct control *c, const struct wanted *w, const struct context *extra) {
  const char *actions[4] = {"sts:AssumeRole"};
  size_t count = 1;
  int rc = 0;

  if (w->tags.count > 0)
    actions[count++] = "sts:TagSession";
  if (*w->source_identity != '\0')
    actions[count++] = "sts:SetSourceIdentity";
  if (w->user != NULL)
    actions[count++] = "sts:SetContext";
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = control_authorize_layer(c, actions[i], POLICY_LAYER_TRUST, w->role->arn,
                                 w->role->account->id, &w->role->trust, extra);
  return rc;
}

static int check_may(struct control *c, const struct wanted *w) {
  struct context extra;
  int rc;

  if (c->caller->role == NULL && c->caller->user == NULL)
    return control_error(c, 403, "AccessDenied", "Roles may not be assumed by root accounts.");
  if (w->role == NULL)
    return refuse_unknown(c, w->role_arn);
  context_init(&extra);
  add_context(c, w, &extra);
  rc = extra.err != 0 ? control_no_memory(c) : authorize(c, w, &extra);
  context_fini(&extra);
  return rc;
}

static int check_limits(struct control *c, const struct wanted *w) {
  if (w->duration > w->role->max_session)
    return control_error(c, 400, "ValidationError",
                         "The requested DurationSeconds exceeds the MaxSessionDuration set for "
                         "this role.");
  if (c->caller->role != NULL && w->duration > CHAINED_MAX)
    return control_error(c, 400, "ValidationError",
                         "The requested DurationSeconds exceeds the 1 hour session limit for "
                         "roles assumed by role chaining.");
  if (c->caller->source_identity != NULL && *w->source_identity != '\0' &&
      strcmp(c->caller->source_identity, w->source_identity) != 0)
    return control_error(c, 403, "AccessDenied",
                         "The source identity of this session cannot be changed.");
  return 0;
}

/* --- the session --- */

static int set_policy(struct control *c, struct credential *session) {
  const char *text = sts_param(c, "Policy");
  struct buf why;
  int rc;

  if (*text == '\0')
    return 0;
  if (strlen(text) > POLICY_MAX)
    return control_error(c, 400, "PackedPolicyTooLarge",
                         "Packed policy consumes %zu%% of allotted space, please use smaller "
                         "policy.",
                         strlen(text) * 100 / POLICY_MAX);
  buf_init(&why, 0);
  rc = document_set(&session->session_policy, text, strlen(text), &why);
  if (rc != 0)
    rc = control_error(c, 400, "MalformedPolicyDocument", "%s", buf_cstr(&why));
  buf_fini(&why);
  return rc;
}

/* Requested tags, and those that the calling session passes on. */
static int set_tags(const struct credential *caller, const struct wanted *w,
                    struct credential *session) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < w->tags.count; i++)
    rc = kvlist_add(&session->session_tags, w->tags.items[i].name, w->tags.items[i].value);
  for (size_t i = 0; rc == 0 && i < w->transitive.count; i++)
    rc = kvlist_add(&session->transitive_tags, w->transitive.items[i].name,
                    w->transitive.items[i].value);
  for (size_t i = 0; rc == 0 && i < caller->transitive_tags.count; i++) {
    const struct kv *t = &caller->transitive_tags.items[i];

    rc = kvlist_set_ci(&session->session_tags, t->name, t->value);
    if (rc == 0)
      rc = kvlist_set_ci(&session->transitive_tags, t->name, t->value);
  }
  return rc;
}

static int set_source_identity(const struct credential *caller, const struct wanted *w,
                               struct credential *session) {
  const char *s = *w->source_identity != '\0' ? w->source_identity : caller->source_identity;

  if (s == NULL)
    return 0;
  session->source_identity = strdup(s);
  return session->source_identity == NULL ? -ENOMEM : 0;
}

static int set_directory_user(const struct wanted *w, struct credential *session) {
  session->directory_user = w->user != NULL ? strdup(w->user->id) : NULL;
  return w->user != NULL && session->directory_user == NULL ? -ENOMEM : 0;
}

static void write_session(struct control *c, const struct credential *session) {
  struct buf *out = control_open(c, "AssumeRole");

  control_write_credentials(out, session);
  sts_write_assumed_role(out, session);
  if (session->session_policy.text != NULL || session->session_tags.count > 0)
    xml_element_u64(out, "PackedPolicySize",
                    session->session_policy.text != NULL
                        ? 1 + strlen(session->session_policy.text) * 99 / POLICY_MAX
                        : 1);
  if (session->source_identity != NULL)
    xml_element(out, "SourceIdentity", session->source_identity);
  control_close(c, "AssumeRole");
}

static int issue(struct control *c, const struct wanted *w) {
  struct session_wish wish = {.account = w->role->account,
                              .role = w->role,
                              .name = w->session_name,
                              .duration = w->duration};
  struct credential *session;
  int rc;

  if (world_add_session_locked(c->w, &wish, &session) != 0)
    return control_no_memory(c);
  rc = set_policy(c, session);
  if (rc == 0 &&
      (set_tags(c->caller, w, session) != 0 || set_source_identity(c->caller, w, session) != 0 ||
       set_directory_user(w, session) != 0))
    rc = control_no_memory(c);
  if (rc != 0) {
    world_remove_credential_locked(c->w, session);
    return rc;
  }
  session->mfa = w->mfa || (c->caller->user != NULL && c->caller->mfa);
  session->mfa_time = w->mfa ? world_now(c->w) : c->caller->mfa_time;
  world_touch_locked(c->w);
  write_session(c, session);
  return 0;
}

int sts_assume_role(struct control *c) {
  struct wanted w = {0};
  int rc;

  if (c->caller == NULL)
    return control_error(c, 403, "MissingAuthenticationToken",
                         "Request is missing Authentication Token");
  kvlist_init(&w.tags);
  kvlist_init(&w.transitive);
  rc = read_wanted(c, &w);
  if (rc == 0)
    rc = check_may(c, &w);
  if (rc == 0)
    rc = check_limits(c, &w);
  if (rc == 0)
    rc = issue(c, &w);
  kvlist_fini(&w.tags);
  kvlist_fini(&w.transitive);
  return rc;
}
