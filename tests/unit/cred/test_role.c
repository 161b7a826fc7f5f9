/* Roles: which keys assume them, what STS is told, what each refusal becomes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../net/server.h"
#include "fixture.h"
#include "s3apfs/cred/provider.h"

#define SECRET "s3cr3t-access-key-0123456789"
#define KEYS_OF(id) "aws_access_key_id = " id "\naws_secret_access_key = " SECRET "\n"
#define ROLE_A "arn:aws:iam::111122223333:role/a"
#define ROLE_B "arn:aws:iam::444455556666:role/b"
#define CALLS_MAX 8

/* STS as a script: the n-th call (from 1) gives the keys ASIASESSIONn of the role
 * that was asked for. */
struct sts {
  struct fixture f;
  struct server *server;
  int status; /* 0: succeeds */
  const char *code;
  unsigned calls;
  char bodies[CALLS_MAX][2048];
  char signers[CALLS_MAX][256];
  bool refuse_long; /* more than an hour is answered as for chained roles */
};

static const char REPLY[] =
    "<AssumeRole%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRole%sResult>"
    "<AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId>"
    "<Arn>arn:aws:sts::111122223333:assumed-role/r%u/session</Arn></AssumedRoleUser>"
    "<Credentials><AccessKeyId>ASIASESSION%u</AccessKeyId><SecretAccessKey>" SECRET
    "</SecretAccessKey><SessionToken>token-%u</SessionToken>"
    "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
    "</AssumeRole%sResult></AssumeRole%sResponse>";

static const char FAILURE[] = "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s"
                              "</Message></Error><RequestId>r</RequestId></ErrorResponse>";

static void answer(struct server_conn *c, const struct server_request *r, void *arg) {
  struct sts *s = arg;
  const char *web = strstr(r->body, "WithWebIdentity") != NULL ? "WithWebIdentity" : "";
  unsigned n = s->calls++;
  char text[4096];

  cr_assert_lt(n, CALLS_MAX);
  snprintf(s->bodies[n], sizeof(s->bodies[n]), "%.*s", (int)r->body_len, r->body);
  request_header(r, "authorization", s->signers[n], sizeof(s->signers[n]));
  if (s->refuse_long && strstr(r->body, "DurationSeconds=3600") == NULL) {
    snprintf(text, sizeof(text), FAILURE, "ValidationError",
             "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
             "role chaining.");
    conn_reply(c, 400, "", text);
  } else if (s->status != 0) {
    snprintf(text, sizeof(text), FAILURE, s->code, "s3cr3tless reason");
    conn_reply(c, s->status, "", text);
  } else {
    snprintf(text, sizeof(text), REPLY, web, web, n + 1, n + 1, n + 1, web, web);
    conn_reply(c, 200, "", text);
  }
}

static void sts_start(struct sts *s) {
  memset(s, 0, sizeof(*s));
  fixture_init(&s->f);
  s->server = server_start(answer, s, false);
  fixture_call_sts(&s->f, server_port(s->server));
}

static void sts_stop(struct sts *s) {
  fixture_fini(&s->f);
  server_stop(s->server);
}

static int get(struct key_source *s, struct keys **out, struct s3_error *error) {
  s3_error_init(error);
  *out = NULL;
  return key_source_get(s, out, error);
}

static struct key_source *profile(struct sts *s, const char *name) {
  struct key_source *source = NULL;

  cr_assert_eq(cred_profile_new(&s->f.context, name, CRED_PROFILE_ALL, &source), 0);
  return source;
}

static void expect_keys(struct key_source *source, const char *id) {
  struct s3_error error;
  struct keys *k;
  int rc = get(source, &k, &error);

  cr_assert_eq(rc, 0, "%d %s", rc, error.message);
  cr_assert_str_eq(k->access_key_id, id);
  keys_unref(k);
  s3_error_fini(&error);
}

static void expect_failure(struct key_source *source, int rc, const char *said) {
  struct s3_error error;
  struct keys *k;
  int got = get(source, &k, &error);

  cr_assert_eq(got, rc, "%s: %d %s", said, got, error.message);
  cr_assert_null(k);
  cr_assert_not_null(strstr(error.message, said), "'%s' is not in: %s", said, error.message);
  cr_assert_null(strchr(error.message, '\n'));
  cr_assert_null(strstr(error.message, SECRET));
  s3_error_fini(&error);
  key_source_free(source);
}

