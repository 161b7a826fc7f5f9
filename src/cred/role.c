/* AssumeRole and AssumeRoleWithWebIdentity (STS API reference).
 *
 * A step checks what can be checked here, asks for the MFA code where one is
 * needed, sends the call and reads the keys. Sessions that an MFA code was given
 * for are remembered by role until they end. A role reached from another role
 * lives an hour at most, whatever is asked for. */
#include "role.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "s3apfs/aws/grants_xml.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "sts.h"

#define NAME_MAX_LEN 64
#define DURATION_MIN_S 900
#define DURATION_MAX_S 43200
#define CHAINED_MAX_S 3600
#define TOKEN_MAX ((size_t)20000)

/* --- memory ------------------------------------------------------------------------------ */

struct remembered {
  char *key; /* role and session */
  struct keys *keys;
  struct remembered *next;
};

struct role_memory {
  struct {
    struct mtx lock;
    struct remembered *list;
    bool told; /* that an hour is the most */
  } synced;
};

int role_memory_new(struct role_memory **out) {
  struct role_memory *m = calloc(1, sizeof(*m));

  if (m == NULL)
    return -ENOMEM;
  mtx_init(&m->synced.lock, RANK_CRED);
  *out = m;
  return 0;
}

static void remembered_free(struct remembered *r) {
  keys_unref(r->keys);
  free(r->key);
  free(r);
}

void role_memory_free(struct role_memory *m) {
  if (m == NULL)
    return;
  while (m->synced.list != NULL) {
    struct remembered *r = m->synced.list;

    m->synced.list = r->next;
    remembered_free(r);
  }
  mtx_fini(&m->synced.lock);
  free(m);
}

/* Drops one entry: by keys, or by name. */
static void drop(struct role_memory *m, const struct keys *k, const char *key) {
  struct remembered *gone = NULL;

  mtx_lock(&m->synced.lock);
  for (struct remembered **at = &m->synced.list; *at != NULL && gone == NULL; at = &(*at)->next) {
    if (k != NULL ? strcmp((*at)->keys->access_key_id, k->access_key_id) != 0
                  : strcmp((*at)->key, key) != 0)
      continue;
    gone = *at;
    *at = gone->next;
    break;
  }
  mtx_unlock(&m->synced.lock);
  if (gone != NULL)
    remembered_free(gone);
}

void role_memory_forget(struct role_memory *m, const struct keys *k) {
  drop(m, k, NULL);
}

static struct keys *recall(struct role_memory *m, const char *key, int64_t now) {
  struct keys *k = NULL;

  mtx_lock(&m->synced.lock);
  for (struct remembered *r = m->synced.list; r != NULL && k == NULL; r = r->next)
    if (strcmp(r->key, key) == 0 && r->keys->expiration > now)
      k = keys_ref(r->keys);
  mtx_unlock(&m->synced.lock);
  return k;
}

/* Without memory to spare the next renewal asks again. */
static void remember(struct role_memory *m, const char *key, struct keys *k) {
  struct remembered *r = calloc(1, sizeof(*r));

  drop(m, NULL, key);
  if (r == NULL || (r->key = strdup(key)) == NULL) {
    free(r);
    return;
  }
  r->keys = keys_ref(k);
  mtx_lock(&m->synced.lock);
  r->next = m->synced.list;
  m->synced.list = r;
  mtx_unlock(&m->synced.lock);
}

static bool tell_once(struct role_memory *m) {
  bool first;

  mtx_lock(&m->synced.lock);
  first = !m->synced.told;
  m->synced.told = true;
  mtx_unlock(&m->synced.lock);
  return first;
}

/* --- what is asked for ------------------------------------------------------------------- */

static bool is_legal(char c) {
  return isalnum((unsigned char)c) || (c != '\0' && strchr("_+=,.@-", c) != NULL);
}

static bool is_name(const char *s) {
  size_t len = strlen(s);

  for (const char *c = s; *c != '\0'; c++)
    if (!is_legal(*c))
      return false;
  return len >= 2 && len <= NAME_MAX_LEN;
}

static bool is_role_arn(const char *s) {
  return text_has_prefix(s, "arn:") && strstr(s, ":iam::") != NULL && strstr(s, ":role/") != NULL &&
         strlen(s) >= 20 && strlen(s) <= 2048 && strpbrk(s, " \t") == NULL;
}

int cred_role_check(const struct cred_role *r, struct buf *why) {
  size_t id = r->external_id != NULL ? strlen(r->external_id) : 2;

  if (!is_role_arn(r->arn))
    buf_printf(why, "'%s' is no role's ARN (arn:aws:iam::ACCOUNT:role/NAME)", r->arn);
  else if (r->session_name != NULL && !is_name(r->session_name))
    buf_printf(why, "the session name '%s' is not 2 to 64 letters, digits or _+=,.@-",
               r->session_name);
  else if (r->source_identity != NULL && !is_name(r->source_identity))
    buf_printf(why, "the source identity '%s' is not 2 to 64 letters, digits or _+=,.@-",
               r->source_identity);
  else if (id < 2 || id > 1224)
    buf_puts(why, "an external id has 2 to 1224 characters");
  else if (r->duration_s != 0 && (r->duration_s < DURATION_MIN_S || r->duration_s > DURATION_MAX_S))
    buf_printf(why, "the session's duration is not between %d and %d seconds", DURATION_MIN_S,
               DURATION_MAX_S);
  else
    return 0;
  return -EINVAL;
}

