/* Provider: the instance metadata service of Amazon EC2, version 2 (EC2 user guide;
 * AWS SDKs and Tools Reference Guide, "IMDS credential provider").
 *
 * A token is asked for first. A service that knows none, or whose answer does not
 * get through (a container behind a hop limit of 1), is asked without it unless
 * that is forbidden. Nobody there means that this is no instance: nothing is
 * configured. Once keys were delivered every failure is one.
 *
 * The service keeps telling keys when it cannot make new ones (static stability):
 * such that have ended or soon will, and the last ones when it does not answer, are
 * used on, and asked for again after a while with jitter. S3 decides whether they
 * still work. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "fail.h"
#include "fetch.h"
#include "metadata.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/profile.h"
#include "s3apfs/cred/provider.h"

#define WHO "instance metadata"
#define ENDPOINT "AWS_EC2_METADATA_SERVICE_ENDPOINT"
#define MODE "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
#define IPV4_URL "http://169.254.169.254"
#define IPV6_URL "http://[fd00:ec2::254]"
#define TOKEN_PATH "latest/api/token"
#define KEYS_PATH "latest/meta-data/iam/security-credentials/"
#define TOKEN_TTL "21600"
#define REPLY_MAX ((size_t)64 << 10)
#define ROLE_NAME_MAX 64
#define TIMEOUT_S 1
#define TIMEOUT_MAX_S 60
#define ATTEMPTS 1
#define ATTEMPTS_MAX 10
#define STEPS 3            /* a token, the role, its keys */
#define WINDOW_S (15 * 60) /* keys with less than this left are about to be renewed */
#define JITTER_MIN_S 120
#define JITTER_MAX_S 600

struct imds_source {
  struct key_source base;
  struct cred_context context;
  struct {
    struct mtx lock;
    struct keys *last; /* delivered, as the service told them */
  } synced;
};

/* What one get works with. */
struct imds {
  const struct imds_source *source;
  struct aws_profile *profile;
  const char *url; /* with or without a slash at its end */
  bool explicit;   /* the user said where it is */
  int64_t timeout_ms;
  int64_t until_mono_ms; /* for all steps */
  unsigned attempts;
  bool v1_disabled;
  char *token; /* NULL: version 1 */
};

static int64_t now_s(const struct imds_source *s) {
  return s->context.caller != NULL ? caller_now(s->context.caller)
                                   : clock_wall_ms(&clock_system) / 1000;
}

/* --- configuration ------------------------------------------------------------------------ */

static const char *setting(const struct imds *m, const char *variable, const char *key) {
  const char *value = cred_env_get(&m->source->context.env, variable);

  return value != NULL ? value : aws_profile_get(m->profile, key);
}

static bool is_true(const char *value) {
  return value != NULL && strcasecmp(value, "true") == 0;
}

static int bad_setting(const char *variable, const char *what, struct s3_error *error) {
  return cred_fail(error, -EINVAL, CRED_INVALID, WHO ": %s is %s", variable, what);
}

static int read_number(const struct imds *m, const char *variable, const char *key, uint64_t usual,
                       uint64_t max, uint64_t *out, struct s3_error *error) {
  const char *text = setting(m, variable, key);

  *out = usual;
  if (text != NULL && (text_parse_u64(text, out) != 0 || *out < 1 || *out > max))
    return bad_setting(variable, "no sensible number", error);
  return 0;
}

