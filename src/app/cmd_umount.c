/* s3apfs umount, and umount.fuse.s3apfs as umount(8) calls it: waits for S3, unmounts, and waits
 * until the mount's process has ended, so that a script may remove what the mount used. */
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
#include "show.h"

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

static int unmount(const char *dir, int flags) {
  if (getuid() != 0)
    return run_fusermount(dir);
  return umount2(dir, UMOUNT_NOFOLLOW | flags) == 0 ? 0 : -errno;
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

/* It is unmounted all the same: the next mount goes on with what is left. */
static int flush(const struct mount_entry *e, int64_t timeout_ms) {
  cJSON *left = NULL;
  int rc = flush_mount(e, timeout_ms, &left);

  if (rc == -EIO || rc == -ETIME) {
    show_pending(left);
    cli_fail(EXIT_FAILED, "%s: not everything is in S3%s; it is safe in the state directory",
             e->dir, rc == -ETIME ? " within umount-timeout" : "");
  }
  cJSON_Delete(left);
  return rc == -EIO || rc == -ETIME ? rc : 0;
}

/* flags: of umount2(2); with any of them nobody waits. */
static int umount_dir(const char *dir, int flags) {
  struct mounts m;
  const struct mount_entry *e;
  int64_t timeout_ms;
  pid_t pid;
  int left;
  int rc = mounts_load(&m);

  if (rc != 0)
    return cli_fail(EXIT_FAILED, "cannot read the mount table: %s", strerror(-rc));
  e = mounts_at(&m, dir);
  if (e == NULL || !mount_is_s3apfs(e)) {
    mounts_fini(&m);
    return cli_fail(EXIT_FAILED, "%s: no s3apfs mount stands there", dir);
  }
  ask_pid(e, &pid, &timeout_ms);
  left = flags == 0 ? flush(e, timeout_ms) : 0;
  rc = unmount(dir, flags);
  mounts_fini(&m);
  if (rc != 0)
    return cli_fail(EXIT_FAILED, "%s: %s", dir,
                    rc == -EBUSY ? "busy: a program still uses it" : strerror(-rc));
  rc = flags == 0 ? wait_for_end(pid) : 0;
  if (rc != 0)
    return cli_fail(EXIT_FAILED,
                    "%s is unmounted, but its process %d has not ended yet (does another "
                    "mount namespace still hold it?)",
                    dir, (int)pid);
  return left == 0 ? EXIT_OK : EXIT_FAILED;
}

static int umount_named(const char *name, int flags) {
  char *dir = mount_point_path(name);
  int rc;

  if (dir == NULL)
    return cli_fail(EXIT_FAILED, "%s: %s", name, strerror(errno));
  rc = umount_dir(dir, flags);
  free(dir);
  return rc;
}

int cmd_umount(int argc, char **argv) {
  if (argc != 2 || argv[1][0] == '-')
    return cli_fail(EXIT_USAGE, "usage: s3apfs umount DIR");
  return umount_named(argv[1], 0);
}

/* umount(8): umount.fuse.s3apfs DIR [-nlfvr] [-N namespace] [-t type.subtype] */
int cmd_umount_helper(int argc, char **argv) {
  int flags = 0;
  int option;

  while ((option = getopt(argc, argv, "nlfvrN:t:")) != -1) {
    if (option == '?')
      return MOUNT_EX_USAGE;
    flags |= option == 'l' ? MNT_DETACH : option == 'f' ? MNT_FORCE : 0;
  }
  if (optind + 1 != argc)
    return cli_fail((enum exit_code)MOUNT_EX_USAGE, "one mount point is to be named");
  return umount_named(argv[optind], flags);
}
