/* CRC-32, CRC-32C and CRC-64/NVME by slicing-by-8 over one shared routine on
 * 64-bit registers: a 32-bit CRC is the same algorithm with a shorter register.
 * Where the processor multiplies without carries, they go over the bulk of the data by
 * folding (crc_fold.c, crc_wide.c): every byte that is sent needs one, and most that are fetched.
 * Combination multiplies by x^(8*len) modulo the polynomial, on the reflected
 * representation (the highest bit is x^0). */
#include "s3apfs/base/crc.h"

#include <pthread.h>
#include <string.h>

#include "crc_internal.h"

struct crc_spec {
  uint64_t poly; /* reflected, without the top term */
  unsigned width;
  uint64_t table[8][256];
  struct crc_fold fold;
};

static struct crc_spec ieee = {.poly = 0xEDB88320U, .width = 32};
static struct crc_spec castagnoli = {.poly = 0x82F63B78U, .width = 32};
static struct crc_spec nvme = {.poly = 0x9A6C9329AC4BC9B5U, .width = 64};
static enum crc_way best = CRC_BY_TABLE;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void spec_fill(struct crc_spec *s) {
  for (unsigned i = 0; i < 256; i++) {
    uint64_t v = i;

    for (int bit = 0; bit < 8; bit++)
      v = (v & 1) != 0 ? (v >> 1) ^ s->poly : v >> 1;
    s->table[0][i] = v;
  }
  for (unsigned i = 0; i < 256; i++)
    for (int k = 1; k < 8; k++) {
      uint64_t prev = s->table[k - 1][i];

      s->table[k][i] = (prev >> 8) ^ s->table[0][prev & 255];
    }
}

static uint64_t poly_power(const struct crc_spec *s, unsigned exponent);

/* A short remainder stands at the top of 64 bits, as a reflected polynomial does. */
static void fold_fill(struct crc_spec *s) {
  static const unsigned bytes[CRC_DISTANCES] = {
      [CRC_OVER_16] = 16, [CRC_OVER_64] = 64, [CRC_OVER_128] = 128, [CRC_OVER_256] = 256};

  for (unsigned i = 0; i < CRC_DISTANCES; i++) {
    unsigned bits = bytes[i] * 8;

    s->fold.by[i][0] = poly_power(s, bits + 63) << (64 - s->width);
    s->fold.by[i][1] = poly_power(s, bits - 1) << (64 - s->width);
  }
}

static void tables_fill(void) {
  struct crc_spec *all[] = {&ieee, &castagnoli, &nvme};

  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
    spec_fill(all[i]);
    fold_fill(all[i]);
  }
  best = crc_best_way();
}

static uint64_t ones(const struct crc_spec *s) {
  return s->width == 64 ? UINT64_MAX : UINT32_MAX;
}

static uint64_t crc_run(const struct crc_spec *s, uint64_t crc, const uint8_t *p, size_t len) {
  crc ^= ones(s);
  for (; len >= 8; p += 8, len -= 8) {
    uint64_t v;

    memcpy(&v, p, 8); /* little-endian hosts only; see the static assertion below */
    v ^= crc;
    crc = s->table[7][v & 255] ^ s->table[6][v >> 8 & 255] ^ s->table[5][v >> 16 & 255] ^
          s->table[4][v >> 24 & 255] ^ s->table[3][v >> 32 & 255] ^ s->table[2][v >> 40 & 255] ^
          s->table[1][v >> 48 & 255] ^ s->table[0][v >> 56];
  }
  for (; len > 0; p++, len--)
    crc = (crc >> 8) ^ s->table[0][(crc ^ *p) & 255];
  return crc ^ ones(s);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "slicing reads words little-endian");

/* a * b modulo the polynomial; reflected, so x^0 is the top bit. */
static uint64_t poly_multiply(const struct crc_spec *s, uint64_t a, uint64_t b) {
  uint64_t top = (uint64_t)1 << (s->width - 1);
  uint64_t product = 0;

  for (uint64_t bit = top; bit != 0; bit >>= 1) {
    if ((a & bit) != 0)
      product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ s->poly : b >> 1;
  }
  return product;
}

