/* What the IAM operations share: parameters, authorization, documents, and the
 * inline policies that users and roles have alike. */
#include "iam_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

#define TAGS_MAX 50
#define PATH_MAX_CHARS 512
#define POLICY_NAME_MAX 128

const char *iam_param(const struct control *c, const char *name) {
  const char *v = kvlist_get(c->params, name);

  return v != NULL ? v : "";
}

int iam_need(struct control *c, const char *name, const char **out) {
  const char *v = iam_param(c, name);

  if (*v == '\0')
    return control_error(c, 400, "ValidationError",
                         "1 validation error detected: Value null at '%s' failed to satisfy "
                         "constraint: Member must not be null",
                         name);
  *out = v;
  return 0;
}

static bool valid_name(const char *s, size_t max) {
  size_t len = strlen(s);

  for (const char *p = s; *p != '\0'; p++) {
    if (!isalnum((unsigned char)*p) && strchr("+=,.@_-", *p) == NULL)
      return false;
  }
  return len > 0 && len <= max;
}

int iam_need_name(struct control *c, const char *name, size_t max, const char **out) {
  const char *v;
  int rc = iam_need(c, name, &v);

  if (rc != 0)
    return rc;
  if (!valid_name(v, max))
    return control_error(c, 400, "ValidationError",
                         "The specified value for %s is invalid. It must contain only alphanumeric "
                         "characters and/or the following: +=,.@_-",
                         name);
  *out = v;
  return 0;
}

int iam_read_path(struct control *c, const char **out) {
  const char *path = iam_param(c, "Path");

  if (*path == '\0')
    path = "/";
  if (strlen(path) > PATH_MAX_CHARS || !text_has_prefix(path, "/") || !text_has_suffix(path, "/"))
    return control_error(c, 400, "ValidationError",
                         "The specified value for path is invalid. It must begin and end with / "
                         "and contain only alphanumeric characters and/or / characters.");
  *out = path;
  return 0;
}

int iam_authorize(struct control *c, const char *action, const char *kind, const char *path,
                  const char *name) {
  const char *account = c->caller != NULL ? c->caller->account->id : "";
  char *arn = text_printf("arn:aws:iam::%s:%s%s%s", account, kind, path, name);
  int rc;

  if (arn == NULL)
    return control_no_memory(c);
  rc = control_authorize(c, action, arn, account, NULL, NULL);
  free(arn);
  return rc;
}

int iam_done(struct control *c, const char *operation) {
  control_open(c, operation);
  control_close(c, operation);
  return 0;
}

/* --- documents and tags -------------------------------------------------------------------------
 */

void iam_write_document(struct buf *out, const char *name, const char *text) {
  xml_open(out, name);
  text_uri_encode(out, text, strlen(text), false);
  xml_close(out, name);
}

int iam_read_document(struct control *c, const char *name, struct document *out) {
  const char *text;
  struct buf why;
  int rc = iam_need(c, name, &text);

  if (rc != 0)
    return rc;
  buf_init(&why, 0);
  rc = document_set(out, text, strlen(text), &why);
  if (rc != 0)
    rc = control_error(c, 400, "MalformedPolicyDocument", "%s", buf_cstr(&why));
  buf_fini(&why);
  return rc;
}

int iam_read_tags(struct control *c, struct kvlist *out) {
  for (int i = 1; i <= TAGS_MAX; i++) {
    char *key = text_printf("Tags.member.%d.Key", i);
    char *value = text_printf("Tags.member.%d.Value", i);
    const char *k = key != NULL ? iam_param(c, key) : "";
    int rc = key == NULL || value == NULL ? -ENOMEM : 0;

    if (rc == 0 && *k != '\0')
      rc = kvlist_set_ci(out, k, iam_param(c, value));
    free(key);
    free(value);
    if (rc != 0)
      return control_no_memory(c);
    if (*k == '\0')
      break;
  }
  return 0;
}

void iam_write_tags(struct buf *out, const struct kvlist *tags) {
  if (tags->count == 0)
    return;
  xml_open(out, "Tags");
  for (size_t i = 0; i < tags->count; i++) {
    xml_open(out, "member");
    xml_element(out, "Key", tags->items[i].name);
    xml_element(out, "Value", tags->items[i].value);
    xml_close(out, "member");
  }
  xml_close(out, "Tags");
}

/* --- inline policies --- */

int iam_put_policy(struct control *c, const char *operation, const struct iam_owner *o) {
  struct document fresh = {0};
  struct buf why;
  const char *name;
  int rc = iam_need_name(c, "PolicyName", POLICY_NAME_MAX, &name);

  if (rc == 0)
    rc = iam_read_document(c, "PolicyDocument", &fresh);
  if (rc != 0)
    return rc;
  buf_init(&why, 0);
  rc = named_document_set(o->policies, name, fresh.text, strlen(fresh.text), &why);
  buf_fini(&why);
  document_fini(&fresh);
  if (rc != 0)
    return control_no_memory(c);
  c->changed = true;
  return iam_done(c, operation);
}

static int find_policy(struct control *c, const struct iam_owner *o, struct named_document **out) {
  const char *name;
  int rc = iam_need(c, "PolicyName", &name);

  if (rc != 0)
    return rc;
  *out = named_document_find(*o->policies, name);
  if (*out == NULL)
    return control_error(c, 404, "NoSuchEntity", "The %s policy with name %s cannot be found.",
                         o->kind, name);
  return 0;
}

int iam_get_policy(struct control *c, const char *operation, const struct iam_owner *o) {
  struct named_document *d = NULL;
  struct buf *out;
  int rc = find_policy(c, o, &d);

  if (rc != 0)
    return rc;
  out = control_open(c, operation);
  xml_element(out, strcmp(o->kind, "User") == 0 ? "UserName" : "RoleName", o->name);
  xml_element(out, "PolicyName", d->name);
  iam_write_document(out, "PolicyDocument", d->doc.text);
  control_close(c, operation);
  return 0;
}

int iam_delete_policy(struct control *c, const char *operation, const struct iam_owner *o) {
  struct named_document *d = NULL;
  int rc = find_policy(c, o, &d);

  if (rc != 0)
    return rc;
  named_document_remove(o->policies, d);
  c->changed = true;
  return iam_done(c, operation);
}

int iam_list_policies(struct control *c, const char *operation, const struct iam_owner *o) {
  const struct named_document *d;
  struct buf *out = control_open(c, operation);

  xml_open(out, "PolicyNames");
  DL_FOREACH (*o->policies, d) {
    xml_element(out, "member", d->name);
  }
  xml_close(out, "PolicyNames");
  xml_element_bool(out, "IsTruncated", false);
  control_close(c, operation);
  return 0;
}
