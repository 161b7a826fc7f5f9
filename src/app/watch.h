/* Signals that arrive beside the work. While a mount is being prepared, SIGTERM and SIGINT,
 * and the end of the parent that waits for the outcome, end the process: nothing is mounted
 * yet then. While it is served, SIGHUP calls somebody. */
#ifndef S3APFS_APP_WATCH_H
#define S3APFS_APP_WATCH_H

struct watch;

/* SIGTERM and SIGINT must be blocked in the calling thread. parent: write end of
 * the pipe to the parent, or -1. NULL when it cannot be had: then nobody watches. */
struct watch *watch_start(int parent);
/* Each SIGHUP, which must be blocked in all threads, calls fn(arg) on a thread of its own;
 * several in the meantime may be one. NULL when it cannot be had. */
struct watch *watch_hangups(void (*fn)(void *arg), void *arg);
/* From here on signals are somebody else's. Waits for a call of fn. NULL is fine. */
void watch_stop(struct watch *w);

#endif
