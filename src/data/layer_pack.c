/* A whole layer as two runs of bytes, and back. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "layer.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"

static int append_from_map(const struct layer *l, struct buf *out) {
  void *room = malloc((size_t)l->log + 1);
  int rc = room != NULL ? file_pread_all(l->map, room, (size_t)l->log, 0) : -ENOMEM;

  if (rc == 0)
    buf_append(out, room, (size_t)l->log);
  free(room);
  return rc;
}

static int append_range(const struct layer *l, const struct range *r, struct buf *out) {
  size_t len = (size_t)(r->to - r->from);
  void *room = malloc(len);
  int rc = room != NULL ? layer_read(l, r->from, room, len) : -ENOMEM;

  if (rc == 0)
    buf_append(out, room, len);
  free(room);
  return rc;
}

int layer_pack(const struct layer *l, struct buf *map, struct buf *data) {
  int rc = append_from_map(l, map);

  for (size_t i = 0; rc == 0 && i < l->own.count; i++)
    rc = append_range(l, &l->own.items[i], data);
  if (rc == 0)
    rc = buf_error(map);
  return rc == 0 ? buf_error(data) : rc;
}

static int write_file(const char *dir, int64_t file, uint32_t seq, const char *what,
                      const void *data, size_t len) {
  char *path = text_printf("%s/%lld.%u.%s", dir, (long long)file, seq, what);
  int rc = path != NULL ? 0 : -ENOMEM;
  int fd = -1;

  if (rc == 0) {
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    rc = fd >= 0 ? file_write_all(fd, data, len) : -errno;
  }
  if (fd >= 0)
    close(fd);
  free(path);
  return rc;
}

int layer_unpack(const char *dir, int64_t file, uint32_t seq, const void *map, size_t map_len,
                 const void *data, size_t data_len) {
  const char *at = data;
  struct layer *l;
  int rc = write_file(dir, file, seq, "map", map, map_len);

  if (rc == 0)
    rc = write_file(dir, file, seq, "data", "", 0);
  if (rc == 0)
    rc = layer_load(dir, file, seq, map_len, &l);
  if (rc != 0)
    return rc;
  if (l->own.bytes != data_len)
    rc = -EUCLEAN;
  for (size_t i = 0; rc == 0 && i < l->own.count; i++) {
    size_t len = (size_t)(l->own.items[i].to - l->own.items[i].from);

    rc = file_pwrite_all(l->data, at, len, (off_t)l->own.items[i].from);
    at += len;
  }
  layer_unref(l);
  return rc;
}
