/* The standard chain: with every provider configured, each in turn is the one that is
 * used once those ahead of it are taken away. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../net/server.h"
#include "fixture.h"
#include "s3apfs/cred/provider.h"

#define KEYS(id) "aws_access_key_id = " id "\naws_secret_access_key = s3cr3t\n"
#define ROLE "role_arn = arn:aws:iam::111122223333:role/"
#define SSO                                                                                        \
  "sso_start_url = https://x\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n"

static const char ASSUMED[] =
    "<AssumeRole%sResponse><AssumeRole%sResult><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/"
    "s"
    "</Arn></AssumedRoleUser><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>s3cr3t"
    "</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
    "</Credentials></AssumeRole%sResult></AssumeRole%sResponse>";

/* Every service that a provider asks, on one port. */
static void answer(struct server_conn *c, const struct server_request *r, void *arg) {
  bool web = strstr(r->body, "WithWebIdentity") != NULL;
  const char *with = web ? "WithWebIdentity" : "";
  const char *id = strstr(r->target, "container") != NULL ? "CONTAINER" : "INSTANCE";
  char text[2048];

  (void)arg;
  if (strstr(r->body, "Action=AssumeRole") != NULL)
    snprintf(text, sizeof(text), ASSUMED, with, with, web ? "WEB" : "ROLE", with, with);
  else if (strstr(r->target, "federation") != NULL)
    snprintf(text, sizeof(text),
             "{\"roleCredentials\":{\"accessKeyId\":\"SSO\",\"secretAccessKey\":\"s3cr3t\","
             "\"sessionToken\":\"t\",\"expiration\":4070908800000}}");
  else if (strstr(r->target, "security-credentials/") != NULL &&
           r->target[strlen(r->target) - 1] == '/')
    snprintf(text, sizeof(text), "machine");
  else if (strstr(r->target, "api/token") != NULL)
    snprintf(text, sizeof(text), "token");
  else
    snprintf(text, sizeof(text),
             "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s3cr3t\",\"Token\":\"t\","
             "\"Expiration\":\"2099-01-01T00:00:00Z\"}",
             id);
  conn_reply(c, 200, "", text);
}

static void expect(struct fixture *f, const char *id) {
  struct key_source *s = NULL;
  struct s3_error error;
  struct keys *k = NULL;

  s3_error_init(&error);
  cr_assert_eq(cred_default_new(&f->context, NULL, &s), 0);
  cr_assert_eq(key_source_get(s, &k, &error), 0, "%s: %s", id, error.message);
  cr_assert_str_eq(k->access_key_id, id);
  keys_unref(k);
  key_source_free(s);
  s3_error_fini(&error);
}

static void set_url(struct fixture *f, const char *name, unsigned port, const char *path) {
  char url[128];

  snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
  fixture_set(f, name, url);
}

static void configure_services(struct fixture *f, unsigned port) {
  fixture_call_sts(f, port);
  set_url(f, "AWS_ENDPOINT_URL_SSO", port, "");
  set_url(f, "AWS_CONTAINER_CREDENTIALS_FULL_URI", port, "/container");
  set_url(f, "AWS_EC2_METADATA_SERVICE_ENDPOINT", port, "");
  fixture_set(f, "AWS_EC2_METADATA_DISABLED", "false");
  /* the sha1 of https://x */
  fixture_file(f, ".aws/sso/cache/98383e6608d65e46b24bbd92582bc8d916605a21.json",
               "{\"accessToken\":\"a\",\"expiresAt\":\"2099-01-01T00:00:00Z\"}");
}

Test(order, each_provider_goes_before_the_next) {
  struct fixture f;
  struct server *server;
  char process[512];

  fixture_init(&f);
  server = server_start(answer, NULL, false);
  configure_services(&f, server_port(server));
  fixture_set(&f, "AWS_ACCESS_KEY_ID", "ENV");
  fixture_set(&f, "AWS_SECRET_ACCESS_KEY", "s3cr3t");
  fixture_set(&f, "AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/w");
  fixture_set(&f, "AWS_WEB_IDENTITY_TOKEN_FILE", fixture_file(&f, "token", "jwt.of.pod"));
  fixture_credentials(&f, "[default]\n" KEYS("CREDENTIALS") "[base]\n" KEYS("BASE"));
  fixture_config(&f, "[default]\n" ROLE "a\nsource_profile = base\n" KEYS("CONFIG"));
  expect(&f, "ENV");
  fixture_set(&f, "AWS_ACCESS_KEY_ID", "");
  fixture_set(&f, "AWS_SECRET_ACCESS_KEY", "");
  expect(&f, "ROLE");
  fixture_config(&f, "[default]\n" KEYS("CONFIG"));
  expect(&f, "WEB");
  fixture_set(&f, "AWS_WEB_IDENTITY_TOKEN_FILE", "");
  fixture_config(&f, "[default]\n" SSO);
  expect(&f, "SSO");
  fixture_config(&f, "[default]\n" KEYS("CONFIG"));
  expect(&f, "CREDENTIALS");
  snprintf(process, sizeof(process), "[default]\ncredential_process = %s\n" KEYS("CONFIG"),
           fixture_script(&f, "script",
                          "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"PROCESS\","
                          "\"SecretAccessKey\":\"s3cr3t\"}'\n"));
  fixture_config(&f, process);
  expect(&f, "CREDENTIALS");
  fixture_credentials(&f, "");
  expect(&f, "PROCESS");
  fixture_config(&f, "[default]\n" KEYS("CONFIG"));
  expect(&f, "CONFIG");
  fixture_config(&f, "");
  expect(&f, "CONTAINER");
  fixture_set(&f, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "");
  expect(&f, "INSTANCE");
  fixture_fini(&f);
  server_stop(server);
}
