/* Object checksums against published check values, and the algebra of parts. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/checksum.h"

/* CRC catalogue check values, FIPS 180 examples, and AWS's documented ones. */
static const struct {
  enum checksum_kind kind;
  const char *input;
  const char *text;
} known[] = {
    {CHECKSUM_CRC32, "", "AAAAAA=="},
    {CHECKSUM_CRC32, "123456789", "y/Q5Jg=="},
    {CHECKSUM_CRC32, "hello world", "DUoRhQ=="},
    {CHECKSUM_CRC32C, "", "AAAAAA=="},
    {CHECKSUM_CRC32C, "123456789", "4waSgw=="},
    {CHECKSUM_CRC32C, "hello world", "yZRlqg=="},
    {CHECKSUM_CRC64NVME, "", "AAAAAAAAAAA="},
    {CHECKSUM_CRC64NVME, "123456789", "rosUhgp5mIg="},
    {CHECKSUM_CRC64NVME, "hello world", "jSnVw/bqjr4="},
    {CHECKSUM_SHA1, "", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="},
    {CHECKSUM_SHA1, "abc", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="},
    {CHECKSUM_SHA256, "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
    {CHECKSUM_SHA256, "abc", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="},
};

static void expect_text(const struct checksum *c, const char *want) {
  struct buf b;

  buf_init(&b, 0);
  checksum_encode(c, &b);
  cr_assert_str_eq(buf_cstr(&b), want);
  buf_fini(&b);
}

static struct checksum of(enum checksum_kind kind, const void *data, size_t len) {
  struct checksum c;

  cr_assert_eq(checksum_once(kind, data, len, &c), 0);
  return c;
}

Test(checksum, has_the_published_values) {
  for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
    struct checksum c = of(known[i].kind, known[i].input, strlen(known[i].input));

    expect_text(&c, known[i].text);
    cr_assert_eq(checksum_check(&c, known[i].text), 0);
  }
}

Test(checksum, streams_in_any_pieces) {
  for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
    for (size_t piece = 1; piece < 5; piece++) {
      struct checksum_stream *s;
      struct checksum c;
      size_t len = strlen(known[i].input);

      cr_assert_eq(checksum_new(known[i].kind, &s), 0);
      for (size_t at = 0; at < len; at += piece)
        checksum_update(s, known[i].input + at, len - at < piece ? len - at : piece);
      cr_assert_eq(checksum_final(s, &c), 0);
      checksum_free(s);
      expect_text(&c, known[i].text);
    }
  }
  checksum_free(NULL);
}

Test(checksum, names_the_algorithms) {
  static const struct {
    const char *name;
    const char *header;
    const char *element;
    size_t size;
  } rows[CHECKSUM_KINDS] = {
      [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8},
      [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4},
      [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4},
      [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32},
      [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20},
  };
  enum checksum_kind kind = CHECKSUM_SHA1;

  for (unsigned i = 0; i < CHECKSUM_KINDS; i++) {
    cr_assert_eq(checksum_kind_parse(rows[i].name, &kind), 0);
    cr_assert_eq((unsigned)kind, i);
    cr_assert_str_eq(checksum_name(kind), rows[i].name);
    cr_assert_str_eq(checksum_header(kind), rows[i].header);
    cr_assert_str_eq(checksum_element(kind), rows[i].element);
    cr_assert_eq(checksum_size(kind), rows[i].size);
  }
  cr_assert_eq(checksum_kind_parse("crc32c", &kind), 0);
  cr_assert_eq(kind, CHECKSUM_CRC32C);
  cr_assert_eq(checksum_kind_parse("CRC16", &kind), -EINVAL);
  cr_assert_eq(checksum_kind_parse("", &kind), -EINVAL);
}

Test(checksum, knows_which_types_go_with_which_algorithm) {
  enum checksum_type type;

  cr_assert_eq(checksum_type_parse("COMPOSITE", &type), 0);
  cr_assert_eq(type, CHECKSUM_COMPOSITE);
  cr_assert_eq(checksum_type_parse("FULL_OBJECT", &type), 0);
  cr_assert_eq(type, CHECKSUM_FULL_OBJECT);
  cr_assert_eq(checksum_type_parse("full_object", &type), -EINVAL);
  cr_assert_str_eq(checksum_type_name(CHECKSUM_COMPOSITE), "COMPOSITE");
  cr_assert_str_eq(checksum_type_name(CHECKSUM_FULL_OBJECT), "FULL_OBJECT");
  cr_assert_not(checksum_allows(CHECKSUM_CRC64NVME, CHECKSUM_COMPOSITE));
  cr_assert(checksum_allows(CHECKSUM_CRC64NVME, CHECKSUM_FULL_OBJECT));
  cr_assert(checksum_allows(CHECKSUM_CRC32, CHECKSUM_COMPOSITE));
  cr_assert(checksum_allows(CHECKSUM_CRC32C, CHECKSUM_FULL_OBJECT));
  cr_assert(checksum_allows(CHECKSUM_SHA1, CHECKSUM_COMPOSITE));
  cr_assert_not(checksum_allows(CHECKSUM_SHA256, CHECKSUM_FULL_OBJECT));
}

Test(checksum, finds_the_preferred_header) {
  struct kvlist h;
  enum checksum_kind kind;
  const char *value;

  kvlist_init(&h);
  cr_assert_eq(checksum_find_header(&h, &kind, &value), -ENOENT);
  kvlist_add(&h, "x-amz-checksum-type", "FULL_OBJECT");
  cr_assert_eq(checksum_find_header(&h, &kind, &value), -ENOENT);
  kvlist_add(&h, "x-amz-checksum-sha1", "s");
  kvlist_add(&h, "X-Amz-Checksum-Crc32", "c");
  cr_assert_eq(checksum_find_header(&h, &kind, &value), 0);
  cr_assert_eq(kind, CHECKSUM_CRC32);
  cr_assert_str_eq(value, "c");
  kvlist_fini(&h);
}

Test(checksum, tells_malformed_from_wrong) {
  static const char *const malformed[] = {"",
                                          "y/Q5Jg",
                                          "y/Q5Jg=",
                                          "y/Q5J===",
                                          "y/Q5 Jg=",
                                          "rosUhgp5mIg=",
                                          "AAAA",
                                          "y/Q5Jg==-",
                                          "y/Q5Jg==-0",
                                          "y/Q5Jg==-01",
                                          "y/Q5Jg==-x",
                                          "y/Q5Jg==-10001",
                                          "y/Q5Jg==-1-2",
                                          "-1",
                                          "!!!!!!==",
                                          "y/Q5Jg==\n"};
  struct checksum c = of(CHECKSUM_CRC32, "123456789", 9);
  char *big = malloc(100001);

  for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++)
    cr_assert_eq(checksum_check(&c, malformed[i]), -EINVAL, "took %s", malformed[i]);
  memset(big, 'A', 100000);
  big[100000] = '\0';
  cr_assert_eq(checksum_check(&c, big), -EINVAL);
  free(big);
  cr_assert_eq(checksum_check(&c, "y/Q5Jw=="), -EBADMSG);
  cr_assert_eq(checksum_check(&c, "y/Q5Jg==-1"), -EBADMSG);
}

Test(checksum, gives_back_what_it_wrote) {
  for (unsigned kind = 0; kind < CHECKSUM_KINDS; kind++) {
    struct checksum c = of((enum checksum_kind)kind, "x", 1);
    struct checksum d;
    struct buf b;

    buf_init(&b, 0);
    c.parts = kind * 2500;
    checksum_encode(&c, &b);
    cr_assert_eq(checksum_decode(c.kind, buf_cstr(&b), &d), 0);
    cr_assert(checksum_equal(&c, &d));
    d.parts++;
    cr_assert_not(checksum_equal(&c, &d));
    buf_fini(&b);
  }
}

/* sha256(sha256("hello ") || sha256("world")), computed with hashlib. */
Test(checksum, composes_parts) {
  struct checksum parts[2] = {of(CHECKSUM_SHA256, "hello ", 6), of(CHECKSUM_SHA256, "world", 5)};
  struct checksum crcs[2] = {of(CHECKSUM_CRC32, "hello ", 6), of(CHECKSUM_CRC32, "world", 5)};
  struct checksum whole;

  cr_assert_eq(checksum_compose(parts, 2, &whole), 0);
  expect_text(&whole, "Zhie15keHg/OBlOZxcoF/BXCgYZaeimRvdZnwUZqkaQ=-2");
  cr_assert_eq(checksum_check(&whole, "Zhie15keHg/OBlOZxcoF/BXCgYZaeimRvdZnwUZqkaQ=-2"), 0);
  cr_assert_eq(checksum_check(&whole, "Zhie15keHg/OBlOZxcoF/BXCgYZaeimRvdZnwUZqkaQ=-3"), -EBADMSG);
  cr_assert_eq(checksum_compose(crcs, 2, &whole), 0);
  expect_text(&whole, "1Fu2mQ==-2");
  cr_assert_eq(checksum_compose(parts, 1, &whole), 0);
  cr_assert_eq(whole.parts, 1U);
}

Test(checksum, refuses_to_compose_odd_parts) {
  struct checksum parts[2] = {of(CHECKSUM_SHA256, "a", 1), of(CHECKSUM_SHA1, "b", 1)};
  struct checksum *many = calloc(CHECKSUM_MAX_PARTS + 1, sizeof(*many));
  struct checksum out;

  cr_assert_eq(checksum_compose(parts, 0, &out), -EINVAL);
  cr_assert_eq(checksum_compose(parts, 2, &out), -EINVAL);
  parts[1] = parts[0];
  parts[1].parts = 2;
  cr_assert_eq(checksum_compose(parts, 2, &out), -EINVAL);
  cr_assert_eq(checksum_compose(many, CHECKSUM_MAX_PARTS, &out), 0);
  cr_assert_eq(out.parts, (unsigned)CHECKSUM_MAX_PARTS);
  cr_assert_eq(checksum_compose(many, CHECKSUM_MAX_PARTS + 1, &out), -EINVAL);
  free(many);
}

Test(checksum, joins_crcs_of_adjacent_ranges) {
  static const enum checksum_kind kinds[] = {CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME};
  static const size_t cuts[] = {0, 1, 7, 4096, 69999, 70000};
  uint8_t *data = malloc(70000);
  uint32_t x = 1;

  for (size_t i = 0; i < 70000; i++)
    data[i] = (uint8_t)((x = x * 1664525U + 1013904223U) >> 24);
  for (size_t k = 0; k < 3; k++) {
    struct checksum want = of(kinds[k], data, 70000);

    for (size_t c = 0; c < sizeof(cuts) / sizeof(*cuts); c++) {
      struct checksum whole = of(kinds[k], data, cuts[c]);
      struct checksum next = of(kinds[k], data + cuts[c], 70000 - cuts[c]);

      cr_assert_eq(checksum_append(&whole, &next, 70000 - cuts[c]), 0);
      cr_assert(checksum_equal(&whole, &want), "%s cut at %zu", checksum_name(kinds[k]), cuts[c]);
    }
  }
  free(data);
}

Test(checksum, refuses_to_join_what_cannot_be_joined) {
  struct checksum sha = of(CHECKSUM_SHA256, "a", 1);
  struct checksum crc = of(CHECKSUM_CRC32, "a", 1);
  struct checksum other = of(CHECKSUM_CRC32C, "a", 1);
  struct checksum composite = crc;

  composite.parts = 2;
  cr_assert_eq(checksum_append(&sha, &sha, 1), -EOPNOTSUPP);
  cr_assert_eq(checksum_append(&crc, &other, 1), -EINVAL);
  cr_assert_eq(checksum_append(&crc, &composite, 1), -EINVAL);
  cr_assert_eq(checksum_append(&composite, &crc, 1), -EINVAL);
}
