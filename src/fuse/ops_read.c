/* Reading operations. Replies are sent with no lock held: a reply may bring a
 * forget of the same inode on another thread before it returns. A request is
 * gone once it was replied to, also when that failed.
 *
 * A thread works for one request at a time, so the one it works for is kept per
 * thread: while it waits, the file system asks whether that was interrupted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"

static _Thread_local fuse_req_t working_for;

struct fs *ops_fs(fuse_req_t req) {
  struct ops_context *c = fuse_req_userdata(req);

  working_for = req;
  return c->fs;
}

bool ops_interrupted(void *arg) {
  struct ops_context *c = arg;

  return fuse_session_exited(c->session) ||
         (working_for != NULL && fuse_req_interrupted(working_for));
}

void ops_entry_param(const struct fs_entry *e, struct fuse_entry_param *out) {
  memset(out, 0, sizeof(*out));
  out->ino = e->ino;
  out->generation = 1;
  out->attr = e->st;
  out->attr_timeout = e->attr_ttl_s;
  out->entry_timeout = e->entry_ttl_s;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct fuse_entry_param p;
  struct fs_entry e;
  struct fs *fs = ops_fs(req);
  double negative_ttl = 0;
  int rc = fs_lookup(fs, parent, name, &e, &negative_ttl);

  if (rc == -ENOENT && negative_ttl > 0) {
    memset(&p, 0, sizeof(p));
    p.entry_timeout = negative_ttl;
    fuse_reply_entry(req, &p);
    return;
  }
  if (rc != 0) {
    fuse_reply_err(req, -rc);
    return;
  }
  ops_entry_param(&e, &p);
  if (fuse_reply_entry(req, &p) != 0) /* the kernel gave up: it will not forget this one */
    fs_forget(fs, e.ino, 1);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup) {
  fs_forget(ops_fs(req), ino, nlookup);
  fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets) {
  for (size_t i = 0; i < count; i++)
    fs_forget(ops_fs(req), forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  struct stat st;
  double ttl;
  int rc = fs_getattr(ops_fs(req), ino, &st, &ttl);

  (void)fi;
  if (rc != 0)
    fuse_reply_err(req, -rc);
  else
    fuse_reply_attr(req, &st, ttl);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino) {
  struct buf target;
  int rc;

  buf_init(&target, 65536);
  rc = fs_readlink(ops_fs(req), ino, &target);
  if (rc != 0)
    fuse_reply_err(req, -rc);
  else
    fuse_reply_readlink(req, buf_cstr(&target));
  buf_fini(&target);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  struct fs *fs = ops_fs(req);
  int rc = fs_opendir(fs, ino, &fi->fh);

  if (rc != 0) {
    fuse_reply_err(req, -rc);
    return;
  }
  if (fuse_reply_open(req, fi) != 0)
    fs_releasedir(fs, fi->fh);
}

/* One readdir reply being filled. */
struct dir_fill {
  fuse_req_t req;
  bool plus;
  char *data;
  size_t size;
  size_t used;
};

static bool dir_add(void *arg, const char *name, const struct fs_entry *e, uint64_t next) {
  struct dir_fill *d = arg;
  struct fuse_entry_param p;
  size_t need;

  ops_entry_param(e, &p);
  if (d->plus)
    need =
        fuse_add_direntry_plus(d->req, d->data + d->used, d->size - d->used, name, &p, (off_t)next);
  else
    need =
        fuse_add_direntry(d->req, d->data + d->used, d->size - d->used, name, &e->st, (off_t)next);
  if (need > d->size - d->used)
    return false;
  d->used += need;
  return true;
}

static void read_dir(fuse_req_t req, size_t size, off_t off, uint64_t handle, bool plus) {
  struct dir_fill d = {.req = req, .plus = plus, .size = size, .data = malloc(size)};
  int rc =
      d.data == NULL ? -ENOMEM : fs_readdir(ops_fs(req), handle, (uint64_t)off, plus, dir_add, &d);

  /* an error behind entries that were taken comes with the next call */
  if (rc != 0 && d.used == 0)
    fuse_reply_err(req, -rc);
  else
    fuse_reply_buf(req, d.data, d.used);
  free(d.data);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                       struct fuse_file_info *fi) {
  (void)ino;
  read_dir(req, size, off, fi->fh, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                           struct fuse_file_info *fi) {
  (void)ino;
  read_dir(req, size, off, fi->fh, true);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  fs_releasedir(ops_fs(req), fi->fh);
  fuse_reply_err(req, 0);
}

static int read_reply(void *arg, const struct iovec *iov, int count) {
  fuse_reply_iov(arg, iov, count);
  return 0;
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi) {
  int rc = fs_read(ops_fs(req), fi->fh, (uint64_t)off, size, read_reply, req);

  (void)ino;
  if (rc != 0)
    fuse_reply_err(req, -rc);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino) {
  struct statvfs st;
  int rc = fs_statfs(ops_fs(req), ino, &st);

  if (rc != 0)
    fuse_reply_err(req, -rc);
  else
    fuse_reply_statfs(req, &st);
}

/* xattr(7): size 0 asks for the length, a short buffer is ERANGE. */
static void reply_xattr(fuse_req_t req, int rc, struct buf *value, size_t size) {
  if (rc != 0)
    fuse_reply_err(req, -rc);
  else if (size == 0)
    fuse_reply_xattr(req, value->len);
  else if (size < value->len)
    fuse_reply_err(req, ERANGE);
  else
    fuse_reply_buf(req, buf_cstr(value), value->len);
  buf_fini(value);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) {
  struct buf value;

  buf_init(&value, 65536);
  reply_xattr(req, fs_getxattr(ops_fs(req), ino, name, &value), &value, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  struct buf names;

  buf_init(&names, 65536);
  reply_xattr(req, fs_listxattr(ops_fs(req), ino, &names), &names, size);
}

void ops_read_fill(struct fuse_lowlevel_ops *ops) {
  ops->lookup = op_lookup;
  ops->forget = op_forget;
  ops->forget_multi = op_forget_multi;
  ops->getattr = op_getattr;
  ops->readlink = op_readlink;
  ops->opendir = op_opendir;
  ops->readdir = op_readdir;
  ops->readdirplus = op_readdirplus;
  ops->releasedir = op_releasedir;
  ops->read = op_read;
  ops->statfs = op_statfs;
  ops->getxattr = op_getxattr;
  ops->listxattr = op_listxattr;
}
