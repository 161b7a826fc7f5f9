/* CompleteMultipartUpload.
 *
 * The upload is claimed first, so that of two completions one wins; the parts
 * are then joined into one body, which is stored like any other write. A
 * refusal gives the claim back: the client may correct itself and try again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conditions.h"
#include "encryption.h"
#include "object_checksum.h"
#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3_multipart.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"
#include "uploads.h"

/* 10,000 parts with etags and checksums. */
#define COMPLETE_BODY_MAX ((size_t)8 << 20)

struct completion {
  const char *id;
  struct object_info upload;
  struct object_info object; /* being built */
  enum checksum_kind checksum;
  enum checksum_type type;
  struct buf md5s;
};

static int no_memory(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "Out of memory.");
}

static int malformed(struct exchange *x) {
  return reply_error(x, 400, "MalformedXML",
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

static int invalid_part(struct exchange *x) {
  return reply_error(x, 400, "InvalidPart",
                     "One or more of the specified parts could not be found.  The part may not "
                     "have been uploaded, or the specified entity tag may not match the part's "
                     "entity tag.");
}

/* --- one part --- */

static bool etag_equal(const char *told, const char *etag) {
  size_t len = strlen(told);
  bool quoted = len >= 2 && told[0] == '"' && told[len - 1] == '"';
  size_t inner = quoted ? len - 2 : len;
  return inner == strlen(etag) && strncmp(told + (quoted ? 1 : 0), etag, inner) == 0;
}

static int check_part(struct exchange *x, const struct completion *c, const struct xml_node *node,
                      const struct object_info *part, bool last) {
  const char *told = xml_child_text(node, checksum_element(c->checksum));
  if (!etag_equal(xml_child_text(node, "ETag"), part->entry.etag) ||
      (*told && strcmp(told, part->checksum) != 0))
    return invalid_part(x);
  if (last || part->entry.size >= x->emulator->min_part_size)
    return 0;
  struct kvlist more;
  kvlist_init(&more);
  kvlist_addf(&more, "ProposedSize", "%llu", (unsigned long long)part->entry.size);
  kvlist_addf(&more, "MinSizeAllowed", "%llu", (unsigned long long)x->emulator->min_part_size);
  int err =
      reply_error_with(x, 400, "EntityTooSmall",
                       "Your proposed upload is smaller than the minimum allowed size", &more);
  kvlist_fini(&more);
  return err;
}

static int note_part(struct completion *c, unsigned number, struct object_info *part) {
  struct object_part *p = &c->object.parts[c->object.part_count++];
  *p = (struct object_part){.number = number, .size = part->entry.size, .checksum = part->checksum};
  part->checksum = NULL;
  c->object.entry.size += p->size;
  uint8_t md5[16];
  int err = text_unhex(md5, part->entry.etag, strlen(part->entry.etag));
  if (!err)
    buf_append(&c->md5s, md5, sizeof(md5));
  return err ? err : buf_error(&c->md5s);
}

static int join_part(struct exchange *x, struct completion *c, const struct xml_node *node,
                     unsigned number) {
  int fd;
  struct object_info part;
  if (uploads_get_part(x->emulator->uploads, x->to.bucket, c->id, number, &fd, &part))
    return invalid_part(x);
  int err = check_part(x, c, node, &part, !xml_next(node, "Part"));
  if (!err && (body_append_file(&x->body, fd, 0, part.entry.size) || note_part(c, number, &part)))
    err = reply_error(x, 500, "InternalError", "The parts cannot be joined.");
  close(fd);
  object_info_fini(&part);
  return err;
}

/* --- all parts --- */

static size_t count_parts(const struct xml_node *root) {
  size_t n = 0;
  for (const struct xml_node *p = xml_first(root, "Part"); p; p = xml_next(p, "Part"))
    n++;
  return n;
}

/* Judged before any part is touched. */
static int check_order(struct exchange *x, const struct completion *c,
                       const struct xml_node *root) {
  uint64_t number, previous = 0;
  for (const struct xml_node *p = xml_first(root, "Part"); p; p = xml_next(p, "Part")) {
    if (text_parse_u64(xml_child_text(p, "PartNumber"), &number) || number > UPLOAD_PARTS_MAX)
      return malformed(x);
    if (number <= previous)
      return reply_error(x, 400, "InvalidPartOrder",
                         "The list of parts was not in ascending order. Parts must be ordered by "
                         "part number.");
    if (c->type == CHECKSUM_COMPOSITE && number != previous + 1)
      return reply_error(x, 400, "InvalidRequest",
                         "Part numbers must be consecutive for a composite checksum.");
    previous = number;
  }
  return 0;
}

static int join_parts(struct exchange *x, struct completion *c, const struct xml_node *root) {
  size_t count = count_parts(root);
  if (strcmp(xml_name(root), "CompleteMultipartUpload") != 0 || !count || count > UPLOAD_PARTS_MAX)
    return malformed(x);
  int err = check_order(x, c, root);
  if (err)
    return err;
  c->object.parts = calloc(count, sizeof(*c->object.parts));
  if (!c->object.parts)
    return no_memory(x);
  for (const struct xml_node *p = xml_first(root, "Part"); !err && p; p = xml_next(p, "Part")) {
    uint64_t number = 0;
    text_parse_u64(xml_child_text(p, "PartNumber"), &number);
    err = join_part(x, c, p, (unsigned)number);
  }
  return err;
}

/* --- what the whole is --- */

static int make_etag(struct completion *c) {
  uint8_t md5[16];
  struct buf etag;
  int err = digest_once(DIGEST_MD5, buf_cstr(&c->md5s), c->md5s.len, md5);
  if (err)
    return err;
  buf_init(&etag, 0);
  text_hex(&etag, md5, sizeof(md5));
  buf_printf(&etag, "-%zu", c->object.part_count);
  free(c->object.entry.etag);
  c->object.entry.etag = buf_take(&etag);
  return c->object.entry.etag ? 0 : -ENOMEM;
}

static int make_checksum(struct completion *c) {
  struct checksum sum;
  int err =
      object_checksum_of_parts(c->object.parts, c->object.part_count, c->checksum, c->type, &sum);
  if (err)
    return err;
  free(c->object.checksum);
  c->object.checksum = object_checksum_text(&sum);
  return c->object.checksum ? 0 : -ENOMEM;
}

static int check_promises(struct exchange *x, const struct completion *c) {
  const char *size = exchange_header(x, "x-amz-mp-object-size");
  struct announced_checksum told;
  const char *have = c->object.checksum ? c->object.checksum : "";
  uint64_t want;
  if (size && (text_parse_u64(size, &want) || want != c->object.entry.size))
    return reply_error(x, 400, "InvalidRequest",
                       "The provided 'x-amz-mp-object-size' header does not match the size of the "
                       "parts.");
  int err = object_checksum_announced(x, &told);
  if (!err && told.value && (told.kind != c->checksum || strcmp(told.value, have) != 0))
    err = reply_error(x, 400, "BadDigest",
                      "The %s you specified did not match the calculated checksum.",
                      checksum_name(told.kind));
  return err;
}

static int build(struct exchange *x, struct completion *c, const struct xml_node *root) {
  if (object_info_copy(&c->object, &c->upload))
    return no_memory(x);
  c->object.entry.size = 0;
  c->object.entry.mtime_ms = x->now_ms;
  int err = join_parts(x, c, root);
  if (!err && (make_etag(c) || make_checksum(c)))
    err = reply_error(x, 500, "InternalError", "The parts cannot be joined.");
  return err ? err : check_promises(x, c);
}

static void tell_completed(struct exchange *x, const struct completion *c) {
  struct buf *out = reply_xml(x, 200), quoted;
  encryption_tell(x, &c->object);
  buf_init(&quoted, 0);
  buf_printf(&quoted, "\"%s\"", c->object.entry.etag);
  xml_open(out, "CompleteMultipartUploadResult xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_element(out, "Location", x->request.path);
  xml_element(out, "Bucket", x->to.named);
  xml_element(out, "Key", x->to.key);
  xml_element(out, "ETag", buf_cstr(&quoted));
  xml_element(out, checksum_element(c->checksum), c->object.checksum);
  xml_element(out, "ChecksumType", c->object.entry.checksum_type);
  xml_close(out, "CompleteMultipartUploadResult");
  buf_fini(&quoted);
}

static int finish(struct exchange *x, struct completion *c, const struct xml_node *root) {
  int err = uploads_claim(x->emulator->uploads, x->to.bucket, c->id);
  if (err)
    return upload_refuse(x, err);
  err = build(x, c, root);
  if (!err)
    err = object_store(x, &c->object);
  if (err) {
    uploads_unclaim(x->emulator->uploads, x->to.bucket, c->id);
    return err;
  }
  uploads_remove(x->emulator->uploads, x->to.bucket, c->id);
  tell_completed(x, c);
  return 0;
}

/* The request's own XML is read and set aside; x->body then becomes the object. */
static int with_document(struct exchange *x, struct completion *c) {
  const char *text;
  size_t len;
  struct xml_doc *doc;
  int err = exchange_load_body(x, COMPLETE_BODY_MAX, &text, &len);
  if (err)
    return err;
  if (xml_parse(text, len, &doc))
    return malformed(x);
  body_fini(&x->body);
  err = finish(x, c, xml_root(doc));
  xml_free(doc);
  return err;
}

void op_complete_upload(struct exchange *x) {
  struct completion c = {.id = exchange_query(x, "uploadId")};
  if (permit(x, &x->to, "s3:PutObject", NULL) ||
      (exchange_header(x, "If-Match") && permit(x, &x->to, "s3:GetObject", NULL)))
    return;
  int err = uploads_find(x->emulator->uploads, x->to.bucket, x->to.key, c.id, &c.upload);
  if (err) {
    upload_refuse(x, err);
    return;
  }
  object_info_init(&c.object);
  buf_init(&c.md5s, 0);
  if (checksum_kind_parse(c.upload.entry.checksum_algorithm, &c.checksum) ||
      checksum_type_parse(c.upload.entry.checksum_type, &c.type))
    upload_refuse(x, -EIO);
  else
    with_document(x, &c);
  buf_fini(&c.md5s);
  object_info_fini(&c.object);
  object_info_fini(&c.upload);
}
