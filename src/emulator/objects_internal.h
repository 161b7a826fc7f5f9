/* Shared by the files of the object store. */
#ifndef S3APFS_EMULATOR_OBJECTS_INTERNAL_H
#define S3APFS_EMULATOR_OBJECTS_INTERNAL_H

#include <uthash.h>

#include "objects.h"
#include "s3apfs/base/lock.h"

struct bucket_index {
  char *name;
  struct key_index keys;
  UT_hash_handle hh;
};

struct key_guard {
  char *id; /* BUCKET/KEY */
  UT_hash_handle hh;
};

#define RENAMES_KEPT 64

struct renamed {
  char *token;
  char *what;
};

struct objects {
  char *dir;
  char *spool;
  struct {
    struct mtx lock;
    struct cond guard_left;
    struct renamed renames[RENAMES_KEPT]; /* the last ones that had tokens */
    size_t rename_count;
    struct bucket_index *buckets;
    struct key_guard *guards;
  } synced;
};

/* One change of a key at a time: waits while another thread is at it. */
int objects_guard_enter(struct objects *o, const char *bucket, const char *key,
                        struct key_guard **out);
void objects_guard_leave(struct objects *o, struct key_guard *g);
/* 0; -ENOENT, -EEXIST: it does not hold. */
int objects_check(struct objects *o, const char *bucket, const char *key,
                  const struct objects_condition *c);
char *objects_path(const struct objects *o, const char *bucket, const char *key);
int objects_move_into_place(const char *from, const char *path);
int objects_index_put(struct objects *o, const char *bucket, const struct key_entry *entry);
void objects_index_remove(struct objects *o, const char *bucket, const char *key);

#endif
