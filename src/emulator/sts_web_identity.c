/* sts:AssumeRoleWithWebIdentity (STS API reference; IAM user guide, "Available keys
 * for AWS web identity federation").
 *
 * Nobody signs it: the token is the proof. Its issuer must be an OpenID Connect
 * provider of the role's account, its signature that of one of the provider's
 * keys, its audience one of the provider's clients, its time now; then the role's
 * trust policy decides over the provider as a federated principal, with the
 * token's aud and sub as conditions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jwt.h"
#include "s3apfs/base/text.h"
#include "sts_internal.h"

#define DURATION_MIN 900
#define DURATION_MAX 43200
#define DURATION_DEFAULT 3600

struct web_identity {
  struct role *role; /* NULL: there is no such role */
  const struct oidc_provider *provider;
  struct jwt token;
  const char *audience; /* in the token */
  int64_t duration;
};

/* Without the scheme, as providers are named. */
static const char *issuer_name(const char *url) {
  return text_has_prefix(url, "https://") ? url + 8 : url;
}

static bool is_client(const struct oidc_provider *p, const char *audience) {
  return audience != NULL && kvlist_get(&p->client_ids, audience) != NULL;
}

/* aud is one name or a list of them. */
static const char *find_audience(const struct oidc_provider *p, const struct jwt *j) {
  const cJSON *aud = cJSON_GetObjectItemCaseSensitive(j->claims, "aud");
  int count = cJSON_IsArray(aud) ? cJSON_GetArraySize(aud) : 0;

  if (is_client(p, cJSON_GetStringValue(aud)))
    return cJSON_GetStringValue(aud);
  for (int i = 0; i < count; i++) {
    const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(aud, i));

    if (is_client(p, name))
      return name;
  }
  return NULL;
}

static int check_time(struct control *c, const struct jwt *j) {
  int64_t now = world_now(c->w);
  int64_t end = jwt_time(j, "exp");
  char text[21];
  char until[21];

  if (end == 0)
    return control_error(c, 400, "InvalidIdentityToken", "Missing a required claim: exp");
  text_iso8601(now, text);
  text_iso8601(end, until);
  if (end <= now)
    return control_error(c, 400, "ExpiredTokenException",
                         "Token expired: current date/time %s must be before the expiration "
                         "date/time %s",
                         text, until);
  return 0;
}

static int check_token(struct control *c, struct web_identity *w) {
  const char *issuer = jwt_claim(&w->token, "iss");
  const char *pem;

  w->provider = w->role != NULL
                    ? oidc_provider_find(w->role->account->oidc_providers, issuer_name(issuer))
                    : NULL;
  if (w->provider == NULL)
    return control_error(c, 400, "InvalidIdentityToken",
                         "No OpenIDConnect provider found in your account for %s", issuer);
  pem = kvlist_get(&w->provider->keys, jwt_header(&w->token, "kid"));
  if (pem == NULL || jwt_verify(&w->token, pem) != 0)
    return control_error(c, 400, "InvalidIdentityToken",
                         "Couldn't verify the token's signature by the keys of your identity "
                         "provider.");
  w->audience = find_audience(w->provider, &w->token);
  if (w->audience == NULL)
    return control_error(c, 400, "InvalidIdentityToken", "Incorrect token audience");
  if (*jwt_claim(&w->token, "sub") == '\0')
    return control_error(c, 400, "InvalidIdentityToken", "Missing a required claim: sub");
  return check_time(c, &w->token);
}

static void add_context(struct control *c, const struct web_identity *w, struct context *out) {
  struct connection connection = {c->q->endpoint_id, c->q->source_ip, c->q->secure,
                                  c->q->user_agent};

  context_add_connection_locked(out, c->w, &connection);
  context_add_resource_locked(out, c->w, w->role->account->id);
  context_add(out, "sts:RoleSessionName", sts_param(c, "RoleSessionName"));
  context_add(out, "aws:FederatedProvider", w->provider->arn);
  context_addf(out, "aws:EpochTime", "%lld", (long long)world_now(c->w));
  for (size_t i = 0; i < 2; i++) {
    char *key = text_printf("%s:%s", w->provider->issuer, i == 0 ? "aud" : "sub");

    if (key == NULL)
      out->err = -ENOMEM;
    else
      context_add(out, key, i == 0 ? w->audience : jwt_claim(&w->token, "sub"));
    free(key);
  }
}

static int check_trust(struct control *c, const struct web_identity *w) {
  struct policy_decision d = {0};
  struct context context;
  int err;

  context_init(&context);
  add_context(c, w, &context);
  err = context.err;
  if (err == 0 && w->role->trust.policy != NULL) {
    struct policy_request q = {.principal = {.federated = w->provider->arn},
                               .action = "sts:AssumeRoleWithWebIdentity",
                               .resource = w->role->arn,
                               .context = context.keys,
                               .context_count = context.count};

    policy_evaluate_resource(w->role->trust.policy, &q, &d);
  }
  context_fini(&context);
  if (err != 0)
    return control_no_memory(c);
  if (d.effect != POLICY_ALLOW || d.via != POLICY_VIA_PRINCIPAL)
    return control_error(c, 403, "AccessDenied",
                         "Not authorized to perform sts:AssumeRoleWithWebIdentity");
  return 0;
}

static void write_session(struct control *c, const struct web_identity *w,
                          const struct credential *session) {
  struct buf *out = control_open(c, "AssumeRoleWithWebIdentity");

  xml_element(out, "SubjectFromWebIdentityToken", jwt_claim(&w->token, "sub"));
  xml_element(out, "Audience", w->audience);
  xml_element(out, "Provider", w->provider->arn);
  control_write_credentials(out, session);
  sts_write_assumed_role(out, session);
  control_close(c, "AssumeRoleWithWebIdentity");
}

static int issue(struct control *c, const struct web_identity *w) {
  struct session_wish wish = {.account = w->role->account,
                              .role = w->role,
                              .name = sts_param(c, "RoleSessionName"),
                              .duration = w->duration};
  struct credential *session;

  if (w->duration > w->role->max_session)
    return control_error(c, 400, "ValidationError",
                         "The requested DurationSeconds exceeds the MaxSessionDuration set for "
                         "this role.");
  if (world_add_session_locked(c->w, &wish, &session) != 0)
    return control_no_memory(c);
  world_touch_locked(c->w);
  write_session(c, w, session);
  return 0;
}

int sts_assume_role_with_web_identity(struct control *c) {
  struct web_identity w = {0};
  int rc;

  if (!sts_valid_name(sts_param(c, "RoleSessionName")))
    return control_error(c, 400, "ValidationError",
                         "1 validation error detected: Value at 'roleSessionName' failed to "
                         "satisfy constraint");
  rc = sts_read_duration(c, DURATION_MIN, DURATION_MAX, DURATION_DEFAULT, &w.duration);
  if (rc != 0)
    return rc;
  if (jwt_parse(sts_param(c, "WebIdentityToken"), &w.token) != 0)
    return control_error(c, 400, "InvalidIdentityToken",
                         "The ID Token provided is not a valid JWT. (You may see this error if you "
                         "sent an Access Token)");
  w.role = world_role_by_arn_locked(c->w, sts_param(c, "RoleArn"));
  rc = check_token(c, &w);
  if (rc == 0)
    rc = check_trust(c, &w);
  if (rc == 0)
    rc = issue(c, &w);
  jwt_fini(&w.token);
  return rc;
}
