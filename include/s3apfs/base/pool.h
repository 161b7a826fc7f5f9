/* Pool of threads with an unbounded FIFO. Jobs run in submission order
 * of start; pool_free() runs what is queued, then joins. A thread is started when there is a job
 * and none is idle, so a pool that is never used costs none. Thread-safe. */
#ifndef S3APFS_BASE_POOL_H
#define S3APFS_BASE_POOL_H

struct pool;

/* At most so many threads. name: theirs (15 bytes). 0 or -ENOMEM. */
int pool_new(const char *name, unsigned threads, struct pool **out);
void pool_free(struct pool *p);
int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg); /* 0, -ENOMEM or -EAGAIN */

#endif
