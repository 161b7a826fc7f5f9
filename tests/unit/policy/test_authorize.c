/* The rules of authorize.h, apart from any scenario. */
#include "decision.h"

#define B "arn:aws:s3:::b"
#define USER "arn:aws:iam::111111111111:user/u"
#define SESSION "arn:aws:sts::111111111111:assumed-role/r/s"
#define ROLE "arn:aws:iam::111111111111:role/r"
#define ALLOW_ALL                                                                                  \
  "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:`*`,`Resource`:`*`}]}"
#define ALLOW_OTHER                                                                                \
  "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:`ec2:*`,`Resource`:`*`}]}"
#define BUCKET_ALLOWS(principal)                                                                   \
  "{`Version`:`2012-10-17`,`Statement`:[{`Sid`:`grant`,`Effect`:`Allow`,`Principal`:" principal    \
  ",`Action`:`s3:*`,`Resource`:[`" B "`,`" B "/*`]}]}"

static const struct policy_principal user = {.arn = USER, .account = "111111111111"};
static const struct policy_principal session = {
    .arn = SESSION, .role_arn = ROLE, .account = "111111111111"};
static const struct policy_principal root = {.arn = "arn:aws:iam::111111111111:root",
                                             .account = "111111111111"};
static const struct deed get = {.action = "s3:GetObject", .bucket_arn = B "/k"};

static struct scene own(const struct policy_principal *who) {
  return (struct scene){.who = *who, .bucket_account = "111111111111"};
}

static struct scene foreign(const struct policy_principal *who) {
  return (struct scene){.who = *who, .bucket_account = "999999999999"};
}

Test(authorize, nothing_allows_by_itself) {
  struct scene s = own(&user);

  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
  s = foreign(&user);
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
}

Test(authorize, one_account_either_is_enough) {
  struct scene s = own(&user);
  struct outcome o;

  s.identity = ALLOW_ALL;
  EXPECT_ALLOWED(&s, &get);
  s.identity = NULL;
  s.bucket = BUCKET_ALLOWS("{`AWS`:`" USER "`}");
  o = act(&s, &get);
  cr_expect(o.allowed);
  cr_expect_eq(o.layer, POLICY_LAYER_BUCKET);
  cr_expect_str_eq(o.sid, "grant");
  s.bucket = BUCKET_ALLOWS("`*`");
  EXPECT_ALLOWED(&s, &get);
}

Test(authorize, naming_the_own_account_only_delegates) {
  struct scene s = own(&user);

  s.bucket = BUCKET_ALLOWS("{`AWS`:`111111111111`}");
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.options.account_principal_grants = true;
  EXPECT_ALLOWED(&s, &get);
}

Test(authorize, two_accounts_need_both) {
  struct scene s = foreign(&session);

  s.identity = ALLOW_ALL;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BUCKET, IMPLICIT);
  s.bucket = BUCKET_ALLOWS("{`AWS`:`111111111111`}");
  EXPECT_ALLOWED(&s, &get);
  s.bucket = BUCKET_ALLOWS("{`AWS`:`" SESSION "`}");
  EXPECT_ALLOWED(&s, &get);
  s.identity = NULL;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
}

Test(authorize, boundary_and_session_policy_only_limit) {
  struct scene s = own(&session);

  s.boundary = ALLOW_ALL;
  s.session = ALLOW_ALL;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.identity = ALLOW_ALL;
  EXPECT_ALLOWED(&s, &get);
  s.boundary = ALLOW_OTHER;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BOUNDARY, IMPLICIT);
  s.boundary = NULL;
  s.session = ALLOW_OTHER;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_SESSION, IMPLICIT);
  s.session = NULL;
  s.scp = ALLOW_OTHER;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_SCP, IMPLICIT);
}

Test(authorize, a_session_named_by_its_arn_is_not_cut) {
  struct scene s = own(&session);

  s.session = ALLOW_OTHER;
  s.boundary = ALLOW_OTHER;
  s.bucket = BUCKET_ALLOWS("{`AWS`:`" SESSION "`}");
  EXPECT_ALLOWED(&s, &get);
  s.bucket = BUCKET_ALLOWS("{`AWS`:`" ROLE "`}");
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BOUNDARY, IMPLICIT);
  s.boundary = NULL;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_SESSION, IMPLICIT);
  s.bucket = BUCKET_ALLOWS("`*`");
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_SESSION, IMPLICIT);
  s.bucket = BUCKET_ALLOWS("{`AWS`:`" SESSION "`}");
  s.scp = ALLOW_OTHER;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_SCP, IMPLICIT);
  s = foreign(&session);
  s.identity = ALLOW_ALL;
  s.session = ALLOW_OTHER;
  s.bucket = BUCKET_ALLOWS("{`AWS`:`" SESSION "`}");
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_SESSION, IMPLICIT);
}

Test(authorize, root_needs_no_identity_policy) {
  struct scene s = own(&root);

  EXPECT_ALLOWED(&s, &get);
  s.scp = ALLOW_OTHER;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_SCP, IMPLICIT);
  s = foreign(&root);
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BUCKET, IMPLICIT);
  s.bucket = BUCKET_ALLOWS("{`AWS`:`111111111111`}");
  EXPECT_ALLOWED(&s, &get);
}

