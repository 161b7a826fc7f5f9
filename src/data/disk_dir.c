/* A cache directory looked at from outside: what `s3apfs cache` does. Mounts may
 * use it meanwhile: blocks that they add or drop are counted or not. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/file.h"

struct look {
  struct disk *disk;
  struct disk_report *report;
};

static int open_dir(const char *dir) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return -errno;
  if (faccessat(fd, "chunks", F_OK, AT_EACCESS) != 0) {
    int rc = -errno;

    close(fd);
    return rc;
  }
  return fd;
}

static int walk(const char *dir, struct disk_report *out,
                int (*fn)(void *arg, const struct disk_entry *e)) {
  struct disk d = {.dir_fd = open_dir(dir)};
  struct look l = {&d, out};
  int rc;

  memset(out, 0, sizeof(*out));
  if (d.dir_fd < 0)
    return d.dir_fd;
  disk_synced_init(&d);
  rc = disk_walk(d.dir_fd, fn, &l);
  disk_synced_fini(&d);
  close(d.dir_fd);
  return rc;
}

static int count(void *arg, const struct disk_entry *e) {
  struct look *l = arg;

  l->report->versions++;
  l->report->bytes += e->bytes;
  return 0;
}

char *disk_read_id(int dir_fd, const struct disk_entry *e) {
  char path[64];
  char *id;
  int fd;

  if (e->head.id_len > DISK_ID_MAX)
    return NULL;
  disk_path(e->hash, 'm', path);
  fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
  id = calloc(1, e->head.id_len + 1);
  if (fd >= 0 && id != NULL && file_pread_all(fd, id, e->head.id_len, sizeof(e->head)) != 0) {
    free(id);
    id = NULL;
  }
  if (fd >= 0)
    close(fd);
  return id;
}

static void verify_blocks(struct disk_file *f, void *block, struct disk_report *r) {
  for (uint64_t i = 0; i < disk_file_blocks(f); i++) {
    int rc = disk_file_read(f, i, block);

    r->blocks += rc == 0;
    r->bad_blocks += rc == -EIO;
  }
}

static int verify(void *arg, const struct disk_entry *e) {
  struct look *l = arg;
  char *id = disk_read_id(l->disk->dir_fd, e);
  struct disk_file *f = id != NULL ? disk_file_get(l->disk, id, e->head.size) : NULL;
  void *block = aligned_alloc(4096, DISK_BLOCK);

  count(arg, e);
  if (f == NULL || memcmp(f->hash, e->hash, sizeof(f->hash)) != 0)
    disk_remove(l->disk->dir_fd, e->hash);
  else if (block != NULL && disk_file_open(f))
    verify_blocks(f, block, l->report);
  if (f != NULL)
    disk_file_put(f);
  free(block);
  free(id);
  return 0;
}

static int clear(void *arg, const struct disk_entry *e) {
  struct look *l = arg;

  count(arg, e);
  return disk_remove(l->disk->dir_fd, e->hash);
}

int disk_dir_stat(const char *dir, struct disk_report *out) {
  return walk(dir, out, count);
}

int disk_dir_verify(const char *dir, struct disk_report *out) {
  return walk(dir, out, verify);
}

int disk_dir_clear(const char *dir, struct disk_report *out) {
  return walk(dir, out, clear);
}
