/* FUSE passthrough: Linux 6.9 and libfuse 3.17 have it; what lacks either is served
 * by reads through this process.
 *
 * Backing files are told to the kernel by ioctls on the session's descriptor (which
 * take CAP_SYS_ADMIN), not through libfuse's calls: those want a request, and the
 * last handle may go without one. Backing files that lie on a stacked file system
 * (overlayfs) are left out: the mount then could not be stacked upon itself. */
#include "passthrough.h"

#ifdef FUSE_CAP_PASSTHROUGH

#include <errno.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>

static int backing_open(void *arg, int fd) {
  struct fuse_backing_map map = {.fd = fd};
  int id = ioctl(fuse_session_fd(arg), FUSE_DEV_IOC_BACKING_OPEN, &map);

  return id >= 0 ? id : -errno;
}

static void backing_close(void *arg, int id) {
  uint32_t number = (uint32_t)id;

  (void)!ioctl(fuse_session_fd(arg), FUSE_DEV_IOC_BACKING_CLOSE, &number);
}

void passthrough_offer(struct fuse_session *se, struct fuse_conn_info *conn, struct fs *fs) {
  struct fs_backing b = {backing_open, backing_close, se};

  if ((conn->capable & FUSE_CAP_PASSTHROUGH) == 0)
    return;
  conn->want |= FUSE_CAP_PASSTHROUGH;
  fs_set_backing(fs, &b);
}

void passthrough_reply(int backing, struct fuse_file_info *fi) {
  if (backing == 0)
    return;
  fi->backing_id = backing;
  fi->keep_cache = 0; /* the kernel takes no other flag beside it than direct_io */
}

#else

void passthrough_offer(struct fuse_session *se, struct fuse_conn_info *conn, struct fs *fs) {
  (void)se;
  (void)conn;
  (void)fs;
}

void passthrough_reply(int backing, struct fuse_file_info *fi) {
  (void)backing;
  (void)fi;
}

#endif
