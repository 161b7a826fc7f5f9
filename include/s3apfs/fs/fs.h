/* The file system by inode numbers: semantics and handles, no libfuse, no S3.
 *
 * Thread-safe; calls may block on the store (up to its deadline) and hold no
 * lock while they do. Errors are negative errno as design section "Limits and
 * errors" has them. */
#ifndef S3APFS_FS_FS_H
#define S3APFS_FS_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "s3apfs/base/budget.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/state/state.h"
#include "s3apfs/store/catalog.h"

#define FS_ROOT_INO 1
#define FS_WRITE_MAX (1U << 20) /* bytes that one write brings at most */

struct fs;

struct disk;
struct shelf;
struct fs_options {
  size_t memory;             /* bytes for blocks, prefetch and listings */
  struct disk *disk;         /* keeps blocks over restarts; NULL: none. Borrowed */
  struct shelf *shelf;       /* keeps listings over restarts; NULL: none. Borrowed */
  struct tier *tier;         /* shares parts of objects with other mounts; NULL: none. Borrowed */
  const struct clock *clock; /* NULL: clock_system */
  int64_t deadline_ms;       /* of one request; 0: 60 s */
  struct state *state;       /* borrowed; NULL: nothing can be changed */
  uint64_t staging_size;     /* bytes that may be staged; 0: what the disk holds */
  size_t part_size;          /* smallest part of an upload; 0: 8 MiB */
};

/* Takes the catalog's contents (the struct itself may go). */
int fs_new(struct catalog *catalog, const struct fs_options *o, struct fs **out);
/* No call is under way. Releases the handles that are left: at the end of a mount
 * the kernel does not wait for them. */
void fs_free(struct fs *fs);
/* Adds a root, whose store it takes, also when it fails. What other roots of that store, or an
 * earlier process, left to be sent is sent first; when changes of names cannot be, that is the
 * error. *out stays until fs_free(). Errors as catalog_add() else; not on a request's thread,
 * and one call of these at a time. Blocks. */
int fs_add_root(struct fs *fs, const char *path, struct store *s, const struct root_options *o,
                const struct root **out);
/* What a LIST of it showed that was sent at that monotonic time, before anything was changed from
 * here: names of folders need not be asked for then. */
void fs_show_first(struct fs *fs, const struct root *root, const struct store_page *first,
                   int64_t asked_ms);
/* Its names vanish, and nothing new begins in it. What is open goes on, what was promised
 * is sent. */
void fs_retire_root(struct fs *fs, const struct root *r);
/* Shows a retired root again. */
int fs_revive_root(struct fs *fs, const struct root *r);
/* Of every request from now on. */
void fs_set_deadline(struct fs *fs, int64_t ms);
/* changed(arg, ino) is told when an inode turns out to have another version than
 * the kernel was told. On a request's thread: hand it on, do not block. NULL ends
 * it. */
void fs_set_changed(struct fs *fs, void (*changed)(void *arg, uint64_t ino), void *arg);
/* What a store holds at or below a key prefix is another thing now (a grant came or
 * went): nothing that is kept of it is used any more. gone: what is open there and
 * cannot be found again is -EACCES. Blocks. */
void fs_changed_below(struct fs *fs, const struct store *s, const char *prefix, bool gone);
/* vanished(arg, parent, name, ino) is told for each name that the kernel may know
 * there and must ask for again; await(arg) waits a moment until the kernel has been told of those
 * before. Not on a request's thread. NULL ends it. */
void fs_set_vanished(struct fs *fs,
                     void (*vanished)(void *arg, uint64_t parent, const char *name, uint64_t ino),
                     void (*await)(void *arg), void *arg);
/* For who answers that names are gone. */
void fs_await_vanished(struct fs *fs);
/* interrupted(arg) is asked on a request's thread, several times a second while
 * it waits: true ends the request with -EINTR. NULL: never. Set before the first
 * request and after the last. */
void fs_set_interrupted(struct fs *fs, bool (*interrupted)(void *arg), void *arg);

/* Lets the kernel read from files of the disk cache by itself. open(arg, fd) makes it
 * know the file, and returns a number above 0 for it, or -errno: then it is not asked
 * again. close(arg, id) ends that. open NULL: it cannot. Before the first request and
 * after the last. */
struct fs_backing {
  int (*open)(void *arg, int fd);
  void (*close)(void *arg, int id);
  void *arg;
};
void fs_set_backing(struct fs *fs, const struct fs_backing *b);

/* What a lookup or a readdirplus entry tells the kernel. */
struct fs_entry {
  uint64_t ino;
  struct stat st;
  double entry_ttl_s; /* how long the name may be trusted */
  double attr_ttl_s;
};

/* Adds one lookup reference to out->ino. -ENOENT answers may be cached by the
 * caller for *negative_ttl_s (0: not at all). */
