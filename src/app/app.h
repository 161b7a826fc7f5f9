/* A mount as one object: everything from the engine to the sources, wired from
 * a configuration. Two may coexist in a process. */
#ifndef S3APFS_APP_APP_H
#define S3APFS_APP_APP_H

#include "config.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/data/disk.h"
#include "s3apfs/fs/fs.h"
#include "s3apfs/net/call.h"
#include "s3apfs/state/shelf.h"
#include "s3apfs/store/catalog.h"
#include "source.h"
#include "tiering.h"

struct app {
  struct disk *disk;       /* the cache on disk; NULL: none */
  struct shelf *shelf;     /* listings on disk; NULL: none */
  struct tiering *tiering; /* the shared tier; NULL: none */
  struct bandwidth *down;  /* NULL: no limit */
  struct bandwidth *up;
  struct http_engine *engine;
  struct caller *caller;
  struct identities *identities;
  struct grants_set *grants;
  struct state *state;           /* borrowed; NULL: nothing is kept */
  struct s3_notes notes;         /* in the state */
  const char *read_only_because; /* borrowed; "": nobody has to be told */
  bool open;
  struct {
    struct mtx lock;
    struct source **sources; /* they stay until the end, retired ones too */
    size_t count;
    size_t room;
  } synced;
};

/* Engine, caller and identities for these settings; no sources yet. */
int app_open(struct app *a, const struct settings *s, struct buf *why);
/* Wires and probes every directory of the configuration. Fails when one is
 * unusable by itself (-EINVAL), or when not a single one can be used (the errno
 * of the first). Others get a warning in the log. */
int app_open_sources(struct app *a, const struct config *c, struct buf *why);
/* The configuration's first directory alone, which is not asked anything. */
int app_open_alone(struct app *a, const struct config *c, struct buf *why);
/* The number stays its own. NULL: there are no more. */
struct source *app_source_at(struct app *a, size_t i);

/* For a live mount: wires and probes the directories whose `wanted` is set, into made[] at
 * the same place. Fails as above, but one that cannot be used now is no failure; then
 * nothing was made. */
int app_make_sources(struct app *a, const struct config *c, const bool *wanted,
                     struct source **made, struct buf *why);
/* Shows a source that was made, which it takes, also when it fails. */
int app_show(struct app *a, struct fs *fs, struct source *s);
/* Its directory vanishes; what is open goes on. */
void app_retire(struct fs *fs, struct source *s);
int app_revive(struct fs *fs, struct source *s);
void app_discard(struct source *s); /* was made and not shown; NULL is fine */

/* Hands the stores to a catalog. */
int app_catalog(struct app *a, struct catalog *out);
/* What the sources' first LISTs showed, of which nothing was changed since from here. */
void app_show_first(struct app *a, struct fs *fs);
/* Sources that change by themselves tell the file system. */
void app_follow(struct app *a, struct fs *fs);
void app_unfollow(struct app *a);
/* The catalog must be gone before. */
void app_close(struct app *a);

#endif
