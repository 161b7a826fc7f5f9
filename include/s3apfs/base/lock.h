/* Ranked mutexes and condition variables.
 *
 * A thread may take a lock only when every lock it holds has a lower rank;
 * debug and sanitizer builds (NDEBUG unset) assert it. The one list of ranks
 * is enum lock_rank: outer locks first. No lock is held over network, disk, a
 * callback, fuse_reply_* or a wait for memory. */
#ifndef S3APFS_BASE_LOCK_H
#define S3APFS_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
  RANK_APP = 10,
  RANK_CONTROL = 20,
  RANK_FUSE = 25,   /* whose inodes the kernel knows */
  RANK_FS = 30,     /* handle tables */
  RANK_HANDLE = 40, /* one open file */
  RANK_NS = 50,     /* inode table, listings */
  RANK_INODE = 60,
  RANK_DATA = 70,  /* block cache */
  RANK_BLOCK = 80, /* one block */
  RANK_STATE = 90, /* queue of the journal */
  RANK_STORE = 100,
  RANK_S3 = 110,
  RANK_GRANTS = 120,
  RANK_CRED = 130,
  RANK_CALL = 140, /* signed calls */
  RANK_HTTP = 150, /* engine queues */
  RANK_EMULATOR = 160,
  RANK_POOL = 170,   /* thread pools */
  RANK_BUDGET = 180, /* memory budget */
  RANK_LOG = 200,
};

struct mtx {
  pthread_mutex_t m;
  enum lock_rank rank;
};

void mtx_init(struct mtx *m, enum lock_rank rank);
void mtx_fini(struct mtx *m);
void mtx_lock(struct mtx *m);
void mtx_unlock(struct mtx *m);

struct cond {
  pthread_cond_t c; /* on CLOCK_MONOTONIC */
};

void cond_init(struct cond *c);
void cond_fini(struct cond *c);
void cond_wait(struct cond *c, struct mtx *m);
/* Waits until mono_deadline_ms (clock_system's monotonic time); false when the
 * time passed. Spurious wake-ups return true. */
bool cond_wait_until(struct cond *c, struct mtx *m, int64_t mono_deadline_ms);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

#endif
