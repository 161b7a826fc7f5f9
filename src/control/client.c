/* Control socket client. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_internal.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/file.h"

static int connect_to(const char *path) {
  struct sockaddr_un addr;
  int fd = control_socket_new(path, &addr);

  if (fd < 0)
    return fd;
  if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
    int rc = -errno;

    close(fd);
    return rc;
  }
  return fd;
}

static int read_reply(int fd, int64_t deadline, struct buf *reply) {
  char chunk[8192];

  for (;;) {
    int64_t left = deadline - clock_mono_ms(&clock_system);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;

    if (left <= 0 || poll(&p, 1, (int)left) == 0)
      return -ETIMEDOUT;
    n = read(fd, chunk, sizeof(chunk));
    if (n < 0)
      return -errno;
    if (n == 0)
      return reply->len > 0 ? buf_error(reply) : -EACCES; /* closed unheard: not our mount */
    buf_append(reply, chunk, (size_t)n);
  }
}

int control_ask(const char *dir, uid_t uid, const char *request, int64_t timeout_ms,
                struct buf *reply) {
  struct buf path;
  int fd;
  int rc;

  buf_init(&path, 0);
  rc = control_socket_path(dir, uid, &path);
  fd = rc == 0 ? connect_to(path.data) : rc;
  buf_fini(&path);
  if (fd < 0)
    return fd;
  rc = file_write_all(fd, request, strlen(request));
  if (rc == 0)
    rc = file_write_all(fd, "\n", 1);
  if (rc == 0)
    rc = read_reply(fd, clock_mono_ms(&clock_system) + timeout_ms, reply);
  close(fd);
  return rc;
}
