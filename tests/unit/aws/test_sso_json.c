/* Cached sign-ons and the portal's replies: what is read, renewed, kept, refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "s3apfs/aws/sso_json.h"

#define TOKEN                                                                                      \
  "{\"startUrl\":\"https://"                                                                       \
  "x\",\"accessToken\":\"s3cr3t-a\",\"expiresAt\":\"2026-11-22T06:00:00Z\","                       \
  "\"refreshToken\":\"s3cr3t-r\",\"clientId\":\"id\",\"clientSecret\":\"s3cr3t-c\","               \
  "\"registrationExpiresAt\":\"2027-01-01T00:00:00Z\"}"

static void refused(const char *json, const char *said) {
  struct sso_token t;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(sso_token_parse(json, strlen(json), &t, &why), -EBADMSG, "%s", json);
  cr_assert_not_null(strstr(buf_cstr(&why), said), "%s", buf_cstr(&why));
  cr_assert_null(strstr(buf_cstr(&why), "s3cr3t"));
  buf_fini(&why);
}

Test(sso_json, tokens) {
  struct sso_token t;

  cr_assert_eq(sso_token_parse(TOKEN, strlen(TOKEN), &t, NULL), 0);
  cr_assert_str_eq(t.access_token, "s3cr3t-a");
  cr_assert_str_eq(t.refresh_token, "s3cr3t-r");
  cr_assert_str_eq(t.client_secret, "s3cr3t-c");
  cr_assert_eq(t.expires, 1795327200);
  cr_assert_eq(t.registration_expires, 1798761600);
  sso_token_fini(&t);
  refused("", "not a JSON object");
  refused("[]", "not a JSON object");
  refused("{\"expiresAt\":\"2026-11-22T06:00:00Z\"}", "accessToken is missing");
  refused("{\"accessToken\":\"s3cr3t\"}", "expiresAt is no time");
  refused("{\"accessToken\":\"s3cr3t\",\"expiresAt\":7}", "expiresAt is no time");
  refused("{\"accessToken\":\"s3cr3t x\",\"expiresAt\":\"2026-11-22T06:00:00Z\"}", "accessToken");
}

Test(sso_json, older_tokens_say_utc) {
  const char *json = "{\"accessToken\":\"a\",\"expiresAt\":\"2026-11-22T06:00:00UTC\"}";
  struct sso_token t;

  cr_assert_eq(sso_token_parse(json, strlen(json), &t, NULL), 0);
  cr_assert_eq(t.expires, 1795327200);
  cr_assert_null(t.refresh_token);
  sso_token_fini(&t);
}

Test(sso_json, renewal_keeps_what_it_does_not_know) {
  static const char reply[] = "{\"accessToken\":\"new\",\"expiresIn\":60,\"tokenType\":\"Bearer\"}";
  struct buf document;
  struct buf request;
  struct sso_token t;

  buf_init(&document, 0);
  buf_init(&request, 0);
  buf_puts(&document, TOKEN);
  cr_assert_eq(sso_token_parse(TOKEN, strlen(TOKEN), &t, NULL), 0);
  cr_assert_eq(sso_token_request(&t, &request), 0);
  cr_assert_str_eq(buf_cstr(&request),
                   "{\"clientId\":\"id\",\"clientSecret\":\"s3cr3t-c\",\"grantType\":"
                   "\"refresh_token\",\"refreshToken\":\"s3cr3t-r\"}");
  cr_assert_eq(sso_token_renewed(&t, reply, strlen(reply), 1795327200, &document, NULL), 0);
  cr_assert_str_eq(t.access_token, "new");
  cr_assert_str_eq(t.refresh_token, "s3cr3t-r");
  cr_assert_not_null(strstr(buf_cstr(&document), "\"expiresAt\":\"2026-11-22T06:01:00Z\""));
  cr_assert_not_null(strstr(buf_cstr(&document), "\"startUrl\":\"https://x\""));
  cr_assert_not_null(strstr(buf_cstr(&document), "s3cr3t-r"));
  cr_assert_null(strstr(buf_cstr(&document), "s3cr3t-a"));
  cr_assert_eq(sso_token_renewed(&t, "{}", 2, 0, &document, NULL), -EBADMSG);
  cr_assert_str_eq(t.access_token, "new");
  sso_token_fini(&t);
  buf_wipe(&request);
  buf_wipe(&document);
}

Test(sso_json, credentials) {
  static const char good[] =
      "{\"roleCredentials\":{\"accessKeyId\":\"ASIA\",\"secretAccessKey\":\"s\","
      "\"sessionToken\":\"t\",\"expiration\":1795327200000}}";
  static const char distant[] =
      "{\"roleCredentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"s\","
      "\"sessionToken\":\"t\",\"expiration\":1e300}}";
  static const char endless[] = "{\"roleCredentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":"
                                "\"s\",\"sessionToken\":\"t\"}}";
  static const char *const bad[] = {"", "{}", "{\"roleCredentials\":{\"accessKeyId\":\"A\"}}",
                                    endless};
  struct aws_keys k;

  cr_assert_eq(sso_credentials_parse(good, strlen(good), &k, NULL), 0);
  cr_assert_str_eq(k.access_key_id, "ASIA");
  cr_assert_eq(k.expiration, 1795327200);
  aws_keys_fini(&k);
  cr_assert_eq(sso_credentials_parse(distant, strlen(distant), &k, NULL), -EBADMSG);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_assert_eq(sso_credentials_parse(bad[i], strlen(bad[i]), &k, NULL), -EBADMSG);
}

Test(sso_json, refusals_that_are_final) {
  static const char *const final[] = {
      "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid refresh token provided\"}",
      "{\"error\":\"invalid_client\"}", "{\"error\":\"expired_token\"}"};
  static const char *const passing[] = {"",
                                        "{}",
                                        "[]",
                                        "{\"error\":7}",
                                        "{\"error\":\"slow_down\"}",
                                        "{\"error\":\"server_error\"}",
                                        "<a>"};

  for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++)
    cr_expect(sso_token_is_refused(final[i], strlen(final[i])), "%s", final[i]);
  for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
    cr_expect_not(sso_token_is_refused(passing[i], strlen(passing[i])), "%s", passing[i]);
}
