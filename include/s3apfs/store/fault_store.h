/* Decorator that makes an inner store fail as scripted. Owns the inner one. */
#ifndef S3APFS_STORE_FAULT_STORE_H
#define S3APFS_STORE_FAULT_STORE_H

#include "s3apfs/store/store.h"

enum fault_op {
  FAULT_GET,
  FAULT_HEAD,
  FAULT_LIST,
  /* of store->write: */
  FAULT_READY,
  FAULT_DETAIL,
  FAULT_TAGS,
  FAULT_PUT,
  FAULT_CREATE_UPLOAD,
  FAULT_PUT_PART,
  FAULT_COPY_PART,
  FAULT_COMPLETE_UPLOAD,
  FAULT_ABORT_UPLOAD,
  FAULT_COPY,
  FAULT_APPEND,
  FAULT_REMOVE, /* the whole call */
};
#define FAULT_OPS (FAULT_REMOVE + 1)

int fault_store_new(struct store *inner, struct store **out);
/* The next `count` calls of that kind, after letting `after` pass, fail with
 * err. For FAULT_GET, bytes > 0 delivers that many first; err 0 there is a body
 * that ends early although it is reported as complete. */
void fault_store_fail(struct store *s, enum fault_op op, unsigned after, unsigned count, int err,
                      size_t bytes);
/* The next `count` calls of a changing kind, after letting `after` pass, do what
 * they are asked and then fail with err: the reply was lost. */
void fault_store_lose(struct store *s, enum fault_op op, unsigned after, unsigned count, int err);
/* Every call of that kind takes this much longer. */
void fault_store_delay(struct store *s, enum fault_op op, int64_t ms);
/* From now on calls of that kind stop and wait for fault_store_open(); a get
 * first delivers `bytes`, a change is done first when bytes > 0. Waiting gets can
 * be cancelled. */
void fault_store_gate(struct store *s, enum fault_op op, size_t bytes);
void fault_store_open(struct store *s);
/* Calls that wait at the gate now. */
unsigned fault_store_waiting(struct store *s);

#endif
