/* What the system tells of the thread that a request is from (proc(5), /proc/PID/status and
 * /proc/PID/comm). A number of 0 or below: it is in another pid namespace, nothing is told.
 * Any thread; each call reads one small file. */
#ifndef FUSE_CALLER_H
#define FUSE_CALLER_H

#include <stdbool.h>
#include <sys/types.h>

/* The process that the thread belongs to; 0: it cannot be told. */
pid_t caller_process(pid_t thread);
/* Whether its program is `ls`, `dir` or `vdir`; false: it cannot be told. */
bool caller_is_ls(pid_t thread);
/* Whether the thread, which a signal came for, is to end, or to give up what it does: a signal
 * that ends its process, or one of SIGINT, SIGTERM, SIGHUP and SIGQUIT. Any other, as that of a
 * timer or of a child, of a window, or of Ctrl-Z, interrupts no call of a local file system. true:
 * it cannot be told. */
bool caller_gives_up(pid_t thread);

#endif
