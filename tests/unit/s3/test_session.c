/* CreateSession as a key source. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"
#include "s3apfs/s3/session.h"

#define BUCKET "fast--use1-az4--x-s3"
#define REPLY                                                                                      \
  "<CreateSessionResult><Credentials><AccessKeyId>ASIASESSION</AccessKeyId>"                       \
  "<SecretAccessKey>secret-of-the-session</SecretAccessKey><SessionToken>token</SessionToken>"     \
  "<Expiration>2026-08-03T00:05:00Z</Expiration></Credentials></CreateSessionResult>"

struct seen {
  int status;
  const char *reply;
  char target[128];
  char mode[32];
  char authorization[512];
};

static void answer(struct server_conn *c, const struct server_request *r, void *arg) {
  struct seen *s = arg;

  snprintf(s->target, sizeof(s->target), "%s", r->target);
  request_header(r, "x-amz-create-session-mode", s->mode, sizeof(s->mode));
  request_header(r, "Authorization", s->authorization, sizeof(s->authorization));
  conn_reply(c, s->status, "", s->reply);
}

static int session(struct seen *s, bool read_only, struct keys **out, struct s3_error *error) {
  struct s3_session_options o = {.read_only = read_only, .deadline_ms = 10000};
  struct key_source *source;
  struct buf why;
  struct rig r;
  int rc;

  rig_init(&r, answer, s);
  o.site = (struct s3_site){.region = "us-east-1", .endpoint_url = r.url};
  buf_init(&why, 0);
  cr_assert_eq(s3_session_keys_new(r.caller, &r.keys, BUCKET, &o, &source, &why), 0, "%s",
               buf_cstr(&why));
  buf_fini(&why);
  rc = key_source_get(source, out, error);
  key_source_free(source);
  rig_fini(&r);
  return rc;
}

Test(session, is_asked_for_with_plain_keys) {
  struct seen s = {.status = 200, .reply = REPLY};
  struct s3_error error;
  struct keys *k;

  s3_error_init(&error);
  cr_assert_eq(session(&s, true, &k, &error), 0);
  cr_expect_str_eq(k->access_key_id, "ASIASESSION");
  cr_expect_str_eq(k->secret_access_key, "secret-of-the-session");
  cr_expect_str_eq(k->session_token, "token");
  cr_expect_neq(k->expiration, 0);
  keys_unref(k);
  cr_expect(strstr(s.target, "/" BUCKET "/?session") == s.target, "%s", s.target);
  cr_expect_str_eq(s.mode, "ReadOnly");
  cr_expect(strstr(s.authorization, "/us-east-1/s3express/aws4_request") != NULL);
  cr_assert_eq(session(&s, false, &k, &error), 0);
  cr_expect_str_eq(s.mode, "");
  keys_unref(k);
  s3_error_fini(&error);
}

Test(session, failures_are_the_service_s_words) {
  struct seen denied = {.status = 403,
                        .reply = "<Error><Code>AccessDenied</Code><Message>Access "
                                 "Denied</Message></Error>"};
  struct seen odd = {.status = 200, .reply = "<CreateSessionResult/>"};
  struct s3_error error;
  struct keys *k;

  s3_error_init(&error);
  cr_assert_eq(session(&denied, true, &k, &error), -EACCES);
  cr_expect_str_eq(error.code, "AccessDenied");
  cr_expect_str_eq(error.call, "CreateSession");
  s3_error_fini(&error);
  s3_error_init(&error);
  cr_assert_eq(session(&odd, true, &k, &error), -EIO);
  cr_expect_str_eq(error.code, "MalformedReply");
  cr_expect_str_eq(error.call, "CreateSession");
  s3_error_fini(&error);
}

Test(session, needs_a_directory_bucket_s_endpoint) {
  struct s3_session_options o = {0};
  struct key_source *source;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(s3_session_keys_new(NULL, NULL, BUCKET, &o, &source, &why), -EINVAL);
  cr_expect(strstr(buf_cstr(&why), "region") != NULL, "%s", buf_cstr(&why));
  buf_fini(&why);
}
