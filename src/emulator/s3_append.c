/* Appending in directory buckets: PutObject with x-amz-write-offset-bytes (S3 API
 * reference; S3 user guide, "Appending data to objects in directory buckets").
 *
 * The object's bytes and this request's become one new version, which keeps all
 * that the object carries. Each append counts as one of the 10,000 parts that an object may have,
 * beside those that it was made of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conditions.h"
#include "encryption.h"
#include "object_checksum.h"
#include "objects.h"
#include "s3_directory.h"
#include "s3_object.h"
#include "s3apfs/base/text.h"

#define PARTS_MAX 10000
#define OFFSET_HEADER "x-amz-write-offset-bytes"

static int no_memory(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "Out of memory.");
}

static int wrong_offset(struct exchange *x) {
  return reply_error(x, 400, "InvalidWriteOffset",
                     "The write offset value that you specified does not match the current object "
                     "size.");
}

bool append_has_room(const struct object_info *o) {
  size_t made_of = o->part_count ? o->part_count : 1;
  return made_of + o->appends < PARTS_MAX;
}

static int too_many(struct exchange *x) {
  return reply_error(x, 400, "TooManyParts",
                     "You have attempted to add more parts than the maximum of 10,000 that an "
                     "object may have. Copy the object to go on.");
}

int append_wanted(struct exchange *x, bool *out, uint64_t *offset) {
  const char *value = exchange_header(x, OFFSET_HEADER);
  *out = value != NULL;
  if (!value)
    return 0;
  if (!directory_is(x))
    return reply_error(x, 501, "NotImplemented",
                       "A header you provided implies functionality that is not implemented");
  if (text_parse_u64(value, offset))
    return reply_error(x, 400, "InvalidRequest", OFFSET_HEADER " is no offset.");
  return 0;
}

static int take_bytes(void *arg, const void *data, size_t len) {
  return body_append(arg, data, len);
}

/* The request's body becomes the whole object's. */
static int join(struct exchange *x, int fd, uint64_t size) {
  struct body whole;
  body_init(&whole, x->body.spool_dir);
  int err = body_append_file(&whole, fd, 0, size);
  if (!err)
    err = body_each(&x->body, take_bytes, &whole);
  if (err) {
    body_fini(&whole);
    return reply_error(x, 500, "InternalError", "The object cannot be read.");
  }
  body_replace(&x->body, &whole);
  return 0;
}

/* Of the appended bytes, by the algorithm that the object has. */
static int check_sum(struct exchange *x, const struct object_info *o, enum checksum_kind *kind) {
  struct announced_checksum announced;
  struct checksum sum;
  int err = object_checksum_announced(x, &announced);
  if (!err && checksum_kind_parse(o->entry.checksum_algorithm, kind))
    *kind = CHECKSUM_CRC64NVME;
  if (!err && announced.value && announced.kind != *kind)
    err = reply_error(x, 400, "InvalidRequest",
                      "The checksum algorithm is not the one that the object has.");
  return err ? err : object_checksum_accept(x, *kind, &sum);
}

static int set_whole(struct exchange *x, struct object_info *o, enum checksum_kind kind) {
  struct checksum sum;
  uint8_t md5[16];
  struct buf etag;
  if (body_checksum(&x->body, kind, &sum) || body_digest(&x->body, DIGEST_MD5, md5))
    return reply_error(x, 500, "InternalError", "The request body cannot be read.");
  buf_init(&etag, 0);
  text_hex(&etag, md5, sizeof(md5));
  free(o->checksum);
  free(o->entry.etag);
  free(o->entry.checksum_type);
  o->checksum = object_checksum_text(&sum);
  o->entry.etag = buf_take(&etag);
  o->entry.checksum_type = strdup(checksum_type_name(CHECKSUM_FULL_OBJECT));
  o->entry.mtime_ms = x->now_ms;
  o->entry.size = x->body.length;
  o->appends++;
  return o->checksum && o->entry.etag && o->entry.checksum_type ? 0 : no_memory(x);
}

/* Only to the version that was read; a condition of the caller's is checked first. */
static int store_over(struct exchange *x, struct object_info *o, const char *version) {
  struct objects_condition wanted, unchanged = {.if_match = version};
  char *etag;
  int err = conditions_of_write(x, &wanted, &etag);
  if (err)
    return err;
  if (wanted.must_be_absent || (wanted.if_match && strcmp(wanted.if_match, version) != 0 &&
                                strcmp(wanted.if_match, "*") != 0))
    err = conditions_refuse(x, -EEXIST);
  if (!err) {
    err = objects_put(x->emulator->objects, x->to.bucket, &x->body, o, &unchanged);
    err = err ? wrong_offset(x) : 0;
  }
  free(etag);
  return err;
}

static int append_to(struct exchange *x, int fd, struct object_info *o) {
  enum checksum_kind kind = CHECKSUM_CRC64NVME;
  char *version = strdup(o->entry.etag);
  if (!version)
    return no_memory(x);
  int err = check_sum(x, o, &kind);
  if (!err)
    err = join(x, fd, o->entry.size);
  if (!err)
    err = set_whole(x, o, kind);
  if (!err)
    err = store_over(x, o, version);
  free(version);
  return err;
}

int append_run(struct exchange *x, uint64_t offset, struct object_info *out) {
  struct object_info o;
  int fd;
  int err = objects_get(x->emulator->objects, x->to.bucket, x->to.key, &fd, &o);
  if (err == -ENOENT && offset == 0)
    return -ENOENT;
  if (err == -ENOENT)
    return wrong_offset(x);
  if (err)
    return no_memory(x);
  if (offset != o.entry.size)
    err = wrong_offset(x);
  else
    err = append_has_room(&o) ? append_to(x, fd, &o) : too_many(x);
  close(fd);
  if (err)
    object_info_fini(&o);
  else
    *out = o;
  return err;
}
