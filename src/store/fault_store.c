/* A store that fails as scripted.
 *
 * head, list and the changes (fault_write.c) suffer in the calling thread. A get is
 * always wrapped: BEFORE (its delay runs) -> FIRST (the inner store delivers
 * what comes ahead of the gate or the failure) -> PARKED (at the gate) -> REST ->
 * ended. BEFORE and PARKED wait in one list that a thread of the store serves;
 * FIRST and REST are driven by the inner store's callbacks. Opening the gate and
 * cancelling make a waiting get due; a running one is cancelled inside, by
 * whoever comes later: the canceller, or the thread that is starting it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fault_store_internal.h"
#include "s3apfs/base/clock.h"

#define NEVER INT64_MAX

enum stage { STAGE_BEFORE, STAGE_FIRST, STAGE_PARKED, STAGE_REST };

struct fault_get {
  struct fault_store *fs;
  struct store_get *outer;
  struct store_get inner;
  struct fate fate;
  size_t first; /* bytes ahead of the gate or the failure */
  enum stage stage;
  /* under the store's lock: */
  unsigned refs;
  bool waiting;
  bool running; /* the inner store's get() returned, its done() did not come */
  bool ended;   /* its done() came */
  bool cancelled;
  int64_t due;
  struct fault_get *prev;
  struct fault_get *next;
};

static int64_t now_ms(void) {
  return clock_mono_ms(&clock_system);
}

/* One of `count` calls behind `after` others? */
static bool is_struck(unsigned *after, unsigned *count) {
  if (*after > 0) {
    --*after;
    return false;
  }
  if (*count == 0)
    return false;
  --*count;
  return true;
}

static void draw_fate_locked(struct fault_store *fs, enum fault_op op, struct fate *out) {
  struct script *s = &fs->synced.scripts[op];

  *out = (struct fate){.delay_ms = s->delay_ms, .gated = s->gated, .bytes = s->gate_bytes};
  out->fails = is_struck(&s->after, &s->count);
  if (out->fails) {
    out->err = s->err;
    if (!out->gated)
      out->bytes = s->bytes;
  }
  out->lost = !out->fails && is_struck(&s->lose_after, &s->lose_count);
  if (out->lost)
    out->err = s->lose_err;
}

static void unref_locked(struct fault_get *f) {
  if (--f->refs == 0) {
#ifndef __clang_analyzer__ /* it takes every release for the last one */
    free(f);
#endif
  }
}

static void get_finish(struct fault_get *f, int err) {
  struct fault_store *fs = f->fs;
  struct store_get *g = f->outer;

  mtx_lock(&fs->synced.lock);
  g->impl = NULL;
  unref_locked(f);
  mtx_unlock(&fs->synced.lock);
  g->done(g, err);
}

static void get_wait(struct fault_get *f, enum stage stage) {
  struct fault_store *fs = f->fs;

  mtx_lock(&fs->synced.lock);
  f->stage = stage;
  f->due = now_ms() + f->fate.delay_ms;
  if (stage == STAGE_PARKED) {
    fs->synced.parked++;
    f->due = fs->synced.scripts[FAULT_GET].gated ? NEVER : 0;
  }
  if (f->cancelled)
    f->due = 0;
  f->waiting = true;
  DL_APPEND(fs->synced.waiting, f);
  cond_broadcast(&fs->synced.changed);
  mtx_unlock(&fs->synced.lock);
}

static void inner_progress(struct store_get *g, size_t have) {
  struct fault_get *f = (struct fault_get *)((char *)g - offsetof(struct fault_get, inner));

  if (f->outer->progress != NULL)
    f->outer->progress(f->outer, (f->stage == STAGE_REST ? f->first : 0) + have);
}

