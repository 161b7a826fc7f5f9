/* Fixture of the credential tests. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/remove_tree.h"
#include "s3apfs/base/file.h"

static const char *table_getenv(void *arg, const char *name) {
  struct fixture *f = arg;

  for (unsigned i = f->count; i-- > 0;)
    if (strcmp(f->variables[i].name, name) == 0)
      return f->variables[i].value;
  return NULL;
}

void fixture_init(struct fixture *f) {
  memset(f, 0, sizeof(*f));
  f->env = (struct cred_env){table_getenv, f};
  f->context.env = f->env;
  snprintf(f->dir, sizeof(f->dir), "/tmp/s3apfs-cred-XXXXXX");
  cr_assert_not_null(mkdtemp(f->dir));
  fixture_set(f, "HOME", f->dir);
  fixture_set(f, "AWS_EC2_METADATA_DISABLED", "true"); /* this may be an instance */
}

void fixture_fini(struct fixture *f) {
  remove_tree(f->dir);
  caller_free(f->context.caller);
  http_engine_free(f->engine);
}

void fixture_call_sts(struct fixture *f, unsigned port) {
  struct http_options o = {.threads = 1};
  struct caller_options quick = {.base_delay_ms = 1};
  char url[64];

  snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
  fixture_set(f, "AWS_ENDPOINT_URL_STS", url);
  cr_assert_eq(http_engine_new(&o, &f->engine), 0);
  cr_assert_eq(caller_new(f->engine, &quick, &f->context.caller), 0);
}

void fixture_set(struct fixture *f, const char *name, const char *value) {
  cr_assert_lt(f->count, 32);
  f->variables[f->count].name = name;
  snprintf(f->variables[f->count++].value, sizeof(f->variables[0].value), "%s", value);
}

const char *fixture_file(struct fixture *f, const char *name, const char *text) {
  static char path[256];
  char *slash;

  snprintf(path, sizeof(path), "%s/%s", f->dir, name);
  slash = strrchr(path, '/');
  *slash = '\0';
  cr_assert_eq(file_mkdirs(path, 0700), 0);
  *slash = '/';
  cr_assert_eq(file_write_atomic(path, text, strlen(text), 0600), 0);
  return path;
}

void fixture_config(struct fixture *f, const char *text) {
  fixture_file(f, ".aws/config", text);
}

void fixture_credentials(struct fixture *f, const char *text) {
  fixture_file(f, ".aws/credentials", text);
}

const char *fixture_script(struct fixture *f, const char *name, const char *text) {
  const char *path = fixture_file(f, name, text);

  cr_assert_eq(chmod(path, 0700), 0);
  return path;
}
