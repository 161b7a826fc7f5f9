/* A profile's sign-on (AWS SDKs and Tools Reference Guide, "IAM Identity Center
 * credential provider").
 *
 * With sso_session the token is cached under the session's name and can be renewed;
 * the older form, sso_start_url in the profile, has neither. A token is renewed when
 * less than 15 minutes are left; when that fails it is used to its end. Nobody is
 * sent to a browser from here: `aws sso login` signs on, and every program finds the
 * token.
 *
 * A refresh token is good once. When it is refused, either another program has used it
 * and has left the next one in the file, or the reply with that was lost: then a line
 * says that somebody has to sign on, and each get looks for what that leaves. */
#include "sso.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "fetch.h"
#include "s3apfs/aws/partition.h"
#include "s3apfs/aws/sso_json.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/settings.h"
#include "seldom.h"
#include "sso_refused.h"

#define TOKEN_MAX ((size_t)64 << 10)
#define RENEW_LEFT_S (15 * 60)
#define RENEW_EVERY_S 60 /* at most, whoever asks and however it ends */
#define TIMEOUT_MS 10000
#define ATTEMPTS 2
#define STEPS 2 /* a new token, keys */

struct sso {
  const struct cred_context *context;
  const struct aws_profile *top;
  const char *profile;
  const char *session; /* NULL: the older form */
  const char *start_url;
  const char *region;
  const char *account;
  const char *role;
  int64_t until_mono_ms; /* for both steps */
  char *path;            /* of the cached token */
  struct buf document;
  struct sso_token token;
  bool refused; /* asked for a new one, the service said that there will be none */
};

bool sso_is_configured(const struct aws_profile *p) {
  static const char *const settings[] = {"sso_session", "sso_start_url", "sso_account_id",
                                         "sso_role_name"};

  for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
    if (aws_profile_get(p, settings[i]) != NULL)
      return true;
  return false;
}

static int64_t now_s(const struct sso *s) {
  return s->context->caller != NULL ? caller_now(s->context->caller)
                                    : clock_wall_ms(&clock_system) / 1000;
}

static int fail(const struct sso *s, int rc, const char *what, struct s3_error *error) {
  return cred_fail(error, rc, CRED_INVALID, "profile %s: SSO: %s", s->profile, what);
}

static int fail_ended(const struct sso *s, const char *what, struct s3_error *error) {
  if (s->session != NULL)
    return cred_fail(error, -EACCES, CRED_EXPIRED,
                     "profile %s: SSO: %s; run: aws sso login --sso-session %s", s->profile, what,
                     s->session);
  return cred_fail(error, -EACCES, CRED_EXPIRED,
                   "profile %s: SSO: %s; run: aws sso login --profile %s", s->profile, what,
                   s->profile);
}

/* --- configuration ------------------------------------------------------------------------ */

static int need(const struct sso *s, const char *value, const char *name, struct s3_error *error) {
  if (value != NULL)
    return 0;
  return cred_fail(error, -EINVAL, CRED_INVALID, "profile %s: SSO: %s is missing", s->profile,
                   name);
}

/* A value may stand in the profile too, but not another one. */
static int same(const struct sso *s, const struct aws_profile *p, const char *name,
                const char *value, struct s3_error *error) {
  const char *own = aws_profile_get(p, name);

  if (own == NULL || value == NULL || strcmp(own, value) == 0)
    return 0;
  return cred_fail(error, -EINVAL, CRED_INVALID,
                   "profile %s: SSO: %s is not that of [sso-session %s]", s->profile, name,
                   s->session);
}

static int read_session(struct sso *s, const struct aws_profile *p, struct s3_error *error) {
  int rc = 0;

  if (s->session == NULL)
    return 0;
  if (!aws_profile_has_section(p, "sso-session", s->session))
    return cred_fail(error, -EINVAL, CRED_INVALID,
                     "profile %s: SSO: there is no section [sso-session %s] in %s", s->profile,
                     s->session, aws_profile_config_path(p));
  s->start_url = aws_profile_section_get(p, "sso-session", s->session, NULL, "sso_start_url");
  s->region = aws_profile_section_get(p, "sso-session", s->session, NULL, "sso_region");
  rc = same(s, p, "sso_start_url", s->start_url, error);
  return rc == 0 ? same(s, p, "sso_region", s->region, error) : rc;
}

