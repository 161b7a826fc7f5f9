/* Access keys and MFA devices of IAM users. */
#include <string.h>

#include "iam_internal.h"

#define KEYS_MAX 2 /* IAM's quota for a user */

static size_t count_keys(const struct control *c, const struct user *u) {
  const struct credential *k;
  size_t n = 0;

  for (k = c->w->synced.credentials; k != NULL; k = k->hh.next)
    n += k->user == u && k->token == NULL;
  return n;
}

static void write_key(struct buf *out, const struct credential *k) {
  xml_element(out, "UserName", k->user->name);
  xml_element(out, "AccessKeyId", k->id);
  xml_element(out, "Status", k->active ? "Active" : "Inactive");
  control_time(out, "CreateDate", k->created);
}

int iam_create_access_key(struct control *c) {
  struct user *u = NULL;
  struct credential *k;
  struct buf *out;
  int rc = iam_open_user(c, "iam:CreateAccessKey", &u);

  if (rc != 0)
    return rc;
  if (count_keys(c, u) >= KEYS_MAX)
    return control_error(c, 409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: %d",
                         KEYS_MAX);
  if (world_add_key_locked(c->w, u->account, u, NULL, NULL, &k) != 0)
    return control_no_memory(c);
  c->changed = true;
  out = control_open(c, "CreateAccessKey");
  xml_open(out, "AccessKey");
  write_key(out, k);
  xml_element(out, "SecretAccessKey", k->secret);
  xml_close(out, "AccessKey");
  control_close(c, "CreateAccessKey");
  return 0;
}

static int open_key(struct control *c, const char *action, struct credential **out) {
  struct user *u = NULL;
  const char *id;
  int rc = iam_open_user(c, action, &u);

  if (rc == 0)
    rc = iam_need(c, "AccessKeyId", &id);
  if (rc != 0)
    return rc;
  *out = world_credential_locked(c->w, id);
  if (*out == NULL || (*out)->user != u || (*out)->token != NULL)
    return control_error(c, 404, "NoSuchEntity", "The Access Key with id %s cannot be found.", id);
  return 0;
}

int iam_update_access_key(struct control *c) {
  const char *status = iam_param(c, "Status");
  struct credential *k = NULL;
  int rc = open_key(c, "iam:UpdateAccessKey", &k);

  if (rc != 0)
    return rc;
  if (strcmp(status, "Active") != 0 && strcmp(status, "Inactive") != 0)
    return control_error(c, 400, "ValidationError", "Status must be Active or Inactive");
  k->active = strcmp(status, "Active") == 0;
  c->changed = true;
  return iam_done(c, "UpdateAccessKey");
}

int iam_delete_access_key(struct control *c) {
  struct credential *k = NULL;
  int rc = open_key(c, "iam:DeleteAccessKey", &k);

  if (rc != 0)
    return rc;
  world_remove_credential_locked(c->w, k);
  c->caller = NULL; /* it may have been this very key */
  c->changed = true;
  return iam_done(c, "DeleteAccessKey");
}

int iam_list_access_keys(struct control *c) {
  const struct credential *k;
  struct user *u = NULL;
  struct buf *out;
  int rc = iam_open_user(c, "iam:ListAccessKeys", &u);

  if (rc != 0)
    return rc;
  out = control_open(c, "ListAccessKeys");
  xml_open(out, "AccessKeyMetadata");
  for (k = c->w->synced.credentials; k != NULL; k = k->hh.next) {
    if (k->user != u || k->token != NULL)
      continue;
    xml_open(out, "member");
    write_key(out, k);
    xml_close(out, "member");
  }
  xml_close(out, "AccessKeyMetadata");
  xml_element_bool(out, "IsTruncated", false);
  control_close(c, "ListAccessKeys");
  return 0;
}
