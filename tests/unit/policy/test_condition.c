/* Condition operators, sets, absent keys, variables. */
#include "support.h"

/* Does this Condition block hold in that request? */
static bool holds_in(const char *version, const char *condition, struct policy_request r) {
  char *text = malloc(strlen(condition) + 300);
  struct policy *p;
  bool held;

  sprintf(text,
          "{`Version`:`%s`,`Statement`:{`Effect`:`Allow`,`Action`:`s3:*`,`Resource`:`*`,"
          "`Condition`:{%s}}}",
          version, condition);
  p = must_parse(text);
  r.action = "s3:GetObject";
  r.resource = "arn:aws:s3:::b/k";
  held = identity_effect(p, &r) == POLICY_ALLOW;
  policy_free(p);
  free(text);
  return held;
}

static bool holds(const char *condition, struct policy_request r) {
  return holds_in("2012-10-17", condition, r);
}

#define WITH(...) ((struct policy_request){CONTEXT(__VA_ARGS__)})
#define EMPTY ((struct policy_request){0})
#define YES(condition, request) cr_expect(holds(condition, request), "should hold: %s", condition)
#define NO(condition, request)                                                                     \
  cr_expect_not(holds(condition, request), "should not hold: %s", condition)

Test(condition, strings) {
  struct policy_request r = WITH(KEY("s3:prefix", "home/Jane/"));

  YES("`StringEquals`:{`s3:prefix`:`home/Jane/`}", r);
  YES("`StringEquals`:{`S3:PREFIX`:[`x`,`home/Jane/`]}", r);
  NO("`StringEquals`:{`s3:prefix`:`home/jane/`}", r);
  NO("`StringEquals`:{`s3:prefix`:`home/*`}", r);
  YES("`StringNotEquals`:{`s3:prefix`:[`x`,`y`]}", r);
  NO("`StringNotEquals`:{`s3:prefix`:[`x`,`home/Jane/`]}", r);
  YES("`StringEqualsIgnoreCase`:{`s3:prefix`:`HOME/jane/`}", r);
  NO("`StringNotEqualsIgnoreCase`:{`s3:prefix`:`HOME/jane/`}", r);
  YES("`StringLike`:{`s3:prefix`:`home/*`}", r);
  YES("`StringLike`:{`s3:prefix`:`home/?ane/`}", r);
  NO("`StringLike`:{`s3:prefix`:`HOME/*`}", r);
  NO("`StringLike`:{`s3:prefix`:`home/?`}", r);
  YES("`StringNotLike`:{`s3:prefix`:[`other/*`]}", r);
  NO("`StringNotLike`:{`s3:prefix`:[`other/*`,`home/*`]}", r);
  YES("`StringEquals`:{`s3:prefix`:``}", WITH(KEY("s3:prefix", "")));
  YES("`BinaryEquals`:{`a:b`:`QmFzZTY0`}", WITH(KEY("a:b", "QmFzZTY0")));
  NO("`BinaryEquals`:{`a:b`:`QmFzZTY0`}", WITH(KEY("a:b", "qmFzZTY0")));
}

Test(condition, all_operators_and_all_keys_must_hold) {
  struct policy_request r = WITH(KEY("a:a", "1"), KEY("a:b", "2"));

  YES("`StringEquals`:{`a:a`:`1`,`a:b`:`2`}", r);
  NO("`StringEquals`:{`a:a`:`1`,`a:b`:`3`}", r);
  YES("`StringEquals`:{`a:a`:`1`},`StringLike`:{`a:b`:`*`}", r);
  NO("`StringEquals`:{`a:a`:`1`},`StringLike`:{`a:b`:`?*3`}", r);
}

