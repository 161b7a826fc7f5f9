/* What the data plane is told, on the world of seed 000: every policy layer
 * taken out in turn, the ways in, and the checks that no policy decides. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "worlds.h"

#define DEMO "ASIAEXAMPLEDEMOROLE1"
#define OWNER "AKIAEXAMPLEADMIN0002"
#define ADMIN1 "AKIAEXAMPLEADMIN0001"
#define AP "arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1"
#define VPCE "vpce-0123456789abcdef0"
#define DEMO_ARN "arn:aws:sts::111111111111:assumed-role/demo/DemoNotebookInstance"

static struct world *w;

static void setup(void) {
  w = world_from_file("tests/worlds/seed_000_001.json");
}

static void teardown(void) {
  world_free(w);
}

TestSuite(authorize_s3, .init = setup, .fini = teardown);

static struct s3_access get(const char *key) {
  struct s3_access a = {.access_key_id = key,
                        .action = "s3:GetObject",
                        .bucket = "test-bucket-1",
                        .access_point_arn = AP,
                        .key = "sample2.csv",
                        .source_ip = "127.0.0.1"};

  return a;
}

static void expect_allowed(const struct s3_access *a) {
  struct s3_verdict v;

  cr_assert_eq(authorize_s3(w, a, &v), 0);
  cr_expect(v.allowed, "%s %s: %s", a->action, a->key, v.message);
  s3_verdict_fini(&v);
}

static void expect_denied(const struct s3_access *a, const char *message) {
  struct s3_verdict v;

  cr_assert_eq(authorize_s3(w, a, &v), 0);
  cr_assert_not(v.allowed, "%s %s", a->action, a->key);
  cr_expect_eq(v.http_status, 403);
  cr_expect_str_eq(v.code, "AccessDenied");
  cr_expect_str_eq(v.message, message);
  s3_verdict_fini(&v);
}

static void drop_identity_policy(void) {
  /* The identity policy is made useless: it then names an action that nobody
   * asks for. */
  struct buf text;
  char *at;

  buf_init(&text, 0);
  cr_assert_eq(world_config_print(w, &text), 0);
  at = strstr(text.data, "AmazonSagemakerFullAccess");
  cr_assert_not_null(at);
  at = strstr(at, "s3:GetObject\\\"");
  cr_assert_not_null(at);
  memcpy(at, "s3:GetNothin", 12);
  world_free(w);
  w = world_from(buf_cstr(&text));
  buf_fini(&text);
}

static void control(const char *method, const char *path, const char *body, int status) {
  struct control_reply r;

  call(w,
       &(struct call){.plane = CONTROL_S3,
                      .method = method,
                      .path = path,
                      .body = body,
                      .account = "222222222222",
                      .key = OWNER},
       &r);
  cr_assert_eq(r.status, status, "%s %s: %s", method, path, buf_cstr(&r.body));
  control_reply_fini(&r);
}

Test(authorize_s3, through_the_access_point_only) {
  struct s3_access a = get(DEMO);

  expect_allowed(&a);
  a.access_point_arn = NULL;
  expect_denied(&a, "User: " DEMO_ARN " is not authorized to perform: s3:GetObject on resource: "
                    "\"arn:aws:s3:::test-bucket-1/sample2.csv\" because no resource-based policy "
                    "allows the s3:GetObject action");
  a.access_key_id = OWNER;
  expect_allowed(&a);
}

Test(authorize_s3, without_the_identity_policy) {
  struct s3_access a = get(DEMO);

  drop_identity_policy();
  expect_denied(&a, "User: " DEMO_ARN " is not authorized to perform: s3:GetObject on resource: "
                    "\"" AP "/object/sample2.csv\" because no identity-based policy allows the "
                    "s3:GetObject action");
}

Test(authorize_s3, without_the_access_point_policy) {
  struct s3_access a = get(DEMO);

  control("DELETE", "/v20180820/accesspoint/test-ap-1/policy", NULL, 204);
  expect_denied(&a, "User: " DEMO_ARN " is not authorized to perform: s3:GetObject on resource: "
                    "\"" AP "/object/sample2.csv\" because no resource-based policy allows the "
                    "s3:GetObject action");
}

