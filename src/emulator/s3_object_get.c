/* GetObject, HeadObject, GetObjectAttributes.
 *
 * The object's file is opened before the caller is authorized, because policies
 * may ask for its tags; nothing of it is told before that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "conditions.h"
#include "encryption.h"
#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3_lambda.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

/* --- opening --- */

int object_open(struct exchange *x, const struct address *at, const char *action, int *fd,
                struct object_info *info) {
  int err = objects_get(x->emulator->objects, at->bucket, at->key, fd, info);
  if (err == -ENOENT) {
    err = permit(x, at, action, NULL);
    return err ? err : permit_refuse_missing(x, at);
  }
  if (err)
    return reply_error(x, 500, "InternalError", "The object cannot be read.");
  struct permit what = {.object = info};
  err = permit(x, at, action, &what);
  if (!err && strcmp(action, "s3:GetObject") == 0)
    err = encryption_permit(x, info, "kms:Decrypt");
  if (err) {
    close(*fd);
    object_info_fini(info);
  }
  return err;
}

/* --- what is told of an object --- */

/* Only who may read the tags is told that there are some. */
static bool may_read_tags(struct exchange *x, const struct object_info *o) {
  struct permit what = {.object = o};
  struct s3_verdict v;
  if (permit_ask(x, &x->to, "s3:GetObjectTagging", &what, &v))
    return false;
  bool may = v.allowed;
  s3_verdict_fini(&v);
  return may;
}

void object_tell(struct exchange *x, const struct object_info *o) {
  char date[30];
  for (size_t i = 0; i < o->headers.count; i++)
    if (!encryption_is_header(o->headers.items[i].name))
      reply_header(x, o->headers.items[i].name, o->headers.items[i].value);
  text_http_date(o->entry.mtime_ms / 1000, date);
  reply_header(x, "Last-Modified", date);
  reply_headerf(x, "ETag", "\"%s\"", o->entry.etag);
  reply_header(x, "Accept-Ranges", "bytes");
  encryption_tell(x, o);
  if (strcmp(o->entry.storage_class, "STANDARD") != 0)
    reply_header(x, "x-amz-storage-class", o->entry.storage_class);
  if (o->tags.count && may_read_tags(x, o))
    reply_headerf(x, "x-amz-tagging-count", "%zu", o->tags.count);
}

void object_tell_checksum(struct exchange *x, const struct object_info *o) {
  enum checksum_kind kind;
  if (!o->checksum || !*o->checksum || checksum_kind_parse(o->entry.checksum_algorithm, &kind))
    return;
  reply_header(x, checksum_header(kind), o->checksum);
  reply_header(x, "x-amz-checksum-type", o->entry.checksum_type);
}

static bool wants_checksum(const struct exchange *x) {
  const char *mode = exchange_header(x, "x-amz-checksum-mode");
  return mode && strcasecmp(mode, "ENABLED") == 0;
}

/* --- which bytes --- */

static int refuse_range(struct exchange *x, const char *value, uint64_t size) {
  struct kvlist more;
  kvlist_init(&more);
  kvlist_add(&more, "RangeRequested", value);
  kvlist_addf(&more, "ActualObjectSize", "%llu", (unsigned long long)size);
  int err =
      reply_error_with(x, 416, "InvalidRange", "The requested range is not satisfiable", &more);
  kvlist_fini(&more);
  return err;
}

/* Without parts of its own an object counts as one part. */
static int part_range(struct exchange *x, const char *text, const struct object_info *o,
                      struct range *out) {
  uint64_t number, at = 0;
  if (exchange_header(x, "Range"))
    return reply_error(x, 400, "InvalidRequest",
                       "Cannot specify both Range header and partNumber query parameter");
  if (text_parse_u64(text, &number) || number == 0 || number > 10000)
    return reply_error(x, 400, "InvalidArgument",
                       "Part number must be an integer between 1 and 10000, inclusive");
  if (!o->part_count && number == 1) {
    *out = (struct range){.length = o->entry.size};
    return 0;
  }
  if (number > o->part_count)
    return reply_error(x, 416, "InvalidPartNumber", "The requested partnumber is not satisfiable");
  for (uint64_t i = 0; i + 1 < number; i++)
    at += o->parts[i].size;
  *out = (struct range){.offset = at, .length = o->parts[number - 1].size};
  reply_headerf(x, "x-amz-mp-parts-count", "%zu", o->part_count);
  return 0;
}

static int find_range(struct exchange *x, const struct object_info *o, struct range *out) {
  const char *part = exchange_query(x, "partNumber"), *value = exchange_header(x, "Range");
  if (part)
    return part_range(x, part, o, out);
  if (lambda_is(x)) /* cut out of what the function makes */
    value = NULL;
  if (range_parse(value, o->entry.size, out))
    return refuse_range(x, value, o->entry.size);
  return 0;
}

/* --- overrides --- */

