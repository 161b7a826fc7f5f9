/* The container endpoint: which addresses are asked, with which token, and what
 * each bad answer becomes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../net/server.h"
#include "fixture.h"
#include "s3apfs/cred/provider.h"

#define FULL_URI "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define RELATIVE_URI "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define PATH "/v2/s3cr3t-path"
#define DOCUMENT                                                                                   \
  "{\"RoleArn\":\"arn:aws:iam::111122223333:role/task\",\"AccessKeyId\":\"ASIATASK\","             \
  "\"SecretAccessKey\":\"s3cr3t-key\",\"Token\":\"s3cr3t-token\",\"Expiration\":\"2040-01-01T00"   \
  ":00:00Z\"}"

struct container {
  struct fixture f;
  struct server *server;
  int status;
  const char *body;
  unsigned failures; /* the first so many requests get 500 */
  char target[64];
  char authorization[64];
};

static void answer(struct server_conn *c, const struct server_request *r, void *arg) {
  struct container *e = arg;

  snprintf(e->target, sizeof(e->target), "%s", r->target);
  request_header(r, "authorization", e->authorization, sizeof(e->authorization));
  if (r->number < e->failures)
    conn_reply(c, 500, "", "{\"message\":\"s3cr3t\"}");
  else
    conn_reply(c, e->status, "", e->body);
}

static void set_full_uri(struct container *e, unsigned port) {
  char url[128];

  snprintf(url, sizeof(url), "http://127.0.0.1:%u" PATH, port);
  fixture_set(&e->f, FULL_URI, url);
}

static void endpoint_start(struct container *e, int status, const char *body) {
  memset(e, 0, sizeof(*e));
  fixture_init(&e->f);
  e->status = status;
  e->body = body;
  e->server = server_start(answer, e, false);
  set_full_uri(e, server_port(e->server));
}

static void endpoint_stop(struct container *e) {
  server_stop(e->server);
  fixture_fini(&e->f);
}

static int get(struct fixture *f, struct keys **out, struct s3_error *error) {
  struct key_source *s = NULL;
  int rc;

  *out = NULL;
  s3_error_init(error);
  cr_assert_eq(cred_container_new(&f->context, 1, &s), 0);
  rc = key_source_get(s, out, error);
  key_source_free(s);
  return rc;
}

static void expect_keys(struct fixture *f) {
  struct keys *k;
  struct s3_error error;

  cr_assert_eq(get(f, &k, &error), 0, "%s", error.message);
  cr_assert_str_eq(k->access_key_id, "ASIATASK");
  cr_assert_str_eq(k->secret_access_key, "s3cr3t-key");
  cr_assert_str_eq(k->session_token, "s3cr3t-token");
  cr_assert_eq(k->expiration, 2208988800);
  cr_assert_str_eq(k->who, "role arn:aws:iam::111122223333:role/task");
  keys_unref(k);
  s3_error_fini(&error);
}

static void expect_failure(struct fixture *f, int rc, const char *said) {
  struct keys *k;
  struct s3_error error;

  cr_assert_eq(get(f, &k, &error), rc, "%s: %d %s", said, error.err, error.message);
  cr_assert_null(k);
  cr_assert_eq(strncmp(error.message, "container credentials: ", 23), 0, "%s", error.message);
  cr_assert_not_null(strstr(error.message, said), "%s", error.message);
  cr_assert_null(strstr(error.message, "s3cr3t"), "%s", error.message);
  cr_assert_null(strchr(error.message, '\n'));
  s3_error_fini(&error);
}

Test(container, delivers_keys_without_a_token) {
  struct container e;

  endpoint_start(&e, 200, DOCUMENT);
  expect_keys(&e.f);
  endpoint_stop(&e);
  cr_assert_str_eq(e.target, PATH);
  cr_assert_str_eq(e.authorization, "");
}

Test(container, standard_chain_ends_with_it) {
  struct container e;
  struct key_source *s = NULL;
  struct keys *k = NULL;

  endpoint_start(&e, 200, DOCUMENT);
  cr_assert_eq(cred_default_new(&e.f.context, NULL, &s), 0);
  cr_assert_eq(key_source_get(s, &k, NULL), 0);
  cr_assert_str_eq(k->access_key_id, "ASIATASK");
  keys_unref(k);
  key_source_free(s);
  endpoint_stop(&e);
}

