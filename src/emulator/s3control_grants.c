/* Grants: administration, and the caller's own list. */
#include "control_internal.h"

#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"

static void write_grant(struct buf *out, const void *item) {
  const struct grant *g = item;

  control_time(out, "CreatedAt", g->created);
  xml_element(out, "AccessGrantId", g->id);
  xml_element(out, "AccessGrantArn", g->arn);
  xml_open(out, "Grantee");
  xml_element(out, "GranteeType", g->grantee_type);
  xml_element(out, "GranteeIdentifier", g->grantee);
  xml_close(out, "Grantee");
  xml_element(out, "Permission", scope_permission_name(g->permission));
  xml_element(out, "AccessGrantsLocationId", g->location->id);
  if (*g->sub_prefix != '\0') {
    xml_open(out, "AccessGrantsLocationConfiguration");
    xml_element(out, "S3SubPrefix", g->sub_prefix);
    xml_close(out, "AccessGrantsLocationConfiguration");
  }
  xml_element(out, "GrantScope", g->scope_text);
  if (g->application_arn != NULL)
    xml_element(out, "ApplicationArn", g->application_arn);
}

/* --- create --- */

static bool known_grantee_type(const char *s) {
  return strcmp(s, "IAM") == 0 || strcmp(s, "DIRECTORY_USER") == 0 ||
         strcmp(s, "DIRECTORY_GROUP") == 0;
}

static int read_wish(struct control *c, struct grants_instance *g, struct grant_wish *wish) {
  const struct xml_node *grantee = xml_child(c->body, "Grantee");
  const char *prefix_type = xml_child_text(c->body, "S3PrefixType");
  const char *application = xml_child_text(c->body, "ApplicationArn");

  wish->location = grants_location_find(g, xml_child_text(c->body, "AccessGrantsLocationId"));
  if (wish->location == NULL)
    return control_error(c, 404, "NoSuchAccessGrantsLocationError",
                         "The specified Access Grants Location does not exist");
  wish->sub_prefix =
      xml_child_text(xml_child(c->body, "AccessGrantsLocationConfiguration"), "S3SubPrefix");
  wish->grantee_type = xml_child_text(grantee, "GranteeType");
  wish->grantee = xml_child_text(grantee, "GranteeIdentifier");
  wish->application_arn = *application != '\0' ? application : NULL;
  wish->object = strcmp(prefix_type, "Object") == 0;
  if (*prefix_type != '\0' && !wish->object)
    return control_error(c, 400, "InvalidRequest", "S3PrefixType must be Object.");
  if (scope_permission_parse(xml_child_text(c->body, "Permission"), &wish->permission) != 0)
    return control_error(c, 400, "InvalidRequest", "Permission must be READ, WRITE or READWRITE.");
  if (!known_grantee_type(wish->grantee_type) || *wish->grantee == '\0')
    return control_error(c, 400, "InvalidAccessGrant", "The specified Grantee is invalid");
  if (strcmp(wish->grantee_type, "IAM") == 0 && !text_has_prefix(wish->grantee, "arn:"))
    return control_error(c, 400, "InvalidAccessGrant",
                         "The specified Grantee is invalid: an IAM principal's ARN is expected");
  if (strcmp(wish->grantee_type, "IAM") != 0 && g->identity_center == NULL)
    return control_error(c, 400, "InvalidAccessGrant",
                         "The Access Grants instance is not associated with an Identity Center "
                         "instance");
  /* A sub-prefix below the default location names the bucket. */
  if (strcmp(wish->location->scope, "s3://") == 0 && *wish->sub_prefix == '\0')
    return control_error(c, 400, "InvalidAccessGrant",
                         "S3SubPrefix is required for the default location");
  return 0;
}

int s3control_create_grant(struct control *c) {
  struct grant_wish wish = {0};
  struct grants_instance *g;
  struct grant *grant;
  int rc = s3control_instance(c, "s3:CreateAccessGrant", &g);

  if (rc == 0)
    rc = read_wish(c, g, &wish);
  if (rc != 0)
    return rc;
  rc = grants_grant_add(g, &wish, &grant);
  if (rc == -EINVAL)
    return control_error(c, 400, "InvalidAccessGrant",
                         wish.object ? "The grant scope of an object must not end in *"
                                     : "The grant scope must end in * or name an object "
                                       "(S3PrefixType=Object)");
  if (rc == -EEXIST)
    return control_error(c, 409, "AccessGrantAlreadyExists", "Access Grant already exists");
  if (rc != 0)
    return control_no_memory(c);
  grant->created = world_now(c->w);
  rc = s3control_read_tags(c, xml_child(c->body, "Tags"), &grant->tags);
  if (rc != 0)
    return rc;
  c->changed = true;
  write_grant(control_open(c, "CreateAccessGrantResult"), grant);
  control_close(c, "CreateAccessGrantResult");
  return 0;
}

