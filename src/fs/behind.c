/* Commits that follow what was promised in the journal (writeback).
 *
 * A writing that was acknowledged is queued once; a thread of the pool commits what
 * was acknowledged until then, and nothing newer, which may be half a save. What
 * fails for a reason that may pass is tried again, at growing intervals; what is
 * denied or in conflict stays in the journal, and status tells. At the end nobody
 * waits for the store: the next mount goes on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"

#define THREADS 16
/* Many files get another name as soon as they are closed: that costs nothing while they are
 * only here. Nor do sends take the processors from who is writing one file after another, for a
 * while. */
#define QUIET_MS 150
#define DELAY_MAX_MS 1000
#define PAUSE_MS 1000
#define PAUSE_MAX_MS 60000

struct behind {
  struct fs *fs;
  struct pool *pool;
  _Atomic(int64_t) last; /* when something was acknowledged; monotonic ms */
  struct {
    struct mtx lock;
    struct cond stopped;
    bool stop;
  } synced;
};

struct follow {
  struct behind *behind;
  struct writing *writing;
  int64_t since; /* monotonic ms */
};

int behind_new(struct fs *fs, struct behind **out) {
  struct behind *b = calloc(1, sizeof(*b));
  int rc;

  if (b == NULL)
    return -ENOMEM;
  b->fs = fs;
  mtx_init(&b->synced.lock, RANK_FS);
  cond_init(&b->synced.stopped);
  rc = pool_new("s3apfs-behind", THREADS, &b->pool);
  if (rc != 0) {
    behind_free(b);
    return rc;
  }
  *out = b;
  return 0;
}

void behind_free(struct behind *b) {
  if (b == NULL)
    return;
  mtx_lock(&b->synced.lock);
  b->synced.stop = true;
  cond_broadcast(&b->synced.stopped);
  mtx_unlock(&b->synced.lock);
  pool_free(b->pool);
  cond_fini(&b->synced.stopped);
  mtx_fini(&b->synced.lock);
  free(b);
}

/* False: it is over. */
static bool pause_for(struct behind *b, int64_t ms) {
  int64_t until = clock_mono_ms(&clock_system) + ms;
  bool go_on;

  mtx_lock(&b->synced.lock);
  while (!b->synced.stop && cond_wait_until(&b->synced.stopped, &b->synced.lock, until))
    continue;
  go_on = !b->synced.stop;
  mtx_unlock(&b->synced.lock);
  return go_on;
}

/* Until nothing was acknowledged for a moment, or this has waited for long. */
static bool pause_until_quiet(struct behind *b, int64_t since) {
  bool go_on = true;
  int64_t wait;

  do {
    int64_t now = clock_mono_ms(&clock_system);
    int64_t quiet = atomic_load(&b->last) + QUIET_MS;
    int64_t late = since + DELAY_MAX_MS;

    wait = (quiet < late ? quiet : late) - now;
    if (wait > 0)
      go_on = pause_for(b, wait);
  } while (go_on && wait > 0);
  return go_on;
}

static bool may_pass(int err) {
  return err == -EIO || err == -ETIMEDOUT || err == -EAGAIN || err == -ENOMEM ||
         err == -ECONNREFUSED || err == -ECONNRESET || err == -EHOSTUNREACH;
}

/* From here on another acknowledgement queues it again. */
static void unqueue(struct fs *fs, struct writing *w) {
  mtx_lock(&fs->synced.lock);
  w->queued = false;
  mtx_unlock(&fs->synced.lock);
}

int behind_finish(struct fs *fs, struct writing *w) {
  return writing_send(fs, w, staged_commit_acked);
}

/* Nobody waits for a store that does not answer more than once. */
bool behind_make_room(struct fs *fs, const struct writing *but) {
  struct writing **all;
  size_t count;
  int rc = -ENOSPC;

  if (writings_borrow(fs, &all, &count) != 0)
    return false;
  for (size_t i = 0; i < count; i++) {
    if (rc != 0 && !may_pass(rc) && all[i] != but && staged_is_acked(all[i]->staged))
      rc = behind_finish(fs, all[i]);
    writing_give_back(fs, all[i]);
  }
  free(all);
  return rc == 0;
}

static void follow_run(void *arg) {
  struct follow *f = arg;
  struct fs *fs = f->behind->fs;
  int64_t pause = PAUSE_MS;
  bool go_on = pause_until_quiet(f->behind, f->since);
  int rc = 0;

  unqueue(fs, f->writing);
  while (go_on) {
    rc = behind_finish(fs, f->writing);
    if (!may_pass(rc))
      break;
    go_on = pause_for(f->behind, pause);
    pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
  }
  if (rc != 0 && !may_pass(rc) && rc != -ESTALE)
    log_error("a file that was written is only in the journal: %s", strerror(-rc));
  writing_give_back(fs, f->writing);
  free(f);
}

struct again {
  struct behind *behind;
  int (*fn)(struct fs *fs);
};

static void again_run(void *arg) {
  struct again *a = arg;
  int64_t pause = PAUSE_MS;

  while (pause_for(a->behind, pause) && a->fn(a->behind->fs) != 0)
    pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
  free(a);
}

void behind_again(struct fs *fs, int (*fn)(struct fs *fs)) {
  struct again *a = malloc(sizeof(*a));

  if (a == NULL)
    return;
  *a = (struct again){fs->behind, fn};
  if (pool_submit(fs->behind->pool, again_run, a) != 0)
    free(a);
}

void behind_queue(struct fs *fs, struct writing *w) {
  struct follow *f = malloc(sizeof(*f));
  bool mine;

  if (f == NULL)
    return; /* s3apfs sync, or the next mount, will find it */
  *f = (struct follow){fs->behind, w, clock_mono_ms(&clock_system)};
  atomic_store(&fs->behind->last, f->since);
  mtx_lock(&fs->synced.lock);
  mine = !w->queued;
  w->queued = true;
  if (mine) {
    w->refs++;
    w->lent++;
  }
  mtx_unlock(&fs->synced.lock);
  if (mine && pool_submit(fs->behind->pool, follow_run, f) == 0)
    return;
  if (mine) {
    unqueue(fs, w);
    writing_give_back(fs, w);
  }
  free(f);
}
