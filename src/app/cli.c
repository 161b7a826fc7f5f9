/* What the commands share: messages, exit codes, documents, mounts by their names. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mounts.h"
#include "s3apfs/base/buf.h"
#include "s3apfs/base/log.h"

int cli_fail(enum exit_code code, const char *fmt, ...) {
  struct buf line;
  va_list ap;

  buf_init(&line, 65536);
  va_start(ap, fmt);
  buf_vprintf(&line, fmt, ap);
  va_end(ap);
  if (buf_error(&line) == 0) {
    log_redact(line.data);
    for (char *at = line.data; *at != '\0'; at++)
      if ((unsigned char)*at < 0x20 || *at == 0x7f)
        *at = '?';
  }
  fprintf(stderr, "s3apfs: %s\n", buf_cstr(&line));
  buf_fini(&line);
  return (int)code;
}

enum exit_code cli_code(int err) {
  return err == -EACCES ? EXIT_DENIED : EXIT_FAILED;
}

int cli_print_json(const cJSON *doc) {
  char *text = cJSON_Print(doc);

  if (text == NULL)
    return cli_fail(EXIT_FAILED, "out of memory");
  puts(text);
  cJSON_free(text);
  return EXIT_OK;
}

static int at_path(const char *path, int (*fn)(const struct mount_entry *e)) {
  struct mounts m;
  const struct mount_entry *e;
  int rc = mounts_load(&m);

  if (rc != 0)
    return cli_fail(EXIT_FAILED, "cannot read the mount table: %s", strerror(-rc));
  e = mounts_holding(&m, path);
  rc = e != NULL ? fn(e) : cli_fail(EXIT_FAILED, "%s: no s3apfs mount is there", path);
  mounts_fini(&m);
  return rc;
}

int cli_at_mount(const char *arg, int (*fn)(const struct mount_entry *e)) {
  char *path = mount_point_path(arg);
  int rc;

  if (path == NULL)
    return cli_fail(EXIT_FAILED, "%s: %s", arg, strerror(errno));
  rc = at_path(path, fn);
  free(path);
  return rc;
}
