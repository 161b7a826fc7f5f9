/* The operation tables: one function per FUSE operation, translation only. */
#ifndef FUSE_OPS_H
#define FUSE_OPS_H

#include <fuse_lowlevel.h>

#include "s3apfs/fs/fs.h"

/* The fs behind a request, which becomes the one that this thread works for. Not
 * after the reply. */
struct fs *ops_fs(fuse_req_t req);
/* For fs_set_interrupted(); arg is the struct ops_context. */
bool ops_interrupted(void *arg);
/* Set by whoever makes the session; the requests' user data. */
struct ops_context {
  struct fs *fs;
  struct fuse_session *session;
  void (*ready)(void *arg);
  void *ready_arg;
  struct pool *slow; /* for what may take as long as an upload */
};

void ops_entry_param(const struct fs_entry *e, struct fuse_entry_param *out);
/* A new size: through the handle, or, with fi NULL, by name. Replies. */
void ops_truncate(fuse_req_t req, fuse_ino_t ino, uint64_t size, struct fuse_file_info *fi);

/* Fills in what changes contents. */
void ops_content_fill(struct fuse_lowlevel_ops *ops);
/* Fills in what reads. */
void ops_read_fill(struct fuse_lowlevel_ops *ops);
/* Fills in what changes names and attributes. */
void ops_names_fill(struct fuse_lowlevel_ops *ops);

#endif
