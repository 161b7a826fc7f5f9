/* s3apfs status and explain: what live mounts say of themselves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "cli.h"
#include "s3apfs/base/text.h"
#include "show.h"

static const char *text_of(const cJSON *o, const char *name) {
  const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));

  return s != NULL ? s : "";
}

static double number_of(const cJSON *o, const char *name) {
  const cJSON *item = cJSON_GetObjectItem(o, name);

  return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void print_line(const char *label, const char *value) {
  if (*value != '\0')
    printf("    %-12s %s\n", label, value);
}

static void print_directory(const cJSON *d) {
  const char *path = text_of(d, "path");

  printf("  %s\n", *path != '\0' ? path : "/");
  print_line("source", text_of(d, "source"));
  print_line("endpoint", text_of(d, "endpoint"));
  print_line("identity", text_of(d, "identity"));
  print_line("permission", text_of(d, "permission"));
  print_line("grant", text_of(d, "grant"));
  print_line("keys until", text_of(d, "credentials_expire"));
  print_line("note", text_of(d, "note"));
  print_line("problem", text_of(d, "problem"));
  print_line("offline, because", text_of(cJSON_GetObjectItem(d, "offline"), "because"));
}

static void print_cache(const cJSON *c) {
  if (*text_of(c, "dir") == '\0')
    printf("  no cache on disk\n");
  else
    printf("  cache in %s: %.0f bytes read from it, %.0f kept%s\n", text_of(c, "dir"),
           number_of(c, "hit_bytes"), number_of(c, "filled_bytes"),
           cJSON_IsTrue(cJSON_GetObjectItem(c, "failing")) ? "; it cannot be written now" : "");
}

static void print_tier(const cJSON *t) {
  if (t == NULL)
    return;
  printf("  shared tier %s: %.0f bytes read from it, %.0f sent, %.0f failures",
         text_of(t, "source"), number_of(t, "hit_bytes"), number_of(t, "filled_bytes"),
         number_of(t, "failures"));
  if (number_of(t, "bad_parts") > 0)
    printf(", %.0f damaged parts", number_of(t, "bad_parts"));
  if (!cJSON_IsTrue(cJSON_GetObjectItem(t, "ready")))
    fputs("; it has no credentials yet", stdout);
  if (cJSON_IsTrue(cJSON_GetObjectItem(t, "reading_paused")))
    fputs("; it cannot be read now", stdout);
  if (cJSON_IsTrue(cJSON_GetObjectItem(t, "writing_paused")))
    fputs("; it cannot be filled now", stdout);
  putchar('\n');
}

static void print_served(const cJSON *doc) {
  const cJSON *d;

  if (*text_of(doc, "read_only_because") != '\0')
    printf("  read-only: %s\n", text_of(doc, "read_only_because"));
  cJSON_ArrayForEach(d, cJSON_GetObjectItem(doc, "directories")) print_directory(d);
  d = cJSON_GetObjectItem(doc, "requests");
  printf("  %.0f requests over %.0f connections, %.0f bytes in, %.0f bytes out\n",
         number_of(d, "count"), number_of(d, "connections"), number_of(d, "bytes_in"),
         number_of(d, "bytes_out"));
  d = cJSON_GetObjectItem(doc, "memory");
  printf("  %.0f of %.0f bytes of memory in use\n", number_of(d, "used"), number_of(d, "limit"));
  print_cache(cJSON_GetObjectItem(doc, "cache"));
  print_tier(cJSON_GetObjectItem(cJSON_GetObjectItem(doc, "cache"), "tier"));
}

static void print_user(const cJSON *u) {
  const cJSON *own = cJSON_GetObjectItem(u, "status");

  printf("user %s (%.0f)%s%s\n", text_of(u, "user"), number_of(u, "uid"),
         own == NULL ? " cannot be served now: " : ":", text_of(u, "problem"));
  if (own != NULL)
    print_served(own);
}

static void print_status(const struct mount_entry *e, const cJSON *doc) {
  const cJSON *users = cJSON_GetObjectItem(doc, "users");
  const cJSON *d;

  printf("%s on %s (process %.0f, up %.0f s%s)\n", e->source, e->dir, number_of(doc, "pid"),
         number_of(doc, "uptime_s"),
         cJSON_IsTrue(cJSON_GetObjectItem(doc, "read_only")) ? ", read-only" : "");
  if (users == NULL)
    print_served(doc);
  cJSON_ArrayForEach(d, users) print_user(d);
  d = cJSON_GetObjectItem(doc, "pending");
  show_pending(d);
  if (cJSON_GetArraySize(d) == 0)
    puts("  nothing waits to be written");
}

static int show_one(const struct mount_entry *e, cJSON *all) {
  cJSON *doc;
  int rc = ask_mount(e, "status", &doc);

  if (rc != 0)
    return cli_fail(cli_code(rc), "%s does not answer: %s", e->dir, strerror(-rc));
  if (all != NULL) {
    cJSON_AddItemToArray(all, doc);
    return EXIT_OK;
  }
  print_status(e, doc);
  cJSON_Delete(doc);
  return EXIT_OK;
}

static int show_all(const struct mounts *m, const char *dir, cJSON *all) {
  int worst = EXIT_OK;
  size_t shown = 0;

  for (size_t i = 0; i < m->count; i++) {
    const struct mount_entry *e = &m->items[i];
    int rc;

    if (!mount_is_s3apfs(e) || (dir != NULL && strcmp(e->dir, dir) != 0))
      continue;
    rc = show_one(e, all);
    worst = rc > worst ? rc : worst;
    shown++;
  }
  if (shown == 0 && dir != NULL)
    return cli_fail(EXIT_FAILED, "%s: no s3apfs mount stands there", dir);
  if (shown == 0 && all == NULL)
    puts("no s3apfs mounts");
  return worst;
}

static int status(const char *arg, bool json) {
  char *dir = arg != NULL ? mount_point_path(arg) : NULL;
  cJSON *all = json ? cJSON_CreateArray() : NULL;
  struct mounts m;
  int rc;

  if (arg != NULL && dir == NULL)
    return cli_fail(EXIT_FAILED, "%s: %s", arg, strerror(errno));
  rc = mounts_load(&m);
  if (rc != 0) {
    rc = cli_fail(EXIT_FAILED, "cannot read the mount table: %s", strerror(-rc));
  } else {
    rc = show_all(&m, dir, all);
    if (all != NULL && rc == EXIT_OK)
      rc = cli_print_json(all);
    mounts_fini(&m);
  }
  cJSON_Delete(all);
  free(dir);
  return rc;
}

int cmd_status(int argc, char **argv) {
  const char *dir = NULL;
  bool json = false;

  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      json = true;
    else if (argv[i][0] != '-' && dir == NULL)
      dir = argv[i];
    else
      return cli_fail(EXIT_USAGE, "usage: s3apfs status [DIR] [--json]");
  }
  return status(dir, json);
}

/* Percent-encoded: names may hold what a line cannot. */
static char *explain_request(const char *path) {
  struct buf b;

  buf_init(&b, 0);
  buf_puts(&b, "explain ");
  text_uri_encode(&b, path, strlen(path), true);
  return buf_take(&b);
}

