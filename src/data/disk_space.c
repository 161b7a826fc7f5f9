/* Room on disk: what is there, and what has to go (S3-FIFO).
 *
 * New versions enter the small queue. When the cache is full, the small queue
 * gives way first while it holds more than a tenth: a version that was opened
 * again since it came moves to the main queue, the others go, and their names are
 * remembered for a while (ghosts), so that one that comes back enters the main
 * queue at once. The main queue gives every version as many further rounds as it
 * was opened. A scan over many objects thus passes through the small queue and
 * leaves alone what is used. Queue, age and uses stand in the maps' heads, so
 * they outlive mounts and are shared.
 *
 * The directory is the only index. It is walked by the writer's thread when
 * something is first kept, when the cache is full, and now and then, because
 * other mounts write there too. A lock file, which ends with its process, lets
 * one mount evict at a time. */
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/array.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/log.h"

#define SCAN_EVERY_MS 60000
#define SMALL_SHARE 10 /* one part in so many */
#define EVICT_SHARE 20 /* so much is freed at once */
/* Where there still is too little room, it is made anew only after that: what is not in
 * use has gone, or enough has, but the file system counts it as free only later. */
#define FULL_MS 5000
#define UNCOUNTED_MS 30000
#define FOLDERS 256

/* --- walking --- */

static bool parse_hash(const char *name, uint64_t hash[2]) {
  unsigned long long high;
  unsigned long long low;
  int end = 0;

  if (strlen(name) != DISK_NAME_LEN + 2 || strcmp(name + DISK_NAME_LEN, ".m") != 0)
    return false;
  if (sscanf(name, "%16llx%16llx%n", &high, &low, &end) != 2 || end != DISK_NAME_LEN)
    return false;
  hash[0] = high;
  hash[1] = low;
  return true;
}