/* --- describe, delete --- */

static int find(struct control *c, const char *action, struct grants_instance **g,
                struct grant **out) {
  int rc = s3control_instance(c, action, g);

  if (rc != 0)
    return rc;
  *out = grants_grant_find(*g, c->id);
  if (*out == NULL)
    return control_error(c, 404, "NoSuchAccessGrantError",
                         "The specified Access Grant does not exist");
  return 0;
}

int s3control_get_grant(struct control *c) {
  struct grants_instance *g;
  struct grant *grant;
  int rc = find(c, "s3:GetAccessGrant", &g, &grant);

  if (rc != 0)
    return rc;
  write_grant(control_open(c, "GetAccessGrantResult"), grant);
  control_close(c, "GetAccessGrantResult");
  return 0;
}

int s3control_delete_grant(struct control *c) {
  struct grants_instance *g;
  struct grant *grant;
  int rc = find(c, "s3:DeleteAccessGrant", &g, &grant);

  if (rc != 0)
    return rc;
  grants_grant_remove(g, grant);
  c->changed = true;
  return control_empty(c, 204);
}

/* --- lists --- */

static bool equal_or_any(const struct control *c, const char *parameter, const char *value) {
  const char *wanted = kvlist_get(c->q->query, parameter);

  return wanted == NULL || *wanted == '\0' || (value != NULL && strcmp(wanted, value) == 0);
}

static bool listed(const struct control *c, const struct grant *g) {
  return equal_or_any(c, "granteetype", g->grantee_type) &&
         equal_or_any(c, "granteeidentifier", g->grantee) &&
         equal_or_any(c, "permission", scope_permission_name(g->permission)) &&
         equal_or_any(c, "grantscope", g->scope_text) &&
         equal_or_any(c, "application_arn", g->application_arn);
}

/* What the caller may ask for: his grants, of those the ones that begin with
 * the wanted scope or cover it. allowedByApplication leaves out the grants that
 * are bound to one application: IAM callers have none. */
static bool listed_for_caller(const struct control *c, const struct grant *g) {
  const char *scope = kvlist_get(c->q->query, "grantscope");
  const char *by_application = kvlist_get(c->q->query, "allowedByApplication");
  size_t wanted;
  size_t own = strlen(g->scope_text);

  if (!grant_is_for(c->w, g, c->caller))
    return false;
  if (by_application != NULL && strcasecmp(by_application, "true") == 0 &&
      g->application_arn != NULL && strcmp(g->application_arn, "ALL") != 0)
    return false;
  if (scope == NULL)
    return true;
  wanted = strlen(scope);
  while (wanted > 0 && scope[wanted - 1] == '*')
    wanted--;
  while (own > 0 && g->scope_text[own - 1] == '*')
    own--;
  return strncmp(g->scope_text, scope, wanted < own ? wanted : own) == 0 &&
         (wanted <= own || g->scope.is_prefix);
}

static void write_caller_grant(struct buf *out, const void *item) {
  const struct grant *g = item;

  xml_element(out, "Permission", scope_permission_name(g->permission));
  xml_element(out, "GrantScope", g->scope_text);
  if (g->application_arn != NULL)
    xml_element(out, "ApplicationArn", g->application_arn);
}

typedef bool (*grant_filter)(const struct control *c, const struct grant *g);

static const void *next_of(const struct control *c, const struct grants_instance *g,
                           const struct grant *after, grant_filter filter) {
  const struct grant *grant = after != NULL ? after->next : g->grants;

  while (grant != NULL && !filter(c, grant))
    grant = grant->next;
  return grant;
}

static const void *next_listed(const struct control *c, const void *of, const void *after) {
  return next_of(c, of, after, listed);
}

static const void *next_for_caller(const struct control *c, const void *of, const void *after) {
  return next_of(c, of, after, listed_for_caller);
}

int s3control_list_grants(struct control *c) {
  static const struct control_list list = {"ListAccessGrantsResult", "AccessGrantsList",
                                           "AccessGrant", next_listed, write_grant};
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:ListAccessGrants", &g);

  return rc == 0 ? control_write_list(c, &list, g) : rc;
}

int s3control_list_caller_grants(struct control *c) {
  static const struct control_list list = {"ListCallerAccessGrantsResult", "CallerAccessGrantsList",
                                           "AccessGrant", next_for_caller, write_caller_grant};
  const char *scope = kvlist_get(c->q->query, "grantscope");
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:ListCallerAccessGrants", &g);

  if (rc == 0 && scope != NULL && !text_has_prefix(scope, "s3://"))
    return control_error(c, 400, "InvalidRequest", "grantscope must start with s3://");
  return rc == 0 ? control_write_list(c, &list, g) : rc;
}