Test(condition, absent_keys) {
  NO("`StringEquals`:{`a:b`:`x`}", EMPTY);
  NO("`StringLike`:{`a:b`:`*`}", EMPTY);
  NO("`NumericLessThan`:{`a:b`:`5`}", EMPTY);
  NO("`DateGreaterThan`:{`a:b`:`0`}", EMPTY);
  NO("`Bool`:{`a:b`:`false`}", EMPTY);
  NO("`IpAddress`:{`a:b`:`0.0.0.0/0`}", EMPTY);
  NO("`ArnLike`:{`a:b`:`arn:*:*:*:*:*`}", EMPTY);
  YES("`StringNotEquals`:{`a:b`:`x`}", EMPTY);
  YES("`StringNotLike`:{`a:b`:`*`}", EMPTY);
  YES("`NotIpAddress`:{`a:b`:`0.0.0.0/0`}", EMPTY);
  YES("`NumericNotEquals`:{`a:b`:`5`}", EMPTY);
  YES("`ArnNotEquals`:{`a:b`:`arn:aws:s3:::b`}", EMPTY);
  YES("`StringEqualsIfExists`:{`a:b`:`x`}", EMPTY);
  YES("`BoolIfExists`:{`a:b`:`true`}", EMPTY);
  YES("`NumericLessThanEqualsIfExists`:{`a:b`:`5`}", EMPTY);
  NO("`StringEqualsIfExists`:{`a:b`:`x`}", WITH(KEY("a:b", "y")));
  YES("`StringEqualsIfExists`:{`a:b`:`x`}", WITH(KEY("a:b", "x")));
  NO("`NumericLessThanEqualsIfExists`:{`a:b`:`5`}", WITH(KEY("a:b", "6")));
}

Test(condition, null) {
  YES("`Null`:{`a:b`:`true`}", EMPTY);
  NO("`Null`:{`a:b`:false}", EMPTY);
  NO("`Null`:{`a:b`:`true`}", WITH(KEY("a:b", "x")));
  YES("`Null`:{`a:b`:`False`}", WITH(KEY("A:B", "x")));
}

Test(condition, bool) {
  YES("`Bool`:{`aws:SecureTransport`:`true`}", WITH(KEY("aws:SecureTransport", "true")));
  YES("`Bool`:{`aws:SecureTransport`:true}", WITH(KEY("aws:SecureTransport", "True")));
  NO("`Bool`:{`aws:SecureTransport`:`true`}", WITH(KEY("aws:SecureTransport", "false")));
  NO("`Bool`:{`aws:MultiFactorAuthPresent`:`true`}", EMPTY);
}

Test(condition, numbers) {
  struct policy_request r = WITH(KEY("s3:max-keys", "10"));

  YES("`NumericEquals`:{`s3:max-keys`:10}", r);
  YES("`NumericEquals`:{`s3:max-keys`:`10.0`}", r);
  YES("`NumericEquals`:{`s3:max-keys`:`1e1`}", r);
  NO("`NumericNotEquals`:{`s3:max-keys`:`10`}", r);
  YES("`NumericNotEquals`:{`s3:max-keys`:`-10`}", r);
  YES("`NumericLessThan`:{`s3:max-keys`:`10.5`}", r);
  NO("`NumericLessThan`:{`s3:max-keys`:`10`}", r);
  YES("`NumericLessThanEquals`:{`s3:max-keys`:`10`}", r);
  YES("`NumericGreaterThan`:{`s3:max-keys`:[`100`,`9`]}", r);
  NO("`NumericGreaterThan`:{`s3:max-keys`:`10`}", r);
  YES("`NumericGreaterThanEquals`:{`s3:max-keys`:`10`}", r);
  NO("`NumericEquals`:{`s3:max-keys`:`10`}", WITH(KEY("s3:max-keys", "10x")));
  NO("`NumericLessThan`:{`s3:max-keys`:`10`}", WITH(KEY("s3:max-keys", "")));
  NO("`NumericLessThan`:{`s3:max-keys`:`10`}", WITH(KEY("s3:max-keys", " 1")));
}

Test(condition, dates) {
  struct policy_request iso = WITH(KEY("aws:CurrentTime", "2026-11-22T06:03:00Z"));
  struct policy_request epoch = WITH(KEY("aws:EpochTime", "1795327380"));

  YES("`DateGreaterThan`:{`aws:CurrentTime`:`2026-11-22T06:02:59Z`}", iso);
  YES("`DateGreaterThan`:{`aws:CurrentTime`:`2026-11-22`}", iso);
  YES("`DateGreaterThan`:{`aws:CurrentTime`:`2026-11`}", iso);
  YES("`DateGreaterThan`:{`aws:CurrentTime`:`2026`}", iso);
  NO("`DateGreaterThan`:{`aws:CurrentTime`:`2027`}", iso);
  YES("`DateLessThanEquals`:{`aws:CurrentTime`:`2026-11-22T06:03Z`}", iso);
  YES("`DateEquals`:{`aws:CurrentTime`:`2026-11-22T07:03:00+01:00`}", iso);
  YES("`DateEquals`:{`aws:CurrentTime`:`1795327380`}", iso);
  YES("`DateEquals`:{`aws:EpochTime`:`2026-11-22T06:03:00Z`}", epoch);
  YES("`DateLessThan`:{`aws:EpochTime`:1795327381}", epoch);
  NO("`DateNotEquals`:{`aws:EpochTime`:`1795327380`}", epoch);
  YES("`DateGreaterThanEquals`:{`aws:EpochTime`:`1795327380`}", epoch);
}