static int find_url(struct imds *m, struct s3_error *error) {
  const char *url = setting(m, ENDPOINT, "ec2_metadata_service_endpoint");
  const char *mode = setting(m, MODE, "ec2_metadata_service_endpoint_mode");
  const char *host = url == NULL                        ? NULL
                     : text_has_prefix(url, "http://")  ? url + 7
                     : text_has_prefix(url, "https://") ? url + 8
                                                        : "";

  if (host != NULL && (*host == '\0' || *host == '/' || strpbrk(url, " \t\r\n\"<>") != NULL))
    return bad_setting(ENDPOINT, "no http or https URL", error);
  if (mode != NULL && strcasecmp(mode, "ipv4") != 0 && strcasecmp(mode, "ipv6") != 0)
    return bad_setting(MODE, "neither IPv4 nor IPv6", error);
  m->explicit = url != NULL;
  m->url = url != NULL ? url : mode != NULL && strcasecmp(mode, "ipv6") == 0 ? IPV6_URL : IPV4_URL;
  return 0;
}

static int configure(struct imds *m, struct s3_error *error) {
  uint64_t timeout = 0;
  uint64_t attempts = 0;
  int rc = find_url(m, error);

  if (rc == 0)
    rc = read_number(m, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout", TIMEOUT_S,
                     TIMEOUT_MAX_S, &timeout, error);
  if (rc == 0)
    rc = read_number(m, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts",
                     ATTEMPTS, ATTEMPTS_MAX, &attempts, error);
  m->timeout_ms = (int64_t)timeout * 1000;
  m->attempts = (unsigned)attempts;
  m->until_mono_ms = clock_mono_ms(&clock_system) +
                     cred_context_limit(&m->source->context, STEPS * m->attempts * m->timeout_ms);
  m->v1_disabled = is_true(setting(m, "AWS_EC2_METADATA_V1_DISABLED", "ec2_metadata_v1_disabled"));
  return rc;
}

/* --- requests ----------------------------------------------------------------------------- */

static int fail_unreachable(const struct imds *m, int rc, struct s3_error *error) {
  return cred_fail(error, rc == -ENOENT ? -EIO : rc, CRED_INVALID, WHO ": %s cannot be asked: %s",
                   m->url, strerror(-rc));
}

static int fail_status(const struct imds *m, const char *what, int status, struct s3_error *error) {
  return cred_fail(error, -EACCES, CRED_INVALID,
                   WHO ": %s answered with status %d when asked for %s", m->url, status, what);
}

static int send(const struct imds *m, const char *method, const char *url,
                const struct kvlist *headers, int *status, struct buf *body) {
  struct fetch_request q = {.method = method,
                            .url = url,
                            .headers = headers,
                            .ca_bundle = cred_env_get(&m->source->context.env, "AWS_CA_BUNDLE"),
                            .timeout_ms = m->timeout_ms,
                            .until_mono_ms = m->until_mono_ms};
  int rc = 0;

  for (unsigned i = 0; i < m->attempts; i++) {
    buf_wipe(body);
    buf_init(body, REPLY_MAX);
    rc = fetch(&q, status, body);
    if (rc == 0 && *status < 500)
      break;
  }
  return rc;
}

/* One request below the base; a body cut at its first NUL is as good as malformed. */
static int ask(const struct imds *m, const char *method, const char *path, const char *name,
               const char *header, const char *value, int *status, struct buf *body) {
  size_t len = strlen(m->url);
  char *url =
      text_printf("%s%s%s%s", m->url, len > 0 && m->url[len - 1] == '/' ? "" : "/", path, name);
  struct kvlist headers;
  int rc = url == NULL ? -ENOMEM : 0;

  kvlist_init(&headers);
  if (rc == 0 && value != NULL)
    rc = kvlist_add(&headers, header, value);
  if (rc == 0)
    rc = send(m, method, url, &headers, status, body);
  kvlist_fini(&headers);
  free(url);
  return rc;
}

static bool is_text(const struct buf *b) {
  for (size_t i = 0; i < b->len; i++)
    if (b->data[i] <= ' ' || b->data[i] == 0x7f)
      return false;
  return b->len > 0;
}

/* As IAM allows them. */
static bool is_role_name(const char *s) {
  size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-");

  return len > 0 && len <= ROLE_NAME_MAX && s[len] == '\0';
}

