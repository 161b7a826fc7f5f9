/* From an exchange to struct s3_access. Everything in it is borrowed from the
 * exchange for the length of one call. */
#include "permit.h"

#include <string.h>

#include "s3apfs/base/text.h"

/* The account that keeps this object from the bucket's owner, or NULL: who wrote
 * it owns it, and granted nothing by its ACL. */
static const char *foreign_owner(const struct exchange *x, const struct address *at,
                                 const struct object_info *o) {
  struct world_bucket b;
  if (o->acl && text_has_prefix(o->acl, "bucket-owner-"))
    return NULL;
  if (world_find_bucket(x->emulator->world, at->bucket, &b))
    return NULL;
  bool foreign = strcmp(b.account, o->entry.owner) != 0;
  world_bucket_fini(&b);
  return foreign ? o->entry.owner : NULL;
}

static void fill(const struct exchange *x, const struct address *at, const char *action,
                 const struct permit *what, struct s3_access *a) {
  *a = (struct s3_access){
      .access_key_id = x->caller.anonymous ? NULL : x->caller.key.access_key_id,
      .endpoint_id = x->listener->endpoint_id,
      .source_ip = x->peer,
      .secure = x->tls,
      .user_agent = exchange_header(x, "User-Agent"),
      .headers = &x->request.headers,
      .query = &x->request.query,
      .action = action,
      .bucket = *at->bucket ? at->bucket : NULL,
      .access_point_arn = at->access_point_arn,
      .key = *at->key ? at->key : NULL,
  };
  if (!what)
    return;
  a->new_tags = what->new_tags;
  if (what->object) {
    a->tags = &what->object->tags;
    a->object_owner = foreign_owner(x, at, what->object);
  }
}

static int refuse(struct exchange *x, const struct s3_verdict *v) {
  return reply_error_with(x, v->http_status, v->code, v->message ? v->message : "Access Denied",
                          NULL);
}

int permit_ask(struct exchange *x, const struct address *at, const char *action,
               const struct permit *what, struct s3_verdict *out) {
  struct s3_access a;
  fill(x, at, action, what, &a);
  return authorize_s3(x->emulator->world, &a, out);
}

int permit(struct exchange *x, const struct address *at, const char *action,
           const struct permit *what) {
  struct s3_verdict v;
  if (permit_ask(x, at, action, what, &v))
    return reply_error(x, 500, "InternalError", "Out of memory.");
  int err = v.allowed ? 0 : refuse(x, &v);
  s3_verdict_fini(&v);
  return err;
}

int permit_key(struct exchange *x, const char *kms_key, const char *action) {
  struct s3_access a;
  struct s3_verdict v;
  fill(x, &x->to, action, NULL, &a);
  a.kms_key = kms_key;
  if (authorize_s3(x->emulator->world, &a, &v))
    return reply_error(x, 500, "InternalError", "Out of memory.");
  int err = v.allowed ? 0 : refuse(x, &v);
  s3_verdict_fini(&v);
  return err;
}

int permit_refuse_missing(struct exchange *x, const struct address *at) {
  struct s3_access a;
  fill(x, at, "s3:GetObject", NULL, &a);
  if (!authorize_s3_may_know(x->emulator->world, &a))
    return reply_error_with(x, 403, "AccessDenied", "Access Denied", NULL);
  struct kvlist more;
  kvlist_init(&more);
  kvlist_add(&more, "Key", at->key);
  int err = reply_error_with(x, 404, "NoSuchKey", "The specified key does not exist.", &more);
  kvlist_fini(&more);
  return err;
}
