/* Access-denied messages: written, read back, and read as they come. */
#include "support.h"

#include "s3apfs/policy/denied.h"

#define WHO "arn:aws:sts::111111111111:assumed-role/demo/nb"

static char *described(const struct denied *d) {
  struct buf b;

  buf_init(&b, 0);
  denied_describe(d, &b);
  return buf_take(&b);
}

static bool same(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_equal(const struct denied *a, const struct denied *b, const char *message) {
  cr_expect_eq(a->layer, b->layer, "%s: %s", message, policy_layer_name(b->layer));
  cr_expect_eq(a->explicit_deny, b->explicit_deny, "%s", message);
  cr_expect(same(a->principal, b->principal), "%s: %s", message, b->principal);
  cr_expect(same(a->action, b->action), "%s: %s", message, b->action);
  cr_expect(same(a->resource, b->resource), "%s: %s", message, b->resource);
  cr_expect(same(a->policy_arn, b->policy_arn), "%s: %s", message, b->policy_arn);
}

static void there_and_back(const struct denied *d, const char *wanted) {
  struct denied back;
  char *message = described(d);

  if (wanted != NULL)
    cr_expect_str_eq(message, wanted);
  cr_assert_eq(denied_parse(message, &back), 0);
  check_equal(d, &back, message);
  denied_fini(&back);
  free(message);
}

#define AP "arn:aws:s3:us-east-1:222222222222:accesspoint/test-ap-1/object/My file.csv"
#define BUCKET "arn:aws:s3:::test-bucket-1/k"
#define ROLE "arn:aws:iam::555555555555:role/marketing-reader"

/* Every row of the table, with what AWS writes. */
Test(denied, every_layer_there_and_back) {
  static const struct {
    enum policy_layer layer;
    const char *action;
    const char *resource;
    const char *implicit;
    const char *explicit;
  } rows[] = {
      {POLICY_LAYER_IDENTITY, "s3:GetObject", BUCKET,
       "because no identity-based policy allows the s3:GetObject action",
       "with an explicit deny in an identity-based policy"},
      {POLICY_LAYER_BUCKET, "s3:GetObject", BUCKET,
       "because no resource-based policy allows the s3:GetObject action",
       "with an explicit deny in a resource-based policy"},
      {POLICY_LAYER_ACCESS_POINT, "s3:GetObject", AP,
       "because no resource-based policy allows the s3:GetObject action",
       "with an explicit deny in a resource-based policy"},
      {POLICY_LAYER_RESOURCE, "s3:GetDataAccess",
       "arn:aws:s3:us-east-1:333333333333:access-grants/default",
       "because no resource-based policy allows the s3:GetDataAccess action",
       "with an explicit deny in a resource-based policy"},
      {POLICY_LAYER_ENDPOINT, "s3:ListBucket", BUCKET,
       "because no VPC endpoint policy allows the s3:ListBucket action",
       "with an explicit deny in a VPC endpoint policy"},
      {POLICY_LAYER_SCP, "s3:PutObject", BUCKET,
       "because no service control policy allows the s3:PutObject action",
       "with an explicit deny in a service control policy"},
      {POLICY_LAYER_RCP, "s3:PutObject", BUCKET, NULL,
       "with an explicit deny in a resource control policy"},
      {POLICY_LAYER_BOUNDARY, "s3:PutObject", BUCKET,
       "because no permissions boundary allows the s3:PutObject action",
       "with an explicit deny in a permissions boundary"},
      {POLICY_LAYER_SESSION, "s3:DeleteObject", BUCKET,
       "because no session policy allows the s3:DeleteObject action",
       "with an explicit deny in a session policy"},
      {POLICY_LAYER_TRUST, "sts:AssumeRole", ROLE,
       "because no role trust policy allows the sts:AssumeRole action",
       "with an explicit deny in the role trust policy"},
  };

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    struct denied d = {.layer = rows[i].layer,
                       .principal = WHO,
                       .action = rows[i].action,
                       .resource = rows[i].resource};
    const char *quote = strncmp(rows[i].action, "s3", 2) == 0 ? "\"" : "";
    char wanted[600];

    for (int said = 0; said < 2; said++) {
      const char *reason = said ? rows[i].explicit : rows[i].implicit;

      if (reason == NULL)
        continue;
      d.explicit_deny = said;
      snprintf(wanted, sizeof(wanted),
               "User: " WHO " is not authorized to perform: %s on resource: %s%s%s %s",
               rows[i].action, quote, rows[i].resource, quote, reason);
      there_and_back(&d, wanted);
    }
    d.policy_arn = "arn:aws:iam::111111111111:policy/stop";
    there_and_back(&d, NULL);
    d.policy_arn = NULL;
    d.resource = NULL;
    if (rows[i].layer != POLICY_LAYER_BUCKET && rows[i].layer != POLICY_LAYER_ACCESS_POINT)
      there_and_back(&d, NULL);
  }
}

