/* Files of kept listings. They are written beside their place and renamed, without a
 * sync: a crash leaves the old one, or one whose checksum is wrong. */
#include "s3apfs/state/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
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

#define MAGIC "s3apls\0001"
#define NAME_LEN 32
#define TEXT_MAX 4096 /* of domain and of prefix */
#define COUNT_MAX 8192

/* Numbers are in the machine's byte order: a cache does not move. */
struct head {
  char magic[8];
  uint64_t check; /* XXH3 of everything behind it */
  int64_t saved_ms;
  uint32_t domain_len;
  uint32_t prefix_len;
  uint64_t data_len;
};
#define CHECKED offsetof(struct head, saved_ms)

struct shelf {
  int fd;
  uint64_t limit;
  struct {
    struct mtx lock; /* one writer makes room at a time */
    bool scanned;
    uint64_t bytes;
    size_t count;
  } synced;
};

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

/* False: no memory. */
static bool name_of(const char *domain, const char *prefix, char out[NAME_LEN + 1]) {
  char *id = text_printf("%s\n%s", domain, prefix);
  uint64_t hash[2];

  if (id == NULL)
    return false;
  xxh128_of(id, strlen(id), hash);
  snprintf(out, NAME_LEN + 1, "%016llx%016llx", (unsigned long long)hash[0],
           (unsigned long long)hash[1]);
  free(id);
  return true;
}

/* --- room --- */

struct kept {
  char name[NAME_LEN + 1];
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
  memcpy(grown[t->count].name, name, NAME_LEN + 1);
  t->bytes += (uint64_t)st->st_size;
  t->count++;
}

/* Calls on every file; what is none of ours but a torn temporary one goes. */
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
    if (strlen(de->d_name) == NAME_LEN)
      tally_add(t, de->d_name, &st);
    else if (clock_wall_ms(&clock_system) / 1000 - st.st_mtime > 60)
      unlinkat(dir_fd, de->d_name, 0);
  }
  closedir(dir);
}

static int older(const void *a, const void *b) {
  const struct kept *x = a;
  const struct kept *y = b;

  return x->time < y->time ? -1 : x->time > y->time;
}

static void make_room_locked(struct shelf *s, uint64_t bytes) {
  struct tally t = {0};

  if (s->synced.scanned && s->synced.bytes + bytes <= s->limit && s->synced.count < COUNT_MAX)
    return;
  scan(s->fd, &t);
  if (t.bytes + bytes > s->limit || t.count >= COUNT_MAX) {
    qsort(t.items, t.count, sizeof(*t.items), older);
    for (size_t i = 0;
         i < t.count && (t.bytes + bytes > s->limit / 4 * 3 || t.count - i > COUNT_MAX / 4 * 3);
         i++) {
      unlinkat(s->fd, t.items[i].name, 0);
      t.bytes -= t.items[i].bytes;
      s->synced.count = t.count - i - 1;
    }
  } else {
    s->synced.count = t.count;
  }
  s->synced.scanned = true;
  s->synced.bytes = t.bytes;
  free(t.items);
}

/* --- one file --- */

