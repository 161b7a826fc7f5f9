/* Seeds 001, 002, 003 and 004: sessions of Access Grants, one role only, access
 * points of another account's bucket, roles assumed across accounts. */
#include "decision.h"

/* --- 001: a location role's session, cut by the grant's session policy
 * ------------------------------ */

#define B1 "arn:aws:s3:::blog-access-grants-333333333333-us-east-1"

static const char location_role[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:[`s3:GetObject`,"
    "`s3:PutObject`,`s3:DeleteObject`],`Resource`:`" B1 "/*`,`Condition`:{`StringEquals`:{"
    "`aws:ResourceAccount`:`333333333333`}}},{`Effect`:`Allow`,`Action`:`s3:ListBucket`,"
    "`Resource`:`" B1 "`}]}";
static const char grant_user_a[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:[`s3:GetObject`,"
    "`s3:PutObject`],`Resource`:`" B1 "/UserA/*`},{`Effect`:`Allow`,`Action`:`s3:ListBucket`,"
    "`Resource`:`" B1 "`,`Condition`:{`StringLike`:{`s3:prefix`:`UserA/*`}}}]}";

#define IN_333                                                                                     \
  CONTEXT(KEY("aws:ResourceAccount", "333333333333"), KEY("s3:prefix", "UserA/output/train"))

static struct scene location_session(void) {
  return (struct scene){
      .who = {.arn = "arn:aws:sts::333333333333:assumed-role/location/access-grants-1",
              .role_arn = "arn:aws:iam::333333333333:role/location",
              .account = "333333333333"},
      .identity = location_role,
      .session = grant_user_a,
      .bucket_account = "333333333333",
  };
}

Test(seed_001, session_policy_intersects_with_the_location_role) {
  struct scene s = location_session();
  struct deed own = {"s3:GetObject", NULL, B1 "/UserA/abalone.csv", 0, IN_333};
  struct deed other = {"s3:GetObject", NULL, B1 "/UserB/abalone.csv", 0, IN_333};
  struct deed del = {"s3:DeleteObject", NULL, B1 "/UserA/abalone.csv", 0, IN_333};
  struct deed list = {"s3:ListBucket", NULL, B1, 0, IN_333};
  struct deed list_all = {"s3:ListBucket", NULL, B1, 0, CONTEXT(KEY("s3:prefix", ""))};

  EXPECT_ALLOWED(&s, &own);
  EXPECT_REFUSED(&s, &other, POLICY_LAYER_SESSION, IMPLICIT);
  EXPECT_REFUSED(&s, &del, POLICY_LAYER_SESSION, IMPLICIT);
  EXPECT_ALLOWED(&s, &list);
  EXPECT_REFUSED(&s, &list_all, POLICY_LAYER_SESSION, IMPLICIT);
  s.identity = NULL;
  EXPECT_REFUSED(&s, &own, POLICY_LAYER_IDENTITY, IMPLICIT);
}

Test(seed_001, no_direct_permission_for_the_user_role) {
  struct scene s = {
      .who = {.arn = "arn:aws:sts::333333333333:assumed-role/sagemaker-usera-role/x",
              .role_arn = "arn:aws:iam::333333333333:role/sagemaker-usera-role",
              .account = "333333333333"},
      .identity = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:"
                  "[`s3:GetDataAccess`,`s3:ListCallerAccessGrants`],`Resource`:"
                  "`arn:aws:s3:us-east-1:333333333333:access-grants/default`}]}",
      .bucket_account = "333333333333",
  };
  struct deed get = {"s3:GetObject", NULL, B1 "/UserA/abalone.csv", 0, IN_333};
  struct deed ask = {"s3:GetDataAccess", NULL,
                     "arn:aws:s3:us-east-1:333333333333:access-grants/default",
                     POLICY_LAYER_RESOURCE, IN_333};

  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
  EXPECT_ALLOWED(&s, &ask);
  s.identity = NULL;
  EXPECT_REFUSED(&s, &ask, POLICY_LAYER_IDENTITY, IMPLICIT);
}

static const char location_trust[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`Service`:"
    "`access-grants.s3.amazonaws.com`},`Action`:[`sts:AssumeRole`,`sts:SetSourceIdentity`,"
    "`sts:SetContext`]}]}";

Test(seed_001, the_service_assumes_the_location_role) {
  struct scene s = {.who = {.service = "access-grants.s3.amazonaws.com"},
                    .bucket = location_trust,
                    .bucket_account = "333333333333"};
  struct deed assume = {"sts:AssumeRole",   NULL, "arn:aws:iam::333333333333:role/location",
                        POLICY_LAYER_TRUST, NULL, 0};

  EXPECT_ALLOWED(&s, &assume);
  s.who.service = "ec2.amazonaws.com";
  EXPECT_REFUSED(&s, &assume, POLICY_LAYER_TRUST, IMPLICIT);
  s.bucket = NULL;
  EXPECT_REFUSED(&s, &assume, POLICY_LAYER_TRUST, IMPLICIT);
}

/* --- 002
 * ------------------------------------------------------------------------------------------- */

static const char only_role[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Sid`:`only`,`Effect`:`Deny`,`Principal`:`*`,`Action`:"
    "`s3:*`,`Resource`:[`" B1 "`,`" B1 "/*`],`Condition`:{`StringNotLike`:{`aws:userId`:"
    "[`AROANOTEBOOK:*`]}}}]}";

/* 002-P3 also hits the Access Grants location role (002-M6). */
Test(seed_002, one_role_only_is_an_explicit_deny_for_the_location_role) {
  struct scene s = location_session();
  struct deed notebook = {
      "s3:GetObject", NULL, B1 "/UserA/x", 0,
      CONTEXT(KEY("aws:userid", "AROANOTEBOOK:nb"), KEY("aws:ResourceAccount", "333333333333"))};
  struct deed location = {
      "s3:GetObject", NULL, B1 "/UserA/x", 0,
      CONTEXT(KEY("aws:userid", "AROALOCATION:g"), KEY("aws:ResourceAccount", "333333333333"))};
  struct outcome o;

  s.bucket = only_role;
  EXPECT_ALLOWED(&s, &notebook);
  EXPECT_REFUSED(&s, &location, POLICY_LAYER_BUCKET, EXPLICIT);
  o = act(&s, &location);
  cr_expect_str_eq(o.sid, "only");
}

/* --- 003: Jane, her account's access point, another account's bucket
 * --------------------------------- */

#define AP3 "arn:aws:s3:eu-west-3:111122223333:accesspoint/janes-researchdata-access-point"
#define B3 "arn:aws:s3:::test-bucket-1"
static const struct policy_context_key via_ap3[] = {
    {"s3:DataAccessPointAccount", (const char *const[]){"111122223333"}, 1},
};
#define VIA_AP3 .context = via_ap3, .context_count = 1

static const char delegation[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`AWS`:`*`},`Action`:"
    "`s3:GetObject`,`Resource`:[`" B3 "`,`" B3 "/*`],`Condition`:{`StringEquals`:{"
    "`s3:DataAccessPointAccount`:`111122223333`}}}]}";
static const char jane_only[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`AWS`:"
    "`arn:aws:iam::111122223333:user/Jane`},`Action`:[`s3:GetObject`],`Resource`:`" AP3
    "/object/ResearchData/*`}]}";
static const char jane_identity[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:`s3:GetObject`,"
    "`Resource`:`" AP3 "/object/ResearchData/*`}]}";

static struct scene jane(void) {
  return (struct scene){
      .who = {.arn = "arn:aws:iam::111122223333:user/Jane", .account = "111122223333"},
      .access_point = jane_only,
      .bucket = delegation,
      .ap_account = "111122223333",
      .bucket_account = "123456789010",
  };
}

static struct deed get3(const char *ap_arn, const char *bucket_arn) {
  return (struct deed){"s3:GetObject", ap_arn, bucket_arn, 0, VIA_AP3};
}

Test(seed_003, jane_reads_research_data_and_nothing_else) {
  struct scene s = jane();
  struct deed ok = get3(AP3 "/object/ResearchData/x", B3 "/ResearchData/x");
  struct deed slash = get3(AP3 "/object//ResearchData/", B3 "//ResearchData/");
  struct deed other = get3(AP3 "/object/Other/x", B3 "/Other/x");
  struct deed list = {"s3:ListBucket", AP3, B3, 0, VIA_AP3};

  EXPECT_ALLOWED(&s, &ok);
  EXPECT_REFUSED(&s, &slash, POLICY_LAYER_IDENTITY, IMPLICIT);
  EXPECT_REFUSED(&s, &other, POLICY_LAYER_IDENTITY, IMPLICIT);
  EXPECT_REFUSED(&s, &list, POLICY_LAYER_IDENTITY, IMPLICIT);
}

Test(seed_003, denials_of_S6) {
  struct scene s = jane();
  struct deed ok = get3(AP3 "/object/ResearchData/x", B3 "/ResearchData/x");
  struct deed direct = {"s3:GetObject", NULL, B3 "/ResearchData/x", 0, NULL, 0};

  s.ap_account = NULL; /* by the bucket's name */
  EXPECT_REFUSED(&s, &direct, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.identity = jane_identity;
  EXPECT_REFUSED(&s, &direct, POLICY_LAYER_IDENTITY, IMPLICIT);
  s = jane();
  s.who.arn = "arn:aws:iam::111122223333:user/John";
  EXPECT_REFUSED(&s, &ok, POLICY_LAYER_IDENTITY, IMPLICIT);
  s = jane();
  s.bucket = NULL; /* P1 withdrawn, or never written: S1 */
  EXPECT_REFUSED(&s, &ok, POLICY_LAYER_BUCKET, IMPLICIT);
  s.identity = jane_identity;
  EXPECT_REFUSED(&s, &ok, POLICY_LAYER_BUCKET, IMPLICIT);
  s = jane();
  s.access_point = NULL; /* P2 removed */
  EXPECT_REFUSED(&s, &ok, POLICY_LAYER_IDENTITY, IMPLICIT);
}

/* 003-P3 [K]: is the access point policy of Jane's own account enough? */
Test(seed_003, need_of_an_identity_policy_is_a_switch) {
  struct scene s = jane();
  struct deed ok = get3(AP3 "/object/ResearchData/x", B3 "/ResearchData/x");

  s.options.cross_account_needs_identity = true;
  EXPECT_REFUSED(&s, &ok, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.identity = jane_identity;
  EXPECT_ALLOWED(&s, &ok);
  s.access_point = NULL; /* own account: the identity policy speaks for the access point */
  EXPECT_ALLOWED(&s, &ok);
  s.options.access_point_needs_both = true;
  EXPECT_REFUSED(&s, &ok, POLICY_LAYER_ACCESS_POINT, IMPLICIT);
}

Test(seed_003, restricting_public_buckets_spares_the_pinned_delegation) {
  struct scene s = jane();
  struct deed ok = get3(AP3 "/object/ResearchData/x", B3 "/ResearchData/x");

  s.restrict_bucket = true;
  EXPECT_ALLOWED(&s, &ok);
  s.bucket = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:`*`,`Action`:"
             "`s3:GetObject`,`Resource`:`" B3 "/*`}]}";
  EXPECT_REFUSED(&s, &ok, POLICY_LAYER_BUCKET, EXPLICIT);
  s.restrict_bucket = false;
  EXPECT_ALLOWED(&s, &ok);
}

/* 003-M9: readable only by tag. */
Test(seed_003, objects_by_tag) {
  struct scene s = jane();
  struct deed open = {"s3:GetObject", AP3 "/object/ResearchData/x", B3 "/ResearchData/x", 0,
                      CONTEXT(KEY("s3:DataAccessPointAccount", "111122223333"),
                              KEY("s3:ExistingObjectTag/class", "public"))};
  struct deed shut = {"s3:GetObject", AP3 "/object/ResearchData/x", B3 "/ResearchData/x", 0,
                      CONTEXT(KEY("s3:DataAccessPointAccount", "111122223333"),
                              KEY("s3:ExistingObjectTag/class", "secret"))};
  struct deed untagged = get3(AP3 "/object/ResearchData/x", B3 "/ResearchData/x");

  s.bucket = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`AWS`:`*`},"
             "`Action`:`s3:GetObject`,`Resource`:`" B3 "/*`,`Condition`:{`StringEquals`:{"
             "`s3:DataAccessPointAccount`:`111122223333`,`s3:ExistingObjectTag/class`:`public`}}}]"
             "}";
  EXPECT_ALLOWED(&s, &open);
  EXPECT_REFUSED(&s, &shut, POLICY_LAYER_BUCKET, IMPLICIT);
  EXPECT_REFUSED(&s, &untagged, POLICY_LAYER_BUCKET, IMPLICIT);
}

/* --- 004: a role of the access point's account, assumed from another
 * -------------------------------- */

#define READER "arn:aws:iam::555555555555:role/marketing-reader"
#define ANALYST "arn:aws:iam::444444444444:role/analyst"
#define AP4 "arn:aws:s3:us-east-1:555555555555:accesspoint/marketing-ap"
#define B4 "arn:aws:s3:::marketing"

static const char p1[] = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:"
                         "`sts:AssumeRole`,`Resource`:`" READER "`}]}";
static const char p2[] = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{"
                         "`AWS`:`" ANALYST "`},`Action`:`sts:AssumeRole`}]}";
static const char p2_mfa[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`AWS`:`444444444444`},"
    "`Action`:`sts:AssumeRole`,`Condition`:{`Bool`:{`aws:MultiFactorAuthPresent`:`true`},"
    "`NumericLessThan`:{`aws:MultiFactorAuthAge`:`3600`},`StringEquals`:{`sts:ExternalId`:`x1`},"
    "`StringLike`:{`sts:RoleSessionName`:`s3apfs-*`}}}]}";
static const char p3[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:[`s3:GetObject`,"
    "`s3:ListBucket`],`Resource`:[`" AP4 "/object/*`,`" AP4 "`]}]}";
static const char p4[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`AWS`:`" READER
    "`},`Action`:[`s3:GetObject`,`s3:ListBucket`],`Resource`:[`" AP4 "/object/*`,`" AP4 "`]}]}";
static const char p5[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:`*`,`Action`:`s3:*`,"
    "`Resource`:[`" B4 "`,`" B4 "/*`],`Condition`:{`StringEquals`:{`s3:DataAccessPointAccount`:"
    "`555555555555`}}}]}";

static struct scene analyst(void) {
  return (struct scene){.who = {.arn = "arn:aws:sts::444444444444:assumed-role/analyst/x",
                                .role_arn = ANALYST,
                                .account = "444444444444"},
                        .identity = p1,
                        .bucket = p2,
                        .bucket_account = "555555555555"};
}

Test(seed_004, assume_role_needs_identity_and_trust) {
  struct scene s = analyst();
  struct deed assume = {"sts:AssumeRole", NULL, READER, POLICY_LAYER_TRUST, NULL, 0};

  EXPECT_ALLOWED(&s, &assume);
  s.identity = NULL;
  EXPECT_REFUSED(&s, &assume, POLICY_LAYER_IDENTITY, IMPLICIT);
  s = analyst();
  s.bucket = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`Service`:"
             "`sagemaker.amazonaws.com`},`Action`:`sts:AssumeRole`}]}";
  EXPECT_REFUSED(&s, &assume, POLICY_LAYER_TRUST, IMPLICIT);
  s.bucket = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Deny`,`Principal`:{`AWS`:"
             "`444444444444`},`Action`:`sts:*`}]}";
  EXPECT_REFUSED(&s, &assume, POLICY_LAYER_TRUST, EXPLICIT);
}

Test(seed_004, trust_with_mfa_external_id_and_session_name) {
  struct scene s = analyst();
  struct deed good = {"sts:AssumeRole", NULL, READER, POLICY_LAYER_TRUST,
                      CONTEXT(KEY("aws:MultiFactorAuthPresent", "true"),
                              KEY("aws:MultiFactorAuthAge", "60"), KEY("sts:ExternalId", "x1"),
                              KEY("sts:RoleSessionName", "s3apfs-host"))};
  struct deed no_mfa = {
      "sts:AssumeRole", NULL, READER, POLICY_LAYER_TRUST,
      CONTEXT(KEY("sts:ExternalId", "x1"), KEY("sts:RoleSessionName", "s3apfs-host"))};
  struct deed wrong_id = {"sts:AssumeRole", NULL, READER, POLICY_LAYER_TRUST,
                          CONTEXT(KEY("aws:MultiFactorAuthPresent", "true"),
                                  KEY("aws:MultiFactorAuthAge", "60"), KEY("sts:ExternalId", "x2"),
                                  KEY("sts:RoleSessionName", "s3apfs-host"))};
  struct deed old_mfa = {"sts:AssumeRole", NULL, READER, POLICY_LAYER_TRUST,
                         CONTEXT(KEY("aws:MultiFactorAuthPresent", "true"),
                                 KEY("aws:MultiFactorAuthAge", "7200"), KEY("sts:ExternalId", "x1"),
                                 KEY("sts:RoleSessionName", "s3apfs-host"))};

  s.bucket = p2_mfa;
  EXPECT_ALLOWED(&s, &good);
  EXPECT_REFUSED(&s, &no_mfa, POLICY_LAYER_TRUST, IMPLICIT);
  EXPECT_REFUSED(&s, &wrong_id, POLICY_LAYER_TRUST, IMPLICIT);
  EXPECT_REFUSED(&s, &old_mfa, POLICY_LAYER_TRUST, IMPLICIT);
}

/* In one account a trust policy that names the caller is enough; one that names
 * the account leaves it to identity policies; an identity policy alone never is. */
Test(seed_004, assume_role_in_one_account) {
  struct scene s = {.who = {.arn = "arn:aws:iam::555555555555:user/ann", .account = "555555555555"},
                    .bucket = "{`Statement`:{`Effect`:`Allow`,`Principal`:{`AWS`:"
                              "`arn:aws:iam::555555555555:user/ann`},`Action`:`sts:AssumeRole`}}",
                    .bucket_account = "555555555555"};
  struct deed assume = {"sts:AssumeRole", NULL, READER, POLICY_LAYER_TRUST, NULL, 0};

  EXPECT_ALLOWED(&s, &assume);
  s.bucket = "{`Statement`:{`Effect`:`Allow`,`Principal`:{`AWS`:`555555555555`},`Action`:"
             "`sts:AssumeRole`}}";
  EXPECT_REFUSED(&s, &assume, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.identity = p1;
  EXPECT_ALLOWED(&s, &assume);
  s.bucket = p2;
  EXPECT_REFUSED(&s, &assume, POLICY_LAYER_TRUST, IMPLICIT);
}

static struct scene reader(void) {
  return (struct scene){.who = {.arn = "arn:aws:sts::555555555555:assumed-role/marketing-reader/x",
                                .role_arn = READER,
                                .account = "555555555555"},
                        .identity = p3,
                        .access_point = p4,
                        .ap_account = "555555555555",
                        .bucket_account = "555555555555"};
}

#define VIA_AP4 CONTEXT(KEY("s3:DataAccessPointAccount", "555555555555"))

/* The article's claim, "each of P3 and P4 removed: denied", is what a world with
 * access_point_needs_both answers, with and without the delegation P5. */
Test(seed_004, each_policy_removed_in_turn_when_both_are_needed) {
  struct deed get = {"s3:GetObject", AP4 "/object/k", B4 "/k", 0, VIA_AP4};
  struct deed list = {"s3:ListBucket", AP4, B4, 0, VIA_AP4};
  const char *const buckets[] = {NULL, p5};

  for (size_t i = 0; i < 2; i++) {
    struct scene s = reader();

    s.options.access_point_needs_both = true;
    s.bucket = buckets[i];
    EXPECT_ALLOWED(&s, &get);
    EXPECT_ALLOWED(&s, &list);
    s.identity = NULL;
    EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
    s.identity = p3;
    s.access_point = NULL;
    EXPECT_REFUSED(&s, &get, POLICY_LAYER_ACCESS_POINT, IMPLICIT);
  }
}

/* The defaults follow AWS's rule for one account: either policy, plus the
 * bucket's side (004-P5). */
Test(seed_004, one_account_by_default) {
  struct scene s = reader();
  struct deed get = {"s3:GetObject", AP4 "/object/k", B4 "/k", 0, VIA_AP4};

  EXPECT_ALLOWED(&s, &get);
  s.access_point = NULL;
  EXPECT_ALLOWED(&s, &get);
  s = reader();
  s.identity = NULL; /* the access point policy alone: the bucket does not agree */
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.bucket = p5;
  EXPECT_ALLOWED(&s, &get);
  s.access_point = NULL;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
}

Test(seed_004, bucket_side_is_a_switch) {
  struct scene s = reader();
  struct deed get = {"s3:GetObject", AP4 "/object/k", B4 "/k", 0, VIA_AP4};

  s.options.bucket_side = AUTHORIZE_BUCKET_BY_BUCKET_ARN;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BUCKET, IMPLICIT);
  s.bucket = p5;
  EXPECT_ALLOWED(&s, &get);
  s.bucket = NULL;
  s.options.bucket_side = AUTHORIZE_BUCKET_BY_OWNER;
  EXPECT_ALLOWED(&s, &get);
  s.identity = NULL;
  EXPECT_ALLOWED(&s, &get);
}

Test(seed_004, least_privilege) {
  struct scene s = reader();
  struct deed direct = {"s3:GetObject", NULL, B4 "/k", 0, NULL, 0};
  struct deed put = {"s3:PutObject", AP4 "/object/k", B4 "/k", 0, VIA_AP4};
  struct deed del = {"s3:DeleteObject", AP4 "/object/k", B4 "/k", 0, VIA_AP4};

  s.bucket = p5;
  EXPECT_REFUSED(&s, &put, POLICY_LAYER_IDENTITY, IMPLICIT);
  EXPECT_REFUSED(&s, &del, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.ap_account = NULL;
  EXPECT_REFUSED(&s, &direct, POLICY_LAYER_IDENTITY, IMPLICIT);
}