Test(authorize_s3, without_the_bucket_policy) {
  struct s3_access a = get(DEMO);

  cr_assert_eq(world_set_bucket_policy(w, "test-bucket-1", NULL, 0, NULL), 0);
  expect_denied(&a, "User: " DEMO_ARN " is not authorized to perform: s3:GetObject on resource: "
                    "\"arn:aws:s3:::test-bucket-1/sample2.csv\" because no resource-based policy "
                    "allows the s3:GetObject action");
}

Test(authorize_s3, the_vpc_endpoint_is_a_layer_and_says_nothing_to_other_accounts) {
  struct s3_access a = get(DEMO);

  a.endpoint_id = VPCE;
  expect_allowed(&a);
  a.access_key_id = OWNER;
  a.access_point_arn = NULL;
  a.action = "s3:DeleteObject";
  expect_denied(&a,
                "User: arn:aws:iam::222222222222:user/admin is not authorized to perform: "
                "s3:DeleteObject on resource: \"arn:aws:s3:::test-bucket-1/sample2.csv\" because "
                "no VPC endpoint policy allows the s3:DeleteObject action");
  a = get(DEMO);
  a.endpoint_id = VPCE;
  a.action = "s3:GetObject";
  a.bucket = "test-bucket-1";
  expect_allowed(&a);
}

Test(authorize_s3, the_literal_articles_denials) {
  struct s3_access a = get(DEMO);

  a.action = "s3:PutObject";
  expect_denied(&a, "User: " DEMO_ARN " is not authorized to perform: s3:PutObject on resource: "
                    "\"arn:aws:s3:::test-bucket-1/sample2.csv\" because no resource-based policy "
                    "allows the s3:PutObject action");
  a.action = "s3:GetObjectVersion";
  expect_denied(&a,
                "User: " DEMO_ARN " is not authorized to perform: s3:GetObjectVersion on resource: "
                "\"arn:aws:s3:::test-bucket-1/sample2.csv\" because no resource-based policy "
                "allows the s3:GetObjectVersion action");
}

Test(authorize_s3, strangers_get_the_bare_text) {
  struct s3_access a = get("AKIAEXAMPLEADMIN0003");

  expect_denied(&a, "Access Denied");
  a.access_key_id = NULL;
  expect_denied(&a, "Access Denied");
  a.access_key_id = "AKIANOBODY";
  expect_denied(&a, "Access Denied");
}

Test(authorize_s3, a_vpc_access_point_hears_its_vpc_only) {
  struct s3_access a = get(OWNER);

  control("PUT", "/v20180820/accesspoint/vpc-only",
          "<CreateAccessPointRequest><Bucket>test-bucket-1</Bucket><VpcConfiguration><VpcId>"
          "vpc-0123456789abcdef0</VpcId></VpcConfiguration></CreateAccessPointRequest>",
          200);
  control("PUT", "/v20180820/accesspoint/elsewhere",
          "<CreateAccessPointRequest><Bucket>test-bucket-1</Bucket><VpcConfiguration><VpcId>"
          "vpc-0elsewhere</VpcId></VpcConfiguration></CreateAccessPointRequest>",
          200);
  a.access_point_arn = "arn:aws:s3:us-east-1:222222222222:accesspoint/vpc-only";
  expect_denied(&a, "Access Denied");
  a.endpoint_id = VPCE;
  /* The right network; the endpoint's policy names another access point. */
  expect_denied(&a, "User: arn:aws:iam::222222222222:user/admin is not authorized to perform: "
                    "s3:GetObject on resource: \"arn:aws:s3:us-east-1:222222222222:accesspoint/"
                    "vpc-only/object/sample2.csv\" because no VPC endpoint policy allows the "
                    "s3:GetObject action");
  a.access_point_arn = "arn:aws:s3:us-east-1:222222222222:accesspoint/elsewhere";
  expect_denied(&a, "Access Denied");
}

Test(authorize_s3, expected_bucket_owner_is_the_buckets) {
  struct s3_access a = get(DEMO);
  struct kvlist headers;

  kvlist_init(&headers);
  a.headers = &headers;
  cr_assert_eq(kvlist_add(&headers, "x-amz-expected-bucket-owner", "222222222222"), 0);
  expect_allowed(&a);
  cr_assert_eq(kvlist_set_ci(&headers, "x-amz-expected-bucket-owner", "111111111111"), 0);
  expect_denied(&a, "Access Denied");
  kvlist_fini(&headers);
}

