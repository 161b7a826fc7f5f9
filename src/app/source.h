/* One directory of a mount, wired: identity, keys, client, store. */
#ifndef S3APFS_APP_SOURCE_H
#define S3APFS_APP_SOURCE_H

#include <stdatomic.h>

#include "config.h"
#include "identity.h"
#include "s3apfs/s3/grants.h"
#include "s3apfs/s3/store.h"
#include "s3apfs/store/catalog.h"

struct tree;

/* The vending caches of a mount, one per identity, account and Region. */
struct grants_set;
int grants_set_new(struct caller *c, struct grants_set **out);
void grants_set_free(struct grants_set *set);

struct source {
  struct config_dir own;        /* a copy: configurations come and go */
  const struct config_dir *dir; /* that */
  const struct s3_notes *notes; /* borrowed; NULL: nothing is remembered of servers */
  struct identity *identity;
  struct pool *renewals;       /* borrowed; of sessions */
  struct grants *grants;       /* of the set; NULL for direct access */
  struct key_source *granted;  /* owned; NULL for direct access */
  struct key_source *changing; /* owned; READWRITE for what changes; NULL: as for reading */
  struct key_source *session;  /* owned; of directory buckets, else NULL */
  struct tree *tree;           /* owned; of `grants`, else NULL */
  struct store *store;
  bool store_given;        /* a catalog owns the store now */
  bool listed;             /* a LIST of it was answered: */
  struct store_page first; /* what it showed; */
  int64_t first_asked_ms;  /* and when it was sent, monotonic */
  char *note;              /* "listing is not allowed, ..." or NULL */
  char *problem;           /* why it could not be used at mount time, or NULL */
  int err;                 /* the same: errno */
  struct outage outage;    /* with offline=lenient */
  const struct root *root; /* what shows it; of the file system */
  atomic_bool retired;     /* its directory is gone from the configuration */
};

/* Builds, asks nobody. -EINVAL with one line in *why. The source stays where it is. */
int source_open(struct source *s, const struct config_dir *dir, struct caller *c,
                struct identities *ids, struct grants_set *grants, const struct s3_notes *notes,
                struct buf *why);
void source_close(struct source *s);
/* Proves that the source can be used; sets note or problem. 0 when usable (with
 * or without listing); else -errno, with the line in *why. */
int source_probe(struct source *s, struct buf *why);
/* "arn:... (READ by grant s3://...)": who serves it, for explain and status. */
/* Never blocks. */
void source_describe(void *source, struct buf *out);

#endif
