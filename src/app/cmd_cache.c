/* s3apfs cache: what is kept on disk, whether it is sound, and away with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "caching.h"
#include "cli.h"
#include "mounts.h"

static void print_tier(const cJSON *cache) {
  const cJSON *t = cJSON_GetObjectItem(cache, "tier");

  if (t != NULL)
    printf("%s: the shared tier, %.0f bytes read from it and %.0f sent by this mount\n",
           cJSON_GetStringValue(cJSON_GetObjectItem(t, "source")),
           cJSON_GetNumberValue(cJSON_GetObjectItem(t, "hit_bytes")),
           cJSON_GetNumberValue(cJSON_GetObjectItem(t, "filled_bytes")));
}

/* The cache of a mount, or the directory itself. The caller's; NULL: no memory. A
 * mount's shared tier is told of. */
static char *cache_of(const char *verb, const char *dir) {
  struct mount_entry e = {.dir = dir != NULL ? mount_point_path(dir) : NULL};
  const char *where;
  char *copy = NULL;
  cJSON *doc;
  int rc;

  if (dir == NULL)
    return caching_default_dir();
  rc = e.dir != NULL ? ask_mount(&e, "status", &doc) : -ENOENT;
  free(e.dir);
  if (rc != 0)
    return strdup(dir);
  where = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(doc, "cache"), "dir"));
  if (where != NULL)
    copy = strdup(where);
  if (strcmp(verb, "stat") == 0)
    print_tier(cJSON_GetObjectItem(doc, "cache"));
  cJSON_Delete(doc);
  return copy;
}

static int report(const char *verb, const char *dir) {
  struct disk_report r;
  int rc;

  if (strcmp(verb, "stat") == 0)
    rc = disk_dir_stat(dir, &r);
  else if (strcmp(verb, "verify") == 0)
    rc = disk_dir_verify(dir, &r);
  else
    rc = disk_dir_clear(dir, &r);
  if (strcmp(verb, "clear") == 0 && (rc == 0 || rc == -ENOENT) && shelf_clear(dir) != 0)
    return cli_fail(EXIT_FAILED, "%s: the listings cannot be removed", dir);
  if (rc == -ENOENT) {
    printf("%s: no cache\n", dir);
    return EXIT_OK;
  }
  if (rc != 0)
    return cli_fail(EXIT_FAILED, "%s: %s", dir, strerror(-rc));
  if (strcmp(verb, "verify") == 0)
    printf("%s: %llu objects, %llu blocks are sound, %llu were damaged and are gone\n", dir,
           (unsigned long long)r.versions, (unsigned long long)r.blocks,
           (unsigned long long)r.bad_blocks);
  else
    printf("%s: %llu objects, %llu bytes%s\n", dir, (unsigned long long)r.versions,
           (unsigned long long)r.bytes, strcmp(verb, "clear") == 0 ? " removed" : "");
  return EXIT_OK;
}

int cmd_cache(int argc, char **argv) {
  static const char *const verbs[] = {"stat", "verify", "clear"};
  bool known = false;
  char *dir;
  int code;

  for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
    known = known || strcmp(argv[1], verbs[i]) == 0;
  if (!known || argc > 3)
    return cli_fail(EXIT_USAGE, "usage: s3apfs cache stat|verify|clear [DIR]");
  dir = cache_of(argv[1], argc == 3 ? argv[2] : NULL);
  if (dir == NULL)
    return cli_fail(EXIT_FAILED, "%s has no cache on disk", argc == 3 ? argv[2] : "this user");
  code = report(argv[1], dir);
  free(dir);
  return code;
}
