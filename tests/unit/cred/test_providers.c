/* Each provider: what it delivers, how it fails, what it never says. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"
#include "s3apfs/cred/provider.h"

#define SECRET "s3cr3t-access-key-0123456789"

struct fetched {
  int rc;
  struct keys *keys;
  struct s3_error error;
};

static void fetch_from(struct key_source *s, struct fetched *r) {
  memset(r, 0, sizeof(*r));
  s3_error_init(&r->error);
  r->rc = key_source_get(s, &r->keys, &r->error);
  cr_assert_eq(r->rc == 0, r->keys != NULL);
  cr_assert_eq(strstr(r->error.message, "s3cr3t"), NULL, "%s", r->error.message);
  if (r->rc != 0) {
    cr_assert_eq(r->error.err, r->rc);
    cr_assert_str_neq(r->error.message, "");
  }
}

static void fetched_fini(struct fetched *r) {
  keys_unref(r->keys);
  s3_error_fini(&r->error);
}

static void fetch_once(struct key_source *s, struct fetched *r) {
  fetch_from(s, r);
  key_source_free(s);
}

static void expect_keys(const struct fetched *r, const char *id, const char *token) {
  cr_assert_eq(r->rc, 0, "%s: %s", r->error.code, r->error.message);
  cr_assert_str_eq(r->keys->access_key_id, id);
  cr_assert_str_eq(r->keys->secret_access_key, SECRET);
  if (token == NULL)
    cr_assert_null(r->keys->session_token);
  else
    cr_assert_str_eq(r->keys->session_token, token);
}

static void expect_failure(const struct fetched *r, int rc, const char *said) {
  cr_assert_eq(r->rc, rc, "%d: %s", r->rc, r->error.message);
  cr_assert_neq(strstr(r->error.message, said), NULL, "%s", r->error.message);
}

Test(providers, fixed_keys) {
  struct key_source *s = NULL;
  struct keys *k = NULL;
  struct fetched r;

  cr_assert_eq(keys_new("AKID", SECRET, NULL, 0, NULL, "given", &k), 0);
  cr_assert_eq(cred_static_new(k, &s), 0);
  keys_unref(k);
  fetch_once(s, &r);
  expect_keys(&r, "AKID", NULL);
  fetched_fini(&r);
}

/* --- environment ------------------------------------------------------------------------ */

static void fetch_environment(struct fixture *f, struct fetched *r) {
  struct key_source *s = NULL;

  cr_assert_eq(cred_environment_new(&f->env, &s), 0);
  fetch_once(s, r);
}

Test(providers, environment) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fetch_environment(&f, &r);
  expect_failure(&r, -ENOENT, "AWS_ACCESS_KEY_ID");
  fetched_fini(&r);
  fixture_set(&f, "AWS_ACCESS_KEY_ID", "AKID");
  fetch_environment(&f, &r);
  expect_failure(&r, -EINVAL, "AWS_SECRET_ACCESS_KEY is not");
  fetched_fini(&r);
  fixture_set(&f, "AWS_SECRET_ACCESS_KEY", SECRET);
  fetch_environment(&f, &r);
  expect_keys(&r, "AKID", NULL);
  cr_assert_eq(r.keys->expiration, 0);
  cr_assert_str_eq(r.keys->identity, "environment");
  fetched_fini(&r);
  fixture_set(&f, "AWS_SECURITY_TOKEN", "older-token");
  fetch_environment(&f, &r);
  expect_keys(&r, "AKID", "older-token");
  fetched_fini(&r);
  fixture_set(&f, "AWS_SESSION_TOKEN", "newer-token");
  fixture_set(&f, "AWS_ACCOUNT_ID", "111122223333");
  fixture_set(&f, "AWS_CREDENTIAL_EXPIRATION", "2026-08-03T00:00:00Z");
  fetch_environment(&f, &r);
  expect_keys(&r, "AKID", "newer-token");
  cr_assert_eq(r.keys->expiration, 1785715200);
  cr_assert_str_eq(r.keys->account, "111122223333");
  fetched_fini(&r);
  fixture_set(&f, "AWS_CREDENTIAL_EXPIRATION", "tomorrow");
  fetch_environment(&f, &r);
  expect_failure(&r, -EINVAL, "AWS_CREDENTIAL_EXPIRATION");
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, environment_without_an_id) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fixture_set(&f, "AWS_SECRET_ACCESS_KEY", SECRET);
  fetch_environment(&f, &r);
  expect_failure(&r, -EINVAL, "AWS_ACCESS_KEY_ID is not");
  fetched_fini(&r);
  fixture_fini(&f);
}

