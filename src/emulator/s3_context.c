/* S3's condition keys (Service authorization reference, "Condition keys for
 * Amazon S3"), from headers, query, tags and the way in. */
#include "s3_context.h"

#include <string.h>

#include "s3apfs/base/text.h"

/* Headers that are condition keys: "s3:" and the header's own name. */
static const char *const header_keys[] = {
    "s3:x-amz-acl",
    "s3:x-amz-content-sha256",
    "s3:x-amz-copy-source",
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
    "s3:x-amz-metadata-directive",
    "s3:x-amz-object-ownership",
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-storage-class",
};

/* Parameters of listings: S3 sets these keys for list actions only. */
static const char *const list_keys[] = {"s3:prefix", "s3:delimiter", "s3:max-keys"};

#define S3_PREFIX_LEN 3
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void add_headers(struct context *c, const struct kvlist *headers) {
  for (size_t i = 0; headers != NULL && i < COUNT(header_keys); i++)
    context_add(c, header_keys[i], kvlist_get_ci(headers, header_keys[i] + S3_PREFIX_LEN));
}

/* An absent prefix and an empty one differ: conditions on "" match the second. */
static void add_listing(struct context *c, const struct s3_access *a) {
  if (a->query == NULL || !text_has_prefix(a->action, "s3:ListBucket"))
    return;
  for (size_t i = 0; i < COUNT(list_keys); i++)
    context_add(c, list_keys[i], kvlist_get(a->query, list_keys[i] + S3_PREFIX_LEN));
}

static void add_tags(struct context *c, const struct s3_access *a) {
  context_add_tags(c, "s3:ExistingObjectTag", a->tags);
  context_add_tags(c, "s3:RequestObjectTag", a->new_tags);
  for (size_t i = 0; a->new_tags != NULL && i < a->new_tags->count; i++)
    context_add(c, "s3:RequestObjectTagKeys", a->new_tags->items[i].name);
}

static void add_signature(struct context *c, const struct s3_access *a) {
  bool presigned = a->query != NULL && kvlist_get_ci(a->query, "X-Amz-Signature") != NULL;

  if (a->access_key_id == NULL)
    return;
  context_add(c, "s3:signatureversion", "AWS4-HMAC-SHA256");
  context_add(c, "s3:authType", presigned ? "REST-QUERY-STRING" : "REST-HEADER");
}

static void add_access_point(struct context *c, const struct access_point *p) {
  if (p == NULL)
    return;
  context_add(c, "s3:DataAccessPointArn", p->arn);
  context_add(c, "s3:DataAccessPointAccount", p->account->id);
  context_add(c, "s3:AccessPointNetworkOrigin", p->vpc != NULL ? "VPC" : "Internet");
}

void s3_context_fill_locked(struct context *c, struct world *w, const struct s3_access *a,
                            const struct credential *caller, const struct bucket *bucket,
                            const struct access_point *access_point) {
  struct connection connection = {a->endpoint_id, a->source_ip, a->secure, a->user_agent};

  context_add_caller_locked(c, w, caller);
  context_add_connection_locked(c, w, &connection);
  if (bucket != NULL) {
    context_add_resource_locked(c, w, bucket->account->id);
    context_add(c, "aws:RequestedRegion", bucket->region);
  }
  add_access_point(c, access_point);
  add_headers(c, a->headers);
  if (a->headers != NULL)
    context_add(c, "aws:Referer", kvlist_get_ci(a->headers, "referer"));
  if (a->query != NULL)
    context_add(c, "s3:VersionId", kvlist_get(a->query, "versionId"));
  add_listing(c, a);
  add_tags(c, a);
  add_signature(c, a);
}