Test(authorize, anonymous_and_services) {
  const struct policy_principal nobody = {0};
  const struct policy_principal service = {.service = "logging.s3.amazonaws.com"};
  struct scene s = own(&nobody);

  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BUCKET, IMPLICIT);
  s.bucket = BUCKET_ALLOWS("`*`");
  EXPECT_ALLOWED(&s, &get);
  s.restrict_bucket = true;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BUCKET, EXPLICIT);
  s.who = service;
  EXPECT_ALLOWED(&s, &get);
  s.bucket = BUCKET_ALLOWS("{`Service`:`logging.s3.amazonaws.com`}");
  EXPECT_ALLOWED(&s, &get);
  s.bucket = BUCKET_ALLOWS("{`Service`:`x.amazonaws.com`}");
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BUCKET, IMPLICIT);
}

Test(authorize, restricted_public_bucket_serves_its_owner) {
  struct scene s = own(&user);

  s.bucket = BUCKET_ALLOWS("`*`");
  s.restrict_bucket = true;
  EXPECT_ALLOWED(&s, &get);
  s = foreign(&user);
  s.identity = ALLOW_ALL;
  s.bucket = BUCKET_ALLOWS("`*`");
  EXPECT_ALLOWED(&s, &get);
  s.restrict_bucket = true;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BUCKET, EXPLICIT);
}

Test(authorize, the_endpoint_policy_is_asked_last) {
  struct scene s = own(&user);

  s.endpoint = BUCKET_ALLOWS("`*`");
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.identity = ALLOW_ALL;
  EXPECT_ALLOWED(&s, &get);
  s.endpoint = BUCKET_ALLOWS("{`AWS`:`222222222222`}");
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_ENDPOINT, IMPLICIT);
}

/* Bucket owner, access point owner and caller: three accounts. */
Test(authorize, three_accounts) {
  struct scene s = foreign(&user);
  struct deed d = {.action = "s3:GetObject",
                   .ap_arn = "arn:aws:s3:us-east-1:222222222222:accesspoint/ap/object/k",
                   .bucket_arn = B "/k",
                   CONTEXT(KEY("s3:DataAccessPointAccount", "222222222222"))};

  s.ap_account = "222222222222";
  s.identity = ALLOW_ALL;
  s.access_point = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`AWS`:"
                   "`111111111111`},`Action`:`s3:GetObject`,`Resource`:"
                   "`arn:aws:s3:us-east-1:222222222222:accesspoint/ap/object/*`}]}";
  s.bucket = BUCKET_ALLOWS("`*`");
  EXPECT_ALLOWED(&s, &d);
  s.identity = NULL;
  EXPECT_REFUSED(&s, &d, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.identity = ALLOW_ALL;
  s.bucket = NULL;
  EXPECT_REFUSED(&s, &d, POLICY_LAYER_BUCKET, IMPLICIT);
  s.bucket = BUCKET_ALLOWS("`*`");
  s.access_point = NULL;
  EXPECT_REFUSED(&s, &d, POLICY_LAYER_ACCESS_POINT, IMPLICIT);
}

/* The bucket's owner has the last word also about its own people. */
Test(authorize, the_bucket_owner_through_a_strangers_access_point) {
  struct scene s = own(&user);
  struct deed d = {.action = "s3:GetObject",
                   .ap_arn = "arn:aws:s3:us-east-1:222222222222:accesspoint/ap/object/k",
                   .bucket_arn = B "/k"};

  s.ap_account = "222222222222";
  s.identity = ALLOW_ALL;
  s.access_point = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:`*`,"
                   "`Action`:`s3:GetObject`,`Resource`:"
                   "`arn:aws:s3:us-east-1:222222222222:accesspoint/ap/object/*`}]}";
  EXPECT_REFUSED(&s, &d, POLICY_LAYER_BUCKET, IMPLICIT);
  s.bucket = BUCKET_ALLOWS("`*`");
  EXPECT_ALLOWED(&s, &d);
  s.restrict_ap = true;
  EXPECT_REFUSED(&s, &d, POLICY_LAYER_ACCESS_POINT, EXPLICIT);
}

Test(authorize, every_scp_level_must_allow) {
  struct policy *all = must_parse(ALLOW_ALL);
  struct policy *other = must_parse(ALLOW_OTHER);
  const struct policy *levels[] = {all, other};
  const struct policy *identity[] = {other, all};
  struct authorize_caller caller = {
      .principal = user, .identity = {identity, 2}, .scps = {levels, 1}};
  struct authorize_resource bucket = {POLICY_LAYER_BUCKET, B "/k", "111111111111", NULL, false};
  struct authorize_request r = {.caller = &caller, .action = "s3:GetObject", .resource = &bucket};
  struct authorize_verdict v;

  authorize_decide(&r, NULL, &v);
  cr_expect(v.allowed);
  caller.scps.count = 2;
  authorize_decide(&r, NULL, &v);
  cr_expect_not(v.allowed);
  cr_expect_eq(v.layer, POLICY_LAYER_SCP);
  caller.scps.count = 0;
  caller.session = (struct policy_set){identity, 2}; /* of session policies one is enough */
  authorize_decide(&r, NULL, &v);
  cr_expect(v.allowed);
  policy_free(all);
  policy_free(other);
}
