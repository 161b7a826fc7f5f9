/* s3apfs grants: what S3 Access Grants give the caller. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "inquiry.h"
#include "s3apfs/base/text.h"

/* The command that mounts a grant; DIR is the last word of its prefix. */
static char *mount_line(const char *scope) {
  size_t n = strlen(scope);

  while (n > 0 && scope[n - 1] == '*')
    n--;
  while (n > 5 && scope[n - 1] == '/')
    n--;
  return text_printf("s3apfs mount %.*s DIR -o access=grants", (int)n, scope);
}

static int print_table(const struct caller_grants *g) {
  if (g->count == 0) {
    puts("nothing is granted");
    return EXIT_OK;
  }
  printf("%-10s %-50s %s\n", "PERMISSION", "SCOPE", "TO MOUNT IT");
  for (size_t i = 0; i < g->count; i++) {
    char *line = mount_line(g->items[i].scope);

    printf("%-10s %-50s %s\n", g->items[i].permission, g->items[i].scope, line != NULL ? line : "");
    free(line);
  }
  return EXIT_OK;
}

static int print_json(const struct caller_grants *g) {
  cJSON *all = cJSON_CreateArray();
  int rc;

  for (size_t i = 0; i < g->count; i++) {
    cJSON *o = cJSON_CreateObject();
    char *line = mount_line(g->items[i].scope);

    cJSON_AddStringToObject(o, "permission", g->items[i].permission);
    cJSON_AddStringToObject(o, "scope", g->items[i].scope);
    if (g->items[i].application_arn[0] != '\0')
      cJSON_AddStringToObject(o, "application_arn", g->items[i].application_arn);
    cJSON_AddStringToObject(o, "mount", line != NULL ? line : "");
    free(line);
    cJSON_AddItemToArray(all, o);
  }
  rc = cli_print_json(all);
  cJSON_Delete(all);
  return rc;
}

static int list(struct control *control, const char *account, void *out, struct s3_error *error) {
  return control_caller_grants(control, account, NULL, out, error);
}

static int show(const struct inquiry *q) {
  struct caller_grants g;
  int rc = inquiry_ask(q, "listing grants", list, &g);

  if (rc != 0)
    return rc;
  rc = q->json ? print_json(&g) : print_table(&g);
  caller_grants_fini(&g);
  return rc;
}

int cmd_grants(int argc, char **argv) {
  return inquiry_run(argc, argv, "grants", show);
}
