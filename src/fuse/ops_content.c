/* Operations on the contents of files that change them, or wait for changes.
 *
 * What may take as long as an upload (flush, fsync, release, a truncation by name)
 * goes to a pool and is answered from there: libfuse's threads must not be used up
 * by a few slow closes. A write itself is answered on the spot: it goes to the
 * local disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "caller.h"
#include "ops.h"
#include "passthrough.h"
#include "s3apfs/base/pool.h"

/* --- slow ones --- */

struct slow {
  fuse_req_t req;
  void (*run)(struct slow *s);
  struct fs *fs;
  uint64_t ino;
  uint64_t handle;
  uint64_t size;
  uint64_t offset;
  uint64_t handle_in; /* of a copy, with its offset */
  uint64_t offset_in;
  pid_t process;
};

static void slow_run(void *arg) {
  struct slow *s = arg;

  ops_work(s->req);
  s->run(s);
  free(s);
}

static void slow_start(fuse_req_t req, struct slow with) {
  struct ops_context *c = fuse_req_userdata(req);
  struct slow *s = malloc(sizeof(*s));

  if (s != NULL) {
    *s = with;
    s->req = req;
    s->fs = with.fs != NULL ? with.fs : fs_of(with.handle);
  }
  if (s == NULL || pool_submit(c->slow, slow_run, s) != 0) {
    free(s);
    fuse_reply_err(req, ENOMEM);
  }
}

static void reply_attr(fuse_req_t req, struct fs *fs, uint64_t ino, int rc) {
  if (rc != 0)
    ops_reply_err(req, rc);
  else
    ops_reply_attr(req, fs, ino);
}

static void run_flush(struct slow *s) {
  ops_reply_err(s->req, fs_flush(s->fs, s->handle, s->process));
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  if (!fs_is_writable(fi->fh)) {
    fuse_reply_err(req, 0);
    return;
  }
  slow_start(req, (struct slow){.run = run_flush,
                                .handle = fi->fh,
                                .process = caller_process(fuse_req_ctx(req)->pid)});
}

static void run_fsync(struct slow *s) {
  ops_reply_err(s->req, fs_fsync(s->fs, s->handle));
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
  (void)ino;
  (void)datasync;
  slow_start(req, (struct slow){.run = run_fsync, .handle = fi->fh});
}

static void run_fsyncdir(struct slow *s) {
  ops_reply_err(s->req, fs_fsyncdir(s->fs, s->ino));
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t id, int datasync, struct fuse_file_info *fi) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);

  (void)datasync;
  (void)fi;
  if (fs != NULL)
    slow_start(req, (struct slow){.run = run_fsyncdir, .fs = fs, .ino = ino});
}

static void run_release(struct slow *s) {
  fs_release(s->fs, s->handle);
  fuse_reply_err(s->req, 0);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  if (fs_is_writable(fi->fh)) {
    slow_start(req, (struct slow){.run = run_release, .handle = fi->fh});
    return;
  }
  fs_release(ops_handle_fs(req, fi->fh), fi->fh);
  fuse_reply_err(req, 0);
}

static void run_truncate(struct slow *s) {
  reply_attr(s->req, s->fs, s->ino, fs_truncate(s->fs, s->ino, 0, s->size));
}

void ops_truncate(fuse_req_t req, fuse_ino_t id, uint64_t size, struct fuse_file_info *fi) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);

  if (fs == NULL)
    return;
  if (fi == NULL)
    slow_start(req, (struct slow){.run = run_truncate, .fs = fs, .ino = ino, .size = size});
  else if (fs_of(fi->fh) != fs)
    fuse_reply_err(req, EACCES);
  else
    reply_attr(req, fs, ino, fs_truncate(fs, ino, fi->fh, size));
}

static void run_copy(struct slow *s) {
  uint64_t copied;
  int rc = fs_copy_range(s->fs, s->handle_in, s->offset_in, s->handle, s->offset, s->size, &copied);

  if (rc != 0)
    ops_reply_err(s->req, rc);
  else
    fuse_reply_write(s->req, (size_t)copied);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
                               struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
                               struct fuse_file_info *fi_out, size_t len, int flags) {
  (void)ino_in;
  (void)ino_out;
  (void)flags;
  if (fs_of(fi_in->fh) != fs_of(fi_out->fh)) {
    fuse_reply_err(req, EXDEV);
    return;
  }
  slow_start(req, (struct slow){.run = run_copy,
                                .handle = fi_out->fh,
                                .offset = (uint64_t)off_out,
                                .handle_in = fi_in->fh,
                                .offset_in = (uint64_t)off_in,
                                .size = len});
}

