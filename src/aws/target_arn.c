/* SOURCE given as an ARN: access points of every kind, and the bucket and object
 * forms that only policies use. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/aws/arn.h"
#include "s3apfs/aws/partition.h"
#include "s3apfs/base/text.h"
#include "target_private.h"

/* The next '/'- or ':'-separated word of an ARN's resource; *rest goes behind
 * it, to the separator or the end. */
static int take_word(const char **rest, char **out) {
  const char *s = *rest;
  size_t n;

  if (*s == '/' || *s == ':')
    s++;
  n = strcspn(s, "/:");
  *rest = s + n;
  return target_set_copy(out, s, n);
}

/* Account, region and the words of the ARN are copied where they are set. */
static int take_arn_fields(struct target *t, const struct arn *a) {
  if (target_set_copy(&t->partition, a->partition, strlen(a->partition)) != 0)
    return -ENOMEM;
  if (*a->account != '\0' && target_set_copy(&t->account, a->account, strlen(a->account)) != 0)
    return -ENOMEM;
  if (*a->region != '\0' && target_set_copy(&t->region, a->region, strlen(a->region)) != 0)
    return -ENOMEM;
  return 0;
}

/* Policies name objects as NAME/object/KEY. */
static const char *skip_object_word(const char *raw) {
  static const char word[] = "/object/";

  return text_has_prefix(raw, word) && raw[strlen(word)] != '\0' ? raw + strlen(word) - 1 : raw;
}

static int finish_arn(struct target *t, const char *rest, struct buf *why) {
  if (t->bucket == NULL)
    return -ENOMEM;
  if (*rest == ':')
    return target_refuse(why, "only /PREFIX may follow the access point's name, not `%s`", rest);
  return target_set_prefix(t, skip_object_word(rest), why);
}

static int refuse_resource(const struct arn *a, const char *type, struct buf *why) {
  if (strcmp(type, "access-grants") == 0)
    return target_refuse(why, "an Access Grants instance is written grants:%s:%s", a->account,
                         a->region);
  if (strncasecmp(type, "access", 6) == 0)
    return target_refuse(why, "`%s` is not an ARN's resource type; did you mean accesspoint", type);
  return target_refuse(why, "`%s` is not the resource of a bucket or an access point", a->resource);
}

/* arn:P:s3::ACCOUNT:accesspoint/ALIAS.mrap */
static int parse_multi_region(struct target *t, const struct arn *a, const char *rest,
                              struct buf *why) {
  size_t stem = strlen(t->name) - strlen(".mrap");

  t->kind = TARGET_MULTI_REGION;
  if (*a->region != '\0')
    return target_refuse(why,
                         "a Multi-Region Access Point has no region; did you mean "
                         "arn:%s:s3::%s:accesspoint/%s",
                         a->partition, a->account, t->name);
  if (has_upper(t->name))
    return target_refuse_upper(why, "Multi-Region Access Point aliases", t->name);
  if (stem == 0 || strspn(t->name, LOWER DIGITS) != stem)
    return target_refuse(why, "`%s` is not a Multi-Region Access Point's alias", t->name);
  t->bucket = text_printf("arn:%s:s3::%s:accesspoint/%s", a->partition, a->account, t->name);
  return finish_arn(t, rest, why);
}

/* arn:P:s3:R:A:accesspoint/NAME and the same of s3-object-lambda. */
static int parse_access_point(struct target *t, const struct arn *a, const char *rest,
                              struct buf *why) {
  int rc = take_word(&rest, &t->name);

  if (rc == 0)
    rc = target_check_account(a->account, why);
  if (rc != 0)
    return rc;
  if (text_has_suffix(t->name, ".mrap"))
    return parse_multi_region(t, a, rest, why);
  rc = target_check_access_point_name(t->name, why);
  if (rc == 0)
    rc = target_check_region(a->region, why);
  if (rc != 0)
    return rc;
  t->kind = strcmp(a->service, "s3") == 0 ? TARGET_ACCESS_POINT : TARGET_OBJECT_LAMBDA;
  t->bucket = text_printf("arn:%s:%s:%s:%s:accesspoint/%s", a->partition, a->service, a->region,
                          a->account, t->name);
  return finish_arn(t, rest, why);
}

