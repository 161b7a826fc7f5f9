/* STS: identity, AssumeRole with every condition it knows, MFA. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "worlds.h"

#define P(s) "{\"Version\":\"2012-10-17\",\"Statement\":[" s "]}"
#define ANY_SQ "{\"Effect\":\"Allow\",\"Action\":\"sts:*\",\"Resource\":\"*\"}"
#define TRUST_USER                                                                                 \
  "\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111111111111:user/u\"}"

/* The code of RFC 6238's test secret at WORLD_START:
 * oathtool --totp -b -N "2026-11-22 06:00:00 UTC" GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ */
#define TOTP_NOW "865123"

static const char document[] =
    "{\"organization\":{\"id\":\"o-1\",\"accounts\":[\"111111111111\",\"222222222222\"]},"
    "\"accounts\":[{\"id\":\"111111111111\",\"access-keys\":[{\"id\":\"ROOT\",\"secret\":\"s\"}],"
    "\"users\":["
    "{\"name\":\"u\",\"access-keys\":[{\"id\":\"U\",\"secret\":\"s\"}],\"policies\":{\"p\":" P(
        ANY_SQ) "},"
                "\"mfa-devices\":[{\"serial\":\"arn:aws:iam::111111111111:mfa/u\",\"seed\":"
                "\"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"}]},"
                "{\"name\":\"bare\",\"access-keys\":[{\"id\":\"BARE\",\"secret\":\"s\"}]}],"
                "\"roles\":[{\"name\":\"own\",\"trust\":" P(
                    "{" TRUST_USER
                    ",\"Action\":\"sts:AssumeRole\"}") ","
                                                       "\"policies\":{\"p\":" P(
                                                           ANY_SQ) "},\"max-session-duration\":"
                                                                   "7200}]},"
                                                                   "{\"id\":\"222222222222\","
                                                                   "\"roles\":["
                                                                   "{\"name\":\"plain\","
                                                                   "\"trust\":" P(
                                                                       "{\"Effect\":\"Allow\","
                                                                       "\"Principal\":{\"AWS\":"
                                                                       "[\"arn:aws:iam::"
                                                                       "111111111111:root\"]},"
                                                                       "\"Action\":[\"sts:"
                                                                       "AssumeRole\",\"sts:"
                                                                       "TagSession\"]}") ","
                                                                                         "\"max-"
                                                                                         "session-"
                                                                                         "duration"
                                                                                         "\":43200}"
                                                                                         ","
                                                                                         "{\"name\""
                                                                                         ":\"extern"
                                                                                         "al\","
                                                                                         "\"trust\""
                                                                                         ":" P(
                                                                                             "{" TRUST_USER
                                                                                             ",\"Ac"
                                                                                             "tion"
                                                                                             "\":"
                                                                                             "\"sts"
                                                                                             ":Assu"
                                                                                             "meRol"
                                                                                             "e\","
                                                                                             "\"Con"
                                                                                             "ditio"
                                                                                             "n\":"
                                                                                             "{\"St"
                                                                                             "ringE"
                                                                                             "quals"
                                                                                             "\":{"
                                                                                             "\"sts"
                                                                                             ":Exte"
                                                                                             "rnalI"
                                                                                             "d\":"
                                                                                             "\"mag"
                                                                                             "ic\"}"
                                                                                             "}}") "},"
                                                                                                   "{\"name\":\"mfa\",\"trust\":" P(
                                                                                                       "{" TRUST_USER
                                                                                                       ",\"Action\":\"sts:AssumeRole\",\"Condition\":"
                                                                                                       "{\"Bool\":{\"aws:MultiFactorAuthPresent\":\"true\"}}}") "},"
                                                                                                                                                                "{\"name\":\"closed\",\"trust\":" P(
                                                                                                                                                                    "{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
                                                                                                                                                                    "\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}") "}]}]}";

static struct world *w;

static void setup(void) {
  w = world_from(document);
}

static void teardown(void) {
  world_free(w);
}

TestSuite(sts, .init = setup, .fini = teardown);

static void sts(const char *key, const char *body, struct control_reply *r) {
  call(w, &(struct call){.plane = CONTROL_STS, .method = "POST", .body = body, .key = key}, r);
}