int fs_lookup(struct fs *fs, uint64_t parent, const char *name, struct fs_entry *out,
              double *negative_ttl_s);
void fs_forget(struct fs *fs, uint64_t ino, uint64_t nlookup);
int fs_getattr(struct fs *fs, uint64_t ino, struct stat *out, double *attr_ttl_s);

/* The target of a symbolic link, without an end mark; appended. */
int fs_readlink(struct fs *fs, uint64_t ino, struct buf *out);

/* The file system that gave the handle out, of a file or a directory. */
struct fs *fs_of(uint64_t handle);

/* Directories. A handle streams the listing page by page; offsets stay valid
 * for seekdir within the handle's life. */
int fs_opendir(struct fs *fs, uint64_t ino, uint64_t *handle);
/* Called for each entry from offset `from` on; `next` is the offset behind it.
 * With `plus`, entry->ino carries a lookup reference that the callee keeps when
 * it returns true; false stops, and that entry is not consumed. "." and ".."
 * come first and never carry references. */
typedef bool (*fs_dirent_fn)(void *arg, const char *name, const struct fs_entry *entry,
                             uint64_t next);
int fs_readdir(struct fs *fs, uint64_t handle, uint64_t from, bool plus, fs_dirent_fn fn,
               void *arg);
void fs_releasedir(struct fs *fs, uint64_t handle);

/* Files. */
struct fs_opened {
  uint64_t handle;
  bool keep_cache; /* the pages that the kernel has of this inode are of this version */
  bool direct_io;  /* other handles may have put another version's pages there: use none */
  int backing;     /* not 0: the kernel reads from that (fs_set_backing), without pages; with
                      direct_io it asks all the same, but has to be told */
};
/* Proves that the file can be read now, by its first bytes. */
int fs_open(struct fs *fs, uint64_t ino, int flags, struct fs_opened *out);
/* Up to size bytes at off: fn gets them as pieces that stay valid during the
 * call only (so that they can be sent without a copy), once, also for 0 bytes at
 * the end of the file. Returns what fn returned, or -errno without calling it. */
typedef int (*fs_read_fn)(void *arg, const struct iovec *iov, int count);
int fs_read(struct fs *fs, uint64_t handle, uint64_t off, size_t size, fs_read_fn fn, void *arg);
/* Commits what is left, then gives the handle up. May take as long as an upload. */
void fs_release(struct fs *fs, uint64_t handle);

/* --- changing contents; possible with fs_options.state --- */
/* Who makes it, and how: the umask applied, and no type but for fs_mknod(). */
struct fs_maker {
  mode_t mode;
  uid_t uid;
  gid_t gid;
};
/* Opens a name, made when it is not there (with O_EXCL: -EEXIST when it is). Counts a
 * lookup reference to out->ino. The object is there after the first commit. */
int fs_create(struct fs *fs, uint64_t parent, const char *name, int flags,
              const struct fs_maker *by, struct fs_entry *out, struct fs_opened *opened);
/* Whether the handle was opened for writing. */
bool fs_is_writable(uint64_t handle);
/* The process (thread group) that opened the handle; fs_flush() compares. 0: it
 * cannot be told. Right after fs_open(). */
void fs_set_opener(uint64_t handle, pid_t process);
/* All of it is taken, or -errno. -EBADF: not opened for writing. */
int fs_write(struct fs *fs, uint64_t handle, uint64_t off, const void *data, size_t size);
/* The same of a page that was changed in a mapping: the kernel sends it through any handle that
 * the file is mapped with, and to where it belongs, whatever that one's flags. */
int fs_write_mapped(struct fs *fs, uint64_t handle, uint64_t off, const void *data, size_t size);
/* A descriptor was closed by that process (0: it cannot be told). */
int fs_flush(struct fs *fs, uint64_t handle, pid_t process);
/* Everything written to the file so far is in the store when this returns. */
int fs_fsync(struct fs *fs, uint64_t handle);
/* handle 0: by name; that is committed before it returns. */
int fs_truncate(struct fs *fs, uint64_t ino, uint64_t handle, uint64_t size);
int fs_allocate(struct fs *fs, uint64_t handle, int mode, uint64_t off, uint64_t size);
/* A whole file into an empty one, in the store; *copied bytes. -EOPNOTSUPP: it has to be read and
 * written. Takes as long as the service needs. */
int fs_copy_range(struct fs *fs, uint64_t in, uint64_t off_in, uint64_t out, uint64_t off_out,
                  uint64_t len, uint64_t *copied);
/* SEEK_DATA or SEEK_HOLE. */
int fs_seek(struct fs *fs, uint64_t handle, uint64_t off, int whence, uint64_t *out);