Test(authorize_s3, requester_pays) {
  struct s3_access a = get(DEMO);
  struct kvlist headers;

  kvlist_init(&headers);
  a.headers = &headers;
  cr_assert_eq(world_set_bucket_requester_pays(w, "test-bucket-1", true), 0);
  expect_denied(&a, "Access Denied");
  cr_assert_eq(kvlist_add(&headers, "X-Amz-Request-Payer", "requester"), 0);
  expect_allowed(&a);
  kvlist_fini(&headers);
  kvlist_init(&headers);
  a.access_key_id = OWNER;
  expect_allowed(&a);
  kvlist_fini(&headers);
}

Test(authorize_s3, missing_keys_are_known_to_who_may_list) {
  struct s3_access a = get(DEMO);

  a.key = "missing";
  cr_expect(authorize_s3_may_know(w, &a));
  a.access_point_arn = NULL;
  cr_expect_not(authorize_s3_may_know(w, &a));
  a.access_key_id = OWNER;
  cr_expect(authorize_s3_may_know(w, &a));
}

Test(authorize_s3, other_writers_objects_are_beyond_the_bucket_owner) {
  struct s3_access a = get(OWNER);

  a.access_point_arn = NULL;
  a.object_owner = "111111111111";
  expect_allowed(&a);
  cr_assert_eq(world_set_bucket_ownership(w, "test-bucket-1", OWNERSHIP_OBJECT_WRITER), 0);
  expect_denied(&a, "Access Denied");
  a.action = "s3:DeleteObject";
  expect_allowed(&a);
}

static void set_policy(const char *text) {
  struct block_public_access off = {false, false, false, false};
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(world_set_bucket_bpa(w, "test-bucket-1", &off), 0);
  cr_assert_eq(world_set_bucket_policy(w, "test-bucket-1", text, strlen(text), &why), 0, "%s",
               buf_cstr(&why));
  buf_fini(&why);
}

#define PUBLIC_WHEN(condition)                                                                     \
  "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\","           \
  "\"Action\":"                                                                                    \
  "[\"s3:GetObject\",\"s3:ListBucket\"],\"Resource\":[\"arn:aws:s3:::test-bucket-1\","             \
  "\"arn:aws:s3:::test-bucket-1/*\"]" condition "}}"

static struct s3_access anonymous(void) {
  struct s3_access a = get(NULL);

  a.access_point_arn = NULL;
  return a;
}

Test(authorize_s3, public_buckets_and_restrict_public_buckets) {
  struct block_public_access restrict_only = {false, false, false, true};
  struct s3_access a = anonymous();

  set_policy(PUBLIC_WHEN(""));
  expect_allowed(&a);
  cr_assert_eq(world_set_bucket_bpa(w, "test-bucket-1", &restrict_only), 0);
  expect_denied(&a, "Access Denied");
  a.access_key_id = OWNER;
  expect_allowed(&a);
}

Test(authorize_s3, account_level_block_counts_too) {
  struct s3_access a = anonymous();

  set_policy(PUBLIC_WHEN(""));
  control("PUT", "/v20180820/configuration/publicAccessBlock",
          "<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets>"
          "</PublicAccessBlockConfiguration>",
          200);
  expect_denied(&a, "Access Denied");
  control("DELETE", "/v20180820/configuration/publicAccessBlock", NULL, 204);
  expect_allowed(&a);
}

