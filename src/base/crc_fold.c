/* Folding for reflected CRCs of up to 64 bits.
 *
 * A register of 16 bytes is a polynomial: bit i stands for x^(127-i). Moving it over D more
 * bits of data is a multiplication by x^D, done for its halves: the first 8 bytes are
 * worth x^64 more. The product of two reflected 64-bit numbers comes out one place lower
 * than a register has it, so the factors are x^(D+64-1) and x^(D-1). */
#include "crc_fold.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_CLMUL __attribute__((target("pclmul,sse4.1")))

bool crc_fold_is_possible(void) {
  return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

WITH_CLMUL static inline __m128i load(const uint8_t *p) {
  return _mm_loadu_si128((const __m128i *)(const void *)p);
}

WITH_CLMUL static inline __m128i move_over(__m128i a, __m128i by, __m128i next) {
  __m128i first = _mm_clmulepi64_si128(a, by, 0x00);
  __m128i second = _mm_clmulepi64_si128(a, by, 0x11);

  return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

WITH_CLMUL void crc_fold(const struct crc_fold *f, uint64_t crc, const void *data, size_t len,
                         uint8_t out[CRC_FOLD_NARROW]) {
  const uint8_t *p = data;
  __m128i wide = _mm_set_epi64x((long long)f->by[0][1], (long long)f->by[0][0]);
  __m128i narrow = _mm_set_epi64x((long long)f->by[1][1], (long long)f->by[1][0]);
  __m128i r[4];

  for (int i = 0; i < 4; i++)
    r[i] = load(p + (ptrdiff_t)i * CRC_FOLD_NARROW);
  r[0] = _mm_xor_si128(r[0], _mm_set_epi64x(0, (long long)crc));
  for (p += CRC_FOLD_WIDE, len -= CRC_FOLD_WIDE; len > 0; p += CRC_FOLD_WIDE, len -= CRC_FOLD_WIDE)
    for (int i = 0; i < 4; i++)
      r[i] = move_over(r[i], wide, load(p + (ptrdiff_t)i * CRC_FOLD_NARROW));
  for (int i = 1; i < 4; i++)
    r[0] = move_over(r[0], narrow, r[i]);
  _mm_storeu_si128((__m128i *)(void *)out, r[0]);
}

#else

bool crc_fold_is_possible(void) {
  return false;
}

void crc_fold(const struct crc_fold *f, uint64_t crc, const void *data, size_t len,
              uint8_t out[CRC_FOLD_NARROW]) {
  (void)f;
  (void)crc;
  (void)data;
  (void)len;
  (void)out;
  abort(); /* nobody asks where it is not possible */
}

#endif
