/* Threads for work that may block, as many as there is work: each job starts at
 * once. A job may wait for another one's end, which a pool of fixed size could
 * turn into a deadlock (keys of a grant are fetched by a call of their own). */
#ifndef S3APFS_NET_CALL_WORKERS_H
#define S3APFS_NET_CALL_WORKERS_H

struct call_workers;

int call_workers_new(struct call_workers **out);
/* Waits for what runs. */
void call_workers_free(struct call_workers *w);
/* 0; -EAGAIN or -ENOMEM when no thread can be had. */
int call_workers_submit(struct call_workers *w, void (*fn)(void *arg), void *arg);

#endif
