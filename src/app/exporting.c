/* Writing out what cannot be sent. The mount does it, because only it can read what is
 * staged; one file a request, so that each answer comes when its file is on the disk. */
#include "exporting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "s3apfs/base/text.h"
#include "show.h"

#define EXPORT_TIMEOUT_MS 3600000

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

static int export_to(struct fs *fs, int64_t id, const char *folder, struct buf *written) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int rc = fd >= 0 ? fs_export(fs, id, fd, written) : -errno;

  if (fd >= 0)
    close(fd);
  return rc;
}

cJSON *exporting_answer(struct fs *fs, const char *request) {
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
    rc = export_to(fs, id, buf_cstr(&folder), &written);
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

static int ask_export(const struct mount_entry *e, double id, const char *folder, cJSON **out) {
  struct buf request;
  int rc;

  buf_init(&request, 0);
  buf_printf(&request, "export %.0f ", id);
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
  const cJSON *id = cJSON_GetObjectItem(file, "id");
  const char *written;
  cJSON *doc = NULL;
  int rc;

  path = path != NULL ? path : "?";
  if (id == NULL) {
    print_left(path, "it is a change of a name, which has no content");
    return false;
  }
  rc = ask_export(e, id->valuedouble, folder, &doc);
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