static void inner_done(struct store_get *g, int err) {
  struct fault_get *f = (struct fault_get *)((char *)g - offsetof(struct fault_get, inner));

  mtx_lock(&f->fs->synced.lock);
  f->running = false;
  f->ended = true;
  mtx_unlock(&f->fs->synced.lock);
  f->outer->attr = g->attr;
  if (err == 0)
    f->outer->got += g->got;
  if (err != 0)
    get_finish(f, err);
  else if (f->stage == STAGE_FIRST && f->fate.gated)
    get_wait(f, STAGE_PARKED);
  else
    get_finish(f, f->fate.fails ? f->fate.err : 0);
}

static void cancel_inner(struct fault_get *f) {
  struct fault_store *fs = f->fs;

  fs->inner->ops->get_cancel(fs->inner, &f->inner);
}

/* get() returned 0; done() may have come already, then f is only kept by our reference. */
static void inner_started(struct fault_get *f) {
  struct fault_store *fs = f->fs;
  bool cancel;

  mtx_lock(&fs->synced.lock);
  f->running = !f->ended;
  cancel = f->running && f->cancelled;
  mtx_unlock(&fs->synced.lock);
  if (cancel)
    cancel_inner(f);
}

static void start_inner(struct fault_get *f, enum stage stage, size_t from, size_t length) {
  struct fault_store *fs = f->fs;
  int rc;

  mtx_lock(&fs->synced.lock);
  f->refs++;
  f->ended = false;
  f->stage = stage;
  f->inner = (struct store_get){.key = f->outer->key,
                                .if_match = f->outer->if_match,
                                .size = f->outer->size,
                                .offset = f->outer->offset + from,
                                .length = length,
                                .dst = (char *)f->outer->dst + from,
                                .deadline_mono_ms = f->outer->deadline_mono_ms,
                                .progress = inner_progress,
                                .done = inner_done};
  mtx_unlock(&fs->synced.lock);
  rc = fs->inner->ops->get(fs->inner, &f->inner);
  if (rc == 0)
    inner_started(f);
  else
    get_finish(f, stage == STAGE_REST && rc == -ERANGE ? 0 : rc);
  mtx_lock(&fs->synced.lock);
  unref_locked(f);
  mtx_unlock(&fs->synced.lock);
}

/* A waiting get is due. */
static void get_step(struct fault_get *f, bool cancelled) {
  if (cancelled)
    get_finish(f, -ECANCELED);
  else if (f->stage == STAGE_BEFORE && f->first > 0)
    start_inner(f, STAGE_FIRST, 0, f->first);
  else if (f->stage == STAGE_BEFORE && f->fate.gated)
    get_wait(f, STAGE_PARKED);
  else if (f->fate.fails)
    get_finish(f, f->fate.err);
  else if (f->first == f->outer->length)
    get_finish(f, 0);
  else
    start_inner(f, STAGE_REST, f->first, f->outer->length - f->first);
}

static struct fault_get *next_due_locked(struct fault_store *fs, int64_t *wake) {
  int64_t now = now_ms();
  struct fault_get *f;

  *wake = NEVER;
  DL_FOREACH (fs->synced.waiting, f) {
    if (f->due <= now)
      return f;
    if (f->due < *wake)
      *wake = f->due;
  }
  return NULL;
}

static void *fault_main(void *arg) {
  struct fault_store *fs = arg;

  pthread_setname_np(pthread_self(), "fault-store");
  mtx_lock(&fs->synced.lock);
  while (!fs->synced.stop) {
    int64_t wake;
    struct fault_get *f = next_due_locked(fs, &wake);

    if (f != NULL) {
      bool cancelled = f->cancelled;

      DL_DELETE(fs->synced.waiting, f);
      f->waiting = false;
      if (f->stage == STAGE_PARKED)
        fs->synced.parked--;
      mtx_unlock(&fs->synced.lock);
      get_step(f, cancelled);
      mtx_lock(&fs->synced.lock);
    } else if (wake == NEVER) {
      cond_wait(&fs->synced.changed, &fs->synced.lock);
    } else {
      cond_wait_until(&fs->synced.changed, &fs->synced.lock, wake);
    }
  }
  mtx_unlock(&fs->synced.lock);
  return NULL;
}

