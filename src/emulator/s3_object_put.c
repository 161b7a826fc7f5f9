/* PutObject and the steps that other writes share with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conditions.h"
#include "encryption.h"
#include "metadata.h"
#include "object_checksum.h"
#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3_object.h"
#include "s3apfs/base/text.h"

static int no_memory(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "Out of memory.");
}

static int set(char **field, const char *value) {
  free(*field);
  *field = strdup(value);
  return *field ? 0 : -ENOMEM;
}

static int take_etag(struct exchange *x, struct object_info *o) {
  uint8_t md5[16];
  struct buf hex;
  if (body_digest(&x->body, DIGEST_MD5, md5))
    return reply_error(x, 500, "InternalError", "The request body cannot be read.");
  buf_init(&hex, 0);
  text_hex(&hex, md5, sizeof(md5));
  free(o->entry.etag);
  if (encryption_hides_md5(o)) {
    digest_once(DIGEST_MD5, buf_cstr(&hex), hex.len, md5);
    buf_reset(&hex);
    text_hex(&hex, md5, sizeof(md5));
  }
  o->entry.etag = buf_take(&hex);
  return o->entry.etag ? 0 : no_memory(x);
}

int object_take_body(struct exchange *x, struct object_info *o, enum checksum_kind standard) {
  struct checksum sum;
  int err = object_checksum_accept(x, standard, &sum);
  if (err)
    return err;
  free(o->checksum);
  o->checksum = object_checksum_text(&sum);
  o->entry.mtime_ms = x->now_ms;
  o->entry.size = x->body.length;
  if (!o->checksum || set(&o->entry.key, x->to.key) ||
      set(&o->entry.checksum_algorithm, checksum_name(sum.kind)) ||
      set(&o->entry.checksum_type, checksum_type_name(CHECKSUM_FULL_OBJECT)))
    return no_memory(x);
  return take_etag(x, o);
}

int object_permit_write(struct exchange *x, const struct object_info *o) {
  struct permit what = {.new_tags = &o->tags};
  int err = permit(x, &x->to, "s3:PutObject", &what);
  if (!err && o->tags.count)
    err = permit(x, &x->to, "s3:PutObjectTagging", &what);
  if (!err && exchange_header(x, "x-amz-acl"))
    err = permit(x, &x->to, "s3:PutObjectAcl", &what);
  if (!err && exchange_header(x, "If-Match"))
    err = permit(x, &x->to, "s3:GetObject", NULL);
  if (!err)
    err = encryption_permit(x, o, "kms:GenerateDataKey");
  return err;
}

int object_store(struct exchange *x, struct object_info *o) {
  struct objects_condition condition;
  char *etag;
  int err = conditions_of_write(x, &condition, &etag);
  if (err)
    return err;
  err = objects_put(x->emulator->objects, x->to.bucket, &x->body, o, &condition);
  free(etag);
  return err ? conditions_refuse(x, err) : 0;
}

static int check_length(struct exchange *x) {
  if (!exchange_header(x, "Content-Length") && !exchange_header(x, "x-amz-decoded-content-length"))
    return reply_error(x, 411, "MissingContentLength",
                       "You must provide the Content-Length HTTP header.");
  if (x->body.length > S3_PUT_MAX)
    return reply_error(x, 400, "EntityTooLarge",
                       "Your proposed upload exceeds the maximum allowed size");
  return 0;
}

static int put(struct exchange *x, struct object_info *o) {
  int err = object_take_body(x, o, CHECKSUM_CRC64NVME);
  return err ? err : object_store(x, o);
}

/* *o: what the request describes; then what there is. */
static int append(struct exchange *x, uint64_t offset, struct object_info *o) {
  struct object_info whole;
  int err = append_run(x, offset, &whole);
  if (err == -ENOENT)
    return put(x, o);
  if (err)
    return err;
  object_info_fini(o);
  *o = whole;
  return 0;
}

void op_put_object(struct exchange *x) {
  struct object_info o;
  bool appends = false;
  uint64_t offset = 0;
  object_info_init(&o);
  int err = check_length(x);
  if (!err)
    err = append_wanted(x, &appends, &offset);
  if (!err)
    err = metadata_from_request(x, &o);
  if (!err)
    err = object_permit_write(x, &o);
  if (!err)
    err = appends ? append(x, offset, &o) : put(x, &o);
  if (!err) {
    reply_status(x, 200);
    reply_headerf(x, "ETag", "\"%s\"", o.entry.etag);
    if (appends)
      reply_headerf(x, "x-amz-object-size", "%llu", (unsigned long long)o.entry.size);
    encryption_tell(x, &o);
    object_tell_checksum(x, &o);
  }
  object_info_fini(&o);
}