static int find_path(struct sso *s, struct s3_error *error) {
  const char *home = cred_env_get(&s->context->env, "HOME");
  const char *name = s->session != NULL ? s->session : s->start_url;
  uint8_t hash[DIGEST_MAX];
  struct buf hex;

  if (home == NULL)
    return fail(s, -EINVAL, "there is no home directory with a token", error);
  if (digest_once(DIGEST_SHA1, name, strlen(name), hash) != 0)
    return fail(s, -ENOMEM, "no memory", error);
  buf_init(&hex, 0);
  text_hex(&hex, hash, digest_size(DIGEST_SHA1));
  s->path = text_printf("%s/.aws/sso/cache/%s.json", home, buf_cstr(&hex));
  buf_fini(&hex);
  return s->path != NULL ? 0 : fail(s, -ENOMEM, "no memory", error);
}

static int configure(struct sso *s, const struct aws_profile *p, struct s3_error *error) {
  int rc = read_session(s, p, error);

  if (rc == 0)
    rc = need(s, s->start_url, "sso_start_url", error);
  if (rc == 0)
    rc = need(s, s->region, "sso_region", error);
  if (rc == 0)
    rc = need(s, s->account, "sso_account_id", error);
  if (rc == 0)
    rc = need(s, s->role, "sso_role_name", error);
  if (rc == 0 && strspn(s->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s->region))
    rc = fail(s, -EINVAL, "sso_region is no Region's name", error);
  return rc == 0 ? find_path(s, error) : rc;
}

/* --- requests ----------------------------------------------------------------------------- */

/* A service's own endpoint, or the one that is configured; the caller's to free. */
static int endpoint_of(const struct sso *s, enum aws_service service, const char *host, char **out,
                       struct s3_error *error) {
  const char *url = NULL;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = aws_settings_endpoint_url(&s->context->env, s->top, service, &url, &why);
  if (rc != 0)
    rc = fail(s, rc, buf_cstr(&why), error);
  buf_fini(&why);
  if (rc != 0)
    return rc;
  *out = url != NULL ? text_printf("%.*s", (int)(strlen(url) - text_has_suffix(url, "/")), url)
                     : text_printf("https://%s.%s.%s", host, s->region,
                                   partition_of_region(s->region)->dns_suffix);
  return *out != NULL ? 0 : fail(s, -ENOMEM, "no memory", error);
}

static int send(const struct sso *s, struct fetch_request *q, int *status, struct buf *body) {
  int rc = -EIO;

  q->ca_bundle = aws_settings_ca_bundle(&s->context->env, s->top);
  q->timeout_ms = TIMEOUT_MS;
  q->until_mono_ms = s->until_mono_ms;
  for (int i = 0; i < ATTEMPTS; i++) {
    buf_wipe(body);
    buf_init(body, TOKEN_MAX);
    rc = fetch(q, status, body);
    if (rc == 0 && *status < 500 && *status != 429)
      break;
  }
  return rc;
}

static int fail_send(const struct sso *s, const char *url, int rc, struct s3_error *error) {
  return cred_fail(error, rc == -ENOENT ? -EIO : rc, CRED_INVALID,
                   "profile %s: SSO: %s cannot be asked: %s", s->profile, url, strerror(-rc));
}

/* --- the token ---------------------------------------------------------------------------- */

static int load_token(struct sso *s, struct s3_error *error) {
  struct buf why;
  int rc = file_read(s->path, &s->document);

  if (rc == -ENOENT || rc == -ENOTDIR)
    return fail_ended(s, "nobody has signed on yet", error);
  if (rc != 0)
    return cred_fail(error, rc, CRED_INVALID, "profile %s: SSO: the token %s cannot be read: %s",
                     s->profile, s->path, strerror(-rc));
  buf_init(&why, 0);
  rc = sso_token_parse(buf_cstr(&s->document), s->document.len, &s->token, &why);
  if (rc != 0)
    rc = cred_fail(error, rc, CRED_INVALID, "profile %s: SSO: the token %s is malformed: %s",
                   s->profile, s->path, buf_cstr(&why));
  buf_fini(&why);
  return rc;
}

static bool is_renewable(const struct sso *s) {
  const struct sso_token *t = &s->token;

  return s->session != NULL && t->refresh_token != NULL && !sso_refused_is(t->refresh_token) &&
         t->client_id != NULL && t->client_secret != NULL &&
         (t->registration_expires == 0 || t->registration_expires > now_s(s));
}

