/* Actions, resources, principals. */
#include "support.h"

struct match_case {
  const char *pattern;
  const char *subject;
  bool matches;
};

static enum policy_effect try_statement(const char *statement, const char *action,
                                        const char *resource) {
  struct policy *p = must_parse_statement(statement);
  struct policy_request r = {.action = action, .resource = resource};
  enum policy_effect effect = identity_effect(p, &r);

  policy_free(p);
  return effect;
}

static void run_actions(const struct match_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char statement[400];

    snprintf(statement, sizeof(statement), "{`Effect`:`Allow`,`Action`:`%s`,`Resource`:`*`}",
             cases[i].pattern);
    cr_expect_eq(try_statement(statement, cases[i].subject, "arn:aws:s3:::b"),
                 cases[i].matches ? POLICY_ALLOW : POLICY_NO_MATCH, "%s against %s",
                 cases[i].pattern, cases[i].subject);
  }
}

static void run_resources(const struct match_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char statement[400];

    snprintf(statement, sizeof(statement),
             "{`Effect`:`Allow`,`Action`:`s3:GetObject`,`Resource`:`%s`}", cases[i].pattern);
    cr_expect_eq(try_statement(statement, "s3:GetObject", cases[i].subject),
                 cases[i].matches ? POLICY_ALLOW : POLICY_NO_MATCH, "%s against %s",
                 cases[i].pattern, cases[i].subject);
  }
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

Test(match, actions) {
  static const struct match_case cases[] = {
      {"s3:GetObject", "s3:GetObject", true},
      {"S3:getobject", "s3:GetObject", true},
      {"s3:GetObject", "s3:GetObjectVersion", false},
      {"s3:Get*", "s3:GetObjectVersion", true},
      {"s3:get*", "s3:GetObject", true},
      {"s3:*Object", "s3:PutObject", true},
      {"s3:*Object", "s3:PutObjectAcl", false},
      {"s3:?etObject", "s3:GetObject", true},
      {"*", "sts:AssumeRole", true},
      {"*:*", "sts:AssumeRole", true},
      {"ec2:*", "s3:GetObject", false},
      {"ec2:RunInstances", "ec2:RunInstances", true},
      {"s3:*t*O*t", "s3:GetObject", true},
  };
  run_actions(cases, COUNT(cases));
}

Test(match, not_action) {
  static const char s[] = "{`Effect`:`Allow`,`NotAction`:[`iam:*`,`s3:Delete*`],`Resource`:`*`}";

  cr_expect_eq(try_statement(s, "s3:GetObject", "arn:aws:s3:::b"), POLICY_ALLOW);
  cr_expect_eq(try_statement(s, "s3:DeleteObject", "arn:aws:s3:::b"), POLICY_NO_MATCH);
  cr_expect_eq(try_statement(s, "IAM:CreateUser", "arn:aws:s3:::b"), POLICY_NO_MATCH);
}

Test(match, resources) {
  static const struct match_case cases[] = {
      {"*", "arn:aws:s3:::b/k", true},
      {"arn:aws:s3:::b", "arn:aws:s3:::b", true},
      {"arn:aws:s3:::b", "arn:aws:s3:::b/k", false},
      {"arn:aws:s3:::b", "arn:aws:s3:::B", false},
      {"arn:aws:s3:::b/*", "arn:aws:s3:::b/k/deep/er", true},
      {"arn:aws:s3:::b/*", "arn:aws:s3:::b/", true},
      {"arn:aws:s3:::b/*", "arn:aws:s3:::b", false},
      {"arn:aws:s3:::b*", "arn:aws:s3:::bucket/k", true},
      {"arn:aws:s3:::*", "arn:aws:s3:::b/with:colon", true},
      {"arn:aws:s3:::b/*:x", "arn:aws:s3:::b/a:b:x", true},
      {"arn:aws:s3:::b/a?c", "arn:aws:s3:::b/abc", true},
      {"arn:aws:s3:::b/a?c",
       "arn:aws:s3:::b/a\xc3\xa9"
       "c",
       true},
      {"arn:aws:s3:::b/a?c", "arn:aws:s3:::b/ac", false},
      {"arn:aws:s3:*", "arn:aws:s3:us-east-1:222222222222:accesspoint/ap", true},
      {"arn:aws:s3*", "arn:aws:s3:::b", true},
      {"arn:aws:*", "arn:aws:s3:::b", true},
      {"arn:aws:ec2:*", "arn:aws:s3:::b", false},
      {"arn:*:s3:::b", "arn:aws-cn:s3:::b", true},
      {"arn:aws:s3:*:222222222222:accesspoint/ap",
       "arn:aws:s3:us-east-1:222222222222:accesspoint/ap", true},
      {"arn:aws:s3:us-*-1:222222222222:accesspoint/*",
       "arn:aws:s3:us-east-1:222222222222:accesspoint/ap/object/k", true},
      {"arn:aws:s3:*-1:222222222222:accesspoint/ap", "arn:aws:s3:x:y-1:222222222222:accesspoint/ap",
       false},
      {"arn:aws:s3:us-east-1:?22222222222:accesspoint/ap",
       "arn:aws:s3:us-east-1:222222222222:accesspoint/ap", true},
      {"arn:aws:s3:us-east-1:222222222222:accesspoint/ap/object/*",
       "arn:aws:s3:us-east-1:222222222222:accesspoint/ap", false},
      {"arn:aws:s3:us-east-1:222222222222:accesspoint/ap/object/*",
       "arn:aws:s3:us-east-1:333333333333:accesspoint/ap/object/k", false},
      {"arn:aws:s3:::b/*a*b*c", "arn:aws:s3:::b/xxaxxbxxbxxc", true},
      {"arn:aws:s3:::b/*a*b*c", "arn:aws:s3:::b/xxaxxbxxbxx", false},
  };
  run_resources(cases, COUNT(cases));
}

