/* Copy sources (S3 API reference, CopyObject: x-amz-copy-source). */
#include "copy_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conditions.h"
#include "permit.h"
#include "route.h"
#include "s3_object.h"
#include "s3apfs/aws/arn.h"
#include "s3apfs/base/text.h"

static int invalid(struct exchange *x) {
  return reply_error(x, 400, "InvalidArgument",
                     "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
}

static int set(char **field, const char *value) {
  char *copy = strdup(value);
  if (!copy)
    return -ENOMEM;
  free(*field);
  *field = copy;
  return 0;
}

/* arn:P:s3-outposts:REGION:ACCOUNT:outpost/ID/object/KEY: of the bucket behind the access point
 * that is asked, which is on that Outpost. */
static int resolve_outpost(struct exchange *x, const struct arn *arn, struct address *at) {
  const char *key = strstr(arn->resource, "/object/");
  struct arn own;
  int err;
  if (!key || !key[strlen("/object/")] || x->to.access_point != ACCESS_POINT_OUTPOSTS ||
      arn_parse(x->to.access_point_arn, &own))
    return -EINVAL;
  bool same = strcmp(own.account, arn->account) == 0 && strcmp(own.region, arn->region) == 0 &&
              strncmp(own.resource, arn->resource, (size_t)(key - arn->resource + 1)) == 0;
  const char *name = strstr(own.resource, "/accesspoint/");
  err = same && name ? set(&at->key, key + strlen("/object/")) : -EINVAL;
  if (!err)
    err = set(&at->named, x->to.named);
  if (!err)
    err = route_resolve_access_point(x->emulator->world, own.account, own.region,
                                     name + strlen("/accesspoint/"), at);
  arn_fini(&own);
  return err;
}

/* arn:P:s3:REGION:ACCOUNT:accesspoint/NAME/object/KEY */
static int resolve_arn(struct exchange *x, const char *text, struct address *at) {
  struct arn arn;
  int err = arn_parse(text, &arn);
  if (err)
    return err;
  if (strcmp(arn.service, "s3-outposts") == 0) {
    err = resolve_outpost(x, &arn, at);
    arn_fini(&arn);
    return err;
  }
  char *name = NULL, *key = NULL;
  if (text_has_prefix(arn.resource, "accesspoint/") && strcmp(arn.service, "s3") == 0) {
    name = arn.resource + strlen("accesspoint/");
    key = strstr(name, "/object/");
  }
  if (key && key > name) {
    *key = '\0';
    key += strlen("/object/");
  }
  err = key && *key ? set(&at->key, key) : -EINVAL;
  if (!err)
    err = set(&at->named, name);
  if (!err)
    err = route_resolve_access_point(x->emulator->world, arn.account, arn.region, name, at);
  arn_fini(&arn);
  return err;
}

static int resolve_path(struct exchange *x, char *text, struct address *at) {
  char *slash = strchr(text, '/');
  if (!slash || slash == text || !slash[1])
    return -EINVAL;
  *slash = '\0';
  const char *region = x->caller.region ? x->caller.region : "";
  return route_resolve(x->emulator->world, text, region, slash + 1, at);
}

static int decode(const char *header, struct buf *out) {
  const char *version = strstr(header, "?versionId=");
  size_t len = version ? (size_t)(version - header) : strlen(header);
  if (version && strcmp(version, "?versionId=null") != 0)
    return -EINVAL;
  if (len && *header == '/') {
    header++;
    len--;
  }
  int err = text_uri_decode(out, header, len, true);
  if (!err)
    err = buf_error(out);
  return !err && strlen(buf_cstr(out)) != out->len ? -EINVAL : err;
}

static int resolve(struct exchange *x, struct address *at) {
  struct buf text;
  buf_init(&text, 0);
  int err = decode(exchange_header(x, "x-amz-copy-source"), &text);
  if (!err && text_has_prefix(buf_cstr(&text), "arn:"))
    err = resolve_arn(x, buf_cstr(&text), at);
  else if (!err && text.data)
    err = resolve_path(x, text.data, at);
  else if (!err)
    err = -EINVAL;
  buf_fini(&text);
  if (err == -EINVAL)
    return invalid(x);
  return err ? reply_error(x, 500, "InternalError", "Out of memory.") : 0;
}

static int check_bucket(struct exchange *x, const struct address *at) {
  struct world_bucket b;
  if (!*at->bucket)
    return reply_error(x, 404, "NoSuchAccessPoint", "The specified accesspoint does not exist");
  if (world_find_bucket(x->emulator->world, at->bucket, &b))
    return reply_error(x, 404, "NoSuchBucket", "The specified bucket does not exist");
  const char *owner = exchange_header(x, "x-amz-source-expected-bucket-owner");
  bool refused = owner && strcmp(owner, b.account) != 0;
  world_bucket_fini(&b);
  return refused ? reply_error(x, 403, "AccessDenied", "Access Denied") : 0;
}

int copy_source_open(struct exchange *x, struct copy_source *out) {
  struct copy_source s = {.fd = -1};
  address_init(&s.at);
  int err = resolve(x, &s.at);
  if (!err)
    err = check_bucket(x, &s.at);
  if (!err)
    err = object_open(x, &s.at, "s3:GetObject", &s.fd, &s.object);
  if (err) {
    address_fini(&s.at);
    return err;
  }
  err = conditions_check(x, &conditions_of_copy_source, &s.object.entry);
  if (err)
    copy_source_close(&s);
  else
    *out = s;
  return err;
}

void copy_source_close(struct copy_source *s) {
  close(s->fd);
  object_info_fini(&s->object);
  address_fini(&s->at);
}
