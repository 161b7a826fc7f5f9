/* Shared by the files that make up the file system. */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include <uthash.h>
#include <utlist.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/data/reader.h"
#include "s3apfs/fs/fs.h"
#include "s3apfs/ns/ns.h"

/* The version whose pages the kernel may have of a file. */
struct version {
  uint64_t ino;
  char etag[STORE_ETAG_MAX];
  uint64_t size;
  uint64_t generation; /* which version this is; never 0 */
  unsigned handles;    /* open now and using the page cache */
  bool paged;          /* bytes were given to such a handle: pages may be there */
  UT_hash_handle hh;
};

/* First member of what a handle stands for. Kept in a list, because the kernel's
 * releases of the last handles may never come when a mount ends. */
struct fs_handle {
  void (*end)(struct fs *fs, struct fs_handle *h); /* gives up the kernel's share */
  struct fs_handle *prev;
  struct fs_handle *next;
};

struct fs {
  struct catalog catalog;
  struct budget *budget;
  struct cache *cache;
  struct ns *ns;
  int64_t deadline_ms;
  struct budget *names_budget;
  bool (*interrupted)(void *arg); /* NULL: never */
  void *interrupted_arg;
  struct {
    struct mtx lock;
    struct fs_handle *handles; /* given to the kernel and not released yet */
    struct version *versions;  /* by ino; dropped when the kernel forgets the inode */
    uint64_t generation;
    uint64_t open_files;
    void (*changed)(void *arg, uint64_t ino);
    void *changed_arg;
  } synced;
};

void fs_handle_add(struct fs *fs, struct fs_handle *h);
void fs_handle_remove(struct fs *fs, struct fs_handle *h);

/* How long one request may wait. */
struct patience fs_patience(const struct fs *fs);
void fs_fill_entry(const struct ns_attr *a, struct fs_entry *out);
/* Keeps the size that the inode's open handles read by. */
void fs_pin_size(struct fs *fs, struct fs_entry *e);

/* Tells who serves the kernel that an inode's attributes and pages are old. */
void fs_notify_changed(struct fs *fs, uint64_t ino);

/* Handles that gave out bytes read this inode's version: its size must stay what
 * the kernel was told, or their reads would end early without an error. */
bool versions_pinned_size(struct fs *fs, uint64_t ino, uint64_t *size);
/* The kernel forgot this inode: it has no pages of it either. */
void versions_forget(struct fs *fs, uint64_t ino);
/* A handle opens this version, `around` the page cache when the kernel may believe
 * in another size: keep_cache and direct_io of *how are decided, and
 * unless it is direct, *generation says which version it belongs to. */
int versions_open(struct fs *fs, uint64_t ino, const struct store_attr *attr, bool around,
                  struct fs_opened *how, uint64_t *generation);
/* Bytes of that generation are about to be given to a handle that uses the page
 * cache. False: the inode moved to another version, nothing may be given. */
bool versions_deliver(struct fs *fs, uint64_t ino, uint64_t generation);
/* A handle of that generation may go over to another version: no bytes of its own
 * were given out. */
bool versions_movable(struct fs *fs, uint64_t ino, uint64_t generation);
/* Moves the inode, and so all its handles, to this version; or finds it there.
 * False: bytes of another version were given out. */
bool versions_move(struct fs *fs, uint64_t ino, const struct store_attr *attr,
                   uint64_t *generation);
void versions_close(struct fs *fs, uint64_t ino, bool direct);
void versions_free(struct fs *fs);

#endif