/* x^exponent */
static uint64_t poly_power(const struct crc_spec *s, unsigned exponent) {
  uint64_t result = (uint64_t)1 << (s->width - 1);
  uint64_t square = result >> 1;

  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0)
      result = poly_multiply(s, result, square);
    square = poly_multiply(s, square, square);
  }
  return result;
}

static uint64_t crc_join(const struct crc_spec *s, uint64_t a, uint64_t b, uint64_t len_b) {
  uint64_t power = (uint64_t)1 << (s->width - 1); /* x^0 */
  uint64_t square = power >> 8;                   /* x^8: one byte */

  for (; len_b != 0; len_b >>= 1) {
    if ((len_b & 1) != 0)
      power = poly_multiply(s, power, square);
    square = poly_multiply(s, square, square);
  }
  return poly_multiply(s, power, a) ^ b;
}

/* The bulk shrinks to 16 bytes that leave the same remainder. The tables are there. */
static uint64_t crc_by(enum crc_way way, const struct crc_spec *s, uint64_t crc, const void *data,
                       size_t len) {
  size_t bulk = len / CRC_FOLD_BLOCK * CRC_FOLD_BLOCK;
  uint8_t rest[CRC_FOLD_NARROW];

  if (way == CRC_BY_TABLE || bulk < 2 * (size_t)CRC_FOLD_BLOCK)
    return crc_run(s, crc, data, len);
  crc_fold(&s->fold, way, crc ^ ones(s), data, bulk, rest);
  crc = crc_run(s, ones(s), rest, sizeof(rest)); /* the register begins with 0 */
  return crc_run(s, crc, (const uint8_t *)data + bulk, len - bulk);
}

static uint64_t crc_any(const struct crc_spec *s, uint64_t crc, const void *data, size_t len) {
  pthread_once(&tables_once, tables_fill);
  return crc_by(best, s, crc, data, len);
}

uint32_t crc32_ieee(uint32_t crc, const void *data, size_t len) {
  return (uint32_t)crc_any(&ieee, crc, data, len);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len) {
  return (uint32_t)crc_any(&castagnoli, crc, data, len);
}

uint64_t crc64nvme(uint64_t crc, const void *data, size_t len) {
  return crc_any(&nvme, crc, data, len);
}

uint64_t crc64nvme_combine(uint64_t a, uint64_t b, uint64_t len_b) {
  return crc_join(&nvme, a, b, len_b);
}

uint32_t crc32_ieee_combine(uint32_t a, uint32_t b, uint64_t len_b) {
  return (uint32_t)crc_join(&ieee, a, b, len_b);
}

uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b) {
  return (uint32_t)crc_join(&castagnoli, a, b, len_b);
}

static const struct crc_spec *spec_of(enum crc_kind kind) {
  switch (kind) {
  case CRC_64NVME:
    return &nvme;
  case CRC_32:
    return &ieee;
  case CRC_32C:
    return &castagnoli;
  case CRC_NONE:
    break;
  }
  return NULL;
}

uint64_t crc_update(enum crc_kind kind, uint64_t crc, const void *data, size_t len) {
  const struct crc_spec *s = spec_of(kind);

  return s != NULL ? crc_any(s, crc, data, len) : 0;
}

uint64_t crc_update_by(enum crc_way way, enum crc_kind kind, uint64_t crc, const void *data,
                       size_t len) {
  const struct crc_spec *s = spec_of(kind);

  pthread_once(&tables_once, tables_fill);
  return s != NULL ? crc_by(way, s, crc, data, len) : 0;
}

uint64_t crc_combine(enum crc_kind kind, uint64_t a, uint64_t b, uint64_t len_b) {
  const struct crc_spec *s = spec_of(kind);

  return s != NULL ? crc_join(s, a, b, len_b) : 0;
}
