/* CRCs: published check values, streaming, combination against the whole. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/base/crc_internal.h"
#include "s3apfs/base/text.h"

#define CHECK "123456789"

Test(crc, check_values) {
  cr_expect_eq(crc32_ieee(0, CHECK, 9), 0xCBF43926);
  cr_expect_eq(crc32c(0, CHECK, 9), 0xE3069283);
  cr_expect_eq(crc64nvme(0, CHECK, 9), 0xAE8B14860A799888);
  cr_expect_eq(crc32_ieee(0, "", 0), 0);
  cr_expect_eq(crc32c(0, NULL, 0), 0);
  cr_expect_eq(crc64nvme(0, "", 0), 0);
}

/* S3's headers: base64 of the big-endian value. */
static void expect_header(uint64_t crc, size_t bytes, const char *want) {
  uint8_t raw[8];
  struct buf out;

  for (size_t i = 0; i < bytes; i++)
    raw[i] = (uint8_t)(crc >> 8 * (bytes - 1 - i));
  buf_init(&out, 0);
  text_base64(&out, raw, bytes);
  cr_expect_str_eq(buf_cstr(&out), want);
  buf_fini(&out);
}

Test(crc, header_values) {
  expect_header(crc32_ieee(0, "hello world", 11), 4, "DUoRhQ==");
  expect_header(crc32c(0, "hello world", 11), 4, "yZRlqg==");
  expect_header(crc64nvme(0, "hello world", 11), 8, "jSnVw/bqjr4=");
  expect_header(crc64nvme(0, CHECK, 9), 8, "rosUhgp5mIg=");
  expect_header(crc64nvme(0, "", 0), 8, "AAAAAAAAAAA=");
}

#define DATA_BYTES 70000

static uint8_t *noise(void) {
  uint8_t *data = malloc(DATA_BYTES);
  uint32_t state = 1;

  for (size_t i = 0; i < DATA_BYTES; i++) {
    state = state * 1664525 + 1013904223;
    data[i] = (uint8_t)(state >> 24);
  }
  return data;
}

/* Bit by bit, as the definition says. */
static uint64_t slow_crc(uint64_t poly, uint64_t ones, const uint8_t *data, size_t len) {
  uint64_t crc = ones;

  for (size_t i = 0; i < len; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++)
      crc = (crc & 1) != 0 ? crc >> 1 ^ poly : crc >> 1;
  }
  return crc ^ ones;
}

Test(crc, agrees_with_the_definition_at_every_length_and_offset) {
  uint8_t *data = noise();

  for (size_t len = 0; len < 40; len++) {
    for (size_t at = 0; at < 8; at++) {
      cr_expect_eq(crc32_ieee(0, data + at, len), slow_crc(0xEDB88320, UINT32_MAX, data + at, len));
      cr_expect_eq(crc32c(0, data + at, len), slow_crc(0x82F63B78, UINT32_MAX, data + at, len));
      cr_expect_eq(crc64nvme(0, data + at, len),
                   slow_crc(0x9A6C9329AC4BC9B5, UINT64_MAX, data + at, len));
    }
  }
  free(data);
}

/* Long data goes another way where the processor has one. */
Test(crc, long_data_agrees_with_the_definition) {
  uint8_t *data = noise();

  for (size_t len = 100; len < 420; len++) {
    uint64_t want = slow_crc(0x9A6C9329AC4BC9B5, UINT64_MAX, data + len % 7, len);

    cr_expect_eq(crc32_ieee(0, data + len % 7, len),
                 slow_crc(0xEDB88320, UINT32_MAX, data + len % 7, len), "%zu bytes", len);
    cr_expect_eq(crc32c(crc32c(0, data, len), data + len, 200),
                 slow_crc(0x82F63B78, UINT32_MAX, data, len + 200), "%zu bytes", len);
    cr_expect_eq(crc64nvme(0, data + len % 7, len), want, "%zu bytes", len);
    cr_expect_eq(crc64nvme(crc64nvme(0, data + len % 7, 13), data + len % 7 + 13, len - 13), want,
                 "%zu bytes in two", len);
  }
  cr_expect_eq(crc64nvme(0, data, DATA_BYTES),
               slow_crc(0x9A6C9329AC4BC9B5, UINT64_MAX, data, DATA_BYTES));
  free(data);
}

