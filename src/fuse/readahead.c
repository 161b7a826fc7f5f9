/* Read-ahead of the kernel: /sys/class/bdi/MAJOR:MINOR/read_ahead_kb.
 *
 * The kernel takes its own default of 128 KiB for a FUSE mount, however much the
 * file system allows, so a sequential reader wakes the daemon eight times a
 * mebibyte. A fault in a mapped file reads that much around itself: more than
 * half a mebibyte would make random faults expensive. */
#include "readahead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/log.h"

#define READAHEAD_KB "512"

void readahead_raise(const char *dir) {
  char path[64];
  struct statx st;
  ssize_t n;
  int fd;

  /* Without synchronisation the kernel answers by itself: nobody serves yet. */
  if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC, 0, &st) != 0)
    return;
  snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", st.stx_dev_major,
           st.stx_dev_minor);
  fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    log_debug("%s: %s", path, strerror(errno));
    return;
  }
  n = write(fd, READAHEAD_KB, strlen(READAHEAD_KB));
  if (n < 0)
    log_debug("%s: %s", path, strerror(errno));
  close(fd);
}