static void assume(const char *key, const char *role, const char *more, struct control_reply *r) {
  char body[4096];

  snprintf(
      body, sizeof(body),
      "Action=AssumeRole&Version=2011-06-15&RoleSessionName=s1&RoleArn=arn%%3Aaws%%3Aiam%%3A%%3A"
      "%s%s",
      role, more);
  sts(key, body, r);
}

#define OWN "111111111111%3Arole%2Fown"
#define PLAIN "222222222222%3Arole%2Fplain"
#define EXTERNAL "222222222222%3Arole%2Fexternal"
#define MFA "222222222222%3Arole%2Fmfa"
#define CLOSED "222222222222%3Arole%2Fclosed"

static void expect(const char *key, const char *role, const char *more, int status,
                   const char *code) {
  struct control_reply r;

  assume(key, role, more, &r);
  cr_expect_eq(r.status, status, "%s %s: %s", role, more, buf_cstr(&r.body));
  cr_expect_str_eq(reply_text(&r, "Code"), code, "%s %s", role, more);
  control_reply_fini(&r);
}

Test(sts, tells_identities) {
  struct control_reply r;

  sts("U", "Action=GetCallerIdentity&Version=2011-06-15", &r);
  cr_expect_eq(r.status, 200);
  cr_expect_str_eq(reply_text(&r, "Arn"), "arn:aws:iam::111111111111:user/u");
  cr_expect_str_eq(reply_text(&r, "Account"), "111111111111");
  cr_expect(reply_has(&r,
                      "<GetCallerIdentityResponse xmlns="
                      "\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>"));
  control_reply_fini(&r);
  sts(NULL, "Action=GetCallerIdentity&Version=2011-06-15", &r);
  cr_expect_eq(r.status, 403);
  cr_expect_str_eq(reply_text(&r, "Code"), "MissingAuthenticationToken");
  control_reply_fini(&r);
  sts("U", "Action=Frobnicate&Version=2011-06-15", &r);
  cr_expect_str_eq(reply_text(&r, "Code"), "InvalidAction");
  control_reply_fini(&r);
  sts("U", "Action=Get%zz", &r);
  cr_expect_eq(r.status, 400);
  control_reply_fini(&r);
}

Test(sts, assumes_roles_of_own_and_other_accounts) {
  struct control_reply r;
  struct world_key k;
  char id[64];

  assume("U", PLAIN, "&DurationSeconds=900", &r);
  cr_assert_eq(r.status, 200, "%s", buf_cstr(&r.body));
  cr_expect_str_eq(reply_text(&r, "Expiration"), "2026-11-22T06:15:00Z");
  snprintf(id, sizeof(id), "%s", reply_text(&r, "AccessKeyId"));
  cr_expect_str_eq(reply_text(&r, "Arn"), "arn:aws:sts::222222222222:assumed-role/plain/s1");
  control_reply_fini(&r);
  cr_assert_eq(world_find_key(w, id, &k), 0);
  cr_expect_str_eq(k.account, "222222222222");
  world_key_fini(&k);
  expect("U", OWN, "", 200, "");
}

Test(sts, both_sides_must_allow) {
  struct control_reply r;

  expect("BARE", PLAIN, "", 403, "AccessDenied");
  expect("U", CLOSED, "", 403, "AccessDenied");
  expect("ROOT", PLAIN, "", 403, "AccessDenied");
  expect("U", "222222222222%3Arole%2Fnone", "", 403, "AccessDenied");
  assume("BARE", PLAIN, "", &r);
  cr_expect(reply_has(&r, "because no identity-based policy allows the sts:AssumeRole action"),
            "%s", buf_cstr(&r.body));
  control_reply_fini(&r);
  assume("U", CLOSED, "", &r);
  cr_expect(reply_has(&r, "because no role trust policy allows the sts:AssumeRole action"), "%s",
            buf_cstr(&r.body));
  control_reply_fini(&r);
}

Test(sts, external_id) {
  expect("U", EXTERNAL, "", 403, "AccessDenied");
  expect("U", EXTERNAL, "&ExternalId=wrong", 403, "AccessDenied");
  expect("U", EXTERNAL, "&ExternalId=magic", 200, "");
  expect("U", EXTERNAL, "&ExternalId=m", 400, "ValidationError");
}