static int fall_back(const struct imds *m, const char *why, struct s3_error *error) {
  if (!m->v1_disabled)
    return 0;
  return cred_fail(error, -EACCES, CRED_INVALID,
                   WHO ": %s gives no token (%s), and AWS_EC2_METADATA_V1_DISABLED forbids to ask "
                       "without one",
                   m->url, why);
}

static int fetch_token(struct imds *m, struct s3_error *error) {
  struct buf body;
  int status = 0;
  int rc;

  buf_init(&body, REPLY_MAX);
  rc = ask(m, "PUT", TOKEN_PATH, "", "x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL, &status,
           &body);
  if (rc == -ETIMEDOUT)
    rc = fall_back(m, "no answer", error);
  else if (rc != 0)
    rc = fail_unreachable(m, rc, error);
  else if (status == 403 || status == 404 || status == 405)
    rc = fall_back(m, "it knows none", error);
  else if (status != 200)
    rc = fail_status(m, "a token", status, error);
  else if (!is_text(&body))
    rc = cred_fail(error, -EBADMSG, CRED_INVALID, WHO ": %s sent a token that is none", m->url);
  else if ((m->token = strdup(buf_cstr(&body))) == NULL)
    rc = cred_fail(error, -ENOMEM, CRED_INVALID, WHO ": no memory");
  buf_wipe(&body);
  return rc;
}

static int get(const struct imds *m, const char *name, const char *what, struct buf *body,
               struct s3_error *error) {
  int status = 0;
  int rc = ask(m, "GET", KEYS_PATH, name, "x-aws-ec2-metadata-token", m->token, &status, body);

  if (rc != 0)
    return fail_unreachable(m, rc, error);
  return status == 200 ? 0 : fail_status(m, what, status, error);
}

/* The role of this instance; without memory its keys are told apart by their ids. */
static void tell_role(struct keys *k, const char *role) {
  char *who = text_printf("instance role %s", role);

  if (who != NULL && keys_set_who(k, who) != 0)
    log_debug(WHO ": no memory for the role's name");
  free(who);
}

static int read_keys(const struct imds *m, const char *role, const struct buf *body,
                     struct keys **out, struct s3_error *error) {
  int rc = metadata_keys(WHO, m->url, body, out, error);

  if (rc == 0)
    tell_role(*out, role);
  return rc;
}

static int fetch_keys(struct imds *m, struct keys **out, struct s3_error *error) {
  struct buf role;
  struct buf body;
  int rc = fetch_token(m, error);

  if (rc != 0)
    return rc;
  buf_init(&role, REPLY_MAX);
  buf_init(&body, REPLY_MAX);
  rc = get(m, "", "the role's name", &role, error);
  if (rc == 0 && (!is_role_name(buf_cstr(&role))))
    rc = cred_fail(error, -EBADMSG, CRED_INVALID, WHO ": %s names no role", m->url);
  if (rc == 0)
    rc = get(m, buf_cstr(&role), "keys", &body, error);
  if (rc == 0)
    rc = read_keys(m, buf_cstr(&role), &body, out, error);
  buf_wipe(&body);
  buf_fini(&role);
  return rc;
}

/* --- static stability --------------------------------------------------------------------- */

static int64_t random_between(int64_t min, int64_t max) {
  uint32_t bits = 0;

  if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
    bits = 0;
  return min + (int64_t)(bits % (uint64_t)(max - min + 1));
}

static bool is_ending(const struct imds_source *s, const struct keys *k) {
  return k->expiration != 0 && k->expiration - now_s(s) < WINDOW_S;
}

/* The same keys with a later end, after which they are asked for again. */
static int extend(const struct imds_source *s, const struct keys *k, struct keys **out) {
  int64_t now = now_s(s);
  int64_t until = now + WINDOW_S + random_between(JITTER_MIN_S, JITTER_MAX_S);
  int rc;

  if (k->expiration <= now)
    log_warn(WHO ": the keys have ended and no new ones are to be had now; they are used on, and "
                 "asked for again in a while");
  rc = keys_new(k->access_key_id, k->secret_access_key, k->session_token, until, k->account, WHO,
                out);
  if (rc == 0 && keys_set_who(*out, k->who) != 0) {
    keys_unref(*out);
    rc = -ENOMEM;
  }
  return rc;
}

