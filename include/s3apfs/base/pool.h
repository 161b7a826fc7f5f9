/* Fixed pool of threads with an unbounded FIFO. Jobs run in submission order
 * of start; pool_free() runs what is queued, then joins. Thread-safe. */
#ifndef S3APFS_BASE_POOL_H
#define S3APFS_BASE_POOL_H

struct pool;

/* name: shown as the threads' name (15 bytes). 0, -EAGAIN or -ENOMEM. */
int pool_new(const char *name, unsigned threads, struct pool **out);
void pool_free(struct pool *p);
int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg); /* 0 or -ENOMEM */

#endif
