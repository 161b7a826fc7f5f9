/* Regions to partitions. */
#include <criterion/criterion.h>

#include "s3apfs/aws/partition.h"

static void expect_region(const char *region, const char *id, const char *suffix) {
  const struct partition *p = partition_of_region(region);

  cr_assert_not_null(p);
  cr_expect_str_eq(p->id, id, "%s is in %s, not %s", region, id, p->id);
  cr_expect_str_eq(p->dns_suffix, suffix, "%s", region);
}

Test(partition, known_shapes) {
  expect_region("us-east-1", "aws", "amazonaws.com");
  expect_region("eu-central-12", "aws", "amazonaws.com");
  expect_region("mx-central-1", "aws", "amazonaws.com");
  expect_region("cn-north-1", "aws-cn", "amazonaws.com.cn");
  expect_region("us-gov-west-1", "aws-us-gov", "amazonaws.com");
  expect_region("eusc-de-east-1", "aws-eusc", "amazonaws.eu");
  expect_region("us-iso-east-1", "aws-iso", "c2s.ic.gov");
  expect_region("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov");
  expect_region("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk");
  expect_region("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov");
}

Test(partition, global_pseudo_regions) {
  expect_region("aws-global", "aws", "amazonaws.com");
  expect_region("aws-cn-global", "aws-cn", "amazonaws.com.cn");
  expect_region("aws-iso-f-global", "aws-iso-f", "csp.hci.ic.gov");
}

Test(partition, unknown_regions_are_aws) {
  expect_region("", "aws", "amazonaws.com");
  expect_region("-", "aws", "amazonaws.com");
  expect_region("--1", "aws", "amazonaws.com");
  expect_region("1", "aws", "amazonaws.com");
  expect_region("cn-1", "aws", "amazonaws.com");
  expect_region("cn--1", "aws", "amazonaws.com");
  expect_region("cn-north-", "aws", "amazonaws.com");
  expect_region("xx-cn-north-1", "aws", "amazonaws.com");
  expect_region("moon-1", "aws", "amazonaws.com");
}

Test(partition, by_id) {
  cr_expect_str_eq(partition_by_id("aws-us-gov")->implicit_global_region, "us-gov-west-1");
  cr_expect_str_eq(partition_by_id("aws-eusc")->dual_stack_suffix, "api.amazonwebservices.eu");
  cr_expect_null(partition_by_id("aws-moon"));
  cr_expect_null(partition_by_id(""));
}
