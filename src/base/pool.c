/* Thread pool: one queue, one condition. Threads come as they are needed, and stay. */
#include "s3apfs/base/pool.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "s3apfs/base/lock.h"

struct job {
  void (*fn)(void *arg);
  void *arg;
  struct job *next;
};

struct pool {
  pthread_t *threads;
  unsigned most;
  char name[16];
  struct {
    struct mtx lock;
    struct cond work;
    struct job *head;
    struct job **tail;
    unsigned queued;
    unsigned count; /* threads */
    unsigned idle;
    bool stop; /* no thread is started any more */
  } synced;
};

static struct job *pool_next(struct pool *p) {
  struct job *j;

  mtx_lock(&p->synced.lock);
  p->synced.idle++;
  while (p->synced.head == NULL && !p->synced.stop)
    cond_wait(&p->synced.work, &p->synced.lock);
  p->synced.idle--;
  j = p->synced.head;
  if (j != NULL) {
    p->synced.queued--;
    p->synced.head = j->next;
    if (p->synced.head == NULL)
      p->synced.tail = &p->synced.head;
  }
  mtx_unlock(&p->synced.lock);
  return j;
}

static void *pool_main(void *arg) {
  struct pool *p = arg;
  struct job *j;

  pthread_setname_np(pthread_self(), p->name);
  while ((j = pool_next(p)) != NULL) {
    j->fn(j->arg);
    free(j);
  }
  return NULL;
}

int pool_new(const char *name, unsigned threads, struct pool **out) {
  struct pool *p = calloc(1, sizeof(*p));

  if (p == NULL)
    return -ENOMEM;
  p->threads = calloc(threads, sizeof(*p->threads));
  if (p->threads == NULL) {
    free(p);
    return -ENOMEM;
  }
  p->most = threads;
  snprintf(p->name, sizeof(p->name), "%s", name);
  mtx_init(&p->synced.lock, RANK_POOL);
  cond_init(&p->synced.work);
  p->synced.tail = &p->synced.head;
  *out = p;
  return 0;
}

void pool_free(struct pool *p) {
  unsigned count;

  if (p == NULL)
    return;
  mtx_lock(&p->synced.lock);
  p->synced.stop = true;
  count = p->synced.count;
  cond_broadcast(&p->synced.work);
  mtx_unlock(&p->synced.lock);
  for (unsigned i = 0; i < count; i++)
    pthread_join(p->threads[i], NULL);
  cond_fini(&p->synced.work);
  mtx_fini(&p->synced.lock);
  free(p->threads);
  free(p);
}

/* There are as many threads as the queue can use, or as may be. -EAGAIN: there is none. */
static int start_locked(struct pool *p) {
  int rc;

  if (p->synced.idle > p->synced.queued || p->synced.count == p->most ||
      (p->synced.stop && p->synced.count > 0))
    return 0;
  rc = -pthread_create(&p->threads[p->synced.count], NULL, pool_main, p);
  p->synced.count += rc == 0;
  return p->synced.count > 0 ? 0 : rc;
}

int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg) {
  struct job *j = calloc(1, sizeof(*j));
  int rc;

  if (j == NULL)
    return -ENOMEM;
  j->fn = fn;
  j->arg = arg;
  mtx_lock(&p->synced.lock);
  rc = start_locked(p);
  if (rc == 0) {
    *p->synced.tail = j;
    p->synced.tail = &j->next;
    p->synced.queued++;
    cond_signal(&p->synced.work);
  }
  mtx_unlock(&p->synced.lock);
  if (rc != 0)
    free(j);
  return rc;
}