static void keep(struct imds_source *s, struct keys *k) {
  struct keys *old;

  mtx_lock(&s->synced.lock);
  old = s->synced.last;
  s->synced.last = keys_ref(k);
  mtx_unlock(&s->synced.lock);
  keys_unref(old);
}

static struct keys *last_of(struct imds_source *s) {
  struct keys *k;

  mtx_lock(&s->synced.lock);
  k = s->synced.last != NULL ? keys_ref(s->synced.last) : NULL;
  mtx_unlock(&s->synced.lock);
  return k;
}

static int delivered(struct imds_source *s, struct keys *k, struct keys **out,
                     struct s3_error *error) {
  int rc;

  keep(s, k);
  if (!is_ending(s, k)) {
    *out = k;
    return 0;
  }
  rc = extend(s, k, out);
  keys_unref(k);
  return rc == 0 ? 0 : cred_fail(error, rc, CRED_INVALID, WHO ": no memory");
}

static bool is_nobody(const struct imds *m, int rc) {
  return !m->explicit && (rc == -ECONNREFUSED || rc == -ETIMEDOUT || rc == -EHOSTUNREACH ||
                          rc == -ECONNRESET || rc == -EPROTO);
}

static int failed(struct imds_source *s, const struct imds *m, int rc, struct keys **out,
                  struct s3_error *error) {
  struct keys *last = last_of(s);

  if (last != NULL && is_ending(s, last) && extend(s, last, out) == 0)
    rc = 0;
  else if (last == NULL && is_nobody(m, rc))
    rc = cred_fail(error, -ENOENT, CRED_NONE, "%s",
                   error != NULL ? error->message : WHO ": nobody there");
  keys_unref(last);
  return rc;
}

/* --- provider ----------------------------------------------------------------------------- */

static int load(struct imds *m, struct s3_error *error) {
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = aws_profile_load(&m->source->context.env, NULL, &m->profile, &why);
  if (rc != 0)
    rc = cred_fail(error, rc == -ENOENT ? -EINVAL : rc, CRED_INVALID, WHO ": %s",
                   why.len > 0 ? buf_cstr(&why) : strerror(-rc));
  buf_fini(&why);
  return rc == 0 ? configure(m, error) : rc;
}

static int imds_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct imds_source *self = (struct imds_source *)s;
  struct imds m = {.source = self};
  struct keys *k = NULL;
  int rc;

  if (cred_env_is_true(&self->context.env, "AWS_EC2_METADATA_DISABLED"))
    return cred_fail(error, -ENOENT, CRED_NONE, WHO ": AWS_EC2_METADATA_DISABLED is set");
  rc = load(&m, error);
  if (rc == 0) {
    rc = fetch_keys(&m, &k, error);
    rc = k != NULL ? delivered(self, k, out, error) : failed(self, &m, rc, out, error);
  }
  if (m.token != NULL)
    explicit_bzero(m.token, strlen(m.token));
  free(m.token);
  aws_profile_free(m.profile);
  return rc;
}

static void imds_destroy(struct key_source *s) {
  struct imds_source *self = (struct imds_source *)s;

  keys_unref(self->synced.last);
  mtx_fini(&self->synced.lock);
  free(self);
}

static const struct key_source_ops imds_ops = {.get = imds_get, .destroy = imds_destroy};

int cred_imds_new(const struct cred_context *c, struct key_source **out) {
  struct imds_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &imds_ops;
  self->context = *c;
  mtx_init(&self->synced.lock, RANK_CRED);
  *out = &self->base;
  return 0;
}
