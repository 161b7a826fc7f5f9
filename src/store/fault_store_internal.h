/* The failing store's inside: shared by fault_store.c (scripts, reading) and
 * fault_write.c (changes). */
#ifndef S3APFS_SRC_STORE_FAULT_STORE_INTERNAL_H
#define S3APFS_SRC_STORE_FAULT_STORE_INTERNAL_H

#include "s3apfs/base/lock.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/write.h"

struct script {
  unsigned after;
  unsigned count;
  int err;
  size_t bytes;
  unsigned lose_after;
  unsigned lose_count;
  int lose_err;
  int64_t delay_ms;
  bool gated;
  size_t gate_bytes;
};

/* What one call has to suffer. */
struct fate {
  bool fails;
  bool lost; /* it is done, its reply is not */
  int err;
  size_t bytes;
  int64_t delay_ms;
  bool gated;
};

struct fault_get;

struct fault_store {
  struct store store;
  struct store *inner;
  pthread_t thread;
  struct {
    struct mtx lock;
    struct cond changed;
    struct script scripts[FAULT_OPS];
    struct fault_get *waiting;
    unsigned parked; /* gets and other calls at the gate */
    bool stop;
  } synced;
};

static inline struct fault_store *fault_store_self(struct store *s) {
  return (struct fault_store *)s;
}

/* Delay, gate and failure ahead of a blocking call; 0: go on, then _after(). */
int fault_store_before(struct fault_store *fs, enum fault_op op, struct fate *out);
/* The call was done with rc; what its caller hears. */
int fault_store_after(struct fault_store *fs, enum fault_op op, const struct fate *fate, int rc);

extern const struct store_write_ops fault_write_ops;

#endif
