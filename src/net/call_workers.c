/* Workers: a thread that finished its job waits a while for the next one, then
 * leaves. Threads that left are joined by whoever comes next. */
#include "call_workers.h"

#include <errno.h>
#include <stdlib.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/lock.h"

#define LINGER_MS 5000 /* retries come in bursts of a few seconds */

struct job {
  struct job *next;
  void (*fn)(void *arg);
  void *arg;
};

struct worker {
  struct worker *next; /* among those that left */
  struct call_workers *all;
  pthread_t thread;
};

struct call_workers {
  struct {
    struct mtx lock;
    struct cond changed;
    struct job *jobs; /* no more than idle threads */
    unsigned job_count;
    unsigned idle;
    unsigned running; /* threads, idle ones included */
    struct worker *left;
    bool stop;
  } synced;
};

static struct job *next_job(struct call_workers *w) {
  int64_t until = clock_mono_ms(&clock_system) + LINGER_MS;
  struct job *j;
  bool in_time = true;

  mtx_lock(&w->synced.lock);
  w->synced.idle++;
  while (w->synced.jobs == NULL && !w->synced.stop && in_time)
    in_time = cond_wait_until(&w->synced.changed, &w->synced.lock, until);
  w->synced.idle--;
  j = w->synced.jobs;
  if (j != NULL) {
    w->synced.jobs = j->next;
    w->synced.job_count--;
  }
  mtx_unlock(&w->synced.lock);
  return j;
}

static void *worker_main(void *arg) {
  struct worker *self = arg;
  struct call_workers *w = self->all;
  struct job *j;

  pthread_setname_np(pthread_self(), "s3apfs-call");
  while ((j = next_job(w)) != NULL) {
    j->fn(j->arg);
    free(j);
  }
  mtx_lock(&w->synced.lock);
  self->next = w->synced.left;
  w->synced.left = self;
  w->synced.running--;
  cond_broadcast(&w->synced.changed);
  mtx_unlock(&w->synced.lock);
  return NULL;
}

static void join_left(struct worker *left) {
  while (left != NULL) {
    struct worker *next = left->next;

    pthread_join(left->thread, NULL);
    free(left);
    left = next;
  }
}

static struct worker *take_left_locked(struct call_workers *w) {
  struct worker *left = w->synced.left;

  w->synced.left = NULL;
  return left;
}

int call_workers_new(struct call_workers **out) {
  struct call_workers *w = calloc(1, sizeof(*w));

  if (w == NULL)
    return -ENOMEM;
  mtx_init(&w->synced.lock, RANK_POOL);
  cond_init(&w->synced.changed);
  *out = w;
  return 0;
}

void call_workers_free(struct call_workers *w) {
  struct worker *left;

  if (w == NULL)
    return;
  mtx_lock(&w->synced.lock);
  w->synced.stop = true;
  cond_broadcast(&w->synced.changed);
  while (w->synced.running > 0)
    cond_wait(&w->synced.changed, &w->synced.lock);
  left = take_left_locked(w);
  mtx_unlock(&w->synced.lock);
  join_left(left);
  cond_fini(&w->synced.changed);
  mtx_fini(&w->synced.lock);
  free(w);
}

static void push_job_locked(struct call_workers *w, struct job *j) {
  j->next = w->synced.jobs;
  w->synced.jobs = j;
  w->synced.job_count++;
  cond_broadcast(&w->synced.changed);
}

/* The new thread finds the job in the list. */
static int start_worker_locked(struct call_workers *w) {
  struct worker *self = calloc(1, sizeof(*self));
  int rc;

  if (self == NULL)
    return -ENOMEM;
  self->all = w;
  rc = -pthread_create(&self->thread, NULL, worker_main, self);
  if (rc != 0)
    free(self);
  else
    w->synced.running++;
  return rc;
}

int call_workers_submit(struct call_workers *w, void (*fn)(void *arg), void *arg) {
  struct job *j = calloc(1, sizeof(*j));
  struct worker *left;
  int rc = 0;

  if (j == NULL)
    return -ENOMEM;
  j->fn = fn;
  j->arg = arg;
  mtx_lock(&w->synced.lock);
  left = take_left_locked(w);
  if (w->synced.job_count >= w->synced.idle)
    rc = start_worker_locked(w);
  if (rc == 0)
    push_job_locked(w, j);
  mtx_unlock(&w->synced.lock);
  join_left(left);
  if (rc != 0)
    free(j);
  return rc;
}