static uint64_t bytes_of(int dir_fd, const char *path) {
  struct stat st;

  return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static int read_entry(int dir_fd, const uint64_t hash[2], struct disk_entry *e) {
  char path[64];
  int fd;
  int rc;

  memcpy(e->hash, hash, sizeof(e->hash));
  disk_path(hash, 'm', path);
  fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return -errno;
  rc = file_pread_all(fd, &e->head, sizeof(e->head), 0);
  close(fd);
  if (rc == 0 && memcmp(e->head.magic, DISK_MAGIC, sizeof(e->head.magic)) != 0)
    rc = -EIO;
  e->bytes = bytes_of(dir_fd, path);
  disk_path(hash, 'd', path);
  e->bytes += bytes_of(dir_fd, path);
  return rc;
}

static int walk_folder(int dir_fd, unsigned number,
                       int (*fn)(void *arg, const struct disk_entry *e), void *arg) {
  char path[16];
  struct dirent *de;
  int rc = 0;
  int fd;
  DIR *dir;

  snprintf(path, sizeof(path), "chunks/%02x", number);
  fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? 0 : -errno;
  dir = fdopendir(fd);
  if (dir == NULL) {
    close(fd);
    return -ENOMEM;
  }
  while (rc == 0 && (de = readdir(dir)) != NULL) {
    struct disk_entry e;
    uint64_t hash[2];

    if (!parse_hash(de->d_name, hash))
      continue;
    if (read_entry(dir_fd, hash, &e) == 0)
      rc = fn(arg, &e);
    else
      disk_remove(dir_fd, hash); /* torn: it may be in the making, then it is made again */
  }
  closedir(dir);
  return rc;
}

int disk_walk(int dir_fd, int (*fn)(void *arg, const struct disk_entry *e), void *arg) {
  int rc = 0;

  for (unsigned i = 0; rc == 0 && i < FOLDERS; i++)
    rc = walk_folder(dir_fd, i, fn, arg);
  return rc;
}

int disk_remove(int dir_fd, const uint64_t hash[2]) {
  char path[64];
  int rc;

  /* The map first: bytes without one are nothing. */
  disk_path(hash, 'm', path);
  rc = unlinkat(dir_fd, path, 0) == 0 ? 0 : -errno;
  disk_path(hash, 'd', path);
  unlinkat(dir_fd, path, 0);
  return rc;
}

/* --- what is there --- */

struct tally {
  struct disk_entry *items;
  size_t count;
  size_t cap;
  uint64_t bytes;
  uint64_t small;
};

static int tally_add(void *arg, const struct disk_entry *e) {
  struct tally *t = arg;

  if (array_room(&t->items, t->count, &t->cap, sizeof(*t->items)) != 0)
    return -ENOMEM;
  t->items[t->count++] = *e;
  t->bytes += e->bytes;
  if (e->head.queue == DISK_SMALL)
    t->small += e->bytes;
  return 0;
}

static int scan(struct disk *d, struct tally *t) {
  int rc = disk_walk(d->dir_fd, tally_add, t);

  d->scanned = true;
  d->scanned_ms = clock_mono_ms(&clock_system);
  d->written_since_scan = 0;
  atomic_store(&d->used, t->bytes + atomic_load(&d->granted));
  return rc;
}

/* --- eviction --- */

static int older(const void *a, const void *b) {
  const struct disk_entry *x = a;
  const struct disk_entry *y = b;

  return x->head.born < y->head.born ? -1 : x->head.born > y->head.born;
}

/* The fields of the head that change, in one write; lost without harm. */
static void move_to(struct disk *d, struct disk_entry *e, enum disk_queue queue, uint32_t uses) {
  char path[64];
  int fd;

  e->head.queue = queue;
  e->head.uses = uses;
  e->head.born = (uint64_t)clock_wall_ms(&clock_system);
  disk_path(e->hash, 'm', path);
  fd = openat(d->dir_fd, path, O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return;
  (void)!pwrite(fd, &e->head, sizeof(e->head), 0);
  close(fd);
}

static void evict(struct disk *d, struct tally *t, struct disk_entry *e) {
  if (disk_remove(d->dir_fd, e->hash) != 0)
    return;
  t->bytes -= e->bytes;
  if (e->head.queue == DISK_SMALL)
    t->small -= e->bytes;
  memcpy(d->ghosts[d->ghost_next++ % (sizeof(d->ghosts) / sizeof(d->ghosts[0]))], e->hash,
         sizeof(e->hash));
  e->bytes = 0;
  atomic_fetch_add(&d->evicted_files, 1);
}

bool disk_ghost(const struct disk *d, const uint64_t hash[2]) {
  for (size_t i = 0; i < sizeof(d->ghosts) / sizeof(d->ghosts[0]); i++)
    if (memcmp(d->ghosts[i], hash, sizeof(d->ghosts[i])) == 0)
      return true;
  return false;
}

static bool in_use(struct disk *d, const uint64_t hash[2]) {
  struct disk_file *f = NULL;

  mtx_lock(&d->synced.lock);
  HASH_FIND(hh, d->synced.files, hash, sizeof(f->hash), f);
  mtx_unlock(&d->synced.lock);
  return f != NULL;
}

/* One round over one queue, oldest first. */
static void round_over(struct disk *d, struct tally *t, enum disk_queue queue, uint64_t target) {
  for (size_t i = 0; i < t->count && t->bytes > target; i++) {
    struct disk_entry *e = &t->items[i];

    if (e->bytes == 0 || e->head.queue != queue || in_use(d, e->hash))
      continue;
    if (queue == DISK_SMALL && t->small <= d->limit / SMALL_SHARE)
      return;
    if (e->head.uses == 0) {
      evict(d, t, e);
    } else if (queue == DISK_SMALL) {
      t->small -= e->bytes;
      move_to(d, e, DISK_MAIN, 0);
    } else {
      move_to(d, e, DISK_MAIN, e->head.uses - 1);
    }
  }
}

static void evict_to(struct disk *d, struct tally *t, uint64_t target) {
  qsort(t->items, t->count, sizeof(*t->items), older);
  round_over(d, t, DISK_SMALL, target);
  for (unsigned i = 0; i <= DISK_USES_MAX && t->bytes > target; i++)
    round_over(d, t, DISK_MAIN, target);
  /* What is left of the small queue is below its share, but all there is. */
  for (size_t i = 0; i < t->count && t->bytes > target; i++)
    if (t->items[i].bytes > 0 && !in_use(d, t->items[i].hash))
      evict(d, t, &t->items[i]);
  atomic_store(&d->used, t->bytes + atomic_load(&d->granted));
}

/* Down to what leaves room for so many bytes more, and then some. False: not enough could go. */
static bool evict_for(struct disk *d, struct tally *t, uint64_t bytes, uint64_t lacking) {
  uint64_t taken = bytes + atomic_load(&d->granted);
  uint64_t room = d->limit - (taken < d->limit ? taken : d->limit);
  bool enough = lacking <= t->bytes;
  uint64_t most = enough ? t->bytes - lacking : 0;

  if (most > room)
    most = room;
  if (t->bytes > most)
    evict_to(d, t, most - most / EVICT_SHARE);
  return enough && t->bytes <= most;
}

/* After what time it may be tried again; 0: another process is at it. */
static int64_t make_room(struct disk *d, uint64_t bytes) {
  int fd = openat(d->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  int64_t again_ms = FULL_MS;
  struct tally t = {0};
  uint64_t lacking;

  if (fd < 0)
    return again_ms;
  if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    again_ms = 0;
  else if (scan(d, &t) == 0 && disk_floor_lacks(d, bytes, &lacking) &&
           evict_for(d, &t, bytes, lacking))
    again_ms = UNCOUNTED_MS;
  free(t.items);
  close(fd);
  return again_ms;
}

static bool has_room(struct disk *d, uint64_t bytes) {
  uint64_t lacking;

  return atomic_load(&d->used) + bytes <= d->limit && disk_floor_lacks(d, bytes, &lacking) &&
         lacking == 0;
}

static void note_full(struct disk *d, int64_t again_ms) {
  d->full_until_ms = clock_mono_ms(&clock_system) + again_ms;
  if (d->said_full)
    return;
  d->said_full = true;
  log_warn("the cache in %s has no room for more (cache-size, cache-free)", d->dir);
}

/* Whether there is room now. */
static bool try_room(struct disk *d, uint64_t bytes) {
  int64_t again_ms;

  if (has_room(d, bytes))
    return true;
  if (clock_mono_ms(&clock_system) < d->full_until_ms)
    return false;
  again_ms = make_room(d, bytes);
  if (has_room(d, bytes))
    return true;
  if (again_ms > 0)
    note_full(d, again_ms);
  return false;
}

static bool scan_due(const struct disk *d) {
  return !d->scanned || d->written_since_scan > d->limit / EVICT_SHARE ||
         (d->written_since_scan > 0 &&
          clock_mono_ms(&clock_system) - d->scanned_ms >= SCAN_EVERY_MS);
}

bool disk_space_make(struct disk *d, uint64_t bytes) {
  if (scan_due(d)) {
    struct tally t = {0};

    scan(d, &t);
    free(t.items);
  }
  if (!try_room(d, bytes))
    return false;
  atomic_fetch_add(&d->used, bytes);
  atomic_fetch_add(&d->granted, bytes);
  d->written_since_scan += bytes;
  return true;
}

void disk_space_give_back(struct disk *d) {
  (void)!try_room(d, 0);
}

void disk_space_settle(struct disk *d, uint64_t bytes) {
  atomic_fetch_sub(&d->granted, bytes);
}
