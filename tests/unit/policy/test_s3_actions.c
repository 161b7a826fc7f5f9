/* Operations and the actions they need. */
#include "support.h"

#include "s3apfs/policy/s3_actions.h"

/* "action@kind action@kind<" with '<' behind actions on a copy's source. */
static void expect(const char *operation, struct s3_action_hints hints, const char *wanted) {
  static const char *const kinds[] = {"object",   "bucket",   "access-point", "account",
                                      "instance", "location", "grant",        "role"};
  struct s3_action_list list;
  struct buf b;

  cr_assert_eq(s3_actions_for(operation, &hints, &list), 0, "%s", operation);
  buf_init(&b, 0);
  for (size_t i = 0; i < list.count; i++)
    buf_printf(&b, "%s%s@%s%s", i > 0 ? " " : "", list.items[i].name, kinds[list.items[i].on],
               list.items[i].on_source ? "<" : "");
  cr_expect_str_eq(buf_cstr(&b), wanted, "%s: %s", operation, buf_cstr(&b));
  buf_fini(&b);
}

#define PLAIN ((struct s3_action_hints){0})

Test(s3_actions, reading) {
  struct s3_action_hints version = {.version_id = true};

  expect("GetObject", PLAIN, "s3:GetObject@object");
  expect("HeadObject", PLAIN, "s3:GetObject@object");
  expect("GetObject", version, "s3:GetObjectVersion@object");
  expect("HeadObject", version, "s3:GetObjectVersion@object");
  expect("GetObjectAttributes", PLAIN, "s3:GetObject@object s3:GetObjectAttributes@object");
  expect("GetObjectTagging", version, "s3:GetObjectVersionTagging@object");
  expect("ListObjects", PLAIN, "s3:ListBucket@bucket");
  expect("ListObjectsV2", version, "s3:ListBucket@bucket");
  expect("HeadBucket", PLAIN, "s3:ListBucket@bucket");
  expect("ListObjectVersions", PLAIN, "s3:ListBucketVersions@bucket");
  expect("ListMultipartUploads", PLAIN, "s3:ListBucketMultipartUploads@bucket");
  expect("ListParts", PLAIN, "s3:ListMultipartUploadParts@object");
  expect("ListBuckets", PLAIN, "s3:ListAllMyBuckets@account");
}

Test(s3_actions, writing) {
  struct s3_action_hints all = {
      .acl = true, .tagging = true, .object_lock = true, .legal_hold = true};

  expect("PutObject", PLAIN, "s3:PutObject@object");
  expect("PutObject", (struct s3_action_hints){.acl = true},
         "s3:PutObject@object s3:PutObjectAcl@object");
  expect("PutObject", (struct s3_action_hints){.tagging = true},
         "s3:PutObject@object s3:PutObjectTagging@object");
  expect("CreateMultipartUpload", all,
         "s3:PutObject@object s3:PutObjectAcl@object s3:PutObjectTagging@object "
         "s3:PutObjectRetention@object s3:PutObjectLegalHold@object");
  expect("UploadPart", all, "s3:PutObject@object");
  expect("CompleteMultipartUpload", all, "s3:PutObject@object");
  expect("AbortMultipartUpload", PLAIN, "s3:AbortMultipartUpload@object");
  expect("DeleteObject", PLAIN, "s3:DeleteObject@object");
  expect("DeleteObjects", (struct s3_action_hints){.version_id = true, .bypass_governance = true},
         "s3:DeleteObjectVersion@object s3:BypassGovernanceRetention@object");
}

Test(s3_actions, copying) {
  expect("CopyObject", PLAIN, "s3:GetObject@object< s3:PutObject@object");
  expect("CopyObject", (struct s3_action_hints){.source_version_id = true},
         "s3:GetObjectVersion@object< s3:PutObject@object");
  expect("CopyObject", (struct s3_action_hints){.version_id = true},
         "s3:GetObject@object< s3:PutObject@object");
  expect("CopyObject", (struct s3_action_hints){.copies_tags = true, .tagging = true, .acl = true},
         "s3:GetObject@object< s3:GetObjectTagging@object< s3:PutObject@object "
         "s3:PutObjectAcl@object s3:PutObjectTagging@object");
  expect("UploadPartCopy", PLAIN, "s3:GetObject@object< s3:PutObject@object");
}

Test(s3_actions, administration) {
  expect("PutBucketPolicy", PLAIN, "s3:PutBucketPolicy@bucket");
  expect("GetPublicAccessBlock", PLAIN, "s3:GetBucketPublicAccessBlock@bucket");
  expect("s3control:GetPublicAccessBlock", PLAIN, "s3:GetAccountPublicAccessBlock@account");
  expect("CreateAccessPoint", PLAIN, "s3:CreateAccessPoint@access-point");
  expect("ListAccessPoints", PLAIN, "s3:ListAccessPoints@account");
  expect("PutAccessPointPolicy", PLAIN, "s3:PutAccessPointPolicy@access-point");
  expect("GetDataAccess", PLAIN, "s3:GetDataAccess@instance");
  expect("ListCallerAccessGrants", PLAIN, "s3:ListCallerAccessGrants@instance");
  expect("GetAccessGrantsInstanceForPrefix", PLAIN, "s3:GetAccessGrantsInstanceForPrefix@instance");
  expect("CreateAccessGrant", PLAIN, "s3:CreateAccessGrant@location");
  expect("CreateAccessGrantsLocation", PLAIN,
         "s3:CreateAccessGrantsLocation@instance iam:PassRole@role");
}

Test(s3_actions, sts) {
  expect("AssumeRole", PLAIN, "sts:AssumeRole@role");
  expect("AssumeRole", (struct s3_action_hints){.session_tags = true, .source_identity = true},
         "sts:AssumeRole@role sts:TagSession@role sts:SetSourceIdentity@role");
  expect("GetCallerIdentity", PLAIN, "");
}

Test(s3_actions, unknown) {
  struct s3_action_list list;

  cr_expect_eq(s3_actions_for("MakeCoffee", NULL, &list), -ENOENT);
  cr_expect_eq(s3_actions_for("", NULL, &list), -ENOENT);
  cr_expect_eq(s3_actions_for("GetObject", NULL, &list), 0);
}
