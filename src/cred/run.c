/* Running a program with a limit on time and output.
 *
 * posix_spawn, because this process has many threads. The parent polls both
 * pipes; it also looks for the program's end, because a grandchild that keeps
 * the pipes open must not keep us waiting. Blocking thread only: the caller's. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3apfs/base/clock.h"

#define LOOK_EVERY_MS 50 /* for the end of a program whose pipes stay open */

struct run {
  pid_t pid;
  int out_fd;
  int err_fd;
  int64_t deadline_ms;
  bool ended;
  int status;
};

static void close_fd(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

static int spawn_with(struct run *r, char *const argv[], int out_fd, int err_fd) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  sigset_t none;
  sigset_t standard;
  int rc;

  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  sigaddset(&standard, SIGCHLD);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attr);
  posix_spawnattr_setflags(&attr,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attr, 0);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setsigdefault(&attr, &standard);
  rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (rc == 0)
    rc = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
  if (rc == 0)
    rc = posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
  if (rc == 0)
    rc = posix_spawnp(&r->pid, argv[0], &actions, &attr, argv, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&actions);
  return -rc;
}

static int start(struct run *r, char *const argv[]) {
  int out[2] = {-1, -1};
  int err[2] = {-1, -1};
  int rc = 0;

  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
    rc = -errno;
  if (rc == 0)
    rc = spawn_with(r, argv, out[1], err[1]);
  close_fd(&out[1]);
  close_fd(&err[1]);
  if (rc != 0) {
    close_fd(&out[0]);
    close_fd(&err[0]);
    return rc;
  }
  fcntl(out[0], F_SETFL, O_NONBLOCK);
  fcntl(err[0], F_SETFL, O_NONBLOCK);
  r->out_fd = out[0];
  r->err_fd = err[0];
  return 0;
}

/* Reads what is there. At the end of file the descriptor is closed. */
static int drain(int *fd, struct buf *to, bool keep_all) {
  char bytes[4096];
  ssize_t n = 0;
  int rc = 0;

  while (*fd >= 0 && rc == 0 && (n = read(*fd, bytes, sizeof(bytes))) > 0) {
    size_t room = to->max - to->len;
    size_t len = (size_t)n < room ? (size_t)n : room;

    buf_append(to, bytes, len);
    rc = buf_error(to);
    if (keep_all && len < (size_t)n)
      rc = -E2BIG;
  }
  explicit_bzero(bytes, sizeof(bytes));
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
    close_fd(fd);
  return rc;
}

static void look_for_end(struct run *r) {
  pid_t pid = waitpid(r->pid, &r->status, WNOHANG);

  r->ended = pid == r->pid || (pid < 0 && errno != EINTR);
  if (pid < 0 && r->ended)
    r->status = -1;
}

/* One round; 0 to go on. */
static int step(struct run *r, struct buf *out, struct buf *err) {
  struct pollfd fds[2] = {{.fd = r->out_fd, .events = POLLIN}, {.fd = r->err_fd, .events = POLLIN}};
  int rc;

  if (clock_mono_ms(&clock_system) >= r->deadline_ms)
    return -ETIMEDOUT;
  poll(fds, 2, LOOK_EVERY_MS);
  look_for_end(r); /* before reading: what it wrote before its end is read below */
  rc = drain(&r->out_fd, out, true);
  if (rc == 0)
    rc = drain(&r->err_fd, err, false);
  return rc;
}

static void kill_group(struct run *r) {
  if (r->ended)
    return;
  kill(-r->pid, SIGKILL);
  while (waitpid(r->pid, &r->status, 0) < 0 && errno == EINTR)
    ;
}

int run_program(char *const argv[], int64_t timeout_ms, struct buf *out, struct buf *err,
                int *status) {
  struct run r = {.out_fd = -1, .err_fd = -1};
  int rc;

  r.deadline_ms = clock_mono_ms(&clock_system) + timeout_ms;
  rc = start(&r, argv);
  if (rc != 0)
    return rc;
  while (rc == 0 && !r.ended)
    rc = step(&r, out, err);
  if (rc != 0)
    kill_group(&r);
  close_fd(&r.out_fd);
  close_fd(&r.err_fd);
  if (rc == 0)
    *status = r.status;
  return rc;
}
