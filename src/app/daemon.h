/* Becoming a daemon whose parent waits for the outcome. */
#ifndef S3APFS_APP_DAEMON_H
#define S3APFS_APP_DAEMON_H

#include <stdbool.h>

struct daemon {
  int report; /* write end of the pipe to the parent; -1 in the foreground */
};

/* Forks. In the parent: waits for the child's word and returns its exit code
 * (1 when it ended without one), with *child = false. In the child: returns 0 at
 * once with *child = true, in a session of its own, its standard error still the
 * parent's so that a failure can be told. -errno when it could not fork. */
int daemon_start(struct daemon *d, bool *child);
/* In the child: the mount is ready. The parent ends with status 0; standard
 * streams now go nowhere. No effect in the foreground or the second time. */
void daemon_ready(struct daemon *d);
/* In the child: it failed; the parent ends with this code. */
void daemon_failed(struct daemon *d, int code);

/* Keys must not reach a core file or a debugger. */
void daemon_harden(void);

#endif
