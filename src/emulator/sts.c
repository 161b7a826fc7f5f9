/* STS: the operations that need no role, and what all share (STS API reference). */
#include "sts_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

const char *sts_param(const struct control *c, const char *name) {
  const char *v = kvlist_get(c->params, name);

  return v != NULL ? v : "";
}

int sts_read_duration(struct control *c, int64_t min, int64_t max, int64_t fallback, int64_t *out) {
  const char *s = sts_param(c, "DurationSeconds");
  uint64_t v;

  if (*s == '\0') {
    *out = fallback;
    return 0;
  }
  if (text_parse_u64(s, &v) != 0 || (int64_t)v < min || (int64_t)v > max)
    return control_error(c, 400, "ValidationError",
                         "1 validation error detected: Value '%s' at 'durationSeconds' failed to "
                         "satisfy constraint: Member must have value from %lld to %lld",
                         s, (long long)min, (long long)max);
  *out = (int64_t)v;
  return 0;
}

int sts_check_mfa(struct control *c, bool *used) {
  const char *serial = sts_param(c, "SerialNumber");
  const char *code = sts_param(c, "TokenCode");
  struct mfa_device *d;

  *used = false;
  if (*serial == '\0' && *code == '\0')
    return 0;
  if (*serial == '\0' || *code == '\0')
    return control_error(c, 403, "AccessDenied",
                         "MultiFactorAuthentication failed, must provide both MFA serial number "
                         "and one time pass code.");
  d = c->caller->user != NULL ? mfa_device_find(c->caller->user->mfa, serial) : NULL;
  if (d == NULL)
    return control_error(c, 403, "AccessDenied",
                         "MultiFactorAuthentication failed, unable to validate MFA code.  Please "
                         "verify your MFA serial number is valid and associated with this user.");
  if (mfa_device_check(d, code, world_now(c->w)) != 0)
    return control_error(c, 403, "AccessDenied",
                         "MultiFactorAuthentication failed with invalid MFA one time pass code. ");
  *used = true;
  return 0;
}

static int need_caller(struct control *c) {
  if (c->caller != NULL)
    return 0;
  return control_error(c, 403, "MissingAuthenticationToken",
                       "Request is missing Authentication Token");
}

void sts_write_assumed_role(struct buf *out, const struct credential *session) {
  struct buf text;

  buf_init(&text, 0);
  credential_user_id(session, &text);
  xml_open(out, "AssumedRoleUser");
  xml_element(out, "AssumedRoleId", buf_cstr(&text));
  buf_reset(&text);
  credential_arn(session, &text);
  xml_element(out, "Arn", buf_cstr(&text));
  xml_close(out, "AssumedRoleUser");
  buf_fini(&text);
}

int sts_get_caller_identity(struct control *c) {
  struct buf arn;
  struct buf id;
  struct buf *out;

  if (need_caller(c) != 0)
    return -EPROTO;
  buf_init(&arn, 0);
  buf_init(&id, 0);
  credential_arn(c->caller, &arn);
  credential_user_id(c->caller, &id);
  out = control_open(c, "GetCallerIdentity");
  xml_element(out, "Arn", buf_cstr(&arn));
  xml_element(out, "UserId", buf_cstr(&id));
  xml_element(out, "Account", c->caller->account->id);
  control_close(c, "GetCallerIdentity");
  buf_fini(&arn);
  buf_fini(&id);
  return 0;
}

int sts_get_access_key_info(struct control *c) {
  const struct credential *key;

  if (need_caller(c) != 0)
    return -EPROTO;
  key = world_credential_locked(c->w, sts_param(c, "AccessKeyId"));
  if (key == NULL)
    return control_error(c, 400, "ValidationError", "The access key id is not known.");
  xml_element(control_open(c, "GetAccessKeyInfo"), "Account", key->account->id);
  control_close(c, "GetAccessKeyInfo");
  return 0;
}

/* A user's own rights as a session, mostly to add MFA to them. */
int sts_get_session_token(struct control *c) {
  struct session_wish wish = {0};
  struct credential *session;
  bool mfa = false;
  int rc = need_caller(c);

  if (rc != 0)
    return rc;
  if (c->caller->token != NULL)
    return control_error(c, 403, "AccessDenied",
                         "Cannot call GetSessionToken with session credentials");
  rc = sts_read_duration(c, 900, 129600, 43200, &wish.duration);
  if (rc == 0)
    rc = sts_check_mfa(c, &mfa);
  if (rc != 0)
    return rc;
  wish.account = c->caller->account;
  wish.user = c->caller->user;
  if (world_add_session_locked(c->w, &wish, &session) != 0)
    return control_no_memory(c);
  session->mfa = mfa;
  session->mfa_time = mfa ? world_now(c->w) : 0;
  world_touch_locked(c->w);
  control_write_credentials(control_open(c, "GetSessionToken"), session);
  control_close(c, "GetSessionToken");
  return 0;
}

const struct control_operation *sts_find(const char *action) {
  static const struct control_operation operations[] = {
      {"GetCallerIdentity", sts_get_caller_identity},
      {"AssumeRole", sts_assume_role},
      {"AssumeRoleWithWebIdentity", sts_assume_role_with_web_identity},
      {"GetSessionToken", sts_get_session_token},
      {"GetAccessKeyInfo", sts_get_access_key_info},
  };

  for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
    if (strcmp(operations[i].name, action) == 0)
      return &operations[i];
  }
  return NULL;
}