/* --- profile ---------------------------------------------------------------------------- */

static void fetch_profile(struct fixture *f, const char *name, struct fetched *r) {
  struct key_source *s = NULL;

  cr_assert_eq(cred_profile_new(&f->context, name, CRED_PROFILE_ALL, &s), 0);
  fetch_once(s, r);
}

static void expect_profile_failure(const char *config, const char *name, int rc, const char *said) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fixture_config(&f, config);
  fetch_profile(&f, name, &r);
  expect_failure(&r, rc, said);
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, profile_static_keys) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fixture_config(&f, "[profile p]\naws_access_key_id = CONFIG\naws_secret_access_key = " SECRET
                     "\naws_session_token = config-token\n[default]\nregion = x\n");
  fetch_profile(&f, "p", &r);
  expect_keys(&r, "CONFIG", "config-token");
  cr_assert_str_eq(r.keys->identity, "profile p");
  fetched_fini(&r);
  fixture_credentials(&f, "[p]\naws_access_key_id = CRED\naws_secret_access_key = " SECRET "\n");
  fetch_profile(&f, "p", &r);
  expect_keys(&r, "CRED", NULL); /* the other file's token belongs to other keys */
  fetched_fini(&r);
  fetch_profile(&f, NULL, &r);
  expect_failure(&r, -ENOENT, "profile default has no credentials");
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, profile_files_are_read_again) {
  struct key_source *s = NULL;
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fixture_credentials(&f, "[default]\naws_access_key_id = ONE\naws_secret_access_key = " SECRET);
  cr_assert_eq(cred_profile_new(&f.context, NULL, CRED_PROFILE_ALL, &s), 0);
  fetch_from(s, &r);
  expect_keys(&r, "ONE", NULL);
  fetched_fini(&r);
  fixture_credentials(&f, "[default]\naws_access_key_id = TWO\naws_secret_access_key = " SECRET);
  fetch_from(s, &r);
  expect_keys(&r, "TWO", NULL);
  fetched_fini(&r);
  key_source_free(s);
  fixture_fini(&f);
}

Test(providers, profile_failures) {
  expect_profile_failure("", "gone", -EINVAL, "profile gone is in neither");
  expect_profile_failure("", NULL, -ENOENT, "no credentials");
  expect_profile_failure("[profile h]\naws_access_key_id = A\n", "h", -EINVAL,
                         "aws_secret_access_key is not");
  expect_profile_failure("[profile h]\naws_secret_access_key = " SECRET "\n", "h", -EINVAL,
                         "aws_access_key_id is not");
  expect_profile_failure("[profile h]\naws_secret_access_key " SECRET "\n", "h", -EINVAL,
                         "config:2:");
  expect_profile_failure("[profile r]\nweb_identity_token_file = /t\n", "r", -EINVAL,
                         "profile r: web_identity_token_file is set but role_arn is not");
  expect_profile_failure("[profile r]\nlogin_session = x\n", "r", -EOPNOTSUPP, "login_session");
}

#define SSO_REST "sso_account_id = 1\nsso_role_name = r\n"
#define SSO_SECTION "[sso-session c]\nsso_start_url = https://x\nsso_region = us-east-1\n"