Test(match, hostile_wildcards_end_soon) {
  char *key = malloc(4096);
  char statement[600] = "{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`arn:aws:s3:::";

  strcpy(key, "arn:aws:s3:::");
  memset(key + 13, 'a', 4000);
  key[4013] = '\0';
  for (int i = 0; i < 100; i++)
    strcat(statement, "a*");
  strcat(statement, "b`}");
  cr_expect_eq(try_statement(statement, "s3:GetObject", key), POLICY_NO_MATCH);
  memset(key + 13, ':', 4000);
  cr_expect_eq(try_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`*:*:*:*:*:*x`}",
                             "s3:GetObject", key),
               POLICY_NO_MATCH);
  free(key);
}

Test(match, not_resource) {
  static const char s[] = "{`Effect`:`Allow`,`Action`:`s3:*`,`NotResource`:"
                          "[`arn:aws:s3:::b/secret/*`,`arn:aws:s3:::c`]}";

  cr_expect_eq(try_statement(s, "s3:GetObject", "arn:aws:s3:::b/x"), POLICY_ALLOW);
  cr_expect_eq(try_statement(s, "s3:GetObject", "arn:aws:s3:::b/secret/x"), POLICY_NO_MATCH);
  cr_expect_eq(try_statement(s, "s3:ListBucket", "arn:aws:s3:::c"), POLICY_NO_MATCH);
}

Test(match, explicit_deny_wins_and_is_told) {
  struct policy *p = must_parse_statement(
      "{`Sid`:`yes`,`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`*`},"
      "{`Sid`:`no`,`Effect`:`Deny`,`Action`:`s3:GetObject`,`Resource`:`arn:aws:s3:::b/x`}");
  struct policy_request r = {.action = "s3:GetObject", .resource = "arn:aws:s3:::b/x"};
  struct policy_decision d;

  policy_evaluate_identity(p, &r, &d);
  cr_expect_eq(d.effect, POLICY_DENY);
  cr_expect_str_eq(d.sid, "no");
  cr_expect_eq(d.statement, 1);
  r.resource = "arn:aws:s3:::b/y";
  policy_evaluate_identity(p, &r, &d);
  cr_expect_eq(d.effect, POLICY_ALLOW);
  cr_expect_str_eq(d.sid, "yes");
  cr_expect_eq(d.statement, 0);
  r.action = "ec2:RunInstances";
  policy_evaluate_identity(p, &r, &d);
  cr_expect_eq(d.effect, POLICY_NO_MATCH);
  cr_expect_str_eq(d.sid, "");
  policy_free(p);
}

