/* A bucket's settings: policy, Block Public Access, ownership, who pays. The
 * world keeps them; every change is effective with the next request. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "operations.h"
#include "permit.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"
#include "s3apfs/base/text.h"

/* S3: a bucket policy is 20 KB at most. */
#define POLICY_MAX ((size_t)20 << 10)
#define SETTING_BODY_MAX ((size_t)64 << 10)

static int internal(struct exchange *x) {
  return reply_error(x, 500, "InternalError", "We encountered an internal error.");
}

static int malformed(struct exchange *x) {
  return reply_error(x, 400, "MalformedXML",
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

static void changed(struct exchange *x, int err, int status) {
  if (err) {
    internal(x);
    return;
  }
  world_save(x->emulator->world);
  reply_status(x, status);
}

static int load_xml(struct exchange *x, const char *root, struct xml_doc **out) {
  const char *text;
  size_t len;
  int err = exchange_load_body(x, SETTING_BODY_MAX, &text, &len);
  if (err)
    return err;
  if (xml_parse(text, len, out))
    return malformed(x);
  if (strcmp(xml_name(xml_root(*out)), root) == 0)
    return 0;
  xml_free(*out);
  return malformed(x);
}

/* --- policy --- */

static int no_policy(struct exchange *x) {
  return reply_error(x, 404, "NoSuchBucketPolicy", "The bucket policy does not exist");
}

void op_get_bucket_policy(struct exchange *x) {
  if (permit(x, &x->to, "s3:GetBucketPolicy", NULL))
    return;
  struct buf text;
  buf_init(&text, 0);
  int err = world_get_bucket_policy(x->emulator->world, x->to.bucket, &text);
  if (err == -ENODATA)
    no_policy(x);
  else if (err)
    internal(x);
  else
    buf_append(reply_json(x, 200), buf_cstr(&text), text.len);
  buf_fini(&text);
}

void op_put_bucket_policy(struct exchange *x) {
  const char *text;
  size_t len;
  if (permit(x, &x->to, "s3:PutBucketPolicy", NULL) ||
      exchange_load_body(x, SETTING_BODY_MAX, &text, &len))
    return;
  if (len > POLICY_MAX) {
    reply_error(x, 400, "PolicyTooLarge", "Policy exceeds the maximum allowed document size.");
    return;
  }
  struct buf why;
  buf_init(&why, 0);
  int err = world_set_bucket_policy(x->emulator->world, x->to.bucket, text, len, &why);
  if (err == -EINVAL)
    reply_error(x, 400, "MalformedPolicy", "%s", buf_cstr(&why));
  else if (err == -EPERM)
    reply_error(x, 403, "AccessDenied",
                "User: %s is not authorized to perform: s3:PutBucketPolicy on resource: "
                "\"arn:aws:s3:::%s\" because public policies are prevented by the "
                "BlockPublicPolicy setting in S3 Block Public Access.",
                x->caller.key.arn, x->to.bucket);
  else
    changed(x, err, 204);
  buf_fini(&why);
}

void op_delete_bucket_policy(struct exchange *x) {
  struct buf why;
  if (permit(x, &x->to, "s3:DeleteBucketPolicy", NULL))
    return;
  buf_init(&why, 0);
  int err = world_set_bucket_policy(x->emulator->world, x->to.bucket, NULL, 0, &why);
  changed(x, err, 204);
  buf_fini(&why);
}

void op_get_bucket_policy_status(struct exchange *x) {
  bool is_public;
  if (permit(x, &x->to, "s3:GetBucketPolicyStatus", NULL))
    return;
  int err = world_get_bucket_policy_public(x->emulator->world, x->to.bucket, &is_public);
  if (err == -ENODATA) {
    no_policy(x);
    return;
  }
  if (err) {
    internal(x);
    return;
  }
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "PolicyStatus xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_element(out, "IsPublic", is_public ? "TRUE" : "FALSE");
  xml_close(out, "PolicyStatus");
}

/* --- Block Public Access --- */

void op_get_public_access_block(struct exchange *x) {
  struct block_public_access b;
  if (permit(x, &x->to, "s3:GetBucketPublicAccessBlock", NULL))
    return;
  int err = world_get_bucket_bpa(x->emulator->world, x->to.bucket, &b);
  if (err == -ENODATA) {
    reply_error(x, 404, "NoSuchPublicAccessBlockConfiguration",
                "The public access block configuration was not found");
    return;
  }
  if (err) {
    internal(x);
    return;
  }
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "PublicAccessBlockConfiguration xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_element_bool(out, "BlockPublicAcls", b.block_acls);
  xml_element_bool(out, "IgnorePublicAcls", b.ignore_acls);
  xml_element_bool(out, "BlockPublicPolicy", b.block_policy);
  xml_element_bool(out, "RestrictPublicBuckets", b.restrict_buckets);
  xml_close(out, "PublicAccessBlockConfiguration");
}

static bool flag(const struct xml_node *root, const char *name) {
  return strcasecmp(xml_child_text(root, name), "true") == 0;
}

void op_put_public_access_block(struct exchange *x) {
  struct xml_doc *doc;
  if (permit(x, &x->to, "s3:PutBucketPublicAccessBlock", NULL) ||
      load_xml(x, "PublicAccessBlockConfiguration", &doc))
    return;
  const struct xml_node *root = xml_root(doc);
  struct block_public_access b = {
      .block_acls = flag(root, "BlockPublicAcls"),
      .ignore_acls = flag(root, "IgnorePublicAcls"),
      .block_policy = flag(root, "BlockPublicPolicy"),
      .restrict_buckets = flag(root, "RestrictPublicBuckets"),
  };
  xml_free(doc);
  changed(x, world_set_bucket_bpa(x->emulator->world, x->to.bucket, &b), 200);
}

void op_delete_public_access_block(struct exchange *x) {
  if (permit(x, &x->to, "s3:PutBucketPublicAccessBlock", NULL))
    return;
  changed(x, world_set_bucket_bpa(x->emulator->world, x->to.bucket, NULL), 204);
}

/* --- ownership --- */

void op_get_ownership_controls(struct exchange *x) {
  if (permit(x, &x->to, "s3:GetBucketOwnershipControls", NULL))
    return;
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "OwnershipControls xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_open(out, "Rule");
  xml_element(out, "ObjectOwnership", world_ownership_name(x->bucket.ownership));
  xml_close(out, "Rule");
  xml_close(out, "OwnershipControls");
}

void op_put_ownership_controls(struct exchange *x) {
  struct xml_doc *doc;
  enum world_ownership o;
  if (permit(x, &x->to, "s3:PutBucketOwnershipControls", NULL) ||
      load_xml(x, "OwnershipControls", &doc))
    return;
  const struct xml_node *rule = xml_child(xml_root(doc), "Rule");
  int err = world_ownership_parse(xml_child_text(rule, "ObjectOwnership"), &o);
  xml_free(doc);
  if (err)
    malformed(x);
  else
    changed(x, world_set_bucket_ownership(x->emulator->world, x->to.bucket, o), 200);
}

/* Without a rule S3 falls back to the uploader owning what is written. */
void op_delete_ownership_controls(struct exchange *x) {
  if (permit(x, &x->to, "s3:PutBucketOwnershipControls", NULL))
    return;
  changed(x, world_set_bucket_ownership(x->emulator->world, x->to.bucket, OWNERSHIP_OBJECT_WRITER),
          204);
}

/* --- who pays --- */

void op_get_request_payment(struct exchange *x) {
  if (permit(x, &x->to, "s3:GetBucketRequestPayment", NULL))
    return;
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "RequestPaymentConfiguration xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_element(out, "Payer", x->bucket.requester_pays ? "Requester" : "BucketOwner");
  xml_close(out, "RequestPaymentConfiguration");
}

void op_put_request_payment(struct exchange *x) {
  struct xml_doc *doc;
  if (permit(x, &x->to, "s3:PutBucketRequestPayment", NULL) ||
      load_xml(x, "RequestPaymentConfiguration", &doc))
    return;
  const char *payer = xml_child_text(xml_root(doc), "Payer");
  bool requester = strcmp(payer, "Requester") == 0;
  bool known = requester || strcmp(payer, "BucketOwner") == 0;
  xml_free(doc);
  if (!known)
    malformed(x);
  else
    changed(x, world_set_bucket_requester_pays(x->emulator->world, x->to.bucket, requester), 200);
}
