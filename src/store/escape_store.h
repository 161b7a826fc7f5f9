/* Shared by the files of the escaping store. */
#ifndef ESCAPE_STORE_H
#define ESCAPE_STORE_H

#include <uthash.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/store/escape.h"
#include "s3apfs/store/write.h"

struct kept {
  UT_hash_handle hh;
  char *key;
};

struct escape_store {
  struct store store;
  struct store *inner;
  struct {
    struct mtx lock;
    struct kept *keys; /* of gets, where they are not their own escaped form */
  } synced;
};

static inline struct escape_store *escape_self(struct store *s) {
  return (struct escape_store *)s;
}

/* The inner store's key; the caller's. -EINVAL: there is no such key; -ENAMETOOLONG. */
int escape_real_key(const struct escape_store *e, const char *escaped, char **out, bool *twin);

extern const struct store_write_ops escape_write_ops;

#endif
