/* SOURCE: every form, prefixes, and the lines that show the right spelling. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "s3apfs/aws/target.h"

#define AP "arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1"

struct want {
  enum target_kind kind;
  const char *bucket;
  const char *name;
  const char *account;
  const char *region;
  const char *partition;
  const char *prefix;
};

static void expect_text(const char *source, const char *what, const char *got, const char *want) {
  if (want == NULL || got == NULL)
    cr_expect(got == want, "%s: %s is %s, not %s", source, what, got != NULL ? got : "NULL",
              want != NULL ? want : "NULL");
  else
    cr_expect_str_eq(got, want, "%s: %s is %s, not %s", source, what, got, want);
}

static void expect_target(const char *source, struct want want) {
  struct target t;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(target_parse(source, &t, &why), 0, "%s: %s", source, buf_cstr(&why));
  cr_expect_eq(t.kind, want.kind, "%s is a %s", source, target_kind_name(t.kind));
  expect_text(source, "bucket", t.bucket, want.bucket);
  expect_text(source, "name", t.name, want.name);
  expect_text(source, "account", t.account, want.account);
  expect_text(source, "region", t.region, want.region);
  expect_text(source, "partition", t.partition, want.partition);
  expect_text(source, "prefix", t.prefix, want.prefix);
  cr_expect_eq(why.len, 0);
  target_fini(&t);
  buf_fini(&why);
}

static void expect_refused(const char *source, const char *part) {
  struct target t = {.name = (char *)"kept"};
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = target_parse(source, &t, &why);
  cr_expect_eq(rc, -EINVAL, "%s: %d", source, rc);
  cr_expect_str_eq(t.name, "kept", "%s", source);
  cr_expect_not_null(strstr(buf_cstr(&why), part), "%s: `%s` lacks `%s`", source, buf_cstr(&why),
                     part);
  cr_expect_null(strchr(buf_cstr(&why), '\n'), "%s: one line", source);
  cr_expect(why.len > 0 && buf_cstr(&why)[why.len - 1] != '.', "%s: no trailing period", source);
  buf_fini(&why);
}

static void expect_prefix(const char *source, const char *prefix) {
  struct target t;
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(target_parse(source, &t, &why), 0, "%s: %s", source, buf_cstr(&why));
  cr_expect_str_eq(t.prefix, prefix, "%s: %s, not %s", source, t.prefix, prefix);
  target_fini(&t);
  buf_fini(&why);
}

Test(target, access_point_arns) {
  expect_target(AP, (struct want){TARGET_ACCESS_POINT, AP, "test-ap-1", "222222222222", "us-east-1",
                                  "aws", ""});
  expect_target(
      "arn:aws:s3:us-east-1:222222222222:accesspoint:test-ap-1",
      (struct want){TARGET_ACCESS_POINT, AP, "test-ap-1", "222222222222", "us-east-1", "aws", ""});
  expect_target("s3://" AP "/a/b", (struct want){TARGET_ACCESS_POINT, AP, "test-ap-1",
                                                 "222222222222", "us-east-1", "aws", "a/b/"});
  expect_target("arn:aws-cn:s3-object-lambda:cn-north-1:012345678901:accesspoint/banner/x/",
                (struct want){TARGET_OBJECT_LAMBDA,
                              "arn:aws-cn:s3-object-lambda:cn-north-1:012345678901:"
                              "accesspoint/banner",
                              "banner", "012345678901", "cn-north-1", "aws-cn", "x/"});
}

Test(target, multi_region_arns) {
  static const char arn[] = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap";

  expect_target(arn, (struct want){TARGET_MULTI_REGION, arn, "mfzwi23gnjvgw.mrap", "123456789012",
                                   NULL, "aws", ""});
  expect_target("arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap/a",
                (struct want){TARGET_MULTI_REGION, arn, "mfzwi23gnjvgw.mrap", "123456789012", NULL,
                              "aws", "a/"});
}

Test(target, outposts) {
  static const char arn[] = "arn:aws:s3-outposts:us-west-2:123456789012:outpost/"
                            "op-01234567890123456/accesspoint/reports";
  static const char alias[] = "test-accessp-o0b1d075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3";

  expect_target(
      arn, (struct want){TARGET_OUTPOSTS, arn, "reports", "123456789012", "us-west-2", "aws", ""});
  expect_target(
      "arn:aws:s3-outposts:us-west-2:123456789012:outpost:op-01234567890123456:"
      "accesspoint:reports/2026",
      (struct want){TARGET_OUTPOSTS, arn, "reports", "123456789012", "us-west-2", "aws", "2026/"});
  expect_target(alias, (struct want){TARGET_OUTPOSTS_ALIAS, alias, alias, NULL, NULL, NULL, ""});
}

Test(target, aliases) {
  static const char *const plain[] = {"test-ap-1-abcdefghijklmnopqrstuvwx1a2b3cuse1a-s3alias",
                                      "fsx-ap-abcdefghijklmnop-ext-s3alias",
                                      "banner-abcdefghijkl--ol-s3"};

  for (size_t i = 0; i < 3; i++)
    expect_target(plain[i], (struct want){TARGET_ACCESS_POINT_ALIAS, plain[i], plain[i], NULL, NULL,
                                          NULL, ""});
  expect_target("s3://x-s3alias/a", (struct want){TARGET_ACCESS_POINT_ALIAS, "x-s3alias",
                                                  "x-s3alias", NULL, NULL, NULL, "a/"});
  expect_target("ap--use1-az4--xa-s3/p",
                (struct want){TARGET_DIRECTORY_ACCESS_POINT, "ap--use1-az4--xa-s3",
                              "ap--use1-az4--xa-s3", NULL, "us-east-1", NULL, "p/"});
}

Test(target, buckets) {
  expect_target("s3://product-bucket", (struct want){TARGET_BUCKET, "product-bucket",
                                                     "product-bucket", NULL, NULL, NULL, ""});
  expect_target("arn:aws:s3:::product-bucket/Product/*",
                (struct want){TARGET_BUCKET, "product-bucket", "product-bucket", NULL, NULL, "aws",
                              "Product/"});
  expect_target("s3://b--use1-az4--x-s3/d",
                (struct want){TARGET_DIRECTORY_BUCKET, "b--use1-az4--x-s3", "b--use1-az4--x-s3",
                              NULL, "us-east-1", NULL, "d/"});
  expect_target("arn:aws:s3express:us-east-1:123456789012:bucket/b--use1-az4--x-s3/d",
                (struct want){TARGET_DIRECTORY_BUCKET, "b--use1-az4--x-s3", "b--use1-az4--x-s3",
                              "123456789012", "us-east-1", "aws", "d/"});
  expect_target("arn:aws:s3express:us-east-1:123456789012:accesspoint/a--use1-az4--xa-s3",
                (struct want){TARGET_DIRECTORY_ACCESS_POINT, "a--use1-az4--xa-s3",
                              "a--use1-az4--xa-s3", "123456789012", "us-east-1", "aws", ""});
}

Test(target, grants) {
  expect_target("grants", (struct want){TARGET_GRANTS, NULL, NULL, NULL, NULL, NULL, ""});
  expect_target("grants:111122223333",
                (struct want){TARGET_GRANTS, NULL, NULL, "111122223333", NULL, NULL, ""});
  expect_target("grants:011122223333:eu-west-3",
                (struct want){TARGET_GRANTS, NULL, NULL, "011122223333", "eu-west-3", NULL, ""});
  expect_refused("grants:", "12 digits");
  expect_refused("grants:111122223333,", "12 digits");
  expect_refused("grants:,111122223333", "12 digits");
  expect_refused("grants:111122223333:us-east-1,111122223333:us-east-1", "listed twice");
  expect_refused("grants:111122223333,444455556666:", "region");
  expect_refused("grants:1111-2222-3333", "did you mean 111122223333");
  expect_refused("grants:111122223333:", "region");
  expect_refused("grants:111122223333:EU-West-3", "did you mean eu-west-3");
  expect_refused("grants:111122223333:eu/", "no prefix");
  expect_refused("grants/bucket/prefix", "s3://BUCKET/PREFIX");
}

Test(target, spellings_of_one_prefix) {
  expect_prefix(AP "/ResearchData", "ResearchData/");
  expect_prefix(AP "/ResearchData/", "ResearchData/");
  expect_prefix(AP "//ResearchData/", "ResearchData/");
  expect_prefix(AP "/ResearchData/*", "ResearchData/");
  expect_prefix(AP "/object/ResearchData/*", "ResearchData/");
  expect_prefix(AP "/object/ResearchData/**", "ResearchData/");
  expect_prefix(AP "/object/ResearchData", "ResearchData/");
  expect_prefix("s3://B-1/Product", "Product/");
  expect_prefix("s3://B-1/Product/", "Product/");
  expect_prefix("s3://B-1//Product/", "Product/");
  expect_prefix("s3://B-1/Product/*", "Product/");
}

Test(target, whole_access_point) {
  expect_prefix(AP "/", "");
  expect_prefix(AP "//", "");
  expect_prefix(AP "/*", "");
  expect_prefix(AP "/object/*", "");
  expect_prefix("s3://bucket/", "");
  expect_prefix("s3://bucket/*", "");
}

Test(target, prefixes_keep_their_characters) {
  expect_prefix(AP "/object", "object/");
  expect_prefix(AP "/object/", "object/");
  expect_prefix(AP "/object/object/x", "object/x/");
  expect_prefix(AP "//object/x", "object/x/");
  expect_prefix(AP "/a:b/My Data/", "a:b/My Data/");
  expect_prefix("s3://bucket/object/x", "object/x/");
  expect_prefix("s3://bucket/a b/\xe2\x80\x9cq\xe2\x80\x9d/", "a b/\xe2\x80\x9cq\xe2\x80\x9d/");
  expect_prefix("s3://bucket/a//b//", "a//b//");
  expect_prefix("s3://bucket/a*b/*/", "a*b/*/");
  expect_prefix("s3://bucket/arn:aws:s3:::x/y z", "arn:aws:s3:::x/y z/");
}

Test(target, a_star_must_follow_a_slash) {
  expect_refused(AP "/Research*", "did you mean Research/");
  expect_refused("s3://bucket/a/b**", "did you mean a/b/");
}

/* 000-M11 */
Test(target, upper_case_names) {
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint/Test-Ap-1",
                 "access point names are lower case; did you mean test-ap-1");
  expect_refused("arn:aws:s3::123456789012:accesspoint/MFZWI23gnjvgw.mrap",
                 "did you mean mfzwi23gnjvgw.mrap");
  expect_refused("arn:aws:s3:US-East-1:222222222222:accesspoint/x-1", "did you mean us-east-1");
  expect_refused("Test-Ap-1-abc-s3alias", "did you mean test-ap-1-abc-s3alias");
  expect_refused("ARN:aws:s3:us-east-1:222222222222:accesspoint/x-1", "did you mean arn:aws:s3:us");
  expect_refused("S3://bucket/Prefix", "did you mean s3://bucket/Prefix");
}