Test(providers, profile_sso_failures) {
  expect_profile_failure("[profile s]\nsso_session = c\n", "s", -EINVAL,
                         "profile s: SSO: there is no section [sso-session c] in ");
  expect_profile_failure("[profile s]\nsso_session = c\n" SSO_REST
                         "[sso-session c]\nsso_region = x\n",
                         "s", -EINVAL, "SSO: sso_start_url is missing");
  expect_profile_failure("[profile s]\nsso_session = c\n" SSO_SECTION, "s", -EINVAL,
                         "SSO: sso_account_id is missing");
  expect_profile_failure(
      "[profile s]\nsso_session = c\nsso_region = eu-west-3\n" SSO_REST SSO_SECTION, "s", -EINVAL,
      "SSO: sso_region is not that of [sso-session c]");
  expect_profile_failure("[profile s]\nsso_start_url = https://x\n" SSO_REST, "s", -EINVAL,
                         "SSO: sso_region is missing");
  expect_profile_failure("[profile s]\nsso_start_url = https://x\nsso_region = a/b\n" SSO_REST, "s",
                         -EINVAL, "SSO: sso_region is no Region's name");
  expect_profile_failure("[profile s]\nsso_session = c\n" SSO_REST SSO_SECTION, "s", -EACCES,
                         "SSO: nobody has signed on yet; run: aws sso login --sso-session c");
}

/* --- credential_process --------------------------------------------------------------- */

#define DOCUMENT                                                                                   \
  "{\"Version\":1,\"AccessKeyId\":\"AKPROC\",\"SecretAccessKey\":\"" SECRET                        \
  "\",\"SessionToken\":\"token-of-process\",\"Expiration\":\"2099-01-01T00:00:00Z\"}"

static void run_command(const char *command, int64_t timeout_ms, struct fetched *r) {
  struct key_source *s = NULL;

  cr_assert_eq(cred_process_new(command, "profile proc", timeout_ms, &s), 0);
  fetch_once(s, r);
}

static void run_script(struct fixture *f, const char *script, int64_t timeout_ms,
                       struct fetched *r) {
  char text[4096];

  snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
  run_command(fixture_script(f, "script", text), timeout_ms, r);
}

Test(providers, process_delivers) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  run_script(&f, "echo '" DOCUMENT "'; echo s3cr3t noise >&2", 0, &r);
  expect_keys(&r, "AKPROC", "token-of-process");
  cr_assert_str_eq(r.keys->identity, "profile proc");
  cr_assert_gt(r.keys->expiration, 4000000000LL);
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, process_gets_its_arguments_without_a_shell) {
  struct fixture f;
  struct fetched r;
  char command[512];

  fixture_init(&f);
  snprintf(command, sizeof(command), "'%s' \"a b\" '$HOME;x' c\\ d",
           fixture_script(&f, "with args",
                          "#!/bin/sh\n[ $# = 3 ] && [ \"$1\" = 'a b' ] && [ \"$2\" = '$HOME;x' ] &&"
                          " [ \"$3\" = 'c d' ] && echo '" DOCUMENT "'\n"));
  run_command(command, 0, &r);
  expect_keys(&r, "AKPROC", "token-of-process");
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, process_through_a_profile) {
  struct fixture f;
  struct fetched r;
  char config[512];

  fixture_init(&f);
  snprintf(config, sizeof(config),
           "[profile p]\ncredential_process = %s\naws_access_key_id = CONFIG\n"
           "aws_secret_access_key = " SECRET "\n",
           fixture_script(&f, "script", "#!/bin/sh\necho '" DOCUMENT "'\n"));
  fixture_config(&f, config);
  fetch_profile(&f, "p", &r);
  expect_keys(&r, "AKPROC", "token-of-process");
  cr_assert_str_eq(r.keys->identity, "profile p");
  fetched_fini(&r);
  fixture_fini(&f);
}