static const char *const overrides[][2] = {
    {"response-cache-control", "Cache-Control"},
    {"response-content-disposition", "Content-Disposition"},
    {"response-content-encoding", "Content-Encoding"},
    {"response-content-language", "Content-Language"},
    {"response-content-type", "Content-Type"},
    {"response-expires", "Expires"},
};

static int apply_overrides(struct exchange *x) {
  for (size_t i = 0; i < sizeof(overrides) / sizeof(overrides[0]); i++) {
    const char *value = exchange_query(x, overrides[i][0]);
    if (!value)
      continue;
    if (x->caller.anonymous)
      return reply_error(x, 400, "InvalidRequest",
                         "Request specific response headers cannot be used for anonymous GET "
                         "requests.");
    reply_header(x, overrides[i][1], value);
  }
  return 0;
}

/* --- the operations --- */

static void read_object(struct exchange *x) {
  int fd;
  struct object_info o;
  struct range r = {0};
  if (object_open(x, &x->to, "s3:GetObject", &fd, &o))
    return;
  int err = conditions_check(x, &conditions_of_read, &o.entry);
  if (!err)
    err = find_range(x, &o, &r);
  if (!err) {
    reply_status(x, r.whole ? 200 : 206);
    object_tell(x, &o);
    if (!r.whole && o.entry.size)
      reply_headerf(x, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)r.offset,
                    (unsigned long long)(r.offset + r.length - 1),
                    (unsigned long long)o.entry.size);
    if (wants_checksum(x) && r.whole)
      object_tell_checksum(x, &o);
    err = apply_overrides(x);
  }
  if (!err) {
    x->reply.fd = fd;
    x->reply.offset = r.offset;
    x->reply.length = r.length;
  } else {
    close(fd);
  }
  object_info_fini(&o);
}

void op_get_object(struct exchange *x) {
  if (lambda_refuse(x))
    return;
  read_object(x);
  if (x->reply.status == 200 || x->reply.status == 206)
    lambda_transform(x);
}

/* libmicrohttpd sends the length and leaves the bytes out. */
void op_head_object(struct exchange *x) {
  if (!lambda_refuse(x))
    read_object(x);
}

static bool asks_for(const struct exchange *x, const char *attribute) {
  const char *list = exchange_header(x, "x-amz-object-attributes");
  size_t len = strlen(attribute);
  for (const char *p = list ? list : ""; *p;) {
    p += strspn(p, ", ");
    size_t n = strcspn(p, ", ");
    if (n == len && strncmp(p, attribute, n) == 0)
      return true;
    p += n;
  }
  return false;
}

static void put_parts(struct buf *out, const struct object_info *o,
                      const enum checksum_kind *kind) {
  xml_open(out, "ObjectParts");
  xml_element_u64(out, "PartsCount", o->part_count);
  xml_element_u64(out, "TotalPartsCount", o->part_count);
  xml_element_bool(out, "IsTruncated", false);
  for (size_t i = 0; i < o->part_count; i++) {
    xml_open(out, "Part");
    xml_element_u64(out, "PartNumber", o->parts[i].number);
    xml_element_u64(out, "Size", o->parts[i].size);
    if (kind && o->parts[i].checksum)
      xml_element(out, checksum_element(*kind), o->parts[i].checksum);
    xml_close(out, "Part");
  }
  xml_close(out, "ObjectParts");
}

static void put_attributes(struct exchange *x, const struct object_info *o) {
  enum checksum_kind kind;
  bool summed = checksum_kind_parse(o->entry.checksum_algorithm, &kind) == 0;
  char date[30];
  struct buf *out = reply_xml(x, 200);
  text_http_date(o->entry.mtime_ms / 1000, date);
  reply_header(x, "Last-Modified", date);
  xml_open(out, "GetObjectAttributesResponse xmlns=\"" S3_XML_NAMESPACE "\"");
  if (asks_for(x, "ETag"))
    xml_element(out, "ETag", o->entry.etag);
  if (asks_for(x, "Checksum") && summed) {
    xml_open(out, "Checksum");
    xml_element(out, checksum_element(kind), o->checksum);
    xml_element(out, "ChecksumType", o->entry.checksum_type);
    xml_close(out, "Checksum");
  }
  if (asks_for(x, "ObjectParts") && o->part_count)
    put_parts(out, o, summed ? &kind : NULL);
  if (asks_for(x, "StorageClass"))
    xml_element(out, "StorageClass", o->entry.storage_class);
  if (asks_for(x, "ObjectSize"))
    xml_element_u64(out, "ObjectSize", o->entry.size);
  xml_close(out, "GetObjectAttributesResponse");
}

void op_get_object_attributes(struct exchange *x) {
  int fd;
  struct object_info o;
  if (!exchange_header(x, "x-amz-object-attributes")) {
    reply_error(x, 400, "InvalidArgument", "You must specify at least one attribute.");
    return;
  }
  if (object_open(x, &x->to, "s3:GetObject", &fd, &o))
    return;
  close(fd);
  struct permit what = {.object = &o};
  if (permit(x, &x->to, "s3:GetObjectAttributes", &what) == 0)
    put_attributes(x, &o);
  object_info_fini(&o);
}