/* 002-P1: neither the service nor the key is known to anyone here. */
Test(match, unknown_service_002_P1) {
  struct policy *p = must_parse_statement(
      "{`Sid`:`MyRestrictedPolicy`,`Effect`:`Allow`,`Action`:`ec2:RunInstances`,"
      "`Resource`:`arn:aws:ec2:us-east-1:123456789012:instance/*`,"
      "`Condition`:{`StringEquals`:{`ec2:InstanceType`:`t2.medium`}}}");
  struct policy_request r = {.action = "ec2:RunInstances",
                             .resource = "arn:aws:ec2:us-east-1:123456789012:instance/i-1",
                             CONTEXT(KEY("ec2:InstanceType", "t2.medium"))};
  struct policy_request other = {.action = "ec2:RunInstances",
                                 .resource = "arn:aws:ec2:us-east-1:123456789012:instance/i-1",
                                 CONTEXT(KEY("ec2:InstanceType", "m5.large"))};
  struct policy_request none = {.action = "ec2:RunInstances",
                                .resource = "arn:aws:ec2:us-east-1:123456789012:instance/i-1"};

  cr_expect_eq(identity_effect(p, &r), POLICY_ALLOW);
  cr_expect_eq(identity_effect(p, &other), POLICY_NO_MATCH);
  cr_expect_eq(identity_effect(p, &none), POLICY_NO_MATCH);
  policy_free(p);
}

/* --- principals --- */

#define SESSION "arn:aws:sts::111111111111:assumed-role/demo/nb"
#define ROLE "arn:aws:iam::111111111111:role/service-role/demo"
#define USER "arn:aws:iam::111111111111:user/jane"

static const struct policy_principal session = {
    .arn = SESSION, .role_arn = ROLE, .account = "111111111111"};
static const struct policy_principal user = {.arn = USER, .account = "111111111111"};
static const struct policy_principal root = {.arn = "arn:aws:iam::111111111111:root",
                                             .account = "111111111111"};
static const struct policy_principal stranger = {.arn = "arn:aws:iam::222222222222:user/jane",
                                                 .account = "222222222222"};
static const struct policy_principal nobody = {0};
static const struct policy_principal service = {.service = "sagemaker.amazonaws.com"};
static const struct policy_principal web = {.federated = "accounts.google.com"};

static struct policy_decision as(const char *effect, const char *principal,
                                 const struct policy_principal *who) {
  char statement[600];
  struct policy *p;
  struct policy_request r = {
      .principal = *who, .action = "s3:GetObject", .resource = "arn:aws:s3:::b/k"};
  struct policy_decision d;

  snprintf(statement, sizeof(statement),
           "{`Effect`:`%s`,%s,`Action`:`s3:*`,`Resource`:`arn:aws:s3:::b/*`}", effect, principal);
  p = must_parse_statement(statement);
  policy_evaluate_resource(p, &r, &d);
  d.sid = NULL; /* goes with the document */
  policy_free(p);
  return d;
}

#define EXPECT_VIA(principal, who, wanted)                                                         \
  do {                                                                                             \
    struct policy_decision d = as("Allow", principal, who);                                        \
    cr_expect_eq((int)d.via, (int)(wanted), "%s: %d", principal, (int)d.via);                      \
    cr_expect_eq(d.effect, (wanted) == POLICY_VIA_NONE ? POLICY_NO_MATCH : POLICY_ALLOW);          \
  } while (0)

Test(principal, names_callers_closely_or_widely) {
  EXPECT_VIA("`Principal`:`*`", &session, POLICY_VIA_ANYONE);
  EXPECT_VIA("`Principal`:`*`", &nobody, POLICY_VIA_ANYONE);
  EXPECT_VIA("`Principal`:{`AWS`:`*`}", &stranger, POLICY_VIA_ANYONE);
  EXPECT_VIA("`Principal`:{`AWS`:`111111111111`}", &session, POLICY_VIA_ACCOUNT);
  EXPECT_VIA("`Principal`:{`AWS`:`arn:aws:iam::111111111111:root`}", &user, POLICY_VIA_ACCOUNT);
  EXPECT_VIA("`Principal`:{`AWS`:`111111111111`}", &root, POLICY_VIA_ACCOUNT);
  EXPECT_VIA("`Principal`:{`AWS`:`111111111111`}", &stranger, POLICY_VIA_NONE);
  EXPECT_VIA("`Principal`:{`AWS`:`111111111111`}", &nobody, POLICY_VIA_NONE);
  EXPECT_VIA("`Principal`:{`AWS`:`" ROLE "`}", &session, POLICY_VIA_ROLE);
  EXPECT_VIA("`Principal`:{`AWS`:`" SESSION "`}", &session, POLICY_VIA_PRINCIPAL);
  EXPECT_VIA("`Principal`:{`AWS`:`arn:aws:iam::111111111111:role/demo`}", &session,
             POLICY_VIA_NONE);
  EXPECT_VIA("`Principal`:{`AWS`:`" USER "`}", &user, POLICY_VIA_PRINCIPAL);
  EXPECT_VIA("`Principal`:{`AWS`:`" USER "`}", &stranger, POLICY_VIA_NONE);
  EXPECT_VIA("`Principal`:{`AWS`:`AIDAABCDEFGHIJKLMNOPQ`}", &user, POLICY_VIA_NONE);
  EXPECT_VIA("`Principal`:{`AWS`:[`222222222222`,`" ROLE "`,`*`]}", &session, POLICY_VIA_ROLE);
}

