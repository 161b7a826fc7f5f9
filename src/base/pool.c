/* Thread pool: one queue, one condition. */
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
  unsigned count;
  char name[16];
  struct {
    struct mtx lock;
    struct cond work;
    struct job *head;
    struct job **tail;
    bool stop;
  } synced;
};

static struct job *pool_next(struct pool *p) {
  struct job *j;

  mtx_lock(&p->synced.lock);
  while (p->synced.head == NULL && !p->synced.stop)
    cond_wait(&p->synced.work, &p->synced.lock);
  j = p->synced.head;
  if (j != NULL) {
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
  int rc = 0;

  if (p == NULL)
    return -ENOMEM;
  p->threads = calloc(threads, sizeof(*p->threads));
  if (p->threads == NULL) {
    free(p);
    return -ENOMEM;
  }
  snprintf(p->name, sizeof(p->name), "%s", name);
  mtx_init(&p->synced.lock, RANK_POOL);
  cond_init(&p->synced.work);
  p->synced.tail = &p->synced.head;
  while (rc == 0 && p->count < threads) {
    rc = -pthread_create(&p->threads[p->count], NULL, pool_main, p);
    if (rc == 0)
      p->count++;
  }
  if (rc != 0) {
    pool_free(p);
    return rc;
  }
  *out = p;
  return 0;
}

void pool_free(struct pool *p) {
  if (p == NULL)
    return;
  mtx_lock(&p->synced.lock);
  p->synced.stop = true;
  cond_broadcast(&p->synced.work);
  mtx_unlock(&p->synced.lock);
  for (unsigned i = 0; i < p->count; i++)
    pthread_join(p->threads[i], NULL);
  cond_fini(&p->synced.work);
  mtx_fini(&p->synced.lock);
  free(p->threads);
  free(p);
}

int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg) {
  struct job *j = calloc(1, sizeof(*j));

  if (j == NULL)
    return -ENOMEM;
  j->fn = fn;
  j->arg = arg;
  mtx_lock(&p->synced.lock);
  *p->synced.tail = j;
  p->synced.tail = &j->next;
  cond_signal(&p->synced.work);
  mtx_unlock(&p->synced.lock);
  return 0;
}
