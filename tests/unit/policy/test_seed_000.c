/* Seed 000, line by line: account A's notebook role, account B's access point,
 * bucket and A's VPC endpoint; what the four literal documents allow. */
#include "decision.h"

#define AP "arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1"
#define BUCKET "arn:aws:s3:::test-bucket-1"
#define FOUR "[`s3:GetObject`,`s3:GetObjectVersion`,`s3:PutObject`,`s3:PutObjectAcl`]"
#define ROLE "arn:aws:iam::111111111111:role/demo"

static const char p1[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{"
    "`AWS`:`" ROLE "`},`Action`:" FOUR ",`Resource`:[`" AP "`,`" AP "/object/*`]}]}";
static const char p1_completed[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`AWS`:`" ROLE
    "`},`Action`:[`s3:GetObject`,`s3:ListBucket`,`s3:PutObject`],`Resource`:[`" AP "`,`" AP
    "/object/*`]}]}";
static const char p2[] = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{"
                         "`AWS`:`" ROLE "`},`Action`:[`s3:GetObject`,`s3:ListBucket`],"
                         "`Resource`:[`" BUCKET "`,`" BUCKET "/*`],`Condition`:{`StringEquals`:{"
                         "`s3:DataAccessPointAccount`:`222222222222`}}}]}";
static const char p2_completed[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:{`AWS`:`" ROLE
    "`},`Action`:[`s3:GetObject`,`s3:ListBucket`,`s3:PutObject`],`Resource`:[`" BUCKET "`,`" BUCKET
    "/*`],`Condition`:{`StringEquals`:{`s3:DataAccessPointAccount`:`222222222222`}}}]}";