static int take_renewed(struct sso *s, const char *url, int status, const struct buf *body,
                        struct s3_error *error) {
  struct buf why;
  int rc;

  s->refused = status != 200 && sso_token_is_refused(buf_cstr(body), body->len);
  if (status != 200)
    return cred_fail(error, -EACCES, CRED_INVALID,
                     "profile %s: SSO: %s answered with status %d when asked for a new token",
                     s->profile, url, status);
  buf_init(&why, 0);
  rc = sso_token_renewed(&s->token, buf_cstr(body), body->len, now_s(s), &s->document, &why);
  if (rc != 0)
    rc = cred_fail(error, rc, CRED_INVALID, "profile %s: SSO: %s: %s", s->profile, url,
                   buf_cstr(&why));
  buf_fini(&why);
  if (rc != 0)
    return rc;
  rc = file_write_atomic(s->path, buf_cstr(&s->document), s->document.len, 0600);
  if (rc != 0)
    log_warn("profile %s: SSO: the renewed token cannot be written to %s: %s", s->profile, s->path,
             strerror(-rc));
  return 0;
}

static int renew(struct sso *s, struct s3_error *error) {
  struct fetch_request q = {.method = "POST"};
  struct kvlist headers;
  struct buf request;
  struct buf body;
  char *base = NULL;
  char *url = NULL;
  int status = 0;
  int rc = endpoint_of(s, AWS_SERVICE_SSO_OIDC, "oidc", &base, error);

  if (rc != 0)
    return rc;
  kvlist_init(&headers);
  buf_init(&request, TOKEN_MAX);
  buf_init(&body, TOKEN_MAX);
  url = text_printf("%s/token", base);
  if (url == NULL || kvlist_add(&headers, "content-type", "application/json") != 0 ||
      sso_token_request(&s->token, &request) != 0)
    rc = fail(s, -ENOMEM, "no memory", error);
  q.url = url;
  q.headers = &headers;
  q.body = buf_cstr(&request);
  q.body_len = request.len;
  if (rc == 0) {
    rc = send(s, &q, &status, &body);
    rc = rc != 0 ? fail_send(s, base, rc, error) : take_renewed(s, base, status, &body, error);
  }
  buf_wipe(&body);
  buf_wipe(&request);
  kvlist_fini(&headers);
  free(url);
  free(base);
  return rc;
}

/* What another program may have left meanwhile. */
static int load_again(struct sso *s, struct s3_error *error) {
  sso_token_fini(&s->token);
  buf_wipe(&s->document);
  buf_init(&s->document, TOKEN_MAX);
  return load_token(s, error);
}

static bool is_refused(const struct sso *s) {
  return s->token.refresh_token != NULL && sso_refused_is(s->token.refresh_token);
}

static void tell_refused(const struct sso *s) {
  char until[21];

  text_iso8601(s->token.expires, until);
  log_warn("profile %s: SSO: the sign-on cannot be renewed, because its refresh token is not taken "
           "any more, and ends at %s; run: aws sso login --sso-session %s",
           s->profile, until, s->session);
}

/* The token was to be renewed and was not. */
static int not_renewed(struct sso *s, int rc, struct s3_error *error) {
  bool noted = s->refused && sso_refused_note(s->token.refresh_token);
  bool ended;

  if (s->refused) {
    int again = load_again(s, error);

    if (again != 0)
      return again;
  }
  ended = s->token.expires <= now_s(s);
  if (!ended && noted && is_refused(s))
    tell_refused(s);
  if (rc == -EACCES && ended)
    return fail_ended(s, "the sign-on has ended and cannot be renewed", error);
  return ended ? rc : 0;
}

static int ensure_token(struct sso *s, struct s3_error *error) {
  int rc = load_token(s, error);
  bool ended;

  if (rc != 0 || s->token.expires - now_s(s) >= RENEW_LEFT_S)
    return rc;
  ended = s->token.expires <= now_s(s);
  if (is_renewable(s) && !seldom_allows(s->path, now_s(s), RENEW_EVERY_S))
    return ended ? fail(s, -EIO, "the sign-on has ended; a new token was just asked for", error)
                 : 0;
  if (is_renewable(s)) {
    rc = renew(s, error);
    return rc == 0 ? 0 : not_renewed(s, rc, error);
  }
  if (!ended)
    return 0;
  return fail_ended(
      s, is_refused(s) ? "the sign-on has ended and cannot be renewed" : "the sign-on has ended",
      error);
}

/* --- keys --------------------------------------------------------------------------------- */