static void expect_script_failure(const char *script, int rc, const char *said) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  run_script(&f, script, 0, &r);
  expect_failure(&r, rc, said);
  cr_assert_neq(strstr(r.error.message, "profile proc"), NULL, "%s", r.error.message);
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, process_failures_are_told) {
  expect_script_failure("echo 'please log in' >&2; exit 7", -EACCES, "status 7: please log in");
  expect_script_failure("exit 1", -EACCES, "status 1");
  expect_script_failure("kill -9 $$", -EACCES, "signal 9");
  expect_script_failure("echo '{\"Version\":2}'", -EBADMSG, "script");
  expect_script_failure("echo 's3cr3t and not json'", -EBADMSG, "script");
  expect_script_failure("true", -EBADMSG, "script");
  expect_script_failure("echo '{\"Version\":1,\"AccessKeyId\":\"A\"}'", -EBADMSG, "script");
  expect_script_failure("printf 'SecretAccessKey: s3cr3t-complaint line\\n' >&2; exit 3", -EACCES,
                        "status 3");
  expect_script_failure("yes 0123456789 | head -c 200000", -EINVAL, "more than 64 KiB");
}

Test(providers, process_complaints_are_cut) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  run_script(&f, "yes complaint | head -c 1000000 >&2; exit 3", 0, &r);
  expect_failure(&r, -EACCES, "status 3: complaint complaint");
  cr_assert_lt(strlen(r.error.message), 1000);
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, process_that_cannot_run) {
  struct fetched r;

  run_command("/nonexistent/program --flag", 0, &r);
  expect_failure(&r, -EINVAL, "/nonexistent/program cannot be run");
  fetched_fini(&r);
  run_command("'open quote", 0, &r);
  expect_failure(&r, -EINVAL, "a quote is not closed");
  fetched_fini(&r);
  run_command("   ", 0, &r);
  expect_failure(&r, -EINVAL, "is empty");
  fetched_fini(&r);
}

static pid_t read_pid(struct fixture *f) {
  struct buf text;
  char path[256];
  pid_t pid;

  buf_init(&text, 0);
  snprintf(path, sizeof(path), "%s/pid", f->dir);
  cr_assert_eq(file_read(path, &text), 0);
  pid = atoi(buf_cstr(&text));
  buf_fini(&text);
  return pid;
}

/* Gone, or dead and waiting for whoever adopts it. */
static bool is_dead(pid_t pid) {
  char path[64];
  struct buf text;
  bool dead;

  buf_init(&text, 0);
  snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
  dead = file_read(path, &text) != 0 || strstr(buf_cstr(&text), ") Z ") != NULL;
  buf_fini(&text);
  return dead;
}

Test(providers, process_group_is_killed_in_time) {
  struct fixture f;
  struct fetched r;
  char script[256];
  pid_t grandchild;

  fixture_init(&f);
  snprintf(script, sizeof(script), "sleep 600 & echo $! > %s/pid; wait", f.dir);
  run_script(&f, script, 1000, &r);
  expect_failure(&r, -ETIMEDOUT, "within 1 s and was killed");
  grandchild = read_pid(&f);
  cr_assert_gt(grandchild, 1);
  for (int i = 0; i < 500 && !is_dead(grandchild); i++)
    usleep(10000);
  cr_assert(is_dead(grandchild));
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, process_with_a_lingering_grandchild) {
  struct fixture f;
  struct fetched r;
  char script[1024];

  fixture_init(&f);
  snprintf(script, sizeof(script), "sleep 600 & echo $! > %s/pid; echo '" DOCUMENT "'", f.dir);
  run_script(&f, script, 120000, &r);
  expect_keys(&r, "AKPROC", "token-of-process");
  kill(read_pid(&f), SIGKILL);
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(providers, process_large_document) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  run_script(&f,
             "t=$(yes t | head -c 20000 | tr -d '\\n'); printf '{\"Version\":1,\"AccessKeyId\":"
             "\"AKPROC\",\"SecretAccessKey\":\"" SECRET "\",\"SessionToken\":\"%s\"}' \"$t\"",
             0, &r);
  cr_assert_eq(r.rc, 0, "%s", r.error.message);
  cr_assert_eq(strlen(r.keys->session_token), 10000);
  cr_assert_eq(r.keys->expiration, 0);
  fetched_fini(&r);
  fixture_fini(&f);
}