static const char p3[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Sid`:`VisualEditor2`,`Effect`:`Allow`,"
    "`Action`:" FOUR ",`Resource`:[`" AP "`,`" AP "/object/*`,`" BUCKET "`,`" BUCKET "/*`]}]}";
static const char p3_completed[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:[`s3:GetObject`,"
    "`s3:ListBucket`,`s3:PutObject`],`Resource`:[`" AP "`,`" AP "/object/*`]}]}";
static const char p4[] = "{`Version`:`2012-10-17`,`Statement`:[{`Sid`:"
                         "`AllowCrossAccountAccessThroughAccessPoint`,`Effect`:`Allow`,"
                         "`Principal`:`*`,`Action`:[`s3:Get*`,`s3:List*`,`s3:Put*`],`Resource`:"
                         "[`" AP "`,`" AP "/object/*`,`" BUCKET "`,`" BUCKET "/*`]}]}";
static const char p4_other[] = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,"
                               "`Principal`:`*`,`Action`:`s3:*`,`Resource`:`arn:aws:s3:::x/*`}]}";
static const char p4_ap_only[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:`*`,`Action`:`s3:*`,"
    "`Resource`:[`" AP "`,`" AP "/object/*`]}]}";
static const char p4_bucket_only[] =
    "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Principal`:`*`,`Action`:`s3:*`,"
    "`Resource`:[`" BUCKET "`,`" BUCKET "/*`]}]}";

static struct scene literal(void) {
  return (struct scene){
      .who = {.arn = "arn:aws:sts::111111111111:assumed-role/demo/SageMaker",
              .role_arn = ROLE,
              .account = "111111111111"},
      .identity = p3,
      .access_point = p1,
      .bucket = p2,
      .endpoint = p4,
      .ap_account = "222222222222",
      .bucket_account = "222222222222",
  };
}

static struct scene completed(void) {
  struct scene s = literal();

  s.identity = p3_completed;
  s.access_point = p1_completed;
  s.bucket = p2_completed;
  return s;
}

static const struct policy_context_key through_ap[] = {
    {"s3:DataAccessPointAccount", (const char *const[]){"222222222222"}, 1},
    {"s3:DataAccessPointArn", (const char *const[]){AP}, 1},
    {"aws:SourceVpce", (const char *const[]){"vpce-1"}, 1},
};
#define THROUGH_AP .context = through_ap, .context_count = 3

static struct deed object(const char *action) {
  return (struct deed){.action = action,
                       .ap_arn = AP "/object/sample2.csv",
                       .bucket_arn = BUCKET "/sample2.csv",
                       THROUGH_AP};
}

static struct deed listing(void) {
  return (struct deed){.action = "s3:ListBucket", .ap_arn = AP, .bucket_arn = BUCKET, THROUGH_AP};
}

/* One document asked about one ARN: a cell of the table. */
static bool cell(const char *document, bool resource_style, const struct scene *s,
                 const struct deed *d, const char *arn) {
  struct policy *p = must_parse(document);
  struct policy_request r = {.principal = s->who,
                             .action = d->action,
                             .resource = arn,
                             .context = d->context,
                             .context_count = d->context_count};
  enum policy_effect e = resource_style ? resource_effect(p, &r) : identity_effect(p, &r);

  policy_free(p);
  return e == POLICY_ALLOW;
}

Test(seed_000, table_of_what_the_literal_documents_allow) {
  struct scene s = literal();
  static const struct {
    const char *action;
    bool identity, access_point, bucket, endpoint;
    enum policy_layer refused_by; /* UNKNOWN: allowed */
  } rows[] = {
      {"s3:GetObject", true, true, true, true, POLICY_LAYER_UNKNOWN},
      {"s3:ListBucket", false, false, true, true, POLICY_LAYER_IDENTITY},
      {"s3:PutObject", true, true, false, true, POLICY_LAYER_BUCKET},
      {"s3:DeleteObject", false, false, false, false, POLICY_LAYER_IDENTITY},
      {"s3:AbortMultipartUpload", false, false, false, false, POLICY_LAYER_IDENTITY},
      {"s3:GetObjectVersion", true, true, false, true, POLICY_LAYER_BUCKET},
      {"s3:PutObjectAcl", true, true, false, true, POLICY_LAYER_BUCKET},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    bool lists = strcmp(rows[i].action, "s3:ListBucket") == 0;
    struct deed d = lists ? listing() : object(rows[i].action);
    struct outcome o = act(&s, &d);

    cr_expect_eq(cell(p3, false, &s, &d, d.ap_arn), rows[i].identity, "%s P3", rows[i].action);
    cr_expect_eq(cell(p1, true, &s, &d, d.ap_arn), rows[i].access_point, "%s P1", rows[i].action);
    cr_expect_eq(cell(p2, true, &s, &d, d.bucket_arn), rows[i].bucket, "%s P2", rows[i].action);
    cr_expect_eq(cell(p4, true, &s, &d, d.ap_arn) && cell(p4, true, &s, &d, d.bucket_arn),
                 rows[i].endpoint, "%s P4", rows[i].action);
    cr_expect_eq(o.allowed, rows[i].refused_by == POLICY_LAYER_UNKNOWN, "%s", rows[i].action);
    if (!o.allowed)
      cr_expect_eq(o.layer, rows[i].refused_by, "%s: %s", rows[i].action,
                   policy_layer_name(o.layer));
    cr_expect_not(o.explicit_deny);
  }
}

Test(seed_000, nothing_works_by_bucket_name) {
  struct scene s = literal();
  struct deed get = {.action = "s3:GetObject", .bucket_arn = BUCKET "/sample2.csv"};
  struct deed list = {.action = "s3:ListBucket", .bucket_arn = BUCKET};

  s.ap_account = NULL;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_BUCKET, IMPLICIT);
  EXPECT_REFUSED(&s, &list, POLICY_LAYER_IDENTITY, IMPLICIT);
}

static void each_removed(struct scene whole, const struct deed *d) {
  struct scene s = whole;

  EXPECT_ALLOWED(&s, d);
  s.access_point = NULL; /* P1 */
  EXPECT_REFUSED(&s, d, POLICY_LAYER_ACCESS_POINT, IMPLICIT);
  s = whole;
  s.bucket = NULL; /* P2 */
  EXPECT_REFUSED(&s, d, POLICY_LAYER_BUCKET, IMPLICIT);
  s = whole;
  s.identity = NULL; /* P3 */
  EXPECT_REFUSED(&s, d, POLICY_LAYER_IDENTITY, IMPLICIT);
  s = whole;
  s.endpoint = p4_other; /* P4 */
  EXPECT_REFUSED(&s, d, POLICY_LAYER_ENDPOINT, IMPLICIT);
  s.endpoint = NULL; /* the default policy of an endpoint is full access */
  EXPECT_ALLOWED(&s, d);
}

