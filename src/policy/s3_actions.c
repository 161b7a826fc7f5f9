/* The table of operations. A row is one action of one operation; rows of an
 * operation stand together, and conditional ones say on what. */
#include "s3apfs/policy/s3_actions.h"

#include <errno.h>
#include <string.h>

enum when {
  ALWAYS,
  IF_ACL,
  IF_TAGGING,
  IF_COPIES_TAGS,
  IF_OBJECT_LOCK,
  IF_LEGAL_HOLD,
  IF_BYPASS,
  IF_SESSION_TAGS,
  IF_SOURCE_IDENTITY,
  NEVER, /* the operation exists and needs nothing */
};

struct row {
  const char *operation;
  const char *action;
  const char *versioned; /* instead, when a version is named; NULL: the same */
  enum s3_resource_kind on;
  bool on_source;
  enum when when;
};

#define OBJECT(op, action)                                                                         \
  { op, "s3:" action, NULL, S3_ON_OBJECT, false, ALWAYS }
#define VERSIONED(op, action, version)                                                             \
  { op, "s3:" action, "s3:" version, S3_ON_OBJECT, false, ALWAYS }
#define EXTRA(op, action, when)                                                                    \
  { op, "s3:" action, NULL, S3_ON_OBJECT, false, when }
#define SOURCE(op, action, version, when)                                                          \
  { op, "s3:" action, "s3:" version, S3_ON_OBJECT, true, when }
#define BUCKET(op, action)                                                                         \
  { op, "s3:" action, NULL, S3_ON_BUCKET, false, ALWAYS }
#define ACCESS_POINT(op)                                                                           \
  { op, "s3:" op, NULL, S3_ON_ACCESS_POINT, false, ALWAYS }
#define ACCOUNT(op, action)                                                                        \
  { op, "s3:" action, NULL, S3_ON_ACCOUNT, false, ALWAYS }
#define INSTANCE(op)                                                                               \
  { op, "s3:" op, NULL, S3_ON_INSTANCE, false, ALWAYS }
#define LOCATION(op)                                                                               \
  { op, "s3:" op, NULL, S3_ON_LOCATION, false, ALWAYS }
#define GRANT(op)                                                                                  \
  { op, "s3:" op, NULL, S3_ON_GRANT, false, ALWAYS }
#define ROLE(op, action, when)                                                                     \
  { op, action, NULL, S3_ON_ROLE, false, when }

/* What PutObject, CopyObject and CreateMultipartUpload may also set. */
#define NEW_OBJECT_EXTRAS(op)                                                                      \
  EXTRA(op, "PutObjectAcl", IF_ACL), EXTRA(op, "PutObjectTagging", IF_TAGGING),                    \
      EXTRA(op, "PutObjectRetention", IF_OBJECT_LOCK),                                             \
      EXTRA(op, "PutObjectLegalHold", IF_LEGAL_HOLD)

