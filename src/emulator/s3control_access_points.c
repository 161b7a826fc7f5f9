/* Access points: create, describe, delete, list (S3 Control API reference). */
#include "control_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/partition.h"
#include "s3apfs/base/text.h"

/* The access point of the path, after the caller was found entitled to the
 * action on it: an absent one is not told to strangers. */
static int find(struct control *c, const char *action, struct access_point **out) {
  struct account *a;
  int rc = s3control_account_for_resource(c, action, "accesspoint", c->id, &a);

  if (rc != 0)
    return rc;
  *out = world_access_point_locked(c->w, a->id, c->q->region, c->id);
  if (*out == NULL)
    return control_error(c, 404, "NoSuchAccessPoint", "The specified accesspoint does not exist");
  return 0;
}

/* --- create --- */

struct wish {
  const char *bucket;
  const char *bucket_account;
  const char *vpc;
};

static int read_wish(struct control *c, const struct account *a, struct wish *wish) {
  const struct bucket *b;

  if (!world_valid_access_point_name(c->id))
    return control_error(c, 400, "InvalidRequest",
                         "The access point name %s is not valid: 3 to 50 lower-case letters, "
                         "digits and hyphens are expected",
                         c->id);
  wish->bucket = xml_child_text(c->body, "Bucket");
  wish->bucket_account = xml_child_text(c->body, "BucketAccountId");
  wish->vpc = xml_child_text(xml_child(c->body, "VpcConfiguration"), "VpcId");
  if (*wish->bucket_account == '\0')
    wish->bucket_account = a->id;
  b = world_bucket_locked(c->w, wish->bucket);
  if (b == NULL || strcmp(b->account->id, wish->bucket_account) != 0)
    return control_error(c, 404, "NoSuchBucket", "The specified bucket does not exist");
  if (strcmp(b->region, c->q->region) != 0)
    return control_error(c, 400, "InvalidRequest",
                         "The bucket is in %s: its access points must be there too", b->region);
  return 0;
}

static int copy_wish(const struct wish *wish, struct access_point *p) {
  p->bucket = strdup(wish->bucket);
  p->bucket_account = strdup(wish->bucket_account);
  p->vpc = *wish->vpc != '\0' ? strdup(wish->vpc) : NULL;
  return p->bucket == NULL || p->bucket_account == NULL || (*wish->vpc != '\0' && p->vpc == NULL)
             ? -ENOMEM
             : 0;
}

static int create(struct control *c, struct account *a, const struct wish *wish) {
  const struct xml_node *bpa = xml_child(c->body, "PublicAccessBlockConfiguration");
  struct access_point *p;
  struct buf *out;
  int rc = world_add_access_point_locked(c->w, a, c->q->region, c->id, NULL, &p);

  if (rc == -EEXIST)
    return control_error(c, 409, "AccessPointAlreadyOwnedByYou",
                         "Your previous request to create the named accesspoint succeeded and you "
                         "already own it.");
  if (rc != 0)
    return control_no_memory(c);
  if (copy_wish(wish, p) != 0) {
    world_drop_access_point_locked(c->w, p);
    return control_no_memory(c);
  }
  if (bpa != NULL)
    s3control_read_bpa(bpa, &p->bpa);
  c->changed = true;
  out = control_open(c, "CreateAccessPointResult");
  xml_element(out, "AccessPointArn", p->arn);
  xml_element(out, "Alias", p->alias);
  control_close(c, "CreateAccessPointResult");
  return 0;
}

int s3control_create_access_point(struct control *c) {
  struct account *a;
  struct wish wish = {0};
  int rc = s3control_account_for_resource(c, "s3:CreateAccessPoint", "accesspoint", c->id, &a);

  if (rc == 0)
    rc = read_wish(c, a, &wish);
  return rc == 0 ? create(c, a, &wish) : rc;
}

/* --- describe, delete --- */

static void write_origin(struct buf *out, const struct access_point *p) {
  xml_element(out, "NetworkOrigin", p->vpc != NULL ? "VPC" : "Internet");
  if (p->vpc == NULL)
    return;
  xml_open(out, "VpcConfiguration");
  xml_element(out, "VpcId", p->vpc);
  xml_close(out, "VpcConfiguration");
}

static void write_endpoints(struct buf *out, const char *region) {
  static const struct {
    const char *key;
    const char *host;
  } kinds[] = {{"ipv4", "s3-accesspoint"},
               {"dualstack", "s3-accesspoint.dualstack"},
               {"fips", "s3-accesspoint-fips"},
               {"fips_dualstack", "s3-accesspoint-fips.dualstack"}};
  const struct partition *part = partition_of_region(region);

  xml_open(out, "Endpoints");
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
    buf_printf(out, "<entry><key>%s</key><value>%s.%s.%s</value></entry>", kinds[i].key,
               kinds[i].host, region, part->dns_suffix);
  xml_close(out, "Endpoints");
}