static void expect_in(const char *text, const char *part) {
  cr_assert_not_null(strstr(text, part), "'%s' is not in: %s", part, text);
}

Test(role, source_profile_assumes_it) {
  struct sts s;
  struct key_source *source;

  sts_start(&s);
  fixture_config(
      &s.f,
      "[profile base]\n" KEYS_OF(
          "AKIABASE") "[profile r]\nrole_arn = " ROLE_A
                      "\nsource_profile = base\nexternal_id = ext/1\nrole_session_name = me@x\n"
                      "duration_seconds = 7200\n");
  source = profile(&s, "r");
  expect_keys(source, "ASIASESSION1");
  key_source_free(source);
  sts_stop(&s);
  expect_in(s.signers[0], "AKIABASE/");
  expect_in(s.signers[0], "/us-east-1/sts/aws4_request");
  expect_in(s.bodies[0], "Action=AssumeRole&");
  expect_in(s.bodies[0], "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fa");
  expect_in(s.bodies[0], "RoleSessionName=me%40x");
  expect_in(s.bodies[0], "ExternalId=ext%2F1");
  expect_in(s.bodies[0], "DurationSeconds=7200");
}

/* What is kept for a role serves all of its sessions, and no other role's. */
Test(role, sessions_of_a_role_are_one_principal) {
  struct sts s;
  struct key_source *source;
  struct s3_error error;
  struct keys *k;

  sts_start(&s);
  fixture_config(&s.f, "[profile base]\n" KEYS_OF(
                           "AKIABASE") "[profile r]\nrole_arn = " ROLE_A
                                       "\nsource_profile = base\n[profile q]\nrole_arn = " ROLE_B
                                       "\nsource_profile = base\n");
  for (int i = 0; i < 3; i++) {
    source = profile(&s, i < 2 ? "r" : "q");
    cr_assert_eq(get(source, &k, &error), 0, "%s", error.message);
    cr_expect_str_eq(k->who, i < 2 ? "role " ROLE_A : "role " ROLE_B);
    keys_unref(k);
    s3_error_fini(&error);
    key_source_free(source);
  }
  sts_stop(&s);
}

Test(role, default_session_name_tells_user_and_host) {
  struct sts s;
  struct key_source *source;
  char host[256] = "";

  sts_start(&s);
  fixture_config(&s.f, "[profile base]\n" KEYS_OF("AKIABASE") "[profile r]\nrole_arn = " ROLE_A
                                                              "\nsource_profile = base\n");
  source = profile(&s, "r");
  expect_keys(source, "ASIASESSION1");
  key_source_free(source);
  sts_stop(&s);
  cr_assert_eq(gethostname(host, sizeof(host) - 1), 0);
  host[strcspn(host, "_.-")] = '\0'; /* what follows may be cut or replaced */
  expect_in(s.bodies[0], "RoleSessionName=s3apfs-");
  expect_in(s.bodies[0], "%40");
  expect_in(s.bodies[0], host);
  cr_assert_null(strstr(s.bodies[0], "DurationSeconds"));
}

Test(role, chains_go_over_several_profiles_for_an_hour_at_most) {
  struct sts s;
  struct key_source *source;

  sts_start(&s);
  fixture_config(
      &s.f, "[profile base]\n" KEYS_OF(
                "AKIABASE") "[profile a]\nrole_arn = " ROLE_A
                            "\nsource_profile = base\n[profile b]\nrole_arn = " ROLE_B
                            "\nsource_profile = a\nduration_seconds = 43200\nregion = eu-west-3\n");
  source = profile(&s, "b");
  expect_keys(source, "ASIASESSION2");
  key_source_free(source);
  cr_assert_eq(s.calls, 2);
  sts_stop(&s);
  expect_in(s.signers[0], "AKIABASE/");
  expect_in(s.signers[0], "/eu-west-3/sts/");
  expect_in(s.signers[1], "ASIASESSION1/");
  expect_in(s.bodies[1], "role%2Fb");
  expect_in(s.bodies[1], "DurationSeconds=3600");
}