static int write_file(struct shelf *s, const char *name, const struct buf *b) {
  static atomic_uint number;
  char temporary[80];
  int rc;
  int fd;

  snprintf(temporary, sizeof(temporary), "%s.%d-%u", name, (int)getpid(),
           atomic_fetch_add(&number, 1));
  fd = openat(s->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return -errno;
  rc = file_write_all(fd, buf_cstr(b), b->len);
  if (close(fd) != 0 && rc == 0)
    rc = -errno;
  if (rc == 0 && renameat(s->fd, temporary, s->fd, name) != 0)
    rc = -errno;
  if (rc != 0)
    unlinkat(s->fd, temporary, 0);
  return rc;
}

int shelf_put(struct shelf *s, const char *domain, const char *prefix, const void *data,
              size_t len) {
  struct head h = {.magic = MAGIC,
                   .saved_ms = clock_wall_ms(&clock_system),
                   .domain_len = (uint32_t)strlen(domain),
                   .prefix_len = (uint32_t)strlen(prefix),
                   .data_len = len};
  char name[NAME_LEN + 1];
  struct buf b;
  int rc;

  if (len > SHELF_DATA_MAX || h.domain_len > TEXT_MAX || h.prefix_len > TEXT_MAX)
    return -EFBIG;
  buf_init(&b, 0);
  buf_append(&b, &h, sizeof(h));
  buf_puts(&b, domain);
  buf_puts(&b, prefix);
  buf_append(&b, data, len);
  rc = buf_error(&b) != 0 || !name_of(domain, prefix, name) ? -ENOMEM : 0;
  if (rc == 0) {
    uint64_t check = xxh64_of(b.data + CHECKED, b.len - CHECKED, 0);

    memcpy(b.data + offsetof(struct head, check), &check, sizeof(check));
    mtx_lock(&s->synced.lock);
    make_room_locked(s, b.len);
    s->synced.bytes += b.len;
    s->synced.count++;
    mtx_unlock(&s->synced.lock);
    rc = write_file(s, name, &b);
  }
  buf_fini(&b);
  return rc;
}

static int read_file(struct shelf *s, const char *name, struct buf *out) {
  int fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat st;
  char *at;
  int rc;

  if (fd < 0)
    return -errno;
  rc = fstat(fd, &st) == 0 ? 0 : -errno;
  if (rc == 0 && (st.st_size < (off_t)sizeof(struct head) ||
                  st.st_size > (off_t)(SHELF_DATA_MAX + 2 * TEXT_MAX + sizeof(struct head))))
    rc = -EIO;
  at = rc == 0 ? malloc((size_t)st.st_size) : NULL;
  if (rc == 0)
    rc = at != NULL ? file_pread_all(fd, at, (size_t)st.st_size, 0) : -ENOMEM;
  close(fd);
  if (rc == 0) {
    buf_append(out, at, (size_t)st.st_size);
    rc = buf_error(out);
  }
  free(at);
  return rc;
}

/* Whole, sound, and of this folder. */
static bool is_right(const struct buf *b, const struct head *h, const char *domain,
                     const char *prefix) {
  const char *at = b->data + sizeof(*h);

  return memcmp(h->magic, MAGIC, sizeof(h->magic)) == 0 &&
         h->check == xxh64_of(b->data + CHECKED, b->len - CHECKED, 0) &&
         h->domain_len == strlen(domain) && h->prefix_len == strlen(prefix) &&
         b->len == sizeof(*h) + h->domain_len + h->prefix_len + h->data_len &&
         memcmp(at, domain, h->domain_len) == 0 &&
         memcmp(at + h->domain_len, prefix, h->prefix_len) == 0;
}

int shelf_get(struct shelf *s, const char *domain, const char *prefix, struct buf *out,
              int64_t *saved_ms) {
  char name[NAME_LEN + 1];
  struct buf b;
  struct head h;
  int rc;

  if (!name_of(domain, prefix, name))
    return -ENOMEM;
  buf_init(&b, 0);
  rc = read_file(s, name, &b);
  if (rc == 0) {
    memcpy(&h, b.data, sizeof(h));
    if (!is_right(&b, &h, domain, prefix))
      rc = -EIO;
  }
  if (rc == 0) {
    buf_append(out, b.data + b.len - h.data_len, h.data_len);
    rc = buf_error(out);
    *saved_ms = h.saved_ms;
  }
  if (rc == -EIO)
    unlinkat(s->fd, name, 0);
  buf_fini(&b);
  return rc == -EIO ? -ENOENT : rc;
}

void shelf_drop(struct shelf *s, const char *domain, const char *prefix) {
  char name[NAME_LEN + 1];

  if (name_of(domain, prefix, name))
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
