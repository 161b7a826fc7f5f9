/* Folding as in crc_fold.c, with registers that hold two or four of 16 bytes and move all
 * of them by one instruction: for long data, which otherwise ends at what one multiplier
 * takes in. What is left is one block, with which the narrow registers go on. */
#include "crc_fold.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define ROUNDS_MIN 2 /* below, narrow registers are as fast */
#define ROUND_256 128
#define ROUND_512 256

#define WITH_256 __attribute__((target("vpclmulqdq,avx2")))
#define WITH_512 __attribute__((target("vpclmulqdq,avx512f")))

enum crc_way crc_wide_way(void) {
  if (!__builtin_cpu_supports("vpclmulqdq"))
    return CRC_BY_TABLE;
  if (__builtin_cpu_supports("avx512f"))
    return CRC_BY_512_BITS;
  return __builtin_cpu_supports("avx2") ? CRC_BY_256_BITS : CRC_BY_TABLE;
}

WITH_256 static inline __m256i load_256(const uint8_t *p) {
  return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

WITH_256 static inline __m256i move_256(__m256i a, __m256i by, __m256i next) {
  __m256i first = _mm256_clmulepi64_epi128(a, by, 0x00);
  __m256i second = _mm256_clmulepi64_epi128(a, by, 0x11);

  return _mm256_xor_si256(_mm256_xor_si256(first, second), next);
}

WITH_256 static inline __m256i factors_256(const uint64_t by[2]) {
  return _mm256_broadcastsi128_si256(_mm_set_epi64x((long long)by[1], (long long)by[0]));
}

WITH_256 static size_t shrink_256(const struct crc_fold *f, uint64_t crc, const uint8_t *data,
                                  size_t len, uint8_t out[CRC_FOLD_BLOCK]) {
  __m256i by = factors_256(f->by[CRC_OVER_128]);
  size_t at = ROUND_256;
  __m256i r[4];

  for (size_t i = 0; i < 4; i++)
    r[i] = load_256(data + 32 * i);
  r[0] = _mm256_xor_si256(r[0], _mm256_set_epi64x(0, 0, 0, (long long)crc));
  for (; at + ROUND_256 <= len; at += ROUND_256)
    for (size_t i = 0; i < 4; i++)
      r[i] = move_256(r[i], by, load_256(data + at + 32 * i));
  by = factors_256(f->by[CRC_OVER_64]);
  for (size_t i = 0; i < 2; i++)
    _mm256_storeu_si256((__m256i *)(void *)(out + 32 * i), move_256(r[i], by, r[i + 2]));
  return at;
}

WITH_512 static inline __m512i move_512(__m512i a, __m512i by, __m512i next) {
  __m512i first = _mm512_clmulepi64_epi128(a, by, 0x00);
  __m512i second = _mm512_clmulepi64_epi128(a, by, 0x11);

  return _mm512_xor_si512(_mm512_xor_si512(first, second), next);
}

WITH_512 static inline __m512i factors_512(const uint64_t by[2]) {
  return _mm512_broadcast_i32x4(_mm_set_epi64x((long long)by[1], (long long)by[0]));
}

WITH_512 static size_t shrink_512(const struct crc_fold *f, uint64_t crc, const uint8_t *data,
                                  size_t len, uint8_t out[CRC_FOLD_BLOCK]) {
  __m512i by = factors_512(f->by[CRC_OVER_256]);
  size_t at = ROUND_512;
  __m512i r[4];

  for (size_t i = 0; i < 4; i++)
    r[i] = _mm512_loadu_si512(data + 64 * i);
  r[0] = _mm512_xor_si512(r[0], _mm512_set_epi64(0, 0, 0, 0, 0, 0, 0, (long long)crc));
  for (; at + ROUND_512 <= len; at += ROUND_512)
    for (size_t i = 0; i < 4; i++)
      r[i] = move_512(r[i], by, _mm512_loadu_si512(data + at + 64 * i));
  by = factors_512(f->by[CRC_OVER_64]);
  for (size_t i = 1; i < 4; i++)
    r[0] = move_512(r[0], by, r[i]);
  _mm512_storeu_si512(out, r[0]);
  return at;
}

size_t crc_wide(const struct crc_fold *f, enum crc_way way, uint64_t crc, const uint8_t *data,
                size_t len, uint8_t out[CRC_FOLD_BLOCK]) {
  if (way == CRC_BY_512_BITS && len >= (size_t)ROUNDS_MIN * ROUND_512)
    return shrink_512(f, crc, data, len, out);
  if (way == CRC_BY_256_BITS && len >= (size_t)ROUNDS_MIN * ROUND_256)
    return shrink_256(f, crc, data, len, out);
  return 0;
}

#else

enum crc_way crc_wide_way(void) {
  return CRC_BY_TABLE;
}

size_t crc_wide(const struct crc_fold *f, enum crc_way way, uint64_t crc, const uint8_t *data,
                size_t len, uint8_t out[CRC_FOLD_BLOCK]) {
  (void)f;
  (void)way;
  (void)crc;
  (void)data;
  (void)len;
  (void)out;
  return 0;
}

#endif
