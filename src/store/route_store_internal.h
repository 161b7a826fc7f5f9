/* Shared by the files of the route store. */
#ifndef S3APFS_SRC_STORE_ROUTE_STORE_INTERNAL_H
#define S3APFS_SRC_STORE_ROUTE_STORE_INTERNAL_H

#include <stdatomic.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/store/route_store.h"
#include "s3apfs/store/write.h"

/* One scope. Fixed but for permissions and the store, which the lock guards, and
 * the count of calls. */
struct scope_entry {
  char *prefix;
  size_t strip; /* length of its folder, which the store's keys lack */
  bool whole;
  bool can_read;
  bool can_write;
  unsigned origin;
  struct store *store;      /* NULL: not needed yet */
  atomic_uint calls;        /* under way */
  unsigned tables;          /* that hold it; under the lock */
  bool gone;                /* in no table since the last change */
  struct scope_entry *next; /* among those that wait for their calls to end */
};

/* The scopes at one time, sorted by prefix, a prefix before an object of the same
 * name. Immutable. up[i]: the longest other one whose prefix item i starts with. */
struct scope_table {
  unsigned refs; /* under the lock */
  struct scope_entry **items;
  size_t *up;
  size_t count;
};
#define SCOPE_NONE SIZE_MAX

struct route_store {
  struct store store;
  int (*make)(void *arg, const struct route *r, struct store **out);
  void (*describe)(void *arg, struct buf *out);
  void *arg;
  struct {
    struct mtx lock;
    struct scope_table *table;
    struct scope_entry *retired;
  } synced;
};

/* --- route_table.c --- */
int scope_table_new(const struct route *routes, size_t count, const struct scope_table *old,
                    struct scope_table **out);
/* Frees the table, not its entries. */
void scope_table_free(struct scope_table *t);
void scope_entry_free(struct scope_entry *e);
/* First item whose prefix is not before `prefix`. */
size_t scope_table_from(const struct scope_table *t, const char *prefix);
/* The longest scope that covers the key and allows all that is wanted; NULL: none. */
#define SCOPE_CAN_READ 1U
#define SCOPE_CAN_WRITE 2U
struct scope_entry *scope_table_match(const struct scope_table *t, const char *key, unsigned want);
bool scope_covers_key_of(const struct scope_entry *e, const char *key);

/* --- route_store.c --- */
/* A table that stays while it is held. */
struct scope_table *route_hold(struct route_store *r);
void route_drop(struct route_store *r, struct scope_table *t);
/* The entry's store, made if need be; counts a call until route_end(). */
int route_begin(struct route_store *r, struct scope_entry *e, struct store **out);
void route_end(struct scope_entry *e);
/* The part of a key it covers that the entry's store knows it by. */
static inline const char *route_inner_key(const struct scope_entry *e, const char *key) {
  return key + e->strip;
}

/* --- route_write.c --- */
extern const struct store_write_ops route_write_ops;

/* --- route_list.c --- */
int route_list_after(struct store *s, const char *prefix, bool folded, const char *after,
                     unsigned max, struct store_page *out);
int route_list(struct store *s, const char *prefix, bool folded, const char *token, unsigned max,
               struct store_page *out);

#endif
