/* IAM roles. */
#include <stdlib.h>
#include <string.h>

#include "iam_internal.h"
#include "s3apfs/base/text.h"

#define ROLE_NAME_MAX 64
#define SESSION_MIN_S 3600
#define SESSION_MAX_S 43200

static void write_role(struct buf *out, const char *element, const struct role *r) {
  xml_open(out, element);
  xml_element(out, "Path", r->path);
  xml_element(out, "RoleName", r->name);
  xml_element(out, "RoleId", r->id);
  xml_element(out, "Arn", r->arn);
  control_time(out, "CreateDate", r->created);
  if (r->trust.text != NULL)
    iam_write_document(out, "AssumeRolePolicyDocument", r->trust.text);
  if (r->description != NULL)
    xml_element(out, "Description", r->description);
  xml_element_u64(out, "MaxSessionDuration", (uint64_t)r->max_session);
  iam_write_tags(out, &r->tags);
  xml_close(out, element);
}

int iam_open_role(struct control *c, const char *action, struct role **out) {
  const char *name;
  struct role *r;
  int rc = iam_need(c, "RoleName", &name);

  if (rc != 0)
    return rc;
  r = c->caller != NULL ? world_role_locked(c->caller->account, name) : NULL;
  rc = iam_authorize(c, action, "role", r != NULL ? r->path : "/", r != NULL ? r->name : name);
  if (rc != 0)
    return rc;
  if (r == NULL)
    return iam_no_such(c, "role", name);
  *out = r;
  return 0;
}

static int read_max_session(struct control *c, int64_t *out) {
  const char *s = iam_param(c, "MaxSessionDuration");
  uint64_t v;

  if (*s == '\0')
    return 0;
  if (text_parse_u64(s, &v) != 0 || v < SESSION_MIN_S || v > SESSION_MAX_S)
    return control_error(c, 400, "ValidationError", "MaxSessionDuration must be from %d to %d",
                         SESSION_MIN_S, SESSION_MAX_S);
  *out = (int64_t)v;
  return 0;
}

static int read_description(struct control *c, struct role *r) {
  const char *s = iam_param(c, "Description");
  char *copy;

  if (*s == '\0')
    return 0;
  copy = strdup(s);
  if (copy == NULL)
    return control_no_memory(c);
  free(r->description);
  r->description = copy;
  return 0;
}

static int fill_role(struct control *c, struct role *r) {
  int rc = iam_read_document(c, "AssumeRolePolicyDocument", &r->trust);

  if (rc == 0)
    rc = read_max_session(c, &r->max_session);
  if (rc == 0)
    rc = read_description(c, r);
  return rc == 0 ? iam_read_tags(c, &r->tags) : rc;
}

int iam_create_role(struct control *c) {
  const char *name;
  const char *path;
  struct role *r;
  int rc = iam_need_name(c, "RoleName", ROLE_NAME_MAX, &name);

  if (rc == 0)
    rc = iam_read_path(c, &path);
  if (rc == 0)
    rc = iam_authorize(c, "iam:CreateRole", "role", path, name);
  if (rc != 0)
    return rc;
  rc = world_add_role_locked(c->w, c->caller->account, name, path, NULL, &r);
  if (rc == -EEXIST)
    return iam_exists(c, "Role", name);
  if (rc != 0)
    return control_no_memory(c);
  rc = fill_role(c, r);
  if (rc != 0) {
    world_remove_role_locked(c->w, r);
    return rc;
  }
  c->changed = true;
  write_role(control_open(c, "CreateRole"), "Role", r);
  control_close(c, "CreateRole");
  return 0;
}

int iam_get_role(struct control *c) {
  struct role *r = NULL;
  int rc = iam_open_role(c, "iam:GetRole", &r);

  if (rc != 0)
    return rc;
  write_role(control_open(c, "GetRole"), "Role", r);
  control_close(c, "GetRole");
  return 0;
}

int iam_update_role(struct control *c) {
  struct role *r = NULL;
  int rc = iam_open_role(c, "iam:UpdateRole", &r);

  if (rc == 0)
    rc = read_max_session(c, &r->max_session);
  if (rc == 0)
    rc = read_description(c, r);
  if (rc != 0)
    return rc;
  c->changed = true;
  return iam_done(c, "UpdateRole");
}

int iam_update_assume_role_policy(struct control *c) {
  struct role *r = NULL;
  int rc = iam_open_role(c, "iam:UpdateAssumeRolePolicy", &r);

  if (rc == 0)
    rc = iam_read_document(c, "PolicyDocument", &r->trust);
  if (rc != 0)
    return rc;
  c->changed = true;
  return iam_done(c, "UpdateAssumeRolePolicy");
}

int iam_delete_role(struct control *c) {
  struct role *r = NULL;
  int rc = iam_open_role(c, "iam:DeleteRole", &r);

  if (rc != 0)
    return rc;
  if (r->policies != NULL)
    return control_error(c, 409, "DeleteConflict",
                         "Cannot delete entity, must delete policies first.");
  world_remove_role_locked(c->w, r);
  c->caller = NULL; /* it may have been a session of this role */
  c->changed = true;
  return iam_done(c, "DeleteRole");
}

int iam_list_roles(struct control *c) {
  const struct role *r;
  struct buf *out;
  int rc = iam_authorize(c, "iam:ListRoles", "role", "/", "");

  if (rc != 0)
    return rc;
  out = control_open(c, "ListRoles");
  xml_open(out, "Roles");
  DL_FOREACH (c->caller->account->roles, r) {
    write_role(out, "member", r);
  }
  xml_close(out, "Roles");
  xml_element_bool(out, "IsTruncated", false);
  control_close(c, "ListRoles");
  return 0;
}

int iam_tag_role(struct control *c) {
  struct role *r = NULL;
  int rc = iam_open_role(c, "iam:TagRole", &r);

  if (rc == 0)
    rc = iam_read_tags(c, &r->tags);
  if (rc != 0)
    return rc;
  c->changed = true;
  return iam_done(c, "TagRole");
}

/* --- inline policies --- */

typedef int (*policy_operation)(struct control *c, const char *operation,
                                const struct iam_owner *o);

static int on_policies(struct control *c, const char *action, policy_operation run) {
  struct role *r = NULL;
  struct iam_owner owner = {.kind = "Role"};
  int rc = iam_open_role(c, action, &r);

  if (rc != 0)
    return rc;
  owner.name = r->name;
  owner.policies = &r->policies;
  return run(c, action + strlen("iam:"), &owner);
}

int iam_put_role_policy(struct control *c) {
  return on_policies(c, "iam:PutRolePolicy", iam_put_policy);
}

int iam_get_role_policy(struct control *c) {
  return on_policies(c, "iam:GetRolePolicy", iam_get_policy);
}

int iam_delete_role_policy(struct control *c) {
  return on_policies(c, "iam:DeleteRolePolicy", iam_delete_policy);
}

int iam_list_role_policies(struct control *c) {
  return on_policies(c, "iam:ListRolePolicies", iam_list_policies);
}

/* There are no managed policies: the list is truly empty. */
int iam_list_attached_role_policies(struct control *c) {
  struct role *r = NULL;
  struct buf *out;
  int rc = iam_open_role(c, "iam:ListAttachedRolePolicies", &r);

  if (rc != 0)
    return rc;
  out = control_open(c, "ListAttachedRolePolicies");
  buf_puts(out, "<AttachedPolicies/><IsTruncated>false</IsTruncated>");
  control_close(c, "ListAttachedRolePolicies");
  return 0;
}
