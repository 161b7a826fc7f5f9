/* Waiting until a mount has brought everything to S3: s3apfs sync, and umount.
 *
 * The mount is asked again and again, because one answer must come within the
 * control socket's time; on a terminal a line shows how many files are left. */
#include "flush.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "show.h"

static bool all_failed(const cJSON *pending) {
  const cJSON *f;

  cJSON_ArrayForEach(f, pending) {
    if (cJSON_GetObjectItem(f, "error") == NULL)
      return false;
  }
  return true;
}

static void show_left(int left, bool end) {
  if (!isatty(STDERR_FILENO))
    return;
  if (end)
    fputs("\r\033[K", stderr);
  else
    fprintf(stderr, "\r%d file%s not in S3 yet\033[K", left, left == 1 ? " is" : "s are");
}

int flush_mount(const struct mount_entry *e) {
  for (;;) {
    const cJSON *pending;
    cJSON *doc;
    bool over;
    int left;
    int rc = ask_mount(e, "sync", &doc);

    if (rc == -ETIMEDOUT)
      continue;
    if (rc != 0)
      return rc;
    pending = cJSON_GetObjectItem(doc, "pending");
    left = cJSON_GetArraySize(pending);
    over = all_failed(pending);
    show_left(left, over);
    if (over && left > 0)
      show_pending(pending);
    cJSON_Delete(doc);
    if (over)
      return left > 0 ? -EIO : 0;
  }
}

static int sync_dir(const char *dir) {
  struct mounts m;
  const struct mount_entry *e;
  int rc = mounts_load(&m);

  if (rc != 0)
    return cli_fail(EXIT_FAILED, "cannot read the mount table: %s", strerror(-rc));
  e = mounts_holding(&m, dir);
  if (e == NULL)
    rc = cli_fail(EXIT_FAILED, "%s is not on an s3apfs mount", dir);
  else
    rc = flush_mount(e);
  mounts_fini(&m);
  if (rc == -EIO)
    return cli_fail(EXIT_FAILED, "%s: not everything is in S3; it is safe in the state directory",
                    dir);
  return rc < 0 ? cli_fail(cli_code(rc), "the mount does not answer: %s", strerror(-rc)) : rc;
}

int cmd_sync(int argc, char **argv) {
  char *dir;
  int rc;

  if (argc != 2 || argv[1][0] == '-')
    return cli_fail(EXIT_USAGE, "usage: s3apfs sync DIR");
  dir = mount_point_path(argv[1]);
  if (dir == NULL)
    return cli_fail(EXIT_FAILED, "%s: %s", argv[1], strerror(errno));
  rc = sync_dir(dir);
  free(dir);
  return rc;
}
