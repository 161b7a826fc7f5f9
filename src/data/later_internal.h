/* Shared by later.c (the store), later_list.c (its listings), later_wait.c (waiting for what is
 * under way), later_send.c (the thread that sends removals and folders) and later_move.c (moves,
 * whose copies have a thread of their own). */
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

enum later_kind {
  LATER_REMOVAL, /* of version `etag`; NULL: of any */
  LATER_FOLDER,  /* an object of its own for the folder `key` */
  LATER_COPY,    /* of version `etag` of what `removal`, the next in the queue, takes away */
};

/* One change that is under way; at most one a key. */
struct later_change {
  char *key;
  enum later_kind kind;
  char *etag;
  struct kvlist meta;           /* of the folder's object */
  char *over;                   /* a copy replaces this version; NULL: there is none */
  uint64_t size;                /* of a copy */
  struct later_change *removal; /* of a copy */
  bool copied;                  /* a copy that is there, and waits for the journal */
  bool late;                    /* a copy that an earlier process was asked for */
  bool ends_move;               /* a removal that follows a copy */
  bool gone;                    /* a removal that was made, and waits for the journal */
  int64_t at;                   /* when it was asked for, seconds since 1970; 0: not known */
  int64_t id;                   /* in the journal */
  uint64_t seq;
  int err; /* of the attempt under way */
  struct later_change *next;
  UT_hash_handle hh;
};

/* How sending goes: of copies, and of the rest. */
struct later_lane {
  uint64_t attempts; /* that ended */
  int err;           /* of the last one */
};

struct later {
  struct store store;
  struct store *inner;
  struct state *state;
  struct pool *pool; /* folders' objects side by side */
  pthread_t thread;
  pthread_t copier;
  bool running;
  bool copying;
  bool at_once;        /* nothing is accepted, only what an earlier process left is sent behind */
  atomic_bool removed; /* a removal succeeded: others may be acknowledged before they are sent */
  atomic_bool made;    /* the same for objects */
  atomic_bool moved;   /* the same for moves, whose copies keep the etag here */
  atomic_llong ahead;  /* seconds by which the store's clock is ahead */
  struct {
    struct mtx lock;
    struct cond work;
    struct cond done;
    struct later_change *head; /* in order */
    struct later_change **tail;
    struct later_change *by_key;
    uint64_t seq; /* of the last one */
    struct later_lane sending;
    struct later_lane copying;
    unsigned moves;     /* under way, or being accepted */
    int lost;           /* why a move was given up since the last flush; 0 */
    bool removals_next; /* folders were sent last */
    bool stop;
    bool copier_ended;
  } synced;
};

/* It is one: the call came through its own operations. */
static inline struct later *later_self(struct store *s) {
  return (struct later *)s;
}

/* etag NULL: of any version. */
int later_change_new(enum later_kind kind, const char *key, const char *etag,
                     struct later_change **out);
void later_change_free(struct later_change *c);
/* Puts it at the end of the queue. */
void later_push(struct later *l, struct later_change *c);
void later_push_locked(struct later *l, struct later_change *c);
void later_unlink_locked(struct later *l, struct later_change *c);
/* NULL: it is another kind of store. */
struct later *later_of(struct store *s);
/* Seconds since 1970, by the store's clock as far as it is known. */
int64_t later_now(const struct later *l);

/* --- later_list.c --- */
int later_list(struct store *s, const char *prefix, bool folded, const char *token, unsigned max,
               struct store_page *out);
int later_list_after(struct store *s, const char *prefix, bool folded, const char *after,
                     unsigned max, struct store_page *out);

/* --- later_wait.c --- */
typedef bool (*later_match)(const struct later_change *c, const char *what);
bool later_is_any(const struct later_change *c, const char *what);
bool later_is_below(const struct later_change *c, const char *prefix);
bool later_is_deeper(const struct later_change *c, const char *prefix);
bool later_is_made_below(const struct later_change *c, const char *prefix);
bool later_is_copy_to(const struct later_change *c, const char *key);
bool later_is_copy_below(const struct later_change *c, const char *prefix);
/* Waits until none of those that match now is left. -errno: an attempt failed. */
int later_wait(struct later *l, later_match match, const char *what);
/* The same for copies, but at once where they cannot be made for now: nobody is shown
 * a folder without what moved there. */
int later_settle_moves(struct later *l, later_match match, const char *what);
/* Nothing of this key is under way any more. */
int later_settle(struct later *l, const char *key);
/* The key can be looked at. -ENOENT: its object is being removed. */
int later_check(struct later *l, const char *key);
/* One key can be looked at, the other be given an object. */
int later_settle_two(struct later *l, const char *from, const char *to);
bool later_is_failing(struct later *l);
/* Before a change: up to where the moves are that it has to come after; and after it. rc is
 * the result of the change, and of this. */
uint64_t later_mark(struct later *l);
int later_after_moves(struct later *l, uint64_t upto, int rc);

/* --- later_send.c --- */
extern const char LATER_ROW_REMOVAL[]; /* journal_change.what */
/* The threads run, from the first change on that is not sent at once. */
int later_ensure(struct later *l);
void later_stop(struct later *l);
/* Queues what the journal has. */
int later_load(struct later *l);
/* Notes it in the journal; in the second way by what the caller has. */
int later_note(struct later *l, struct later_change *c);
int later_note_by(struct later *l, struct later_change *c, const struct later_noter *n);
/* Notes it and queues it; taken also on failure. */
int later_accept(struct later *l, struct later_change *c);
/* Notes why it waits. */
void later_note_failure(struct later *l, const struct later_change *c);
/* Trying again may help. */
bool later_may_pass(int err);
/* The other version came after the change was asked for, or that cannot be told. */
bool later_came_since(const struct later_change *c, const struct store_attr *other);
void later_end_attempt_locked(struct later_lane *lane, int rc);
int64_t later_next_pause(int rc, int64_t pause);
struct later_change *later_first_copy_locked(struct later *l);

/* --- later_move.c --- */
void *later_move_main(void *arg); /* a struct later */
/* What a copy's row says; valid as long as both. */
int later_move_to_row(const struct later_change *c, struct buf *detail, struct journal_change *row);
int later_move_load(struct later *l, const struct journal_change *row);

#endif