/* Renewed keys are another session of the same role. */
static int name_principal(const struct sso *s, struct keys *k) {
  char *who = text_printf("sso %s role %s of account %s", s->start_url, s->role, s->account);
  int rc = who != NULL ? keys_set_who(k, who) : -ENOMEM;

  free(who);
  return rc;
}

static int read_keys(const struct sso *s, const char *url, const struct buf *body,
                     struct keys **out, struct s3_error *error) {
  struct keys *fresh = NULL;
  struct aws_keys k;
  struct buf why;
  char *identity = text_printf("profile %s", s->profile);
  int rc = identity == NULL ? -ENOMEM : 0;

  buf_init(&why, 0);
  if (rc == 0)
    rc = sso_credentials_parse(buf_cstr(body), body->len, &k, &why);
  if (rc == 0) {
    rc = keys_new(k.access_key_id, k.secret_access_key, k.session_token, k.expiration, s->account,
                  identity, &fresh);
    aws_keys_fini(&k);
  }
  if (rc == 0)
    rc = name_principal(s, fresh);
  if (rc == 0) {
    *out = fresh;
  } else {
    keys_unref(fresh);
    rc = cred_fail(error, rc, CRED_INVALID, "profile %s: SSO: %s: %s", s->profile, url,
                   why.len > 0 ? buf_cstr(&why) : strerror(-rc));
  }
  buf_fini(&why);
  free(identity);
  return rc;
}

static int judge(const struct sso *s, const char *url, int status, const struct buf *body,
                 struct keys **out, struct s3_error *error) {
  if (status == 200)
    return read_keys(s, url, body, out, error);
  if (status == 401)
    return fail_ended(s, "the portal does not take the token (401)", error);
  if (status == 403)
    return cred_fail(error, -EACCES, "AccessDenied",
                     "profile %s: SSO: role %s of account %s is not assigned to this user (403)",
                     s->profile, s->role, s->account);
  return cred_fail(error, -EACCES, CRED_INVALID,
                   "profile %s: SSO: %s answered with status %d when asked for keys", s->profile,
                   url, status);
}

static char *credentials_url(const struct sso *s, const char *base) {
  struct buf url;

  buf_init(&url, 0);
  buf_printf(&url, "%s/federation/credentials?role_name=", base);
  text_uri_encode(&url, s->role, strlen(s->role), false);
  buf_puts(&url, "&account_id=");
  text_uri_encode(&url, s->account, strlen(s->account), false);
  return buf_take(&url);
}

static int fetch_keys(const struct sso *s, struct keys **out, struct s3_error *error) {
  struct fetch_request q = {0};
  struct kvlist headers;
  struct buf body;
  char *base = NULL;
  char *url;
  int status = 0;
  int rc = endpoint_of(s, AWS_SERVICE_SSO, "portal.sso", &base, error);

  if (rc != 0)
    return rc;
  kvlist_init(&headers);
  buf_init(&body, TOKEN_MAX);
  url = credentials_url(s, base);
  if (url == NULL || kvlist_add(&headers, "x-amz-sso_bearer_token", s->token.access_token) != 0)
    rc = fail(s, -ENOMEM, "no memory", error);
  q.url = url;
  q.headers = &headers;
  if (rc == 0) {
    rc = send(s, &q, &status, &body);
    rc = rc != 0 ? fail_send(s, base, rc, error) : judge(s, base, status, &body, out, error);
  }
  buf_wipe(&body);
  kvlist_fini(&headers);
  free(url);
  free(base);
  return rc;
}

int sso_keys(const struct cred_context *c, const struct aws_profile *top,
             const struct aws_profile *p, struct keys **out, struct s3_error *error) {
  struct sso s = {.context = c,
                  .top = top,
                  .profile = aws_profile_name(p),
                  .until_mono_ms = clock_mono_ms(&clock_system) +
                                   cred_context_limit(c, STEPS * ATTEMPTS * TIMEOUT_MS),
                  .session = aws_profile_get(p, "sso_session"),
                  .start_url = aws_profile_get(p, "sso_start_url"),
                  .region = aws_profile_get(p, "sso_region"),
                  .account = aws_profile_get(p, "sso_account_id"),
                  .role = aws_profile_get(p, "sso_role_name")};
  int rc = configure(&s, p, error);

  buf_init(&s.document, TOKEN_MAX);
  if (rc == 0)
    rc = ensure_token(&s, error);
  if (rc == 0)
    rc = fetch_keys(&s, out, error);
  sso_token_fini(&s.token);
  buf_wipe(&s.document);
  free(s.path);
  return rc;
}
