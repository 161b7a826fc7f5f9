/* Shrinking data to 16 bytes with the same remainder, by carry-less multiplication. */
#ifndef S3APFS_SRC_BASE_CRC_FOLD_H
#define S3APFS_SRC_BASE_CRC_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRC_FOLD_WIDE 64   /* bytes a round */
#define CRC_FOLD_NARROW 16 /* bytes a register */

struct crc_fold {
  bool usable;
  /* By how much one register moves: over CRC_FOLD_WIDE, CRC_FOLD_NARROW bytes; [0] for its
   * first 8 bytes, x^(bits+63), [1] for the others, x^(bits-1), modulo the CRC's polynomial,
   * reflected: bit i stands for x^(63-i). */
  uint64_t by[2][2];
};

/* Whether this processor can. */
bool crc_fold_is_possible(void);
/* len is a multiple of CRC_FOLD_WIDE and at least that; `crc` is the register before the
 * first byte. */
void crc_fold(const struct crc_fold *f, uint64_t crc, const void *data, size_t len,
              uint8_t out[CRC_FOLD_NARROW]);

#endif
