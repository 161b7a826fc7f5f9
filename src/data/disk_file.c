/* The files of one version: opening, making, reading and writing blocks.
 *
 * States: unknown -> looking -> absent, open or broken; absent -> making -> open
 * when the writer makes the files. Whoever sets "looking" or "making" is alone with
 * the descriptors until it sets another state. Who finds the file being looked for
 * waits: what is on disk must not be fetched again because two asked at once. One in
 * the making is treated as absent. An open file stays open until its last user goes,
 * also when somebody else removes its names.
 *
 * A block counts when its checksum is in the map. Bytes are written first, the
 * checksum afterwards; as the system may write them to disk in another order, and
 * because disks fail, every read verifies. Bytes go around the page cache where
 * the file system can (O_DIRECT): they are in memory twice already. Only when more
 * waits to be written than the disk takes, they go through it: the kernel then holds
 * what the disk has not taken yet. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/xxh.h"

#define SECTOR ((size_t)4096)
#define SUMS_RUN 1024 /* are read at once */

/* --- names and sums --- */

void disk_name(const uint64_t hash[2], char out[DISK_NAME_LEN + 1]) {
  snprintf(out, DISK_NAME_LEN + 1, "%016llx%016llx", (unsigned long long)hash[0],
           (unsigned long long)hash[1]);
}

void disk_path(const uint64_t hash[2], char suffix, char out[64]) {
  char name[DISK_NAME_LEN + 1];

  disk_name(hash, name);
  snprintf(out, 64, "chunks/%.2s/%s.%c", name, name, suffix);
}

uint64_t disk_block_sum(const uint64_t hash[2], uint64_t block, const void *data, size_t len) {
  uint64_t sum = xxh64_of(data, len, hash[0] ^ (block + 1));

  return sum != 0 ? sum : 1;
}

uint64_t disk_head_check(const struct disk_head *h, const char *id) {
  uint64_t seed = xxh64_of(h->magic, sizeof(h->magic), h->size);

  return xxh64_of(id, h->id_len, seed ^ h->id_len);
}

size_t disk_sums_at(size_t id_len) {
  return (sizeof(struct disk_head) + id_len + 7) / 8 * 8;
}

uint64_t disk_file_blocks(const struct disk_file *f) {
  return (f->size + DISK_BLOCK - 1) / DISK_BLOCK;
}

static bool is_inline(const struct disk_file *f) {
  return f->size <= DISK_BLOCK;
}

static size_t block_len(const struct disk_file *f, uint64_t block) {
  uint64_t left = f->size - block * DISK_BLOCK;

  return left < DISK_BLOCK ? (size_t)left : DISK_BLOCK;
}

static off_t sum_at(const struct disk_file *f, uint64_t block) {
  return (off_t)(disk_sums_at(strlen(f->id)) + block * sizeof(uint64_t));
}

/* --- users --- */

struct disk_file *disk_file_get(struct disk *d, const char *id, uint64_t size) {
  struct disk_file *f = NULL;
  uint64_t hash[2];

  if (size == 0 || size > DISK_OBJECT_MAX || strlen(id) > DISK_ID_MAX)
    return NULL;
  xxh128_of(id, strlen(id), hash);
  mtx_lock(&d->synced.lock);
  HASH_FIND(hh, d->synced.files, hash, sizeof(hash), f);
  if (f != NULL) {
    atomic_fetch_add(&f->refs, 1);
  } else {
    f = calloc(1, sizeof(*f));
    if (f != NULL)
      f->id = strdup(id);
    if (f != NULL && f->id == NULL) {
      free(f);
      f = NULL;
    }
    if (f != NULL) {
      f->disk = d;
      f->size = size;
      f->map_fd = f->data_fd = f->plain_fd = -1;
      memcpy(f->hash, hash, sizeof(hash));
      atomic_init(&f->refs, 1);
      atomic_init(&f->state, DISK_UNKNOWN);
      HASH_ADD(hh, d->synced.files, hash, sizeof(f->hash), f);
    }
  }
  mtx_unlock(&d->synced.lock);
  return f;
}

struct disk_file *disk_file_ref(struct disk_file *f) {
  atomic_fetch_add(&f->refs, 1);
  return f;
}

static void close_fds(struct disk_file *f) {
  if (f->plain_fd >= 0 && f->plain_fd != f->data_fd)
    close(f->plain_fd);
  if (f->data_fd >= 0)
    close(f->data_fd);
  if (f->map_fd >= 0)
    close(f->map_fd);
  free(f->sums);
  f->sums = NULL;
  free(f->whole.sound);
  f->whole.sound = NULL;
  f->map_fd = f->data_fd = f->plain_fd = -1;
}

