#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "s3apfs/aws/access_points_xml.h"

static int parse(const char *xml, struct access_points *out) {
  return access_points_parse(xml, strlen(xml), out);
}

Test(access_points_xml, reads_a_page) {
  struct access_points a;

  cr_assert_eq(
      parse("<ListAccessPointsResult xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\">"
            "<NextToken>more</NextToken><AccessPointList>"
            "<AccessPoint><Name>one</Name><NetworkOrigin>VPC</NetworkOrigin>"
            "<VpcConfiguration><VpcId>vpc-1</VpcId></VpcConfiguration><Bucket>b</Bucket>"
            "<AccessPointArn>arn:one</AccessPointArn><Alias>one-s3alias</Alias>"
            "<BucketAccountId>111111111111</BucketAccountId></AccessPoint>"
            "<AccessPoint><Name>two</Name></AccessPoint></AccessPointList>"
            "</ListAccessPointsResult>",
            &a),
      0);
  cr_assert_eq(a.count, 2);
  cr_assert_str_eq(a.items[0].name, "one");
  cr_assert_str_eq(a.items[0].origin, "VPC");
  cr_assert_str_eq(a.items[0].vpc, "vpc-1");
  cr_assert_str_eq(a.items[0].bucket, "b");
  cr_assert_str_eq(a.items[0].arn, "arn:one");
  cr_assert_str_eq(a.items[0].alias, "one-s3alias");
  cr_assert_str_eq(a.items[0].bucket_account, "111111111111");
  cr_assert_str_eq(a.items[1].vpc, "");
  cr_assert_str_eq(a.next_token, "more");
  access_points_fini(&a);
}

Test(access_points_xml, an_empty_list) {
  struct access_points a;

  cr_assert_eq(parse("<ListAccessPointsResult/>", &a), 0);
  cr_assert_eq(a.count, 0);
  cr_assert_null(a.next_token);
  access_points_fini(&a);
}

Test(access_points_xml, refuses_what_it_is_not) {
  struct access_points a;

  cr_assert_eq(parse("<Other/>", &a), -EBADMSG);
  cr_assert_eq(parse("<ListAccessPointsResult><AccessPointList><AccessPoint/></AccessPointList>"
                     "</ListAccessPointsResult>",
                     &a),
               -EBADMSG);
  cr_assert_eq(parse("", &a), -EBADMSG);
}
