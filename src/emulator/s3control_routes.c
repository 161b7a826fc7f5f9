/* S3 Control's paths: one table, matched by method and path. In a pattern, '*'
 * at the end stands for the variable part (one segment, or the rest for tags). */
#include "control_internal.h"

#include <string.h>

#include "s3apfs/base/text.h"

#define API "/v20180820/"
#define GRANTS API "accessgrantsinstance"

struct route {
  const char *method;
  const char *before; /* the path up to the variable part */
  const char *after;  /* NULL: no variable part; else what follows it */
  bool rest;          /* the variable part may hold slashes */
  struct control_operation op;
};

/* Order matters only where a variable part could swallow a fixed one. */
static const struct route routes[] = {
    {"GET", API "accesspoint", NULL, false, {"ListAccessPoints", s3control_list_access_points}},
    {"PUT",
     API "accesspoint/",
     "/policy",
     false,
     {"PutAccessPointPolicy", s3control_put_access_point_policy}},
    {"GET",
     API "accesspoint/",
     "/policy",
     false,
     {"GetAccessPointPolicy", s3control_get_access_point_policy}},
    {"DELETE",
     API "accesspoint/",
     "/policy",
     false,
     {"DeleteAccessPointPolicy", s3control_delete_access_point_policy}},
    {"GET",
     API "accesspoint/",
     "/policyStatus",
     false,
     {"GetAccessPointPolicyStatus", s3control_get_access_point_policy_status}},
    {"PUT", API "accesspoint/", "", false, {"CreateAccessPoint", s3control_create_access_point}},
    {"GET", API "accesspoint/", "", false, {"GetAccessPoint", s3control_get_access_point}},
    {"DELETE", API "accesspoint/", "", false, {"DeleteAccessPoint", s3control_delete_access_point}},
    {"GET",
     API "configuration/publicAccessBlock",
     NULL,
     false,
     {"GetPublicAccessBlock", s3control_get_public_access_block}},
    {"PUT",
     API "configuration/publicAccessBlock",
     NULL,
     false,
     {"PutPublicAccessBlock", s3control_put_public_access_block}},
    {"DELETE",
     API "configuration/publicAccessBlock",
     NULL,
     false,
     {"DeletePublicAccessBlock", s3control_delete_public_access_block}},
    {"POST", GRANTS, NULL, false, {"CreateAccessGrantsInstance", s3control_create_instance}},
    {"GET", GRANTS, NULL, false, {"GetAccessGrantsInstance", s3control_get_instance}},
    {"DELETE", GRANTS, NULL, false, {"DeleteAccessGrantsInstance", s3control_delete_instance}},
    {"POST",
     GRANTS "/identitycenter",
     NULL,
     false,
     {"AssociateAccessGrantsIdentityCenter", s3control_associate_directory}},
    {"DELETE",
     GRANTS "/identitycenter",
     NULL,
     false,
     {"DissociateAccessGrantsIdentityCenter", s3control_dissociate_directory}},
    {"GET",
     API "accessgrantsinstances",
     NULL,
     false,
     {"ListAccessGrantsInstances", s3control_list_instances}},
    {"GET",
     GRANTS "/prefix",
     NULL,
     false,
     {"GetAccessGrantsInstanceForPrefix", s3control_instance_for_prefix}},
    {"PUT",
     GRANTS "/resourcepolicy",
     NULL,
     false,
     {"PutAccessGrantsInstanceResourcePolicy", s3control_put_instance_policy}},
    {"GET",
     GRANTS "/resourcepolicy",
     NULL,
     false,
     {"GetAccessGrantsInstanceResourcePolicy", s3control_get_instance_policy}},
    {"DELETE",
     GRANTS "/resourcepolicy",
     NULL,
     false,
     {"DeleteAccessGrantsInstanceResourcePolicy", s3control_delete_instance_policy}},
    {"POST",
     GRANTS "/location",
     NULL,
     false,
     {"CreateAccessGrantsLocation", s3control_create_location}},
    {"GET", GRANTS "/location/", "", false, {"GetAccessGrantsLocation", s3control_get_location}},
    {"PUT",
     GRANTS "/location/",
     "",
     false,
     {"UpdateAccessGrantsLocation", s3control_update_location}},
    {"DELETE",
     GRANTS "/location/",
     "",
     false,
     {"DeleteAccessGrantsLocation", s3control_delete_location}},
    {"GET",
     GRANTS "/locations",
     NULL,
     false,
     {"ListAccessGrantsLocations", s3control_list_locations}},
    {"POST", GRANTS "/grant", NULL, false, {"CreateAccessGrant", s3control_create_grant}},
    {"GET", GRANTS "/grant/", "", false, {"GetAccessGrant", s3control_get_grant}},
    {"DELETE", GRANTS "/grant/", "", false, {"DeleteAccessGrant", s3control_delete_grant}},
    {"GET", GRANTS "/grants", NULL, false, {"ListAccessGrants", s3control_list_grants}},
    {"GET",
     GRANTS "/caller/grants",
     NULL,
     false,
     {"ListCallerAccessGrants", s3control_list_caller_grants}},
    {"GET", GRANTS "/dataaccess", NULL, false, {"GetDataAccess", s3control_get_data_access}},
    {"GET", API "tags/", "", true, {"ListTagsForResource", s3control_list_tags}},
    {"POST", API "tags/", "", true, {"TagResource", s3control_tag}},
    {"DELETE", API "tags/", "", true, {"UntagResource", s3control_untag}},
};

/* The length of the variable part at `at`, or -1. */
static int variable_length(const struct route *r, const char *at) {
  size_t len = strlen(at);
  size_t tail = strlen(r->after);

  if (len <= tail || strcmp(at + len - tail, r->after) != 0)
    return -1;
  len -= tail;
  if (!r->rest && memchr(at, '/', len) != NULL)
    return -1;
  return (int)len;
}

static bool matches(const struct route *r, const struct control_request *q) {
  if (strcmp(r->method, q->method) != 0)
    return false;
  if (r->after == NULL)
    return strcmp(r->before, q->path) == 0;
  return text_has_prefix(q->path, r->before) && variable_length(r, q->path + strlen(r->before)) > 0;
}

const struct control_operation *s3control_find(const struct control_request *q, const char **id,
                                               size_t *id_len) {
  for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
    if (!matches(&routes[i], q))
      continue;
    *id = q->path + strlen(routes[i].before);
    *id_len = routes[i].after != NULL ? (size_t)variable_length(&routes[i], *id) : 0;
    return &routes[i].op;
  }
  return NULL;
}
