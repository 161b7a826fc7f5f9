/* Shared by the files that make up the file system. */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include <uthash.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/data/reader.h"
#include "s3apfs/fs/fs.h"
#include "s3apfs/ns/ns.h"

/* The version of a file that handles read and that the kernel may have pages of. */
struct version {
  uint64_t ino;
  char etag[STORE_ETAG_MAX];
  uint64_t size;
  unsigned handles;    /* open now, of this or an older generation */
  uint64_t generation; /* of the version; handles of an older one are stale */
  UT_hash_handle hh;
};

struct fs {
  struct catalog catalog;
  struct budget *budget;
  struct cache *cache;
  struct ns *ns;
  int64_t deadline_ms;
  struct {
    struct mtx lock;
    struct version *versions; /* by ino; dropped when the kernel forgets the inode */
    uint64_t generation;
    uint64_t open_files;
    void (*changed)(void *arg, uint64_t ino);
    void *changed_arg;
  } synced;
};

/* How long one request may wait. */
struct patience fs_patience(const struct fs *fs);
void fs_fill_entry(const struct ns_attr *a, struct fs_entry *out);

/* Tells who serves the kernel that an inode's attributes and pages are old. */
void fs_notify_changed(struct fs *fs, uint64_t ino);

/* The kernel forgot this inode: it has no pages of it either. */
void versions_forget(struct fs *fs, uint64_t ino);
/* A handle opens this version. *same: the version is the one that the kernel may
 * have pages of. Gives the generation that the handle belongs to. */
int versions_open(struct fs *fs, uint64_t ino, const struct store_attr *attr, bool *same,
                  uint64_t *generation);
bool versions_current(struct fs *fs, uint64_t ino, uint64_t generation);
void versions_close(struct fs *fs, uint64_t ino);
void versions_free(struct fs *fs);

#endif
