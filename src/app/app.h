/* A mount as one object: everything from the engine to the sources, wired from
 * a configuration. Two may coexist in a process. */
#ifndef S3APFS_APP_APP_H
#define S3APFS_APP_APP_H

#include "config.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/data/disk.h"
#include "s3apfs/fs/fs.h"
#include "s3apfs/net/call.h"
#include "s3apfs/state/shelf.h"
#include "s3apfs/store/catalog.h"
#include "source.h"
#include "tiering.h"

struct app {
  const struct config *config;
  struct disk *disk;       /* the cache on disk; NULL: none */
  struct shelf *shelf;     /* listings on disk; NULL: none */
  struct tiering *tiering; /* the shared tier; NULL: none */
  struct http_engine *engine;
  struct caller *caller;
  struct identities *identities;
  struct grants_set *grants;
  struct source *sources;
  size_t source_count;
  struct state *state;           /* borrowed; NULL: nothing is kept */
  struct s3_notes notes;         /* in the state */
  const char *read_only_because; /* borrowed; "": nobody has to be told */
};

/* Engine, caller and identities for these settings; no sources yet. */
int app_open(struct app *a, const struct settings *s, struct buf *why);
/* Wires and probes every directory of the configuration. Fails when one is
 * unusable by itself (-EINVAL), or when not a single one can be used (the errno
 * of the first). Others get a warning in the log. */
int app_open_sources(struct app *a, const struct config *c, struct buf *why);
/* Hands the stores to a catalog. */
int app_catalog(struct app *a, struct catalog *out);
/* Sources that change by themselves tell the file system. */
void app_follow(struct app *a, struct fs *fs);
void app_unfollow(struct app *a);
/* The catalog must be gone before. */
void app_close(struct app *a);

#endif
