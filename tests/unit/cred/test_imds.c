/* Instance metadata: the token, what is asked without one, keys that outlive their
 * end, and what each bad answer becomes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../net/server.h"
#include "fixture.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"

#define TOKEN_PATH "/base/latest/api/token"
#define KEYS_PATH "/base/latest/meta-data/iam/security-credentials/"
#define ENDPOINT "AWS_EC2_METADATA_SERVICE_ENDPOINT"

struct step {
  int status; /* 0: never answers */
  const char *body;
};

struct service {
  struct fixture f;
  struct server *server;
  struct step token, role, keys;
  unsigned tokens, gets;
  char token_sent[128];
  char ttl[32];
};

static char document[512];

/* Keys that end so many seconds from now. */
static const char *keys_until(int64_t seconds) {
  char until[21];

  text_iso8601((int64_t)time(NULL) + seconds, until);
  snprintf(document, sizeof(document),
           "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIAINSTANCE\","
           "\"SecretAccessKey\":\"s3cr3t-key\",\"Token\":\"s3cr3t-token\",\"Expiration\":\"%s\"}",
           until);
  return document;
}

static void answer(struct server_conn *c, const struct server_request *r, void *arg) {
  struct service *s = arg;
  const struct step *step;

  if (strcmp(r->method, "PUT") == 0) {
    s->tokens++;
    request_header(r, "x-aws-ec2-metadata-token-ttl-seconds", s->ttl, sizeof(s->ttl));
    step = &s->token;
  } else {
    s->gets++;
    request_header(r, "x-aws-ec2-metadata-token", s->token_sent, sizeof(s->token_sent));
    step = strcmp(r->target, KEYS_PATH) == 0 ? &s->role : &s->keys;
  }
  if (step->status == 0)
    conn_hold(c);
  else
    conn_reply(c, step->status, "", step->body);
}

static void point_at(struct service *s, unsigned port) {
  char url[64];

  snprintf(url, sizeof(url), "http://127.0.0.1:%u/base", port);
  fixture_set(&s->f, ENDPOINT, url);
}

static void service_start(struct service *s) {
  memset(s, 0, sizeof(*s));
  fixture_init(&s->f);
  fixture_set(&s->f, "AWS_EC2_METADATA_DISABLED", "false");
  s->token = (struct step){200, "t0ken=="};
  s->role = (struct step){200, "the-role"};
  s->keys = (struct step){200, keys_until(21600)};
  s->server = server_start(answer, s, false);
  point_at(s, server_port(s->server));
}

static void service_stop(struct service *s) {
  server_stop(s->server);
  fixture_fini(&s->f);
}

static struct key_source *source_of(struct service *s) {
  struct key_source *source = NULL;

  cr_assert_eq(cred_imds_new(&s->f.context, &source), 0);
  return source;
}

/* The end of the keys. */
static int64_t expect_keys(struct key_source *source) {
  struct s3_error error;
  struct keys *k = NULL;
  int64_t expiration;

  s3_error_init(&error);
  cr_assert_eq(key_source_get(source, &k, &error), 0, "%s", error.message);
  cr_assert_str_eq(k->access_key_id, "ASIAINSTANCE");
  cr_assert_str_eq(k->session_token, "s3cr3t-token");
  cr_assert_str_eq(k->who, "instance role the-role");
  expiration = k->expiration;
  keys_unref(k);
  s3_error_fini(&error);
  return expiration;
}

static void expect_failure(struct key_source *source, int rc, const char *said) {
  struct s3_error error;
  struct keys *k = NULL;
  int got;

  s3_error_init(&error);
  got = key_source_get(source, &k, &error);
  cr_assert_eq(got, rc, "%s: %d %s", said, got, error.message);
  cr_assert_eq(strncmp(error.message, "instance metadata: ", 19), 0, "%s", error.message);
  cr_assert_not_null(strstr(error.message, said), "'%s' is not in: %s", said, error.message);
  cr_assert_null(strstr(error.message, "s3cr3t"));
  cr_assert_null(strchr(error.message, '\n'));
  s3_error_fini(&error);
}

