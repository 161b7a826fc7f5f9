/* Server-side encryption (S3 API reference: PutObject, CreateMultipartUpload,
 * CopyObject): which headers go together, and what is told of an object. */
#include "encryption.h"

#include <string.h>
#include <strings.h>

#include "permit.h"
#include "s3apfs/base/text.h"

#define SSE "x-amz-server-side-encryption"
#define KEY SSE "-aws-kms-key-id"
#define BUCKET_KEY SSE "-bucket-key-enabled"

static const char *const names[] = {SSE, KEY, BUCKET_KEY};
#define NAMES (sizeof(names) / sizeof(names[0]))

static int no_memory(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "Out of memory.");
}

static bool is_kms(const char *sse) {
  return sse && (strcmp(sse, "aws:kms") == 0 || strcmp(sse, "aws:kms:dsse") == 0);
}

static int check(struct exchange *x, const char *sse, const char *key, const char *bucket_key) {
  if (sse && !is_kms(sse) && strcmp(sse, "AES256") != 0)
    return reply_error(x, 400, "InvalidArgument",
                       "The encryption method specified is not supported");
  if (key && !is_kms(sse))
    return reply_error(x, 400, "InvalidArgument",
                       "Server Side Encryption with AWS KMS managed key requires HTTP header "
                       "x-amz-server-side-encryption : aws:kms");
  if (key && (!*key || (text_has_prefix(key, "arn:") && !strstr(key, ":kms:"))))
    return reply_error(x, 400, "KMS.NotFoundException", "Invalid keyId '%s'", key);
  if (bucket_key && strcasecmp(bucket_key, "true") != 0 && strcasecmp(bucket_key, "false") != 0)
    return reply_error(x, 400, "InvalidArgument",
                       "The bucket key header must be either true or false");
  if (bucket_key && sse && strcmp(sse, "aws:kms:dsse") == 0)
    return reply_error(x, 400, "InvalidArgument",
                       "Bucket keys are not supported with aws:kms:dsse");
  return 0;
}

/* S3 answers with the key's ARN, whatever it was named by. */
static int add_key(struct exchange *x, struct object_info *o, const char *key) {
  const char *account = x->bucket.account;
  const char *region = x->bucket.region;
  const char *folder = text_has_prefix(key, "alias/") ? "" : "key/";

  if (text_has_prefix(key, "arn:"))
    return kvlist_add(&o->headers, KEY, key);
  return kvlist_addf(&o->headers, KEY, "arn:aws:kms:%s:%s:%s%s", region, account, folder, key);
}

int encryption_from_request(struct exchange *x, struct object_info *o) {
  const char *sse = exchange_header(x, SSE);
  const char *key = exchange_header(x, KEY);
  const char *bucket_key = exchange_header(x, BUCKET_KEY);
  int err = check(x, sse, key, bucket_key);
  if (err)
    return err;
  for (size_t i = 0; i < NAMES; i++)
    kvlist_remove_ci(&o->headers, names[i]);
  if (!sse)
    return 0;
  err = kvlist_add(&o->headers, SSE, sse);
  if (!err && is_kms(sse))
    err = add_key(x, o, key ? key : "alias/aws/s3");
  if (!err && bucket_key && strcasecmp(bucket_key, "true") == 0 && strcmp(sse, "aws:kms") == 0)
    err = kvlist_add(&o->headers, BUCKET_KEY, "true");
  return err ? no_memory(x) : 0;
}

/* The key that AWS manages for S3 serves everybody of its account. */
static bool is_managed(const char *key) {
  return text_has_suffix(key, ":alias/aws/s3");
}

int encryption_permit(struct exchange *x, const struct object_info *o, const char *action) {
  const char *key = kvlist_get_ci(&o->headers, KEY);
  if (!key || is_managed(key))
    return 0;
  return permit_key(x, key, action);
}

bool encryption_is_header(const char *name) {
  for (size_t i = 0; i < NAMES; i++)
    if (strcasecmp(names[i], name) == 0)
      return true;
  return false;
}

void encryption_tell(struct exchange *x, const struct object_info *o) {
  const char *sse = kvlist_get_ci(&o->headers, SSE);
  if (!sse)
    reply_header(x, SSE, "AES256");
  for (size_t i = 0; i < NAMES; i++)
    if (kvlist_get_ci(&o->headers, names[i]))
      reply_header(x, names[i], kvlist_get_ci(&o->headers, names[i]));
}

bool encryption_hides_md5(const struct object_info *o) {
  return is_kms(kvlist_get_ci(&o->headers, SSE));
}
