/* Daemonising. The child reports one byte through a pipe: its exit code, 0 when
 * ready. End of file without a byte means that it died. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"

static int wait_for_word(int fd) {
  unsigned char code;
  ssize_t n;

  do {
    n = read(fd, &code, 1);
  } while (n < 0 && errno == EINTR);
  close(fd);
  return n == 1 ? code : 1;
}

int daemon_start(struct daemon *d, bool *child) {
  int fds[2];
  pid_t pid;

  if (pipe2(fds, O_CLOEXEC) != 0)
    return -errno;
  pid = fork();
  if (pid < 0) {
    int rc = -errno;

    close(fds[0]);
    close(fds[1]);
    return rc;
  }
  *child = pid == 0;
  if (pid != 0) {
    close(fds[1]);
    return wait_for_word(fds[0]);
  }
  close(fds[0]);
  d->report = fds[1];
  if (setsid() < 0)
    log_debug("setsid failed");
  return 0;
}

static void say(struct daemon *d, unsigned char code) {
  if (d->report < 0)
    return;
  if (file_write_all(d->report, &code, 1) != 0)
    log_debug("nobody waits for the outcome of the mount");
  close(d->report);
  d->report = -1;
}

void daemon_ready(struct daemon *d) {
  int null;

  if (d->report < 0)
    return;
  if (chdir("/") != 0)
    log_debug("cannot leave the working directory");
  null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
  }
  say(d, 0);
}

void daemon_failed(struct daemon *d, int code) {
  say(d, (unsigned char)code);
}

void daemon_harden(void) {
  struct rlimit none = {0, 0};

  if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
    log_warn("core dumps could not be switched off");
}