Test(container, token_of_the_file_wins_and_is_read_again) {
  struct container e;

  endpoint_start(&e, 200, DOCUMENT);
  fixture_set(&e.f, TOKEN, "given");
  expect_keys(&e.f);
  cr_assert_str_eq(e.authorization, "given");
  fixture_set(&e.f, TOKEN_FILE, fixture_file(&e.f, "token", "first"));
  expect_keys(&e.f);
  cr_assert_str_eq(e.authorization, "first");
  fixture_file(&e.f, "token", "second");
  expect_keys(&e.f);
  cr_assert_str_eq(e.authorization, "second");
  endpoint_stop(&e);
}

Test(container, bad_tokens_are_not_sent) {
  struct container e;

  endpoint_start(&e, 200, DOCUMENT);
  fixture_set(&e.f, TOKEN, "s3cr3t\r\nx-other: 1");
  expect_failure(&e.f, -EINVAL, TOKEN " has a line end");
  fixture_set(&e.f, TOKEN_FILE, fixture_file(&e.f, "token", "s3cr3t\n"));
  expect_failure(&e.f, -EINVAL, TOKEN_FILE " has a line end");
  fixture_file(&e.f, "token", "");
  expect_failure(&e.f, -EINVAL, TOKEN_FILE " is empty");
  fixture_set(&e.f, TOKEN_FILE, "/nonexistent/token");
  expect_failure(&e.f, -EINVAL, "/nonexistent/token");
  cr_assert_eq(server_requests(e.server), 0);
  endpoint_stop(&e);
}

Test(container, only_known_addresses_are_asked_without_tls) {
  static const char *const refused[] = {
      "http://example.com/s3cr3t", "http://169.254.170.3/s3cr3t",
      "http://[fd00:ec2::24]/x",   "http://localhost.example.com/x",
      "http://0x7f.1/x",           "http://[::2]/x"};
  static const char *const malformed[] = {"ftp://localhost/x", "localhost",
                                          "http://",           "http://localhost@example.com/x",
                                          "http://[::1/x",     "http://localhost/a b",
                                          "http:///x"};
  struct fixture f;

  fixture_init(&f);
  for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
    fixture_set(&f, FULL_URI, refused[i]);
    expect_failure(&f, -EINVAL, "by https only");
  }
  for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
    fixture_set(&f, FULL_URI, malformed[i]);
    expect_failure(&f, -EINVAL, "no http or https URL");
  }
  fixture_set(&f, RELATIVE_URI, "@example.com/s3cr3t");
  fixture_set(&f, FULL_URI, "http://127.0.0.1/x");
  expect_failure(&f, -EINVAL, RELATIVE_URI " is no path that begins with /");
  fixture_fini(&f);
}

Test(container, refusals_are_final_and_trouble_is_tried_again) {
  static const int final[] = {400, 401, 403, 404};
  struct container e;
  char said[64];

  for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
    endpoint_start(&e, final[i], "{\"message\":\"s3cr3t\"}");
    snprintf(said, sizeof(said), "127.0.0.1 answered with status %d", final[i]);
    expect_failure(&e.f, -EACCES, said);
    cr_assert_eq(server_requests(e.server), 1);
    endpoint_stop(&e);
  }
  endpoint_start(&e, 200, DOCUMENT);
  e.failures = 2;
  expect_keys(&e.f);
  endpoint_stop(&e);
  endpoint_start(&e, 500, "");
  expect_failure(&e.f, -EACCES, "answered with status 500");
  cr_assert_eq(server_requests(e.server), 3);
  endpoint_stop(&e);
}

Test(container, broken_documents_and_refused_ports) {
  static const char *const broken[] = {
      "", "{", "[]", "{\"AccessKeyId\":\"A\"}",
      "{\"Code\":\"s3cr3t\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s3cr3t\"}"};
  struct container e;

  for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
    endpoint_start(&e, 200, broken[i]);
    expect_failure(&e.f, -EBADMSG, "127.0.0.1");
    endpoint_stop(&e);
  }
  endpoint_start(&e, 200, DOCUMENT);
  set_full_uri(&e, closed_port());
  expect_failure(&e.f, -ECONNREFUSED, "127.0.0.1 cannot be asked");
  endpoint_stop(&e);
}
