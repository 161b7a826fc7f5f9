/* Shared by later.c (the store) and later_send.c (the thread). */
#ifndef S3APFS_SRC_DATA_LATER_INTERNAL_H
#define S3APFS_SRC_DATA_LATER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <uthash.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/data/later.h"
#include "s3apfs/state/journal.h"
#include "s3apfs/store/write.h"

/* One change that is under way; at most one a key. */
struct later_change {
  char *key;
  bool folder;        /* an object of its own for the folder `key`; else its removal: */
  char *etag;         /* of this version; NULL: of any */
  struct kvlist meta; /* of the folder's object */
  int64_t at;         /* when it was asked for, seconds since 1970; 0: not known */
  int64_t id;         /* in the journal */
  uint64_t seq;
  int err; /* of the attempt under way */
  struct later_change *next;
  UT_hash_handle hh;
};

struct later {
  struct store store;
  struct store *inner;
  struct state *state;
  struct pool *pool; /* folders' objects side by side */
  pthread_t thread;
  bool running;
  bool at_once;        /* nothing is accepted, only what an earlier process left is sent behind */
  atomic_bool removed; /* a removal succeeded: others may be acknowledged before they are sent */
  atomic_bool made;    /* the same for objects */
  struct {
    struct mtx lock;
    struct cond work;
    struct cond done;
    struct later_change *head; /* in order */
    struct later_change **tail;
    struct later_change *by_key;
    uint64_t seq;      /* of the last one */
    uint64_t attempts; /* that ended */
    int err;           /* of the last one */
    bool stop;
  } synced;
};

void later_change_free(struct later_change *c);
/* Puts it at the end of the queue. */
void later_push(struct later *l, struct later_change *c);
/* Notes it in the journal and queues it; taken also on failure. */
int later_accept(struct later *l, struct later_change *c);

/* --- later_send.c --- */
int later_start(struct later *l);
void later_stop(struct later *l);
/* Queues what the journal has. */
int later_load(struct later *l);

#endif
