/* Block Public Access's idea of "public". */
#include "support.h"

static void expect(bool wanted, const char *principal, const char *condition) {
  char text[700];
  struct policy *p;

  snprintf(text, sizeof(text),
           "{`Effect`:`Allow`,%s,`Action`:`s3:GetObject`,`Resource`:`arn:aws:s3:::b/*`,"
           "`Condition`:{%s}}",
           principal, condition);
  p = must_parse_statement(text);
  cr_expect_eq(policy_is_public(p), wanted, "%s %s", principal, condition);
  policy_free(p);
}

#define ANYONE "`Principal`:`*`"

Test(public, principals) {
  expect(true, ANYONE, "");
  expect(true, "`Principal`:{`AWS`:[`111111111111`,`*`]}", "");
  expect(true, "`NotPrincipal`:{`AWS`:`111111111111`}", "");
  expect(false, "`Principal`:{`AWS`:`111111111111`}", "");
  expect(false, "`Principal`:{`Service`:`logging.s3.amazonaws.com`}", "");
}

Test(public, fixed_values_pin) {
  expect(false, ANYONE, "`StringEquals`:{`s3:DataAccessPointAccount`:`111122223333`}");
  expect(false, ANYONE, "`StringEquals`:{`aws:SourceVpce`:[`vpce-1`,`vpce-2`]}");
  expect(false, ANYONE, "`StringLike`:{`aws:PrincipalOrgID`:`o-1`}");
  expect(false, ANYONE, "`IpAddress`:{`aws:SourceIp`:`203.0.113.0/24`}");
  expect(false, ANYONE, "`IpAddress`:{`aws:SourceIp`:[`10.0.0.0/8`,`2001:db8::/32`]}");
  expect(false, ANYONE,
         "`ArnLike`:{`s3:DataAccessPointArn`:"
         "`arn:aws:s3:*:111122223333:accesspoint/*`}");
}

Test(public, open_values_do_not_pin) {
  expect(true, ANYONE, "`StringLike`:{`aws:SourceVpce`:`vpce-*`}");
  expect(true, ANYONE, "`StringEquals`:{`aws:SourceVpce`:[`vpce-1`,`${aws:PrincipalTag/e}`]}");
  expect(true, ANYONE, "`StringEqualsIfExists`:{`aws:SourceVpce`:`vpce-1`}");
  expect(true, ANYONE, "`StringNotEquals`:{`aws:SourceVpce`:`vpce-1`}");
  expect(true, ANYONE, "`ForAllValues:StringEquals`:{`aws:SourceVpce`:`vpce-1`}");
  expect(true, ANYONE, "`IpAddress`:{`aws:SourceIp`:`0.0.0.0/0`}");
  expect(true, ANYONE, "`IpAddress`:{`aws:SourceIp`:[`203.0.113.0/24`,`0.0.0.0/1`]}");
  expect(true, ANYONE, "`NotIpAddress`:{`aws:SourceIp`:`203.0.113.0/24`}");
  expect(true, ANYONE, "`StringLike`:{`aws:userid`:`AROAX:*`}");
  expect(true, ANYONE, "`StringEquals`:{`s3:prefix`:`x`}");
  expect(true, ANYONE, "`Null`:{`aws:SourceVpce`:`false`}");
  expect(true, ANYONE, "`Bool`:{`aws:SecureTransport`:`true`}");
  expect(true, ANYONE, "`ArnLike`:{`s3:DataAccessPointArn`:`arn:aws:s3:*:*:accesspoint/x`}");
}

Test(public, one_public_statement_is_enough_and_deny_does_not_count) {
  struct policy *p = must_parse_statement(
      "{`Effect`:`Deny`,`Principal`:`*`,`Action`:`s3:*`,`Resource`:`*`},"
      "{`Effect`:`Allow`,`Principal`:{`AWS`:`111111111111`},`Action`:`s3:*`,`Resource`:`*`}");

  cr_expect_not(policy_is_public(p));
  policy_free(p);
  p = must_parse_statement(
      "{`Effect`:`Allow`,`Principal`:{`AWS`:`111111111111`},`Action`:`s3:*`,`Resource`:`*`},"
      "{`Effect`:`Allow`,`Principal`:`*`,`Action`:`s3:GetObject`,`Resource`:`*`}");
  cr_expect(policy_is_public(p));
  policy_free(p);
}