static void print_explained(const char *path, const char *text) {
  show_plain(path);
  fputs(": ", stdout);
  show_plain(text);
  putchar('\n');
}

static int explain(const char *path) {
  struct mounts m;
  const struct mount_entry *e;
  char *request;
  cJSON *doc;
  int rc = mounts_load(&m);

  if (rc != 0)
    return cli_fail(EXIT_FAILED, "cannot read the mount table: %s", strerror(-rc));
  e = mounts_holding(&m, path);
  if (e == NULL) {
    mounts_fini(&m);
    return cli_fail(EXIT_FAILED, "%s is not on an s3apfs mount", path);
  }
  request = explain_request(path + strlen(e->dir) + (path[strlen(e->dir)] == '/'));
  rc = request == NULL ? -ENOMEM : ask_mount(e, request, &doc);
  free(request);
  mounts_fini(&m);
  if (rc != 0)
    return cli_fail(cli_code(rc), "the mount does not answer: %s", strerror(-rc));
  if (*text_of(doc, "error") != '\0')
    rc = cli_fail(EXIT_FAILED, "%s: %s", path, text_of(doc, "error"));
  else
    print_explained(path, text_of(doc, "explain"));
  cJSON_Delete(doc);
  return rc;
}

int cmd_explain(int argc, char **argv) {
  char *path;
  int rc;

  if (argc != 2 || argv[1][0] == '-')
    return cli_fail(EXIT_USAGE, "usage: s3apfs explain PATH");
  path = mount_point_path(argv[1]);
  if (path == NULL)
    return cli_fail(EXIT_FAILED, "%s: %s", argv[1], strerror(errno));
  rc = explain(path);
  free(path);
  return rc;
}
