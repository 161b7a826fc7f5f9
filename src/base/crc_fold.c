/* Folding for reflected CRCs of up to 64 bits.
 *
 * A register of 16 bytes is a polynomial: bit i stands for x^(127-i). Moving it over D more
 * bits of data is a multiplication by x^D, done for its halves: the first 8 bytes are
 * worth x^64 more. The product of two reflected 64-bit numbers comes out one place lower
 * than a register has it, so the factors are x^(D+64-1) and x^(D-1). */
#include "crc_fold.h"

#include <stdlib.h>

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_CLMUL __attribute__((target("pclmul,sse4.1")))

enum crc_way crc_best_way(void) {
  enum crc_way wide = crc_wide_way();

  if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1"))
    return CRC_BY_TABLE;
  return wide != CRC_BY_TABLE ? wide : CRC_BY_128_BITS;
}

WITH_CLMUL static inline __m128i load(const uint8_t *p) {
  return _mm_loadu_si128((const __m128i *)(const void *)p);
}

WITH_CLMUL static inline __m128i factors(const uint64_t by[2]) {
  return _mm_set_epi64x((long long)by[1], (long long)by[0]);
}

WITH_CLMUL static inline __m128i move_over(__m128i a, __m128i by, __m128i next) {
  __m128i first = _mm_clmulepi64_si128(a, by, 0x00);
  __m128i second = _mm_clmulepi64_si128(a, by, 0x11);

  return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

WITH_CLMUL void crc_fold(const struct crc_fold *f, enum crc_way way, uint64_t crc, const void *data,
                         size_t len, uint8_t out[CRC_FOLD_NARROW]) {
  const uint8_t *p = data;
  const uint8_t *end = p + len;
  uint8_t block[CRC_FOLD_BLOCK];
  size_t taken = crc_wide(f, way, crc, p, len, block);
  __m128i by = factors(f->by[CRC_OVER_64]);
  __m128i r[4];

  for (size_t i = 0; i < 4; i++)
    r[i] = load((taken != 0 ? block : p) + CRC_FOLD_NARROW * i);
  if (taken == 0)
    r[0] = _mm_xor_si128(r[0], _mm_set_epi64x(0, (long long)crc));
  for (p += taken != 0 ? taken : CRC_FOLD_BLOCK; p < end; p += CRC_FOLD_BLOCK)
    for (size_t i = 0; i < 4; i++)
      r[i] = move_over(r[i], by, load(p + CRC_FOLD_NARROW * i));
  by = factors(f->by[CRC_OVER_16]);
  for (size_t i = 1; i < 4; i++)
    r[0] = move_over(r[0], by, r[i]);
  _mm_storeu_si128((__m128i *)(void *)out, r[0]);
}

#else

enum crc_way crc_best_way(void) {
  return CRC_BY_TABLE;
}

void crc_fold(const struct crc_fold *f, enum crc_way way, uint64_t crc, const void *data,
              size_t len, uint8_t out[CRC_FOLD_NARROW]) {
  (void)f;
  (void)way;
  (void)crc;
  (void)data;
  (void)len;
  (void)out;
  abort(); /* nobody asks where it is not possible */
}

#endif