/* Each condition key with a request that carries it and one that does not. */
Test(authorize_s3, condition_keys_of_the_connection_and_the_request) {
  struct s3_access a = anonymous();
  struct kvlist tags;
  struct kvlist query;

  set_policy(PUBLIC_WHEN(",\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"127.0.0.0/8\"}}"));
  expect_allowed(&a);
  a.source_ip = "10.0.0.1";
  expect_denied(&a, "Access Denied");
  a.source_ip = "127.0.0.1";
  a.endpoint_id = VPCE; /* no aws:SourceIp behind an endpoint */
  expect_denied(&a, "Access Denied");

  a = anonymous();
  set_policy(PUBLIC_WHEN(",\"Condition\":{\"StringEquals\":{\"aws:SourceVpce\":\"" VPCE "\"}}"));
  expect_denied(&a, "Access Denied");
  a.endpoint_id = VPCE;
  expect_allowed(&a);
  set_policy(PUBLIC_WHEN(
      ",\"Condition\":{\"StringEquals\":{\"aws:SourceVpc\":\"vpc-0123456789abcdef0\"}}"));
  expect_allowed(&a);

  a = anonymous();
  set_policy(PUBLIC_WHEN(",\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"true\"}}"));
  expect_denied(&a, "Access Denied");
  a.secure = true;
  expect_allowed(&a);

  a = anonymous();
  kvlist_init(&tags);
  a.tags = &tags;
  set_policy(
      PUBLIC_WHEN(",\"Condition\":{\"StringEquals\":{\"s3:ExistingObjectTag/team\":\"red\"}}"));
  expect_denied(&a, "Access Denied");
  cr_assert_eq(kvlist_add(&tags, "team", "red"), 0);
  expect_allowed(&a);
  kvlist_fini(&tags);

  a = anonymous();
  kvlist_init(&query);
  a.query = &query;
  a.action = "s3:ListBucket";
  a.key = NULL;
  set_policy(PUBLIC_WHEN(",\"Condition\":{\"StringEquals\":{\"s3:prefix\":[\"\",\"home/\"],"
                         "\"s3:delimiter\":\"/\"},\"NumericLessThanEquals\":{\"s3:max-keys\":"
                         "\"10\"}}"));
  expect_denied(&a, "Access Denied");
  cr_assert_eq(kvlist_add(&query, "delimiter", "/"), 0);
  cr_assert_eq(kvlist_add(&query, "prefix", ""), 0);
  cr_assert_eq(kvlist_add(&query, "max-keys", "10"), 0);
  expect_allowed(&a);
  cr_assert_eq(kvlist_set_ci(&query, "max-keys", "11"), 0);
  expect_denied(&a, "Access Denied");
  kvlist_fini(&query);
}

Test(authorize_s3, condition_keys_of_the_caller) {
  static const char *const conditions[] = {
      "\"StringEquals\":{\"aws:PrincipalAccount\":\"111111111111\"}",
      "\"StringEquals\":{\"aws:PrincipalOrgID\":\"o-example0001\"}",
      "\"ArnEquals\":{\"aws:PrincipalArn\":\"arn:aws:iam::111111111111:role/demo\"}",
      "\"StringLike\":{\"aws:userid\":\"AROAEXAMPLEDEMO000000:*\"}",
      "\"StringEquals\":{\"aws:PrincipalType\":\"AssumedRole\"}",
      "\"Bool\":{\"aws:MultiFactorAuthPresent\":\"false\"}",
      "\"StringEquals\":{\"s3:ResourceAccount\":\"222222222222\"}",
      "\"StringEquals\":{\"aws:ResourceAccount\":\"222222222222\"}",
      "\"StringEquals\":{\"s3:DataAccessPointArn\":\"" AP "\"}",
      "\"StringEquals\":{\"s3:AccessPointNetworkOrigin\":\"Internet\"}",
      "\"Null\":{\"aws:username\":\"true\"}",
  };

  for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
    struct s3_access a = get(DEMO);
    struct buf text;

    buf_init(&text, 0);
    buf_printf(&text, PUBLIC_WHEN(",\"Condition\":{%s}"), conditions[i]);
    set_policy(buf_cstr(&text));
    expect_allowed(&a);
    buf_fini(&text);
  }
}

Test(authorize_s3, an_explicit_deny_wins_and_is_named) {
  struct s3_access a = get(OWNER);

  a.access_point_arn = NULL;
  set_policy("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Deny\",\"Principal\":\"*\","
             "\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::test-bucket-1/*\",\"Condition\":"
             "{\"StringNotLike\":{\"aws:userid\":\"AROAEXAMPLEDEMO000000:*\"}}}}");
  expect_denied(&a, "User: arn:aws:iam::222222222222:user/admin is not authorized to perform: "
                    "s3:GetObject on resource: \"arn:aws:s3:::test-bucket-1/sample2.csv\" with an "
                    "explicit deny in a resource-based policy");
}
