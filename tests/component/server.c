#include "server.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/text.h"
#include "s3apfs/s3/store.h"

static const char *env(const char *name) {
  const char *value = getenv(name);

  cr_assert_not_null(value, "%s is not set: run test_components.py", name);
  return value;
}

static int env_keys_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  (void)s;
  (void)error;
  return keys_new(env("S3APFS_TEST_KEY"), env("S3APFS_TEST_SECRET"), NULL, 0, NULL, "the test",
                  out);
}

static const struct key_source_ops env_keys_ops = {env_keys_get, NULL, NULL};
static struct key_source env_keys = {&env_keys_ops};

void fixture_init(struct fixture *f, const char *bucket) {
  static unsigned number;
  struct caller_options co = {.base_delay_ms = 1, .max_delay_ms = 20, .max_attempts = 3};
  struct s3_client_options o = {
      .site = {.region = "us-east-1", .endpoint_url = env("S3APFS_TEST_URL")}};
  char prefix[64];
  struct s3_store_options so = {
      .source = "the test's source", .prefix = prefix, .identity = "test"};
  struct s3_client *client;
  struct buf why;

  memset(f, 0, sizeof(*f));
  buf_init(&why, 0);
  f->emulator = getenv("S3APFS_TEST_FAULTS") != NULL;
  f->keys = &env_keys;
  o.site.path_style = bucket == NULL;
  snprintf(prefix, sizeof(prefix), "t %d+%u/", (int)getpid(), number++);
  cr_assert_eq(http_engine_new(NULL, &f->engine), 0);
  cr_assert_eq(caller_new(f->engine, &co, &f->caller), 0);
  cr_assert_eq(s3_client_new(f->caller, f->keys,
                             bucket != NULL ? bucket : env("S3APFS_TEST_BUCKET"), &o, &client,
                             &why),
               0, "%s", buf_cstr(&why));
  cr_assert_eq(s3_store_new(client, &so, &f->store), 0);
  f->w = f->store->write;
  cr_assert_not_null(f->w);
  buf_fini(&why);
}

void fixture_fini(struct fixture *f) {
  if (f->emulator)
    fixture_faults(f, "");
  store_free(f->store);
  caller_free(f->caller);
  http_engine_free(f->engine);
}

/* One call to the emulator's administration; the reply's body is the caller's. */
static char *admin(struct fixture *f, const char *method, const char *path, const char *body) {
  const char *url = env("S3APFS_TEST_URL");
  struct aws_request r;
  struct call_request q = {.request = &r, .body = body, .body_len = strlen(body)};
  struct buf reply;
  struct http_reply head;
  struct s3_error error;
  char *text;

  aws_request_init(&r);
  s3_error_init(&error);
  cr_assert_eq(aws_request_set(&r, method, "http", strstr(url, "://") + 3, path), 0);
  cr_assert_eq(call_perform(f->caller, &q, &head, &reply, &error), 0, "%s", error.message);
  text = buf_take(&reply);
  kvlist_fini(&head.headers);
  aws_request_fini(&r);
  s3_error_fini(&error);
  return text;
}

void fixture_faults(struct fixture *f, const char *json) {
  free(admin(f, *json != '\0' ? "POST" : "DELETE", "/_emulator/faults", json));
}

unsigned fixture_requests(struct fixture *f, const char *operation) {
  char *text = admin(f, "GET", "/_emulator/requests", "");
  char *want = text_printf("\"%s\"", operation);
  unsigned n = 0;

  for (const char *at = strstr(text, want); at != NULL; at = strstr(at + 1, want))
    n++;
  free(want);
  free(text);
  free(admin(f, "DELETE", "/_emulator/requests", ""));
  return n;
}

struct store_attr put_text(struct fixture *f, const char *key, const char *text) {
  struct store_attr a;

  cr_assert_eq(f->w->put(f->store, key, text, strlen(text), NULL, NULL, &a), 0);
  return a;
}

const char *text_of(struct fixture *f, const char *key, char buf[1024]) {
  size_t got = 0;
  int rc = store_read(f->store, key, NULL, 0, buf, 1023, &got, NULL);

  if (rc == -ENOENT)
    return "(none)";
  if (rc != -ERANGE)
    cr_assert_eq(rc, 0, "%s: %d", key, rc);
  buf[got] = '\0';
  return buf;
}
