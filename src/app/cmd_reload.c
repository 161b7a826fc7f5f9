/* s3apfs reload: a live mount takes up its changed configuration file. */
#include <stdio.h>
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

int cmd_reload(int argc, char **argv) {
  if (argc != 2 || argv[1][0] == '-')
    return cli_fail(EXIT_USAGE, "usage: s3apfs reload DIR");
  return cli_at_mount(argv[1], reload);
}
