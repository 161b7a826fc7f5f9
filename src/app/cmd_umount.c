/* s3apfs umount: unmounts and waits until the mount's process has ended, so that
 * a script may remove what the mount used. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "cli.h"
#include "flush.h"
#include "mounts.h"

#define END_TIMEOUT_MS 30000

/* libfuse's helper unmounts for ordinary users. */
static int run_fusermount(const char *dir) {
  char *argv[] = {(char *)"fusermount3", (char *)"-u", (char *)"--", (char *)dir, NULL};
  pid_t pid;
  int status;
  int rc = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

  if (rc != 0)
    return -rc;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return -errno;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

static int unmount(const char *dir) {
  if (getuid() != 0)
    return run_fusermount(dir);
  return umount2(dir, UMOUNT_NOFOLLOW) == 0 ? 0 : -errno;
}

/* Where pidfds are not to be had (old kernels, strict sandboxes). */
static int wait_by_signal(pid_t pid) {
  struct timespec pause = {.tv_nsec = 20000000};

  for (int waited_ms = 0; kill(pid, 0) == 0; waited_ms += 20) {
    if (waited_ms > END_TIMEOUT_MS)
      return -ETIMEDOUT;
    nanosleep(&pause, NULL);
  }
  return 0;
}

/* Through a pidfd: a process that ended but was not reaped yet has ended. */
static int wait_for_end(pid_t pid) {
  struct pollfd p = {.events = POLLIN};
  int rc;

  if (pid <= 0)
    return 0;
  p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (p.fd < 0)
    return errno == ESRCH ? 0 : wait_by_signal(pid);
  do {
    rc = poll(&p, 1, END_TIMEOUT_MS);
  } while (rc < 0 && errno == EINTR);
  close(p.fd);
  return rc == 0 ? -ETIMEDOUT : 0;
}

/* It is unmounted all the same: the next mount goes on with it. */
static void log_left(const char *dir) {
  cli_fail(EXIT_FAILED, "%s: not everything is in S3; it is safe in the state directory", dir);
}

static int umount_dir(const char *dir) {
  struct mounts m;
  const struct mount_entry *e;
  pid_t pid = 0;
  int rc = mounts_load(&m);

  if (rc != 0)
    return cli_fail(EXIT_FAILED, "cannot read the mount table: %s", strerror(-rc));
  e = mounts_at(&m, dir);
  if (e == NULL || !mount_is_s3apfs(e)) {
    mounts_fini(&m);
    return cli_fail(EXIT_FAILED, "%s: no s3apfs mount stands there", dir);
  }
  ask_pid(e, &pid);
  if (flush_mount(e) == -EIO)
    log_left(dir);
  rc = unmount(dir);
  mounts_fini(&m);
  if (rc != 0)
    return cli_fail(EXIT_FAILED, "%s: %s", dir,
                    rc == -EBUSY ? "busy: a program still uses it" : strerror(-rc));
  rc = wait_for_end(pid);
  if (rc != 0)
    return cli_fail(EXIT_FAILED,
                    "%s is unmounted, but its process %d has not ended yet (does another "
                    "mount namespace still hold it?)",
                    dir, (int)pid);
  return EXIT_OK;
}

int cmd_umount(int argc, char **argv) {
  char *dir;
  int rc;

  if (argc != 2 || argv[1][0] == '-')
    return cli_fail(EXIT_USAGE, "usage: s3apfs umount DIR");
  dir = mount_point_path(argv[1]);
  if (dir == NULL)
    return cli_fail(EXIT_FAILED, "%s: %s", argv[1], strerror(errno));
  rc = umount_dir(dir);
  free(dir);
  return rc;
}
