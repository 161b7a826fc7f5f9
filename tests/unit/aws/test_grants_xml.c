/* S3 Control and STS replies: members taken, incomplete and foreign replies
 * refused, nothing written on failure. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/grants_xml.h"
#include "s3apfs/base/text.h"

#define CONTROL_NS "xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\""
#define STS_NS "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\""
#define ID "<AccessKeyId>ASIAEXAMPLE</AccessKeyId>"
#define SECRET "<SecretAccessKey>sec/ret+key</SecretAccessKey>"
#define TOKEN "<SessionToken>IQoJ//token==</SessionToken>"
#define EXPIRES "<Expiration>2026-11-22T06:33:00Z</Expiration>"
#define KEYS "<Credentials>" ID SECRET TOKEN EXPIRES "</Credentials>"
#define TARGET "<MatchedGrantTarget>s3://b/p*</MatchedGrantTarget>"
#define ACCESS(body) "<GetDataAccessResult " CONTROL_NS ">" body "</GetDataAccessResult>"

static void expect_keys(const struct aws_keys *k) {
  cr_assert_str_eq(k->access_key_id, "ASIAEXAMPLE");
  cr_assert_str_eq(k->secret_access_key, "sec/ret+key");
  cr_assert_str_eq(k->session_token, "IQoJ//token==");
  cr_assert_eq(k->expiration, 1795329180);
}

Test(grants_xml, reads_data_access) {
  static const char xml[] =
      ACCESS(KEYS TARGET "<Grantee><GranteeType>IAM</GranteeType><GranteeIdentifier>"
                         "arn:aws:iam::1:role/r</GranteeIdentifier></Grantee>");
  struct data_access d;

  cr_assert_eq(data_access_parse(xml, strlen(xml), &d), 0);
  expect_keys(&d.keys);
  cr_assert_str_eq(d.matched_target, "s3://b/p*");
  cr_assert_str_eq(d.grantee_type, "IAM");
  cr_assert_str_eq(d.grantee, "arn:aws:iam::1:role/r");
  data_access_fini(&d);
  cr_assert_null(d.keys.secret_access_key);
  data_access_fini(&d);
}

Test(grants_xml, grantee_is_optional) {
  static const char xml[] = ACCESS(TARGET KEYS);
  struct data_access d;

  cr_assert_eq(data_access_parse(xml, strlen(xml), &d), 0);
  cr_assert_str_eq(d.grantee_type, "");
  cr_assert_str_eq(d.grantee, "");
  data_access_fini(&d);
}

Test(grants_xml, refuses_incomplete_data_access) {
  static const char *const bad[] = {
      "",
      "<html/>",
      "<Error><Code>AccessDenied</Code></Error>",
      "<GetDataAccessResult/>",
      "<Other>" KEYS TARGET "</Other>",
      ACCESS(KEYS),
      ACCESS(TARGET),
      ACCESS(KEYS "<MatchedGrantTarget/>"),
      ACCESS("<Credentials>" SECRET TOKEN EXPIRES "</Credentials>" TARGET),
      ACCESS("<Credentials>" ID TOKEN EXPIRES "</Credentials>" TARGET),
      ACCESS("<Credentials>" ID SECRET EXPIRES "</Credentials>" TARGET),
      ACCESS("<Credentials>" ID SECRET TOKEN "</Credentials>" TARGET),
      ACCESS("<Credentials>" ID SECRET TOKEN "<Expiration>soon</Expiration></Credentials>" TARGET),
      ACCESS("<Credentials>" ID "<SecretAccessKey/>" TOKEN EXPIRES "</Credentials>" TARGET),
      ACCESS("<Credentials>" ID SECRET "<SessionToken>a&#13;&#10;Evil: 1</SessionToken>" EXPIRES
             "</Credentials>" TARGET),
      ACCESS("<Credentials><AccessKeyId>A B</AccessKeyId>" SECRET TOKEN EXPIRES
             "</Credentials>" TARGET),
      ACCESS("<Credentials><AccessKeyId>\xc3\xa4</AccessKeyId>" SECRET TOKEN EXPIRES
             "</Credentials>" TARGET),
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    struct data_access d = {.grantee = NULL};

    cr_assert_eq(data_access_parse(bad[i], strlen(bad[i]), &d), -EBADMSG, "accepted %s", bad[i]);
    cr_assert_null(d.keys.access_key_id, "written on failure");
  }
}

Test(grants_xml, reads_a_page_of_grants) {
  static const char xml[] =
      "<ListCallerAccessGrantsResult " CONTROL_NS "><NextToken>t+1</NextToken>"
      "<CallerAccessGrantsList><AccessGrant><Permission>READ</Permission>"
      "<GrantScope>s3://b/a*</GrantScope><ApplicationArn>arn:x</ApplicationArn></AccessGrant>"
      "<AccessGrant><GrantScope>s3://b/o</GrantScope><Permission>READWRITE</Permission>"
      "<AccessGrantsInstanceArn>arn:y</AccessGrantsInstanceArn></AccessGrant>"
      "</CallerAccessGrantsList></ListCallerAccessGrantsResult>";
  struct caller_grants g;

  cr_assert_eq(caller_grants_parse(xml, strlen(xml), &g), 0);
  cr_assert_eq(g.count, 2U);
  cr_assert_str_eq(g.items[0].permission, "READ");
  cr_assert_str_eq(g.items[0].scope, "s3://b/a*");
  cr_assert_str_eq(g.items[0].application_arn, "arn:x");
  cr_assert_str_eq(g.items[1].permission, "READWRITE");
  cr_assert_str_eq(g.items[1].scope, "s3://b/o");
  cr_assert_str_eq(g.items[1].application_arn, "");
  cr_assert_str_eq(g.next_token, "t+1");
  caller_grants_fini(&g);
  caller_grants_fini(&g);
}

Test(grants_xml, reads_empty_pages) {
  static const char *const pages[] = {
      "<ListCallerAccessGrantsResult/>",
      "<ListCallerAccessGrantsResult><NextToken/><CallerAccessGrantsList/>"
      "</ListCallerAccessGrantsResult>",
  };
  static const char more[] = "<ListCallerAccessGrantsResult><CallerAccessGrantsList/>"
                             "<NextToken>t</NextToken></ListCallerAccessGrantsResult>";
  struct caller_grants g;

  for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
    cr_assert_eq(caller_grants_parse(pages[i], strlen(pages[i]), &g), 0);
    cr_assert_eq(g.count, 0U);
    cr_assert_null(g.next_token);
    caller_grants_fini(&g);
  }
  cr_assert_eq(caller_grants_parse(more, strlen(more), &g), 0);
  cr_assert_eq(g.count, 0U);
  cr_assert_str_eq(g.next_token, "t");
  caller_grants_fini(&g);
}

Test(grants_xml, refuses_incomplete_grants) {
  static const char *const bad[] = {
      "<ListAccessGrantsResult/>",
      "<ListCallerAccessGrantsResult><CallerAccessGrantsList><AccessGrant><Permission>READ"
      "</Permission></AccessGrant></CallerAccessGrantsList></ListCallerAccessGrantsResult>",
      "<ListCallerAccessGrantsResult><CallerAccessGrantsList><AccessGrant><Permission>READ"
      "</Permission><GrantScope>s3://b/*</GrantScope></AccessGrant><AccessGrant><GrantScope>s"
      "</GrantScope></AccessGrant></CallerAccessGrantsList></ListCallerAccessGrantsResult>",
      "<ListCallerAccessGrantsResult><CallerAccessGrantsList>",
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    struct caller_grants g = {.count = 5};

    cr_assert_eq(caller_grants_parse(bad[i], strlen(bad[i]), &g), -EBADMSG, "%s", bad[i]);
    cr_assert_eq(g.count, 5U);
  }
}

Test(grants_xml, reads_the_instance) {
  static const char xml[] =
      "<GetAccessGrantsInstanceForPrefixResult " CONTROL_NS
      "><AccessGrantsInstanceArn>arn:aws:s3:eu-west-1:123456789012:"
      "access-grants/default</AccessGrantsInstanceArn><AccessGrantsInstanceId>"
      "default</AccessGrantsInstanceId>"
      "</GetAccessGrantsInstanceForPrefixResult>";
  static const char bad[] = "<GetAccessGrantsInstanceForPrefixResult/>";
  char *arn = NULL;

  cr_assert_eq(grants_instance_parse(bad, strlen(bad), &arn), -EBADMSG);
  cr_assert_null(arn);
  cr_assert_eq(grants_instance_parse(xml, strlen(xml), &arn), 0);
  cr_assert_str_eq(arn, "arn:aws:s3:eu-west-1:123456789012:access-grants/default");
  free(arn);
}

Test(grants_xml, reads_the_caller_identity) {
  static const char xml[] =
      "<GetCallerIdentityResponse " STS_NS "><GetCallerIdentityResult>"
      "<Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn><UserId>AROA:s</UserId>"
      "<Account>123456789012</Account></GetCallerIdentityResult>"
      "<ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></GetCallerIdentityResponse>";
  static const char bad[] = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>a</Arn>"
                            "<Account>1</Account></GetCallerIdentityResult>"
                            "</GetCallerIdentityResponse>";
  struct caller_identity c = {0};

  cr_assert_eq(caller_identity_parse(bad, strlen(bad), &c), -EBADMSG);
  cr_assert_null(c.arn);
  cr_assert_eq(caller_identity_parse(xml, strlen(xml), &c), 0);
  cr_assert_str_eq(c.arn, "arn:aws:sts::123456789012:assumed-role/r/s");
  cr_assert_str_eq(c.user_id, "AROA:s");
  cr_assert_str_eq(c.account, "123456789012");
  caller_identity_fini(&c);
}

static void expect_role(const char *call, const char *wrapper) {
  char *xml = text_printf("<%sResponse " STS_NS "><%sResult>" KEYS
                          "<AssumedRoleUser><AssumedRoleId>i</AssumedRoleId><Arn>arn:s</Arn>"
                          "</AssumedRoleUser></%sResult></%sResponse>",
                          call, wrapper, wrapper, call);
  struct aws_keys k = {0};
  char *arn = NULL;

  if (strcmp(call, wrapper) == 0) {
    cr_assert_eq(assume_role_parse(xml, strlen(xml), &k, &arn), 0);
    expect_keys(&k);
    cr_assert_str_eq(arn, "arn:s");
  } else {
    cr_assert_eq(assume_role_parse(xml, strlen(xml), &k, &arn), -EBADMSG);
    cr_assert_null(k.access_key_id);
    cr_assert_null(arn);
  }
  aws_keys_fini(&k);
  free(arn);
  free(xml);
}

Test(grants_xml, reads_assumed_roles) {
  expect_role("AssumeRole", "AssumeRole");
  expect_role("AssumeRoleWithWebIdentity", "AssumeRoleWithWebIdentity");
  expect_role("AssumeRole", "AssumeRoleWithWebIdentity");
  expect_role("AssumeRoleWithSAML", "AssumeRole");
}

Test(grants_xml, refuses_a_role_without_session) {
  static const char xml[] =
      "<AssumeRoleResponse><AssumeRoleResult>" KEYS "</AssumeRoleResult></AssumeRoleResponse>";
  struct aws_keys k = {0};
  char *arn = NULL;

  cr_assert_eq(assume_role_parse(xml, strlen(xml), &k, &arn), -EBADMSG);
  cr_assert_null(k.access_key_id);
  cr_assert_null(arn);
}

Test(grants_xml, reads_a_session_of_a_directory_bucket) {
  static const char xml[] = "<CreateSessionResult>" KEYS "</CreateSessionResult>";
  static const char other[] = "<OtherResult>" KEYS "</OtherResult>";
  static const char empty[] = "<CreateSessionResult><Credentials/></CreateSessionResult>";
  struct aws_keys k = {0};

  cr_assert_eq(create_session_parse(xml, strlen(xml), &k), 0);
  expect_keys(&k);
  aws_keys_fini(&k);
  cr_assert_eq(create_session_parse(other, strlen(other), &k), -EBADMSG);
  cr_assert_eq(create_session_parse(empty, strlen(empty), &k), -EBADMSG);
  cr_assert_null(k.access_key_id);
}
