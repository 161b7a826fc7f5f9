/* The disk cache's life, and reading from it.
 *
 * Reading: an extent whose blocks are all on disk is read by a small pool of
 * threads, some blocks at a time, and announced to its readers as a load from the store
 * would be. A block that turns out damaged sends the extent to the store instead.
 *
 * Writing is disk_keep.c's. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/text.h"

#define READERS 8
#define WRITERS 4
#define RUN_MAX 8 /* blocks */
/* Those that hang in a write hold a part of memory each. */
#define WRITER_SHARE (2 * DATA_PART)

/* --- life --- */

static unsigned writers_for(size_t queue_bytes) {
  size_t count = queue_bytes / WRITER_SHARE;

  return count < 1 ? 1 : count > WRITERS ? WRITERS : (unsigned)count;
}

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
  cond_init(&d->synced.ended);
}

void disk_synced_fini(struct disk *d) {
  cond_fini(&d->synced.ended);
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
  d->measure = o->measure != NULL ? o->measure : fstatvfs;
  d->queue_bytes = o->queue_bytes;
  disk_synced_init(d);
  d->dir = strdup(o->dir);
  rc = d->dir == NULL ? -ENOMEM : open_dir(d);
  if (rc == 0)
    rc = pool_new("s3apfs-disk", READERS, &d->readers);
  if (rc == 0)
    rc = pool_new("s3apfs-keep", 1, &d->writer);
  if (rc == 0)
    rc = pool_new("s3apfs-write", writers_for(d->queue_bytes), &d->movers);
  if (rc == 0)
    rc = disk_floor_start(d);
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
  disk_floor_stop(d);
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

/* Blocks that are read at once: the first alone, for somebody waits for it, then twice as
 * many each time. Only whole sectors go around the page cache, so the object's last
 * block is read by itself unless it ends on one. */
static size_t run_of(const struct extent *e, size_t at) {
  size_t blocks = at / DISK_BLOCK + 1;
  size_t left = (e->length - at) / DISK_BLOCK;

  blocks = blocks < RUN_MAX ? blocks : RUN_MAX;
  blocks = blocks < left ? blocks : left;
  return blocks != 0 ? blocks : 1;
}

static int read_run(struct extent *e, size_t at, size_t blocks) {
  uint64_t first = (e->offset + at) / DISK_BLOCK;
  int read = disk_file_fetch(e->disk, first, blocks, e->data + at);
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < blocks; i++) {
    size_t from = at + i * DISK_BLOCK;

    rc = disk_file_verify(e->disk, first + i, e->data + from, read);
    if (rc == 0)
      load_progress(e, from + DISK_BLOCK < e->length ? from + DISK_BLOCK : e->length);
  }
  return rc;
}

static void read_extent(void *arg) {
  struct extent *e = arg;
  struct disk *d = e->disk->disk;
  size_t at = 0;
  int rc = 0;

  while (rc == 0 && at < e->length) {
    size_t blocks = run_of(e, at);

    rc = read_run(e, at, blocks);
    at += blocks * DISK_BLOCK;
  }
  if (rc != 0) {
    load_from_store(e);
    return;
  }
  atomic_fetch_add(&d->hit_bytes, e->length);
  load_end(e, 0);
}

bool disk_is_near(struct disk_file *f, uint64_t offset, size_t length) {
  offset -= offset % DISK_BLOCK;
  length += DISK_BLOCK - 1;
  length -= length % DISK_BLOCK;
  if (length > f->size - offset)
    length = (size_t)(f->size - offset);
  return disk_file_has(f, offset, length);
}

bool disk_load(struct extent *e) {
  struct disk_file *f = e->disk;

  return disk_file_has(f, e->offset, e->length) &&
         pool_submit(f->disk->readers, read_extent, e) == 0;
}
