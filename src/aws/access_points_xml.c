/* ListAccessPoints' reply. The ARN is made up by nobody: where a service leaves it
 * out, it is "". */
#include "s3apfs/aws/access_points_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/xml.h"

#define PAGE_MAX 10000 /* entries: more are no page of this service */

static void info_fini(struct access_point_info *i) {
  free(i->name);
  free(i->arn);
  free(i->alias);
  free(i->bucket);
  free(i->bucket_account);
  free(i->origin);
  free(i->vpc);
}

void access_points_fini(struct access_points *a) {
  for (size_t i = 0; i < a->count; i++)
    info_fini(&a->items[i]);
  free(a->items);
  free(a->next_token);
  *a = (struct access_points){0};
}

static int take(const struct xml_node *n, const char *name, char **out) {
  *out = strdup(xml_child_text(n, name));
  return *out != NULL ? 0 : -ENOMEM;
}

static int take_info(const struct xml_node *n, struct access_point_info *out) {
  int rc = *xml_child_text(n, "Name") != '\0' ? 0 : -EBADMSG;

  if (rc == 0)
    rc = take(n, "Name", &out->name);
  if (rc == 0)
    rc = take(n, "AccessPointArn", &out->arn);
  if (rc == 0)
    rc = take(n, "Alias", &out->alias);
  if (rc == 0)
    rc = take(n, "Bucket", &out->bucket);
  if (rc == 0)
    rc = take(n, "BucketAccountId", &out->bucket_account);
  if (rc == 0)
    rc = take(n, "NetworkOrigin", &out->origin);
  return rc == 0 ? take(xml_child(n, "VpcConfiguration"), "VpcId", &out->vpc) : rc;
}

static int take_all(const struct xml_node *list, struct access_points *out) {
  size_t room = 0;
  int rc = 0;

  for (const struct xml_node *n = xml_first(list, "AccessPoint"); n != NULL;
       n = xml_next(n, "AccessPoint"))
    room++;
  if (room > PAGE_MAX)
    return -EBADMSG;
  out->items = calloc(room + 1, sizeof(*out->items));
  if (out->items == NULL)
    return -ENOMEM;
  for (const struct xml_node *n = xml_first(list, "AccessPoint"); rc == 0 && n != NULL;
       n = xml_next(n, "AccessPoint"))
    rc = take_info(n, &out->items[out->count++]);
  return rc;
}

int access_points_parse(const void *xml, size_t len, struct access_points *out) {
  struct access_points r = {0};
  struct xml_doc *d;
  int rc = xml_parse_reply(xml, len, "ListAccessPointsResult", &d);

  if (rc != 0)
    return rc;
  rc = take_all(xml_child(xml_root(d), "AccessPointList"), &r);
  if (rc == 0 && *xml_child_text(xml_root(d), "NextToken") != '\0')
    rc = take(xml_root(d), "NextToken", &r.next_token);
  xml_free(d);
  if (rc == 0)
    *out = r;
  else
    access_points_fini(&r);
  return rc;
}
