/* Versions of which a store gave bytes to this mount, for when it cannot be asked. By hash, in a
 * table of fixed size: a newer one may take the place of an older one. Thread-safe. */
#ifndef DATA_PROOFS_H
#define DATA_PROOFS_H

#include <stdbool.h>
#include <stdint.h>

#include "s3apfs/base/lock.h"

struct proofs {
  struct {
    struct mtx lock;
    uint64_t (*slots)[2]; /* NULL: none yet */
  } synced;
};

void proofs_init(struct proofs *p);
void proofs_fini(struct proofs *p);
/* id: of a version. Without memory it is not noted. */
void proofs_add(struct proofs *p, const char *id);
bool proofs_have(struct proofs *p, const char *id);
/* The store denied it. */
void proofs_take_back(struct proofs *p, const char *id);
void proofs_clear(struct proofs *p);

#endif