Test(denied, blocks_there_and_back) {
  struct denied d = {.layer = POLICY_LAYER_BPA,
                     .explicit_deny = true,
                     .principal = WHO,
                     .action = "s3:PutObjectAcl",
                     .resource = BUCKET};

  there_and_back(&d, "User: " WHO " is not authorized to perform: s3:PutObjectAcl on resource: "
                     "\"" BUCKET "\" because public ACLs are prevented by the BlockPublicAcls "
                     "setting in S3 Block Public Access.");
  d.action = "s3:PutBucketPolicy";
  there_and_back(&d, "User: " WHO " is not authorized to perform: s3:PutBucketPolicy on resource: "
                     "\"" BUCKET "\" because public policies are prevented by the "
                     "BlockPublicPolicy setting in S3 Block Public Access.");
  d.layer = POLICY_LAYER_SSE_C;
  d.action = "s3:PutObject";
  there_and_back(&d, NULL);
}

Test(denied, grants_there_and_back) {
  struct denied d = {
      .layer = POLICY_LAYER_GRANT, .action = "READWRITE", .resource = "s3://b/UserA/*"};

  there_and_back(&d, "You do not have READWRITE permissions to the requested S3 Prefix: "
                     "s3://b/UserA/*");
}

Test(denied, generic_is_unknown) {
  struct denied d = {0};

  there_and_back(&d, "Access Denied");
}

static void reads(const char *message, const struct denied *wanted) {
  struct denied got;

  cr_assert_eq(denied_parse(message, &got), 0);
  check_equal(wanted, &got, message);
  denied_fini(&got);
}

Test(denied, other_spellings) {
  reads("  user: anonymous IS NOT authorized to perform:\n s3:GetObject\ton resource: " BUCKET
        " Because No Identity-Based Policy Allows The s3:GetObject Action. ",
        &(struct denied){POLICY_LAYER_IDENTITY, false, "anonymous", "s3:GetObject", BUCKET, NULL});
  reads("StsNotAuthorizedError: access-grants.s3.amazonaws.com is not authorized to perform: "
        "sts:AssumeRole on resource: " ROLE,
        &(struct denied){POLICY_LAYER_TRUST, false, "access-grants.s3.amazonaws.com",
                         "sts:AssumeRole", ROLE, NULL});
  reads("User: " WHO " is not authorized to perform: sts:AssumeRole on resource: " ROLE,
        &(struct denied){POLICY_LAYER_UNKNOWN, false, WHO, "sts:AssumeRole", ROLE, NULL});
  reads("User: " WHO " is not authorized to perform: kms:Decrypt on resource: "
        "arn:aws:kms:us-east-1:222222222222:key/k because no resource-based policy allows the "
        "kms:Decrypt action",
        &(struct denied){POLICY_LAYER_RESOURCE, false, WHO, "kms:Decrypt",
                         "arn:aws:kms:us-east-1:222222222222:key/k", NULL});
  reads("User: " WHO " is not authorized to perform: s3:GetObject with an explicit deny in a "
        "strange new policy",
        &(struct denied){POLICY_LAYER_UNKNOWN, true, WHO, "s3:GetObject", NULL, NULL});
}

/* The key is the caller's choice; it must not name the layer. */
Test(denied, a_key_cannot_imitate_the_reason) {
  reads("User: " WHO " is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::b/x "
        "because no VPC endpoint policy allows the s3:GetObject action\" because no session policy "
        "allows the s3:GetObject action",
        &(struct denied){POLICY_LAYER_SESSION, false, WHO, "s3:GetObject",
                         "arn:aws:s3:::b/x because no VPC endpoint policy allows the "
                         "s3:GetObject action",
                         NULL});
}

Test(denied, fragments_do_no_harm) {
  static const char *const pieces[] = {
      "",
      " ",
      "...",
      "because no",
      " because no  allows the ",
      "with an explicit deny in",
      "with an explicit deny in ",
      "with an explicit deny in a",
      "with an explicit deny in a : arn:",
      "You do not have ",
      "You do not have permissions to the requested S3 Prefix: ",
      "is not authorized to perform: ",
      "User: is not authorized to perform:",
      "User:  is not authorized to perform:  on resource: ",
      "x is not authorized to perform: a on resource: \"",
      " because public policies",
  };

  for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
    struct denied d;

    cr_assert_eq(denied_parse(pieces[i], &d), 0);
    cr_expect_eq(d.layer, POLICY_LAYER_UNKNOWN, "%s", pieces[i]);
    denied_fini(&d);
  }
}

Test(denied, every_prefix_of_a_message_is_harmless) {
  static const char whole[] = "User: " WHO " is not authorized to perform: s3:GetObject on "
                              "resource: \"" BUCKET "\" with an explicit deny in a resource-based "
                              "policy: arn:aws:iam::1:policy/p";

  for (size_t n = 0; n <= sizeof(whole) - 1; n++) {
    char *cut = strndup(whole, n);
    struct denied d;

    cr_assert_eq(denied_parse(cut, &d), 0);
    denied_fini(&d);
    free(cut);
  }
}