Test(condition, addresses) {
  struct policy_request four = WITH(KEY("aws:SourceIp", "203.0.113.77"));
  struct policy_request six = WITH(KEY("aws:SourceIp", "2001:db8:1234::5"));

  YES("`IpAddress`:{`aws:SourceIp`:`203.0.113.0/24`}", four);
  YES("`IpAddress`:{`aws:SourceIp`:`203.0.113.77`}", four);
  YES("`IpAddress`:{`aws:SourceIp`:`203.0.113.64/28`}", four);
  NO("`IpAddress`:{`aws:SourceIp`:`203.0.113.80/28`}", four);
  YES("`IpAddress`:{`aws:SourceIp`:`0.0.0.0/0`}", four);
  NO("`NotIpAddress`:{`aws:SourceIp`:[`10.0.0.0/8`,`203.0.112.0/23`]}", four);
  YES("`NotIpAddress`:{`aws:SourceIp`:[`10.0.0.0/8`]}", four);
  NO("`IpAddress`:{`aws:SourceIp`:`::/0`}", four);
  YES("`IpAddress`:{`aws:SourceIp`:`2001:db8::/32`}", six);
  YES("`IpAddress`:{`aws:SourceIp`:`2001:0DB8:1234:0000::5`}", six);
  NO("`IpAddress`:{`aws:SourceIp`:`2001:db9::/33`}", six);
  NO("`IpAddress`:{`aws:SourceIp`:`0.0.0.0/0`}", six);
  NO("`IpAddress`:{`aws:SourceIp`:`0.0.0.0/0`}", WITH(KEY("aws:SourceIp", "vpce-1")));
}

Test(condition, arns) {
  struct policy_request r =
      WITH(KEY("aws:PrincipalArn", "arn:aws:iam::111111111111:role/team/demo"));

  YES("`ArnEquals`:{`aws:PrincipalArn`:`arn:aws:iam::111111111111:role/team/demo`}", r);
  YES("`ArnLike`:{`aws:PrincipalArn`:`arn:*:iam::*:role/*`}", r);
  YES("`ArnEquals`:{`aws:PrincipalArn`:`arn:aws:iam::111111111111:role/*/dem?`}", r);
  NO("`ArnLike`:{`aws:PrincipalArn`:`arn:aws:iam::*`}", r);
  NO("`ArnLike`:{`aws:PrincipalArn`:`*`}", r);
  NO("`ArnLike`:{`aws:PrincipalArn`:`arn:aws:*:role/*`}", r);
  NO("`ArnNotLike`:{`aws:PrincipalArn`:`arn:aws:iam::111111111111:role/*`}", r);
  YES("`ArnNotEquals`:{`aws:PrincipalArn`:`arn:aws:iam::222222222222:role/*`}", r);
  NO("`ArnLike`:{`aws:PrincipalArn`:`arn:*:*:*:*:*`}", WITH(KEY("aws:PrincipalArn", "x")));
}

Test(condition, sets) {
  struct policy_request ab = WITH(KEY("aws:TagKeys", "a", "b"));

  YES("`ForAnyValue:StringEquals`:{`aws:TagKeys`:[`b`,`c`]}", ab);
  NO("`ForAnyValue:StringEquals`:{`aws:TagKeys`:[`c`]}", ab);
  YES("`ForAllValues:StringEquals`:{`aws:TagKeys`:[`a`,`b`,`c`]}", ab);
  NO("`ForAllValues:StringEquals`:{`aws:TagKeys`:[`a`]}", ab);
  YES("`ForAnyValue:StringNotEquals`:{`aws:TagKeys`:[`a`]}", ab);
  NO("`ForAnyValue:StringNotEquals`:{`aws:TagKeys`:[`a`,`b`]}", ab);
  YES("`ForAllValues:StringNotEquals`:{`aws:TagKeys`:[`c`]}", ab);
  NO("`ForAllValues:StringNotEquals`:{`aws:TagKeys`:[`b`]}", ab);
  YES("`ForAllValues:StringLike`:{`aws:TagKeys`:[`?`]}", ab);
  NO("`ForAnyValue:StringEquals`:{`aws:TagKeys`:[`b`]}", EMPTY);
  NO("`ForAnyValue:StringNotEquals`:{`aws:TagKeys`:[`b`]}", EMPTY);
  YES("`ForAllValues:StringEquals`:{`aws:TagKeys`:[`b`]}", EMPTY);
  YES("`ForAnyValue:StringEqualsIfExists`:{`aws:TagKeys`:[`b`]}", EMPTY);
  YES("`StringEquals`:{`aws:TagKeys`:`b`}", ab);
  NO("`StringNotEquals`:{`aws:TagKeys`:`b`}", ab);
}

