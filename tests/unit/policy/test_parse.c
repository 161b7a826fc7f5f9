/* What the parser refuses, and with which words. */
#include "support.h"

static void check_refused(const char *text, size_t len, const char *wanted) {
  struct policy *p = NULL;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = policy_parse(text, len, &p, &why);
  cr_expect_eq(rc, -EINVAL, "accepted: %s", text);
  cr_expect_null(p);
  cr_expect_not_null(strstr(buf_cstr(&why), wanted), "wanted \"%s\" in \"%s\" for %s", wanted,
                     buf_cstr(&why), text);
  cr_expect_null(strchr(buf_cstr(&why), '\n'));
  buf_fini(&why);
  policy_free(p);
}

static void refused(const char *text, const char *wanted) {
  char *json = quoted(text);

  check_refused(json, strlen(json), wanted);
  free(json);
}

static void refused_statement(const char *statement, const char *wanted) {
  char *text = malloc(strlen(statement) + 200);

  strcpy(text, "{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Deny`,`Action`:`s3:*`},");
  strcat(text, statement);
  strcat(text, "]}");
  refused(text, wanted);
  free(text);
}

Test(parse, accepts_both_versions_and_shapes) {
  static const char *const good[] = {
      "{`Statement`:{`Effect`:`Allow`,`Action`:`s3:GetObject`,`Resource`:`*`}}",
      "{`Version`:`2008-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:[`s3:GetObject`]}]}",
      " {`Id`:`x`,`Version`:`2012-10-17`,`Statement`:[{`Sid`:`a b`,`Effect`:`Deny`,"
      "`NotAction`:`*`,`NotResource`:[`arn:aws:s3:::b/*`],`Condition`:{}}]} \n",
      "{`Statement`:{`Effect`:`Allow`,`Action`:`sts:AssumeRole`,`Principal`:{"
      "`AWS`:[`*`,`111111111111`,`arn:aws:iam::111111111111:root`,"
      "`arn:aws:sts::111111111111:assumed-role/r/s`,`AROAABCDEFGHIJKLMNOPQ`],"
      "`Service`:`sagemaker.amazonaws.com`,`Federated`:`accounts.google.com`,"
      "`CanonicalUser`:`79a59df900b949e5`}}}",
      "{`Statement`:{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`arn:aws:s3:*`,`Condition`:{"
      "`Bool`:{`aws:SecureTransport`:true},`NumericLessThan`:{`s3:max-keys`:[10,`20`]}}}}",
  };

  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
    policy_free(must_parse(good[i]));
}

Test(parse, refuses_bad_json) {
  refused("", "not valid JSON");
  refused("   ", "not valid JSON");
  refused("[]", "must be an object");
  refused("{`Statement`:[", "not valid JSON");
  refused("{`Statement`:{`Effect`:`Allow`,`Action`:`*`}} x", "text behind the end");
  refused("{`Statement`:{`Effect`:`Allow`,`Action`:`*`}}{}", "text behind the end");
  refused("{`Statement`:\n  {`Effect`:`Allow` `Action`:`*`}}", "line 2, column");
  refused("{`Statement`:{`Effect`:`Allow", "not closed");
  refused("{`Statement`:{`Effect`:`Al\nlow`}}", "line 1");
  refused("{`Statement`:{`Effect`:`Allow`,`Effect`:`Deny`,`Action`:`*`}}",
          "\"Effect\" appears twice");
  refused("{`Statement`:{`Effect`:`Allow`,`Action`:`s3:\\u0000x`}}", "NUL");
  refused("\xef\xbb\xbf{}", "byte order mark");
}

Test(parse, refuses_hostile_bytes) {
  static const char nul[] = "{\"Statement\":\0}";
  char deep[4000];
  char *huge = memset(malloc(100001), ' ', 100001);

  huge[100000] = '\0';
  check_refused(nul, sizeof(nul) - 1, "NUL byte");
  check_refused("{\"Id\":\"\xff\xfe\"}", 11, "UTF-8");
  check_refused("{\"Id\":\"\xc0\xaf\"}", 11, "UTF-8");
  check_refused(huge, 100000, "longer than 65536 bytes");
  free(huge);
  memset(deep, '[', sizeof(deep));
  check_refused(deep, sizeof(deep), "nested too deeply");
}

