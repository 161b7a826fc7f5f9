/* How the user wants objects kept: encryption, storage class, ACL, tags.
 *
 * What an object has goes with it when it is changed, because a put replaces
 * everything. An encryption that the user names stands over that; a storage class is
 * for objects that have none to keep; an ACL never stays with S3, so it is for
 * everything that is written. A folder's own object is always STANDARD: it has no
 * bytes, and other classes charge for more than that. */
#include <string.h>
#include <strings.h>

#include "change.h"
#include "s3apfs/base/text.h"

#define SSE "x-amz-server-side-encryption"
#define CLASS "x-amz-storage-class"

bool s3_placing_covers(const struct s3_placing *p, const char *header) {
  if (p->sse != NULL && strncasecmp(header, SSE, sizeof(SSE) - 1) == 0)
    return true;
  return p->drop_tags && strcasecmp(header, "x-amz-tagging") == 0;
}

static int add(struct kvlist *headers, const char *name, const char *value) {
  return value != NULL ? kvlist_add(headers, name, value) : 0;
}

int s3_placing_headers(const struct s3_placing *p, const char *key, struct kvlist *headers) {
  int rc = add(headers, SSE, p->sse);

  if (rc == 0)
    rc = add(headers, SSE "-aws-kms-key-id", p->kms_key);
  if (rc == 0)
    rc = add(headers, SSE "-bucket-key-enabled", p->bucket_key);
  if (rc == 0 && !text_has_suffix(key, "/") && kvlist_get_ci(headers, CLASS) == NULL)
    rc = add(headers, CLASS, p->storage_class);
  return rc == 0 ? add(headers, "x-amz-acl", p->acl) : rc;
}

int s3_placing_name_class(const struct s3_placing *p, struct kvlist *headers) {
  if (p->storage_class == NULL || kvlist_get_ci(headers, CLASS) != NULL)
    return 0;
  return kvlist_add(headers, CLASS, "STANDARD");
}
