/* Credential documents in JSON, good, incomplete and hostile. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/keys_json.h"

#define ID "\"AccessKeyId\":\"ASIAEXAMPLE\","
#define SECRET "\"SecretAccessKey\":\"verysecret\""

Test(keys_json, reads_process_output) {
  static const char json[] =
      "\n{\"Version\": 1, " ID SECRET ", \"SessionToken\": \"tok/en==\", \"Expiration\": "
      "\"2026-11-22T06:33:00+00:00\", \"AccountId\": \"123456789012\","
      "\"Extra\": {\"a\": [1]}}\n";
  struct aws_keys k;
  char *account;

  cr_assert_eq(keys_json_parse_process(json, strlen(json), &k, &account, NULL), 0);
  cr_assert_str_eq(k.access_key_id, "ASIAEXAMPLE");
  cr_assert_str_eq(k.secret_access_key, "verysecret");
  cr_assert_str_eq(k.session_token, "tok/en==");
  cr_assert_eq(k.expiration, 1795329180);
  cr_assert_str_eq(account, "123456789012");
  aws_keys_fini(&k);
  free(account);
}

Test(keys_json, takes_absent_null_and_empty_optional_members_alike) {
  static const char *const docs[] = {
      "{\"Version\":1," ID SECRET "}",
      "{\"Version\":1," ID SECRET ",\"SessionToken\":null,\"Expiration\":null,\"AccountId\":null}",
      "{\"Version\":1," ID SECRET ",\"SessionToken\":\"\",\"Expiration\":\"\",\"AccountId\":\"\"}",
  };

  for (size_t i = 0; i < sizeof(docs) / sizeof(*docs); i++) {
    struct aws_keys k;
    char *account = (char *)1;

    cr_assert_eq(keys_json_parse_process(docs[i], strlen(docs[i]), &k, &account, NULL), 0);
    cr_assert_null(k.session_token);
    cr_assert_null(account);
    cr_assert_eq(k.expiration, 0);
    aws_keys_fini(&k);
  }
}

Test(keys_json, reads_text_that_is_not_terminated) {
  static const char json[] = "{\"Version\":1," ID SECRET "}garbage";
  struct aws_keys k;
  char *copy = malloc(strlen(json) - 7);

  memcpy(copy, json, strlen(json) - 7);
  cr_assert_eq(keys_json_parse_process(copy, strlen(json) - 7, &k, NULL, NULL), 0);
  aws_keys_fini(&k);
  free(copy);
}

static void refuse_process(const char *json, const char *why) {
  struct aws_keys k = {0};
  char *account = NULL;
  struct buf b;

  buf_init(&b, 0);
  cr_assert_eq(keys_json_parse_process(json, strlen(json), &k, &account, &b), -EBADMSG,
               "accepted %s", json);
  cr_assert_str_eq(buf_cstr(&b), why, "%s for %s", buf_cstr(&b), json);
  cr_assert_null(strstr(buf_cstr(&b), "verysecret"));
  cr_assert_null(k.access_key_id);
  cr_assert_null(account);
  buf_fini(&b);
}

Test(keys_json, refuses_bad_process_output) {
  static const char object[] = "the output is not a JSON object";
  char *deep = malloc(100001);

  refuse_process("", object);
  refuse_process("  ", object);
  refuse_process("null", object);
  refuse_process("[]", object);
  refuse_process("\"verysecret\"", object);
  refuse_process("{\"Version\":1," ID SECRET, object);
  refuse_process("{\"Version\":1," ID SECRET "} {}", object);
  refuse_process("{\"Version\":1," ID SECRET "}verysecret", object);
  refuse_process("{" ID SECRET "}", "Version is not 1");
  refuse_process("{\"Version\":2," ID SECRET "}", "Version is not 1");
  refuse_process("{\"Version\":1.5," ID SECRET "}", "Version is not 1");
  refuse_process("{\"Version\":\"1\"," ID SECRET "}", "Version is not 1");
  refuse_process("{\"Version\":1," SECRET "}", "AccessKeyId is missing or empty");
  refuse_process("{\"Version\":1," ID "\"x\":1}", "SecretAccessKey is missing or empty");
  refuse_process("{\"Version\":1," ID "\"secretaccesskey\":\"verysecret\"}",
                 "SecretAccessKey is missing or empty");
  refuse_process("{\"Version\":1," ID "\"SecretAccessKey\":5}", "SecretAccessKey is not a string");
  refuse_process("{\"Version\":1," ID SECRET ",\"SessionToken\":\"a\\r\\nb\"}",
                 "SessionToken holds blanks, control or non-ASCII characters");
  refuse_process("{\"Version\":1," ID SECRET ",\"SessionToken\":{}}",
                 "SessionToken is not a string");
  refuse_process("{\"Version\":1," ID SECRET ",\"Expiration\":\"tomorrow\"}",
                 "Expiration is not an ISO 8601 time");
  refuse_process("{\"Version\":1," ID SECRET ",\"Expiration\":1795329180}",
                 "Expiration is not an ISO 8601 time");
  refuse_process("{\"Version\":1," ID SECRET ",\"AccountId\":123456789012}",
                 "AccountId is not a string");
  memset(deep, '[', 100000);
  deep[100000] = '\0';
  refuse_process(deep, object);
  free(deep);
}

Test(keys_json, refuses_oversized_output) {
  size_t n = (size_t)2 << 20;
  char *big = malloc(n + 1);
  struct aws_keys k;

  memset(big, ' ', n);
  memcpy(big, "{\"Version\":1," ID SECRET "}", strlen("{\"Version\":1," ID SECRET "}"));
  big[n] = '\0';
  cr_assert_eq(keys_json_parse_process(big, n, &k, NULL, NULL), -EBADMSG);
  free(big);
}

Test(keys_json, reads_metadata) {
  static const char json[] =
      "{\"Code\" : \"Success\",\"LastUpdated\" : \"2026-11-22T00:00:00Z\",\"Type\":\"AWS-HMAC\"," ID
          SECRET ",\"Token\":\"tok\",\"Expiration\":\"2026-11-22T06:33:00Z\"}";
  static const char container[] = "{" ID SECRET ",\"Token\":\"t\",\"RoleArn\":\"arn:x\"}";
  struct aws_keys k;

  cr_assert_eq(keys_json_parse_metadata(json, strlen(json), &k, NULL), 0);
  cr_assert_str_eq(k.access_key_id, "ASIAEXAMPLE");
  cr_assert_str_eq(k.session_token, "tok");
  cr_assert_eq(k.expiration, 1795329180);
  aws_keys_fini(&k);
  cr_assert_eq(keys_json_parse_metadata(container, strlen(container), &k, NULL), 0);
  cr_assert_eq(k.expiration, 0);
  aws_keys_fini(&k);
}

Test(keys_json, refuses_metadata_without_keys) {
  static const struct {
    const char *json;
    const char *why;
  } rows[] = {
      {"<html>", "the reply is not a JSON object"},
      {"{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot assume\"}",
       "Code is not Success: the service has no keys to give"},
      {"{\"Code\":7," ID SECRET "}", "Code is not Success: the service has no keys to give"},
      {"{\"Code\":\"Success\"}", "AccessKeyId is missing or empty"},
      {"{\"code\":\"x\",\"message\":\"y\"}", "AccessKeyId is missing or empty"},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct aws_keys k = {0};
    struct buf b;

    buf_init(&b, 0);
    cr_assert_eq(keys_json_parse_metadata(rows[i].json, strlen(rows[i].json), &k, &b), -EBADMSG);
    cr_assert_str_eq(buf_cstr(&b), rows[i].why);
    cr_assert_null(k.access_key_id);
    buf_fini(&b);
  }
}
