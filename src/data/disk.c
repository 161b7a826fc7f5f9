/* The disk cache's life, and its two directions.
 *
 * Reading: an extent whose blocks are all on disk is read by a small pool of
 * threads, block by block, and announced to its readers as a load from the store
 * would be. A block that turns out damaged sends the extent to the store instead.
 *
 * Writing: complete extents are queued, pinned. One thread makes room and files for
 * them, a few write them side by side: parts of a stream end in bursts, and one
 * write after another would leave the disk waiting. What waits is bounded; when the
 * disk cannot keep up even through the page cache, or has no room, an extent is not
 * kept, and nobody waits. After a failure nothing is written for a while: the cache
 * in memory goes on alone. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/text.h"

#define READERS 8
#define WRITERS 4
#define RETRY_MS 30000
/* What a version's first bytes cost beside themselves. */
#define MAP_ROOM 8192

/* --- life --- */

static int open_dir(struct disk *d) {
  char *chunks = text_printf("%s/chunks", d->dir);
  int rc = chunks == NULL ? -ENOMEM : file_mkdirs(chunks, 0700);

  free(chunks);
  if (rc != 0)
    return rc;
  d->dir_fd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (d->dir_fd < 0)
    return -errno;
  return faccessat(d->dir_fd, "chunks", R_OK | W_OK | X_OK, AT_EACCESS) == 0 ? 0 : -errno;
}

void disk_synced_init(struct disk *d) {
  mtx_init(&d->synced.lock, RANK_STATE);
  cond_init(&d->synced.settled);
}

void disk_synced_fini(struct disk *d) {
  cond_fini(&d->synced.settled);
  mtx_fini(&d->synced.lock);
}

int disk_new(const struct disk_options *o, struct disk **out) {
  struct disk *d = calloc(1, sizeof(*d));
  int rc;

  if (d == NULL)
    return -ENOMEM;
  d->dir_fd = -1;
  d->limit = o->size;
  d->free_bytes = o->free_bytes;
  d->free_percent = o->free_percent;
  d->queue_bytes = o->queue_bytes;
  disk_synced_init(d);
  d->dir = strdup(o->dir);
  rc = d->dir == NULL ? -ENOMEM : open_dir(d);
  if (rc == 0)
    rc = pool_new("s3apfs-disk", READERS, &d->readers);
  if (rc == 0)
    rc = pool_new("s3apfs-keep", 1, &d->writer);
  if (rc == 0)
    rc = pool_new("s3apfs-write", WRITERS, &d->movers);
  if (rc != 0) {
    disk_free(d);
    return rc;
  }
  *out = d;
  return 0;
}

void disk_free(struct disk *d) {
  if (d == NULL)
    return;
  atomic_store(&d->ending, true);
  disk_drain(d);
  pool_free(d->readers);
  pool_free(d->movers);
  pool_free(d->writer); /* last: files are put there */
  if (d->dir_fd >= 0)
    close(d->dir_fd);
  disk_synced_fini(d);
  free(d->dir);
  free(d);
}

const char *disk_dir(const struct disk *d) {
  return d->dir;
}

void disk_stats(struct disk *d, struct disk_stats *out) {
  *out = (struct disk_stats){.used = atomic_load(&d->used),
                             .limit = d->limit,
                             .hit_bytes = atomic_load(&d->hit_bytes),
                             .filled_bytes = atomic_load(&d->filled_bytes),
                             .skipped_bytes = atomic_load(&d->skipped_bytes),
                             .bad_blocks = atomic_load(&d->bad_blocks),
                             .evicted_files = atomic_load(&d->evicted_files),
                             .failing = atomic_load(&d->failing)};
}

/* --- reading --- */

static void read_extent(void *arg) {
  struct extent *e = arg;
  struct disk_file *f = e->disk;
  struct disk *d = f->disk;
  uint64_t first = e->offset / DISK_BLOCK;
  int rc = 0;

  for (size_t at = 0; rc == 0 && at < e->length; at += DISK_BLOCK) {
    size_t end = at + DISK_BLOCK < e->length ? at + DISK_BLOCK : e->length;

    rc = disk_file_read(f, first + at / DISK_BLOCK, e->data + at);
    if (rc == 0)
      load_progress(e, end);
  }
  if (rc != 0) {
    load_from_store(e);
    return;
  }
  atomic_fetch_add(&d->hit_bytes, e->length);
  load_end(e, 0);
}

bool disk_load(struct extent *e) {
  struct disk_file *f = e->disk;

  return disk_file_has(f, e->offset, e->length) &&
         pool_submit(f->disk->readers, read_extent, e) == 0;
}

/* --- writing --- */

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

/* The disk does not keep up with the stores. */
static bool is_behind(struct disk *d) {
  return atomic_load(&d->queued) > d->queue_bytes / 4 * 3;
}

static void write_extent(void *arg) {
  struct extent *e = arg;
  struct disk *d = e->disk->disk;
  int rc = disk_file_write(e->disk, e->offset, e->data, e->length, is_behind(d));

  disk_space_settle(d, e->length + MAP_ROOM);
  if (rc != 0) {
    skip_extent(d, e, rc);
    return;
  }
  atomic_store(&d->failing, false);
  atomic_fetch_add(&d->filled_bytes, e->length);
  let_go(d, e);
}

/* Room and files are one thread's business, bytes are moved by several. */
static void keep_extent(void *arg) {
  struct extent *e = arg;
  struct disk *d = e->disk->disk;
  int rc;

  if (disk_file_has(e->disk, e->offset, e->length)) {
    let_go(d, e); /* fetched as a proof only, or by two at once */
    return;
  }
  if (clock_mono_ms(&clock_system) < atomic_load(&d->retry_ms))
    rc = -EAGAIN;
  else
    rc = disk_space_make(d, e->length + MAP_ROOM) ? 0 : -ENOSPC;
  if (rc == 0) {
    rc = disk_file_make(e->disk);
    if (rc == 0)
      rc = pool_submit(d->movers, write_extent, e);
    if (rc != 0)
      disk_space_settle(d, e->length + MAP_ROOM);
  }
  if (rc != 0)
    skip_extent(d, e, rc);
}

void disk_keep(struct extent *e) {
  struct disk *d = e->disk->disk;
  bool room = atomic_fetch_add(&d->queued, e->length) + e->length <= d->queue_bytes;

  if (!room || pool_submit(d->writer, keep_extent, e) != 0)
    skip_extent(d, e, -EAGAIN);
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
