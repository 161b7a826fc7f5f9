/* s3apfs accesspoints: the account's access points, with the line that mounts each.
 * Other accounts' are not listed by anybody but their owners. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "inquiry.h"
#include "s3apfs/base/text.h"

static char *mount_line(const struct access_point_info *p) {
  return text_printf("s3apfs mount %s DIR", p->arn);
}

/* "Internet", or the VPC's id. */
static const char *origin(const struct access_point_info *p) {
  return *p->vpc != '\0' ? p->vpc : p->origin;
}

static int print_table(const struct access_points *a) {
  if (a->count == 0) {
    puts("there are no access points");
    return EXIT_OK;
  }
  printf("%-24s %-28s %-12s %-22s %s\n", "NAME", "BUCKET", "OWNER", "ORIGIN", "TO MOUNT IT");
  for (size_t i = 0; i < a->count; i++) {
    const struct access_point_info *p = &a->items[i];
    char *line = mount_line(p);

    printf("%-24s %-28s %-12s %-22s %s\n", p->name, p->bucket, p->bucket_account, origin(p),
           line != NULL ? line : "");
    free(line);
  }
  return EXIT_OK;
}

static cJSON *describe(const struct access_point_info *p) {
  cJSON *o = cJSON_CreateObject();
  char *line = mount_line(p);

  cJSON_AddStringToObject(o, "name", p->name);
  cJSON_AddStringToObject(o, "arn", p->arn);
  cJSON_AddStringToObject(o, "alias", p->alias);
  cJSON_AddStringToObject(o, "bucket", p->bucket);
  cJSON_AddStringToObject(o, "bucket_account", p->bucket_account);
  cJSON_AddStringToObject(o, "network_origin", p->origin);
  if (*p->vpc != '\0')
    cJSON_AddStringToObject(o, "vpc", p->vpc);
  cJSON_AddStringToObject(o, "mount", line != NULL ? line : "");
  free(line);
  return o;
}

static int print_json(const struct access_points *a) {
  cJSON *all = cJSON_CreateArray();
  int rc;

  for (size_t i = 0; i < a->count; i++)
    cJSON_AddItemToArray(all, describe(&a->items[i]));
  rc = cli_print_json(all);
  cJSON_Delete(all);
  return rc;
}

static int list(struct control *control, const char *account, void *out, struct s3_error *error) {
  return control_access_points(control, account, out, error);
}

static int show(const struct inquiry *q) {
  struct access_points a;
  int rc = inquiry_ask(q, "listing access points", list, &a);

  if (rc != 0)
    return rc;
  rc = q->json ? print_json(&a) : print_table(&a);
  access_points_fini(&a);
  return rc;
}

int cmd_accesspoints(int argc, char **argv) {
  return inquiry_run(argc, argv, "accesspoints", show);
}