Test(principal, services_and_providers) {
  EXPECT_VIA("`Principal`:{`Service`:`sagemaker.amazonaws.com`}", &service, POLICY_VIA_PRINCIPAL);
  EXPECT_VIA("`Principal`:{`Service`:`ec2.amazonaws.com`}", &service, POLICY_VIA_NONE);
  EXPECT_VIA("`Principal`:{`Service`:`sagemaker.amazonaws.com`}", &user, POLICY_VIA_NONE);
  EXPECT_VIA("`Principal`:{`Federated`:`accounts.google.com`}", &web, POLICY_VIA_PRINCIPAL);
  EXPECT_VIA("`Principal`:{`Federated`:`accounts.google.com`}", &session, POLICY_VIA_NONE);
  EXPECT_VIA("`Principal`:{`CanonicalUser`:`79a59df900b949e5`}", &user, POLICY_VIA_NONE);
}

Test(principal, closest_of_several_statements_is_told) {
  struct policy *p = must_parse_statement(
      "{`Effect`:`Allow`,`Principal`:`*`,`Action`:`s3:*`,`Resource`:`*`},"
      "{`Effect`:`Allow`,`Principal`:{`AWS`:`" SESSION "`},`Action`:`s3:*`,`Resource`:`*`},"
      "{`Effect`:`Allow`,`Principal`:{`AWS`:`" ROLE "`},`Action`:`s3:*`,`Resource`:`*`}");
  struct policy_request r = {
      .principal = session, .action = "s3:GetObject", .resource = "arn:aws:s3:::b/k"};
  struct policy_decision d;

  policy_evaluate_resource(p, &r, &d);
  cr_expect_eq(d.via, POLICY_VIA_PRINCIPAL);
  cr_expect_eq(d.statement, 1);
  policy_free(p);
}

Test(principal, a_statement_without_principal_is_about_nobody) {
  struct policy *p = must_parse_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`*`}");
  struct policy_request r = {
      .principal = user, .action = "s3:GetObject", .resource = "arn:aws:s3:::b/k"};

  cr_expect_eq(resource_effect(p, &r), POLICY_NO_MATCH);
  cr_expect_eq(identity_effect(p, &r), POLICY_ALLOW);
  policy_free(p);
}

#define EXPECT_DENIED(principal, who, denied)                                                      \
  cr_expect_eq(as("Deny", principal, who).effect, (denied) ? POLICY_DENY : POLICY_NO_MATCH, "%s",  \
               principal)

/* 002-P3's other form. Listing a role alone hits the role's own sessions. */
Test(principal, not_principal_with_deny_wants_every_name) {
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:`" ROLE "`}", &session, true);
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:[`" ROLE "`,`111111111111`]}", &session, true);
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:[`" ROLE "`,`111111111111`,`" SESSION "`]}", &session,
                false);
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:[`" USER "`,`111111111111`]}", &user, false);
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:`111111111111`}", &user, true);
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:`111111111111`}", &root, false);
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:`111111111111`}", &stranger, true);
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:`111111111111`}", &nobody, true);
  EXPECT_DENIED("`NotPrincipal`:{`AWS`:`*`}", &nobody, false);
  EXPECT_DENIED("`NotPrincipal`:{`Service`:`sagemaker.amazonaws.com`}", &service, false);
}

Test(principal, not_principal_with_allow_serves_the_others) {
  EXPECT_VIA("`NotPrincipal`:{`AWS`:`" ROLE "`}", &session, POLICY_VIA_NONE);
  EXPECT_VIA("`NotPrincipal`:{`AWS`:`111111111111`}", &user, POLICY_VIA_NONE);
  EXPECT_VIA("`NotPrincipal`:{`AWS`:`111111111111`}", &stranger, POLICY_VIA_ANYONE);
}