/* arn:P:s3:::BUCKET/PREFIX; not an SDK's form, but what policies hold. */
static int parse_bucket_arn(struct target *t, const struct arn *a, struct buf *why) {
  return target_parse_named(t, a->resource, strcspn(a->resource, "/"), why);
}

/* arn:P:s3-outposts:R:A:outpost/OP/accesspoint/NAME */
static int parse_outposts(struct target *t, const struct arn *a, const char *rest,
                          struct buf *why) {
  char *outpost = NULL;
  char *type = NULL;
  int rc = take_word(&rest, &outpost);

  t->kind = TARGET_OUTPOSTS;
  if (rc == 0)
    rc = take_word(&rest, &type);
  if (rc == 0 && (*outpost == '\0' || strcmp(type, "accesspoint") != 0))
    rc = target_refuse(why,
                       "an Outposts access point is written arn:%s:s3-outposts:REGION:ACCOUNT:"
                       "outpost/OUTPOST/accesspoint/NAME",
                       a->partition);
  if (rc == 0)
    rc = take_word(&rest, &t->name);
  if (rc == 0)
    rc = target_check_account(a->account, why);
  if (rc == 0)
    rc = target_check_region(a->region, why);
  if (rc == 0)
    rc = target_check_access_point_name(t->name, why);
  if (rc == 0) {
    t->bucket = text_printf("arn:%s:s3-outposts:%s:%s:outpost/%s/accesspoint/%s", a->partition,
                            a->region, a->account, outpost, t->name);
    rc = finish_arn(t, rest, why);
  }
  free(outpost);
  free(type);
  return rc;
}

/* arn:P:s3express:R:A:bucket/NAME--x-s3 and accesspoint/NAME--xa-s3: policies
 * name directory buckets so, requests use the last word alone. */
static int parse_express_arn(struct target *t, const char *rest, struct buf *why) {
  char *name = NULL;
  int rc = take_word(&rest, &name);

  if (rc == 0 && target_kind_by_suffix(name) != TARGET_DIRECTORY_BUCKET &&
      target_kind_by_suffix(name) != TARGET_DIRECTORY_ACCESS_POINT)
    rc = target_refuse(why, "`%s` is not a directory bucket's or its access point's name", name);
  if (rc == 0 && (t->bucket = strdup(name)) == NULL)
    rc = -ENOMEM;
  t->name = name;
  if (rc != 0)
    return rc;
  t->kind = target_kind_by_suffix(name);
  return finish_arn(t, rest, why);
}

static int parse_arn_resource(struct target *t, const struct arn *a, const char *type,
                              const char *rest, struct buf *why) {
  bool ap = strcmp(type, "accesspoint") == 0;

  if (strcmp(a->service, "s3") == 0 && *a->region == '\0' && *a->account == '\0')
    return parse_bucket_arn(t, a, why);
  if (strcmp(a->service, "s3-outposts") == 0 && strcmp(type, "outpost") == 0)
    return parse_outposts(t, a, rest, why);
  if (strcmp(a->service, "s3express") == 0 && (ap || strcmp(type, "bucket") == 0))
    return parse_express_arn(t, rest, why);
  if (ap && (strcmp(a->service, "s3") == 0 || strcmp(a->service, "s3-object-lambda") == 0))
    return parse_access_point(t, a, rest, why);
  if (!text_has_prefix(a->service, "s3"))
    return target_refuse(why, "the ARN is of service %s, not of S3", a->service);
  return refuse_resource(a, type, why);
}

int target_parse_arn(struct target *t, const char *s, struct buf *why) {
  struct arn a;
  char *type = NULL;
  const char *rest;
  int rc = arn_parse(s, &a);

  if (rc == -EINVAL)
    return target_refuse(why,
                         "`%s` is no ARN; an access point's is written arn:aws:s3:REGION:ACCOUNT:"
                         "accesspoint/NAME",
                         s);
  if (rc != 0)
    return rc;
  rest = a.resource;
  if (partition_by_id(a.partition) == NULL)
    rc = target_refuse(why, "there is no AWS partition `%s`", a.partition);
  if (rc == 0)
    rc = take_arn_fields(t, &a);
  if (rc == 0)
    rc = take_word(&rest, &type);
  if (rc == 0)
    rc = parse_arn_resource(t, &a, type, rest, why);
  free(type);
  arn_fini(&a);
  return rc;
}
