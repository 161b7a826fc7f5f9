/* One layer of a changed file: a sparse local file of written bytes, and the log
 * that says which bytes those are. See staging.c for how layers stand on each
 * other.
 *
 * FILE.SEQ.data holds bytes at their own offsets. FILE.SEQ.map is a sequence of
 * records, little-endian, 32 bytes each: u32 kind, u32 CRC-32C of the other 28
 * bytes, u64 a, u64 b, u64 zero.
 *   1 START  a: size of the file when the layer began; b: how many of its bytes
 *            shine through from below
 *   2 WRITE  [a, b) is this layer's
 *   3 SIZE   a: size now; b: how many bytes still shine through
 *   4 GONE   the bytes [a, b), this layer's, are not here any more (staging_release.c)
 * A layer read up to some length of its log is the layer as it was then, as long
 * as nothing was written over it since: an acknowledged layer is never written.
 *
 * Not thread-safe: one thread changes it at a time; others may read bytes. */
#ifndef S3APFS_SRC_DATA_LAYER_H
#define S3APFS_SRC_DATA_LAYER_H

#include <stdatomic.h>
#include <stdint.h>

#include "ranges.h"
#include "s3apfs/base/buf.h"

struct layer {
  atomic_uint refs;
  uint32_t seq;
  int data;
  int map;
  char *data_path;
  char *map_path;
  uint64_t log;       /* length of the map */
  uint64_t last_from; /* the log's last record, when it is a WRITE; else last_to 0 */
  uint64_t last_to;
  bool promised; /* nothing of it has to be synced any more; of the one that changes the file */
  /* changed by the one that writes, under its file's lock: */
  uint64_t size;
  uint64_t keep; /* bytes that shine through; <= size */
  struct ranges own;
  struct ranges released; /* of those: the upload alone has the bytes */
};

/* Bytes that it takes. */
static inline uint64_t layer_held(const struct layer *l) {
  return l->own.bytes - l->released.bytes;
}

/* Makes the files; they are not durable yet. 0 or -errno. */
int layer_new(const char *dir, int64_t file, uint32_t seq, uint64_t size, struct layer **out);
/* From its files, as it was when its log had `log` bytes (UINT64_MAX: now).
 * -ENOENT: there is none; -EUCLEAN: the log is cut or damaged before that. */
int layer_load(const char *dir, int64_t file, uint32_t seq, uint64_t log, struct layer **out);
void layer_ref(struct layer *l);
void layer_unref(struct layer *l); /* the last one closes; the files stay */
void layer_remove_files(const struct layer *l);

/* Bytes first, then the log; the caller then calls layer_note_write(), under the
 * file's lock. */
int layer_write(struct layer *l, uint64_t offset, const void *data, size_t len);
/* Makes [offset, offset + len) zeroes, as layer_write. */
int layer_write_zeroes(struct layer *l, uint64_t offset, uint64_t len);
int layer_note_write(struct layer *l, uint64_t offset, uint64_t len);
/* Cuts or extends: the log now, layer_note_size() under the lock. */
int layer_log_size(struct layer *l, uint64_t size, uint64_t *keep);
int layer_note_size(struct layer *l, uint64_t size, uint64_t keep);
/* Gives up bytes of its own: first the log, durably; then, under the lock, the note; then
 * the bytes themselves. */
int layer_log_release(struct layer *l, uint64_t from, uint64_t to);
int layer_note_release(struct layer *l, uint64_t from, uint64_t to);
int layer_punch(const struct layer *l, uint64_t from, uint64_t to);
/* What it says of these bytes must be its own, and not released. */
int layer_read(const struct layer *l, uint64_t offset, void *dst, size_t len);
int layer_sync(const struct layer *l);
/* The log, and the bytes that are its own, one after another; appended. */
int layer_pack(const struct layer *l, struct buf *map, struct buf *data);
/* Writes its files anew from what layer_pack() gave. -EUCLEAN: that cannot be. */
int layer_unpack(const char *dir, int64_t file, uint32_t seq, const void *map, size_t map_len,
                 const void *data, size_t data_len);

#endif
