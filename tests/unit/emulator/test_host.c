/* What a Host header names. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "../src/emulator/host.h"

static void expect(const char *value, enum host_kind kind, const char *name, const char *region) {
  struct host h;
  cr_assert_eq(host_parse(value, &h), 0);
  cr_expect_eq(h.kind, kind, "%s is of kind %d", value, h.kind);
  cr_expect_str_eq(h.name, name, "%s", value);
  cr_expect_str_eq(h.region, region, "%s", value);
  host_fini(&h);
}

Test(host, plain_ones) {
  expect("localhost", HOST_PLAIN, "", "");
  expect("localhost:9100", HOST_PLAIN, "", "");
  expect("127.0.0.1:9100", HOST_PLAIN, "", "");
  expect("[::1]:9100", HOST_PLAIN, "", "");
  expect("", HOST_PLAIN, "", "");
  expect("s3.eu-west-1.amazonaws.com", HOST_PLAIN, "", "eu-west-1");
  expect("s3.amazonaws.com", HOST_PLAIN, "", "");
  expect("sts.us-east-1.amazonaws.com", HOST_PLAIN, "", "us-east-1");
  expect("sts.localhost:1", HOST_PLAIN, "", "");
}

Test(host, names_below_localhost) {
  expect("bucket.localhost:9100", HOST_ANY, "bucket", "");
  expect("my.dotted.bucket.localhost", HOST_ANY, "my.dotted.bucket", "");
  expect("AP-111111111111.LOCALHOST", HOST_ANY, "ap-111111111111", "");
  expect("111111111111.localhost", HOST_ANY, "111111111111", "");
  expect("name.emulator.lan", HOST_ANY, "name", "");
}

Test(host, services) {
  expect("b.s3.eu-west-1.amazonaws.com", HOST_BUCKET, "b", "eu-west-1");
  expect("b.c.s3.amazonaws.com:443", HOST_BUCKET, "b.c", "");
  expect("b.s3.dualstack.us-west-2.amazonaws.com", HOST_BUCKET, "b", "us-west-2");
  expect("b.s3-fips.us-gov-west-1.amazonaws.com", HOST_BUCKET, "b", "us-gov-west-1");
  expect("ap-1-222222222222.s3-accesspoint.us-east-1.amazonaws.com", HOST_ACCESS_POINT,
         "ap-1-222222222222", "us-east-1");
  expect("ap-222222222222.s3-accesspoint-fips.dualstack.us-east-1.amazonaws.com", HOST_ACCESS_POINT,
         "ap-222222222222", "us-east-1");
  expect("333333333333.s3-control.us-east-1.amazonaws.com", HOST_CONTROL, "333333333333",
         "us-east-1");
  expect("s3-control.us-east-1.amazonaws.com", HOST_CONTROL, "", "us-east-1");
}

Test(host, targets_of_other_kinds) {
  expect("ap-222222222222.s3-object-lambda.us-east-1.amazonaws.com", HOST_ACCESS_POINT,
         "ap-222222222222", "us-east-1");
  expect("ap-222222222222.op-01.s3-outposts.us-east-1.amazonaws.com", HOST_ACCESS_POINT,
         "ap-222222222222.op-01", "us-east-1");
  expect("abc.mrap.accesspoint.s3-global.amazonaws.com", HOST_ACCESS_POINT, "abc.mrap.accesspoint",
         "");
  expect("b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com", HOST_BUCKET,
         "b--use1-az4--x-s3", "us-east-1");
  expect("s3express-control.us-east-1.amazonaws.com", HOST_PLAIN, "", "us-east-1");
}

static void expect_bare(const char *name, const char *wanted) {
  char *bare = host_bare_name(name);
  cr_expect_str_eq(bare, wanted);
  free(bare);
}

Test(host, labels_behind_a_name_are_not_the_name) {
  expect_bare("ap-222222222222.op-01", "ap-222222222222");
  expect_bare("alias--op-s3.ec2", "alias--op-s3");
  expect_bare("abc.mrap.accesspoint", "abc.mrap");
  expect_bare("ap-222222222222.accesspoint.vpce-0a", "ap-222222222222");
  expect_bare("b.c.bucket.vpce-0a", "b.c");
  expect_bare("my.dotted.bucket", "my.dotted.bucket");
  expect_bare("plain", "plain");
}

Test(host, access_point_labels) {
  char *name, *account;
  cr_assert_eq(host_split_access_point("my-ap-1-222222222222", &name, &account), 0);
  cr_expect_str_eq(name, "my-ap-1");
  cr_expect_str_eq(account, "222222222222");
  free(name);
  free(account);
  cr_expect_eq(host_split_access_point("bucket", &name, &account), -EINVAL);
  cr_expect_eq(host_split_access_point("b-22222222222", &name, &account), -EINVAL);
  cr_expect_eq(host_split_access_point("b-22222222222x", &name, &account), -EINVAL);
  cr_expect_eq(host_split_access_point("-222222222222", &name, &account), -EINVAL);
  cr_expect_eq(host_split_access_point("222222222222", &name, &account), -EINVAL);
}
