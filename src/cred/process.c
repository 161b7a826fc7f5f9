/* Provider: credential_process. The program may print secrets on both streams:
 * its output never reaches a message, its complaints only masked and cut. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fail.h"
#include "run.h"
#include "s3apfs/aws/keys_json.h"
#include "s3apfs/base/text.h"
#include "s3apfs/cred/provider.h"
#include "words.h"

#define OUTPUT_MAX ((size_t)64 << 10) /* a session token has at most a few KiB */
#define COMPLAINT_MAX ((size_t)500)   /* of stderr, in an error */

struct process_source {
  struct key_source base;
  char *command;
  char *identity;
  int64_t timeout_ms;
};

static int fail_start(const struct process_source *p, const char *program, int rc,
                      struct s3_error *error) {
  if (rc == -ETIMEDOUT)
    return cred_fail(error, rc, CRED_INVALID,
                     "%s: credential_process %s did not end within %lld s and was killed",
                     p->identity, program, (long long)(p->timeout_ms / 1000));
  if (rc == -E2BIG)
    return cred_fail(error, -EINVAL, CRED_INVALID,
                     "%s: credential_process %s printed more than %zu KiB", p->identity, program,
                     OUTPUT_MAX >> 10);
  return cred_fail(error, rc == -ENOENT ? -EINVAL : rc, CRED_INVALID,
                   "%s: credential_process %s cannot be run: %s", p->identity, program,
                   strerror(-rc));
}

static int fail_status(const struct process_source *p, const char *program, int status,
                       const struct buf *complaint, struct s3_error *error) {
  const char *how = WIFEXITED(status) ? "failed with status" : "was ended by signal";
  int number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);

  return cred_fail(error, -EACCES, CRED_INVALID, "%s: credential_process %s %s %d%s%s", p->identity,
                   program, how, number, complaint->len > 0 ? ": " : "", buf_cstr(complaint));
}

static int read_document(const struct process_source *p, const char *program,
                         const struct buf *text, struct keys **out, struct s3_error *error) {
  struct aws_keys k;
  char *account = NULL;
  struct buf why;
  int rc;

  buf_init(&why, 0);
  rc = keys_json_parse_process(buf_cstr(text), text->len, &k, &account, &why);
  if (rc != 0) {
    rc = cred_fail(error, rc, CRED_INVALID, "%s: credential_process %s: %s", p->identity, program,
                   buf_cstr(&why));
  } else {
    rc = keys_new(k.access_key_id, k.secret_access_key, k.session_token, k.expiration, account,
                  p->identity, out);
    aws_keys_fini(&k);
    free(account);
    if (rc != 0)
      rc = cred_fail(error, rc, CRED_INVALID, "%s: no memory", p->identity);
  }
  buf_fini(&why);
  return rc;
}

static int run_and_read(const struct process_source *p, const struct words *w, struct keys **out,
                        struct s3_error *error) {
  const char *program = w->items[0];
  struct buf text;
  struct buf complaint;
  int status = 0;
  int rc;

  buf_init(&text, OUTPUT_MAX);
  buf_init(&complaint, COMPLAINT_MAX);
  rc = run_program(w->items, p->timeout_ms, &text, &complaint, &status);
  if (rc != 0)
    rc = fail_start(p, program, rc, error);
  else if (status != 0)
    rc = fail_status(p, program, status, &complaint, error);
  else
    rc = read_document(p, program, &text, out, error);
  buf_wipe(&complaint);
  buf_wipe(&text);
  return rc;
}

static int process_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct process_source *self = (struct process_source *)s;
  struct words w;
  int rc = words_split(self->command, &w);

  if (rc == -ENOMEM)
    return cred_fail(error, rc, CRED_INVALID, "%s: no memory", self->identity);
  if (rc != 0)
    return cred_fail(error, rc, CRED_INVALID, "%s: credential_process: a quote is not closed",
                     self->identity);
  if (w.count == 0)
    rc = cred_fail(error, -EINVAL, CRED_INVALID, "%s: credential_process is empty", self->identity);
  else
    rc = run_and_read(self, &w, out, error);
  words_fini(&w);
  return rc;
}

static void process_destroy(struct key_source *s) {
  struct process_source *self = (struct process_source *)s;

  if (self->command != NULL)
    explicit_bzero(self->command, strlen(self->command)); /* some carry a secret */
  free(self->command);
  free(self->identity);
  free(self);
}

static const struct key_source_ops process_ops = {.get = process_get, .destroy = process_destroy};

int cred_process_new(const char *command, const char *identity, int64_t timeout_ms,
                     struct key_source **out) {
  struct process_source *self = calloc(1, sizeof(*self));

  if (self == NULL)
    return -ENOMEM;
  self->base.ops = &process_ops;
  self->timeout_ms = timeout_ms > 0 ? timeout_ms : CRED_PROCESS_MS;
  self->command = strdup(command);
  self->identity = strdup(identity);
  if (self->command == NULL || self->identity == NULL) {
    process_destroy(&self->base);
    return -ENOMEM;
  }
  *out = &self->base;
  return 0;
}
