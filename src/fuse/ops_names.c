/* Operations that change names and attributes. A rename copies objects, which may
 * take long, so it goes to the pool of slow requests; the others are a few requests
 * to the store and are answered by the thread that read them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ops.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/pool.h"

static struct fs_maker maker_of(fuse_req_t req, mode_t mode) {
  const struct fuse_ctx *c = fuse_req_ctx(req);

  return (struct fs_maker){.mode = mode & 07777, .uid = c->uid, .gid = c->gid};
}

/* Something new in a folder of `fs`, or why it was not made. */
static void reply_made(fuse_req_t req, struct fs *fs, int rc, fuse_ino_t parent, const char *name,
                       const struct fs_entry *e) {
  if (rc != 0)
    ops_reply_err(req, rc);
  else
    ops_reply_entry(req, fs, parent, name, e);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
  struct fs_maker by = maker_of(req, mode);
  struct fs_entry e;
  uint64_t ino;
  struct fs *fs = ops_fs(req, parent, &ino);

  if (fs != NULL)
    reply_made(req, fs, fs_mkdir(fs, ino, name, &by, &e), parent, name, &e);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name) {
  struct fs_maker by = maker_of(req, 0777);
  struct fs_entry e;
  uint64_t ino;
  struct fs *fs = ops_fs(req, parent, &ino);

  if (fs != NULL)
    reply_made(req, fs, fs_symlink(fs, ino, name, target, &by, &e), parent, name, &e);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev) {
  struct fs_maker by = maker_of(req, mode);
  struct fs_entry e;
  uint64_t ino;
  struct fs *fs = ops_fs(req, parent, &ino);

  (void)rdev;
  by.mode |= mode & S_IFMT;
  if (fs != NULL)
    reply_made(req, fs, fs_mknod(fs, ino, name, &by, &e), parent, name, &e);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, parent, &ino);

  if (fs != NULL)
    ops_reply_err(req, fs_unlink(fs, ino, name));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, parent, &ino);

  if (fs != NULL)
    ops_reply_err(req, fs_rmdir(fs, ino, name));
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname) {
  (void)ino;
  (void)newparent;
  (void)newname;
  fuse_reply_err(req, EPERM);
}

/* --- renames ------------------------------------------------------------------------- */

struct renaming {
  fuse_req_t req;
  struct fs *fs;
  uint64_t parent;
  uint64_t newparent;
  unsigned flags;
  char *name;
  char *newname;
};

static void renaming_free(struct renaming *r) {
  free(r->name);
  free(r->newname);
  free(r);
}

static void renaming_run(void *arg) {
  struct renaming *r = arg;

  ops_work(r->req);
  ops_reply_err(r->req, fs_rename(r->fs, r->parent, r->name, r->newparent, r->newname, r->flags));
  renaming_free(r);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
                      const char *newname, unsigned int flags) {
  struct ops_context *c = fuse_req_userdata(req);
  uint64_t from;
  uint64_t to;
  struct fs *fs = ops_fs(req, parent, &from);
  struct renaming *r;

  if (fs != NULL)
    fs = ops_fs(req, newparent, &to);
  if (fs == NULL)
    return;
  r = calloc(1, sizeof(*r));
  if (r == NULL) {
    fuse_reply_err(req, ENOMEM);
    return;
  }
  *r = (struct renaming){.req = req,
                         .fs = fs,
                         .parent = from,
                         .newparent = to,
                         .flags = flags,
                         .name = strdup(name),
                         .newname = strdup(newname)};
  if (r->name != NULL && r->newname != NULL && pool_submit(c->slow, renaming_run, r) == 0)
    return;
  renaming_free(r);
  fuse_reply_err(req, ENOMEM);
}

/* --- attributes ------------------------------------------------------------------------ */

static int64_t ns_of(const struct timespec *t, bool now) {
  if (now)
    return clock_wall_ms(&clock_system) * 1000000;
  return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static struct fs_set set_of(const struct stat *attr, int to_set) {
  struct fs_set s = {.mode = attr->st_mode & 07777, .uid = attr->st_uid, .gid = attr->st_gid};

  s.what |= (to_set & FUSE_SET_ATTR_MODE) != 0 ? FS_SET_MODE : 0;
  s.what |= (to_set & FUSE_SET_ATTR_UID) != 0 ? FS_SET_UID : 0;
  s.what |= (to_set & FUSE_SET_ATTR_GID) != 0 ? FS_SET_GID : 0;
  s.what |= (to_set & FUSE_SET_ATTR_ATIME) != 0 ? FS_SET_ATIME : 0;
  s.what |= (to_set & FUSE_SET_ATTR_MTIME) != 0 ? FS_SET_MTIME : 0;
  s.atime_ns = ns_of(&attr->st_atim, (to_set & FUSE_SET_ATTR_ATIME_NOW) != 0);
  s.mtime_ns = ns_of(&attr->st_mtim, (to_set & FUSE_SET_ATTR_MTIME_NOW) != 0);
  return s;
}

static void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *attr, int to_set,
                       struct fuse_file_info *fi) {
  struct fs_set set = set_of(attr, to_set);
  struct stat st;
  struct fs *fs;
  double ttl;
  uint64_t ino;
  int rc;

  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) {
    ops_truncate(req, id, (uint64_t)attr->st_size, fi);
    return;
  }
  fs = ops_fs(req, id, &ino);
  if (fs == NULL)
    return;
  rc = fs_setattr(fs, ino, &set, &st, &ttl);
  if (rc != 0)
    ops_reply_err(req, rc);
  else
    fuse_reply_attr(req, &st, ops_ttl(fuse_req_userdata(req), ttl));
}

static void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name, const char *value,
                        size_t size, int flags) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);

  if (fs != NULL)
    ops_reply_err(req, fs_setxattr(fs, ino, name, value, size, flags));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);

  if (fs != NULL)
    ops_reply_err(req, fs_removexattr(fs, ino, name));
}

void ops_names_fill(struct fuse_lowlevel_ops *ops) {
  ops->setattr = op_setattr;
  ops->mknod = op_mknod;
  ops->mkdir = op_mkdir;
  ops->unlink = op_unlink;
  ops->rmdir = op_rmdir;
  ops->symlink = op_symlink;
  ops->rename = op_rename;
  ops->link = op_link;
  ops->setxattr = op_setxattr;
  ops->removexattr = op_removexattr;
}
