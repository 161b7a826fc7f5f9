/* A file system over one or more stores in memory, with faults, for the tests. */
#ifndef S3APFS_TESTS_FS_WORLD_H
#define S3APFS_TESTS_FS_WORLD_H

#include <stdatomic.h>

#include "s3apfs/fs/fs.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"

#define WORLD_TTL 60000
#define WORLD_NEGATIVE_TTL 5000

struct world {
  struct fs *fs;
  struct store *mem; /* of the first root */
  struct store *faulty;
  struct catalog catalog;
  struct disk *disk;   /* set before world_open(); NULL: none */
  struct state *state; /* NULL: read-only */
  char state_dir[64];
};

/* One root at `path`; world_open() makes the file system. */
void world_init(struct world *w, const char *path);
/* Another root; the store, to be filled. */
struct store *world_add(struct world *w, const char *path);
void world_open(struct world *w, size_t memory, int64_t deadline_ms);
/* The same, and everything may be changed. */
void world_open_writable(struct world *w);
void world_fini(struct world *w);
/* Moves the clock that ages are measured by. */
void world_later(int64_t ms);

void world_put(struct world *w, const char *key, size_t len, uint64_t seed);
/* The inode of a path, looked up step by step; -errno. */
int world_walk(struct world *w, const char *path, struct fs_entry *out);
int world_open_file(struct world *w, const char *path, uint64_t *handle);
/* Opens and closes what a path names as `cat` would: 0 or -errno. */
int world_try(struct world *w, const char *path);
/* One read compared with the pattern; bytes, -errno, or -EBADMSG for wrong bytes. */
ssize_t world_read(struct world *w, uint64_t handle, uint64_t off, size_t size, uint64_t seed);
/* One read copied out; bytes or -errno. */
ssize_t world_copy(struct world *w, uint64_t handle, uint64_t off, void *dst, size_t size);
/* "name name/ ..." or NULL and *rc. */
char *world_ls(struct world *w, const char *path, bool plus, int *rc);
struct mem_store_counts world_counts(struct world *w);

#endif
