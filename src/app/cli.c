/* Messages and exit codes that the commands share. */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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
