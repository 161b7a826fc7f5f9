/* The Access Grants instance of an account and region: create, describe,
 * delete, list, its resource policy, and which instance serves a prefix. */
#include "control_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"

static void write_instance(struct buf *out, const void *item) {
  const struct grants_instance *g = item;

  xml_element(out, "AccessGrantsInstanceId", "default");
  xml_element(out, "AccessGrantsInstanceArn", g->arn);
  control_time(out, "CreatedAt", g->created);
  if (g->identity_center != NULL)
    xml_element(out, "IdentityCenterInstanceArn", g->identity_center);
}

/* Nothing that names no directory of this world is associated. */
static int check_directory(struct control *c, const char *arn) {
  const char *known = c->w->synced.sso.instance;

  if (known != NULL && strcmp(known, arn) == 0)
    return 0;
  return control_error(c, 400, "InvalidIdentityCenterInstance",
                       "The specified Identity Center instance is not valid");
}

static int set_directory(struct control *c, struct grants_instance *g, const char *arn) {
  char *copy = strdup(arn);

  if (copy == NULL)
    return control_no_memory(c);
  free(g->identity_center);
  g->identity_center = copy;
  return 0;
}

static bool has_directory_grants(const struct grants_instance *g) {
  const struct grant *grant;

  DL_FOREACH (g->grants, grant) {
    if (strcmp(grant->grantee_type, "IAM") != 0)
      return true;
  }
  return false;
}

int s3control_associate_directory(struct control *c) {
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:AssociateAccessGrantsIdentityCenter", &g);

  if (rc == 0)
    rc = check_directory(c, xml_child_text(c->body, "IdentityCenterArn"));
  if (rc == 0)
    rc = set_directory(c, g, xml_child_text(c->body, "IdentityCenterArn"));
  if (rc != 0)
    return rc;
  c->changed = true;
  return control_empty(c, 200);
}

/* Grants to its users and groups have to go first. */
int s3control_dissociate_directory(struct control *c) {
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:DissociateAccessGrantsIdentityCenter", &g);

  if (rc != 0)
    return rc;
  if (has_directory_grants(g))
    return control_error(c, 400, "InvalidRequest",
                         "There are access grants for users or groups of the directory");
  free(g->identity_center);
  g->identity_center = NULL;
  c->changed = true;
  return control_empty(c, 204);
}

int s3control_create_instance(struct control *c) {
  const char *identity_center = xml_child_text(c->body, "IdentityCenterArn");
  struct grants_instance *g;
  struct account *a;
  int rc = s3control_account_for_resource(c, "s3:CreateAccessGrantsInstance", "access-grants",
                                          "default", &a);

  if (rc == 0 && *identity_center != '\0')
    rc = check_directory(c, identity_center);
  if (rc != 0)
    return rc;
  rc = world_add_grants_locked(c->w, a, c->q->region, &g);
  if (rc == -EEXIST)
    return control_error(c, 409, "AccessGrantsInstanceAlreadyExists",
                         "Access Grants Instance already exists");
  if (rc != 0)
    return control_no_memory(c);
  if (*identity_center != '\0')
    rc = set_directory(c, g, identity_center);
  if (rc == 0)
    rc = s3control_read_tags(c, xml_child(c->body, "Tags"), &g->tags);
  if (rc != 0)
    return rc;
  c->changed = true;
  write_instance(control_open(c, "CreateAccessGrantsInstanceResult"), g);
  control_close(c, "CreateAccessGrantsInstanceResult");
  return 0;
}

int s3control_get_instance(struct control *c) {
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:GetAccessGrantsInstance", &g);

  if (rc != 0)
    return rc;
  write_instance(control_open(c, "GetAccessGrantsInstanceResult"), g);
  control_close(c, "GetAccessGrantsInstanceResult");
  return 0;
}

int s3control_delete_instance(struct control *c) {
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:DeleteAccessGrantsInstance", &g);

  if (rc != 0)
    return rc;
  if (g->locations != NULL || g->grants != NULL)
    return control_error(c, 400, "AccessGrantsInstanceNotEmptyError",
                         "Access Grants Instance Not Empty. Please clean up all the access grants "
                         "and locations before deleting the instance");
  world_drop_grants_locked(c->w, g);
  c->changed = true;
  return control_empty(c, 204);
}

static const void *next_listed(const struct control *c, const void *of, const void *after) {
  const struct grants_instance *g = after;

  g = g != NULL ? g->next : c->w->synced.grants;
  while (g != NULL && (g->account != of || strcmp(g->region, c->q->region) != 0))
    g = g->next;
  return g;
}

int s3control_list_instances(struct control *c) {
  static const struct control_list list = {"ListAccessGrantsInstancesResult",
                                           "AccessGrantsInstancesList", "AccessGrantsInstance",
                                           next_listed, write_instance};
  struct account *a;
  int rc = s3control_account_for(c, "s3:ListAccessGrantsInstances", &a);

  return rc == 0 ? control_write_list(c, &list, a) : rc;
}