Test(role, an_hour_is_asked_for_when_sts_says_so) {
  struct sts s;
  struct key_source *source;

  sts_start(&s);
  s.refuse_long = true;
  fixture_config(&s.f, "[profile base]\n" KEYS_OF(
                           "ASIABASE") "aws_session_token = t\n[profile r]\n"
                                       "role_arn = " ROLE_A
                                       "\nsource_profile = base\nduration_seconds = 7200\n");
  source = profile(&s, "r");
  expect_keys(source, "ASIASESSION2");
  key_source_free(source);
  sts_stop(&s);
  expect_in(s.bodies[1], "DurationSeconds=3600");
}

Test(role, a_profile_may_be_its_own_source) {
  struct sts s;
  struct key_source *source;

  sts_start(&s);
  fixture_config(&s.f,
                 "[profile r]\nrole_arn = " ROLE_A "\nsource_profile = r\n" KEYS_OF("AKIAOWN"));
  source = profile(&s, "r");
  expect_keys(source, "ASIASESSION1");
  key_source_free(source);
  sts_stop(&s);
  expect_in(s.signers[0], "AKIAOWN/");
}

Test(role, credential_source_environment) {
  struct sts s;
  struct key_source *source;

  sts_start(&s);
  fixture_config(&s.f, "[profile r]\nrole_arn = " ROLE_A "\ncredential_source = Environment\n");
  expect_failure(profile(&s, "r"), -EINVAL,
                 "profile r: credential_source Environment has no credentials");
  fixture_set(&s.f, "AWS_ACCESS_KEY_ID", "AKIAENV");
  fixture_set(&s.f, "AWS_SECRET_ACCESS_KEY", SECRET);
  source = profile(&s, "r");
  expect_keys(source, "ASIASESSION1");
  key_source_free(source);
  sts_stop(&s);
  expect_in(s.signers[0], "AKIAENV/");
}

struct bad_profile {
  const char *config;
  int rc;
  const char *said;
};

Test(role, bad_profiles_are_one_line) {
  static const struct bad_profile bad[] = {
      {"[profile r]\nrole_arn = " ROLE_A "\n", -EINVAL,
       "profile r: role_arn needs source_profile or credential_source"},
      {"[profile r]\nrole_arn = " ROLE_A "\nsource_profile = b\ncredential_source = Environment\n",
       -EINVAL, "profile r: source_profile and credential_source exclude each other"},
      {"[profile r]\nrole_arn = " ROLE_A "\nsource_profile = gone\n", -EINVAL,
       "profile r: there is no source_profile gone"},
      {"[profile r]\nrole_arn = " ROLE_A "\nsource_profile = e\n[profile e]\nregion = x\n", -EINVAL,
       "profile r: source_profile e has no credentials"},
      {"[profile r]\nrole_arn = " ROLE_A "\nsource_profile = r\n", -EINVAL,
       "profile r: source_profile goes in a loop: r -> r"},
      {"[profile r]\nrole_arn = " ROLE_A "\nsource_profile = s\n[profile s]\nrole_arn = " ROLE_B
       "\nsource_profile = t\n[profile t]\nrole_arn = " ROLE_B "\nsource_profile = s\n",
       -EINVAL, "source_profile goes in a loop: r -> s -> t -> s"},
      {"[profile r]\nrole_arn = " ROLE_A "\ncredential_source = Ec2\n", -EINVAL,
       "profile r: credential_source is 'Ec2', not one of Environment"},
      {"[profile b]\n" KEYS_OF("A") "[profile r]\nrole_arn = role/a\nsource_profile = b\n", -EINVAL,
       "profile r: 'role/a' is no role's ARN"},
      {"[profile b]\n" KEYS_OF("A") "[profile r]\nrole_arn = " ROLE_A
                                    "\nsource_profile = b\nrole_session_name = a b\n",
       -EINVAL, "profile r: the session name 'a b' is not"},
      {"[profile b]\n" KEYS_OF("A") "[profile r]\nrole_arn = " ROLE_A
                                    "\nsource_profile = b\nduration_seconds = 60\n",
       -EINVAL, "profile r: duration_seconds is no number from 900 to 43200"},
      {"[profile b]\n" KEYS_OF("A") "[profile r]\nrole_arn = " ROLE_A
                                    "\nsource_profile = b\nmfa_serial = dev\n",
       -EACCES, "needs a code of the MFA device dev, and there is no terminal"},
  };
  struct sts s;

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    sts_start(&s);
    fixture_config(&s.f, bad[i].config);
    expect_failure(profile(&s, "r"), bad[i].rc, bad[i].said);
    cr_assert_eq(s.calls, 0);
    sts_stop(&s);
  }
}