/* Tells users and hosts apart in the owner's records. */
static void default_name(char out[NAME_MAX_LEN + 1]) {
  char host[256] = "";
  char text[4096];
  struct passwd entry;
  struct passwd *user = NULL;

  if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &user) != 0)
    user = NULL;
  if (gethostname(host, sizeof(host) - 1) != 0)
    host[0] = '\0';
  if (user != NULL)
    snprintf(out, NAME_MAX_LEN + 1, "s3apfs-%.24s@%.32s", user->pw_name, host);
  else
    snprintf(out, NAME_MAX_LEN + 1, "s3apfs-%u@%.32s", (unsigned)geteuid(), host);
  for (char *c = out; *c != '\0'; c++)
    if (!is_legal(*c))
      *c = '-';
}

static int fail_plain(const struct role_step *s, int rc, const char *what, struct s3_error *error) {
  return cred_fail(error, rc, CRED_INVALID, "%s: %s: %s", s->who, s->role.arn, what);
}

static int add(struct kvlist *params, const char *name, const char *value) {
  return value != NULL ? kvlist_add(params, name, value) : 0;
}

static int add_mfa(const struct cred_context *c, const struct role_step *s, struct kvlist *params,
                   struct s3_error *error) {
  const char *serial = s->role.mfa_serial;
  struct buf code;
  int rc;

  if (serial == NULL)
    return 0;
  buf_init(&code, 64);
  rc = c->mfa_code != NULL ? c->mfa_code(c->mfa_arg, serial, &code) : -ENXIO;
  if (rc == -ENXIO)
    rc = cred_fail(error, -EACCES, CRED_EXPIRED,
                   "%s: %s needs a code of the MFA device %s, and there is no terminal to ask for "
                   "one; for a live mount `s3apfs login DIR` takes it",
                   s->who, s->role.arn, serial);
  else if (rc != 0 || code.len != 6 || strspn(buf_cstr(&code), "0123456789") != 6)
    rc = fail_plain(s, -EACCES, "an MFA code has six digits", error);
  else if (kvlist_add(params, "SerialNumber", serial) != 0 ||
           kvlist_add(params, "TokenCode", buf_cstr(&code)) != 0)
    rc = fail_plain(s, -ENOMEM, "no memory", error);
  buf_wipe(&code);
  return rc;
}

/* A token that ends in a line end is taken without it, as the AWS SDKs do. */
static int add_token(const struct role_step *s, struct kvlist *params, struct s3_error *error) {
  const char *path = s->role.token_file;
  struct buf token;
  int rc;

  buf_init(&token, TOKEN_MAX);
  rc = file_read(path, &token);
  if (rc != 0) {
    rc = cred_fail(error, rc == -ENOENT ? -EINVAL : rc, CRED_INVALID,
                   "%s: the web identity token %s cannot be read: %s", s->who, path, strerror(-rc));
  } else {
    size_t len = strcspn(buf_cstr(&token), " \t\r\n");

    if (len < 4 || strspn(buf_cstr(&token) + len, " \t\r\n") != token.len - len)
      rc = cred_fail(error, -EINVAL, CRED_INVALID, "%s: %s holds no web identity token", s->who,
                     path);
    else
      token.data[len] = '\0';
    if (rc == 0 && kvlist_add(params, "WebIdentityToken", buf_cstr(&token)) != 0)
      rc = fail_plain(s, -ENOMEM, "no memory", error);
  }
  buf_wipe(&token);
  return rc;
}

static int add_duration(struct kvlist *params, int64_t seconds) {
  return seconds != 0 ? kvlist_addf(params, "DurationSeconds", "%lld", (long long)seconds) : 0;
}

static int fill(const struct cred_context *c, const struct role_step *s, int64_t duration,
                struct kvlist *params, struct s3_error *error) {
  const struct cred_role *r = &s->role;
  char name[NAME_MAX_LEN + 1];
  bool web = r->token_file != NULL;
  int rc = 0;

  default_name(name);
  rc |= add(params, "Action", web ? "AssumeRoleWithWebIdentity" : "AssumeRole");
  rc |= add(params, "RoleArn", r->arn);
  rc |= add(params, "RoleSessionName", r->session_name != NULL ? r->session_name : name);
  rc |= add_duration(params, duration);
  if (!web) {
    rc |= add(params, "ExternalId", r->external_id);
    rc |= add(params, "SourceIdentity", r->source_identity);
  }
  if (rc != 0)
    return fail_plain(s, -ENOMEM, "no memory", error);
  return web ? add_token(s, params, error) : add_mfa(c, s, params, error);
}

/* --- the call ---------------------------------------------------------------------------- */

