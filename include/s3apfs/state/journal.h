/* The journal: changes that were accepted and are not in the store yet.
 *
 * Two tables. Files: contents that wait in staging, by the store's domain and the
 * key. Changes: what happens to names and attributes, in order; what they say
 * beyond keys is the business of those who write them. Calls block on the disk
 * (STATE_DURABLE) or on a queue (STATE_LAZY); many callers share one write to the
 * disk. 0 or -errno; -ENOSPC: the disk is full, nothing was noted. */
#ifndef S3APFS_STATE_JOURNAL_H
#define S3APFS_STATE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/base/kv.h"
#include "s3apfs/state/state.h"

/* --- file contents --- */

/* Layers of a file are numbered from 1; `first`..`acked` were acknowledged by a
 * successful fsync or close and are not in the store; what is above was not
 * acknowledged. acked < first: nothing was. */
struct journal_file {
  int64_t id;      /* > 0; also the name of its files in staging */
  char *domain;    /* strings are owned, never NULL */
  char *key;       /* where it is to be committed; "": nowhere (unlinked) */
  char *base_etag; /* version below layer `first`; "": none, the key must be absent */
  uint64_t base_size;
  uint32_t first;
  uint32_t acked;
  uint64_t acked_log; /* bytes of the acked layer's map that count */
  struct kvlist meta; /* dress of the object to be */
  bool dressed;       /* some of it no version in the store may have yet */
  struct kvlist headers;
  char *upload; /* multipart upload under way; "": none */
  int err;      /* why the last commit failed: -errno, 0 */
  /* What the object is once the commit under way succeeds, so that its success can be
   * told although nobody noted it. */
  uint32_t expect_layer; /* the last one that it contains and that did not change since */
  uint64_t expect_size;
  uint64_t expect_crc64nvme;
  bool expect_has_crc64nvme;
  char *expect_etag; /* "": not known beforehand */
};
void journal_file_init(struct journal_file *f);
void journal_file_fini(struct journal_file *f);

/* A part that the upload already has. */
struct journal_part {
  unsigned number;
  uint64_t offset;
  uint64_t size;
  uint32_t layer; /* the topmost one when it was read */
  char *etag;     /* owned */
  uint64_t crc64nvme;
  bool has_crc64nvme;
  char *sum; /* owned: struct store_part's; "", or NULL when it is put: none */
};

/* Notes a new file; f->id is set. */
int journal_add_file(struct state *s, struct journal_file *f, enum state_sync sync);
/* Replaces what is noted under f->id, parts excepted; a changed f->upload drops
 * the parts of the old one. */
int journal_put_file(struct state *s, const struct journal_file *f, enum state_sync sync);
/* The whole content of a small layer, beside the files it has: */
struct journal_layer {
  uint32_t seq;
  const void *map; /* bytes of its map that count */
  size_t map_len;
  const void *data; /* the bytes that are its own, in order */
  size_t data_len;
};
/* Adds or replaces the file as the two above, durably, and with it layers that need not
 * be synced elsewhere then. Those below f->first are forgotten. */
int journal_promise_file(struct state *s, struct journal_file *f,
                         const struct journal_layer *layers, size_t count);
/* In order of seq; as journal_each_file(). */
typedef int (*journal_layer_fn)(void *arg, const struct journal_layer *l);
int journal_each_layer(struct state *s, int64_t file, journal_layer_fn fn, void *arg);
/* Forgets the file, its layers and its parts. */
int journal_drop_file(struct state *s, int64_t id, enum state_sync sync);
int journal_put_part(struct state *s, int64_t file, const struct journal_part *p,
                     enum state_sync sync);
int journal_drop_part(struct state *s, int64_t file, unsigned number, enum state_sync sync);

/* Both collect first and call back on the caller's thread; non-zero stops and is
 * returned. In order of id, of number. */
typedef int (*journal_file_fn)(void *arg, struct journal_file *f);
int journal_each_file(struct state *s, journal_file_fn fn, void *arg);
typedef int (*journal_part_fn)(void *arg, const struct journal_part *p);
int journal_each_part(struct state *s, int64_t file, journal_part_fn fn, void *arg);

/* --- names and attributes --- */

struct journal_change {
  int64_t id; /* > 0, ascending in the order of journal_add_change */
  char *domain;
  char *what;   /* "unlink", "rename", ...: the writer's word */
  char *key;    /* "a", or "a/" for a folder */
  char *target; /* second key; "": none */
  char *etag;   /* version that it is about; "": any */
  char *detail; /* the writer's own; progress too */
  int err;      /* why the last attempt failed: -errno, 0 */
};
void journal_change_fini(struct journal_change *c); /* frees the strings */

int journal_add_change(struct state *s, struct journal_change *c, enum state_sync sync);
/* This and journal_put_file() in one: whatever happens, both are noted or neither. */
int journal_put_file_and_change(struct state *s, const struct journal_file *f,
                                struct journal_change *c, enum state_sync sync);
/* Replaces all but the domain of the change with this id; another may be left to do in its place.
 */
int journal_put_change(struct state *s, const struct journal_change *c, enum state_sync sync);
int journal_drop_change(struct state *s, int64_t id, enum state_sync sync);
int journal_drop_changes(struct state *s, const int64_t *ids, size_t count, enum state_sync sync);
typedef int (*journal_change_fn)(void *arg, struct journal_change *c);
int journal_each_change(struct state *s, journal_change_fn fn, void *arg);

#endif
