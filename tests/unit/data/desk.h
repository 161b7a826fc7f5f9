/* A place to stage files: a store in memory with faults, a journal in a folder of
 * its own. */
#ifndef S3APFS_TESTS_DATA_DESK_H
#define S3APFS_TESTS_DATA_DESK_H

#include "s3apfs/data/commit.h"
#include "s3apfs/data/recover.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"
#include "support/pattern.h"

/* Small parts, so that small files have many. */
#define DESK_PART ((size_t)64 << 10)
#define DESK_PART_MIN ((size_t)40 << 10)

struct desk {
  char dir[64];
  struct store *mem;
  struct store *store; /* the faulty one */
  struct budget *budget;
  struct cache *cache;
  struct state *state;
  struct staging *staging;
};

/* pattern.h into memory that is there. */
static inline void desk_fill(unsigned char *dst, uint64_t offset, size_t len, uint64_t seed) {
  for (size_t i = 0; i < len; i++)
    dst[i] = pattern_byte(offset + i, seed);
}

void desk_open(struct desk *d);
void desk_close(struct desk *d);
/* As if the process had ended and another had begun: the store stays. */
void desk_restart(struct desk *d);

/* The object's bytes; NULL: there is none. */
unsigned char *desk_object(struct desk *d, const char *key, size_t *len);
/* The object is exactly these bytes. */
void desk_expect(struct desk *d, const char *key, const unsigned char *data, size_t len);
struct store_attr desk_put(struct desk *d, const char *key, const unsigned char *data, size_t len);
/* What a store (the desk's, or one over it) says of the key. */
bool desk_has(struct store *s, const char *key);
/* The key of the only object whose name has this word; the caller's. */
char *desk_find(struct desk *d, const char *word);
unsigned desk_journal_files(struct desk *d);
unsigned desk_staged_files(struct desk *d);

#endif
