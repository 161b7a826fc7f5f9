/* Ends the process while a mount is being prepared: on SIGTERM or SIGINT, and when
 * the parent that waits for the outcome has gone. Nothing is mounted yet then. */
#ifndef S3APFS_APP_WATCH_H
#define S3APFS_APP_WATCH_H

struct watch;

/* SIGTERM and SIGINT must be blocked in the calling thread. parent: write end of
 * the pipe to the parent, or -1. NULL when it cannot be had: then nobody watches. */
struct watch *watch_start(int parent);
/* From here on signals are somebody else's. NULL is fine. */
void watch_stop(struct watch *w);

#endif
