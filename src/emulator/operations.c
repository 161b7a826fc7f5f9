/* The table of S3 operations and what every one of them has in common. */
#include "operations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3_directory.h"
#include "s3apfs/base/text.h"

#define AP true       /* also through an access point */
#define DIRECT false  /* not through an access point */
#define ABSENT true   /* the bucket need not be there */
#define PRESENT false /* the bucket must be there */

/* The first row that fits is it; rows with conditions stand in front. */
static const struct operation table[] = {
    {"ListBuckets", "GET", LEVEL_SERVICE, NULL, NULL, DIRECT, ABSENT, op_list_buckets},

    {"CreateSession", "GET", LEVEL_BUCKET, "session", NULL, AP, PRESENT, op_create_session},
    {"ListObjectsV2", "GET", LEVEL_BUCKET, "list-type", NULL, AP, PRESENT, op_list_objects_v2},
    {"ListMultipartUploads", "GET", LEVEL_BUCKET, "uploads", NULL, AP, PRESENT, op_list_uploads},
    {"GetBucketLocation", "GET", LEVEL_BUCKET, "location", NULL, AP, PRESENT,
     op_get_bucket_location},
    {"GetBucketVersioning", "GET", LEVEL_BUCKET, "versioning", NULL, DIRECT, PRESENT,
     op_get_bucket_versioning},
    {"GetBucketPolicyStatus", "GET", LEVEL_BUCKET, "policyStatus", NULL, DIRECT, PRESENT,
     op_get_bucket_policy_status},
    {"GetBucketPolicy", "GET", LEVEL_BUCKET, "policy", NULL, AP, PRESENT, op_get_bucket_policy},
    {"PutBucketPolicy", "PUT", LEVEL_BUCKET, "policy", NULL, DIRECT, PRESENT, op_put_bucket_policy},
    {"DeleteBucketPolicy", "DELETE", LEVEL_BUCKET, "policy", NULL, DIRECT, PRESENT,
     op_delete_bucket_policy},
    {"GetPublicAccessBlock", "GET", LEVEL_BUCKET, "publicAccessBlock", NULL, DIRECT, PRESENT,
     op_get_public_access_block},
    {"PutPublicAccessBlock", "PUT", LEVEL_BUCKET, "publicAccessBlock", NULL, DIRECT, PRESENT,
     op_put_public_access_block},
    {"DeletePublicAccessBlock", "DELETE", LEVEL_BUCKET, "publicAccessBlock", NULL, DIRECT, PRESENT,
     op_delete_public_access_block},
    {"GetBucketOwnershipControls", "GET", LEVEL_BUCKET, "ownershipControls", NULL, DIRECT, PRESENT,
     op_get_ownership_controls},
    {"PutBucketOwnershipControls", "PUT", LEVEL_BUCKET, "ownershipControls", NULL, DIRECT, PRESENT,
     op_put_ownership_controls},
    {"DeleteBucketOwnershipControls", "DELETE", LEVEL_BUCKET, "ownershipControls", NULL, DIRECT,
     PRESENT, op_delete_ownership_controls},
    {"GetBucketRequestPayment", "GET", LEVEL_BUCKET, "requestPayment", NULL, DIRECT, PRESENT,
     op_get_request_payment},
    {"PutBucketRequestPayment", "PUT", LEVEL_BUCKET, "requestPayment", NULL, DIRECT, PRESENT,
     op_put_request_payment},
    {"DeleteObjects", "POST", LEVEL_BUCKET, "delete", NULL, AP, PRESENT, op_delete_objects},
    {"ListObjects", "GET", LEVEL_BUCKET, NULL, NULL, AP, PRESENT, op_list_objects},
    {"HeadBucket", "HEAD", LEVEL_BUCKET, NULL, NULL, AP, PRESENT, op_head_bucket},
    {"CreateBucket", "PUT", LEVEL_BUCKET, NULL, NULL, DIRECT, ABSENT, op_create_bucket},
    {"DeleteBucket", "DELETE", LEVEL_BUCKET, NULL, NULL, DIRECT, PRESENT, op_delete_bucket},

    {"ListParts", "GET", LEVEL_OBJECT, "uploadId", NULL, AP, PRESENT, op_list_parts},
    {"GetObjectTagging", "GET", LEVEL_OBJECT, "tagging", NULL, AP, PRESENT, op_get_object_tagging},
    {"GetObjectAttributes", "GET", LEVEL_OBJECT, "attributes", NULL, AP, PRESENT,
     op_get_object_attributes},
    {"GetObject", "GET", LEVEL_OBJECT, NULL, NULL, AP, PRESENT, op_get_object},
    {"HeadObject", "HEAD", LEVEL_OBJECT, NULL, NULL, AP, PRESENT, op_head_object},
    {"UploadPartCopy", "PUT", LEVEL_OBJECT, "uploadId", "x-amz-copy-source", AP, PRESENT,
     op_upload_part_copy},
    {"UploadPart", "PUT", LEVEL_OBJECT, "uploadId", NULL, AP, PRESENT, op_upload_part},
    {"PutObjectTagging", "PUT", LEVEL_OBJECT, "tagging", NULL, AP, PRESENT, op_put_object_tagging},
    {"RenameObject", "PUT", LEVEL_OBJECT, "renameObject", NULL, AP, PRESENT, op_rename_object},
    {"CopyObject", "PUT", LEVEL_OBJECT, NULL, "x-amz-copy-source", AP, PRESENT, op_copy_object},
    {"PutObject", "PUT", LEVEL_OBJECT, NULL, NULL, AP, PRESENT, op_put_object},
    {"CreateMultipartUpload", "POST", LEVEL_OBJECT, "uploads", NULL, AP, PRESENT, op_create_upload},
    {"CompleteMultipartUpload", "POST", LEVEL_OBJECT, "uploadId", NULL, AP, PRESENT,
     op_complete_upload},
    {"AbortMultipartUpload", "DELETE", LEVEL_OBJECT, "uploadId", NULL, AP, PRESENT,
     op_abort_upload},
    {"DeleteObjectTagging", "DELETE", LEVEL_OBJECT, "tagging", NULL, AP, PRESENT,
     op_delete_object_tagging},
    {"DeleteObject", "DELETE", LEVEL_OBJECT, NULL, NULL, AP, PRESENT, op_delete_object},
};

