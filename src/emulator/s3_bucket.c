/* Buckets themselves: list, create, delete, head, location, versioning. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3_list.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

/* us-east-1 has no LocationConstraint, for historical reasons. */
#define UNNAMED_REGION "us-east-1"
#define CREATE_BODY_MAX ((size_t)64 << 10)

static int internal(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "We encountered an internal error.");
}

void op_list_buckets(struct exchange *x) {
  struct world_buckets all;
  if (permit(x, &x->to, "s3:ListAllMyBuckets", NULL))
    return;
  if (world_list_buckets(x->emulator->world, x->caller.key.account, &all)) {
    internal(x);
    return;
  }
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "ListAllMyBucketsResult xmlns=\"" S3_XML_NAMESPACE "\"");
  list_owner(out, "Owner", x->caller.key.account);
  xml_open(out, "Buckets");
  const char *prefix = exchange_query(x, "prefix");
  for (size_t i = 0; i < all.count; i++) {
    char time[25];
    if (prefix && !text_has_prefix(all.items[i].name, prefix))
      continue;
    text_iso8601_ms(all.items[i].created * 1000, time);
    xml_open(out, "Bucket");
    xml_element(out, "Name", all.items[i].name);
    xml_element(out, "CreationDate", time);
    xml_element(out, "BucketRegion", all.items[i].region);
    xml_close(out, "Bucket");
  }
  xml_close(out, "Buckets");
  xml_close(out, "ListAllMyBucketsResult");
  world_buckets_fini(&all);
}

/* --- create --- */

/* The body may name a region; without one it is the region signed for. */
static int wanted_region(struct exchange *x, char **out) {
  const char *text, *region = x->emulator->region;
  size_t len;
  struct xml_doc *doc = NULL;
  int err = exchange_load_body(x, CREATE_BODY_MAX, &text, &len);
  if (err)
    return err;
  if (len && xml_parse(text, len, &doc))
    return reply_error(x, 400, "MalformedXML",
                       "The XML you provided was not well-formed or did "
                       "not validate against our published schema");
  const char *named = doc ? xml_child_text(xml_root(doc), "LocationConstraint") : "";
  if (*named)
    region = strcmp(named, "EU") == 0 ? "eu-west-1" : named;
  else if (*x->caller.region && strcmp(x->caller.region, "*") != 0)
    region = x->caller.region;
  *out = strdup(region);
  xml_free(doc);
  return *out ? 0 : internal(x);
}

static int refuse_existing(struct exchange *x, int err) {
  if (err == -EEXIST)
    return reply_error(x, 409, "BucketAlreadyOwnedByYou",
                       "Your previous request to create the named bucket succeeded and you already "
                       "own it.");
  if (err == -EBUSY)
    return reply_error(x, 409, "BucketAlreadyExists",
                       "The requested bucket name is not available. The bucket namespace is shared "
                       "by all users of the system. Please select a different name and try again.");
  if (err == -EINVAL)
    return reply_error(x, 400, "InvalidBucketName", "The specified bucket is not valid.");
  return internal(x);
}

void op_create_bucket(struct exchange *x) {
  char *region = NULL;
  const char *name = x->to.named, *wish = exchange_header(x, "x-amz-object-ownership");
  enum world_ownership ownership = OWNERSHIP_BUCKET_OWNER_ENFORCED;
  if (x->bucket.name &&
      (x->caller.anonymous || strcmp(x->bucket.account, x->caller.key.account) != 0)) {
    refuse_existing(x, -EBUSY);
    return;
  }
  if (permit(x, &x->to, "s3:CreateBucket", NULL))
    return;
  if (wish && world_ownership_parse(wish, &ownership)) {
    reply_error(x, 400, "InvalidArgument", "Invalid x-amz-object-ownership header: %s", wish);
    return;
  }
  if (wanted_region(x, &region))
    return;
  struct world *w = x->emulator->world;
  int err = world_create_bucket(w, name, x->caller.key.account, region, ownership);
  free(region);
  if (err) {
    refuse_existing(x, err);
    return;
  }
  world_save(w);
  reply_status(x, 200);
  reply_headerf(x, "Location", "/%s", name);
}

/* --- delete, head, location --- */

void op_delete_bucket(struct exchange *x) {
  if (permit(x, &x->to, "s3:DeleteBucket", NULL))
    return;
  int err = objects_remove_bucket(x->emulator->objects, x->to.bucket);
  if (err == -ENOTEMPTY) {
    reply_error(x, 409, "BucketNotEmpty", "The bucket you tried to delete is not empty");
    return;
  }
  if (!err)
    err = world_delete_bucket(x->emulator->world, x->to.bucket);
  if (err) {
    internal(x);
    return;
  }
  world_save(x->emulator->world);
  reply_status(x, 204);
}

void op_head_bucket(struct exchange *x) {
  reply_header(x, "x-amz-bucket-region", x->bucket.region);
  if (permit(x, &x->to, "s3:ListBucket", NULL))
    return;
  reply_status(x, 200);
  reply_header(x, "Content-Type", "application/xml");
  reply_header(x, "x-amz-access-point-alias", x->to.by_alias ? "true" : "false");
}

void op_get_bucket_location(struct exchange *x) {
  if (permit(x, &x->to, "s3:GetBucketLocation", NULL))
    return;
  bool unnamed = strcmp(x->bucket.region, UNNAMED_REGION) == 0;
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "LocationConstraint xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_escape(out, unnamed ? "" : x->bucket.region);
  xml_close(out, "LocationConstraint");
}

/* Versioning has never been switched on: AWS answers an empty document. */
void op_get_bucket_versioning(struct exchange *x) {
  if (permit(x, &x->to, "s3:GetBucketVersioning", NULL))
    return;
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "VersioningConfiguration xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_close(out, "VersioningConfiguration");
}
