/* Writing to the disk cache, behind the readers.
 *
 * Complete extents are queued, pinned. One thread makes room and files for them
 * (waiting -> ready), a few write them side by side: parts of a stream end in bursts,
 * and one write after another would leave the disk waiting. What waits keeps its
 * memory, so readers that are faster than the disk come to wait for it: for at most
 * RELIEF_MS, then what waited longer is left out. It is when there is no room for it,
 * too. A disk that made readers wait so long is a slow one, until nothing was left out for
 * SLOW_MS: then little may wait, what comes beside that is left out at once, and readers keep
 * the memory that they read ahead with. After a failure nothing is written for a while:
 * the cache in memory goes on alone. */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"

#define RETRY_MS 30000
/* So long may the disk keep memory from a reader. With the default memory this lets
 * readers go on at some 150 MB/s at least, however slow the disk is. */
#define RELIEF_MS 1000
#define SLOW_MS 10000
#define SLOW_SHARE 2 /* of the queue that a disk may have otherwise */
/* What a version's first bytes cost beside themselves. */
#define MAP_ROOM 8192

struct disk_job {
  struct extent *extent;
  int64_t since_ms;
  struct disk_job *next;
};

/* --- queues --- */

/* Appends the job, and one more run of fn, which takes the first one then. */
static int push(struct disk *d, struct disk_jobs *q, struct disk_job *j, struct pool *p,
                void (*fn)(void *arg)) {
  int rc;

  j->next = NULL;
  mtx_lock(&d->synced.lock);
  rc = pool_submit(p, fn, d);
  if (rc == 0) {
    if (q->head == NULL)
      q->head = j;
    else
      q->last->next = j;
    q->last = j;
  }
  mtx_unlock(&d->synced.lock);
  return rc;
}

static struct disk_job *pop_locked(struct disk_jobs *q) {
  struct disk_job *j = q->head;

  if (j != NULL)
    q->head = j->next;
  return j;
}

/* NULL: somebody else took it. */
static struct disk_job *pop(struct disk *d, struct disk_jobs *q) {
  struct disk_job *j;

  mtx_lock(&d->synced.lock);
  j = pop_locked(q);
  mtx_unlock(&d->synced.lock);
  return j;
}

/* --- ends --- */

static void failed(struct disk *d, int err) {
  atomic_store(&d->retry_ms, clock_mono_ms(&clock_system) + RETRY_MS);
  if (!atomic_exchange(&d->failing, true))
    log_warn("the cache in %s cannot be written, going on in memory: %s", d->dir, strerror(-err));
}

static void let_go(struct disk *d, struct extent *e) {
  struct disk_file *f = e->disk;
  size_t length = e->length;

  e->disk = NULL;
  disk_file_put_later(f);
  cache_unpin(e->cache, &e, 1);
  if (atomic_fetch_sub(&d->queued, length) != length)
    return;
  mtx_lock(&d->synced.lock);
  cond_broadcast(&d->synced.settled);
  mtx_unlock(&d->synced.lock);
}

static void skip_extent(struct disk *d, struct extent *e, int rc) {
  atomic_fetch_add(&d->skipped_bytes, e->length);
  if (rc != -EAGAIN)
    failed(d, rc);
  let_go(d, e);
}

/* --- the two steps --- */

/* The disk does not keep up with the stores. */
static bool is_behind(struct disk *d) {
  return atomic_load(&d->queued) > d->queue_bytes;
}

static void write_next(void *arg) {
  struct disk *d = arg;
  struct disk_job *j = pop(d, &d->synced.ready);
  struct extent *e;
  int rc;

  if (j == NULL)
    return;
  e = j->extent;
  free(j);
  rc = disk_file_write(e->disk, e->offset, e->data, e->length, is_behind(d));
  disk_space_settle(d, e->length + MAP_ROOM);
  if (rc != 0) {
    skip_extent(d, e, rc);
    return;
  }
  atomic_store(&d->failing, false);
  atomic_fetch_add(&d->filled_bytes, e->length);
  let_go(d, e);
}

