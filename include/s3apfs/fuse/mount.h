/* Serving a struct fs through the kernel. */
#ifndef S3APFS_FUSE_MOUNT_H
#define S3APFS_FUSE_MOUNT_H

#include <stdbool.h>

#include "s3apfs/fs/fs.h"
#include "s3apfs/fuse/viewers.h"

struct fuse_mount_options {
  const char *dir;          /* existing directory, absolute */
  const char *source;       /* shown as the device in /proc/mounts */
  const char *kernel_words; /* "nosuid,nodev,noexec", or "" */
  bool allow_other;
  bool writable;
  const struct fuse_viewers *viewers; /* in place of fs; NULL: everybody sees the same */
  bool debug;                         /* libfuse's own trace on standard error */
};

struct fuse_mount; /* a mounted file system that is not served yet */

/* Mounts. -EPERM/-EACCES with a hint in *why when the kernel or fusermount3
 * refuses, -ENODEV without /dev/fuse, else -errno. */
/* With viewers fs is NULL; each of theirs is told by fuse_mount_attach(). */
int fuse_mount_open(struct fs *fs, const struct fuse_mount_options *o, struct fuse_mount **out,
                    struct buf *why);
/* Serves until unmounted or SIGTERM/SIGINT. `ready` runs when the kernel
 * has finished its handshake. 0, or -errno. */
int fuse_mount_serve(struct fuse_mount *m, void (*ready)(void *arg), void *arg);
/* A viewer's file system: before its first request. It may go after fuse_mount_close(). */
int fuse_mount_attach(struct fuse_mount *m, struct fs *fs);
/* Unmounts when still mounted. */
void fuse_mount_close(struct fuse_mount *m);

#endif