void disk_file_put(struct disk_file *f) {
  struct disk *d = f->disk;
  bool last;

  mtx_lock(&d->synced.lock);
  last = atomic_fetch_sub(&f->refs, 1) == 1;
  if (last) {
    HASH_DEL(d->synced.files, f);
    disk_whole_close_locked(f);
  }
  mtx_unlock(&d->synced.lock);
  if (!last)
    return;
  close_fds(f);
  free(f->id);
  free(f);
}

/* --- opening --- */

static int open_data(struct disk_file *f, int flags) {
  char path[64];

  if (is_inline(f))
    return 0;
  disk_path(f->hash, 'd', path);
  f->plain_fd = openat(f->disk->dir_fd, path, O_RDWR | O_CLOEXEC | flags, 0600);
  if (f->plain_fd < 0)
    return -errno;
  f->data_fd = openat(f->disk->dir_fd, path, O_RDWR | O_CLOEXEC | O_DIRECT);
  if (f->data_fd < 0)
    f->data_fd = f->plain_fd; /* tmpfs and some others have none */
  return 0;
}

/* Of a large object most blocks often are not here. Memory for those is asked for, not touched: so
 * the table takes as much as is on disk, not as the object's size. */
static int read_sums(struct disk_file *f) {
  uint64_t blocks = disk_file_blocks(f);
  uint64_t raw[SUMS_RUN];
  int rc = 0;

  f->sums = calloc(blocks, sizeof(*f->sums));
  if (f->sums == NULL)
    return -ENOMEM;
  for (uint64_t first = 0; rc == 0 && first < blocks; first += SUMS_RUN) {
    size_t count = blocks - first < SUMS_RUN ? (size_t)(blocks - first) : SUMS_RUN;

    rc = file_pread_all(f->map_fd, raw, count * sizeof(*raw), sum_at(f, first));
    for (size_t i = 0; rc == 0 && i < count; i++)
      if (raw[i] != 0)
        atomic_init(&f->sums[first + i], raw[i]);
  }
  return rc;
}

/* The head must be this version's, to the letter. */
static int read_head(struct disk_file *f, struct disk_head *h) {
  size_t len = strlen(f->id);
  char *id = malloc(len + 1);
  int rc = id == NULL ? -ENOMEM : file_pread_all(f->map_fd, h, sizeof(*h), 0);

  if (rc == 0 && (memcmp(h->magic, DISK_MAGIC, sizeof(h->magic)) != 0 || h->id_len != len ||
                  h->size != f->size))
    rc = -EIO;
  if (rc == 0)
    rc = file_pread_all(f->map_fd, id, len, sizeof(*h));
  if (rc == 0 && (memcmp(id, f->id, len) != 0 || h->check != disk_head_check(h, f->id)))
    rc = -EIO;
  free(id);
  return rc;
}

static void note_use(struct disk_file *f, struct disk_head *h) {
  if (h->uses >= DISK_USES_MAX)
    return;
  h->uses++;
  /* lost without harm */
  (void)!pwrite(f->map_fd, &h->uses, sizeof(h->uses), offsetof(struct disk_head, uses));
}

static enum disk_file_state look(struct disk_file *f) {
  struct disk_head h;
  char path[64];
  int rc;

  disk_path(f->hash, 'm', path);
  f->map_fd = openat(f->disk->dir_fd, path, O_RDWR | O_CLOEXEC);
  if (f->map_fd < 0)
    return errno == ENOENT ? DISK_ABSENT : DISK_BROKEN;
  rc = read_head(f, &h);
  if (rc == 0)
    rc = read_sums(f);
  if (rc == 0)
    rc = open_data(f, 0);
  if (rc == 0)
    rc = disk_whole_open(f);
  if (rc == 0) {
    note_use(f, &h);
    f->found = true;
    return DISK_OPEN;
  }
  close_fds(f);
  if (rc == -ENOMEM || rc == -EMFILE)
    return DISK_BROKEN;
  disk_remove(f->disk->dir_fd, f->hash); /* torn or foreign */
  return DISK_ABSENT;
}

static void settle(struct disk_file *f, enum disk_file_state state) {
  struct disk *d = f->disk;

  mtx_lock(&d->synced.lock);
  atomic_store(&f->state, (int)state);
  cond_broadcast(&d->synced.settled);
  mtx_unlock(&d->synced.lock);
}

