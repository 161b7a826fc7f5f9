/* ARN grammar: six parts, which may be empty, what the resource keeps. */
#include <criterion/criterion.h>
#include <errno.h>

#include "s3apfs/aws/arn.h"

Test(arn, splits_six_parts) {
  struct arn a;

  cr_assert_eq(arn_parse("arn:aws:s3:us-west-2:123456789012:accesspoint/my-ap", &a), 0);
  cr_expect_str_eq(a.partition, "aws");
  cr_expect_str_eq(a.service, "s3");
  cr_expect_str_eq(a.region, "us-west-2");
  cr_expect_str_eq(a.account, "123456789012");
  cr_expect_str_eq(a.resource, "accesspoint/my-ap");
  arn_fini(&a);
  cr_expect_null(a.resource);
}

Test(arn, resource_keeps_separators_region_and_account_may_be_empty) {
  struct arn a;

  cr_assert_eq(arn_parse("arn:aws-cn:s3-outposts:::outpost:op-1/accesspoint:x", &a), 0);
  cr_expect_str_eq(a.region, "");
  cr_expect_str_eq(a.account, "");
  cr_expect_str_eq(a.resource, "outpost:op-1/accesspoint:x");
  arn_fini(&a);
}

Test(arn, refuses_what_is_none) {
  static const char *const bad[] = {"",
                                    "arn",
                                    "arn:",
                                    "arn:aws:s3:us-west-2:123456789012",
                                    "arn:aws:s3:us-west-2:123456789012:",
                                    "arn::s3:us-west-2:123456789012:x",
                                    "arn:aws::us-west-2:123456789012:x",
                                    "ARN:aws:s3:us-west-2:123456789012:x",
                                    "barn:aws:s3:us-west-2:123456789012:x",
                                    ":::::",
                                    "bucket"};
  struct arn a = {.partition = (char *)"kept"};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(arn_parse(bad[i], &a), -EINVAL, "%s", bad[i]);
  cr_expect_str_eq(a.partition, "kept", "the result is written only on success");
}
