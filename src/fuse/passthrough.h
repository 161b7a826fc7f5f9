/* Letting the kernel read files of the disk cache by itself. */
#ifndef FUSE_PASSTHROUGH_H
#define FUSE_PASSTHROUGH_H

#include <fuse_lowlevel.h>

#include "s3apfs/fs/fs.h"

/* During the handshake: offers it to the file system where the kernel and libfuse
 * have it. The session must outlive its use. */
void passthrough_offer(struct fuse_session *se, struct fuse_conn_info *conn, struct fs *fs);
/* Puts the backing file of an open into its reply. */
void passthrough_reply(int backing, struct fuse_file_info *fi);

#endif