Test(seed_000, each_policy_removed_in_turn_literal) {
  struct deed get = object("s3:GetObject");

  each_removed(literal(), &get);
}

Test(seed_000, each_policy_removed_in_turn_completed) {
  struct deed get = object("s3:GetObject");
  struct deed put = object("s3:PutObject");
  struct deed list = listing();

  each_removed(completed(), &get);
  each_removed(completed(), &put);
  each_removed(completed(), &list);
}

Test(seed_000, the_endpoint_must_allow_both_arns) {
  struct scene s = literal();
  struct deed get = object("s3:GetObject");
  struct outcome o;

  s.endpoint = p4_ap_only;
  o = act(&s, &get);
  cr_expect_eq(o.layer, POLICY_LAYER_ENDPOINT);
  cr_expect_str_eq(o.resource, BUCKET "/sample2.csv");
  s.endpoint = p4_bucket_only;
  o = act(&s, &get);
  cr_expect_eq(o.layer, POLICY_LAYER_ENDPOINT);
  cr_expect_str_eq(o.resource, AP "/object/sample2.csv");
}

Test(seed_000, a_second_role_of_the_account_is_refused) {
  struct scene s = literal();
  struct deed get = object("s3:GetObject");

  s.who.arn = "arn:aws:sts::111111111111:assumed-role/other/x";
  s.who.role_arn = "arn:aws:iam::111111111111:role/other";
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_ACCESS_POINT, IMPLICIT);
}

/* [K]: a role that names only the bucket is served once the bucket delegates. */
Test(seed_000, identity_naming_only_the_bucket_is_a_switch) {
  struct scene s = literal();
  struct deed get = object("s3:GetObject");

  s.identity = "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:`s3:GetObject`,"
               "`Resource`:`" BUCKET "/*`}]}";
  EXPECT_ALLOWED(&s, &get);
  s.options.strict_access_point_arn = true;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
  s.options.strict_access_point_arn = false;
  s.bucket = NULL;
  EXPECT_REFUSED(&s, &get, POLICY_LAYER_IDENTITY, IMPLICIT);
}

#define DENYING(extra)                                                                             \
  "{`Version`:`2012-10-17`,`Statement`:[{`Sid`:`stop`,`Effect`:`Deny`," extra                      \
  "`Action`:`s3:GetObject`,`Resource`:`*`},{`Effect`:`Allow`," extra                               \
  "`Action`:`s3:*`,`Resource`:`*`}]}"

Test(seed_000, an_explicit_deny_wins_in_every_layer) {
  struct deed get = object("s3:GetObject");
  static const struct {
    size_t field;
    bool resource_style;
    enum policy_layer layer;
  } rows[] = {
      {offsetof(struct scene, identity), false, POLICY_LAYER_IDENTITY},
      {offsetof(struct scene, boundary), false, POLICY_LAYER_BOUNDARY},
      {offsetof(struct scene, session), false, POLICY_LAYER_SESSION},
      {offsetof(struct scene, scp), false, POLICY_LAYER_SCP},
      {offsetof(struct scene, access_point), true, POLICY_LAYER_ACCESS_POINT},
      {offsetof(struct scene, bucket), true, POLICY_LAYER_BUCKET},
      {offsetof(struct scene, endpoint), true, POLICY_LAYER_ENDPOINT},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct scene s = literal();
    struct outcome o;
    const char *document = rows[i].resource_style ? DENYING("`Principal`:`*`,") : DENYING("");

    memcpy((char *)&s + rows[i].field, &document, sizeof(document));
    o = act(&s, &get);
    cr_expect_not(o.allowed);
    cr_expect(o.explicit_deny);
    cr_expect_eq(o.layer, rows[i].layer, "%s", policy_layer_name(o.layer));
    cr_expect_str_eq(o.sid, "stop");
  }
}
