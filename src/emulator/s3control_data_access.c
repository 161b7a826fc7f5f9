/* GetDataAccess: finds the grant, assumes the location's role on the caller's
 * behalf and narrows the session to scope and permission (S3 user guide,
 * "Request access to Amazon S3 data through S3 Access Grants").
 *
 * A session policy does the narrowing, so that the vended keys go through the
 * same evaluation as any others and the role's own policy still limits them. */
#include "control_internal.h"
#include "vending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "s3apfs/base/text.h"

#define DURATION_DEFAULT 3600
#define DURATION_MIN 900
#define DURATION_MAX 43200
#define SERVICE_PRINCIPAL "access-grants.s3.amazonaws.com"

struct wanted {
  const char *target;
  struct scope scope;
  enum scope_permission permission;
  int64_t duration;
  bool minimal;
};

static int bad_request(struct control *c, const char *message) {
  return control_error(c, 400, "InvalidRequest", "%s", message);
}

static int read_duration(struct control *c, int64_t *out) {
  const char *s = kvlist_get(c->q->query, "durationSeconds");
  uint64_t v = DURATION_DEFAULT;

  if (s != NULL && (text_parse_u64(s, &v) != 0 || v < DURATION_MIN || v > DURATION_MAX))
    return bad_request(c, "durationSeconds must be from 900 to 43200.");
  *out = (int64_t)v;
  return 0;
}

static int read_wanted(struct control *c, struct wanted *out) {
  const char *permission = kvlist_get(c->q->query, "permission");
  const char *privilege = kvlist_get(c->q->query, "privilege");
  const char *type = kvlist_get(c->q->query, "targetType");

  out->target = kvlist_get(c->q->query, "target");
  if (permission == NULL || scope_permission_parse(permission, &out->permission) != 0)
    return bad_request(c, "permission must be READ, WRITE or READWRITE.");
  if (privilege != NULL && strcmp(privilege, "Default") != 0 && strcmp(privilege, "Minimal") != 0)
    return bad_request(c, "privilege must be Default or Minimal.");
  if (type != NULL && strcmp(type, "Object") != 0)
    return bad_request(c, "targetType must be Object.");
  out->minimal = privilege != NULL && strcmp(privilege, "Minimal") == 0;
  if (read_duration(c, &out->duration) != 0)
    return -EPROTO;
  if (out->target == NULL || strlen(out->target) > 2000 ||
      scope_parse(out->target, &out->scope) != 0)
    return bad_request(c, "target must be of the form s3://bucket/prefix*.");
  if (type != NULL && out->scope.is_prefix) {
    scope_fini(&out->scope);
    return bad_request(c, "A target of type Object must not end in *.");
  }
  return 0;
}

/* --- the location's role --- */

static int refuse_role(struct control *c, const char *role_arn) {
  return control_error(
      c, 403, "StsNotAuthorizedError",
      SERVICE_PRINCIPAL " is not authorized to perform: sts:AssumeRole on resource: %s", role_arn);
}

static int open_role(struct control *c, const struct grants_instance *g, const struct grant *grant,
                     int64_t duration, struct role **out) {
  struct role *r = world_role_by_arn_locked(c->w, grant->location->role_arn);
  struct context context;
  bool trusted;

  if (r == NULL)
    return refuse_role(c, grant->location->role_arn);
  context_init(&context);
  context_add(&context, "aws:SourceAccount", g->account->id);
  context_add(&context, "aws:SourceArn", g->arn);
  context_add_bool(&context, "aws:PrincipalIsAWSService", true);
  trusted = access_service_may(r, SERVICE_PRINCIPAL, "sts:AssumeRole", &context);
  context_fini(&context);
  if (!trusted)
    return refuse_role(c, r->arn);
  if (duration > r->max_session)
    return control_error(c, 400, "StsValidationError",
                         "The requested DurationSeconds exceeds the MaxSessionDuration set for "
                         "this role.");
  *out = r;
  return 0;
}

/* --- the session --- */

static int narrow(struct credential *session, const struct scope *scope,
                  enum scope_permission permission) {
  struct buf text;
  struct buf why;
  int rc;

  buf_init(&text, 0);
  buf_init(&why, 0);
  vending_session_policy(scope, permission, &text);
  rc = buf_error(&text);
  if (rc == 0)
    rc = document_set(&session->session_policy, buf_cstr(&text), text.len, &why);
  buf_fini(&text);
  buf_fini(&why);
  return rc;
}

static int vend(struct control *c, const struct grants_instance *g, struct role *r,
                const struct scope *scope, const struct wanted *wanted, struct credential **out) {
  struct session_wish wish = {.account = r->account, .role = r, .duration = wanted->duration};
  char *uuid = world_make_uuid();
  char *name = uuid != NULL ? text_printf("access-grants-%s", uuid) : NULL;
  struct credential *session = NULL;
  int rc = name == NULL ? -ENOMEM : 0;

  wish.name = name;
  if (rc == 0)
    rc = world_add_session_locked(c->w, &wish, &session);
  if (rc == 0)
    rc = narrow(session, scope, wanted->permission);
  if (rc == 0 && (session->grants_instance = strdup(g->arn)) == NULL)
    rc = -ENOMEM;
  if (rc != 0 && session != NULL)
    world_remove_credential_locked(c->w, session);
  free(name);
  free(uuid);
  if (rc != 0)
    return control_no_memory(c);
  world_touch_locked(c->w);
  *out = session;
  return 0;
}

static void write_access(struct control *c, const struct credential *session,
                         const struct grant *grant, const char *matched) {
  struct buf *out = control_open(c, "GetDataAccessResult");

  control_write_credentials(out, session);
  xml_element(out, "MatchedGrantTarget", matched);
  xml_open(out, "Grantee");
  xml_element(out, "GranteeType", grant->grantee_type);
  xml_element(out, "GranteeIdentifier", grant->grantee);
  xml_close(out, "Grantee");
  control_close(c, "GetDataAccessResult");
}

static int grant_access(struct control *c, struct grants_instance *g, const struct wanted *wanted) {
  struct grant *grant = grants_match(c->w, g, c->caller, &wanted->scope, wanted->permission);
  struct credential *session = NULL;
  struct role *r = NULL;
  int rc;

  if (grant == NULL)
    return control_error(c, 403, "AccessDenied",
                         "You do not have %s permissions to the requested S3 Prefix: %s",
                         scope_permission_name(wanted->permission), wanted->target);
  rc = open_role(c, g, grant, wanted->duration, &r);
  if (rc == 0)
    rc = vend(c, g, r, wanted->minimal ? &wanted->scope : &grant->scope, wanted, &session);
  if (rc != 0)
    return rc;
  write_access(c, session, grant, wanted->minimal ? wanted->target : grant->scope_text);
  return 0;
}

int s3control_get_data_access(struct control *c) {
  struct wanted wanted = {0};
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:GetDataAccess", &g);

  if (rc == 0)
    rc = read_wanted(c, &wanted);
  if (rc == 0) {
    rc = grant_access(c, g, &wanted);
    scope_fini(&wanted.scope);
  }
  return rc;
}