static int wait_while(struct disk_file *f, enum disk_file_state state) {
  struct disk *d = f->disk;
  int now;

  mtx_lock(&d->synced.lock);
  while ((now = atomic_load(&f->state)) == (int)state)
    cond_wait(&d->synced.settled, &d->synced.lock);
  mtx_unlock(&d->synced.lock);
  return now;
}

bool disk_file_open(struct disk_file *f) {
  int state = DISK_UNKNOWN;

  if (atomic_load(&f->dropped))
    return false;
  if (atomic_compare_exchange_strong(&f->state, &state, DISK_LOOKING)) {
    state = (int)look(f);
    settle(f, (enum disk_file_state)state);
  } else if (state == DISK_LOOKING) {
    state = wait_while(f, DISK_LOOKING);
  }
  return state == DISK_OPEN;
}

bool disk_file_has(struct disk_file *f, uint64_t offset, size_t length) {
  uint64_t end = offset + length;

  if (!disk_file_open(f) || offset % DISK_BLOCK != 0 || (end % DISK_BLOCK != 0 && end != f->size))
    return false;
  for (uint64_t i = offset / DISK_BLOCK; i * DISK_BLOCK < end; i++)
    if (atomic_load(&f->sums[i]) == 0)
      return false;
  return true;
}

/* --- making --- */

static int write_head(struct disk_file *f) {
  size_t len = disk_sums_at(strlen(f->id));
  char *text = calloc(1, len);
  struct disk_head h = {.id_len = (uint32_t)strlen(f->id),
                        .size = f->size,
                        .born = (uint64_t)clock_wall_ms(&clock_system),
                        .queue = disk_ghost(f->disk, f->hash) ? DISK_MAIN : DISK_SMALL};
  int rc;

  if (text == NULL)
    return -ENOMEM;
  memcpy(h.magic, DISK_MAGIC, sizeof(h.magic));
  h.check = disk_head_check(&h, f->id);
  memcpy(text, &h, sizeof(h));
  memcpy(text + sizeof(h), f->id, h.id_len);
  rc = file_pwrite_all(f->map_fd, text, len, 0);
  free(text);
  return rc;
}

/* A map under its name is whole: another mount may look at it at once. So it is made
 * without a name where the file system can do that. */
