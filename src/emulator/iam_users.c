/* IAM users. */
#include <string.h>

#include "iam_internal.h"

#define USER_NAME_MAX 64

static void write_user(struct buf *out, const char *element, const struct user *u) {
  xml_open(out, element);
  xml_element(out, "Path", u->path);
  xml_element(out, "UserName", u->name);
  xml_element(out, "UserId", u->id);
  xml_element(out, "Arn", u->arn);
  control_time(out, "CreateDate", u->created);
  iam_write_tags(out, &u->tags);
  xml_close(out, element);
}

int iam_open_user(struct control *c, const char *action, struct user **out) {
  const char *name = iam_param(c, "UserName");
  struct user *u;
  int rc;

  if (c->caller == NULL) {
    (void)iam_authorize(c, action, "user", "/", name); /* refuses the anonymous */
    return -EPROTO;
  }
  u = *name != '\0' ? world_user_locked(c->caller->account, name) : c->caller->user;
  rc = iam_authorize(c, action, "user", u != NULL ? u->path : "/", u != NULL ? u->name : name);
  if (rc != 0)
    return rc;
  if (u == NULL && *name == '\0')
    return control_error(c, 400, "ValidationError",
                         "Must specify userName when calling with non-User credentials");
  if (u == NULL)
    return iam_no_such(c, "user", name);
  *out = u;
  return 0;
}

int iam_create_user(struct control *c) {
  const char *name;
  const char *path;
  struct user *u;
  int rc = iam_need_name(c, "UserName", USER_NAME_MAX, &name);

  if (rc == 0)
    rc = iam_read_path(c, &path);
  if (rc == 0)
    rc = iam_authorize(c, "iam:CreateUser", "user", path, name);
  if (rc != 0)
    return rc;
  rc = world_add_user_locked(c->w, c->caller->account, name, path, NULL, &u);
  if (rc == -EEXIST)
    return iam_exists(c, "User", name);
  if (rc != 0)
    return control_no_memory(c);
  c->changed = true;
  rc = iam_read_tags(c, &u->tags);
  if (rc != 0)
    return rc;
  write_user(control_open(c, "CreateUser"), "User", u);
  control_close(c, "CreateUser");
  return 0;
}

int iam_get_user(struct control *c) {
  struct user *u = NULL;
  int rc = iam_open_user(c, "iam:GetUser", &u);

  if (rc != 0)
    return rc;
  write_user(control_open(c, "GetUser"), "User", u);
  control_close(c, "GetUser");
  return 0;
}

static bool has_keys(const struct control *c, const struct user *u) {
  const struct credential *k;

  for (k = c->w->synced.credentials; k != NULL; k = k->hh.next) {
    if (k->user == u && k->token == NULL)
      return true;
  }
  return false;
}

int iam_delete_user(struct control *c) {
  struct user *u = NULL;
  int rc = iam_open_user(c, "iam:DeleteUser", &u);

  if (rc != 0)
    return rc;
  if (u->policies != NULL)
    return control_error(c, 409, "DeleteConflict",
                         "Cannot delete entity, must delete policies first.");
  if (has_keys(c, u))
    return control_error(c, 409, "DeleteConflict",
                         "Cannot delete entity, must delete access keys first.");
  if (u->mfa != NULL)
    return control_error(c, 409, "DeleteConflict",
                         "Cannot delete entity, must delete MFA device first.");
  world_remove_user_locked(c->w, u);
  c->changed = true;
  return iam_done(c, "DeleteUser");
}

int iam_list_users(struct control *c) {
  const struct user *u;
  struct buf *out;
  int rc = iam_authorize(c, "iam:ListUsers", "user", "/", "");

  if (rc != 0)
    return rc;
  out = control_open(c, "ListUsers");
  xml_open(out, "Users");
  DL_FOREACH (c->caller->account->users, u) {
    write_user(out, "member", u);
  }
  xml_close(out, "Users");
  xml_element_bool(out, "IsTruncated", false);
  control_close(c, "ListUsers");
  return 0;
}

int iam_tag_user(struct control *c) {
  struct user *u = NULL;
  int rc = iam_open_user(c, "iam:TagUser", &u);

  if (rc == 0)
    rc = iam_read_tags(c, &u->tags);
  if (rc != 0)
    return rc;
  c->changed = true;
  return iam_done(c, "TagUser");
}

/* --- inline policies --- */

typedef int (*policy_operation)(struct control *c, const char *operation,
                                const struct iam_owner *o);

static int on_policies(struct control *c, const char *action, policy_operation run) {
  struct user *u = NULL;
  struct iam_owner owner = {.kind = "User"};
  int rc = iam_open_user(c, action, &u);

  if (rc != 0)
    return rc;
  owner.name = u->name;
  owner.policies = &u->policies;
  return run(c, action + strlen("iam:"), &owner);
}

int iam_put_user_policy(struct control *c) {
  return on_policies(c, "iam:PutUserPolicy", iam_put_policy);
}

int iam_get_user_policy(struct control *c) {
  return on_policies(c, "iam:GetUserPolicy", iam_get_policy);
}

int iam_delete_user_policy(struct control *c) {
  return on_policies(c, "iam:DeleteUserPolicy", iam_delete_policy);
}

int iam_list_user_policies(struct control *c) {
  return on_policies(c, "iam:ListUserPolicies", iam_list_policies);
}

/* There are no managed policies: the list is truly empty. */
int iam_list_attached_user_policies(struct control *c) {
  struct user *u = NULL;
  struct buf *out;
  int rc = iam_open_user(c, "iam:ListAttachedUserPolicies", &u);

  if (rc != 0)
    return rc;
  out = control_open(c, "ListAttachedUserPolicies");
  buf_puts(out, "<AttachedPolicies/><IsTruncated>false</IsTruncated>");
  control_close(c, "ListAttachedUserPolicies");
  return 0;
}