/* Those that this processor has; the rest is tested where it has them. */
Test(crc, every_way_agrees_with_the_tables) {
  static const enum crc_kind kinds[] = {CRC_64NVME, CRC_32, CRC_32C};
  uint8_t *data = noise();

  for (size_t len = 0; len <= 1100; len++) {
    const uint8_t *p = data + data[len] % 64;
    enum crc_kind kind = kinds[len % 3];
    uint64_t before = data[len + 1] * 0x01010101U;

    for (size_t k = 0; k < 3; k++) {
      uint64_t want = crc_update_by(CRC_BY_TABLE, kinds[k], before, p, len);

      for (enum crc_way way = CRC_BY_128_BITS; way <= crc_best_way(); way++)
        cr_expect_eq(crc_update_by(way, kinds[k], before, p, len), want, "way %d, kind %d, %zu",
                     way, kinds[k], len);
    }
    for (enum crc_way way = CRC_BY_128_BITS; way <= crc_best_way(); way++)
      cr_expect_eq(crc_update_by(way, kind, before, p, DATA_BYTES - 64 - len),
                   crc_update_by(CRC_BY_TABLE, kind, before, p, DATA_BYTES - 64 - len),
                   "way %d, %zu left out", way, len);
  }
  free(data);
}

Test(crc, streaming_and_combination_equal_the_whole) {
  static const size_t cuts[] = {0, 1, 7, 8, 9, 4096, 65536, DATA_BYTES - 1, DATA_BYTES};
  uint8_t *data = noise();
  uint32_t whole32 = crc32_ieee(0, data, DATA_BYTES);
  uint32_t whole32c = crc32c(0, data, DATA_BYTES);
  uint64_t whole64 = crc64nvme(0, data, DATA_BYTES);

  for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
    size_t a = cuts[i];
    size_t b = DATA_BYTES - a;

    cr_expect_eq(crc32_ieee(crc32_ieee(0, data, a), data + a, b), whole32, "cut at %zu", a);
    cr_expect_eq(crc32c(crc32c(0, data, a), data + a, b), whole32c, "cut at %zu", a);
    cr_expect_eq(crc64nvme(crc64nvme(0, data, a), data + a, b), whole64, "cut at %zu", a);
    cr_expect_eq(crc32_ieee_combine(crc32_ieee(0, data, a), crc32_ieee(0, data + a, b), b), whole32,
                 "cut at %zu", a);
    cr_expect_eq(crc32c_combine(crc32c(0, data, a), crc32c(0, data + a, b), b), whole32c,
                 "cut at %zu", a);
    cr_expect_eq(crc64nvme_combine(crc64nvme(0, data, a), crc64nvme(0, data + a, b), b), whole64,
                 "cut at %zu", a);
  }
  free(data);
}

/* Joining is associative, which fixes lengths that no test can hold in memory. */
Test(crc, combination_of_huge_ranges_is_associative) {
  uint64_t a = crc64nvme(0, "a", 1);
  uint64_t b = crc64nvme(0, "bb", 2);
  uint64_t c = crc64nvme(0, "ccc", 3);
  uint64_t n = (uint64_t)5 << 40;
  uint64_t left = crc64nvme_combine(crc64nvme_combine(a, b, n), c, n + 1);
  uint64_t right = crc64nvme_combine(a, crc64nvme_combine(b, c, n + 1), n + n + 1);

  cr_expect_eq(left, right);
  cr_expect_neq(crc64nvme_combine(a, b, n), crc64nvme_combine(a, b, n + 1));
}

/* Many pieces, joined in order, are what the whole is. */
Test(crc, kinds_chosen_at_run_time_agree_with_the_named_ones) {
  static const enum crc_kind kinds[] = {CRC_64NVME, CRC_32, CRC_32C};
  uint8_t *data = noise();

  cr_expect_eq(crc_update(CRC_64NVME, 0, data, 1000), crc64nvme(0, data, 1000));
  cr_expect_eq(crc_update(CRC_32, 0, data, 1000), crc32_ieee(0, data, 1000));
  cr_expect_eq(crc_update(CRC_32C, 0, data, 1000), crc32c(0, data, 1000));
  cr_expect_eq(crc_update(CRC_NONE, 0, data, 1000), 0);
  for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
    uint64_t joined = 0;

    for (size_t at = 0, len = 1; at < DATA_BYTES; at += len, len = len * 3 + 1) {
      if (len > DATA_BYTES - at)
        len = DATA_BYTES - at;
      joined = crc_combine(kinds[k], joined, crc_update(kinds[k], 0, data + at, len), len);
    }
    cr_expect_eq(joined, crc_update(kinds[k], 0, data, DATA_BYTES), "kind %zu", k);
  }
  free(data);
}
