/* What the IAM operations share. IAM is about the caller's own account. */
#ifndef S3APFS_EMULATOR_IAM_INTERNAL_H
#define S3APFS_EMULATOR_IAM_INTERNAL_H

#include "control_internal.h"

/* The parameter's text; "" when absent. */
const char *iam_param(const struct control *c, const char *name);
/* A required parameter; answered when absent. */
int iam_need(struct control *c, const char *name, const char **out);
/* A name of a user, role or policy: letters, digits and +=,.@_- up to max. */
int iam_need_name(struct control *c, const char *name, size_t max, const char **out);
/* May the caller do ACTION on KIND/PATH+NAME of his account? kind "user" or "role". */
int iam_authorize(struct control *c, const char *action, const char *kind, const char *path,
                  const char *name);
/* "/" or "/a/b/". */
int iam_read_path(struct control *c, const char **out);
#define iam_no_such(c, kind, name)                                                                 \
  control_error(c, 404, "NoSuchEntity", "The %s with name %s cannot be found.", kind, name)
#define iam_exists(c, kind, name)                                                                  \
  control_error(c, 409, "EntityAlreadyExists", "%s with name %s already exists.", kind, name)
/* A reply whose result is empty. */
int iam_done(struct control *c, const char *operation);
/* A document as IAM returns it: percent-encoded JSON. */
void iam_write_document(struct buf *out, const char *name, const char *text);
int iam_read_document(struct control *c, const char *name, struct document *out);
/* Tags.member.N.Key/Value into out, replacing equal keys. */
int iam_read_tags(struct control *c, struct kvlist *out);
void iam_write_tags(struct buf *out, const struct kvlist *tags);

/* The inline policies of a user or role: shared by both kinds. */
struct iam_owner {
  const char *kind; /* "User" or "Role" */
  const char *name;
  struct named_document **policies;
};
int iam_put_policy(struct control *c, const char *operation, const struct iam_owner *o);
int iam_get_policy(struct control *c, const char *operation, const struct iam_owner *o);
int iam_delete_policy(struct control *c, const char *operation, const struct iam_owner *o);
int iam_list_policies(struct control *c, const char *operation, const struct iam_owner *o);

/* The user that UserName names (the caller himself without it); authorized. */
int iam_open_user(struct control *c, const char *action, struct user **out);
int iam_open_role(struct control *c, const char *action, struct role **out);

int iam_create_user(struct control *c); /* iam_users.c */
int iam_get_user(struct control *c);
int iam_delete_user(struct control *c);
int iam_list_users(struct control *c);
int iam_tag_user(struct control *c);
int iam_put_user_policy(struct control *c);
int iam_get_user_policy(struct control *c);
int iam_delete_user_policy(struct control *c);
int iam_list_user_policies(struct control *c);
int iam_list_attached_user_policies(struct control *c);
int iam_create_access_key(struct control *c); /* iam_keys.c */
int iam_update_access_key(struct control *c);
int iam_delete_access_key(struct control *c);
int iam_list_access_keys(struct control *c);
int iam_create_virtual_mfa_device(struct control *c); /* iam_mfa.c */
int iam_delete_virtual_mfa_device(struct control *c);
int iam_enable_mfa_device(struct control *c);
int iam_deactivate_mfa_device(struct control *c);
int iam_list_mfa_devices(struct control *c);
int iam_list_virtual_mfa_devices(struct control *c);
int iam_create_role(struct control *c); /* iam_roles.c */
int iam_get_role(struct control *c);
int iam_update_role(struct control *c);
int iam_update_assume_role_policy(struct control *c);
int iam_delete_role(struct control *c);
int iam_list_roles(struct control *c);
int iam_tag_role(struct control *c);
int iam_put_role_policy(struct control *c);
int iam_get_role_policy(struct control *c);
int iam_delete_role_policy(struct control *c);
int iam_list_role_policies(struct control *c);
int iam_list_attached_role_policies(struct control *c);

#endif