/* Subresources of S3 that are not here: a request for one must not be taken for
 * the plain operation. */
static const char *const unknown_subresources[] = {
    "accelerate",  "acl",         "analytics",     "cors",      "encryption", "intelligent-tiering",
    "inventory",   "legal-hold",  "lifecycle",     "logging",   "metrics",    "notification",
    "object-lock", "replication", "restore",       "retention", "select",     "torrent",
    "versions",    "website",     "metadataTable",
};

static int level_of(const struct exchange *x) {
  if (!x->to.named || !*x->to.named)
    return LEVEL_SERVICE;
  return x->to.key && *x->to.key ? LEVEL_OBJECT : LEVEL_BUCKET;
}

static bool asks_unknown(const struct exchange *x, int level) {
  for (size_t i = 0; i < sizeof(unknown_subresources) / sizeof(unknown_subresources[0]); i++)
    if (exchange_has_query(x, unknown_subresources[i]))
      return true;
  return level == LEVEL_BUCKET && exchange_has_query(x, "tagging");
}

const struct operation *operation_select(const struct exchange *x) {
  int level = level_of(x);
  if (asks_unknown(x, level))
    return NULL;
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    const struct operation *op = &table[i];
    if ((int)op->level == level && strcmp(op->method, x->request.method) == 0 &&
        (!op->query || exchange_has_query(x, op->query)) &&
        (!op->header || exchange_header(x, op->header)))
      return op;
  }
  return NULL;
}

/* --- common checks --- */

static int refuse_missing_bucket(struct exchange *x) {
  struct kvlist more;
  kvlist_init(&more);
  bool ap = x->to.kind == ADDRESS_ACCESS_POINT && !*x->to.bucket;
  kvlist_add(&more, ap ? "AccessPointName" : "BucketName", x->to.named);
  int err =
      ap ? reply_error_with(x, 404, "NoSuchAccessPoint", "The specified accesspoint does not exist",
                            &more)
         : reply_error_with(x, 404, "NoSuchBucket", "The specified bucket does not exist", &more);
  kvlist_fini(&more);
  return err;
}

/* SigV4a's region is a set: "*" or a list. */
static bool region_fits(const char *claimed, const char *region) {
  if (strcmp(claimed, region) == 0 || strcmp(claimed, "*") == 0)
    return true;
  const char *hit = strstr(claimed, region);
  size_t len = strlen(region);
  return hit && (hit == claimed || hit[-1] == ',') && (hit[len] == ',' || hit[len] == '\0');
}

static int check_region(struct exchange *x) {
  const char *region = x->bucket.region;
  if (x->caller.anonymous || region_fits(x->caller.region, region))
    return 0;
  struct kvlist more;
  kvlist_init(&more);
  kvlist_add(&more, "Region", region);
  char *text = text_printf("The authorization header is malformed; the region '%s' is wrong; "
                           "expecting '%s'",
                           x->caller.region, region);
  reply_header(x, "x-amz-bucket-region", region);
  int err = reply_error_with(x, 400, "AuthorizationHeaderMalformed", text ? text : "", &more);
  free(text);
  kvlist_fini(&more);
  return err;
}

static int find_bucket(struct exchange *x, const struct operation *op) {
  if (op->level == LEVEL_SERVICE)
    return 0;
  struct world_bucket b;
  int err = *x->to.bucket ? world_find_bucket(x->emulator->world, x->to.bucket, &b) : -ENOENT;
  if (err == -ENOENT && op->bucket_may_be_missing && x->to.kind == ADDRESS_BUCKET)
    return 0;
  if (err == -ENOENT)
    return refuse_missing_bucket(x);
  if (err)
    return reply_error(x, 500, "InternalError", "Out of memory.");
  x->bucket = b;
  return op->bucket_may_be_missing ? 0 : check_region(x);
}

static int check_version(struct exchange *x) {
  const char *version = exchange_query(x, "versionId");
  if (!version || strcmp(version, "null") == 0)
    return 0;
  return reply_error(x, 400, "InvalidArgument", "Invalid version id specified");
}

static void refuse_method(struct exchange *x) {
  reply_error(x, 405, "MethodNotAllowed",
              "The specified method is not allowed against this resource.");
}

void operation_run(const struct operation *op, struct exchange *x) {
  if (!op) {
    if (asks_unknown(x, level_of(x)))
      reply_error(x, 501, "NotImplemented",
                  "A header you provided implies functionality that is not implemented");
    else
      refuse_method(x);
    return;
  }
  if (find_bucket(x, op) || check_version(x))
    return;
  if (x->to.kind == ADDRESS_ACCESS_POINT && !op->through_access_point) {
    refuse_method(x);
    return;
  }
  if (directory_refuse(op->name, x) || access_point_refuse(op->name, x))
    return;
  if (x->bucket.requester_pays && exchange_header(x, "x-amz-request-payer"))
    reply_header(x, "x-amz-request-charged", "requester");
  op->run(x);
}