Test(condition, variables) {
  struct policy_request r = WITH(
      KEY("aws:username", "jane"), KEY("aws:userid", "AIDAX"), KEY("aws:PrincipalTag/team", "red"),
      KEY("s3:prefix", "home/jane/red"), KEY("a:list", "x", "y"), KEY("a:star", "*"));

  YES("`StringEquals`:{`s3:prefix`:`home/${aws:username}/${aws:PrincipalTag/team}`}", r);
  YES("`StringEquals`:{`s3:prefix`:`home/${ AWS:UserName }/${aws:principaltag/team}`}", r);
  YES("`StringLike`:{`s3:prefix`:`home/${aws:username}/*`}", r);
  NO("`StringLike`:{`s3:prefix`:`home/${aws:userid}/*`}", r);
  NO("`StringEquals`:{`s3:prefix`:`home/${a:missing}/red`}", r);
  YES("`StringEquals`:{`s3:prefix`:`home/${a:missing, 'jane'}/red`}", r);
  YES("`StringEquals`:{`s3:prefix`:`home/${aws:username,'other'}/red`}", r);
  YES("`StringNotEquals`:{`s3:prefix`:`${a:missing}`}", r);
  NO("`StringLike`:{`s3:prefix`:`home/${a:star}`}", r);
  NO("`StringLike`:{`s3:prefix`:`home/${*}`}", r);
  YES("`StringLike`:{`a:star`:`${*}`}", r);
  YES("`StringLike`:{`a:x`:`?${*}${?}${$}{}`}", WITH(KEY("a:x", "a*?${}")));
  NO("`StringLike`:{`a:x`:`${?}`}", WITH(KEY("a:x", "a")));
  NO("`ForAnyValue:StringEquals`:{`a:list`:`${a:list}`}", r);
}

Test(condition, variables_are_literal_in_2008) {
  struct policy_request r =
      WITH(KEY("aws:username", "jane"), KEY("a:x", "${aws:username}"), KEY("a:y", "jane"));

  cr_expect(holds_in("2008-10-17", "`StringEquals`:{`a:x`:`${aws:username}`}", r));
  cr_expect_not(holds_in("2008-10-17", "`StringEquals`:{`a:y`:`${aws:username}`}", r));
  cr_expect(holds_in("2012-10-17", "`StringEquals`:{`a:y`:`${aws:username}`}", r));
}

Test(condition, a_variable_cannot_smuggle_wildcards_in) {
  struct policy_request star = WITH(KEY("aws:username", "*"), KEY("s3:prefix", "home/jane"));
  struct policy_request raw = WITH(KEY("aws:username", "\xfe"), KEY("s3:prefix", "home/jane"));

  NO("`StringLike`:{`s3:prefix`:`home/${aws:username}`}", star);
  NO("`StringLike`:{`s3:prefix`:`home/${aws:username}`}", raw);
}

Test(condition, variables_in_resources) {
  struct policy *p = must_parse_statement(
      "{`Effect`:`Allow`,`Action`:`s3:GetObject`,`Resource`:`arn:aws:s3:::b/home/"
      "${aws:username}/*`},"
      "{`Effect`:`Allow`,`Action`:`s3:GetObject`,`Resource`:`arn:aws:s3:::b/${aws:userid}/*`}");
  struct policy_request r = {
      .action = "s3:GetObject",
      .resource = "arn:aws:s3:::b/home/jane/x",
      CONTEXT(KEY("aws:username", "jane"), KEY("aws:userid", "AROAX:session"))};

  cr_expect_eq(identity_effect(p, &r), POLICY_ALLOW);
  r.resource = "arn:aws:s3:::b/home/joe/x";
  cr_expect_eq(identity_effect(p, &r), POLICY_NO_MATCH);
  r.resource = "arn:aws:s3:::b/AROAX:session/x";
  cr_expect_eq(identity_effect(p, &r), POLICY_ALLOW);
  r.context_count = 0;
  cr_expect_eq(identity_effect(p, &r), POLICY_NO_MATCH);
  policy_free(p);
}