static int fault_get(struct store *s, struct store_get *g) {
  struct fault_store *fs = fault_store_self(s);
  struct fault_get *f = calloc(1, sizeof(*f));

  if (f == NULL)
    return -ENOMEM;
  f->fs = fs;
  f->outer = g;
  f->refs = 1;
  g->got = 0;
  mtx_lock(&fs->synced.lock);
  draw_fate_locked(fs, FAULT_GET, &f->fate);
  g->impl = f;
  mtx_unlock(&fs->synced.lock);
  f->first = g->length;
  if ((f->fate.gated || f->fate.fails) && f->fate.bytes < g->length)
    f->first = f->fate.bytes;
  get_wait(f, STAGE_BEFORE);
  return 0;
}

static void fault_get_cancel(struct store *s, struct store_get *g) {
  struct fault_store *fs = fault_store_self(s);
  struct fault_get *f;
  bool running = false;

  mtx_lock(&fs->synced.lock);
  f = g->impl;
  if (f != NULL) {
    f->refs++;
    f->cancelled = true;
    f->due = 0;
    running = f->running;
    cond_broadcast(&fs->synced.changed);
  }
  mtx_unlock(&fs->synced.lock);
  if (running)
    cancel_inner(f);
  mtx_lock(&fs->synced.lock);
  if (f != NULL)
    unref_locked(f);
  mtx_unlock(&fs->synced.lock);
}

static void wait_at_gate_locked(struct fault_store *fs, enum fault_op op) {
  fs->synced.parked++;
  cond_broadcast(&fs->synced.changed);
  while (fs->synced.scripts[op].gated)
    cond_wait(&fs->synced.changed, &fs->synced.lock);
  fs->synced.parked--;
}

int fault_store_before(struct fault_store *fs, enum fault_op op, struct fate *out) {
  struct fate fate;
  int64_t until;

  mtx_lock(&fs->synced.lock);
  draw_fate_locked(fs, op, &fate);
  until = now_ms() + fate.delay_ms;
  while (fate.delay_ms > 0 && now_ms() < until)
    cond_wait_until(&fs->synced.changed, &fs->synced.lock, until);
  if (fate.gated && fate.bytes == 0)
    wait_at_gate_locked(fs, op);
  mtx_unlock(&fs->synced.lock);
  *out = fate;
  return fate.fails ? fate.err : 0;
}

int fault_store_after(struct fault_store *fs, enum fault_op op, const struct fate *fate, int rc) {
  if (fate->gated && fate->bytes > 0) {
    mtx_lock(&fs->synced.lock);
    wait_at_gate_locked(fs, op);
    mtx_unlock(&fs->synced.lock);
  }
  return fate->lost ? fate->err : rc;
}

/* Delay, gate and failure of a call that changes nothing. */
static int suffer(struct fault_store *fs, enum fault_op op) {
  struct fate fate;

  return fault_store_before(fs, op, &fate);
}

static int fault_head(struct store *s, const char *key, struct store_attr *out,
                      struct kvlist *meta) {
  struct fault_store *fs = fault_store_self(s);
  int rc = suffer(fs, FAULT_HEAD);

  return rc != 0 ? rc : fs->inner->ops->head(fs->inner, key, out, meta);
}

static int fault_list(struct store *s, const char *prefix, bool folded, const char *token,
                      unsigned max, struct store_page *out) {
  struct fault_store *fs = fault_store_self(s);
  int rc = suffer(fs, FAULT_LIST);

  return rc != 0 ? rc : fs->inner->ops->list(fs->inner, prefix, folded, token, max, out);
}

static int fault_list_after(struct store *s, const char *prefix, bool folded, const char *after,
                            unsigned max, struct store_page *out) {
  struct fault_store *fs = fault_store_self(s);
  int rc = suffer(fs, FAULT_LIST);

  return rc != 0 ? rc : fs->inner->ops->list_after(fs->inner, prefix, folded, after, max, out);
}

static int fault_explain(struct store *s, const char *key, struct buf *out) {
  struct fault_store *fs = fault_store_self(s);

  return fs->inner->ops->explain(fs->inner, key, out);
}

