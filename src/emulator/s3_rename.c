/* RenameObject (S3 API reference; S3 user guide, "Renaming objects in directory
 * buckets"): one object of a directory bucket gets another key in one step, with
 * everything that it is: bytes, etag, time, metadata, checksum. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conditions.h"
#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3apfs/base/text.h"

#define TOKEN_MAX 64

static const struct condition_names conditions_of_source = {
    "x-amz-rename-source-if-match", "x-amz-rename-source-if-none-match",
    "x-amz-rename-source-if-modified-since", "x-amz-rename-source-if-unmodified-since"};

static int invalid(struct exchange *x, const char *message) {
  return reply_error(x, 400, "InvalidRequest", "%s", message);
}

/* [/]BUCKET/KEY, percent-encoded, of the bucket that is asked. */
static int read_source(struct exchange *x, struct buf *out, const char **key) {
  const char *header = exchange_header(x, "x-amz-rename-source");
  const char *name;
  size_t len;
  if (!header)
    return invalid(x, "x-amz-rename-source is missing.");
  if (text_uri_decode(out, header, strlen(header), false) || buf_error(out) ||
      strlen(buf_cstr(out)) != out->len)
    return invalid(x, "x-amz-rename-source is not BUCKET/KEY.");
  name = buf_cstr(out) + (*buf_cstr(out) == '/');
  len = strcspn(name, "/");
  if (name[len] != '/' || name[len + 1] == '\0')
    return invalid(x, "x-amz-rename-source is not BUCKET/KEY.");
  if ((strlen(x->to.named) != len || strncmp(name, x->to.named, len) != 0) &&
      (strlen(x->to.bucket) != len || strncmp(name, x->to.bucket, len) != 0))
    return invalid(x, "The source is in another bucket.");
  *key = name + len + 1;
  return 0;
}

static int check_keys(struct exchange *x, const char *from) {
  if (text_has_suffix(from, "/") || text_has_suffix(x->to.key, "/"))
    return invalid(x, "Keys that end in / cannot be renamed.");
  if (strcmp(from, x->to.key) == 0)
    return invalid(x, "Source and destination are the same.");
  return 0;
}

static int check_token(struct exchange *x, const char **out) {
  *out = exchange_header(x, "x-amz-client-token");
  return *out && strlen(*out) > TOKEN_MAX ? invalid(x, "The client token is too long.") : 0;
}

/* The version that is to be renamed, if it is one that the conditions allow. */
static int find_version(struct exchange *x, const char *from, char **etag) {
  struct object_info o;
  int fd;
  int err = objects_get(x->emulator->objects, x->to.bucket, from, &fd, &o);
  if (err)
    return conditions_refuse(x, err == -ENOENT ? -ENOENT : -EIO);
  close(fd);
  err = conditions_check(x, &conditions_of_source, &o.entry);
  if (!err) {
    *etag = strdup(o.entry.etag);
    err = *etag ? 0 : reply_error(x, 500, "InternalError", "Out of memory.");
  }
  object_info_fini(&o);
  return err;
}

static int rename_version(struct exchange *x, const char *from, const char *token) {
  struct objects_condition source = {0}, target;
  char *version = NULL, *etag;
  int err = conditions_of_write(x, &target, &etag);
  if (err)
    return err;
  if (token)
    err = objects_renamed(x->emulator->objects, x->to.bucket, from, x->to.key, token);
  if (err == -EALREADY) {
    free(etag);
    return 0;
  }
  if (err == -EINVAL)
    err = reply_error(x, 400, "IdempotencyParameterMismatch",
                      "Parameters on this idempotent request are inconsistent with parameters "
                      "used in previous request(s).");
  if (!err)
    err = find_version(x, from, &version);
  if (!err) {
    source.if_match = version;
    err = objects_rename(x->emulator->objects, x->to.bucket, from, x->to.key, &source, &target,
                         token);
    err = err ? conditions_refuse(x, err) : 0;
  }
  free(version);
  free(etag);
  return err;
}

void op_rename_object(struct exchange *x) {
  const char *from = "", *token = NULL;
  struct buf source;
  buf_init(&source, 0);
  int err = read_source(x, &source, &from);
  if (!err)
    err = check_keys(x, from);
  if (!err)
    err = check_token(x, &token);
  if (!err)
    err = permit(x, &x->to, "s3:PutObject", NULL);
  if (!err)
    err = rename_version(x, from, token);
  if (!err)
    reply_status(x, 200);
  buf_fini(&source);
}
