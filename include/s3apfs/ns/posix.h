/* File attributes in user metadata.
 *
 * Read and written as AWS's file services do (FSx for Lustre, DataSync, File
 * Gateway: file-permissions, file-owner, file-group, file-mtime, file-atime); read
 * as s3fs has them (mode, uid, gid, mtime, atime, ctime) and rclone (mtime) where
 * those are missing. Pure functions. */
#ifndef S3APFS_NS_POSIX_H
#define S3APFS_NS_POSIX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "s3apfs/base/kv.h"

struct posix {
  bool has_mode;
  bool has_uid;
  bool has_gid;
  bool has_mtime;
  bool has_atime;
  mode_t mode; /* permission bits, and the type: S_IFREG, S_IFDIR, S_IFLNK,
                  S_IFIFO or S_IFSOCK; 0 unknown */
  uid_t uid;
  gid_t gid;
  int64_t mtime_ns; /* since 1970 */
  int64_t atime_ns;
  bool has_ctime; /* of directories, as far as they were changed here; not in metadata */
  int64_t ctime_ns;
};

/* From metadata names without x-amz-meta-. What is malformed counts as missing.
 * Set-uid and set-gid bits and owner 0 are not believed: anyone who may write the
 * object can put them there. */
void posix_from_meta(const struct kvlist *meta, struct posix *out);
/* The set-uid and set-gid bits that are known of the same mode stay: set by this mount,
 * they never come from metadata. known NULL: nothing is. */
void posix_keep_bits(struct posix *p, const struct posix *known);
/* Sets what is known, in AWS's form, replacing what is there, without set-uid and set-gid
 * bits. 0 or -ENOMEM. */
int posix_to_meta(const struct posix *p, struct kvlist *meta);
/* What `over` knows takes the place of what `p` knows. */
void posix_lay_over(struct posix *p, const struct posix *over);

#endif
