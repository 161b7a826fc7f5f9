/* The checksum of a whole object, put together from those of its ranges as they come.
 *
 * Adjacent ranges are joined at once, so a stream keeps one or a few. Bytes that came
 * twice count once, the first time. Not thread-safe. */
#ifndef S3APFS_SRC_DATA_SUMS_H
#define S3APFS_SRC_DATA_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/crc.h"

struct sums_range {
  uint64_t from;
  uint64_t to;
  uint64_t crc;
};

/* More ranges than this at a time, and the object is not checked: somebody reads
 * here and there. */
#define SUMS_RANGES_MAX 1024

struct sums {
  enum crc_kind kind; /* CRC_NONE: the object's checksum is not known, or of no use any more */
  uint64_t want;
  struct sums_range *ranges; /* by offset, neither overlapping nor adjacent */
  size_t count;
  size_t cap;
};

enum sums_verdict {
  SUMS_OPEN, /* bytes are missing */
  SUMS_RIGHT,
  SUMS_WRONG,
};

/* What the object's checksum is, as somebody was told now; CRC_NONE: not told. What is
 * being checked already is checked by what was told before. */
void sums_learn(struct sums *s, enum crc_kind kind, uint64_t want);
/* The first bytes of [from, to) that are not counted yet; *from = *to: none. */
void sums_missing(const struct sums *s, uint64_t *from, uint64_t *to);
/* The bytes [from, to) of an object of `size` bytes have this CRC, of s->kind. After a
 * verdict everything is forgotten but the checksum; without memory nothing is checked. */
enum sums_verdict sums_add(struct sums *s, uint64_t from, uint64_t to, uint64_t crc, uint64_t size);
void sums_fini(struct sums *s);

#endif