static int make_map(struct disk_file *f, const char *folder, const char *path) {
  char self[32];
  int rc;

  f->map_fd = openat(f->disk->dir_fd, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (f->map_fd < 0) {
    f->map_fd = openat(f->disk->dir_fd, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (f->map_fd < 0)
      return -errno;
    self[0] = '\0';
  } else {
    snprintf(self, sizeof(self), "/proc/self/fd/%d", f->map_fd);
  }
  rc = ftruncate(f->map_fd, sum_at(f, disk_file_blocks(f))) == 0 ? write_head(f) : -errno;
  if (rc == 0 && self[0] != '\0' &&
      linkat(AT_FDCWD, self, f->disk->dir_fd, path, AT_SYMLINK_FOLLOW) != 0)
    rc = -errno;
  return rc;
}

static int make_files(struct disk_file *f) {
  char path[64];
  char folder[16];
  int rc;

  disk_path(f->hash, 'm', path);
  snprintf(folder, sizeof(folder), "%.9s", path);
  if (mkdirat(f->disk->dir_fd, folder, 0700) != 0 && errno != EEXIST)
    return -errno;
  rc = open_data(f, O_CREAT);
  if (rc == 0 && !is_inline(f) && ftruncate(f->plain_fd, (off_t)f->size) != 0)
    rc = -errno;
  return rc == 0 ? make_map(f, folder, path) : rc;
}

static enum disk_file_state make(struct disk_file *f, int *err) {
  int rc = make_files(f);

  if (rc == -EEXIST) { /* another mount was faster; its map may be torn, then it goes */
    int state;

    close_fds(f);
    state = look(f);
    *err = state == DISK_OPEN ? 0 : -EBUSY;
    return state;
  }
  if (rc == 0)
    rc = read_sums(f);
  if (rc == 0)
    rc = disk_whole_open(f);
  *err = rc;
  if (rc == 0)
    return DISK_OPEN;
  close_fds(f);
  disk_remove(f->disk->dir_fd, f->hash);
  return DISK_ABSENT;
}

int disk_file_make(struct disk_file *f) {
  int state = DISK_ABSENT;
  int rc = 0;

  if (disk_file_open(f))
    return 0;
  if (atomic_load(&f->dropped))
    return -EAGAIN;
  if (!atomic_compare_exchange_strong(&f->state, &state, DISK_MAKING))
    return state == DISK_OPEN ? 0 : -EAGAIN;
  settle(f, make(f, &rc));
  return rc == -EBUSY ? -EAGAIN : rc;
}

/* --- blocks --- */

/* Two who find out at once drop and count it once. */
static void drop_block(struct disk_file *f, uint64_t block, uint_fast64_t sum) {
  uint64_t none = 0;

  if (!atomic_compare_exchange_strong(&f->sums[block], &sum, 0))
    return;
  atomic_fetch_add(&f->disk->bad_blocks, 1);
  (void)!pwrite(f->map_fd, &none, sizeof(none), sum_at(f, block));
}

/* Around the page cache only in whole sectors: the kernel would fill the last one
 * beyond the end of dst. */
static int read_bytes(const struct disk_file *f, uint64_t block, void *dst, size_t len) {
  off_t at = (off_t)(block * DISK_BLOCK);
  ssize_t n;

  if (is_inline(f))
    return file_pread_all(f->map_fd, dst, len, sum_at(f, 1));
  if ((uintptr_t)dst % SECTOR != 0 || len % SECTOR != 0)
    return file_pread_all(f->plain_fd, dst, len, at);
  n = pread(f->data_fd, dst, len, at);
  if (n < 0 && errno == EINVAL)
    return file_pread_all(f->plain_fd, dst, len, at);
  if (n < 0)
    return -errno;
  return (size_t)n >= len ? 0 : -EIO;
}

int disk_file_fetch(struct disk_file *f, uint64_t block, size_t blocks, void *dst) {
  disk_whole_reading(f);
  return read_bytes(f, block, dst, (blocks - 1) * DISK_BLOCK + block_len(f, block + blocks - 1));
}

int disk_file_verify(struct disk_file *f, uint64_t block, const void *data, int rc) {
  uint64_t sum = atomic_load(&f->dropped) ? 0 : atomic_load(&f->sums[block]);

  if (sum == 0)
    return -ENOENT;
  if (rc == 0 && disk_block_sum(f->hash, block, data, block_len(f, block)) != sum)
    rc = -EIO;
  if (rc == -EIO)
    drop_block(f, block, sum);
  if (rc == 0 || rc == -EIO)
    disk_whole_sound(f, block, rc == 0);
  return rc;
}

int disk_file_read(struct disk_file *f, uint64_t block, void *dst) {
  if (atomic_load(&f->dropped) || atomic_load(&f->sums[block]) == 0)
    return -ENOENT;
  return disk_file_verify(f, block, dst, disk_file_fetch(f, block, 1, dst));
}

/* The part that ends on a sector goes around the page cache, unless there is haste. */
static int write_bytes(const struct disk_file *f, uint64_t offset, const char *data, size_t len,
                       bool haste) {
  size_t direct = !haste && (uintptr_t)data % SECTOR == 0 ? len - len % SECTOR : 0;
  int rc = direct > 0 ? file_pwrite_all(f->data_fd, data, direct, (off_t)offset) : 0;

  if (rc == -EINVAL) {
    direct = 0;
    rc = 0;
  }
  if (rc == 0 && direct < len)
    rc = file_pwrite_all(f->plain_fd, data + direct, len - direct, (off_t)(offset + direct));
  return rc;
}

static int write_sums(struct disk_file *f, uint64_t first, const uint64_t *sums, size_t count) {
  int rc = file_pwrite_all(f->map_fd, sums, count * sizeof(*sums), sum_at(f, first));

  for (size_t i = 0; rc == 0 && i < count; i++)
    atomic_store(&f->sums[first + i], sums[i]);
  return rc;
}

int disk_file_write(struct disk_file *f, uint64_t offset, const void *data, size_t length,
                    bool haste) {
  uint64_t first = offset / DISK_BLOCK;
  size_t count = (length + DISK_BLOCK - 1) / DISK_BLOCK;
  uint64_t sums[DATA_PART / DISK_BLOCK];
  int rc;

  if (atomic_load(&f->state) != DISK_OPEN || atomic_load(&f->dropped))
    return -EAGAIN;
  if (offset % DISK_BLOCK != 0 || count > sizeof(sums) / sizeof(*sums))
    return -EINVAL;
  for (size_t i = 0; i < count; i++)
    sums[i] = disk_block_sum(f->hash, first + i, (const char *)data + i * DISK_BLOCK,
                             block_len(f, first + i));
  disk_whole_written(f);
  if (is_inline(f))
    rc = file_pwrite_all(f->map_fd, data, length, sum_at(f, 1));
  else
    rc = write_bytes(f, offset, data, length, haste);
  return rc == 0 ? write_sums(f, first, sums, count) : rc;
}
