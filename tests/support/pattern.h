/* Bytes that tell where they belong: every 8-byte word holds a mix of its offset
 * and a seed, so a shifted, swapped or stale byte shows. */
#ifndef S3APFS_TESTS_PATTERN_H
#define S3APFS_TESTS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t pattern_word(uint64_t index, uint64_t seed) {
  uint64_t x = (index + 1) * 0x9e3779b97f4a7c15u ^ seed * 0xbf58476d1ce4e5b9u;

  return x ^ x >> 29;
}

static inline unsigned char pattern_byte(uint64_t offset, uint64_t seed) {
  return (unsigned char)(pattern_word(offset / 8, seed) >> offset % 8 * 8);
}

static inline unsigned char *pattern_new(size_t len, uint64_t seed) {
  unsigned char *p = malloc(len + 8);

  for (size_t i = 0; p != NULL && i < len; i += 8) {
    uint64_t w = pattern_word(i / 8, seed);

    memcpy(p + i, &w, 8);
  }
  return p;
}

static inline bool pattern_matches(const void *data, size_t len, uint64_t offset, uint64_t seed) {
  const unsigned char *p = data;
  size_t i = 0;

  for (; i < len && (offset + i) % 8 != 0; i++)
    if (p[i] != pattern_byte(offset + i, seed))
      return false;
  for (; i + 8 <= len; i += 8) {
    uint64_t w = pattern_word((offset + i) / 8, seed);

    if (memcmp(p + i, &w, 8) != 0)
      return false;
  }
  for (; i < len; i++)
    if (p[i] != pattern_byte(offset + i, seed))
      return false;
  return true;
}

#endif
