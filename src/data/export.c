/* Staged content as a local file, for what cannot go where it was meant to. */
#include "s3apfs/data/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commit_internal.h"
#include "s3apfs/base/file.h"

#define CHUNK ((size_t)1 << 20)

/* Holes stay holes. */
static int export_chunk(const struct snapshot *s, uint64_t from, uint64_t to, char *data, int fd) {
  struct patience patience = commit_patience();
  struct pieces p;
  int rc = snapshot_pieces(s, from, to, &p);

  if (rc != 0)
    return rc;
  if (p.count != 1 || p.items[0].kind != PIECE_ZERO) {
    rc = pieces_read(&p, s, data, &patience);
    if (rc == 0)
      rc = file_pwrite_all(fd, data, (size_t)(to - from), (off_t)from);
  }
  pieces_fini(&p);
  return rc;
}

static int export_all(const struct snapshot *s, int fd) {
  char *data = malloc(CHUNK);
  int rc = data != NULL ? 0 : -ENOMEM;

  for (uint64_t at = 0; rc == 0 && at < s->size; at += CHUNK)
    rc = export_chunk(s, at, s->size - at > CHUNK ? at + CHUNK : s->size, data, fd);
  free(data);
  if (rc == 0 && (ftruncate(fd, (off_t)s->size) != 0 || fsync(fd) != 0))
    rc = -errno;
  return rc;
}

/* What is given up here while it is read would be zeroes. */
static int export_state(struct staged *f, const struct snapshot *s, int fd) {
  int rc = export_all(s, fd);

  return rc == 0 && snapshot_is_here(f, s, 0, s->size) != 0 ? -EIO : rc;
}

int staged_export(struct staged *f, int dir, const char *name) {
  struct attempt a;
  int fd;
  int rc;

  if (staged_is_released(f))
    return -EIO;
  fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return -errno;
  rc = attempt_init(&a, f);
  if (rc == 0)
    rc = export_state(f, &a.state, fd);
  attempt_fini(&a);
  if (close(fd) != 0 && rc == 0)
    rc = -errno;
  if (rc == 0 && fsync(dir) != 0)
    rc = -errno;
  if (rc != 0)
    unlinkat(dir, name, 0);
  return rc;
}

/* --- what an earlier process left --- */

static int gone_get(struct store *s, struct store_get *g) {
  (void)s;
  (void)g;
  return -ENODEV;
}

static void gone_get_cancel(struct store *s, struct store_get *g) {
  (void)s;
  (void)g;
}

static int gone_abort_upload(struct store *s, const char *key, const char *upload) {
  (void)s;
  (void)key;
  (void)upload;
  return 0;
}

/* Stands for a source that is not mounted any more. */
static struct store *gone_store(void) {
  static const struct store_ops ops = {.get = gone_get, .get_cancel = gone_get_cancel};
  static const struct store_write_ops write = {.abort_upload = gone_abort_upload};
  static char nowhere[] = "a source that is not mounted";
  static struct store gone = {.ops = &ops, .write = &write, .domain = nowhere, .read_only = true};

  return &gone;
}

int staging_export(struct staging *g, struct store *s, const struct journal_file *row, int dir,
                   const char *name) {
  struct staged *f;
  int rc = staged_load(g, s != NULL && s->write != NULL ? s : gone_store(), row, &f);

  if (rc != 0)
    return rc;
  rc = staged_export(f, dir, name);
  if (rc == 0)
    rc = staged_discard(f);
  staged_free(f);
  return rc;
}