static int make_ready(struct disk *d, struct disk_job *j) {
  struct extent *e = j->extent;
  int rc;

  if (clock_mono_ms(&clock_system) < atomic_load(&d->retry_ms))
    return -EAGAIN;
  if (!disk_space_make(d, e->length + MAP_ROOM))
    return -EAGAIN; /* the disk is well: others have it, or what is in use */
  rc = disk_file_make(e->disk);
  if (rc == 0)
    rc = push(d, &d->synced.ready, j, d->movers, write_next);
  if (rc != 0)
    disk_space_settle(d, e->length + MAP_ROOM);
  return rc;
}

/* Room and files are one thread's business, bytes are moved by several. */
static void prepare_next(void *arg) {
  struct disk *d = arg;
  struct disk_job *j = pop(d, &d->synced.waiting);
  struct extent *e;
  int rc;

  if (j == NULL)
    return;
  e = j->extent;
  if (disk_file_has(e->disk, e->offset, e->length)) {
    free(j);
    let_go(d, e); /* fetched as a proof only, or by two at once */
    return;
  }
  rc = make_ready(d, j);
  if (rc == 0)
    return;
  free(j);
  skip_extent(d, e, rc);
}

/* --- a slow disk --- */

static void found_slow(struct disk *d) {
  atomic_store(&d->slow_until_ms, clock_mono_ms(&clock_system) + SLOW_MS);
}

static bool is_overdue(struct disk *d) {
  size_t limit = d->queue_bytes / SLOW_SHARE;

  return atomic_load(&d->queued) > (limit > DATA_PART ? limit : DATA_PART) &&
         clock_mono_ms(&clock_system) < atomic_load(&d->slow_until_ms);
}

/* --- for the cache --- */

void disk_keep(struct extent *e) {
  struct disk *d = e->disk->disk;
  struct disk_job *j = NULL;

  atomic_fetch_add(&d->queued, e->length);
  if (is_overdue(d))
    found_slow(d);
  else
    j = malloc(sizeof(*j));
  if (j != NULL)
    *j = (struct disk_job){.extent = e, .since_ms = clock_mono_ms(&clock_system)};
  if (j != NULL && push(d, &d->synced.waiting, j, d->writer, prepare_next) == 0)
    return;
  free(j);
  skip_extent(d, e, -EAGAIN);
}

/* The oldest job that waits since before then. */
static struct disk_job *take_old(struct disk *d, int64_t before_ms, bool *ready) {
  struct disk_jobs *queues[] = {&d->synced.ready, &d->synced.waiting};
  struct disk_job *j = NULL;

  mtx_lock(&d->synced.lock);
  for (size_t i = 0; j == NULL && i < 2; i++) {
    if (queues[i]->head == NULL || queues[i]->head->since_ms >= before_ms)
      continue;
    j = pop_locked(queues[i]);
    *ready = i == 0;
  }
  mtx_unlock(&d->synced.lock);
  return j;
}

void disk_relieve(struct disk *d) {
  int64_t before = clock_mono_ms(&clock_system) - RELIEF_MS;
  struct disk_job *j;
  bool ready;

  while ((j = take_old(d, is_overdue(d) ? INT64_MAX : before, &ready)) != NULL) {
    struct extent *e = j->extent;

    free(j);
    found_slow(d);
    if (ready)
      disk_space_settle(d, e->length + MAP_ROOM);
    skip_extent(d, e, -EAGAIN);
  }
}

void disk_drain(struct disk *d) {
  mtx_lock(&d->synced.lock);
  while (atomic_load(&d->queued) > 0)
    cond_wait(&d->synced.settled, &d->synced.lock);
  mtx_unlock(&d->synced.lock);
}

static void put_file(void *arg) {
  disk_file_put(arg);
}

void disk_file_put_later(struct disk_file *f) {
  /* Without memory for the job it is left to the end of the process. */
  (void)!pool_submit(f->disk->writer, put_file, f);
}
