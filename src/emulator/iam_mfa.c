/* Virtual MFA devices (IAM API reference): made for the account, enabled for a user by
 * two codes in a row, deactivated, deleted. Pictures of their seeds are not made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iam_internal.h"
#include "s3apfs/base/text.h"

#define DEVICE_NAME_MAX 226
#define SEED_CHARS 64

/* The device, and the user who has it (NULL: nobody); NULL: there is none. */
static struct mfa_device *find_device(struct control *c, const char *serial, struct user **user) {
  struct account *a = c->caller->account;
  struct mfa_device *d = mfa_device_find(a->mfa, serial);
  struct user *u;

  *user = NULL;
  if (d != NULL)
    return d;
  DL_FOREACH (a->users, u) {
    d = mfa_device_find(u->mfa, serial);
    if (d == NULL)
      continue;
    *user = u;
    return d;
  }
  return NULL;
}

static int no_such_device(struct control *c, const char *serial) {
  return control_error(c, 404, "NoSuchEntity",
                       "VirtualMFADevice with serial number %s does not exist.", serial);
}

/* --- making and deleting --- */

static void write_seed(struct buf *out, const char *seed) {
  struct buf coded;

  buf_init(&coded, 0);
  text_base64(&coded, seed, strlen(seed));
  xml_element(out, "Base32StringSeed", buf_cstr(&coded));
  buf_fini(&coded);
}

static int make_device(struct control *c, const char *serial) {
  struct mfa_device **list = &c->caller->account->mfa;
  struct user *user;
  struct buf *out;
  char *seed;
  int rc;

  if (find_device(c, serial, &user) != NULL)
    return control_error(c, 409, "EntityAlreadyExists",
                         "MFADevice entity at the same path and name already exists.");
  seed = world_make_id("", SEED_CHARS);
  rc = seed != NULL ? mfa_device_add(list, serial, seed) : -ENOMEM;
  if (rc == 0) {
    c->changed = true;
    out = control_open(c, "CreateVirtualMFADevice");
    xml_open(out, "VirtualMFADevice");
    xml_element(out, "SerialNumber", serial);
    write_seed(out, seed);
    xml_close(out, "VirtualMFADevice");
    control_close(c, "CreateVirtualMFADevice");
  }
  if (seed != NULL)
    explicit_bzero(seed, strlen(seed));
  free(seed);
  return rc == 0 ? 0 : control_no_memory(c);
}

int iam_create_virtual_mfa_device(struct control *c) {
  const char *name;
  const char *path;
  char *serial;
  int rc = iam_need_name(c, "VirtualMFADeviceName", DEVICE_NAME_MAX, &name);

  if (rc == 0)
    rc = iam_read_path(c, &path);
  if (rc == 0)
    rc = iam_authorize(c, "iam:CreateVirtualMFADevice", "mfa", path, name);
  if (rc != 0)
    return rc;
  serial = text_printf("arn:aws:iam::%s:mfa%s%s", c->caller->account->id, path, name);
  if (serial == NULL)
    return control_no_memory(c);
  rc = make_device(c, serial);
  free(serial);
  return rc;
}

/* What stands behind "mfa" in a device's ARN; a hardware device has none. */
static const char *device_name(const char *serial) {
  const char *name = strstr(serial, ":mfa/");

  return name != NULL ? name + strlen(":mfa/") : serial;
}

int iam_delete_virtual_mfa_device(struct control *c) {
  struct mfa_device *d;
  const char *serial;
  struct user *user;
  int rc = iam_need(c, "SerialNumber", &serial);

  if (rc == 0)
    rc = iam_authorize(c, "iam:DeleteVirtualMFADevice", "mfa", "/", device_name(serial));
  if (rc != 0)
    return rc;
  d = find_device(c, serial, &user);
  if (d == NULL)
    return no_such_device(c, serial);
  if (user != NULL)
    return control_error(c, 409, "DeleteConflict",
                         "MFA VirtualDevice in use. Must deactivate first.");
  DL_DELETE(c->caller->account->mfa, d);
  mfa_device_free(d);
  c->changed = true;
  return iam_done(c, "DeleteVirtualMFADevice");
}

/* --- whose they are --- */

