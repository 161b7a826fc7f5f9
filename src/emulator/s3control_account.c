/* Block Public Access of an account, and tags of access points and of Access
 * Grants resources. */
#include "control_internal.h"

#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"

/* --- Block Public Access --- */

int s3control_get_public_access_block(struct control *c) {
  struct account *a;
  int rc = s3control_account_for(c, "s3:GetAccountPublicAccessBlock", &a);

  if (rc != 0)
    return rc;
  if (!a->has_bpa)
    return control_error(c, 404, "NoSuchPublicAccessBlockConfiguration",
                         "The public access block configuration was not found");
  /* The result's root is the configuration itself. */
  control_open(c, "PublicAccessBlockConfiguration");
  buf_reset(&c->r->body);
  buf_puts(&c->r->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
  s3control_write_bpa(&c->r->body, &a->bpa);
  return 0;
}

int s3control_put_public_access_block(struct control *c) {
  struct account *a;
  int rc = s3control_account_for(c, "s3:PutAccountPublicAccessBlock", &a);

  if (rc != 0)
    return rc;
  if (c->body == NULL)
    return control_error(c, 400, "MalformedXML", "The XML you provided was not well-formed");
  a->has_bpa = true;
  s3control_read_bpa(c->body, &a->bpa);
  c->changed = true;
  return control_empty(c, 200);
}

int s3control_delete_public_access_block(struct control *c) {
  struct account *a;
  int rc = s3control_account_for(c, "s3:PutAccountPublicAccessBlock", &a);

  if (rc != 0)
    return rc;
  a->has_bpa = false;
  memset(&a->bpa, 0, sizeof(a->bpa));
  c->changed = true;
  return control_empty(c, 204);
}

/* --- tags --- */

/* The tag list behind an Access Grants ARN (instance, location or grant). */
static struct kvlist *find_tags(struct control *c, const char *arn) {
  struct grants_instance *g;
  struct grants_location *l;
  struct grant *grant;

  DL_FOREACH (c->w->synced.grants, g) {
    if (strcmp(g->arn, arn) == 0)
      return &g->tags;
    DL_FOREACH (g->locations, l) {
      if (strcmp(l->arn, arn) == 0)
        return &l->tags;
    }
    DL_FOREACH (g->grants, grant) {
      if (strcmp(grant->arn, arn) == 0)
        return &grant->tags;
    }
  }
  return NULL;
}

static int open_tags(struct control *c, const char *action, struct kvlist **out) {
  struct account *a;
  int rc = s3control_account(c, &a);

  if (rc == 0)
    rc = control_authorize(c, action, c->id, a->id, NULL, NULL);
  if (rc != 0)
    return rc;
  *out = find_tags(c, c->id);
  if (*out == NULL || strstr(c->id, a->id) == NULL)
    return control_error(c, 404, "NoSuchResource", "The specified resource doesn't exist.");
  return 0;
}

int s3control_list_tags(struct control *c) {
  struct kvlist *tags;
  struct buf *out;
  int rc = open_tags(c, "s3:ListTagsForResource", &tags);

  if (rc != 0)
    return rc;
  out = control_open(c, "ListTagsForResourceResult");
  xml_open(out, "Tags");
  for (size_t i = 0; i < tags->count; i++) {
    xml_open(out, "Tag");
    xml_element(out, "Key", tags->items[i].name);
    xml_element(out, "Value", tags->items[i].value);
    xml_close(out, "Tag");
  }
  xml_close(out, "Tags");
  control_close(c, "ListTagsForResourceResult");
  return 0;
}

int s3control_tag(struct control *c) {
  struct kvlist *tags;
  int rc = open_tags(c, "s3:TagResource", &tags);

  if (rc == 0)
    rc = s3control_read_tags(c, xml_child(c->body, "Tags"), tags);
  if (rc != 0)
    return rc;
  c->changed = true;
  return control_empty(c, 204);
}

int s3control_untag(struct control *c) {
  struct kvlist *tags;
  int rc = open_tags(c, "s3:UntagResource", &tags);

  if (rc != 0)
    return rc;
  for (size_t i = 0; i < c->q->query->count; i++) {
    if (strcmp(c->q->query->items[i].name, "tagKeys") == 0)
      kvlist_remove_ci(tags, c->q->query->items[i].value);
  }
  c->changed = true;
  return control_empty(c, 204);
}