/* --- what is not in the store yet --- */
struct fs_recovered {
  unsigned committed; /* files whose acknowledged content is in the store now */
  unsigned aside;     /* copies written beside files: recovered or in conflict */
  unsigned left;      /* still in the journal */
};
/* Finishes what an earlier process left in the journal. Before the first request. */
int fs_recover(struct fs *fs, struct fs_recovered *out);
/* Brings everything that was written so far to the store; *failed: how many files
 * could not be. Waits for them. 0, or the first error. */
int fs_sync(struct fs *fs, unsigned *failed);
/* fsync of a directory: changes of names are in the store, or, with writeback, safe in the
 * journal. */
int fs_fsyncdir(struct fs *fs, uint64_t ino);
/* What the journal holds. */
struct fs_pending_item {
  const char *root; /* the source's directory; of a source that is not mounted: its domain */
  const char *key;
  int64_t id; /* of a file's content, for fs_export(); 0: a change of a name */
  int err;    /* why the last attempt failed; 0: none did yet, and one will be made */
};
typedef int (*fs_pending_fn)(void *arg, const struct fs_pending_item *item);
int fs_pending(struct fs *fs, fs_pending_fn fn, void *arg);
/* Writes a file's content to a new file below the open folder, under the name that it has
 * in the mount (with a number behind it when that is taken), and forgets it: the mount
 * shows what the source has. written: the name in the folder, appended. -EBUSY: it is open;
 * -ENOENT: nothing waits under that id; else as staged_export(). */
int fs_export(struct fs *fs, int64_t id, int folder, struct buf *written);

int fs_statfs(struct fs *fs, uint64_t ino, struct statvfs *out);
/* User metadata as user.NAME attributes: the list is NUL-separated names. -EOPNOTSUPP:
 * another name space, of which there never is anything; -ENODATA: this one is not there.
 * ask false: names only as far as they are known, without a request. */
int fs_getxattr(struct fs *fs, uint64_t ino, const char *name, struct buf *out);
int fs_listxattr(struct fs *fs, uint64_t ino, bool ask, struct buf *out);
/* The errno for an attempt to modify below this inode. */
int fs_deny_write(struct fs *fs, uint64_t ino);

/* --- changing names and attributes --- */
/* Everything is in the store when these return, and seen here at once. -EROFS: a
 * read-only mount, or above the sources; -EACCES: the source may not be changed. */

/* The three count a lookup reference to out->ino. */
int fs_mkdir(struct fs *fs, uint64_t parent, const char *name, const struct fs_maker *by,
             struct fs_entry *out);
int fs_symlink(struct fs *fs, uint64_t parent, const char *name, const char *target,
               const struct fs_maker *by, struct fs_entry *out);
/* An empty regular file; a fifo or socket when the maker's mode has that type. Their bytes
 * stay in the kernel. -EPERM: a device. */
int fs_mknod(struct fs *fs, uint64_t parent, const char *name, const struct fs_maker *by,
             struct fs_entry *out);
int fs_unlink(struct fs *fs, uint64_t parent, const char *name);
int fs_rmdir(struct fs *fs, uint64_t parent, const char *name);
/* flags as renameat2(2): 0, RENAME_NOREPLACE, RENAME_EXCHANGE. -EXDEV: to another
 * source. Objects are copied by the service, so it takes their time. */
int fs_rename(struct fs *fs, uint64_t parent, const char *name, uint64_t newparent,
              const char *newname, unsigned flags);

/* Which members count. */
#define FS_SET_MODE 1U
#define FS_SET_UID 2U
#define FS_SET_GID 4U
#define FS_SET_ATIME 8U
#define FS_SET_MTIME 16U
struct fs_set {
  unsigned what;
  mode_t mode; /* permission bits */
  uid_t uid;
  gid_t gid;
  int64_t atime_ns;
  int64_t mtime_ns;
};
int fs_setattr(struct fs *fs, uint64_t ino, const struct fs_set *set, struct stat *out,
               double *attr_ttl_s);
/* user.NAME, kept as user metadata: printable ASCII. flags as setxattr(2). -ENOSPC:
 * more than an object can carry; -EOPNOTSUPP: another name space. */
int fs_setxattr(struct fs *fs, uint64_t ino, const char *name, const void *value, size_t size,
                int flags);
int fs_removexattr(struct fs *fs, uint64_t ino, const char *name);

/* One line on what serves a path relative to the mount's root. */
int fs_explain(struct fs *fs, const char *path, struct buf *out);

struct fs_stats {
  size_t memory_used;
  size_t memory_limit;
  uint64_t inodes;
  uint64_t hidden_keys; /* listed keys that no name can hold */
  uint64_t open_files;
  uint64_t backed_opens; /* whose bytes the kernel read by itself */
};
void fs_stats(struct fs *fs, struct fs_stats *out);

#endif
