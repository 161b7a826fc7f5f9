/* Locations of an Access Grants instance: the parts of S3 that it may grant,
 * each with the role whose sessions it hands out. */
#include "control_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void write_location(struct buf *out, const void *item) {
  const struct grants_location *l = item;

  control_time(out, "CreatedAt", l->created);
  xml_element(out, "AccessGrantsLocationId", l->id);
  xml_element(out, "AccessGrantsLocationArn", l->arn);
  xml_element(out, "LocationScope", l->scope);
  xml_element(out, "IAMRoleArn", l->role_arn);
}

static int check_role(struct control *c, const struct grants_instance *g, const char *role_arn) {
  const struct role *r = world_role_by_arn_locked(c->w, role_arn);

  if (r == NULL || r->account != g->account)
    return control_error(c, 400, "InvalidIamRole", "The specified IAM Role is invalid: %s",
                         role_arn);
  return 0;
}

int s3control_create_location(struct control *c) {
  const char *scope = xml_child_text(c->body, "LocationScope");
  const char *role_arn = xml_child_text(c->body, "IAMRoleArn");
  struct grants_instance *g;
  struct grants_location *l;
  int rc = s3control_instance(c, "s3:CreateAccessGrantsLocation", &g);

  if (rc == 0)
    rc = check_role(c, g, role_arn);
  if (rc != 0)
    return rc;
  rc = grants_location_add(g, NULL, scope, role_arn, &l);
  if (rc == -EINVAL)
    return control_error(c, 400, "InvalidAccessGrantsLocation",
                         "The specified Access Grants Location is invalid: %s", scope);
  if (rc == -EEXIST)
    return control_error(c, 409, "AccessGrantsLocationAlreadyExistsError",
                         "Access Grants Location already exists");
  if (rc != 0)
    return control_no_memory(c);
  l->created = world_now(c->w);
  rc = s3control_read_tags(c, xml_child(c->body, "Tags"), &l->tags);
  if (rc != 0)
    return rc;
  c->changed = true;
  write_location(control_open(c, "CreateAccessGrantsLocationResult"), l);
  control_close(c, "CreateAccessGrantsLocationResult");
  return 0;
}

static int find(struct control *c, const char *action, struct grants_instance **g,
                struct grants_location **out) {
  int rc = s3control_instance(c, action, g);

  if (rc != 0)
    return rc;
  *out = grants_location_find(*g, c->id);
  if (*out == NULL)
    return control_error(c, 404, "NoSuchAccessGrantsLocationError",
                         "The specified Access Grants Location does not exist");
  return 0;
}

int s3control_get_location(struct control *c) {
  struct grants_instance *g;
  struct grants_location *l;
  int rc = find(c, "s3:GetAccessGrantsLocation", &g, &l);

  if (rc != 0)
    return rc;
  write_location(control_open(c, "GetAccessGrantsLocationResult"), l);
  control_close(c, "GetAccessGrantsLocationResult");
  return 0;
}

int s3control_update_location(struct control *c) {
  const char *role_arn = xml_child_text(c->body, "IAMRoleArn");
  struct grants_instance *g;
  struct grants_location *l;
  char *copy;
  int rc = find(c, "s3:UpdateAccessGrantsLocation", &g, &l);

  if (rc == 0)
    rc = check_role(c, g, role_arn);
  if (rc != 0)
    return rc;
  copy = strdup(role_arn);
  if (copy == NULL)
    return control_no_memory(c);
  free(l->role_arn);
  l->role_arn = copy;
  c->changed = true;
  write_location(control_open(c, "UpdateAccessGrantsLocationResult"), l);
  control_close(c, "UpdateAccessGrantsLocationResult");
  return 0;
}

int s3control_delete_location(struct control *c) {
  const struct grant *grant;
  struct grants_instance *g;
  struct grants_location *l;
  int rc = find(c, "s3:DeleteAccessGrantsLocation", &g, &l);

  if (rc != 0)
    return rc;
  DL_FOREACH (g->grants, grant) {
    if (grant->location == l)
      return control_error(c, 400, "AccessGrantsLocationNotEmptyError",
                           "Access Grants Location Not Empty. Please clean up all the access "
                           "grants before deleting the location");
  }
  grants_location_remove(g, l);
  c->changed = true;
  return control_empty(c, 204);
}

static bool listed(const struct control *c, const struct grants_location *l) {
  const char *scope = kvlist_get(c->q->query, "locationscope");

  return scope == NULL || *scope == '\0' || strcmp(l->scope, scope) == 0;
}

static const void *next_listed(const struct control *c, const void *of, const void *after) {
  const struct grants_instance *g = of;
  const struct grants_location *l = after;

  l = l != NULL ? l->next : g->locations;
  while (l != NULL && !listed(c, l))
    l = l->next;
  return l;
}

int s3control_list_locations(struct control *c) {
  static const struct control_list list = {"ListAccessGrantsLocationsResult",
                                           "AccessGrantsLocationsList", "AccessGrantsLocation",
                                           next_listed, write_location};
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:ListAccessGrantsLocations", &g);

  return rc == 0 ? control_write_list(c, &list, g) : rc;
}