Test(role, refusals_of_sts_name_profile_and_role) {
  static const struct {
    int status;
    const char *code;
    int rc;
  } refusals[] = {{403, "AccessDenied", -EACCES},
                  {400, "MalformedPolicyDocument", -EIO},
                  {403, "InvalidClientTokenId", -EACCES},
                  {400, "ExpiredTokenException", -EACCES},
                  {403, "RegionDisabledException", -EACCES}};
  struct sts s;
  char said[128];

  for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
    struct key_source *source;
    struct s3_error error;
    struct keys *k;

    sts_start(&s);
    s.status = refusals[i].status;
    s.code = refusals[i].code;
    fixture_config(&s.f, "[profile b]\n" KEYS_OF("A") "[profile r]\nrole_arn = " ROLE_A
                                                      "\nsource_profile = b\n");
    source = profile(&s, "r");
    cr_assert_neq(get(source, &k, &error), 0);
    snprintf(said, sizeof(said), "profile r: " ROLE_A " cannot be assumed: %s (HTTP %d)", s.code,
             s.status);
    expect_in(error.message, said);
    /* told apart: denied by a policy, or nothing to ask with */
    cr_assert_eq(strcmp(error.code, "AccessDenied") == 0, i == 0);
    s3_error_fini(&error);
    key_source_free(source);
    sts_stop(&s);
  }
}

Test(role, service_in_trouble_is_tried_again) {
  struct sts s;

  sts_start(&s);
  s.status = 500;
  s.code = "InternalFailure";
  fixture_config(&s.f, "[profile b]\n" KEYS_OF("A") "[profile r]\nrole_arn = " ROLE_A
                                                    "\nsource_profile = b\n");
  {
    struct key_source *source = profile(&s, "r");
    struct s3_error error;
    struct keys *k;

    cr_assert_neq(get(source, &k, &error), 0);
    expect_in(error.message, "cannot be assumed: InternalFailure (HTTP 500)");
    s3_error_fini(&error);
    key_source_free(source);
  }
  cr_assert_eq(s.calls, 3);
  sts_stop(&s);
}

/* --- MFA ----------------------------------------------------------------------------------- */

struct person {
  unsigned asked;
  const char *code; /* NULL: nobody there */
};

static int say_code(void *arg, const char *serial, struct buf *code) {
  struct person *p = arg;

  cr_assert_str_eq(serial, "arn:aws:iam::111122223333:mfa/ann");
  p->asked++;
  if (p->code == NULL)
    return -ENXIO;
  buf_puts(code, p->code);
  return 0;
}

#define MFA_PROFILE                                                                                \
  "[profile b]\n" KEYS_OF(                                                                         \
      "AKIABASE") "[profile r]\nrole_arn = " ROLE_A                                                \
                  "\nsource_profile = b\nmfa_serial = arn:aws:iam::111122223333:mfa/ann\n"

Test(role, mfa_code_is_asked_for_once_a_session) {
  struct person ann = {.code = "123456"};
  struct key_source *source;
  struct keys *k = NULL;
  struct sts s;

  sts_start(&s);
  s.f.context.mfa_code = say_code;
  s.f.context.mfa_arg = &ann;
  fixture_config(&s.f, MFA_PROFILE);
  source = profile(&s, "r");
  expect_keys(source, "ASIASESSION1");
  ann.code = NULL;
  expect_keys(source, "ASIASESSION1"); /* a renewal: the session lives, nobody is asked */
  cr_assert_eq(ann.asked, 1);
  cr_assert_eq(s.calls, 1);
  expect_in(s.bodies[0], "SerialNumber=arn%3Aaws%3Aiam%3A%3A111122223333%3Amfa%2Fann");
  expect_in(s.bodies[0], "TokenCode=123456");
  cr_assert_eq(key_source_get(source, &k, NULL), 0);
  key_source_expired(source, k); /* refused by a service: a new code is needed */
  keys_unref(k);
  expect_failure(source, -EACCES, "needs a code of the MFA device");
  sts_stop(&s);
}