static const struct row rows[] = {
    VERSIONED("GetObject", "GetObject", "GetObjectVersion"),
    VERSIONED("HeadObject", "GetObject", "GetObjectVersion"),
    VERSIONED("GetObjectAttributes", "GetObject", "GetObjectVersion"),
    VERSIONED("GetObjectAttributes", "GetObjectAttributes", "GetObjectVersionAttributes"),
    VERSIONED("GetObjectAcl", "GetObjectAcl", "GetObjectVersionAcl"),
    VERSIONED("PutObjectAcl", "PutObjectAcl", "PutObjectVersionAcl"),
    VERSIONED("GetObjectTagging", "GetObjectTagging", "GetObjectVersionTagging"),
    VERSIONED("PutObjectTagging", "PutObjectTagging", "PutObjectVersionTagging"),
    VERSIONED("DeleteObjectTagging", "DeleteObjectTagging", "DeleteObjectVersionTagging"),
    OBJECT("GetObjectRetention", "GetObjectRetention"),
    OBJECT("PutObjectRetention", "PutObjectRetention"),
    EXTRA("PutObjectRetention", "BypassGovernanceRetention", IF_BYPASS),
    OBJECT("GetObjectLegalHold", "GetObjectLegalHold"),
    OBJECT("PutObjectLegalHold", "PutObjectLegalHold"),
    OBJECT("RestoreObject", "RestoreObject"),
    OBJECT("PutObject", "PutObject"),
    NEW_OBJECT_EXTRAS("PutObject"),
    OBJECT("CreateMultipartUpload", "PutObject"),
    NEW_OBJECT_EXTRAS("CreateMultipartUpload"),
    OBJECT("UploadPart", "PutObject"),
    OBJECT("CompleteMultipartUpload", "PutObject"),
    OBJECT("AbortMultipartUpload", "AbortMultipartUpload"),
    OBJECT("ListParts", "ListMultipartUploadParts"),
    SOURCE("CopyObject", "GetObject", "GetObjectVersion", ALWAYS),
    SOURCE("CopyObject", "GetObjectTagging", "GetObjectVersionTagging", IF_COPIES_TAGS),
    OBJECT("CopyObject", "PutObject"),
    NEW_OBJECT_EXTRAS("CopyObject"),
    EXTRA("CopyObject", "PutObjectTagging", IF_COPIES_TAGS),
    SOURCE("UploadPartCopy", "GetObject", "GetObjectVersion", ALWAYS),
    OBJECT("UploadPartCopy", "PutObject"),
    VERSIONED("DeleteObject", "DeleteObject", "DeleteObjectVersion"),
    EXTRA("DeleteObject", "BypassGovernanceRetention", IF_BYPASS),
    VERSIONED("DeleteObjects", "DeleteObject", "DeleteObjectVersion"),
    EXTRA("DeleteObjects", "BypassGovernanceRetention", IF_BYPASS),

    BUCKET("ListObjects", "ListBucket"),
    BUCKET("ListObjectsV2", "ListBucket"),
    BUCKET("HeadBucket", "ListBucket"),
    BUCKET("ListObjectVersions", "ListBucketVersions"),
    BUCKET("ListMultipartUploads", "ListBucketMultipartUploads"),
    BUCKET("CreateBucket", "CreateBucket"),
    BUCKET("DeleteBucket", "DeleteBucket"),
    BUCKET("GetBucketLocation", "GetBucketLocation"),
    BUCKET("GetBucketAcl", "GetBucketAcl"),
    BUCKET("PutBucketAcl", "PutBucketAcl"),
    BUCKET("GetBucketCors", "GetBucketCORS"),
    BUCKET("PutBucketCors", "PutBucketCORS"),
    BUCKET("DeleteBucketCors", "PutBucketCORS"),
    BUCKET("GetBucketEncryption", "GetEncryptionConfiguration"),
    BUCKET("PutBucketEncryption", "PutEncryptionConfiguration"),
    BUCKET("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    BUCKET("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    BUCKET("GetBucketNotificationConfiguration", "GetBucketNotification"),
    BUCKET("PutBucketNotificationConfiguration", "PutBucketNotification"),
    BUCKET("GetBucketOwnershipControls", "GetBucketOwnershipControls"),
    BUCKET("PutBucketOwnershipControls", "PutBucketOwnershipControls"),
    BUCKET("DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
    BUCKET("GetBucketPolicy", "GetBucketPolicy"),
    BUCKET("PutBucketPolicy", "PutBucketPolicy"),
    BUCKET("DeleteBucketPolicy", "DeleteBucketPolicy"),
    BUCKET("GetBucketPolicyStatus", "GetBucketPolicyStatus"),
    BUCKET("GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    BUCKET("PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    BUCKET("DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    BUCKET("GetBucketRequestPayment", "GetBucketRequestPayment"),
    BUCKET("PutBucketRequestPayment", "PutBucketRequestPayment"),
    BUCKET("GetBucketTagging", "GetBucketTagging"),
    BUCKET("PutBucketTagging", "PutBucketTagging"),
    BUCKET("DeleteBucketTagging", "PutBucketTagging"),
    BUCKET("GetBucketVersioning", "GetBucketVersioning"),
    BUCKET("PutBucketVersioning", "PutBucketVersioning"),
    {"CreateSession", "s3express:CreateSession", NULL, S3_ON_BUCKET, false, ALWAYS},
    ACCOUNT("ListBuckets", "ListAllMyBuckets"),

    ACCESS_POINT("CreateAccessPoint"),
    ACCESS_POINT("DeleteAccessPoint"),
    ACCESS_POINT("GetAccessPoint"),
    ACCESS_POINT("GetAccessPointPolicy"),
    ACCESS_POINT("PutAccessPointPolicy"),
    ACCESS_POINT("DeleteAccessPointPolicy"),
    ACCESS_POINT("GetAccessPointPolicyStatus"),
    ACCOUNT("ListAccessPoints", "ListAccessPoints"),
    ACCOUNT("s3control:GetPublicAccessBlock", "GetAccountPublicAccessBlock"),
    ACCOUNT("s3control:PutPublicAccessBlock", "PutAccountPublicAccessBlock"),
    ACCOUNT("s3control:DeletePublicAccessBlock", "PutAccountPublicAccessBlock"),

    INSTANCE("CreateAccessGrantsInstance"),
    INSTANCE("GetAccessGrantsInstance"),
    INSTANCE("DeleteAccessGrantsInstance"),
    INSTANCE("GetAccessGrantsInstanceForPrefix"),
    INSTANCE("GetAccessGrantsInstanceResourcePolicy"),
    INSTANCE("PutAccessGrantsInstanceResourcePolicy"),
    INSTANCE("DeleteAccessGrantsInstanceResourcePolicy"),
    ACCOUNT("ListAccessGrantsInstances", "ListAccessGrantsInstances"),
    INSTANCE("CreateAccessGrantsLocation"),
    ROLE("CreateAccessGrantsLocation", "iam:PassRole", ALWAYS),
    LOCATION("GetAccessGrantsLocation"),
    LOCATION("UpdateAccessGrantsLocation"),
    ROLE("UpdateAccessGrantsLocation", "iam:PassRole", ALWAYS),
    LOCATION("DeleteAccessGrantsLocation"),
    INSTANCE("ListAccessGrantsLocations"),
    LOCATION("CreateAccessGrant"),
    GRANT("GetAccessGrant"),
    GRANT("DeleteAccessGrant"),
    INSTANCE("ListAccessGrants"),
    INSTANCE("ListCallerAccessGrants"),
    INSTANCE("GetDataAccess"),

    ROLE("AssumeRole", "sts:AssumeRole", ALWAYS),
    ROLE("AssumeRole", "sts:TagSession", IF_SESSION_TAGS),
    ROLE("AssumeRole", "sts:SetSourceIdentity", IF_SOURCE_IDENTITY),
    ROLE("AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity", ALWAYS),
    ROLE("GetCallerIdentity", "sts:GetCallerIdentity", NEVER),
    ROLE("GetSessionToken", "sts:GetSessionToken", NEVER),
};

static bool applies(enum when when, const struct s3_action_hints *h) {
  switch (when) {
  case ALWAYS:
    return true;
  case IF_ACL:
    return h->acl;
  case IF_TAGGING:
    return h->tagging;
  case IF_COPIES_TAGS:
    return h->copies_tags;
  case IF_OBJECT_LOCK:
    return h->object_lock;
  case IF_LEGAL_HOLD:
    return h->legal_hold;
  case IF_BYPASS:
    return h->bypass_governance;
  case IF_SESSION_TAGS:
    return h->session_tags;
  case IF_SOURCE_IDENTITY:
    return h->source_identity;
  default:
    return false;
  }
}

static void add(struct s3_action_list *l, const struct row *row, const struct s3_action_hints *h) {
  bool version = row->on_source ? h->source_version_id : h->version_id;
  const char *name = version && row->versioned != NULL ? row->versioned : row->action;

  for (size_t i = 0; i < l->count; i++)
    if (l->items[i].on_source == row->on_source && strcmp(l->items[i].name, name) == 0)
      return;
  if (l->count < S3_ACTIONS_MAX)
    l->items[l->count++] = (struct s3_action){name, row->on, row->on_source};
}

int s3_actions_for(const char *operation, const struct s3_action_hints *hints,
                   struct s3_action_list *out) {
  static const struct s3_action_hints none;
  const struct s3_action_hints *h = hints != NULL ? hints : &none;
  struct s3_action_list list = {0};
  bool known = false;

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    if (strcmp(rows[i].operation, operation) != 0)
      continue;
    known = true;
    if (applies(rows[i].when, h))
      add(&list, &rows[i], h);
  }
  if (!known)
    return -ENOENT;
  *out = list;
  return 0;
}
