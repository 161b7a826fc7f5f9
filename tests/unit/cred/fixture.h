/* An environment made of a table, and files in a directory of the test's own. */
#ifndef TESTS_UNIT_CRED_FIXTURE_H
#define TESTS_UNIT_CRED_FIXTURE_H

#include "s3apfs/cred/context.h"

struct fixture {
  struct cred_context context; /* its env is the table; no caller unless one is asked for */
  struct cred_env env;
  struct http_engine *engine;
  char dir[64];
  struct {
    const char *name;
    char value[256];
  } variables[32];
  unsigned count;
};

/* HOME is the directory. */
void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f);
/* From here on the context can send calls; STS is at that port of loopback. */
void fixture_call_sts(struct fixture *f, unsigned port);
void fixture_set(struct fixture *f, const char *name, const char *value);
/* Writes DIR/name; parents are made. mode 0600. Returns the path (static). */
const char *fixture_file(struct fixture *f, const char *name, const char *text);
/* ~/.aws/config and ~/.aws/credentials. */
void fixture_config(struct fixture *f, const char *text);
void fixture_credentials(struct fixture *f, const char *text);
/* An executable shell script; returns its path (static). */
const char *fixture_script(struct fixture *f, const char *name, const char *text);

#endif