Test(sts, durations) {
  struct control_reply r;
  char id[64];

  expect("U", PLAIN, "&DurationSeconds=43200", 200, "");
  expect("U", PLAIN, "&DurationSeconds=43201", 400, "ValidationError");
  expect("U", PLAIN, "&DurationSeconds=899", 400, "ValidationError");
  expect("U", PLAIN, "&DurationSeconds=abc", 400, "ValidationError");
  expect("U", OWN, "&DurationSeconds=7201", 400, "ValidationError");
  assume("U", OWN, "", &r);
  snprintf(id, sizeof(id), "%s", reply_text(&r, "AccessKeyId"));
  control_reply_fini(&r);
  expect(id, PLAIN, "&DurationSeconds=3600", 200, "");
  expect(id, PLAIN, "&DurationSeconds=3601", 400, "ValidationError");
}

Test(sts, mfa) {
  expect("U", MFA, "", 403, "AccessDenied");
  expect("U", MFA, "&SerialNumber=arn%3Aaws%3Aiam%3A%3A111111111111%3Amfa%2Fu", 403,
         "AccessDenied");
  expect("U", MFA, "&SerialNumber=arn%3Aaws%3Aiam%3A%3A111111111111%3Amfa%2Fu&TokenCode=000000",
         403, "AccessDenied");
  expect("U", MFA,
         "&SerialNumber=arn%3Aaws%3Aiam%3A%3A111111111111%3Amfa%2Fnone&TokenCode=" TOTP_NOW, 403,
         "AccessDenied");
  expect("U", MFA, "&SerialNumber=arn%3Aaws%3Aiam%3A%3A111111111111%3Amfa%2Fu&TokenCode=" TOTP_NOW,
         200, "");
  expect("U", MFA, "&SerialNumber=arn%3Aaws%3Aiam%3A%3A111111111111%3Amfa%2Fu&TokenCode=" TOTP_NOW,
         403, "AccessDenied");
}

Test(sts, session_token_with_mfa_opens_the_role) {
  struct control_reply r;
  char id[64];

  sts("U",
      "Action=GetSessionToken&Version=2011-06-15&SerialNumber=arn%3Aaws%3Aiam%3A%3A111111111111%"
      "3Amfa"
      "%2Fu&TokenCode=" TOTP_NOW,
      &r);
  cr_assert_eq(r.status, 200, "%s", buf_cstr(&r.body));
  snprintf(id, sizeof(id), "%s", reply_text(&r, "AccessKeyId"));
  control_reply_fini(&r);
  expect(id, MFA, "", 200, "");
  sts(id, "Action=GetSessionToken&Version=2011-06-15", &r);
  cr_expect_eq(r.status, 403);
  control_reply_fini(&r);
}

Test(sts, tags_and_source_identity_need_their_own_permission) {
  expect("U", PLAIN, "&Tags.member.1.Key=team&Tags.member.1.Value=red", 200, "");
  expect("U", OWN, "&Tags.member.1.Key=team&Tags.member.1.Value=red", 403, "AccessDenied");
  expect("U", PLAIN, "&SourceIdentity=jane", 403, "AccessDenied");
  expect("U", PLAIN, "&TransitiveTagKeys.member.1=team", 400, "InvalidParameterValue");
}

Test(sts, session_policies_are_checked) {
  char big[2600];

  expect("U", PLAIN, "&Policy=%7B", 400, "MalformedPolicyDocument");
  memset(big, 0, sizeof(big));
  strcpy(big, "&Policy=");
  memset(big + 8, 'x', 2049);
  expect("U", PLAIN, big, 400, "PackedPolicyTooLarge");
}

Test(sts, bad_names) {
  struct control_reply r;

  sts("U",
      "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A222222222222%3Arole%"
      "2Fplain"
      "&RoleSessionName=a%20b",
      &r);
  cr_expect_str_eq(reply_text(&r, "Code"), "ValidationError");
  control_reply_fini(&r);
  sts("U", "Action=AssumeRole&Version=2011-06-15&RoleSessionName=ab", &r);
  cr_expect_str_eq(reply_text(&r, "Code"), "ValidationError");
  control_reply_fini(&r);
}
