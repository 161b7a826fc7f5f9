/* s3apfs sync: waits until everything is in S3, says what cannot be, and writes that out
 * where a folder for it is given. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "exporting.h"
#include "flush.h"
#include "s3apfs/base/file.h"
#include "show.h"

#define FOLDER_MODE 0700

/* What is left is written out, or listed. 0, or -EIO: something remains. */
static int deal_with(const struct mount_entry *e, const cJSON *left, const char *folder) {
  if (folder != NULL)
    return exporting_all(e, left, folder) == 0 ? 0 : -EIO;
  show_pending(left);
  return -EIO;
}

/* The folder's true path, made when it is not there. */
static int open_folder(const struct mounts *m, const char *folder, char path[PATH_MAX]) {
  int rc = file_mkdirs(folder, FOLDER_MODE);

  if (rc == 0 && realpath(folder, path) == NULL)
    rc = -errno;
  if (rc != 0)
    return cli_fail(EXIT_FAILED, "%s: %s", folder, strerror(-rc));
  if (mounts_holding(m, path) != NULL)
    return cli_fail(EXIT_FAILED, "%s is on an s3apfs mount itself", folder);
  return EXIT_OK;
}

static int sync_mount(const struct mount_entry *e, const char *dir, const char *folder) {
  cJSON *left = NULL;
  int rc = flush_mount(e, 0, &left);

  if (rc == -EIO)
    rc = deal_with(e, left, folder);
  cJSON_Delete(left);
  if (rc == -EIO)
    return cli_fail(EXIT_FAILED, "%s: not everything is in S3; it is safe in the state directory",
                    dir);
  return rc < 0 ? cli_fail(cli_code(rc), "the mount does not answer: %s", strerror(-rc)) : rc;
}

static int sync_dir(const char *dir, const char *folder) {
  char path[PATH_MAX];
  struct mounts m;
  const struct mount_entry *e;
  int rc = mounts_load(&m);

  if (rc != 0)
    return cli_fail(EXIT_FAILED, "cannot read the mount table: %s", strerror(-rc));
  e = mounts_holding(&m, dir);
  if (e == NULL)
    rc = cli_fail(EXIT_FAILED, "%s is not on an s3apfs mount", dir);
  else if (folder != NULL)
    rc = open_folder(&m, folder, path);
  if (rc == EXIT_OK)
    rc = sync_mount(e, dir, folder != NULL ? path : NULL);
  mounts_fini(&m);
  return rc;
}

static bool parse(int argc, char **argv, const char **dir, const char **folder) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--export") == 0 && i + 1 < argc && *folder == NULL)
      *folder = argv[++i];
    else if (argv[i][0] != '-' && *dir == NULL)
      *dir = argv[i];
    else
      return false;
  }
  return *dir != NULL;
}

int cmd_sync(int argc, char **argv) {
  const char *named = NULL;
  const char *folder = NULL;
  char *dir;
  int rc;

  if (!parse(argc, argv, &named, &folder))
    return cli_fail(EXIT_USAGE, "usage: s3apfs sync DIR [--export FOLDER]");
  dir = mount_point_path(named);
  if (dir == NULL)
    return cli_fail(EXIT_FAILED, "%s: %s", named, strerror(errno));
  rc = sync_dir(dir, folder);
  free(dir);
  return rc;
}
