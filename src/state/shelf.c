/* Kept listings: the directory, and room in it. */
#include "shelf_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/text.h"
#include "s3apfs/base/xxh.h"

#define COUNT_MAX 8192

static int open_listings(const char *dir, bool make) {
  char *path = text_printf("%s/listings", dir);
  int rc = path == NULL ? -ENOMEM : make ? file_mkdirs(path, 0700) : 0;
  int fd = -1;

  if (rc == 0)
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (rc == 0 && fd < 0)
    rc = -errno;
  free(path);
  return rc == 0 ? fd : rc;
}

int shelf_open(const char *dir, uint64_t limit, struct shelf **out) {
  int fd = open_listings(dir, true);
  struct shelf *s;

  if (fd < 0)
    return fd;
  s = calloc(1, sizeof(*s));
  if (s == NULL) {
    close(fd);
    return -ENOMEM;
  }
  s->fd = fd;
  s->limit = limit;
  mtx_init(&s->synced.lock, RANK_STATE);
  *out = s;
  return 0;
}

void shelf_close(struct shelf *s) {
  if (s == NULL)
    return;
  close(s->fd);
  mtx_fini(&s->synced.lock);
  free(s);
}

bool shelf_name(const char *domain, const char *prefix, char out[SHELF_NAME_LEN + 1]) {
  char *id = text_printf("%s\n%s", domain, prefix);
  uint64_t hash[2];

  if (id == NULL)
    return false;
  xxh128_of(id, strlen(id), hash);
  snprintf(out, SHELF_NAME_LEN + 1, "%016llx%016llx", (unsigned long long)hash[0],
           (unsigned long long)hash[1]);
  free(id);
  return true;
}

/* --- room --- */

struct kept {
  char name[SHELF_NAME_LEN + 1];
  int64_t time;
  uint64_t bytes;
};

struct tally {
  struct kept *items;
  size_t count;
  uint64_t bytes;
};

static void tally_add(struct tally *t, const char *name, const struct stat *st) {
  struct kept *grown = t->items;

  if ((t->count & (t->count + 1)) == 0)
    grown = realloc(t->items, (t->count + 1) * 2 * sizeof(*grown));
  if (grown == NULL)
    return;
  t->items = grown;
  grown[t->count] = (struct kept){.time = st->st_mtime, .bytes = (uint64_t)st->st_size};
  memcpy(grown[t->count].name, name, SHELF_NAME_LEN + 1);
  t->bytes += (uint64_t)st->st_size;
  t->count++;
}

/* Every file; a temporary one that nobody writes any more goes, the others take room as well. */
static void scan(int dir_fd, struct tally *t) {
  int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
  struct dirent *de;
  struct stat st;

  if (dir == NULL) {
    if (fd >= 0)
      close(fd);
    return;
  }
  while ((de = readdir(dir)) != NULL) {
    if (fstatat(dir_fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
      continue;
    if (strlen(de->d_name) == SHELF_NAME_LEN)
      tally_add(t, de->d_name, &st);
    else if (clock_wall_ms(&clock_system) / 1000 - st.st_mtime > 60)
      unlinkat(dir_fd, de->d_name, 0);
    else
      t->bytes += (uint64_t)st.st_size;
  }
  closedir(dir);
}

static int older(const void *a, const void *b) {
  const struct kept *x = a;
  const struct kept *y = b;

  return x->time < y->time ? -1 : x->time > y->time;
}

/* Down to three quarters, so that not every writer has to look. */
static void evict(int dir_fd, struct tally *t, uint64_t most, size_t most_files) {
  size_t gone = 0;

  if (t->count == 0)
    return;
  qsort(t->items, t->count, sizeof(*t->items), older);
  for (; gone < t->count && (t->bytes > most || t->count - gone > most_files); gone++) {
    unlinkat(dir_fd, t->items[gone].name, 0);
    t->bytes -= t->items[gone].bytes;
  }
  t->count -= gone;
}

static bool fits_locked(const struct shelf *s, uint64_t bytes, size_t files) {
  return s->synced.bytes + bytes <= s->limit && s->synced.count + files <= COUNT_MAX;
}

static void make_room_locked(struct shelf *s, uint64_t bytes, size_t files) {
  uint64_t most = s->limit / 4 * 3;
  struct tally t = {0};

  scan(s->fd, &t);
  if (t.bytes + bytes > s->limit || t.count + files > COUNT_MAX)
    evict(s->fd, &t, most > bytes ? most - bytes : 0, COUNT_MAX / 4 * 3);
  s->synced.scanned = true;
  s->synced.bytes = t.bytes;
  s->synced.count = t.count;
  free(t.items);
}

bool shelf_take_room(struct shelf *s, uint64_t bytes, size_t files) {
  bool ok;

  mtx_lock(&s->synced.lock);
  if (!s->synced.scanned || !fits_locked(s, bytes, files))
    make_room_locked(s, bytes, files);
  ok = fits_locked(s, bytes, files);
  if (ok) {
    s->synced.bytes += bytes;
    s->synced.count += files;
  }
  mtx_unlock(&s->synced.lock);
  return ok;
}

/* A look at the directory in between may not have seen it. */
void shelf_give_room(struct shelf *s, uint64_t bytes, size_t files) {
  mtx_lock(&s->synced.lock);
  s->synced.bytes -= bytes < s->synced.bytes ? bytes : s->synced.bytes;
  s->synced.count -= files < s->synced.count ? files : s->synced.count;
  mtx_unlock(&s->synced.lock);
}

/* --- without opening them --- */

void shelf_drop(struct shelf *s, const char *domain, const char *prefix) {
  char name[SHELF_NAME_LEN + 1];

  if (shelf_name(domain, prefix, name))
    unlinkat(s->fd, name, 0);
}

int shelf_clear(const char *dir) {
  int fd = open_listings(dir, false);
  struct tally t = {0};

  if (fd < 0)
    return fd == -ENOENT ? 0 : fd;
  scan(fd, &t);
  for (size_t i = 0; i < t.count; i++)
    unlinkat(fd, t.items[i].name, 0);
  free(t.items);
  close(fd);
  return 0;
}
