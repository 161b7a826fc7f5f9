/* What the S3 Control operations share: whose account, which instance, tags and
 * Block Public Access on the wire. */
#include "control_internal.h"

#include <errno.h>
#include <string.h>

int s3control_account(struct control *c, struct account **out) {
  if (c->q->account == NULL || *c->q->account == '\0')
    return control_error(c, 400, "InvalidRequest", "Missing required header: x-amz-account-id");
  *out = world_account_locked(c->w, c->q->account);
  if (*out == NULL)
    return control_error(c, 403, "AccessDenied", "Access Denied");
  return 0;
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