int s3control_get_access_point(struct control *c) {
  struct access_point *p;
  struct buf *out;
  int rc = find(c, "s3:GetAccessPoint", &p);

  if (rc != 0)
    return rc;
  out = control_open(c, "GetAccessPointResult");
  xml_element(out, "Name", p->name);
  xml_element(out, "Bucket", p->bucket);
  write_origin(out, p);
  s3control_write_bpa(out, &p->bpa);
  control_time(out, "CreationDate", p->created);
  xml_element(out, "Alias", p->alias);
  xml_element(out, "AccessPointArn", p->arn);
  write_endpoints(out, p->region);
  xml_element(out, "BucketAccountId", p->bucket_account);
  control_close(c, "GetAccessPointResult");
  return 0;
}

int s3control_delete_access_point(struct control *c) {
  struct access_point *p;
  int rc = find(c, "s3:DeleteAccessPoint", &p);

  if (rc != 0)
    return rc;
  world_drop_access_point_locked(c->w, p);
  c->changed = true;
  return control_empty(c, 204);
}

/* --- list --- */

static bool listed(const struct control *c, const struct account *a, const struct access_point *p) {
  const char *bucket = kvlist_get(c->q->query, "bucket");

  return p->account == a && p->kind == ACCESS_POINT_GENERAL &&
         strcmp(p->region, c->q->region) == 0 &&
         (bucket == NULL || *bucket == '\0' || strcmp(p->bucket, bucket) == 0);
}

static const void *next_listed(const struct control *c, const void *of, const void *after) {
  const struct access_point *p = after;

  p = p != NULL ? p->next : c->w->synced.access_points;
  while (p != NULL && !listed(c, of, p))
    p = p->next;
  return p;
}

static void write_listed(struct buf *out, const void *item) {
  const struct access_point *p = item;

  xml_element(out, "Name", p->name);
  write_origin(out, p);
  xml_element(out, "Bucket", p->bucket);
  xml_element(out, "AccessPointArn", p->arn);
  xml_element(out, "Alias", p->alias);
  xml_element(out, "BucketAccountId", p->bucket_account);
}

int s3control_list_access_points(struct control *c) {
  static const struct control_list list = {"ListAccessPointsResult", "AccessPointList",
                                           "AccessPoint", next_listed, write_listed};
  struct account *a;
  int rc = s3control_account_for(c, "s3:ListAccessPoints", &a);

  return rc == 0 ? control_write_list(c, &list, a) : rc;
}

/* --- policies of access points --- */

static int refuse_public(struct control *c, const struct access_point *p) {
  struct buf who;

  buf_init(&who, 0);
  credential_arn(c->caller, &who);
  control_write_error(
      c, 403, "AccessDenied",
      "User: %s is not authorized to perform: s3:PutAccessPointPolicy on resource: "
      "\"%s\" because public policies are prevented by the BlockPublicPolicy setting in "
      "S3 Block Public Access.",
      buf_cstr(&who), p->arn);
  buf_fini(&who);
  return -EPROTO;
}

int s3control_put_access_point_policy(struct control *c) {
  const char *text = xml_child_text(c->body, "Policy");
  struct document fresh = {0};
  struct access_point *p;
  int rc = find(c, "s3:PutAccessPointPolicy", &p);

  if (rc != 0)
    return rc;
  if (strlen(text) > WORLD_POLICY_MAX)
    return control_error(c, 400, "PolicyTooLarge", "Policies are limited to %d bytes",
                         WORLD_POLICY_MAX);
  rc = s3control_read_policy(c, "MalformedPolicy", &fresh);
  if (rc != 0)
    return rc;
  if (world_effective_bpa(&p->bpa, p->account).block_policy && policy_is_public(fresh.policy)) {
    document_fini(&fresh);
    return refuse_public(c, p);
  }
  document_fini(&p->policy);
  p->policy = fresh;
  c->changed = true;
  return control_empty(c, 200);
}

/* The access point of the path, which has a policy. */
static int find_policy(struct control *c, const char *action, struct access_point **out) {
  int rc = find(c, action, out);

  if (rc == 0 && (*out)->policy.text == NULL)
    return control_error(c, 404, "NoSuchAccessPointPolicy",
                         "The specified accesspoint policy does not exist");
  return rc;
}

int s3control_get_access_point_policy(struct control *c) {
  struct access_point *p;
  int rc = find_policy(c, "s3:GetAccessPointPolicy", &p);

  if (rc != 0)
    return rc;
  xml_element(control_open(c, "GetAccessPointPolicyResult"), "Policy", p->policy.text);
  control_close(c, "GetAccessPointPolicyResult");
  return 0;
}

int s3control_delete_access_point_policy(struct control *c) {
  struct access_point *p;
  int rc = find_policy(c, "s3:DeleteAccessPointPolicy", &p);

  return rc == 0 ? s3control_delete_policy(c, &p->policy) : rc;
}

int s3control_get_access_point_policy_status(struct control *c) {
  struct access_point *p;
  struct buf *out;
  int rc = find_policy(c, "s3:GetAccessPointPolicyStatus", &p);

  if (rc != 0)
    return rc;
  out = control_open(c, "GetAccessPointPolicyStatusResult");
  xml_open(out, "PolicyStatus");
  xml_element_bool(out, "IsPublic", policy_is_public(p->policy.policy));
  xml_close(out, "PolicyStatus");
  control_close(c, "GetAccessPointPolicyStatusResult");
  return 0;
}