/* Two codes in a row: the second is of the step behind the first one's. */
static int check_codes(struct control *c, struct mfa_device *d) {
  int64_t now = world_now(c->w);
  int64_t before = d->last_step;
  int64_t first;

  if (mfa_device_check(d, iam_param(c, "AuthenticationCode1"), now) == 0) {
    first = d->last_step;
    if (mfa_device_check(d, iam_param(c, "AuthenticationCode2"), now) == 0 &&
        d->last_step == first + 1)
      return 0;
  }
  d->last_step = before;
  return control_error(c, 403, "InvalidAuthenticationCode",
                       "Authentication code for device is not valid.");
}

int iam_enable_mfa_device(struct control *c) {
  struct user *u = NULL;
  struct user *holder;
  struct mfa_device *d;
  const char *serial;
  int rc = iam_need(c, "SerialNumber", &serial);

  if (rc == 0)
    rc = iam_open_user(c, "iam:EnableMFADevice", &u);
  if (rc != 0)
    return rc;
  d = find_device(c, serial, &holder);
  if (d == NULL)
    return no_such_device(c, serial);
  if (holder != NULL)
    return control_error(c, 409, "EntityAlreadyExists", "MFA Device is already in use.");
  rc = check_codes(c, d);
  if (rc != 0)
    return rc;
  DL_DELETE(c->caller->account->mfa, d);
  DL_APPEND(u->mfa, d);
  c->changed = true;
  return iam_done(c, "EnableMFADevice");
}

int iam_deactivate_mfa_device(struct control *c) {
  struct user *u = NULL;
  struct mfa_device *d;
  const char *serial;
  int rc = iam_need(c, "SerialNumber", &serial);

  if (rc == 0)
    rc = iam_open_user(c, "iam:DeactivateMFADevice", &u);
  if (rc != 0)
    return rc;
  d = mfa_device_find(u->mfa, serial);
  if (d == NULL)
    return control_error(c, 404, "NoSuchEntity", "MFA Device invalid for user.");
  DL_DELETE(u->mfa, d);
  DL_APPEND(c->caller->account->mfa, d);
  c->changed = true;
  return iam_done(c, "DeactivateMFADevice");
}

/* --- lists --- */

int iam_list_mfa_devices(struct control *c) {
  const struct mfa_device *d;
  struct user *u = NULL;
  struct buf *out;
  int rc = iam_open_user(c, "iam:ListMFADevices", &u);

  if (rc != 0)
    return rc;
  out = control_open(c, "ListMFADevices");
  xml_open(out, "MFADevices");
  DL_FOREACH (u->mfa, d) {
    xml_open(out, "member");
    xml_element(out, "UserName", u->name);
    xml_element(out, "SerialNumber", d->serial);
    control_time(out, "EnableDate", u->created);
    xml_close(out, "member");
  }
  xml_close(out, "MFADevices");
  xml_element_bool(out, "IsTruncated", false);
  control_close(c, "ListMFADevices");
  return 0;
}

static void write_virtual(struct buf *out, const struct mfa_device *list, const struct user *u) {
  const struct mfa_device *d;

  DL_FOREACH (list, d) {
    xml_open(out, "member");
    xml_element(out, "SerialNumber", d->serial);
    if (u != NULL) {
      xml_open(out, "User");
      xml_element(out, "Path", u->path);
      xml_element(out, "UserName", u->name);
      xml_element(out, "UserId", u->id);
      xml_element(out, "Arn", u->arn);
      control_time(out, "CreateDate", u->created);
      xml_close(out, "User");
      control_time(out, "EnableDate", u->created);
    }
    xml_close(out, "member");
  }
}

int iam_list_virtual_mfa_devices(struct control *c) {
  const char *status = iam_param(c, "AssignmentStatus");
  const struct user *u;
  struct buf *out;
  int rc = iam_authorize(c, "iam:ListVirtualMFADevices", "mfa", "/", "");

  if (rc != 0)
    return rc;
  out = control_open(c, "ListVirtualMFADevices");
  xml_open(out, "VirtualMFADevices");
  if (strcmp(status, "Assigned") != 0)
    write_virtual(out, c->caller->account->mfa, NULL);
  DL_FOREACH (c->caller->account->users, u) {
    if (strcmp(status, "Unassigned") != 0)
      write_virtual(out, u->mfa, u);
  }
  xml_close(out, "VirtualMFADevices");
  xml_element_bool(out, "IsTruncated", false);
  control_close(c, "ListVirtualMFADevices");
  return 0;
}