Test(role, mfa_codes_that_are_none_are_not_sent) {
  struct person ann = {.code = "12345x"};
  struct sts s;

  sts_start(&s);
  s.f.context.mfa_code = say_code;
  s.f.context.mfa_arg = &ann;
  fixture_config(&s.f, MFA_PROFILE);
  expect_failure(profile(&s, "r"), -EACCES, "an MFA code has six digits");
  cr_assert_eq(s.calls, 0);
  sts_stop(&s);
}

/* --- web identity --------------------------------------------------------------------------- */

Test(role, web_identity_reads_its_token_at_each_get) {
  struct key_source *source = NULL;
  struct sts s;

  sts_start(&s);
  fixture_set(&s.f, "AWS_ROLE_ARN", ROLE_A);
  fixture_set(&s.f, "AWS_ROLE_SESSION_NAME", "pod-7");
  fixture_set(&s.f, "AWS_WEB_IDENTITY_TOKEN_FILE", fixture_file(&s.f, "token", "first.jwt.x\n"));
  cr_assert_eq(cred_default_new(&s.f.context, NULL, &source), 0);
  expect_keys(source, "ASIASESSION1");
  fixture_file(&s.f, "token", "second.jwt.x");
  expect_keys(source, "ASIASESSION2");
  key_source_free(source);
  sts_stop(&s);
  cr_assert_str_eq(s.signers[0], "");
  expect_in(s.bodies[0], "Action=AssumeRoleWithWebIdentity&");
  expect_in(s.bodies[0], "WebIdentityToken=first.jwt.x");
  cr_assert_null(strstr(s.bodies[0], "first.jwt.x%0A"));
  expect_in(s.bodies[0], "RoleSessionName=pod-7");
  expect_in(s.bodies[1], "WebIdentityToken=second.jwt.x");
}

Test(role, web_identity_of_a_profile_goes_behind_a_profile_that_is_a_role) {
  struct key_source *source = NULL;
  struct sts s;

  sts_start(&s);
  fixture_set(&s.f, "AWS_ROLE_ARN", ROLE_B);
  fixture_set(&s.f, "AWS_WEB_IDENTITY_TOKEN_FILE", fixture_file(&s.f, "token", "jwt.of.env"));
  fixture_config(&s.f, "[profile b]\n" KEYS_OF("AKIABASE") "[default]\nrole_arn = " ROLE_A
                                                           "\nsource_profile = b\n");
  cr_assert_eq(cred_default_new(&s.f.context, NULL, &source), 0);
  expect_keys(source, "ASIASESSION1");
  key_source_free(source);
  expect_in(s.bodies[0], "role%2Fa");
  fixture_config(&s.f, "[default]\n" KEYS_OF("AKIABASE"));
  cr_assert_eq(cred_default_new(&s.f.context, NULL, &source), 0);
  expect_keys(source, "ASIASESSION2"); /* static keys come behind it */
  key_source_free(source);
  expect_in(s.bodies[1], "role%2Fb");
  sts_stop(&s);
}

Test(role, bad_web_identity_tokens_are_not_sent) {
  struct sts s;

  sts_start(&s);
  fixture_config(&s.f, "[profile w]\nrole_arn = " ROLE_A "\nweb_identity_token_file = /nowhere\n");
  expect_failure(profile(&s, "w"), -EINVAL,
                 "profile w: the web identity token /nowhere cannot be read");
  fixture_file(&s.f, "token", "two words");
  {
    char config[512];

    snprintf(config, sizeof(config),
             "[profile w]\nrole_arn = " ROLE_A "\nweb_identity_token_file = %s/token\n", s.f.dir);
    fixture_config(&s.f, config);
  }
  expect_failure(profile(&s, "w"), -EINVAL, "holds no web identity token");
  fixture_file(&s.f, "token", "");
  expect_failure(profile(&s, "w"), -EINVAL, "holds no web identity token");
  cr_assert_eq(s.calls, 0);
  sts_stop(&s);
}
