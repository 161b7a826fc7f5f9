/* Access Grants: matching, vending, its errors and its lists (through the
 * control plane's own entry, without a server). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../src/emulator/vending.h"
#include "worlds.h"

#define BUCKET "blog-access-grants-333333333333-us-east-1"
#define USER_A "ASIAEXAMPLEUSERA0000"
#define USER_B "ASIAEXAMPLEUSERB0000"
#define ADMIN "AKIAEXAMPLEADMIN0003"

static struct world *w;

static void setup(void) {
  w = world_from_file("tests/worlds/seed_000_001.json");
}

static void teardown(void) {
  world_free(w);
}

TestSuite(grants, .init = setup, .fini = teardown);

static void ask(const char *key, const char *target, const char *more, struct control_reply *r) {
  char query[512];

  snprintf(query, sizeof(query), "target=%s&%s", target, more);
  call(w,
       &(struct call){.plane = CONTROL_S3,
                      .path = "/v20180820/accessgrantsinstance/dataaccess",
                      .query = query,
                      .account = "333333333333",
                      .key = key},
       r);
}

static void expect_match(const char *key, const char *target, const char *more,
                         const char *matched) {
  struct control_reply r;

  ask(key, target, more, &r);
  cr_expect_eq(r.status, 200, "%s %s: %s", target, more, buf_cstr(&r.body));
  cr_expect_str_eq(reply_text(&r, "MatchedGrantTarget"), matched, "%s", target);
  control_reply_fini(&r);
}

static void expect_error(const char *key, const char *target, const char *more, int status,
                         const char *code) {
  struct control_reply r;

  ask(key, target, more, &r);
  cr_expect_eq(r.status, status, "%s %s: %s", target, more, buf_cstr(&r.body));
  cr_expect_str_eq(reply_text(&r, "Code"), code, "%s %s", target, more);
  control_reply_fini(&r);
}

Test(grants, default_privilege_gives_the_whole_grant) {
  expect_match(USER_A, "s3://" BUCKET "/UserA/*", "permission=READWRITE",
               "s3://" BUCKET "/UserA/*");
  expect_match(USER_A, "s3://" BUCKET "/UserA/", "permission=READWRITE", "s3://" BUCKET "/UserA/*");
  expect_match(USER_A, "s3://" BUCKET "/UserA/output/train", "permission=READ",
               "s3://" BUCKET "/UserA/*");
  expect_match(USER_B, "s3://" BUCKET "/Product/x", "permission=WRITE",
               "s3://" BUCKET "/Product/*");
}

Test(grants, minimal_privilege_gives_the_target) {
  expect_match(USER_A, "s3://" BUCKET "/UserA/out/*", "permission=READ&privilege=Minimal",
               "s3://" BUCKET "/UserA/out/*");
  expect_match(USER_A, "s3://" BUCKET "/UserA/", "permission=READ&privilege=Minimal",
               "s3://" BUCKET "/UserA/");
}

Test(grants, what_no_grant_covers_is_denied) {
  struct control_reply r;

  expect_error(USER_B, "s3://" BUCKET "/UserA/abalone.csv", "permission=READ", 403, "AccessDenied");
  expect_error(USER_A, "s3://" BUCKET "/UserA2/*", "permission=READ", 403, "AccessDenied");
  expect_error(USER_A, "s3://" BUCKET "/UserA", "permission=READ", 403, "AccessDenied");
  expect_error(USER_A, "s3://" BUCKET "/*", "permission=READ", 403, "AccessDenied");
  expect_error(USER_A, "s3://other-bucket/UserA/*", "permission=READ", 403, "AccessDenied");
  ask(USER_B, "s3://" BUCKET "/UserA/*", "permission=READ", &r);
  cr_expect_str_eq(reply_text(&r, "Message"),
                   "You do not have READ permissions to the requested S3 Prefix: s3://" BUCKET
                   "/UserA/*");
  control_reply_fini(&r);
}

Test(grants, bad_parameters_are_told) {
  expect_error(USER_A, "http://x", "permission=READ", 400, "InvalidRequest");
  expect_error(USER_A, "s3://", "permission=READ", 400, "InvalidRequest");
  expect_error(USER_A, "s3://" BUCKET "/UserA/*", "permission=ALL", 400, "InvalidRequest");
  expect_error(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ&durationSeconds=899", 400,
               "InvalidRequest");
  expect_error(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ&durationSeconds=43201", 400,
               "InvalidRequest");
  expect_error(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ&durationSeconds=7200", 400,
               "StsValidationError");
  expect_error(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ&targetType=Object", 400,
               "InvalidRequest");
  expect_error(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ&privilege=Most", 400,
               "InvalidRequest");
}

Test(grants, another_region_has_no_instance) {
  struct control_reply r;

  call(w,
       &(struct call){.plane = CONTROL_S3,
                      .path = "/v20180820/accessgrantsinstance/dataaccess",
                      .query = "target=s3://" BUCKET "/UserA/*&permission=READ",
                      .account = "333333333333",
                      .region = "eu-west-1",
                      .key = USER_A},
       &r);
  cr_expect_eq(r.status, 404);
  cr_expect_str_eq(reply_text(&r, "Code"), "AccessGrantsInstanceNotExistsError");
  control_reply_fini(&r);
}

Test(grants, vended_keys_expire_and_belong_to_the_location_role) {
  struct control_reply r;
  struct world_key k;
  char id[64];

  ask(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ&durationSeconds=900", &r);
  cr_expect_str_eq(reply_text(&r, "Expiration"), "2026-11-22T06:15:00Z");
  snprintf(id, sizeof(id), "%s", reply_text(&r, "AccessKeyId"));
  control_reply_fini(&r);
  cr_assert_eq(world_find_key(w, id, &k), 0);
  cr_expect_eq(
      strncmp(k.arn, "arn:aws:sts::333333333333:assumed-role/access-grants-location/access-grants-",
              76),
      0, "%s", k.arn);
  cr_expect_eq(k.expiration, WORLD_START + 900);
  world_key_fini(&k);
}

static bool may(const char *key, const char *action, const char *object, const char *prefix) {
  struct s3_access a = {.access_key_id = key, .action = action, .bucket = BUCKET, .key = object};
  struct s3_verdict v;
  struct kvlist query;
  bool allowed;

  kvlist_init(&query);
  if (prefix != NULL)
    cr_assert_eq(kvlist_add(&query, "prefix", prefix), 0);
  a.query = &query;
  cr_assert_eq(authorize_s3(w, &a, &v), 0);
  allowed = v.allowed;
  s3_verdict_fini(&v);
  kvlist_fini(&query);
  return allowed;
}

static void vend(const char *key, const char *target, const char *more, char id[64]) {
  struct control_reply r;

  ask(key, target, more, &r);
  cr_assert_eq(r.status, 200, "%s", buf_cstr(&r.body));
  snprintf(id, 64, "%s", reply_text(&r, "AccessKeyId"));
  control_reply_fini(&r);
}

Test(grants, read_keys_read_and_list_inside_the_scope_only) {
  char id[64];

  vend(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ", id);
  cr_expect(may(id, "s3:GetObject", "UserA/abalone.csv", NULL));
  cr_expect(may(id, "s3:ListBucket", NULL, "UserA/"));
  cr_expect(may(id, "s3:ListBucket", NULL, "UserA/output/train"));
  cr_expect_not(may(id, "s3:PutObject", "UserA/x", NULL));
  cr_expect_not(may(id, "s3:DeleteObject", "UserA/x", NULL));
  cr_expect_not(may(id, "s3:GetObject", "UserA2/x", NULL));
  cr_expect_not(may(id, "s3:GetObject", "UserB/x", NULL));
  cr_expect_not(may(id, "s3:GetObject", "Product/x", NULL));
  cr_expect_not(may(id, "s3:ListBucket", NULL, NULL));
  cr_expect_not(may(id, "s3:ListBucket", NULL, ""));
  cr_expect_not(may(id, "s3:ListBucket", NULL, "User"));
}

Test(grants, write_keys_cannot_read_and_minimal_keys_are_minimal) {
  char id[64];

  vend(USER_A, "s3://" BUCKET "/UserA/*", "permission=WRITE", id);
  cr_expect(may(id, "s3:PutObject", "UserA/x", NULL));
  cr_expect(may(id, "s3:AbortMultipartUpload", "UserA/x", NULL));
  cr_expect_not(may(id, "s3:GetObject", "UserA/x", NULL));
  cr_expect_not(may(id, "s3:ListBucket", NULL, "UserA/"));
  vend(USER_A, "s3://" BUCKET "/UserA/one", "permission=READ&privilege=Minimal", id);
  cr_expect(may(id, "s3:GetObject", "UserA/one", NULL));
  cr_expect_not(may(id, "s3:GetObject", "UserA/one2", NULL));
  cr_expect_not(may(id, "s3:GetObject", "UserA/", NULL));
}

Test(grants, the_roles_themselves_have_no_access_to_the_bucket) {
  cr_expect_not(may(USER_A, "s3:GetObject", "UserA/abalone.csv", NULL));
  cr_expect_not(may(USER_A, "s3:ListBucket", NULL, "UserA/"));
}

Test(grants, expired_keys_are_refused) {
  char id[64];

  vend(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ&durationSeconds=900", id);
  world_advance(899);
  cr_expect(may(id, "s3:GetObject", "UserA/x", NULL));
  world_advance(1);
  cr_expect_not(may(id, "s3:GetObject", "UserA/x", NULL));
  world_advance(-900);
}

Test(grants, callers_see_their_own_grants_in_pages) {
  struct control_reply r;
  struct call c = {.plane = CONTROL_S3,
                   .path = "/v20180820/accessgrantsinstance/caller/grants",
                   .query = "maxResults=1",
                   .account = "333333333333",
                   .key = USER_A};
  char next[128];
  char query[256];

  call(w, &c, &r);
  cr_expect_str_eq(reply_text(&r, "GrantScope"), "s3://" BUCKET "/Product/*");
  snprintf(next, sizeof(next), "%s", reply_text(&r, "NextToken"));
  cr_assert_str_neq(next, "");
  control_reply_fini(&r);
  snprintf(query, sizeof(query), "maxResults=1&nextToken=%s", next);
  c.query = query;
  call(w, &c, &r);
  cr_expect_str_eq(reply_text(&r, "GrantScope"), "s3://" BUCKET "/UserA/*");
  cr_expect_str_eq(reply_text(&r, "NextToken"), "");
  control_reply_fini(&r);
  c.query = "grantscope=s3://" BUCKET "/UserA/output/*";
  call(w, &c, &r);
  cr_expect(reply_has(&r, "/UserA/*"));
  cr_expect_not(reply_has(&r, "/Product/*"));
  control_reply_fini(&r);
  c.query = "nextToken=!!";
  call(w, &c, &r);
  cr_expect_eq(r.status, 400);
  control_reply_fini(&r);
}

Test(grants, a_location_role_that_does_not_trust_the_service) {
  struct control_reply r;

  call(w,
       &(struct call){.plane = CONTROL_S3,
                      .method = "PUT",
                      .path = "/v20180820/accessgrantsinstance/location/"
                              "00000001-0000-4000-8000-0000000000aa",
                      .body = "<UpdateAccessGrantsLocationRequest><IAMRoleArn>arn:aws:iam::"
                              "333333333333:role/sagemaker-usera-role</IAMRoleArn>"
                              "</UpdateAccessGrantsLocationRequest>",
                      .account = "333333333333",
                      .key = ADMIN},
       &r);
  cr_assert_eq(r.status, 200, "%s", buf_cstr(&r.body));
  control_reply_fini(&r);
  ask(USER_A, "s3://" BUCKET "/UserA/*", "permission=READ", &r);
  cr_expect_eq(r.status, 403);
  cr_expect_str_eq(reply_text(&r, "Code"), "StsNotAuthorizedError");
  cr_expect(reply_has(&r, "sts:AssumeRole on resource: "
                          "arn:aws:iam::333333333333:role/sagemaker-usera-role"));
  control_reply_fini(&r);
}

Test(grants, the_instance_for_a_prefix) {
  struct control_reply r;
  struct call c = {.plane = CONTROL_S3,
                   .path = "/v20180820/accessgrantsinstance/prefix",
                   .query = "s3prefix=s3://" BUCKET "/UserA/x",
                   .account = "333333333333",
                   .key = USER_A};

  call(w, &c, &r);
  cr_expect_str_eq(reply_text(&r, "AccessGrantsInstanceArn"),
                   "arn:aws:s3:us-east-1:333333333333:access-grants/default");
  control_reply_fini(&r);
  c.query = "s3prefix=s3://" BUCKET "x/UserA/x";
  call(w, &c, &r);
  cr_expect_eq(r.status, 404);
  control_reply_fini(&r);
}

Test(grants, strangers_are_refused) {
  expect_error("ASIAEXAMPLEDEMOROLE1", "s3://" BUCKET "/UserA/*", "permission=READ", 403,
               "AccessDenied");
  expect_error(NULL, "s3://" BUCKET "/UserA/*", "permission=READ", 403, "AccessDenied");
}

Test(vending, text_of_a_scope_cannot_break_out) {
  struct scope scope = {
      .bucket = (char *)"b", .prefix = (char *)"a*b?${x}\"\\\n", .is_prefix = true};
  struct buf text;

  buf_init(&text, 0);
  vending_session_policy(&scope, SCOPE_WRITE, &text);
  cr_expect(strstr(buf_cstr(&text), "arn:aws:s3:::b/a${*}b${?}${$}{x}\\\"\\\\\\u000a*") != NULL,
            "%s", buf_cstr(&text));
  buf_fini(&text);
}
