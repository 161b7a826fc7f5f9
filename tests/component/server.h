/* A store on the S3 server that the environment names (see test_components.py).
 * Each test gets a prefix of its own. */
#ifndef TESTS_COMPONENT_SERVER_H
#define TESTS_COMPONENT_SERVER_H

#include <stdbool.h>

#include "s3apfs/store/write.h"

struct fixture {
  struct http_engine *engine;
  struct caller *caller;
  struct key_source *keys;
  struct store *store;
  const struct store_write_ops *w;
  bool emulator; /* faults can be scripted */
};

/* bucket NULL: the environment's. */
void fixture_init(struct fixture *f, const char *bucket);
void fixture_fini(struct fixture *f);
/* Adds faults, JSON as the emulator's administration takes it; "" forgets all. */
void fixture_faults(struct fixture *f, const char *json);
/* How many requests of that operation the emulator saw since the last look. */
unsigned fixture_requests(struct fixture *f, const char *operation);

struct store_attr put_text(struct fixture *f, const char *key, const char *text);
/* The object's bytes as text, at most 1023; "(none)" when there is no object. */
const char *text_of(struct fixture *f, const char *key, char buf[1024]);

#endif
