/* The operation tables: one function per FUSE operation, translation only. */
#ifndef FUSE_OPS_H
#define FUSE_OPS_H

#include <fuse_lowlevel.h>

#include "s3apfs/fs/fs.h"

/* The file system that a request about an inode is for, and the inode's number there. The
 * request becomes the one that this thread works for. NULL: there is none for who asks,
 * which was replied. */
struct fs *ops_fs(fuse_req_t req, fuse_ino_t id, uint64_t *ino);
/* The same for a request through a handle: whose it is was decided by its open. */
struct fs *ops_handle_fs(fuse_req_t req, uint64_t handle);
/* Replies with how a call of fs.h ended, in words that programs know: who has no keys has no
 * permission. */
void ops_reply_err(fuse_req_t req, int rc);
/* This thread works for the request now. */
void ops_work(fuse_req_t req);
/* For fs_set_interrupted(); arg is the struct ops_context. */
bool ops_interrupted(void *arg);
/* Set by whoever makes the session; the requests' user data. */
struct ops_context {
  struct fs *fs;           /* NULL with viewers */
  struct viewers *viewers; /* NULL: everybody sees the same */
  struct fuse_session *session;
  void (*ready)(void *arg);
  void *ready_arg;
  struct pool *slow; /* for what may take as long as an upload */
};

/* What the kernel is told of an entry that a lookup reference was taken of. -ENOMEM: the
 * reference is given back. */
int ops_entry(struct ops_context *c, struct fs *fs, fuse_ino_t parent, const char *name,
              const struct fs_entry *e, struct fuse_entry_param *out);
/* Replies with it; an entry that the kernel did not take is forgotten. */
void ops_reply_entry(fuse_req_t req, struct fs *fs, fuse_ino_t parent, const char *name,
                     const struct fs_entry *e);
void ops_forget(struct ops_context *c, fuse_ino_t id, uint64_t count);
/* How long the kernel may trust what it is told. */
double ops_ttl(const struct ops_context *c, double ttl_s);
/* Replies with the attributes of a file system's inode. */
void ops_reply_attr(fuse_req_t req, struct fs *fs, uint64_t ino);
/* A new size: through the handle, or, with fi NULL, by name. Replies. */
void ops_truncate(fuse_req_t req, fuse_ino_t id, uint64_t size, struct fuse_file_info *fi);

/* Fills in what changes contents. */
void ops_content_fill(struct fuse_lowlevel_ops *ops);
/* Fills in what reads. */
void ops_read_fill(struct fuse_lowlevel_ops *ops);
/* Fills in what changes names and attributes. */
void ops_names_fill(struct fuse_lowlevel_ops *ops);

#endif
