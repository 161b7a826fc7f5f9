/* The s3apfs mounts that the kernel knows, from /proc/self/mountinfo. */
#ifndef S3APFS_APP_MOUNTS_H
#define S3APFS_APP_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mount_entry {
  char *dir;
  char *source;
  char *fstype;
  uid_t uid; /* of the mount's owner, for s3apfs mounts */
};

struct mounts {
  struct mount_entry *items;
  size_t count;
};

/* Every mount; s3apfs ones have fstype "fuse.s3apfs". 0 or -errno. */
int mounts_load(struct mounts *out);
void mounts_fini(struct mounts *m);
bool mount_is_s3apfs(const struct mount_entry *e);
/* The uppermost mount exactly at dir, or NULL. */
const struct mount_entry *mounts_at(const struct mounts *m, const char *dir);
/* The uppermost s3apfs mount that holds this absolute path, or NULL. */
const struct mount_entry *mounts_holding(const struct mounts *m, const char *path);

/* An absolute path without links or dots, without asking a file system mounted at
 * its end: a mount point whose daemon hangs must still be nameable. NULL and errno. */
char *mount_point_path(const char *dir);

#endif