Test(parse, survives_every_truncation) {
  char *json =
      quoted("{`Version`:`2012-10-17`,`Statement`:[{`Sid`:`a`,`Effect`:`Allow`,`Principal`:{`AWS`:"
             "[`111111111111`]},`Action`:[`s3:Get*`],`Resource`:`arn:aws:s3:::b/${aws:username}/*`,"
             "`Condition`:{`StringLike`:{`s3:prefix`:[`a/*`,``]}}}]}");

  for (size_t n = 0; n < strlen(json); n++) {
    struct policy *p = NULL;
    char *cut = strndup(json, n);

    cr_expect_eq(policy_parse(cut, n, &p, NULL), -EINVAL, "%s", cut);
    free(cut);
  }
  free(json);
}

Test(parse, survives_every_changed_byte) {
  char *json = quoted("{`Version`:`2012-10-17`,`Statement`:[{`Effect`:`Allow`,`Action`:[`s3:Get*`],"
                      "`Resource`:`arn:aws:s3:::b/${aws:username,'x'}/*`,`Condition`:{`IpAddress`:"
                      "{`aws:SourceIp`:[`10.0.0.0/8`]}}}]}");
  static const char bytes[] = "\"{}[],:$*\\\xe2\x80";

  for (size_t i = 0; i < strlen(json); i++) {
    for (size_t j = 0; j < sizeof(bytes); j++) {
      char was = json[i];
      struct policy *p = NULL;

      json[i] = bytes[j];
      if (policy_parse(json, strlen(json), &p, NULL) == 0)
        policy_free(p);
      json[i] = was;
    }
  }
  free(json);
}

Test(parse, names_the_element_of_the_document) {
  refused("{`Statement`:[]}", "Statement: an empty array");
  refused("{`Statement`:`x`}", "Statement: must be an array");
  refused("{`Version`:`2012-10-17`}", "Statement is missing");
  refused("{`Version`:`2012-10-18`,`Statement`:{`Effect`:`Allow`,`Action`:`*`}}",
          "Version: must be");
  refused("{`Version`:2012,`Statement`:{`Effect`:`Allow`,`Action`:`*`}}", "Version: must be");
  refused("{`Extra`:1,`Statement`:{`Effect`:`Allow`,`Action`:`*`}}", "Extra: unknown element");
  refused("{`Ex\\ntra`:1}", "Ex tra: unknown element");
  refused("{`Id`:1,`Statement`:{`Effect`:`Allow`,`Action`:`*`}}", "Id: must be a string");
  refused("{`Effect`:`Allow`,`Action`:`*`,`Resource`:`*`}", "a bare statement; wrap it in");
}

