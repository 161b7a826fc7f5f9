/* Operations that would change names and attributes: all refused with the errno that the file
 * system gives for the place. The kernel turns most away itself on a read-only mount. */
#include "ops.h"

static void refuse(fuse_req_t req, fuse_ino_t ino) {
  fuse_reply_err(req, -fs_deny_write(ops_fs(req), ino));
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                       struct fuse_file_info *fi) {
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0)
    ops_truncate(req, ino, (uint64_t)attr->st_size, fi);
  else
    refuse(req, ino);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev) {
  (void)name;
  (void)mode;
  (void)rdev;
  refuse(req, parent);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
  (void)name;
  (void)mode;
  refuse(req, parent);
}

static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name) {
  (void)name;
  refuse(req, parent);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name) {
  (void)link;
  (void)name;
  refuse(req, parent);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
                      const char *newname, unsigned int flags) {
  (void)name;
  (void)newparent;
  (void)newname;
  (void)flags;
  refuse(req, parent);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname) {
  (void)ino;
  (void)newname;
  refuse(req, newparent);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags) {
  (void)name;
  (void)value;
  (void)size;
  (void)flags;
  refuse(req, ino);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name) {
  (void)name;
  refuse(req, ino);
}

void ops_write_fill(struct fuse_lowlevel_ops *ops) {
  ops->setattr = op_setattr;
  ops->mknod = op_mknod;
  ops->mkdir = op_mkdir;
  ops->unlink = op_remove;
  ops->rmdir = op_remove;
  ops->symlink = op_symlink;
  ops->rename = op_rename;
  ops->link = op_link;
  ops->setxattr = op_setxattr;
  ops->removexattr = op_removexattr;
}
