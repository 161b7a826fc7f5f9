/* Where the control socket of a mount point stands. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_internal.h"
#include "s3apfs/base/digest.h"

#define NAME_DIGITS 24 /* of the path's SHA-256: short enough for sun_path, no collisions */

int control_socket_dir(uid_t uid, struct buf *out) {
  const char *runtime = getenv("XDG_RUNTIME_DIR");

  if (uid == 0)
    buf_puts(out, "/run/s3apfs");
  else if (uid == getuid() && runtime != NULL && runtime[0] == '/')
    buf_printf(out, "%s/s3apfs", runtime);
  else if (uid != getuid() && access("/run/user", X_OK) == 0)
    buf_printf(out, "/run/user/%u/s3apfs", (unsigned)uid);
  else
    buf_printf(out, "/tmp/s3apfs-%u", (unsigned)uid);
  return buf_error(out);
}

int control_socket_path(const char *dir, uid_t uid, struct buf *out) {
  char hex[65];
  int rc = control_socket_dir(uid, out);

  if (rc == 0)
    rc = digest_sha256_hex(dir, strlen(dir), hex);
  if (rc != 0)
    return rc;
  buf_printf(out, "/%.*s.sock", NAME_DIGITS, hex);
  return buf_error(out);
}

int control_socket_new(const char *path, struct sockaddr_un *addr) {
  int fd;

  *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof(addr->sun_path))
    return -ENAMETOOLONG;
  memcpy(addr->sun_path, path, strlen(path) + 1);
  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return fd < 0 ? -errno : fd;
}
