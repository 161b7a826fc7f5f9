/* What every back end shares: pages, and the blocking form of a ranged read.
 *
 * store_read() turns get() into a call that waits: its state lives on the
 * caller's stack until done() has set `finished` under the lock. */
#include "s3apfs/store/store.h"

#include <stdlib.h>

#include "s3apfs/base/lock.h"

void store_page_fini(struct store_page *p) {
  for (size_t i = 0; i < p->count; i++)
    free(p->entries[i].name);
  free(p->entries);
  free(p->next);
  *p = (struct store_page){0};
}

void store_elsewhere_fini(struct store_elsewhere *e) {
  free(e->service);
  free(e->container);
  free(e->name);
  free(e->owner);
  *e = (struct store_elsewhere){0};
}

struct blocking_get {
  struct store_get get;
  struct {
    struct mtx lock;
    struct cond ended;
    bool finished;
    int err;
  } synced;
};

static void blocking_done(struct store_get *g, int err) {
  struct blocking_get *b = (struct blocking_get *)((char *)g - offsetof(struct blocking_get, get));

  mtx_lock(&b->synced.lock);
  b->synced.err = err;
  b->synced.finished = true;
  cond_signal(&b->synced.ended);
  mtx_unlock(&b->synced.lock);
}

static int blocking_wait(struct blocking_get *b) {
  int err;

  mtx_lock(&b->synced.lock);
  while (!b->synced.finished)
    cond_wait(&b->synced.ended, &b->synced.lock);
  err = b->synced.err;
  mtx_unlock(&b->synced.lock);
  return err;
}

static int blocking_run(struct store *s, struct blocking_get *b) {
  int rc;

  b->get.done = blocking_done;
  mtx_init(&b->synced.lock, RANK_STORE);
  cond_init(&b->synced.ended);
  rc = s->ops->get(s, &b->get);
  if (rc == 0)
    rc = blocking_wait(b);
  cond_fini(&b->synced.ended);
  mtx_fini(&b->synced.lock);
  return rc;
}

int store_read_told(struct store *s, const char *key, const char *if_match, uint64_t offset,
                    void *dst, size_t length, size_t *got, struct store_detail *detail,
                    bool *told) {
  struct blocking_get b = {.get = {.key = key,
                                   .if_match = if_match,
                                   .offset = offset,
                                   .length = length,
                                   .dst = dst,
                                   .detail = detail}};
  int rc = blocking_run(s, &b);

  *got = b.get.got;
  *told = b.get.detailed;
  return rc;
}

int store_read(struct store *s, const char *key, const char *if_match, uint64_t offset, void *dst,
               size_t length, size_t *got, struct store_attr *attr) {
  struct blocking_get b = {
      .get = {.key = key, .if_match = if_match, .offset = offset, .length = length, .dst = dst}};
  int rc = blocking_run(s, &b);

  if (rc != 0)
    return rc;
  *got = b.get.got;
  if (attr != NULL)
    *attr = b.get.attr;
  return 0;
}