static void expect_one_failure(struct service *s, int rc, const char *said) {
  struct key_source *source = source_of(s);

  expect_failure(source, rc, said);
  key_source_free(source);
}

Test(imds, asks_for_a_token_and_sends_it) {
  struct service s;
  struct key_source *source;

  service_start(&s);
  source = source_of(&s);
  expect_keys(source);
  key_source_free(source);
  service_stop(&s);
  cr_assert_eq(s.tokens, 1);
  cr_assert_eq(s.gets, 2);
  cr_assert_str_eq(s.ttl, "21600");
  cr_assert_str_eq(s.token_sent, "t0ken==");
}

Test(imds, standard_chain_ends_with_it) {
  struct service s;
  struct key_source *source = NULL;

  service_start(&s);
  cr_assert_eq(cred_default_new(&s.f.context, NULL, &source), 0);
  expect_keys(source);
  key_source_free(source);
  service_stop(&s);
}

Test(imds, version_1_where_there_are_no_tokens) {
  static const int statuses[] = {403, 404, 405, 0};

  for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
    struct service s;
    struct key_source *source;

    service_start(&s);
    s.token = (struct step){statuses[i], ""};
    source = source_of(&s);
    expect_keys(source);
    cr_assert_str_eq(s.token_sent, "");
    fixture_set(&s.f, "AWS_EC2_METADATA_V1_DISABLED", "true");
    expect_failure(source, -EACCES, "AWS_EC2_METADATA_V1_DISABLED forbids");
    key_source_free(source);
    service_stop(&s);
  }
}

Test(imds, keys_that_end_are_given_a_later_end) {
  static const int64_t lives[] = {-3600, 60, 600};
  int64_t now = (int64_t)time(NULL);

  for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
    struct service s;
    struct key_source *source;
    int64_t end;

    service_start(&s);
    s.keys.body = keys_until(lives[i]);
    source = source_of(&s);
    end = expect_keys(source);
    cr_assert_geq(end, now + 900 + 120);
    cr_assert_leq(end, (int64_t)time(NULL) + 900 + 600);
    key_source_free(source);
    service_stop(&s);
  }
}

Test(imds, last_keys_are_used_on_when_the_service_fails) {
  struct service s;
  struct key_source *source;

  service_start(&s);
  s.keys.body = keys_until(1); /* the next fetch fails when these are about to end */
  source = source_of(&s);
  expect_keys(source);
  s.keys.status = 500;
  cr_assert_gt(expect_keys(source), (int64_t)time(NULL) + 900);
  s.token.status = 500;
  expect_keys(source);
  point_at(&s, closed_port());
  expect_keys(source);
  key_source_free(source);
  service_stop(&s);
}

Test(imds, failures_while_the_keys_live_are_failures) {
  struct service s;
  struct key_source *source;

  service_start(&s);
  source = source_of(&s);
  expect_keys(source);
  s.keys.status = 500;
  expect_failure(source, -EACCES, "answered with status 500 when asked for keys");
  key_source_free(source);
  service_stop(&s);
}

struct bad_step {
  struct step token, role, keys;
  int rc;
  const char *said;
};

Test(imds, bad_answers_are_one_line) {
  static const struct step good = {200, "x"};
  const struct bad_step bad[] = {
      {{400, ""}, good, good, -EACCES, "status 400 when asked for a token"},
      {{401, ""}, good, good, -EACCES, "status 401 when asked for a token"},
      {{500, ""}, good, good, -EACCES, "status 500 when asked for a token"},
      {{200, "a b\nc"}, good, good, -EBADMSG, "sent a token that is none"},
      {good, {401, ""}, good, -EACCES, "status 401 when asked for the role's name"},
      {good, {403, ""}, good, -EACCES, "status 403 when asked for the role's name"},
      {good, {404, ""}, good, -EACCES, "status 404 when asked for the role's name"},
      {good, {500, ""}, good, -EACCES, "status 500 when asked for the role's name"},
      {good, {200, ""}, good, -EBADMSG, "names no role"},
      {good, {200, "<html> </html>"}, good, -EBADMSG, "names no role"},
      {good, {200, "a/../b"}, good, -EBADMSG, "names no role"},
      {good, {200, "<a>"}, good, -EBADMSG, "names no role"},
      {good, good, {400, ""}, -EACCES, "status 400 when asked for keys"},
      {good, good, {404, ""}, -EACCES, "status 404 when asked for keys"},
      {good, good, {200, "{"}, -EBADMSG, "the reply is not a JSON object"},
      {good, good, {200, "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}"}, -EBADMSG, "Code"},
      {good, good, {200, "{\"AccessKeyId\":\"A\"}"}, -EBADMSG, "SecretAccessKey"},
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct service s;

    service_start(&s);
    s.token = bad[i].token;
    s.role = bad[i].role;
    s.keys = bad[i].keys;
    expect_one_failure(&s, bad[i].rc, bad[i].said);
    service_stop(&s);
  }
}