Test(parse, names_statement_and_element) {
  refused_statement("`x`", "Statement 2: must be an object");
  refused_statement("{`Action`:`s3:*`}", "Statement 2: Effect is missing");
  refused_statement("{`Effect`:`allow`,`Action`:`s3:*`}", "Statement 2: Effect: must be");
  refused_statement("{`Effect`:`Allow`}", "Statement 2: Action is missing");
  refused_statement("{`Effect`:`Allow`,`Action`:[]}", "Statement 2: Action: an empty array");
  refused_statement("{`Effect`:`Allow`,`Action`:[1]}", "Statement 2: Action: must be a string");
  refused_statement("{`Effect`:`Allow`,`Action`:{}}", "Statement 2: Action: must be a string");
  refused_statement("{`Effect`:`Allow`,`Action`:`GetObject`}", "not \"*\" or service:Action");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3: GetObject`}", "holds a blank");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`NotAction`:`s3:*`}",
                    "Statement 2: NotAction: both Action and NotAction");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`NotResource`:`*`,`Resource`:`*`}",
                    "Statement 2: Resource: both Resource and NotResource");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`bucket/*`}",
                    "neither \"*\" nor an ARN");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`arn:aws:s3:bucket`}",
                    "neither \"*\" nor an ARN");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Ressource`:`*`}",
                    "Statement 2: Ressource: unknown element");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,` Action`:`*`}", "unknown element");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Sid`:7}", "Statement 2: Sid: must be");
}

Test(parse, refuses_a_sid_used_twice) {
  refused("{`Statement`:[{`Sid`:`a`,`Effect`:`Allow`,`Action`:`s3:*`},"
          "{`Sid`:`a`,`Effect`:`Allow`,`Action`:`s3:*`}]}",
          "Statement 2: Sid: \"a\" is used by an earlier statement");
}

Test(parse, refuses_bad_principals) {
#define WITH_PRINCIPAL(p) "{`Effect`:`Allow`,`Action`:`s3:*`,`Principal`:" p "}"
  refused_statement(WITH_PRINCIPAL("`111111111111`"), "may only be \"*\"");
  refused_statement(WITH_PRINCIPAL("[`*`]"), "Statement 2: Principal: must be");
  refused_statement(WITH_PRINCIPAL("{}"), "an empty object");
  refused_statement(WITH_PRINCIPAL("{`AWS`:[]}"), "an empty array");
  refused_statement(WITH_PRINCIPAL("{`Aws`:`*`}"), "unknown kind \"Aws\"");
  refused_statement(WITH_PRINCIPAL("{`AWS`:`1111`}"), "is not the ARN of an account");
  refused_statement(WITH_PRINCIPAL("{`AWS`:`arn:aws:s3:::b`}"), "is not the ARN of an account");
  refused_statement(WITH_PRINCIPAL("{`AWS`:`arn:aws:iam::111111111111:role/*`}"), "no wildcards");
  refused_statement(WITH_PRINCIPAL("{`Service`:``}"), "is empty or holds a blank");
}

Test(parse, refuses_bad_conditions) {
#define WITH_CONDITION(c) "{`Effect`:`Allow`,`Action`:`s3:*`,`Condition`:" c "}"
  refused_statement(WITH_CONDITION("[]"), "Condition: must be an object");
  refused_statement(WITH_CONDITION("{`StringEqual`:{`a:b`:`x`}}"), "is not a condition operator");
  refused_statement(WITH_CONDITION("{`StringLikeIgnoreCase`:{`a:b`:`x`}}"), "not a condition op");
  refused_statement(WITH_CONDITION("{`NullIfExists`:{`a:b`:`true`}}"), "not a condition operator");
  refused_statement(WITH_CONDITION("{`ForSomeValue:StringEquals`:{`a:b`:`x`}}"), "operator");
  refused_statement(WITH_CONDITION("{`IfExists`:{`a:b`:`x`}}"), "not a condition operator");
  refused_statement(WITH_CONDITION("{`StringEquals`:`x`}"), "must be an object");
  refused_statement(WITH_CONDITION("{`StringEquals`:{`prefix`:`x`}}"), "not a condition key");
  refused_statement(WITH_CONDITION("{`StringEquals`:{`a:b`:[]}}"), "a:b: an empty array");
  refused_statement(WITH_CONDITION("{`StringEquals`:{`a:b`:null}}"), "a:b: must be a string");
  refused_statement(WITH_CONDITION("{`StringEquals`:{`a:b`:[{}]}}"), "a:b: must be a string");
  refused_statement(WITH_CONDITION("{`StringEquals`:{`a:b`:`1`,`A:B`:`2`}}"), "appears twice");
  refused_statement(WITH_CONDITION("{`Bool`:{`a:b`:`yes`}}"), "not true or false");
  refused_statement(WITH_CONDITION("{`Null`:{`a:b`:`1`}}"), "not true or false");
  refused_statement(WITH_CONDITION("{`NumericEquals`:{`a:b`:`ten`}}"), "not a number");
  refused_statement(WITH_CONDITION("{`DateLessThan`:{`a:b`:`tomorrow`}}"), "not a date");
  refused_statement(WITH_CONDITION("{`IpAddress`:{`a:b`:`10.0.0.0/33`}}"), "not an address");
  refused_statement(WITH_CONDITION("{`IpAddress`:{`a:b`:`10.0.0`}}"), "not an address");
}

Test(parse, refuses_malformed_variables_only_where_they_count) {
  static const char open[] =
      "{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`arn:aws:s3:::b/${aws:x`}";
  struct policy *p;

  refused_statement(open, "Resource: \"arn:aws:s3:::b/${aws:x\": a policy variable is written");
  refused_statement(WITH_CONDITION("{`StringLike`:{`a:b`:`${a:b, x}`}}"), "policy variable");
  refused_statement(WITH_CONDITION("{`StringLike`:{`a:b`:`${}`}}"), "policy variable");
  p = must_parse("{`Version`:`2008-10-17`,`Statement`:{`Effect`:`Allow`,`Action`:`s3:*`,"
                 "`Resource`:`arn:aws:s3:::b/${aws:x`}}");
  policy_free(p);
}

/* The slips of the printed documents: 000-E2, 003-E1, 004-E1. */
Test(parse, explains_slips_of_pasting) {
  refused("{\n  `Statement`: [ { `Effect`: `Allow`, `Action`: \xe2\x80\x9cs3:*\xe2\x80\x9d } ] }",
          "typographic quotation mark \xe2\x80\x9c where JSON wants \" (line 2, column");
  refused(
      "{`Statement`:{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:[`arn:aws:s3:::b \xe2\x80\x9d, "
      "`x`]}}",
      "typographic quotation mark \xe2\x80\x9d");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Principal`:{`AWS`:"
                    "` arn:aws:iam:: 111111111111:role/demo `}}",
                    "holds a blank; write \"arn:aws:iam::111111111111:role/demo\"");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,\n `Resource`:"
                    "`arn:aws:s3:us-east-1: 222222222222:accesspoint/test-ap-1 /object/*`}",
                    "write \"arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1/object/*\" "
                    "(line 2, column 13)");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`arn:aws:s3:::test-bucket-1 `}",
                    "write \"arn:aws:s3:::test-bucket-1\"");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Principal`:{`AWS`:"
                    "`arn:aws:iam:111122223333:user/Jane`}}",
                    "lacks a colon before the account; write "
                    "\"arn:aws:iam::111122223333:user/Jane\"");
  refused("{`Version`:`2012 - 10 - 17`,`Statement`:{`Effect`:`Allow`,`Action`:`*`}}",
          "\"2012 - 10 - 17\" holds blanks");
  refused_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:"
                    "`arn:aws:s3:us - east - 1:555555555555:accesspoint/ap`}",
                    "write \"arn:aws:s3:us-east-1:555555555555:accesspoint/ap\"");
}

Test(parse, leaves_blanks_and_quotes_in_keys_alone) {
  policy_free(
      must_parse_statement("{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:["
                           "`arn:aws:s3:::b/My Data/\xe2\x80\x9cx\xe2\x80\x9d.csv`,"
                           "`arn:aws:s3:us-east-1:222222222222:accesspoint/a/object/b c`]}"));
}

Test(parse, cuts_long_remarks) {
  char *long_action = malloc(50001);
  char *text = malloc(50200);
  struct policy *p = NULL;
  struct buf why;

  memset(long_action, 'x', 50000);
  long_action[50000] = '\0';
  sprintf(text, "{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"%s\"}}", long_action);
  buf_init(&why, 0);
  cr_expect_eq(policy_parse(text, strlen(text), &p, &why), -EINVAL);
  cr_expect_lt(why.len, 2000);
  buf_fini(&why);
  free(text);
  free(long_action);
}

static int check(int (*fn)(const struct policy *, struct buf *), const char *statement,
                 const char *wanted) {
  struct policy *p = must_parse_statement(statement);
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = fn(p, &why);
  cr_expect_not_null(strstr(buf_cstr(&why), wanted), "%s", buf_cstr(&why));
  cr_expect_eq(fn(p, NULL), rc);
  buf_fini(&why);
  policy_free(p);
  return rc;
}

Test(parse, kinds_of_documents) {
  static const char identity[] = "{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`*`}";
  static const char resource[] =
      "{`Effect`:`Allow`,`Action`:`s3:*`,`Principal`:`*`,`Resource`:`*`}";
  static const char trust[] = "{`Effect`:`Allow`,`Action`:`sts:AssumeRole`,`Principal`:`*`}";
  static const char nothing[] = "{`Effect`:`Allow`,`Action`:`sts:AssumeRole`}";

  cr_expect_eq(check(policy_check_identity, identity, ""), 0);
  cr_expect_eq(check(policy_check_identity, resource, "Statement 1: Principal"), -EINVAL);
  cr_expect_eq(check(policy_check_identity, nothing, "Statement 1: Resource: is missing"), -EINVAL);
  cr_expect_eq(check(policy_check_resource, resource, ""), 0);
  cr_expect_eq(check(policy_check_resource, identity, "Principal: is missing"), -EINVAL);
  cr_expect_eq(check(policy_check_resource, trust, "Resource: is missing"), -EINVAL);
  cr_expect_eq(check(policy_check_trust, trust, ""), 0);
  cr_expect_eq(check(policy_check_trust, resource, "Resource: a trust policy has none"), -EINVAL);
  cr_expect_eq(check(policy_check_trust, identity, "Principal: is missing"), -EINVAL);
}