/* 002-P4: everyone in a folder of his own. */
Test(condition, home_folders_002_P4) {
  struct policy *p = must_parse_statement(
      "{`Effect`:`Allow`,`Action`:`s3:ListBucket`,`Resource`:`arn:aws:s3:::b`,`Condition`:{"
      "`StringEquals`:{`s3:prefix`:[``,`home/`],`s3:delimiter`:`/`}}},"
      "{`Effect`:`Allow`,`Action`:`s3:ListBucket`,`Resource`:`arn:aws:s3:::b`,`Condition`:{"
      "`StringLike`:{`s3:prefix`:`home/${aws:username}/*`}}},"
      "{`Effect`:`Allow`,`Action`:[`s3:GetObject`,`s3:PutObject`],`Resource`:"
      "`arn:aws:s3:::b/home/${aws:username}/*`}");
  static const struct {
    const char *action;
    const char *resource;
    const char *prefix;
    const char *delimiter; /* NULL: not sent */
    enum policy_effect effect;
  } rows[] = {
      {"s3:ListBucket", "arn:aws:s3:::b", "", "/", POLICY_ALLOW},
      {"s3:ListBucket", "arn:aws:s3:::b", "home/", "/", POLICY_ALLOW},
      {"s3:ListBucket", "arn:aws:s3:::b", "home/", NULL, POLICY_NO_MATCH},
      {"s3:ListBucket", "arn:aws:s3:::b", "", NULL, POLICY_NO_MATCH},
      {"s3:ListBucket", "arn:aws:s3:::b", "home/jane/", NULL, POLICY_ALLOW},
      {"s3:ListBucket", "arn:aws:s3:::b", "home/jane/x", "/", POLICY_ALLOW},
      {"s3:ListBucket", "arn:aws:s3:::b", "home/joe/", "/", POLICY_NO_MATCH},
      {"s3:GetObject", "arn:aws:s3:::b/home/jane/a", NULL, NULL, POLICY_ALLOW},
      {"s3:GetObject", "arn:aws:s3:::b/home/joe/a", NULL, NULL, POLICY_NO_MATCH},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct policy_context_key keys[3] = {KEY("aws:username", "jane")};
    struct policy_request r = {.action = rows[i].action,
                               .resource = rows[i].resource,
                               .context = keys,
                               .context_count = 1};

    if (rows[i].prefix != NULL)
      keys[r.context_count++] = (struct policy_context_key){"s3:prefix", &rows[i].prefix, 1};
    if (rows[i].delimiter != NULL)
      keys[r.context_count++] = (struct policy_context_key){"s3:delimiter", &rows[i].delimiter, 1};
    cr_expect_eq(identity_effect(p, &r), rows[i].effect, "row %zu", i);
  }
  policy_free(p);
}

/* 002-P3: the bucket is open to the sessions of one role and to one admin. */
Test(condition, one_role_only_002_P3) {
  struct policy *p = must_parse_statement(
      "{`Sid`:`others`,`Effect`:`Deny`,`Principal`:`*`,`Action`:`s3:*`,`Resource`:"
      "[`arn:aws:s3:::b`,`arn:aws:s3:::b/*`],`Condition`:{`StringNotLike`:{`aws:userId`:"
      "[`AROAROLE:*`,`AIDAADMIN`,`111111111111`]}}}");
  static const struct {
    const char *userid;
    enum policy_effect effect;
  } rows[] = {{"AROAROLE:nb-1", POLICY_NO_MATCH},
              {"AROAROLE:nb-2", POLICY_NO_MATCH},
              {"AIDAADMIN", POLICY_NO_MATCH},
              {"AROAOTHER:nb-1", POLICY_DENY},
              {"AIDAOTHER", POLICY_DENY}};

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct policy_context_key key = {"aws:userid", &rows[i].userid, 1};
    struct policy_request r = {.action = "s3:GetObject",
                               .resource = "arn:aws:s3:::b/k",
                               .context = &key,
                               .context_count = 1};

    cr_expect_eq(resource_effect(p, &r), rows[i].effect, "%s", rows[i].userid);
  }
  policy_free(p);
}
