/* From an exchange to struct s3_access. Everything in it is borrowed from the
 * exchange for the length of one call. */
#include "permit.h"

#include <string.h>

#include "s3apfs/base/text.h"

static bool readable_by_bucket_owner(const struct object_info *o) {
  return o->acl && text_has_prefix(o->acl, "bucket-owner-");
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
    if (!readable_by_bucket_owner(what->object))
      a->object_owner = what->object->entry.owner;
  }
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
  int err = 0;
  if (!v.allowed)
    err = reply_error_with(x, v.http_status, v.code, v.message ? v.message : "Access Denied", NULL);
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
