/* Errors of providers. */
#include "fail.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/log.h"

int cred_fail(struct s3_error *error, int err, const char *code, const char *fmt, ...) {
  struct buf line;
  char *text;
  va_list ap;

  if (error == NULL)
    return err;
  buf_init(&line, 0);
  va_start(ap, fmt);
  buf_vprintf(&line, fmt, ap);
  va_end(ap);
  text = buf_take(&line);
  if (text != NULL)
    log_redact(text);
  s3_error_from_local(error, err, code, text != NULL ? text : "");
  if (text != NULL)
    explicit_bzero(text, strlen(text));
  free(text);
  return err;
}
