/* Control socket server: one thread, poll over the socket and a wake-up pipe.
 * A client that dawdles is dropped. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_internal.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"

#define REQUEST_TIMEOUT_MS                                                                         \
  1000 /* one line, sent by a program: idle clients must not block others */
#define REPLY_TIMEOUT_S 5
#define ACCEPT_PAUSE_MS 100

struct control_server {
  int fd;
  int wake[2];
  char *path;
  control_fn fn;
  void *arg;
  pthread_t thread;
};

static bool peer_allowed(int fd) {
  struct ucred cred;
  socklen_t len = sizeof(cred);

  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
         (cred.uid == 0 || cred.uid == getuid());
}

/* One line, without the newline; false when it does not come in time. */
static bool read_line(int fd, char *line, size_t size) {
  int64_t deadline = clock_mono_ms(&clock_system) + REQUEST_TIMEOUT_MS;
  size_t len = 0;

  while (len < size - 1) {
    int64_t left = deadline - clock_mono_ms(&clock_system);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char *end;
    ssize_t n;

    if (left <= 0 || poll(&p, 1, (int)left) <= 0)
      return false;
    n = read(fd, line + len, size - 1 - len);
    if (n <= 0)
      return false;
    len += (size_t)n;
    end = memchr(line, '\n', len);
    if (end != NULL) {
      *end = '\0';
      return strlen(line) == (size_t)(end - line); /* no NUL bytes inside */
    }
  }
  return false;
}

static void set_send_timeout(int fd) {
  struct timeval tv = {.tv_sec = REPLY_TIMEOUT_S};

  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) != 0)
    log_debug("control: no send time-out: %s", strerror(errno));
}

static void serve(struct control_server *s, int fd) {
  char line[CONTROL_MAX_REQUEST];
  struct buf reply;

  set_send_timeout(fd);
  if (!peer_allowed(fd) || !read_line(fd, line, sizeof(line)))
    return;
  buf_init(&reply, CONTROL_MAX_REPLY);
  s->fn(s->arg, line, &reply);
  buf_putc(&reply, '\n');
  if (buf_error(&reply) == 0 && file_write_all(fd, reply.data, reply.len) != 0)
    log_debug("control: the client went away");
  buf_wipe(&reply); /* it may hold keys */
}

static void *server_main(void *arg) {
  struct control_server *s = arg;
  struct pollfd p[2] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->wake[0], .events = POLLIN}};

  pthread_setname_np(pthread_self(), "s3apfs-control");
  for (;;) {
    int fd;

    if (poll(p, 2, -1) < 0 && errno != EINTR)
      return NULL;
    if (p[1].revents != 0)
      return NULL;
    if ((p[0].revents & POLLIN) == 0)
      continue;
    fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
      poll(&p[1], 1, ACCEPT_PAUSE_MS); /* out of descriptors: do not spin */
      continue;
    }
    serve(s, fd);
    close(fd);
  }
}

/* The folder is private, so that nobody can plant a socket in it. */
static int ensure_dir(void) {
  struct buf dir;
  struct stat st;
  int rc;

  buf_init(&dir, 0);
  rc = control_socket_dir(getuid(), &dir);
  if (rc == 0)
    rc = file_mkdirs(dir.data, 0700);
  if (rc == 0 && lstat(dir.data, &st) != 0)
    rc = -errno;
  if (rc == 0 && (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || (st.st_mode & 022) != 0))
    rc = -EPERM;
  buf_fini(&dir);
  return rc;
}

static int listen_at(const char *path) {
  struct sockaddr_un addr;
  int fd = control_socket_new(path, &addr);

  if (fd < 0)
    return fd;
  if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
    close(fd);
    return -EADDRINUSE;
  }
  unlink(path); /* left by a mount that was killed */
  if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || chmod(path, 0600) != 0 ||
      listen(fd, 8) != 0) {
    int rc = -errno;

    close(fd);
    return rc;
  }
  return fd;
}

static int server_open(struct control_server *s, const char *dir) {
  struct buf path;
  int rc = ensure_dir();

  if (rc != 0)
    return rc;
  buf_init(&path, 0);
  rc = control_socket_path(dir, getuid(), &path);
  s->path = buf_take(&path);
  if (rc != 0 || s->path == NULL)
    return rc != 0 ? rc : -ENOMEM;
  s->fd = listen_at(s->path);
  return s->fd < 0 ? s->fd : 0;
}

static void server_release(struct control_server *s) {
  if (s->fd >= 0)
    close(s->fd);
  if (s->wake[0] >= 0)
    close(s->wake[0]);
  if (s->wake[1] >= 0)
    close(s->wake[1]);
  free(s->path);
  free(s);
}

int control_server_start(const char *dir, control_fn fn, void *arg, struct control_server **out) {
  struct control_server *s = calloc(1, sizeof(*s));
  int rc;

  if (s == NULL)
    return -ENOMEM;
  s->fd = s->wake[0] = s->wake[1] = -1;
  s->fn = fn;
  s->arg = arg;
  rc = server_open(s, dir);
  if (rc == 0 && pipe(s->wake) != 0)
    rc = -errno;
  if (rc == 0)
    rc = -pthread_create(&s->thread, NULL, server_main, s);
  if (rc != 0) {
    server_release(s);
    return rc;
  }
  *out = s;
  return 0;
}

void control_server_stop(struct control_server *s) {
  if (s == NULL)
    return;
  if (file_write_all(s->wake[1], "x", 1) == 0)
    pthread_join(s->thread, NULL);
  unlink(s->path);
  server_release(s);
}

int control_lock(const char *dir) {
  struct buf path;
  int fd = -1;
  int rc = ensure_dir();

  buf_init(&path, 0);
  if (rc == 0)
    rc = control_socket_path(dir, getuid(), &path);
  buf_puts(&path, ".lock");
  if (rc == 0)
    rc = buf_error(&path);
  if (rc == 0 && (fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
    rc = -errno;
  if (rc == 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    rc = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
    close(fd);
  }
  buf_fini(&path);
  return rc == 0 ? fd : rc;
}