Test(imds, a_service_that_hangs_is_left_after_a_second) {
  struct service s;

  service_start(&s);
  s.role.status = 0;
  expect_one_failure(&s, -ETIMEDOUT, "cannot be asked");
  service_stop(&s);
}

Test(imds, refused_port_and_settings) {
  struct service s;

  service_start(&s);
  point_at(&s, closed_port());
  expect_one_failure(&s, -ECONNREFUSED, "cannot be asked: Connection refused");
  fixture_set(&s.f, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv5");
  expect_one_failure(&s, -EINVAL, "ENDPOINT_MODE is neither IPv4 nor IPv6");
  fixture_set(&s.f, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6");
  fixture_set(&s.f, "AWS_METADATA_SERVICE_TIMEOUT", "0");
  expect_one_failure(&s, -EINVAL, "AWS_METADATA_SERVICE_TIMEOUT is no sensible number");
  fixture_set(&s.f, "AWS_METADATA_SERVICE_TIMEOUT", "1");
  fixture_set(&s.f, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "many");
  expect_one_failure(&s, -EINVAL, "AWS_METADATA_SERVICE_NUM_ATTEMPTS is no sensible number");
  fixture_set(&s.f, ENDPOINT, "localhost:80");
  expect_one_failure(&s, -EINVAL, ENDPOINT " is no http or https URL");
  fixture_set(&s.f, "AWS_EC2_METADATA_DISABLED", "TRUE");
  expect_one_failure(&s, -ENOENT, "AWS_EC2_METADATA_DISABLED is set");
  cr_assert_eq(server_requests(s.server), 0);
  service_stop(&s);
}

Test(imds, attempts_and_a_slash_at_the_end) {
  struct service s;
  struct key_source *source;
  char url[64];

  service_start(&s);
  s.keys.status = 503;
  fixture_set(&s.f, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "3");
  expect_one_failure(&s, -EACCES, "status 503");
  cr_assert_eq(s.gets, 4); /* the role once, keys three times */
  s.keys.status = 200;
  snprintf(url, sizeof(url), "http://localhost:%u/base/", server_port(s.server));
  fixture_set(&s.f, ENDPOINT, url);
  source = source_of(&s);
  expect_keys(source);
  key_source_free(source);
  service_stop(&s);
}

Test(imds, credential_source_of_a_role_names_it) {
  struct service s;
  struct key_source *source = NULL;
  struct s3_error error;
  struct keys *k = NULL;

  service_start(&s);
  fixture_set(&s.f, "AWS_EC2_METADATA_DISABLED", "true");
  fixture_config(&s.f, "[profile r]\nrole_arn = arn:aws:iam::111122223333:role/a\n"
                       "credential_source = Ec2InstanceMetadata\n");
  s3_error_init(&error);
  cr_assert_eq(cred_profile_new(&s.f.context, "r", CRED_PROFILE_ALL, &source), 0);
  cr_assert_eq(key_source_get(source, &k, &error), -EINVAL);
  cr_assert_not_null(strstr(error.message,
                            "profile r: credential_source Ec2InstanceMetadata has no "
                            "credentials: instance metadata: AWS_EC2"),
                     "%s", error.message);
  s3_error_fini(&error);
  key_source_free(source);
  service_stop(&s);
}
