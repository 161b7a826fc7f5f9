/* s3apfs grants: what S3 Access Grants give the caller. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "cli.h"
#include "s3apfs/base/text.h"

struct grants_args {
  struct settings settings;
  bool json;
};

static int usage(void) {
  return cli_fail(EXIT_USAGE,
                  "usage: s3apfs grants [--account ID] [--region R] [--profile P] [--json] [-o "
                  "options]");
}

static int parse(struct grants_args *a, int argc, char **argv, struct buf *why) {
  static const char *const valued[] = {"account", "region", "profile"};

  for (int i = 1; i < argc; i++) {
    const char *name = NULL;
    int rc;

    if (strcmp(argv[i], "--json") == 0) {
      a->json = true;
      continue;
    }
    if (i + 1 == argc)
      return -EINVAL;
    for (size_t v = 0; v < 3; v++)
      if (text_has_prefix(argv[i], "--") && strcmp(argv[i] + 2, valued[v]) == 0)
        name = valued[v];
    if (name != NULL)
      rc = settings_set(&a->settings, name, argv[++i], false, why);
    else if (strcmp(argv[i], "-o") == 0)
      rc = settings_set_list(&a->settings, argv[++i], why);
    else
      rc = -EINVAL;
    if (rc != 0)
      return rc;
  }
  return 0;
}

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
  char *text;

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
  text = cJSON_Print(all);
  cJSON_Delete(all);
  if (text == NULL)
    return cli_fail(EXIT_FAILED, "out of memory");
  puts(text);
  cJSON_free(text);
  return EXIT_OK;
}

/* The account whose instance is asked: the one given, else the caller's own. */
static int list(struct control *control, const struct settings *s, struct caller_grants *out,
                struct s3_error *error) {
  struct caller_identity me;
  int rc;

  if (s->account != NULL)
    return control_caller_grants(control, s->account, NULL, out, error);
  rc = control_caller_identity(control, 0, 0, &me, error);
  if (rc != 0)
    return rc;
  rc = control_caller_grants(control, me.account, NULL, out, error);
  caller_identity_fini(&me);
  return rc;
}

static int list_as(struct app *a, const struct settings *s, struct caller_grants *out,
                   struct buf *why) {
  struct identity *id;
  struct control *control;
  struct s3_error error;
  struct s3_site site;
  int rc = identities_get(a->identities, s, &id, why);

  if (rc != 0)
    return rc;
  identity_site(id, s, &site);
  rc = control_new(a->caller, identity_keys(id), &site, s->deadline_ms, &control, why);
  if (rc != 0)
    return rc;
  s3_error_init(&error);
  rc = list(control, s, out, &error);
  if (rc != 0) {
    buf_puts(why, "listing grants as ");
    identity_learn(id, s);
    identity_describe(id, why);
    buf_puts(why, ": ");
    s3_error_describe(&error, why);
  }
  s3_error_fini(&error);
  control_free(control);
  return rc;
}

static int run(const struct grants_args *args) {
  struct caller_grants g;
  struct app a;
  struct buf why;
  int rc;

  buf_init(&why, 65536);
  rc = app_open(&a, &args->settings, &why);
  if (rc == 0) {
    rc = list_as(&a, &args->settings, &g, &why);
    app_close(&a);
  }
  if (rc != 0) {
    rc = cli_fail(cli_code(rc), "%s", buf_cstr(&why));
  } else {
    rc = args->json ? print_json(&g) : print_table(&g);
    caller_grants_fini(&g);
  }
  buf_fini(&why);
  return rc;
}

int cmd_grants(int argc, char **argv) {
  struct grants_args a = {0};
  struct buf why;
  int rc;

  settings_init(&a.settings);
  buf_init(&why, 4096);
  rc = parse(&a, argc, argv, &why);
  if (rc != 0)
    rc = why.len != 0 ? cli_fail(EXIT_USAGE, "%s", buf_cstr(&why)) : usage();
  else
    rc = run(&a);
  buf_fini(&why);
  settings_fini(&a.settings);
  return rc;
}
