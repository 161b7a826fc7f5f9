/* Object metadata from request headers, within S3's limits. */
#include "metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "encryption.h"
#include "s3apfs/base/text.h"

/* S3: user metadata 2 KB (names and values), 10 tags, 128/256 characters. */
#define USER_METADATA_MAX 2048
#define TAGS_MAX 10
#define TAG_NAME_MAX 128
#define TAG_VALUE_MAX 256

static const char *const kept_headers[] = {
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Expires",
    "x-amz-website-redirect-location",
};

static const char *const storage_classes[] = {
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
    "GLACIER",  "DEEP_ARCHIVE",       "GLACIER_IR",  "OUTPOSTS",   "EXPRESS_ONEZONE",
};

static int no_memory(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "Out of memory.");
}

/* "aws-chunked" is about the transfer, not the object. */
static int keep_encoding(struct object_info *o, const char *value) {
  struct buf b;
  buf_init(&b, 0);
  for (const char *p = value; *p;) {
    p += strspn(p, ", ");
    size_t n = strcspn(p, ",");
    if (n && strncasecmp(p, "aws-chunked", 11) != 0) {
      buf_puts(&b, b.len ? "," : "");
      buf_append(&b, p, n);
    }
    p += n;
  }
  int err = buf_error(&b);
  if (!err && b.len)
    err = kvlist_add(&o->headers, "Content-Encoding", buf_cstr(&b));
  buf_fini(&b);
  return err;
}

static int keep_system_headers(struct exchange *x, struct object_info *o) {
  for (size_t i = 0; i < sizeof(kept_headers) / sizeof(kept_headers[0]); i++) {
    const char *value = exchange_header(x, kept_headers[i]);
    if (!value)
      continue;
    int err = strcmp(kept_headers[i], "Content-Encoding") == 0
                  ? keep_encoding(o, value)
                  : kvlist_add(&o->headers, kept_headers[i], value);
    if (err)
      return no_memory(x);
  }
  if (!kvlist_get_ci(&o->headers, "Content-Type") &&
      kvlist_add(&o->headers, "Content-Type", "binary/octet-stream"))
    return no_memory(x);
  return 0;
}

static int keep_user_metadata(struct exchange *x, struct object_info *o) {
  size_t size = 0;
  const struct kvlist *h = &x->request.headers;
  for (size_t i = 0; i < h->count; i++) {
    const struct kv *m = &h->items[i];
    if (strncasecmp(m->name, "x-amz-meta-", 11) != 0)
      continue;
    size += strlen(m->name) - 11 + strlen(m->value);
    char *name = strdup(m->name);
    for (char *p = name; p && *p; p++)
      *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    int err = name ? kvlist_add(&o->headers, name, m->value) : -ENOMEM;
    free(name);
    if (err)
      return no_memory(x);
  }
  if (size <= USER_METADATA_MAX)
    return 0;
  return reply_error(x, 400, "MetadataTooLarge",
                     "Your metadata headers exceed the maximum allowed metadata size");
}

static bool known_class(const char *name) {
  for (size_t i = 0; i < sizeof(storage_classes) / sizeof(storage_classes[0]); i++)
    if (strcmp(name, storage_classes[i]) == 0)
      return true;
  return false;
}

static bool known_acl(const char *name) {
  static const char *const acls[] = {
      "private",       "public-read",       "public-read-write",        "authenticated-read",
      "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"};
  for (size_t i = 0; i < sizeof(acls) / sizeof(acls[0]); i++)
    if (strcmp(name, acls[i]) == 0)
      return true;
  return false;
}

static int check_acl(struct exchange *x, const char *acl) {
  if (acl && !known_acl(acl))
    return reply_error(x, 400, "InvalidArgument", "The canned ACL is not valid");
  if (!acl || x->bucket.ownership != OWNERSHIP_BUCKET_OWNER_ENFORCED ||
      strcmp(acl, "bucket-owner-full-control") == 0)
    return 0;
  return reply_error(x, 400, "AccessControlListNotSupported", "The bucket does not allow ACLs");
}

/* Who owns what is written (S3 user guide, "Controlling ownership of objects"). */
static const char *owner_of(const struct exchange *x, const char *acl) {
  bool given = acl && strcmp(acl, "bucket-owner-full-control") == 0;
  if (x->caller.anonymous || x->bucket.ownership == OWNERSHIP_BUCKET_OWNER_ENFORCED ||
      (x->bucket.ownership == OWNERSHIP_BUCKET_OWNER_PREFERRED && given))
    return x->bucket.account;
  return x->caller.key.account;
}

int metadata_placement(struct exchange *x, struct object_info *o) {
  const char *class = exchange_header(x, "x-amz-storage-class");
  const char *acl = exchange_header(x, "x-amz-acl");
  int err = check_acl(x, acl);
  if (err)
    return err;
  if (class && !known_class(class))
    return reply_error(x, 400, "InvalidStorageClass",
                       "The storage class you specified is not valid");
  free(o->entry.storage_class);
  free(o->entry.owner);
  free(o->acl);
  o->entry.storage_class = strdup(class ? class : "STANDARD");
  o->entry.owner = strdup(owner_of(x, acl));
  o->acl = strdup(acl ? acl : "");
  return o->entry.storage_class && o->entry.owner && o->acl ? 0 : no_memory(x);
}

static int bad_tag(struct exchange *x, const char *why) {
  return reply_error(x, 400, "InvalidTag", "%s", why);
}

int metadata_check_tags(struct exchange *x, const struct kvlist *tags) {
  if (tags->count > TAGS_MAX)
    return reply_error(x, 400, "BadRequest", "Object tags cannot be greater than 10");
  for (size_t i = 0; i < tags->count; i++) {
    size_t name = strlen(tags->items[i].name);
    if (name == 0 || name > TAG_NAME_MAX)
      return bad_tag(x, "The TagKey you have provided is invalid");
    if (strlen(tags->items[i].value) > TAG_VALUE_MAX)
      return bad_tag(x, "The TagValue you have provided is invalid");
    for (size_t k = 0; k < i; k++)
      if (strcmp(tags->items[k].name, tags->items[i].name) == 0)
        return bad_tag(x, "Cannot provide multiple Tags with the same key");
  }
  return 0;
}

int metadata_tags(struct exchange *x, const char *text, struct kvlist *out) {
  struct buf spaced;
  buf_init(&spaced, 0);
  for (const char *p = text; *p; p++)
    buf_puts(&spaced, *p == '+' ? "%20" : (char[]){*p, '\0'});
  int err = buf_error(&spaced);
  if (!err)
    err = aws_request_parse_query(buf_cstr(&spaced), out);
  buf_fini(&spaced);
  if (err == -EINVAL)
    return reply_error(x, 400, "InvalidArgument",
                       "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL "
                       "query parameters without tag name duplicates.");
  return err ? no_memory(x) : metadata_check_tags(x, out);
}

int metadata_from_request(struct exchange *x, struct object_info *o) {
  const char *tagging = exchange_header(x, "x-amz-tagging");
  int err = metadata_placement(x, o);
  if (!err)
    err = keep_system_headers(x, o);
  if (!err)
    err = keep_user_metadata(x, o);
  if (!err)
    err = encryption_from_request(x, o);
  if (!err && tagging)
    err = metadata_tags(x, tagging, &o->tags);
  return err;
}
