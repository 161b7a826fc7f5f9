/* What the S3 Control operations share: whose account, which instance, tags and
 * Block Public Access on the wire. */
#include "control_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

int s3control_account(struct control *c, struct account **out) {
  if (c->q->account == NULL || *c->q->account == '\0')
    return control_error(c, 400, "InvalidRequest", "Missing required header: x-amz-account-id");
  *out = world_account_locked(c->w, c->q->account);
  if (*out == NULL)
    return control_error(c, 403, "AccessDenied", "Access Denied");
  return 0;
}

int s3control_account_for(struct control *c, const char *action, struct account **out) {
  int rc = s3control_account(c, out);

  return rc == 0 ? control_authorize(c, action, "*", (*out)->id, NULL, NULL) : rc;
}

int s3control_account_for_resource(struct control *c, const char *action, const char *type,
                                   const char *id, struct account **out) {
  char *arn;
  int rc = s3control_account(c, out);

  if (rc != 0)
    return rc;
  arn = text_printf("arn:aws:s3:%s:%s:%s/%s", c->q->region, (*out)->id, type, id);
  if (arn == NULL)
    return control_no_memory(c);
  rc = control_authorize(c, action, arn, (*out)->id, NULL, NULL);
  free(arn);
  return rc;
}

int s3control_instance(struct control *c, const char *action, struct grants_instance **out) {
  struct account *a;
  struct grants_instance *g;
  int rc = s3control_account(c, &a);

  if (rc != 0)
    return rc;
  g = world_grants_locked(c->w, a->id, c->q->region);
  if (g == NULL)
    return control_error(c, 404, "AccessGrantsInstanceNotExistsError",
                         "Access Grants Instance does not exist");
  rc = control_authorize(c, action, g->arn, a->id, &g->policy, NULL);
  if (rc == 0)
    *out = g;
  return rc;
}

int s3control_read_tags(struct control *c, const struct xml_node *tags, struct kvlist *out) {
  int rc = 0;

  for (const struct xml_node *t = xml_first(tags, "Tag"); rc == 0 && t != NULL;
       t = xml_next(t, "Tag"))
    rc = kvlist_set_ci(out, xml_child_text(t, "Key"), xml_child_text(t, "Value"));
  return rc == 0 ? 0 : control_no_memory(c);
}

int s3control_read_policy(struct control *c, const char *code, struct document *d) {
  const char *text = xml_child_text(c->body, "Policy");
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = document_set(d, text, strlen(text), &why);
  if (rc != 0)
    rc = control_error(c, 400, code, "%s", buf_cstr(&why));
  buf_fini(&why);
  return rc;
}

int s3control_delete_policy(struct control *c, struct document *d) {
  document_fini(d);
  c->changed = true;
  return control_empty(c, 204);
}

void s3control_write_bpa(struct buf *out, const struct block_public_access *bpa) {
  xml_open(out, "PublicAccessBlockConfiguration");
  xml_element_bool(out, "BlockPublicAcls", bpa->block_acls);
  xml_element_bool(out, "IgnorePublicAcls", bpa->ignore_acls);
  xml_element_bool(out, "BlockPublicPolicy", bpa->block_policy);
  xml_element_bool(out, "RestrictPublicBuckets", bpa->restrict_buckets);
  xml_close(out, "PublicAccessBlockConfiguration");
}

static bool is_true(const struct xml_node *n, const char *name) {
  return strcasecmp(xml_child_text(n, name), "true") == 0;
}

void s3control_read_bpa(const struct xml_node *n, struct block_public_access *out) {
  out->block_acls = is_true(n, "BlockPublicAcls");
  out->ignore_acls = is_true(n, "IgnorePublicAcls");
  out->block_policy = is_true(n, "BlockPublicPolicy");
  out->restrict_buckets = is_true(n, "RestrictPublicBuckets");
}