/* --- chain ------------------------------------------------------------------------------ */

static struct key_source *standard_chain(struct fixture *f, const char *profile) {
  struct key_source *s = NULL;

  cr_assert_eq(cred_default_new(&f->context, profile, &s), 0);
  return s;
}

#define KEYS_OF(id) "aws_access_key_id = " id "\naws_secret_access_key = " SECRET "\n"

Test(chain, environment_goes_first_unless_a_profile_is_asked_for) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fixture_credentials(&f, "[default]\n" KEYS_OF("DEFAULT") "[other]\n" KEYS_OF("OTHER"));
  fetch_once(standard_chain(&f, NULL), &r);
  expect_keys(&r, "DEFAULT", NULL);
  fetched_fini(&r);
  fixture_set(&f, "AWS_ACCESS_KEY_ID", "ENV");
  fixture_set(&f, "AWS_SECRET_ACCESS_KEY", SECRET);
  fixture_set(&f, "AWS_PROFILE", "other");
  fetch_once(standard_chain(&f, NULL), &r);
  expect_keys(&r, "ENV", NULL);
  fetched_fini(&r);
  fetch_once(standard_chain(&f, "other"), &r);
  expect_keys(&r, "OTHER", NULL);
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(chain, nothing_at_all_names_what_was_looked_at) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fetch_once(standard_chain(&f, NULL), &r);
  expect_failure(&r, -ENOENT,
                 "environment, role of the profile, web identity, profile, container, "
                 "instance metadata (instance metadata: AWS_EC2_METADATA_DISABLED is set)");
  cr_assert_str_eq(r.error.code, "NoCredentials");
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(chain, configured_and_failing_is_the_end) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fixture_credentials(&f, "[default]\n" KEYS_OF("DEFAULT"));
  fixture_set(&f, "AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
  fetch_once(standard_chain(&f, NULL), &r);
  expect_failure(&r, -EINVAL, "web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set but");
  fetched_fini(&r);
  fixture_set(&f, "AWS_ACCESS_KEY_ID", "HALF");
  fetch_once(standard_chain(&f, NULL), &r);
  expect_failure(&r, -EINVAL, "environment");
  fetched_fini(&r);
  fixture_fini(&f);
}

Test(chain, identity_never_changes) {
  struct fixture f;
  struct fetched r;
  struct key_source *s;

  fixture_init(&f);
  fixture_credentials(&f, "[default]\n" KEYS_OF("DEFAULT"));
  s = standard_chain(&f, NULL);
  fetch_from(s, &r);
  expect_keys(&r, "DEFAULT", NULL);
  fetched_fini(&r);
  fixture_set(&f, "AWS_ACCESS_KEY_ID", "ENV");
  fixture_set(&f, "AWS_SECRET_ACCESS_KEY", SECRET);
  fetch_from(s, &r);
  expect_keys(&r, "DEFAULT", NULL);
  fetched_fini(&r);
  fixture_credentials(&f, "");
  fetch_from(s, &r);
  expect_failure(&r, -EACCES, "no longer configured (profile)");
  fetched_fini(&r);
  key_source_free(s);
  fixture_fini(&f);
}

Test(chain, missing_named_profile_is_no_reason_to_go_on) {
  struct fixture f;
  struct fetched r;

  fixture_init(&f);
  fixture_set(&f, "AWS_PROFILE", "typo");
  fetch_once(standard_chain(&f, NULL), &r);
  expect_failure(&r, -EINVAL, "profile typo is in neither");
  fetched_fini(&r);
  fixture_fini(&f);
}
