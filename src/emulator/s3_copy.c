/* CopyObject and UploadPartCopy: the source's bytes become this request's body,
 * and from there on it is an ordinary write. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conditions.h"
#include "copy_source.h"
#include "encryption.h"
#include "metadata.h"
#include "operations.h"
#include "permit.h"
#include "s3_multipart.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

static int no_memory(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "Out of memory.");
}

static bool replaces(const struct exchange *x, const char *directive) {
  const char *value = exchange_header(x, directive);
  return value && strcasecmp(value, "REPLACE") == 0;
}

static int take_metadata(struct exchange *x, const struct object_info *from,
                         struct object_info *o) {
  const char *tagging = exchange_header(x, "x-amz-tagging");
  int err = metadata_placement(x, o);
  if (err)
    return err;
  if (replaces(x, "x-amz-metadata-directive")) {
    struct object_info told;
    object_info_init(&told);
    err = metadata_from_request(x, &told);
    if (!err && kvlist_copy(&o->headers, &told.headers))
      err = no_memory(x);
    object_info_fini(&told);
  } else if (kvlist_copy(&o->headers, &from->headers)) {
    err = no_memory(x);
  }
  if (!err)
    err = encryption_from_request(x, o);
  if (err)
    return err;
  if (!replaces(x, "x-amz-tagging-directive"))
    return kvlist_copy(&o->tags, &from->tags) ? no_memory(x) : 0;
  return tagging ? metadata_tags(x, tagging, &o->tags) : 0;
}

/* S3 refuses a copy onto itself that changes nothing. */
static int check_purpose(struct exchange *x, const struct copy_source *s) {
  if (strcmp(s->at.bucket, x->to.bucket) != 0 || strcmp(s->at.key, x->to.key) != 0 ||
      replaces(x, "x-amz-metadata-directive") || exchange_header(x, "x-amz-storage-class") ||
      exchange_header(x, "x-amz-checksum-algorithm") ||
      exchange_header(x, "x-amz-server-side-encryption") ||
      exchange_header(x, "x-amz-website-redirect-location"))
    return 0;
  return reply_error(x, 400, "InvalidRequest",
                     "This copy request is illegal because it is trying to copy an object to "
                     "itself without changing the object's metadata, storage class, website "
                     "redirect location or encryption attributes.");
}

static int copy_bytes(struct exchange *x, const struct copy_source *s, const struct range *r) {
  body_fini(&x->body);
  if (r->length > S3_PUT_MAX)
    return reply_error(x, 400, "InvalidRequest",
                       "The specified copy source is larger than the maximum allowable size for a "
                       "copy source: 5368709120");
  if (body_append_file(&x->body, s->fd, r->offset, r->length))
    return reply_error(x, 500, "InternalError", "The source cannot be read.");
  return 0;
}

static void put_checksum(struct buf *out, const struct object_info *o) {
  enum checksum_kind kind;
  if (!o->checksum || !*o->checksum || checksum_kind_parse(o->entry.checksum_algorithm, &kind))
    return;
  xml_element(out, checksum_element(kind), o->checksum);
  xml_element(out, "ChecksumType", o->entry.checksum_type);
}

static void tell_result(struct exchange *x, const char *root, const struct object_info *o,
                        bool with_checksum) {
  char time[25];
  struct buf *out = reply_xml(x, 200), quoted;
  text_iso8601_ms(o->entry.mtime_ms / 1000 * 1000, time);
  buf_init(&quoted, 0);
  buf_printf(&quoted, "\"%s\"", o->entry.etag);
  buf_printf(out, "<%s xmlns=\"" S3_XML_NAMESPACE "\">", root);
  xml_element(out, "LastModified", time);
  xml_element(out, "ETag", buf_cstr(&quoted));
  if (with_checksum)
    put_checksum(out, o);
  xml_close(out, root);
  buf_fini(&quoted);
}

/* The copy keeps the source's kind of checksum unless another is asked for. */
static enum checksum_kind wanted_checksum(const struct exchange *x,
                                          const struct object_info *from) {
  const char *named = exchange_header(x, "x-amz-checksum-algorithm");
  enum checksum_kind kind;
  return checksum_kind_parse(named ? named : from->entry.checksum_algorithm, &kind)
             ? CHECKSUM_CRC64NVME
             : kind;
}

/* Tags come along for who may read them. */
static int permit_tags(struct exchange *x, const struct copy_source *s) {
  struct permit what = {.object = &s->object};
  if (replaces(x, "x-amz-tagging-directive") || !s->object.tags.count)
    return 0;
  return permit(x, &s->at, "s3:GetObjectTagging", &what);
}

void op_copy_object(struct exchange *x) {
  struct copy_source s;
  struct object_info o;
  if (copy_source_open(x, &s))
    return;
  object_info_init(&o);
  struct range all = {.length = s.object.entry.size};
  int err = check_purpose(x, &s);
  if (!err)
    err = permit_tags(x, &s);
  if (!err)
    err = take_metadata(x, &s.object, &o);
  if (!err)
    err = object_permit_write(x, &o);
  if (!err)
    err = copy_bytes(x, &s, &all);
  if (!err)
    err = object_take_body(x, &o, wanted_checksum(x, &s.object));
  if (!err)
    err = object_store(x, &o);
  if (!err) {
    tell_result(x, "CopyObjectResult", &o, true);
    encryption_tell(x, &o);
  }
  object_info_fini(&o);
  copy_source_close(&s);
}

static int source_range(struct exchange *x, const struct copy_source *s, struct range *r) {
  const char *value = exchange_header(x, "x-amz-copy-source-range");
  uint64_t size = s->object.entry.size;
  int err = range_parse(value, size, r);
  bool exact = !value || (!err && !r->whole);
  /* Unlike GET, the last byte named must exist. */
  const char *dash = value ? strchr(value, '-') : NULL;
  uint64_t last;
  if (exact && dash && (text_parse_u64(dash + 1, &last) || last >= size))
    exact = false;
  if (exact)
    return 0;
  return reply_error(
      x, 400, "InvalidArgument",
      "The x-amz-copy-source-range value must be of the form bytes=first-last where "
      "first and last are the zero-based offsets of the first and last bytes to copy");
}

void op_upload_part_copy(struct exchange *x) {
  struct copy_source s;
  struct part_target t = {0};
  struct range r = {0};
  struct object_info part;
  if (part_target_find(x, &t))
    return;
  object_info_init(&part);
  if (copy_source_open(x, &s) == 0) {
    int err = source_range(x, &s, &r);
    if (!err)
      err = copy_bytes(x, &s, &r);
    if (!err)
      err = part_store(x, &t, &part);
    if (!err)
      tell_result(x, "CopyPartResult", &part, t.has_checksum);
    copy_source_close(&s);
  }
  object_info_fini(&part);
  part_target_fini(&t);
}
