/* DeleteObject and DeleteObjects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conditions.h"
#include "object_checksum.h"
#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

/* 1,000 keys of 1,024 bytes, all of them escaped, fit. */
#define DELETE_BODY_MAX ((size_t)8 << 20)
#define DELETE_KEYS_MAX 1000

void op_delete_object(struct exchange *x) {
  struct objects_condition condition;
  char *etag;
  if (permit(x, &x->to, "s3:DeleteObject", NULL) || conditions_of_write(x, &condition, &etag))
    return;
  int err = objects_remove(x->emulator->objects, x->to.bucket, x->to.key, &condition);
  free(etag);
  if (err)
    conditions_refuse(x, err);
  else
    reply_status(x, 204);
}

/* --- many --- */

static void put_failure(struct buf *out, const char *key, const char *code, const char *message) {
  xml_open(out, "Error");
  xml_element(out, "Key", key);
  xml_element(out, "Code", code);
  xml_element(out, "Message", message);
  xml_close(out, "Error");
}

static void put_success(struct buf *out, const char *key) {
  xml_open(out, "Deleted");
  xml_element(out, "Key", key);
  xml_close(out, "Deleted");
}

static int remove_one(struct exchange *x, const struct address *at, const char *etag) {
  char *bare = NULL;
  size_t len = strlen(etag);
  if (len >= 2 && etag[0] == '"' && etag[len - 1] == '"') {
    bare = text_dup_n(etag + 1, len - 2);
    if (!bare)
      return -ENOMEM;
  }
  struct objects_condition condition = {.if_match = *etag ? (bare ? bare : etag) : NULL};
  int err = objects_remove(x->emulator->objects, at->bucket, at->key, &condition);
  free(bare);
  return err;
}

static void delete_one(struct exchange *x, struct address *at, const struct xml_node *object,
                       bool quiet, struct buf *out) {
  struct s3_verdict v;
  at->key = (char *)(uintptr_t)xml_child_text(object, "Key");
  if (permit_ask(x, at, "s3:DeleteObject", NULL, &v)) {
    put_failure(out, at->key, "InternalError", "Out of memory.");
    return;
  }
  int err = v.allowed ? remove_one(x, at, xml_child_text(object, "ETag")) : 0;
  if (!v.allowed)
    put_failure(out, at->key, v.code, v.message ? v.message : "Access Denied");
  else if (err == -EEXIST)
    put_failure(out, at->key, "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold");
  else if (err == -ENOENT)
    put_failure(out, at->key, "NoSuchKey", "The specified key does not exist.");
  else if (err)
    put_failure(out, at->key, "InternalError", "The object cannot be removed.");
  else if (!quiet)
    put_success(out, at->key);
  s3_verdict_fini(&v);
}

static int check_digest(struct exchange *x) {
  struct announced_checksum told;
  struct checksum sum;
  int err = object_checksum_announced(x, &told);
  if (err)
    return err;
  if (!told.value && !exchange_header(x, "Content-MD5"))
    return reply_error(x, 400, "InvalidRequest",
                       "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  return object_checksum_accept(x, CHECKSUM_CRC32, &sum);
}

static bool well_formed(const struct xml_node *root) {
  size_t count = 0;
  if (strcmp(xml_name(root), "Delete") != 0)
    return false;
  for (const struct xml_node *o = xml_first(root, "Object"); o; o = xml_next(o, "Object")) {
    size_t len = strlen(xml_child_text(o, "Key"));
    if (++count > DELETE_KEYS_MAX || len == 0 || len > 1024)
      return false;
  }
  return count > 0;
}

static void delete_all(struct exchange *x, const struct xml_node *root) {
  bool quiet = strcmp(xml_child_text(root, "Quiet"), "true") == 0;
  struct address at = x->to;
  struct buf out;
  buf_init(&out, 0);
  for (const struct xml_node *o = xml_first(root, "Object"); o; o = xml_next(o, "Object"))
    delete_one(x, &at, o, quiet, &out);
  struct buf *body = reply_xml(x, 200);
  xml_open(body, "DeleteResult xmlns=\"" S3_XML_NAMESPACE "\"");
  buf_append(body, buf_cstr(&out), out.len);
  xml_close(body, "DeleteResult");
  if (buf_error(&out))
    reply_error(x, 500, "InternalError", "Out of memory.");
  buf_fini(&out);
}

void op_delete_objects(struct exchange *x) {
  const char *text;
  size_t len;
  struct xml_doc *doc;
  if (check_digest(x) || exchange_load_body(x, DELETE_BODY_MAX, &text, &len))
    return;
  int err = xml_parse(text, len, &doc);
  if (err || !well_formed(xml_root(doc)))
    reply_error(x, 400, "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our "
                "published schema");
  else
    delete_all(x, xml_root(doc));
  if (!err)
    xml_free(doc);
}
