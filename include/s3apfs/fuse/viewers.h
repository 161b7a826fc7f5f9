/* Who sees what, when not everybody sees the same. */
#ifndef S3APFS_FUSE_VIEWERS_H
#define S3APFS_FUSE_VIEWERS_H

#include <sys/types.h>

#include "s3apfs/fs/fs.h"

/* Users who each see a file system of their own. */
struct fuse_viewers {
  unsigned count;
  /* The file system of a local user, always the same, and the user's number below count.
   * NULL: there is none, now or ever. Any thread; may block. */
  struct fs *(*serve)(void *arg, uid_t uid, unsigned *number);
  void *arg;
};

#endif
