/* IAM's query API: which operations there are (IAM API reference). Managed
 * policies, groups and instance profiles are not among them. */
#include <string.h>

#include "iam_internal.h"

const struct control_operation *iam_find(const char *action) {
  static const struct control_operation operations[] = {
      {"CreateUser", iam_create_user},
      {"GetUser", iam_get_user},
      {"DeleteUser", iam_delete_user},
      {"ListUsers", iam_list_users},
      {"TagUser", iam_tag_user},
      {"PutUserPolicy", iam_put_user_policy},
      {"GetUserPolicy", iam_get_user_policy},
      {"DeleteUserPolicy", iam_delete_user_policy},
      {"ListUserPolicies", iam_list_user_policies},
      {"ListAttachedUserPolicies", iam_list_attached_user_policies},
      {"CreateAccessKey", iam_create_access_key},
      {"UpdateAccessKey", iam_update_access_key},
      {"DeleteAccessKey", iam_delete_access_key},
      {"ListAccessKeys", iam_list_access_keys},
      {"CreateVirtualMFADevice", iam_create_virtual_mfa_device},
      {"DeleteVirtualMFADevice", iam_delete_virtual_mfa_device},
      {"EnableMFADevice", iam_enable_mfa_device},
      {"DeactivateMFADevice", iam_deactivate_mfa_device},
      {"ListMFADevices", iam_list_mfa_devices},
      {"ListVirtualMFADevices", iam_list_virtual_mfa_devices},
      {"CreateRole", iam_create_role},
      {"GetRole", iam_get_role},
      {"UpdateRole", iam_update_role},
      {"UpdateAssumeRolePolicy", iam_update_assume_role_policy},
      {"DeleteRole", iam_delete_role},
      {"ListRoles", iam_list_roles},
      {"TagRole", iam_tag_role},
      {"PutRolePolicy", iam_put_role_policy},
      {"GetRolePolicy", iam_get_role_policy},
      {"DeleteRolePolicy", iam_delete_role_policy},
      {"ListRolePolicies", iam_list_role_policies},
      {"ListAttachedRolePolicies", iam_list_attached_role_policies},
  };

  for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
    if (strcmp(operations[i].name, action) == 0)
      return &operations[i];
  }
  return NULL;
}
