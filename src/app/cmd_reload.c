/* s3apfs reload: a live mount takes up its changed configuration file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "cli.h"

/* New sources have to answer, each within its deadline. */
#define TIMEOUT_MS (10 * 60 * 1000)

static int show(const cJSON *reply) {
  const cJSON *error = cJSON_GetObjectItem(reply, "error");
  const cJSON *failed = cJSON_GetObjectItem(reply, "failed");
  const cJSON *line;

  if (cJSON_IsString(error))
    return cli_fail(EXIT_FAILED, "%s", error->valuestring);
  cJSON_ArrayForEach(line, cJSON_GetObjectItem(reply, "lines")) {
    if (cJSON_IsString(line))
      puts(line->valuestring);
  }
  return cJSON_IsNumber(failed) && failed->valueint > 0 ? EXIT_FAILED : EXIT_OK;
}

static int reload(const struct mount_entry *e) {
  cJSON *reply = NULL;
  int rc = ask_mount_for(e, "reload", TIMEOUT_MS, &reply);

  rc = rc != 0 ? (int)cli_fail(EXIT_FAILED, "the mount does not answer: %s", strerror(-rc))
               : show(reply);
  cJSON_Delete(reply);
  return rc;
}

static int reload_dir(const char *dir) {
  struct mounts m;
  const struct mount_entry *e;
  int rc = mounts_load(&m);

  if (rc != 0)
    return cli_fail(EXIT_FAILED, "cannot read the mount table: %s", strerror(-rc));
  e = mounts_holding(&m, dir);
  rc = e != NULL ? reload(e) : (int)cli_fail(EXIT_FAILED, "%s: no s3apfs mount is there", dir);
  mounts_fini(&m);
  return rc;
}

int cmd_reload(int argc, char **argv) {
  char *dir;
  int rc;

  if (argc != 2 || argv[1][0] == '-')
    return cli_fail(EXIT_USAGE, "usage: s3apfs reload DIR");
  dir = mount_point_path(argv[1]);
  if (dir == NULL)
    return cli_fail(EXIT_FAILED, "%s: %s", argv[1], strerror(errno));
  rc = reload_dir(dir);
  free(dir);
  return rc;
}
