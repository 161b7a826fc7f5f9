/* Versions of which a store gave bytes to this mount, and when it was asked: they outlive what is
 * held of the version. By hash, in a table of fixed size: newer ones take the place of the oldest.
 * Thread-safe. */
#ifndef DATA_PROOFS_H
#define DATA_PROOFS_H

#include <stdint.h>

#include "s3apfs/base/lock.h"

struct proof;

struct proofs {
  struct {
    struct mtx lock;
    struct proof *slots; /* NULL: none yet */
  } synced;
};

void proofs_init(struct proofs *p);
void proofs_fini(struct proofs *p);
/* id: of a version; asked_us: from before the request was sent. Without memory it is not noted. */
void proofs_add(struct proofs *p, const char *id, int64_t asked_us);
/* When the store was last asked that gave bytes of it; 0: that is not known. */
int64_t proofs_when(struct proofs *p, const char *id);
/* The store denied it, or has it no more. */
void proofs_take_back(struct proofs *p, const char *id);
void proofs_clear(struct proofs *p);

#endif