static void fault_free(struct fault_store *fs) {
  cond_fini(&fs->synced.changed);
  mtx_fini(&fs->synced.lock);
  free(fs->store.domain);
  free(fs);
}

static void fault_destroy(struct store *s) {
  struct fault_store *fs = fault_store_self(s);

  mtx_lock(&fs->synced.lock);
  fs->synced.stop = true;
  cond_broadcast(&fs->synced.changed);
  mtx_unlock(&fs->synced.lock);
  pthread_join(fs->thread, NULL);
  store_free(fs->inner);
  fault_free(fs);
}

static const struct store_ops fault_ops = {
    .get = fault_get,
    .get_cancel = fault_get_cancel,
    .head = fault_head,
    .list = fault_list,
    .list_after = fault_list_after,
    .explain = fault_explain,
    .destroy = fault_destroy,
};

int fault_store_new(struct store *inner, struct store **out) {
  struct fault_store *fs = calloc(1, sizeof(*fs));
  int rc = -ENOMEM;

  if (fs == NULL)
    return -ENOMEM;
  mtx_init(&fs->synced.lock, RANK_STORE);
  cond_init(&fs->synced.changed);
  fs->inner = inner;
  fs->store.ops = &fault_ops;
  fs->store.write = inner->write != NULL ? &fault_write_ops : NULL;
  fs->store.read_only = inner->read_only;
  fs->store.domain = strdup(inner->domain);
  if (fs->store.domain != NULL)
    rc = -pthread_create(&fs->thread, NULL, fault_main, fs);
  if (rc != 0) {
    fault_free(fs);
    return rc;
  }
  *out = &fs->store;
  return 0;
}

void fault_store_fail(struct store *s, enum fault_op op, unsigned after, unsigned count, int err,
                      size_t bytes) {
  struct fault_store *fs = fault_store_self(s);
  struct script *script = &fs->synced.scripts[op];

  mtx_lock(&fs->synced.lock);
  script->after = after;
  script->count = count;
  script->err = err;
  script->bytes = bytes;
  mtx_unlock(&fs->synced.lock);
}

void fault_store_lose(struct store *s, enum fault_op op, unsigned after, unsigned count, int err) {
  struct fault_store *fs = fault_store_self(s);
  struct script *script = &fs->synced.scripts[op];

  mtx_lock(&fs->synced.lock);
  script->lose_after = after;
  script->lose_count = count;
  script->lose_err = err;
  mtx_unlock(&fs->synced.lock);
}

void fault_store_delay(struct store *s, enum fault_op op, int64_t ms) {
  struct fault_store *fs = fault_store_self(s);

  mtx_lock(&fs->synced.lock);
  fs->synced.scripts[op].delay_ms = ms;
  mtx_unlock(&fs->synced.lock);
}

void fault_store_gate(struct store *s, enum fault_op op, size_t bytes) {
  struct fault_store *fs = fault_store_self(s);

  mtx_lock(&fs->synced.lock);
  fs->synced.scripts[op].gated = true;
  fs->synced.scripts[op].gate_bytes = bytes;
  mtx_unlock(&fs->synced.lock);
}

void fault_store_open(struct store *s) {
  struct fault_store *fs = fault_store_self(s);
  struct fault_get *f;

  mtx_lock(&fs->synced.lock);
  for (unsigned op = 0; op < FAULT_OPS; op++)
    fs->synced.scripts[op].gated = false;
  DL_FOREACH (fs->synced.waiting, f) {
    if (f->stage == STAGE_PARKED)
      f->due = 0;
  }
  cond_broadcast(&fs->synced.changed);
  mtx_unlock(&fs->synced.lock);
}

unsigned fault_store_waiting(struct store *s) {
  struct fault_store *fs = fault_store_self(s);
  unsigned n;

  mtx_lock(&fs->synced.lock);
  n = fs->synced.parked;
  mtx_unlock(&fs->synced.lock);
  return n;
}
