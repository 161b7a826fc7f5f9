/* Multipart uploads: create, parts, abort, and both listings. Completing is in
 * s3_complete.c. */
#include "s3_multipart.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "encryption.h"
#include "metadata.h"
#include "object_checksum.h"
#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3_list.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"
#include "uploads.h"

#define PARTS_PAGE 1000

static int no_memory(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "Out of memory.");
}

int upload_refuse(struct exchange *x, int err) {
  if (err == -ENOENT)
    return reply_error(x, 404, "NoSuchUpload",
                       "The specified upload does not exist. The upload ID may be invalid, or the "
                       "upload may have been aborted or completed.");
  return reply_error(x, 500, "InternalError", "The upload cannot be read or stored.");
}

static int set(char **field, const char *value) {
  free(*field);
  *field = strdup(value);
  return *field ? 0 : -ENOMEM;
}

/* --- create --- */

/* Composite where the algorithm can be, unless the client says otherwise. */
static int choose_checksum(struct exchange *x, struct object_info *o) {
  const char *name = exchange_header(x, "x-amz-checksum-algorithm");
  const char *told = exchange_header(x, "x-amz-checksum-type");
  enum checksum_kind kind = CHECKSUM_CRC64NVME;
  if (name && checksum_kind_parse(name, &kind))
    return reply_error(x, 400, "InvalidRequest",
                       "Checksum algorithm provided is unsupported. Please try again with any of "
                       "the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
  enum checksum_type type =
      checksum_allows(kind, CHECKSUM_COMPOSITE) ? CHECKSUM_COMPOSITE : CHECKSUM_FULL_OBJECT;
  if ((told && checksum_type_parse(told, &type)) || !checksum_allows(kind, type))
    return reply_error(x, 400, "InvalidRequest",
                       "The %s checksum type cannot be used with the %s checksum algorithm.",
                       told ? told : checksum_type_name(type), checksum_name(kind));
  if (set(&o->entry.checksum_algorithm, checksum_name(kind)) ||
      set(&o->entry.checksum_type, checksum_type_name(type)) ||
      set(&o->checksum, name ? "chosen" : ""))
    return no_memory(x);
  return 0;
}

static void tell_created(struct exchange *x, const struct object_info *o, const char *id) {
  struct buf *out = reply_xml(x, 200);
  if (*o->checksum) {
    reply_header(x, "x-amz-checksum-algorithm", o->entry.checksum_algorithm);
    reply_header(x, "x-amz-checksum-type", o->entry.checksum_type);
  }
  encryption_tell(x, o);
  xml_open(out, "InitiateMultipartUploadResult xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_element(out, "Bucket", x->to.named);
  xml_element(out, "Key", x->to.key);
  xml_element(out, "UploadId", id);
  xml_close(out, "InitiateMultipartUploadResult");
}

void op_create_upload(struct exchange *x) {
  struct object_info o;
  char *id = NULL;
  object_info_init(&o);
  int err = metadata_from_request(x, &o);
  if (!err)
    err = object_permit_write(x, &o);
  if (!err)
    err = choose_checksum(x, &o);
  o.entry.mtime_ms = x->now_ms;
  if (!err && (set(&o.entry.key, x->to.key) || set(&o.entry.etag, "")))
    err = no_memory(x);
  if (!err && uploads_create(x->emulator->uploads, x->to.bucket, &o, &id))
    err = upload_refuse(x, -EIO);
  if (!err)
    tell_created(x, &o, id);
  free(id);
  object_info_fini(&o);
}

/* --- parts --- */

int part_target_find(struct exchange *x, struct part_target *out) {
  struct part_target t = {.id = exchange_query(x, "uploadId")};
  const char *text = exchange_query(x, "partNumber");
  uint64_t number;
  int err = permit(x, &x->to, "s3:PutObject", NULL);
  if (err)
    return err;
  if (!text || text_parse_u64(text, &number) || number < 1 || number > UPLOAD_PARTS_MAX)
    return reply_error(x, 400, "InvalidArgument",
                       "Part number must be an integer between 1 and 10000, inclusive");
  t.number = (unsigned)number;
  err = uploads_find(x->emulator->uploads, x->to.bucket, x->to.key, t.id, &t.upload);
  if (err)
    return upload_refuse(x, err);
  err = encryption_permit(x, &t.upload, "kms:GenerateDataKey");
  if (!err)
    err = encryption_permit(x, &t.upload, "kms:Decrypt");
  if (!err && checksum_kind_parse(t.upload.entry.checksum_algorithm, &t.checksum))
    err = upload_refuse(x, -EIO);
  if (err) {
    object_info_fini(&t.upload);
    return err;
  }
  t.has_checksum = t.upload.checksum && *t.upload.checksum;
  *out = t;
  return 0;
}

void part_target_fini(struct part_target *t) {
  object_info_fini(&t->upload);
}

/* A part summed otherwise than the upload says is refused; when the client left
 * the choice open, what it sends is checked and the upload's own kind kept. */
static int take_part(struct exchange *x, const struct part_target *t, struct object_info *part) {
  struct announced_checksum told;
  struct checksum own;
  int err = object_checksum_announced(x, &told);
  if (err)
    return err;
  bool other = told.value && told.kind != t->checksum;
  if (t->has_checksum && other)
    err = reply_error(x, 400, "InvalidRequest",
                      "Checksum Type mismatch occurred, expected checksum Type: %s, actual "
                      "checksum Type: %s",
                      checksum_name(t->checksum), checksum_name(told.kind));
  if (!err)
    err = object_take_body(x, part, t->checksum);
  if (err || !other)
    return err;
  free(part->checksum);
  part->checksum =
      body_checksum(&x->body, t->checksum, &own) == 0 ? object_checksum_text(&own) : NULL;
  if (!part->checksum || set(&part->entry.checksum_algorithm, checksum_name(t->checksum)))
    err = no_memory(x);
  return err;
}

int part_store(struct exchange *x, struct part_target *t, struct object_info *part) {
  if (x->body.length > S3_PUT_MAX)
    return reply_error(x, 400, "EntityTooLarge",
                       "Your proposed upload exceeds the maximum allowed size");
  int err = take_part(x, t, part);
  if (err)
    return err;
  err = uploads_put_part(x->emulator->uploads, x->to.bucket, t->id, t->number, &x->body, part);
  return err ? upload_refuse(x, err) : 0;
}

void op_upload_part(struct exchange *x) {
  struct part_target t = {0};
  struct object_info part;
  if (part_target_find(x, &t))
    return;
  object_info_init(&part);
  if (part_store(x, &t, &part) == 0) {
    reply_status(x, 200);
    reply_headerf(x, "ETag", "\"%s\"", part.entry.etag);
    encryption_tell(x, &t.upload);
    if (t.has_checksum)
      reply_header(x, checksum_header(t.checksum), part.checksum);
  }
  object_info_fini(&part);
  part_target_fini(&t);
}

void op_abort_upload(struct exchange *x) {
  struct object_info upload;
  const char *id = exchange_query(x, "uploadId");
  if (permit(x, &x->to, "s3:AbortMultipartUpload", NULL))
    return;
  int err = uploads_find(x->emulator->uploads, x->to.bucket, x->to.key, id, &upload);
  if (!err) {
    object_info_fini(&upload);
    err = uploads_remove(x->emulator->uploads, x->to.bucket, id);
  }
  if (err)
    upload_refuse(x, err);
  else
    reply_status(x, 204);
}

/* --- list parts --- */

static void put_part(struct exchange *x, struct buf *out, unsigned number, const char *id) {
  struct object_info p;
  char time[25];
  struct buf quoted;
  if (uploads_get_part(x->emulator->uploads, x->to.bucket, id, number, NULL, &p))
    return;
  buf_init(&quoted, 0);
  buf_printf(&quoted, "\"%s\"", p.entry.etag);
  text_iso8601_ms(p.entry.mtime_ms / 1000 * 1000, time);
  xml_open(out, "Part");
  xml_element_u64(out, "PartNumber", number);
  xml_element(out, "LastModified", time);
  xml_element(out, "ETag", buf_cstr(&quoted));
  xml_element_u64(out, "Size", p.entry.size);
  enum checksum_kind kind;
  if (checksum_kind_parse(p.entry.checksum_algorithm, &kind) == 0)
    xml_element(out, checksum_element(kind), p.checksum);
  xml_close(out, "Part");
  buf_fini(&quoted);
  object_info_fini(&p);
}

static void put_parts(struct exchange *x, const struct object_info *upload, const char *id,
                      const unsigned *numbers, size_t count) {
  const char *after = exchange_query(x, "part-number-marker"),
             *max = exchange_query(x, "max-parts");
  uint64_t marker = 0, most = PARTS_PAGE;
  if ((after && *after && text_parse_u64(after, &marker)) ||
      (max && *max && text_parse_u64(max, &most))) {
    reply_error(x, 400, "InvalidArgument", "Provided marker or max-parts not an integer");
    return;
  }
  most = most < PARTS_PAGE ? most : PARTS_PAGE;
  size_t first = 0;
  while (first < count && numbers[first] <= marker)
    first++;
  size_t end = count - first > most ? first + (size_t)most : count;
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "ListPartsResult xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_element(out, "Bucket", x->to.named);
  xml_element(out, "Key", x->to.key);
  xml_element(out, "UploadId", id);
  xml_element_u64(out, "PartNumberMarker", marker);
  xml_element_u64(out, "NextPartNumberMarker", end > first ? numbers[end - 1] : 0);
  xml_element_u64(out, "MaxParts", most);
  xml_element_bool(out, "IsTruncated", end < count);
  list_owner(out, "Initiator", upload->entry.owner);
  list_owner(out, "Owner", upload->entry.owner);
  xml_element(out, "StorageClass", upload->entry.storage_class);
  if (*upload->checksum) {
    xml_element(out, "ChecksumAlgorithm", upload->entry.checksum_algorithm);
    xml_element(out, "ChecksumType", upload->entry.checksum_type);
  }
  for (size_t i = first; i < end; i++)
    put_part(x, out, numbers[i], id);
  xml_close(out, "ListPartsResult");
}

void op_list_parts(struct exchange *x) {
  struct object_info upload;
  unsigned *numbers = NULL;
  size_t count = 0;
  const char *id = exchange_query(x, "uploadId");
  if (permit(x, &x->to, "s3:ListMultipartUploadParts", NULL))
    return;
  int err = uploads_find(x->emulator->uploads, x->to.bucket, x->to.key, id, &upload);
  if (err) {
    upload_refuse(x, err);
    return;
  }
  err = uploads_part_numbers(x->emulator->uploads, x->to.bucket, id, &numbers, &count);
  if (err)
    upload_refuse(x, err);
  else
    put_parts(x, &upload, id, numbers, count);
  free(numbers);
  object_info_fini(&upload);
}

/* --- list uploads --- */

static void put_upload(struct buf *out, const struct list_params *p, const struct upload_entry *u) {
  char time[25];
  text_iso8601_ms(u->started_ms / 1000 * 1000, time);
  xml_open(out, "Upload");
  list_element(out, p, "Key", u->key);
  xml_element(out, "UploadId", u->id);
  list_owner(out, "Initiator", u->owner);
  list_owner(out, "Owner", u->owner);
  xml_element(out, "StorageClass", u->storage_class);
  xml_element(out, "Initiated", time);
  xml_close(out, "Upload");
}

/* Behind the markers: a greater key, or the same key and behind that upload. */
static bool is_behind(const struct upload_list *l, size_t i, const char *key, const char *id) {
  int order = strcmp(l->items[i].key, key);
  if (!*key || order > 0)
    return true;
  if (order < 0 || !*id)
    return false;
  for (size_t k = 0; k < i; k++)
    if (strcmp(l->items[k].id, id) == 0)
      return true;
  return false;
}

struct upload_page {
  struct buf uploads;
  struct buf prefixes;
  size_t told;
  bool truncated;
  const char *last_key;
  const char *last_id;
  char *last_prefix; /* owned */
};

static int add_to_page(struct upload_page *page, const struct list_params *p,
                       const struct upload_entry *u) {
  size_t start = strlen(p->prefix);
  const char *hit = *p->delimiter ? strstr(u->key + start, p->delimiter) : NULL;
  size_t group = hit ? (size_t)(hit - u->key) + strlen(p->delimiter) : 0;
  if (group && page->last_prefix && strncmp(page->last_prefix, u->key, group) == 0 &&
      strlen(page->last_prefix) == group)
    return 0;
  if (page->told == p->max) {
    page->truncated = true;
    return 0;
  }
  page->told++;
  page->last_key = u->key;
  page->last_id = u->id;
  if (!group) {
    put_upload(&page->uploads, p, u);
    return 0;
  }
  free(page->last_prefix);
  page->last_prefix = text_dup_n(u->key, group);
  if (!page->last_prefix)
    return -ENOMEM;
  xml_open(&page->prefixes, "CommonPrefixes");
  list_element(&page->prefixes, p, "Prefix", page->last_prefix);
  xml_close(&page->prefixes, "CommonPrefixes");
  return 0;
}

static int fill_page(struct exchange *x, const struct list_params *p, const struct upload_list *l,
                     struct upload_page *page) {
  const char *key = exchange_query(x, "key-marker"), *id = exchange_query(x, "upload-id-marker");
  for (size_t i = 0; i < l->count && !page->truncated; i++) {
    if (!text_has_prefix(l->items[i].key, p->prefix) ||
        !is_behind(l, i, key ? key : "", id ? id : ""))
      continue;
    int err = add_to_page(page, p, &l->items[i]);
    if (err)
      return err;
  }
  return 0;
}

static void tell_uploads(struct exchange *x, const struct list_params *p,
                         const struct upload_page *page) {
  const char *key = exchange_query(x, "key-marker"), *id = exchange_query(x, "upload-id-marker");
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "ListMultipartUploadsResult xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_element(out, "Bucket", x->to.named);
  list_element(out, p, "KeyMarker", key ? key : "");
  xml_element(out, "UploadIdMarker", id ? id : "");
  if (page->truncated) {
    list_element(out, p, "NextKeyMarker", page->last_key);
    xml_element(out, "NextUploadIdMarker", page->last_id);
  }
  list_element(out, p, "Prefix", p->prefix);
  if (*p->delimiter)
    list_element(out, p, "Delimiter", p->delimiter);
  xml_element_u64(out, "MaxUploads", p->max);
  if (p->url)
    xml_element(out, "EncodingType", "url");
  xml_element_bool(out, "IsTruncated", page->truncated);
  buf_append(out, buf_cstr(&page->uploads), page->uploads.len);
  buf_append(out, buf_cstr(&page->prefixes), page->prefixes.len);
  xml_close(out, "ListMultipartUploadsResult");
}

void op_list_uploads(struct exchange *x) {
  struct list_params p = {.max_name = "max-uploads", .prefix = "", .delimiter = ""};
  struct upload_list l;
  struct upload_page page = {0};
  if (permit(x, &x->to, "s3:ListBucketMultipartUploads", NULL) || list_params_read(x, &p))
    return;
  if (uploads_list(x->emulator->uploads, x->to.bucket, &l)) {
    upload_refuse(x, -EIO);
    return;
  }
  buf_init(&page.uploads, 0);
  buf_init(&page.prefixes, 0);
  if (fill_page(x, &p, &l, &page) || buf_error(&page.uploads) || buf_error(&page.prefixes))
    no_memory(x);
  else
    tell_uploads(x, &p, &page);
  free(page.last_prefix);
  buf_fini(&page.uploads);
  buf_fini(&page.prefixes);
  upload_list_fini(&l);
}
