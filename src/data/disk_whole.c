/* Files that are whole and were verified, so that the kernel may read them itself.
 *
 * What the kernel reads is not compared with checksums any more. So a file is handed
 * out only when this process read and verified every one of its blocks from disk, and
 * when nothing was written to it since: its inode and the time of its last change
 * (print) are those of before the first block was verified. Blocks are verified as
 * they are read; when the last reader of a version that is read again goes, the rest
 * follows: what it found in memory, or did not need of a small file. What is known is remembered
 * for the next reader. */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache.h"
#include "s3apfs/base/pool.h"

/* So few blocks may lack and are read at once: those of one part, for what was
 * fetched as a proof was not read from disk. */
#define LACK_MAX (DATA_PART / DISK_BLOCK)
/* So many blocks are verified when the last reader goes, whatever it read of them. */
#define SMALL ((64 << 20) / DISK_BLOCK)

static bool print_of(const struct disk_file *f, struct disk_print *out) {
  struct stat st;

  if (f->plain_fd < 0 || fstat(f->plain_fd, &st) != 0 || (uint64_t)st.st_size != f->size)
    return false;
  *out = (struct disk_print){.dev = st.st_dev,
                             .ino = st.st_ino,
                             .changed_s = st.st_ctim.tv_sec,
                             .changed_ns = st.st_ctim.tv_nsec};
  return true;
}

static bool same_print(const struct disk_print *a, const struct disk_print *b) {
  return a->ino == b->ino && a->dev == b->dev && a->changed_s == b->changed_s &&
         a->changed_ns == b->changed_ns;
}

/* Memory that was never touched stays so: it is none. */
static void begin_locked(struct disk_file *f, const struct disk_print *print) {
  for (uint64_t i = 0; f->whole.count > 0 && i < disk_file_blocks(f); i++)
    if (f->whole.sound[i] != 0)
      f->whole.sound[i] = 0;
  f->whole.count = 0;
  f->whole.print = *print;
  f->whole.written = false;
}

int disk_whole_open(struct disk_file *f) {
  struct disk *d = f->disk;
  struct disk_print now;

  if (f->data_fd < 0)
    return 0; /* a part of the map is no file of its own */
  f->whole.sound = calloc(disk_file_blocks(f), 1);
  if (f->whole.sound == NULL)
    return -ENOMEM;
  if (!print_of(f, &now))
    return 0;
  mtx_lock(&d->synced.lock);
  begin_locked(f, &now);
  for (size_t i = 0; i < DISK_WHOLES; i++) {
    const struct disk_whole *w = &d->synced.wholes[i];

    if (memcmp(w->hash, f->hash, sizeof(w->hash)) != 0 || !same_print(&w->print, &now))
      continue;
    memset(f->whole.sound, 1, disk_file_blocks(f));
    f->whole.count = disk_file_blocks(f);
  }
  mtx_unlock(&d->synced.lock);
  return 0;
}

void disk_whole_close_locked(struct disk_file *f) {
  struct disk *d = f->disk;

  if (f->whole.sound != NULL && !f->whole.written && f->whole.count == disk_file_blocks(f)) {
    struct disk_whole *w = &d->synced.wholes[d->synced.whole_next++ % DISK_WHOLES];

    memcpy(w->hash, f->hash, sizeof(w->hash));
    w->print = f->whole.print;
  }
  free(f->whole.sound);
  f->whole.sound = NULL;
}

void disk_whole_written(struct disk_file *f) {
  mtx_lock(&f->disk->synced.lock);
  f->whole.written = true;
  mtx_unlock(&f->disk->synced.lock);
}

void disk_whole_reading(struct disk_file *f) {
  struct disk_print now;
  bool known;

  mtx_lock(&f->disk->synced.lock);
  known = f->whole.sound == NULL || !f->whole.written;
  mtx_unlock(&f->disk->synced.lock);
  if (known || !print_of(f, &now))
    return;
  mtx_lock(&f->disk->synced.lock);
  begin_locked(f, &now);
  mtx_unlock(&f->disk->synced.lock);
}

void disk_whole_sound(struct disk_file *f, uint64_t block, bool sound) {
  mtx_lock(&f->disk->synced.lock);
  if (f->whole.sound != NULL && (f->whole.sound[block] != 0) != sound) {
    f->whole.sound[block] = sound;
    f->whole.count += sound ? 1 : (uint64_t)-1;
  }
  mtx_unlock(&f->disk->synced.lock);
}

/* The first block from `from` on that was not verified; the number of blocks: none. */
static uint64_t next_lacking(struct disk_file *f, uint64_t from) {
  mtx_lock(&f->disk->synced.lock);
  while (from < disk_file_blocks(f) && f->whole.sound[from] != 0)
    from++;
  mtx_unlock(&f->disk->synced.lock);
  return from;
}

static int verify_rest(struct disk_file *f) {
  unsigned char *block = aligned_alloc(4096, DISK_BLOCK);
  int rc = block != NULL ? 0 : -ENOMEM;

  for (uint64_t i = 0; rc == 0 && (i = next_lacking(f, i)) < disk_file_blocks(f); i++)
    rc = atomic_load(&f->disk->ending) ? -ECANCELED : disk_file_read(f, i, block);
  free(block);
  return rc;
}

static uint64_t count_sound(struct disk_file *f) {
  uint64_t count;

  mtx_lock(&f->disk->synced.lock);
  count = f->whole.sound != NULL ? f->whole.count : 0;
  mtx_unlock(&f->disk->synced.lock);
  return count;
}

int disk_whole_fd(struct disk_file *f) {
  struct disk_print now;
  bool ok;

  if (!disk_file_has(f, 0, f->size))
    return -1;
  disk_whole_reading(f);
  if (f->whole.sound == NULL || count_sound(f) + LACK_MAX < disk_file_blocks(f))
    return -1;
  if (verify_rest(f) != 0 || !print_of(f, &now))
    return -1;
  mtx_lock(&f->disk->synced.lock);
  ok = f->whole.count == disk_file_blocks(f) && !f->whole.written;
  if (ok && !same_print(&now, &f->whole.print)) {
    begin_locked(f, &now); /* changed by somebody: verified anew by who reads next */
    ok = false;
  }
  mtx_unlock(&f->disk->synced.lock);
  return ok ? f->plain_fd : -1;
}

static void complete(void *arg) {
  struct disk_file *f = arg;

  if (disk_file_has(f, 0, f->size))
    (void)!verify_rest(f);
  disk_file_put(f);
}

/* It was there before, so it is read again; and it is small, or most was read. */
static bool is_worth_it(struct disk_file *f) {
  uint64_t blocks = disk_file_blocks(f);
  uint64_t sound;

  if (atomic_load(&f->state) != DISK_OPEN || !f->found || f->whole.sound == NULL)
    return false;
  sound = count_sound(f);
  return sound < blocks && (blocks <= SMALL || sound >= blocks / 2);
}

void disk_file_done(struct disk_file *f) {
  if (!is_worth_it(f) || pool_submit(f->disk->readers, complete, f) != 0)
    disk_file_put_later(f);
}
