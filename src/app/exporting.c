/* Writing out what cannot be sent. The mount does it, because only it can read what is
 * staged; one file a request, so that each answer comes when its file is on the disk. */
#include "exporting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "s3apfs/base/text.h"
#include "show.h"

#define EXPORT_TIMEOUT_MS 3600000
#define FOLDER_MODE 0700

/* --- in the mount --- */

static const char *reason(int err) {
  switch (err) {
  case -EBUSY:
    return "a program has it open";
  case -ENOENT:
    return "it does not wait any more";
  case -ENODEV:
    return "parts of it are in an object of a source that is not mounted here";
  case -ESTALE:
    return "parts of it are in a version of the object that is gone";
  default:
    return strerror(-err);
  }
}

static int open_folder(const char *folder, const char *within) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int inner = -1;
  int rc = 0;

  if (fd < 0)
    return -errno;
  if (within == NULL)
    return fd;
  if (mkdirat(fd, within, FOLDER_MODE) == 0 || errno == EEXIST)
    inner = openat(fd, within, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (inner < 0)
    rc = -errno;
  close(fd);
  return rc == 0 ? inner : rc;
}

static int export_to(struct fs *fs, int64_t id, const char *folder, const char *within,
                     struct buf *written) {
  int fd = open_folder(folder, within);
  int rc;

  if (fd < 0)
    return fd;
  if (within != NULL)
    buf_printf(written, "%s/", within);
  rc = fs_export(fs, id, fd, written);
  close(fd);
  return rc;
}

cJSON *exporting_answer(struct fs *fs, const char *request, const char *within) {
  cJSON *doc = cJSON_CreateObject();
  struct buf folder;
  struct buf written;
  char *end;
  long long id = strtoll(request, &end, 10);
  int rc;

  buf_init(&folder, 65536);
  buf_init(&written, 65536);
  rc = *end == ' ' ? text_uri_decode(&folder, end + 1, strlen(end + 1), false) : -EINVAL;
  if (rc == 0)
    rc = export_to(fs, id, buf_cstr(&folder), within, &written);
  if (rc == 0)
    cJSON_AddStringToObject(doc, "written", buf_cstr(&written));
  else
    cJSON_AddStringToObject(doc, "error", reason(rc));
  buf_fini(&folder);
  buf_fini(&written);
  return doc;
}

/* --- in the command --- */

static void print_left(const char *path, const char *why) {
  fputs("  not written out: ", stdout);
  show_plain(path);
  printf(": %s\n", why);
}

static int ask_export(const struct mount_entry *e, const cJSON *file, const char *folder,
                      cJSON **out) {
  const cJSON *user = cJSON_GetObjectItem(file, "user");
  struct buf request;
  int rc;

  buf_init(&request, 0);
  if (user != NULL)
    buf_printf(&request, EXPORT_OF_REQUEST "%.0f ", user->valuedouble);
  else
    buf_puts(&request, EXPORT_REQUEST);
  buf_printf(&request, "%.0f ", cJSON_GetObjectItem(file, "id")->valuedouble);
  text_uri_encode(&request, folder, strlen(folder), true);
  rc = buf_error(&request);
  if (rc == 0)
    rc = ask_mount_for(e, buf_cstr(&request), EXPORT_TIMEOUT_MS, out);
  buf_fini(&request);
  return rc;
}

static bool export_one(const struct mount_entry *e, const cJSON *file, const char *folder) {
  const char *path = cJSON_GetStringValue(cJSON_GetObjectItem(file, "path"));
  const char *error = cJSON_GetStringValue(cJSON_GetObjectItem(file, "error"));
  const char *written;
  cJSON *doc = NULL;
  int rc;

  path = path != NULL ? path : "?";
  if (cJSON_IsFalse(cJSON_GetObjectItem(file, "served"))) {
    print_left(path, error != NULL ? error : "its user is not served");
    return false;
  }
  if (cJSON_GetObjectItem(file, "id") == NULL) {
    print_left(path, "it is a change of a name, which has no content");
    return false;
  }
  rc = ask_export(e, file, folder, &doc);
  written = cJSON_GetStringValue(cJSON_GetObjectItem(doc, "written"));
  if (rc != 0) {
    print_left(path, strerror(-rc));
  } else if (written != NULL) {
    fputs("  written out: ", stdout);
    show_plain(path);
    fputs(" as ", stdout);
    show_plain(folder);
    putchar('/');
    show_plain(written);
    printf(" (%s)\n", error != NULL ? error : "?");
  } else {
    const char *why = cJSON_GetStringValue(cJSON_GetObjectItem(doc, "error"));

    print_left(path, why != NULL ? why : "the mount's answer is not understood");
  }
  cJSON_Delete(doc);
  return written != NULL;
}

unsigned exporting_all(const struct mount_entry *e, const cJSON *pending, const char *folder) {
  const cJSON *file;
  unsigned failed = 0;

  cJSON_ArrayForEach(file, pending) {
    failed += !export_one(e, file, folder);
  }
  return failed;
}
