/* Ranked mutexes. The held locks of a thread are a small stack; only the rank
 * check needs it, so release builds keep none. */
#include "s3apfs/base/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void must(int rc, const char *what) {
  if (rc != 0) {
    fprintf(stderr, "s3apfs: %s failed: %d\n", what, rc);
    abort();
  }
}

#ifndef NDEBUG
#define HELD_MAX 16
static _Thread_local enum lock_rank held[HELD_MAX];
static _Thread_local unsigned held_count;

static void rank_push(const struct mtx *m) {
  for (unsigned i = 0; i < held_count; i++) {
    if (held[i] >= m->rank) {
      fprintf(stderr, "s3apfs: lock rank %d taken while holding %d\n", (int)m->rank, (int)held[i]);
      abort();
    }
  }
  if (held_count == HELD_MAX)
    abort();
  held[held_count++] = m->rank;
}

static void rank_pop(const struct mtx *m) {
  for (unsigned i = held_count; i-- > 0;) {
    if (held[i] == m->rank) {
      held[i] = held[--held_count];
      return;
    }
  }
  abort();
}
#else
static void rank_push(const struct mtx *m) {
  (void)m;
}
static void rank_pop(const struct mtx *m) {
  (void)m;
}
#endif

void mtx_init(struct mtx *m, enum lock_rank rank) {
  must(pthread_mutex_init(&m->m, NULL), "pthread_mutex_init");
  m->rank = rank;
}

void mtx_fini(struct mtx *m) {
  must(pthread_mutex_destroy(&m->m), "pthread_mutex_destroy");
}

void mtx_lock(struct mtx *m) {
  rank_push(m);
  must(pthread_mutex_lock(&m->m), "pthread_mutex_lock");
}

void mtx_unlock(struct mtx *m) {
  rank_pop(m); /* first: once unlocked, another thread may free the object */
  must(pthread_mutex_unlock(&m->m), "pthread_mutex_unlock");
}

void cond_init(struct cond *c) {
  pthread_condattr_t attr;

  must(pthread_condattr_init(&attr), "pthread_condattr_init");
  must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), "pthread_condattr_setclock");
  must(pthread_cond_init(&c->c, &attr), "pthread_cond_init");
  pthread_condattr_destroy(&attr);
}

void cond_fini(struct cond *c) {
  must(pthread_cond_destroy(&c->c), "pthread_cond_destroy");
}

void cond_wait(struct cond *c, struct mtx *m) {
  must(pthread_cond_wait(&c->c, &m->m), "pthread_cond_wait");
}

bool cond_wait_until(struct cond *c, struct mtx *m, int64_t mono_deadline_ms) {
  int64_t at = mono_deadline_ms > 0 ? mono_deadline_ms : 0; /* a negative tv_nsec is refused */
  struct timespec ts = {.tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000};
  int rc = pthread_cond_timedwait(&c->c, &m->m, &ts);

  if (rc != 0 && rc != ETIMEDOUT)
    must(rc, "pthread_cond_timedwait");
  return rc == 0;
}

void cond_signal(struct cond *c) {
  must(pthread_cond_signal(&c->c), "pthread_cond_signal");
}

void cond_broadcast(struct cond *c) {
  must(pthread_cond_broadcast(&c->c), "pthread_cond_broadcast");
}
