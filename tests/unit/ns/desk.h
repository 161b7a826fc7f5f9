/* A tree of names over a store in memory with faults. */
#ifndef S3APFS_TESTS_NS_DESK_H
#define S3APFS_TESTS_NS_DESK_H

#include "s3apfs/ns/change.h"
#include "s3apfs/ns/ns.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"

#define DESK_MEMORY ((size_t)16 << 20)
#define DESK_TTL 60000
#define DESK_NEGATIVE_TTL 5000

/* Usual modes and owners, and those ages. */
extern const struct root_options desk_root;
/* The same, and everything stays known for as long as a test takes. */
extern const struct root_options desk_lasting_root;
/* It stands still but for desk_later(), and begins anew with each desk. */
extern const struct clock desk_clock;
extern const struct patience patient;

struct desk {
  struct store *mem; /* of the first root */
  struct store *faulty;
  struct catalog catalog;
  struct budget *budget;
  struct ns *ns;
};

/* Each test has one. */
extern struct desk desk;
/* What most suites begin and end with: one root at the top, open, on desk_clock, or lasting on the
 * system's. */
void desk_usual(void);
void desk_lasting(void);
void desk_end(void);

/* One root at `path`; desk_open() makes the tree. */
void desk_init(struct desk *d, const char *path, const struct root_options *o);
/* Another root, before that; the store, to be filled. */
struct store *desk_add(struct desk *d, const char *path);
/* o (whose budget need not be set) NULL: on desk_clock. */
void desk_open(struct desk *d, size_t memory, const struct ns_options *o);
/* The store stays, as it does for the next mount. */
void desk_close(struct desk *d);
void desk_fini(struct desk *d);
void desk_later(int64_t ms);

/* An object whose content is its key. */
void desk_put(struct desk *d, const char *key);
struct mem_store_counts desk_counts(struct desk *d);
/* Looks a path up step by step; 0 and the attributes, or -errno. */
int desk_walk(struct desk *d, const char *path, struct ns_attr *out);
/* The inode of a path, or of a name in a folder, which is there. */
uint64_t desk_ino(struct desk *d, const char *path);
uint64_t desk_find(struct desk *d, uint64_t parent, const char *name);
/* "name name/ link@ ..." of a directory, in its order; NULL and *rc on failure. */
char *desk_ls(struct desk *d, uint64_t ino, bool plus, int *rc);
/* That, with and without attributes. */
void desk_expect_ls(struct desk *d, const char *path, const char *want);

#endif
