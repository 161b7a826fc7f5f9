/* Which IAM actions an API operation needs, and on which kind of resource
 * (Service Authorization Reference: Amazon S3, AWS STS; S3 user guide, "Required
 * permissions for Amazon S3 API operations"). */
#ifndef S3APFS_POLICY_S3_ACTIONS_H
#define S3APFS_POLICY_S3_ACTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum s3_resource_kind {
  S3_ON_OBJECT,       /* bucket/key, or the access point's /object/key */
  S3_ON_BUCKET,       /* bucket, or the access point itself */
  S3_ON_ACCESS_POINT, /* the access point as a thing to administer */
  S3_ON_ACCOUNT,      /* "*" */
  S3_ON_INSTANCE,     /* Access Grants instance */
  S3_ON_LOCATION,     /* Access Grants location */
  S3_ON_GRANT,        /* Access Grants grant */
  S3_ON_ROLE,         /* IAM role */
};

/* What of the request changes its actions. */
struct s3_action_hints {
  bool version_id;        /* versionId= of the object itself */
  bool source_version_id; /* of x-amz-copy-source */
  bool acl;               /* x-amz-acl or any x-amz-grant-* */
  bool tagging;           /* x-amz-tagging */
  bool copies_tags;       /* the source of a copy has tags and they are to be kept */
  bool object_lock;       /* x-amz-object-lock-mode / retain-until-date */
  bool legal_hold;        /* x-amz-object-lock-legal-hold */
  bool bypass_governance; /* x-amz-bypass-governance-retention */
  bool session_tags;      /* AssumeRole with Tags */
  bool source_identity;   /* AssumeRole with SourceIdentity */
};

struct s3_action {
  const char *name; /* "s3:GetObject"; static */
  enum s3_resource_kind on;
  bool on_source; /* of a copy: bucket and key of x-amz-copy-source */
};

/* No operation needs more. */
#define S3_ACTIONS_MAX 8

struct s3_action_list {
  struct s3_action items[S3_ACTIONS_MAX];
  size_t count; /* 0: needs no permission (GetCallerIdentity) */
};

/* operation: the API's name ("GetObject", "ListObjectsV2", "CreateAccessPoint",
 * "AssumeRole"); where S3 and S3 Control share one, the account's is written
 * "s3control:GetPublicAccessBlock". DeleteObjects: for each key. hints may be
 * NULL. All of the actions must be allowed. -ENOENT: unknown operation. */
int s3_actions_for(const char *operation, const struct s3_action_hints *hints,
                   struct s3_action_list *out);

#endif
