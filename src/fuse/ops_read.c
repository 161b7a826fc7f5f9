/* Reading operations. Replies are sent with no lock held: a reply may bring a
 * forget of the same inode on another thread before it returns. A request is
 * gone once it was replied to, also when that failed.
 *
 * A thread works for one request at a time, so the one it works for is kept per
 * thread: while it waits, the file system asks whether that was interrupted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "caller.h"
#include "ops.h"
#include "viewers.h"

static _Thread_local fuse_req_t working_for;

void ops_work(fuse_req_t req) {
  working_for = req;
}

void ops_reply_err(fuse_req_t req, int rc) {
  fuse_reply_err(req, rc == -ENOKEY ? EACCES : -rc);
}

struct fs *ops_fs(fuse_req_t req, fuse_ino_t id, uint64_t *ino) {
  struct ops_context *c = fuse_req_userdata(req);
  struct fs *fs = c->fs;
  int rc = 0;

  working_for = req;
  *ino = id;
  if (c->viewers != NULL)
    rc = viewers_find(c->viewers, fuse_req_ctx(req)->uid, id, &fs, ino);
  if (rc == 0)
    return fs;
  ops_reply_err(req, rc);
  return NULL;
}

struct fs *ops_handle_fs(fuse_req_t req, uint64_t handle) {
  working_for = req;
  return fs_of(handle);
}

bool ops_interrupted(void *arg) {
  struct ops_context *c = arg;

  return fuse_session_exited(c->session) ||
         (working_for != NULL && fuse_req_interrupted(working_for) &&
          caller_gives_up(fuse_req_ctx(working_for)->pid));
}

double ops_ttl(const struct ops_context *c, double ttl_s) {
  return c->viewers == NULL ? ttl_s : 0;
}

static void entry_param(const struct fs_entry *e, struct fuse_entry_param *out) {
  memset(out, 0, sizeof(*out));
  out->ino = e->ino;
  out->generation = 1;
  out->attr = e->st;
  out->attr_timeout = e->attr_ttl_s;
  out->entry_timeout = e->entry_ttl_s;
}

int ops_entry(struct ops_context *c, struct fs *fs, fuse_ino_t parent, const char *name,
              const struct fs_entry *e, struct fuse_entry_param *out) {
  uint64_t id;
  int rc;

  entry_param(e, out);
  if (c->viewers == NULL)
    return 0;
  rc = viewers_note(c->viewers, fs, parent, name, e, &id);
  if (rc != 0) {
    fs_forget(fs, e->ino, 1);
    return rc;
  }
  out->ino = id;
  out->attr_timeout = out->entry_timeout = 0;
  return 0;
}

void ops_forget(struct ops_context *c, fuse_ino_t id, uint64_t count) {
  if (c->viewers != NULL)
    viewers_forget(c->viewers, id, count);
  else
    fs_forget(c->fs, id, count);
}

void ops_reply_entry(fuse_req_t req, struct fs *fs, fuse_ino_t parent, const char *name,
                     const struct fs_entry *e) {
  struct ops_context *c = fuse_req_userdata(req);
  struct fuse_entry_param p;
  int rc = ops_entry(c, fs, parent, name, e, &p);

  if (rc != 0)
    ops_reply_err(req, rc);
  else if (fuse_reply_entry(req, &p) != 0) /* the kernel gave up: it will not forget this one */
    ops_forget(c, p.ino, 1);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct ops_context *c = fuse_req_userdata(req);
  struct fuse_entry_param p;
  struct fs_entry e;
  double negative_ttl = 0;
  uint64_t ino;
  struct fs *fs = ops_fs(req, parent, &ino);
  int rc;

  if (fs == NULL)
    return;
  rc = fs_lookup(fs, ino, name, &e, &negative_ttl);
  if (rc == -ENOENT && ops_ttl(c, negative_ttl) > 0) {
    memset(&p, 0, sizeof(p));
    p.entry_timeout = negative_ttl;
    fuse_reply_entry(req, &p);
  } else if (rc != 0) {
    ops_reply_err(req, rc);
  } else {
    ops_reply_entry(req, fs, parent, name, &e);
  }
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup) {
  ops_forget(fuse_req_userdata(req), ino, nlookup);
  fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets) {
  for (size_t i = 0; i < count; i++)
    ops_forget(fuse_req_userdata(req), forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

void ops_reply_attr(fuse_req_t req, struct fs *fs, uint64_t ino) {
  struct stat st;
  double ttl;
  int rc = fs_getattr(fs, ino, &st, &ttl);

  if (rc != 0)
    ops_reply_err(req, rc);
  else
    fuse_reply_attr(req, &st, ops_ttl(fuse_req_userdata(req), ttl));
}

static void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);

  (void)fi;
  if (fs != NULL)
    ops_reply_attr(req, fs, ino);
}