/* --- which instance serves a prefix --- */

static bool location_covers(const struct control *c, const struct grants_instance *g,
                            const struct grants_location *l, const char *prefix,
                            const char *bucket) {
  const struct bucket *b = world_bucket_locked(c->w, bucket);
  size_t len = strlen(l->scope);

  while (len > 0 && l->scope[len - 1] == '*')
    len--;
  if (strcmp(l->scope, "s3://") == 0)
    return b != NULL && b->account == g->account;
  /* "s3://b" must not cover "s3://bc". */
  return strncmp(prefix, l->scope, len) == 0 &&
         (l->scope[len - 1] == '/' || strchr(l->scope + 5, '/') != NULL || prefix[len] == '/' ||
          prefix[len] == '\0' || prefix[len] == '*');
}

static bool instance_covers(const struct control *c, const struct grants_instance *g,
                            const char *prefix, const char *bucket) {
  const struct grants_location *l;

  DL_FOREACH (g->locations, l) {
    if (location_covers(c, g, l, prefix, bucket))
      return true;
  }
  return false;
}

/* The caller's own instance first, then those that other accounts share. */
static struct grants_instance *find_for_prefix(const struct control *c, const struct account *a,
                                               const char *prefix, const char *bucket) {
  struct grants_instance *own = world_grants_locked(c->w, a->id, c->q->region);
  struct grants_instance *g;

  if (own != NULL && instance_covers(c, own, prefix, bucket))
    return own;
  DL_FOREACH (c->w->synced.grants, g) {
    if (g != own && strcmp(g->region, c->q->region) == 0 && g->policy.text != NULL &&
        instance_covers(c, g, prefix, bucket))
      return g;
  }
  return NULL;
}

int s3control_instance_for_prefix(struct control *c) {
  const char *prefix = kvlist_get(c->q->query, "s3prefix");
  const struct grants_instance *g;
  struct account *a;
  struct scope scope;
  struct buf *out;
  int rc = s3control_account(c, &a);

  if (rc != 0)
    return rc;
  if (prefix == NULL || scope_parse(prefix, &scope) != 0)
    return control_error(c, 400, "InvalidRequest", "s3prefix must be of the form s3://bucket/...");
  g = find_for_prefix(c, a, prefix, scope.bucket);
  scope_fini(&scope);
  if (g == NULL)
    return control_error(c, 404, "AccessGrantsInstanceNotExistsError",
                         "Access Grants Instance does not exist");
  rc = control_authorize(c, "s3:GetAccessGrantsInstanceForPrefix", g->arn, g->account->id,
                         &g->policy, NULL);
  if (rc != 0)
    return rc;
  out = control_open(c, "GetAccessGrantsInstanceForPrefixResult");
  xml_element(out, "AccessGrantsInstanceArn", g->arn);
  xml_element(out, "AccessGrantsInstanceId", "default");
  control_close(c, "GetAccessGrantsInstanceForPrefixResult");
  return 0;
}

/* --- resource policy: sharing with other accounts --- */

static int write_policy(struct control *c, const char *root, const struct grants_instance *g) {
  struct buf *out = control_open(c, root);

  xml_element(out, "Policy", g->policy.text);
  control_time(out, "CreatedAt", g->created);
  control_close(c, root);
  return 0;
}

int s3control_put_instance_policy(struct control *c) {
  struct grants_instance *g;
  int rc = s3control_instance(c, "s3:PutAccessGrantsInstanceResourcePolicy", &g);

  if (rc != 0)
    return rc;
  rc = s3control_read_policy(c, "InvalidResourcePolicy", &g->policy);
  if (rc != 0)
    return rc;
  c->changed = true;
  return write_policy(c, "PutAccessGrantsInstanceResourcePolicyResult", g);
}

/* The instance, which has a policy. */
static int find_policy(struct control *c, const char *action, struct grants_instance **out) {
  int rc = s3control_instance(c, action, out);

  if (rc == 0 && (*out)->policy.text == NULL)
    return control_error(c, 404, "AccessGrantsInstanceResourcePolicyNotExists",
                         "Access Grants Instance Resource Policy does not exist");
  return rc;
}

int s3control_get_instance_policy(struct control *c) {
  struct grants_instance *g;
  int rc = find_policy(c, "s3:GetAccessGrantsInstanceResourcePolicy", &g);

  return rc == 0 ? write_policy(c, "GetAccessGrantsInstanceResourcePolicyResult", g) : rc;
}

int s3control_delete_instance_policy(struct control *c) {
  struct grants_instance *g;
  int rc = find_policy(c, "s3:DeleteAccessGrantsInstanceResourcePolicy", &g);

  return rc == 0 ? s3control_delete_policy(c, &g->policy) : rc;
}
