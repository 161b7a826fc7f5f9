/* Access points through the control plane: made, listed in pages, refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "worlds.h"

#define OWNER "AKIAEXAMPLEADMIN0002"

static struct world *w;

static void setup(void) {
  w = world_from_file("tests/worlds/seed_000_001.json");
}

static void teardown(void) {
  world_free(w);
}

TestSuite(access_points, .init = setup, .fini = teardown);

static void send(const char *method, const char *path, const char *query, const char *body,
                 struct control_reply *r) {
  call(w,
       &(struct call){.plane = CONTROL_S3,
                      .method = method,
                      .path = path,
                      .query = query,
                      .body = body,
                      .account = "222222222222",
                      .key = OWNER},
       r);
}

static void expect(const char *method, const char *path, const char *body, int status,
                   const char *code) {
  struct control_reply r;

  send(method, path, NULL, body, &r);
  cr_expect_eq(r.status, status, "%s %s: %s", method, path, buf_cstr(&r.body));
  cr_expect_str_eq(reply_text(&r, "Code"), code, "%s %s", method, path);
  control_reply_fini(&r);
}

#define A "/v20180820/accesspoint/"
#define ON_BUCKET                                                                                  \
  "<CreateAccessPointRequest><Bucket>test-bucket-1</Bucket></CreateAccessPointRequest>"

Test(access_points, are_described) {
  struct control_reply r;

  send("GET", A "test-ap-1", NULL, NULL, &r);
  cr_expect_str_eq(reply_text(&r, "AccessPointArn"),
                   "arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1");
  cr_expect_str_eq(reply_text(&r, "NetworkOrigin"), "Internet");
  cr_expect_str_eq(reply_text(&r, "BucketAccountId"), "222222222222");
  cr_expect(reply_has(&r, "<BlockPublicPolicy>true</BlockPublicPolicy>"));
  cr_expect(reply_has(&r, "s3-accesspoint.us-east-1.amazonaws.com"));
  control_reply_fini(&r);
}

Test(access_points, are_made_once_and_deleted) {
  expect("PUT", A "second-ap", ON_BUCKET, 200, "");
  expect("PUT", A "second-ap", ON_BUCKET, 409, "AccessPointAlreadyOwnedByYou");
  expect("GET", A "second-ap/policy", NULL, 404, "NoSuchAccessPointPolicy");
  expect("DELETE", A "second-ap", NULL, 204, "");
  expect("DELETE", A "second-ap", NULL, 404, "NoSuchAccessPoint");
  expect("GET", A "second-ap", NULL, 404, "NoSuchAccessPoint");
}

Test(access_points, bad_wishes_are_told) {
  expect("PUT", A "Upper-Case", ON_BUCKET, 400, "InvalidRequest");
  expect("PUT", A "good-name",
         "<CreateAccessPointRequest><Bucket>none</Bucket>"
         "</CreateAccessPointRequest>",
         404, "NoSuchBucket");
  expect("PUT", A "good-name", "<CreateAccessPointRequest><Bucket>none", 400, "MalformedXML");
  expect("PUT", A "good-name", "<!DOCTYPE x [<!ENTITY a \"b\">]><CreateAccessPointRequest/>", 400,
         "MalformedXML");
  expect("PUT", A "good-name", NULL, 404, "NoSuchBucket");
  expect("PATCH", A "good-name", NULL, 405, "MethodNotAllowed");
  expect("GET", "/v20180820/nothing", NULL, 405, "MethodNotAllowed");
  /* Another account's bucket must be named with its account. */
  expect("PUT", A "good-name",
         "<CreateAccessPointRequest><Bucket>"
         "blog-access-grants-333333333333-us-east-1</Bucket>"
         "</CreateAccessPointRequest>",
         404, "NoSuchBucket");
  expect("PUT", A "good-name",
         "<CreateAccessPointRequest><Bucket>"
         "blog-access-grants-333333333333-us-east-1</Bucket>"
         "<BucketAccountId>333333333333</BucketAccountId>"
         "</CreateAccessPointRequest>",
         200, "");
}

Test(access_points, policies_are_checked) {
  expect("PUT", A "test-ap-1/policy",
         "<PutAccessPointPolicyRequest><Policy>{</Policy>"
         "</PutAccessPointPolicyRequest>",
         400, "MalformedPolicy");
  expect(
      "PUT", A "test-ap-1/policy",
      "<PutAccessPointPolicyRequest><Policy>{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":"
      "\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\"}}</Policy>"
      "</PutAccessPointPolicyRequest>",
      403, "AccessDenied");
}

Test(access_points, are_listed_in_pages_and_by_bucket) {
  struct control_reply r;
  char path[80];
  char query[256];
  char token[128] = "";
  int pages = 0;
  int found = 0;

  for (int i = 0; i < 4; i++) {
    snprintf(path, sizeof(path), A "more-%d", i);
    expect("PUT", path, ON_BUCKET, 200, "");
  }
  do {
    snprintf(query, sizeof(query), "maxResults=2%s%s", *token != '\0' ? "&nextToken=" : "", token);
    send("GET", "/v20180820/accesspoint", query, NULL, &r);
    cr_assert_eq(r.status, 200, "%s", buf_cstr(&r.body));
    snprintf(token, sizeof(token), "%s", reply_text(&r, "NextToken"));
    for (const char *at = buf_cstr(&r.body); (at = strstr(at, "<AccessPoint>")) != NULL; at++)
      found++;
    pages++;
    control_reply_fini(&r);
  } while (*token != '\0');
  cr_expect_eq(found, 5);
  cr_expect_eq(pages, 3);
  send("GET", "/v20180820/accesspoint", "bucket=other", NULL, &r);
  cr_expect_not(reply_has(&r, "<AccessPoint>"));
  control_reply_fini(&r);
}

Test(access_points, other_accounts_hear_nothing) {
  struct control_reply r;

  call(w,
       &(struct call){.plane = CONTROL_S3,
                      .path = A "test-ap-1",
                      .account = "222222222222",
                      .key = "AKIAEXAMPLEADMIN0003"},
       &r);
  cr_expect_eq(r.status, 403);
  cr_expect_str_eq(reply_text(&r, "Message"), "Access Denied");
  control_reply_fini(&r);
}

Test(access_points, operations_have_names_before_they_run) {
  struct kvlist none;
  struct control_request q = {.plane = CONTROL_S3,
                              .method = "GET",
                              .path = "/v20180820/accessgrantsinstance/dataaccess",
                              .query = &none,
                              .headers = &none};

  kvlist_init(&none);
  cr_expect_str_eq(control_operation_name(&q), "GetDataAccess");
  q.path = A "x/policyStatus";
  cr_expect_str_eq(control_operation_name(&q), "GetAccessPointPolicyStatus");
  q.path = A "x/y";
  cr_expect_str_eq(control_operation_name(&q), "Unknown");
  q.plane = CONTROL_STS;
  q.body = "Action=AssumeRole&Version=2011-06-15";
  q.body_len = strlen(q.body);
  cr_expect_str_eq(control_operation_name(&q), "AssumeRole");
}