/* Asked only where the kernel does not decide by itself: with viewers. Who asks sees an
 * own file system, so the bits of the owner count. */
static void op_access(fuse_req_t req, fuse_ino_t id, int mask) {
  struct stat st;
  double ttl;
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);
  int rc;

  if (fs == NULL)
    return;
  rc = fs_getattr(fs, ino, &st, &ttl);
  if (rc == 0 && (mask & ~(int)((st.st_mode | st.st_mode >> 3 | st.st_mode >> 6) & 7)) != 0)
    rc = -EACCES;
  ops_reply_err(req, rc);
}

static void op_readlink(fuse_req_t req, fuse_ino_t id) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);
  struct buf target;
  int rc;

  if (fs == NULL)
    return;
  buf_init(&target, 65536);
  rc = fs_readlink(fs, ino, &target);
  if (rc != 0)
    ops_reply_err(req, rc);
  else
    fuse_reply_readlink(req, buf_cstr(&target));
  buf_fini(&target);
}

static void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);
  int rc;

  if (fs == NULL)
    return;
  rc = fs_opendir(fs, ino, &fi->fh);
  if (rc != 0) {
    ops_reply_err(req, rc);
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

  entry_param(e, &p);
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
  int rc = d.data == NULL
               ? -ENOMEM
               : fs_readdir(ops_handle_fs(req, handle), handle, (uint64_t)off, plus, dir_add, &d);

  /* an error behind entries that were taken comes with the next call */
  if (rc != 0 && d.used == 0)
    ops_reply_err(req, rc);
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
  fs_releasedir(ops_handle_fs(req, fi->fh), fi->fh);
  fuse_reply_err(req, 0);
}

static int read_reply(void *arg, const struct iovec *iov, int count) {
  fuse_reply_iov(arg, iov, count);
  return 0;
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi) {
  int rc = fs_read(ops_handle_fs(req, fi->fh), fi->fh, (uint64_t)off, size, read_reply, req);

  (void)ino;
  if (rc != 0)
    ops_reply_err(req, rc);
}

static void op_statfs(fuse_req_t req, fuse_ino_t id) {
  struct statvfs st;
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);
  int rc;

  if (fs == NULL)
    return;
  rc = fs_statfs(fs, ino, &st);
  if (rc != 0)
    ops_reply_err(req, rc);
  else
    fuse_reply_statfs(req, &st);
}

/* xattr(7): size 0 asks for the length, a short buffer is ERANGE. */
static void reply_xattr(fuse_req_t req, int rc, struct buf *value, size_t size) {
  if (rc != 0)
    ops_reply_err(req, rc);
  else if (size == 0)
    fuse_reply_xattr(req, value->len);
  else if (size < value->len)
    fuse_reply_err(req, ERANGE);
  else
    fuse_reply_buf(req, buf_cstr(value), value->len);
  buf_fini(value);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);
  struct buf value;

  if (fs == NULL)
    return;
  buf_init(&value, 65536);
  reply_xattr(req, fs_getxattr(fs, ino, name, &value), &value, size);
}

/* ls (since coreutils 9.6) asks for the names of every file it shows, to see whether there is an
 * ACL among them; it never shows or copies user.NAME. */
static void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);
  struct buf names;

  if (fs == NULL)
    return;
  buf_init(&names, 65536);
  reply_xattr(req, fs_listxattr(fs, ino, !caller_is_ls(fuse_req_ctx(req)->pid), &names), &names,
              size);
}

void ops_read_fill(struct fuse_lowlevel_ops *ops) {
  ops->lookup = op_lookup;
  ops->forget = op_forget;
  ops->forget_multi = op_forget_multi;
  ops->getattr = op_getattr;
  ops->access = op_access;
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