/* --- quick ones --- */

/* With viewers no page may be left behind in the kernel: the next one who reads would
 * get it. */
static void opened(const struct ops_context *c, const struct fs_opened *o,
                   struct fuse_file_info *fi) {
  fi->fh = o->handle;
  fi->keep_cache = o->keep_cache && c->viewers == NULL;
  fi->direct_io = o->direct_io || c->viewers != NULL;
  passthrough_reply(o->backing, fi);
}

static void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi) {
  uint64_t ino;
  struct fs *fs = ops_fs(req, id, &ino);
  struct fs_opened o;
  int rc;

  if (fs == NULL)
    return;
  rc = fs_open(fs, ino, fi->flags, &o);
  if (rc != 0) {
    ops_reply_err(req, rc);
    return;
  }
  opened(fuse_req_userdata(req), &o, fi);
  if (fs_is_writable(o.handle))
    fs_set_opener(o.handle, caller_process(fuse_req_ctx(req)->pid));
  if (fuse_reply_open(req, fi) != 0)
    fs_release(fs, o.handle);
}

static void reply_created(fuse_req_t req, struct fs *fs, fuse_ino_t parent, const char *name,
                          const struct fs_entry *e, struct fuse_file_info *fi) {
  struct ops_context *c = fuse_req_userdata(req);
  uint64_t handle = fi->fh;
  struct fuse_entry_param p;
  int rc = ops_entry(c, fs, parent, name, e, &p);

  if (rc != 0) {
    fs_release(fs, handle);
    ops_reply_err(req, rc);
  } else if (fuse_reply_create(req, &p, fi) != 0) {
    fs_release(fs, handle);
    ops_forget(c, p.ino, 1);
  }
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi) {
  struct fs_opened o;
  struct fs_entry e;
  struct fs_maker by = {mode, fuse_req_ctx(req)->uid, fuse_req_ctx(req)->gid};
  uint64_t ino;
  struct fs *fs = ops_fs(req, parent, &ino);
  int rc;

  if (fs == NULL)
    return;
  rc = fs_create(fs, ino, name, fi->flags, &by, &e, &o);
  if (rc != 0) {
    ops_reply_err(req, rc);
    return;
  }
  opened(fuse_req_userdata(req), &o, fi);
  fs_set_opener(o.handle, caller_process(fuse_req_ctx(req)->pid));
  reply_created(req, fs, parent, name, &e, fi);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
                     struct fuse_file_info *fi) {
  struct fs *fs = ops_handle_fs(req, fi->fh);
  int rc = fi->writepage != 0 ? fs_write_mapped(fs, fi->fh, (uint64_t)off, data, size)
                              : fs_write(fs, fi->fh, (uint64_t)off, data, size);

  (void)ino;
  if (rc != 0)
    ops_reply_err(req, rc);
  else
    fuse_reply_write(req, size);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi) {
  (void)ino;
  ops_reply_err(req, fs_allocate(ops_handle_fs(req, fi->fh), fi->fh, mode, (uint64_t)offset,
                                 (uint64_t)length));
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
                     struct fuse_file_info *fi) {
  uint64_t at;
  int rc = fs_seek(ops_handle_fs(req, fi->fh), fi->fh, (uint64_t)off, whence, &at);

  (void)ino;
  if (rc != 0)
    ops_reply_err(req, rc);
  else
    fuse_reply_lseek(req, (off_t)at);
}

void ops_content_fill(struct fuse_lowlevel_ops *ops) {
  ops->open = op_open;
  ops->create = op_create;
  ops->write = op_write;
  ops->flush = op_flush;
  ops->fsync = op_fsync;
  ops->fsyncdir = op_fsyncdir;
  ops->release = op_release;
  ops->fallocate = op_fallocate;
  ops->lseek = op_lseek;
  ops->copy_file_range = op_copy_file_range;
}
