/* A client of the S3 layer against a scripted server: what the tests share. */
#ifndef TESTS_UNIT_S3_RIG_H
#define TESTS_UNIT_S3_RIG_H

#include <stdatomic.h>

#include "s3apfs/net/call.h"
#include "s3apfs/s3/client.h"
#include "unit/net/server.h"

struct rig_clock {
  struct clock base;
  atomic_int_fast64_t wall_ms;
  atomic_int_fast64_t mono_ms;
};

struct rig {
  struct server *server;
  struct http_engine *engine;
  struct caller *caller;
  struct key_source keys; /* always the same long-lived ones */
  struct rig_clock clock;
  char url[64];
};

void rig_init(struct rig *r, server_script script, void *arg);
void rig_fini(struct rig *r);
/* A client for s3://bucket/ in path style, Region us-east-1. */
struct s3_client *rig_client(struct rig *r);
struct s3_client *rig_client_of(struct rig *r, const char *bucket); /* another name or alias */
void rig_advance(struct rig *r, int64_t seconds);

/* Waits for a store_get: set g->done = rig_done, then rig_wait. */
struct rig_get {
  struct store_get get;
  char data[4096];
  atomic_bool finished;
  int err;
};
void rig_get_init(struct rig_get *g, const char *if_match, uint64_t offset, size_t length);
int rig_get_wait(struct rig_get *g);

#endif