/* Whatever its session is called. Releases the keys when memory is short. */
static int tell_role(const struct role_step *s, struct keys *k) {
  char *who = text_printf("role %s", s->role.arn);
  int rc = who != NULL ? keys_set_who(k, who) : -ENOMEM;

  free(who);
  if (rc != 0)
    keys_unref(k);
  return rc;
}

static int read_reply(const struct role_step *s, const struct buf *body, struct keys **out,
                      struct s3_error *error) {
  struct aws_keys k;
  char *arn = NULL;
  char *account = NULL;
  const char *owner = strstr(s->role.arn, "::");
  int rc = assume_role_parse(buf_cstr(body), body->len, &k, &arn);

  if (rc != 0)
    return fail_plain(s, rc == -ENOMEM ? rc : -EIO, "the reply of STS lacks what the call promises",
                      error);
  if (owner != NULL)
    account = text_dup_n(owner + 2, strcspn(owner + 2, ":"));
  rc = keys_new(k.access_key_id, k.secret_access_key, k.session_token, k.expiration, account, arn,
                out);
  aws_keys_fini(&k);
  free(account);
  free(arn);
  if (rc == 0)
    rc = tell_role(s, *out);
  if (rc != 0)
    *out = NULL;
  return rc == 0 ? 0 : fail_plain(s, rc, "no memory", error);
}

static bool is_too_long_for_a_chain(const struct s3_error *e) {
  return strcmp(e->code, "ValidationError") == 0 && strstr(e->message, "1 hour") != NULL;
}

static int fail_call(const struct role_step *s, int rc, const struct s3_error *said,
                     struct s3_error *error) {
  struct buf line;

  buf_init(&line, 4096);
  s3_error_describe(said, &line);
  rc = cred_fail(error, rc == -ENOENT ? -EACCES : rc,
                 strcmp(said->code, "AccessDenied") == 0 ? said->code : CRED_INVALID,
                 "%s: %s cannot be assumed: %s", s->who, s->role.arn, buf_cstr(&line));
  buf_fini(&line);
  return rc;
}

static int ask(const struct cred_context *c, const struct role_step *s, struct keys *base,
               int64_t duration, struct keys **out, struct s3_error *error, bool *chained) {
  struct kvlist params;
  struct s3_error said;
  struct buf body;
  int rc;

  kvlist_init(&params);
  s3_error_init(&said);
  rc = fill(c, s, duration, &params, error);
  if (rc == 0) {
    rc = sts_call(c, s->profile, base, &params, &body, &said);
    *chained = rc != 0 && is_too_long_for_a_chain(&said);
    if (rc == 0) {
      rc = read_reply(s, &body, out, error);
      buf_wipe(&body);
    } else if (!*chained || duration <= CHAINED_MAX_S) {
      rc = fail_call(s, rc, &said, error);
    }
  }
  s3_error_fini(&said);
  kvlist_fini(&params);
  return rc;
}

static void tell_cut(const struct role_step *s) {
  if (tell_once(s->memory))
    log_warn("%s: %s is assumed from another role's session, which AWS allows for an hour at most",
             s->who, s->role.arn);
}

static bool is_role_session(const struct keys *k) {
  return k != NULL && strstr(k->identity, ":assumed-role/") != NULL;
}

/* Where a session's keys came from outside, only STS knows that they are a role's. */
static int ask_within_limits(const struct cred_context *c, const struct role_step *s,
                             struct keys *base, struct keys **out, struct s3_error *error) {
  int64_t duration = s->role.duration_s;
  bool chained = duration > CHAINED_MAX_S && is_role_session(base);
  int rc;

  if (chained) {
    tell_cut(s);
    duration = CHAINED_MAX_S;
  }
  rc = ask(c, s, base, duration, out, error, &chained);
  if (rc == 0 || !chained || duration <= CHAINED_MAX_S)
    return rc;
  tell_cut(s);
  return ask(c, s, base, CHAINED_MAX_S, out, error, &chained);
}

static int assume_with_mfa(const struct cred_context *c, const struct role_step *s,
                           struct keys *base, struct keys **out, struct s3_error *error) {
  const struct cred_role *r = &s->role;
  char *key = text_printf("%s|%s|%s", r->arn, r->mfa_serial,
                          r->session_name != NULL ? r->session_name : "");
  int rc = 0;

  if (key == NULL)
    return fail_plain(s, -ENOMEM, "no memory", error);
  *out = recall(s->memory, key, caller_now(c->caller));
  if (*out == NULL) {
    rc = ask_within_limits(c, s, base, out, error);
    if (rc == 0)
      remember(s->memory, key, *out);
  }
  free(key);
  return rc;
}

int role_assume(const struct cred_context *c, const struct role_step *s, struct keys *base,
                struct keys **out, struct s3_error *error) {
  struct buf why;
  int rc;

  buf_init(&why, 4096);
  rc = cred_role_check(&s->role, &why);
  if (rc != 0)
    rc = cred_fail(error, rc, CRED_INVALID, "%s: %s", s->who, buf_cstr(&why));
  else if (s->role.mfa_serial != NULL && s->role.token_file == NULL)
    rc = assume_with_mfa(c, s, base, out, error);
  else
    rc = ask_within_limits(c, s, base, out, error);
  buf_fini(&why);
  return rc;
}
