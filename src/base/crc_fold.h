/* Shrinking data to 16 bytes with the same remainder, by carry-less multiplication. */
#ifndef S3APFS_SRC_BASE_CRC_FOLD_H
#define S3APFS_SRC_BASE_CRC_FOLD_H

#include <stddef.h>
#include <stdint.h>

#define CRC_FOLD_BLOCK 64  /* bytes: four registers of 16, or what wider ones leave */
#define CRC_FOLD_NARROW 16 /* bytes a register */

/* How the processor goes over data; each can do what those before it can. */
enum crc_way {
  CRC_BY_TABLE,
  CRC_BY_128_BITS, /* pclmul: 64 bytes a round */
  CRC_BY_256_BITS, /* vpclmulqdq on AVX2: 128 bytes a round */
  CRC_BY_512_BITS, /* vpclmulqdq on AVX-512: 256 bytes a round */
};

enum crc_distance { CRC_OVER_16, CRC_OVER_64, CRC_OVER_128, CRC_OVER_256, CRC_DISTANCES };

struct crc_fold {
  /* By how much one register of 16 bytes moves over so many bytes; [0] for its first 8
   * bytes, x^(bits+63), [1] for the others, x^(bits-1), modulo the CRC's polynomial,
   * reflected: bit i stands for x^(63-i). */
  uint64_t by[CRC_DISTANCES][2];
};

/* The best that this processor can. */
enum crc_way crc_best_way(void);

/* len is a multiple of CRC_FOLD_BLOCK and at least that; `crc` is the register before the
 * first byte. The way is not CRC_BY_TABLE. */
void crc_fold(const struct crc_fold *f, enum crc_way way, uint64_t crc, const void *data,
              size_t len, uint8_t out[CRC_FOLD_NARROW]);

/* --- crc_wide.c --- */
/* CRC_BY_TABLE: this processor has no wide registers for it. */
enum crc_way crc_wide_way(void);
/* Shrinks the beginning to one block with the same remainder. How many bytes were taken, a
 * multiple of CRC_FOLD_BLOCK; 0: it is too short, or not the way. */
size_t crc_wide(const struct crc_fold *f, enum crc_way way, uint64_t crc, const uint8_t *data,
                size_t len, uint8_t out[CRC_FOLD_BLOCK]);

#endif