Test(target, blanks_and_quotes_of_pasted_text) {
  expect_refused("arn:aws:s3:us-east-1: 222222222222:accesspoint/test-ap-1/a b",
                 "the name holds blanks; did you mean " AP "/a b");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1 /object/*",
                 "the name holds blanks; did you mean " AP "/object/*");
  expect_refused(" " AP, "did you mean " AP);
  expect_refused(AP "\n", "did you mean " AP);
  expect_refused("\xe2\x80\x9c" AP "\xe2\x80\x9d",
                 "the name holds typographic quotes; did you mean " AP);
  expect_refused("\xe2\x80\x9c" AP "/Research Data/\xe2\x80\x9d",
                 "typographic quotes; did you mean " AP "/Research Data/");
  expect_refused("\"s3://bucket/p\"", "the name holds quotes; did you mean s3://bucket/p");
  expect_refused("arn:aws:s3:us\xe2\x80\x93"
                 "east\xe2\x80\x93"
                 "1:222222222222:accesspoint/test-ap-1",
                 "the name holds typographic dashes; did you mean " AP);
  expect_refused("arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint /reports/a b",
                 "did you mean arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/"
                 "reports/a b");
  expect_refused("s3://my bucket/a b", "did you mean s3://mybucket/a b");
  expect_refused("  ", "blanks");
}

Test(target, malformed_arns) {
  expect_refused("arn:aws:s3:us-east-1:222222222222", "is no ARN");
  expect_refused("arn:aws:s3:eu-west-3111122223333:accesspoint/x", "is no ARN");
  expect_refused("arn:moon:s3:us-east-1:222222222222:accesspoint/x-1", "partition `moon`");
  expect_refused("arn:aws:iam::222222222222:role/demo", "service iam");
  expect_refused("arn:aws:s3:us-east-1:222222222222:access-point/x-1", "did you mean accesspoint");
  expect_refused("arn:aws:s3:us-east-1:222222222222:access-grants/default",
                 "grants:222222222222:us-east-1");
  expect_refused("arn:aws:s3:us-east-1:222222222222:bucket:x-1", "bucket:x-1");
  expect_refused("arn:aws:s3:us-east-1:2222-2222-2222:accesspoint/x-1", "mean 222222222222");
  expect_refused("arn:aws:s3:us-east-1:22222222222:accesspoint/x-1", "not `22222222222`");
  expect_refused("arn:aws:s3:us-east-1::accesspoint/x-1", "12 digits");
  expect_refused("arn:aws:s3::222222222222:accesspoint/x-1", "no region");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint", "no access point");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint/", "no access point");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint/x_1", "not `x_1`");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint/x1-", "`x1-`");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint/x1", "3 to 50");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint/a-b-s3alias", "mean a-b-s3alias");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint:x-1:object", "only /PREFIX");
  expect_refused("arn:aws:s3:us-east-1:222222222222:accesspoint/abc.mrap",
                 "did you mean arn:aws:s3::222222222222:accesspoint/abc.mrap");
  expect_refused("arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1", "outpost/OUTPOST");
  expect_refused("arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/bucket/b", "outpost/OUT");
  expect_refused("arn:aws:s3express:us-east-1:123456789012:bucket/plain", "directory bucket");
}

Test(target, what_is_no_source) {
  expect_refused("", "empty");
  expect_refused("test-bucket-1", "a bucket is written s3://test-bucket-1");
  expect_refused("./nowhere.ini", "nor a file");
  expect_refused("grantsx", "neither");
  expect_refused("s3://", "names no bucket");
  expect_refused("s3:///x", "names no bucket");
  expect_refused("s3://a", "not a bucket's name");
  expect_refused("s3://b%c/x", "not a bucket's name");
  expect_refused("abcdef.mrap", "arn:aws:s3::ACCOUNT:accesspoint/abcdef.mrap");
  expect_refused("s3://bucket/\xff", "UTF-8");
  expect_refused("s3://bucket/a\001b", "control character");
  expect_refused("s3://bucket/a\nb", "control character");
  expect_refused("s3://buck\033[31met/a", "control character");
}

Test(target, prefix_length_limit) {
  char source[2048] = "s3://bucket/";
  struct target t;
  struct buf why;

  buf_init(&why, 0);
  memset(source + strlen(source), 'x', 1022);
  cr_assert_eq(target_parse(source, &t, &why), 0, "1023 bytes with its slash");
  cr_expect_eq(strlen(t.prefix), 1023);
  target_fini(&t);
  for (size_t n = 1023; n < 2000; n += 300) {
    memset(source + strlen("s3://bucket/"), 'x', n);
    cr_expect_eq(target_parse(source, &t, &why), -EINVAL, "%zu bytes", n);
  }
  cr_expect_not_null(strstr(buf_cstr(&why), "at most 1024"));
  buf_fini(&why);
}

/* A directory bucket is in the Region of its zone, whoever mounts it. */
Test(target, zones_tell_regions) {
  static const struct {
    const char *source;
    const char *region; /* NULL: nobody knows */
  } all[] = {
      {"s3://b--usw2-az1--x-s3", "us-west-2"},
      {"s3://b--apne1-az4--x-s3", "ap-northeast-1"},
      {"s3://b--apse2-az1--x-s3", "ap-southeast-2"},
      {"s3://b--aps1-az1--x-s3", "ap-south-1"},
      {"s3://b--euw1-az3--x-s3", "eu-west-1"},
      {"s3://b--eun1-az1--x-s3", "eu-north-1"},
      {"s3://b--sae1-az1--x-s3", "sa-east-1"},
      {"s3://b--mec1-az2--x-s3", "me-central-1"},
      {"s3://b--usgw1-az1--x-s3", "us-gov-west-1"},
      {"s3://b--usw2-lax1-az1--x-s3", "us-west-2"},
      {"a--usw2-az1--xa-s3", "us-west-2"},
      {"s3://b--test-az1--x-s3", NULL},
      {"s3://b--usx9-az1--x-s3", NULL},
      {"s3://product-bucket", NULL},
  };

  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
    struct target t;
    struct buf why;

    buf_init(&why, 0);
    cr_assert_eq(target_parse(all[i].source, &t, &why), 0, "%s: %s", all[i].source, buf_cstr(&why));
    if (all[i].region == NULL)
      cr_expect_null(t.region, "%s: %s", all[i].source, t.region);
    else
      cr_expect(t.region != NULL && strcmp(t.region, all[i].region) == 0, "%s: %s", all[i].source,
                t.region != NULL ? t.region : "none");
    target_fini(&t);
    buf_fini(&why);
  }
}
