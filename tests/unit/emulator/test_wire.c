/* Pure parts of the wire: ranges, aws-chunked framing, joined checksums, faults. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../src/emulator/aws_chunked.h"
#include "../src/emulator/conditions.h"
#include "../src/emulator/faults.h"
#include "../src/emulator/object_checksum.h"

/* --- ranges --- */

static void expect_range(const char *text, uint64_t size, uint64_t offset, uint64_t length) {
  struct range r;
  cr_assert_eq(range_parse(text, size, &r), 0, "%s", text);
  cr_expect(!r.whole && r.offset == offset && r.length == length, "%s", text);
}

Test(range, reads_what_lies_inside) {
  expect_range("bytes=0-0", 10, 0, 1);
  expect_range("bytes=3-", 10, 3, 7);
  expect_range("bytes=-3", 10, 7, 3);
  expect_range("bytes=-30", 10, 0, 10);
  expect_range("bytes=9-99", 10, 9, 1);
  expect_range("Bytes=0-18446744073709551615", 10, 0, 10);
}

Test(range, ignores_what_it_cannot_read) {
  static const char *const texts[] = {"bytes=",
                                      "bytes=-",
                                      "bytes=5-4",
                                      "bytes=0-1,3-4",
                                      "lines=0-1",
                                      "bytes=0x1-2",
                                      "bytes=1 -2",
                                      "bytes=+1-2",
                                      "bytes=99999999999999999999-",
                                      ""};
  struct range r;
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    cr_assert_eq(range_parse(texts[i], 10, &r), 0, "%s", texts[i]);
    cr_expect(r.whole && r.offset == 0 && r.length == 10, "%s", texts[i]);
  }
}

Test(range, refuses_what_lies_outside) {
  struct range r;
  cr_expect_eq(range_parse("bytes=10-", 10, &r), -ERANGE);
  cr_expect_eq(range_parse("bytes=-0", 10, &r), -ERANGE);
  cr_expect_eq(range_parse("bytes=0-", 0, &r), -ERANGE);
  cr_expect_eq(range_parse("bytes=-1", 0, &r), -ERANGE);
}

/* --- aws-chunked --- */

static const struct chunked_options unsigned_trailer = {
    .form = {.trailers = true}, .decoded_length = CHUNKED_LENGTH_UNKNOWN, .open_end = true};

static int decode(const char *text, struct body *out, struct kvlist *t) {
  enum chunked_fault fault;
  struct body in;
  body_init(&in, "/tmp");
  body_init(out, "/tmp");
  kvlist_init(t);
  cr_assert_eq(body_append(&in, text, strlen(text)), 0);
  int err = aws_chunked_decode(&unsigned_trailer, &in, out, t, &fault);
  body_fini(&in);
  return err;
}

Test(aws_chunked, takes_the_framing_off) {
  struct body out;
  struct kvlist t;
  cr_assert_eq(decode("5\r\nhello\r\nA\r\n0123\r\n6789\r\n0\r\nx-amz-checksum-crc32: abc=\r\n\r\n",
                      &out, &t),
               0);
  cr_expect_str_eq(buf_cstr(&out.memory), "hello0123\r\n6789");
  cr_expect_str_eq(kvlist_get(&t, "x-amz-checksum-crc32"), "abc=");
  body_fini(&out);
  kvlist_fini(&t);
}

Test(aws_chunked, takes_a_body_without_its_last_line) {
  struct body out;
  struct kvlist t;
  cr_assert_eq(decode("5\r\nhello\r\n0\r\na:b\r\n", &out, &t), 0);
  cr_expect_str_eq(buf_cstr(&out.memory), "hello");
  cr_expect_str_eq(kvlist_get(&t, "a"), "b");
  body_fini(&out);
  kvlist_fini(&t);
}

Test(aws_chunked, refuses_broken_framing) {
  static const char *const texts[] = {"",
                                      "0",
                                      "5\r\nhel",
                                      "5\r\nhelloX\r\n0\r\n\r\n",
                                      "g\r\n",
                                      "-1\r\n\r\n",
                                      "5;x=y\r\nhello\r\n0\r\n\r\n",
                                      "5\r\nhello\r\n",
                                      "5\nhello\n0\n\n",
                                      "fffffffffffff\r\nx",
                                      "0\r\nno colon\r\n\r\n",
                                      "\r\n0\r\n\r\n"};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct body out;
    struct kvlist t;
    cr_expect_eq(decode(texts[i], &out, &t), -EBADMSG, "text %zu", i);
    body_fini(&out);
    kvlist_fini(&t);
  }
}

/* The example of the S3 documentation: 64 KiB + 1 KiB of 'a', its keys and dates. */
static int decode_signed(const struct body *in, struct body *out) {
  static const struct sigv4_scope scope = {
      .region = "us-east-1", .service = "s3", .time = 1369353600};
  uint8_t key[32];
  struct kvlist t;
  enum chunked_fault fault;
  struct chunked_options how = {
      .form = {.is_signed = true},
      .decoded_length = CHUNKED_LENGTH_UNKNOWN,
      .key = key,
      .scope = &scope,
      .seed_signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"};
  kvlist_init(&t);
  cr_assert_eq(sigv4_signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope, key), 0);
  int err = aws_chunked_decode(&how, in, out, &t, &fault);
  cr_expect(!err || fault == CHUNKED_FAULT_SIGNATURE);
  kvlist_fini(&t);
  return err;
}

static void add_chunk(struct body *b, const char *head, size_t len) {
  char data[65536];
  memset(data, 'a', sizeof(data));
  cr_assert_eq(body_append(b, head, strlen(head)), 0);
  cr_assert_eq(body_append(b, data, len), 0);
  cr_assert_eq(body_append(b, "\r\n", 2), 0);
}

static int decode_example(bool spoil) {
  struct body in, out;
  body_init(&in, "/tmp");
  body_init(&out, "/tmp");
  add_chunk(&in,
            "10000;chunk-signature="
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n",
            spoil ? 65535 : 65536);
  if (spoil) {
    in.memory.data[in.memory.len - 2] = 'b';
    cr_assert_eq(body_append(&in, "\r\n", 2), 0);
  }
  add_chunk(&in,
            "400;chunk-signature="
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
            1024);
  add_chunk(&in,
            "0;chunk-signature="
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n",
            0);
  int err = decode_signed(&in, &out);
  cr_expect(err || out.length == 66560);
  body_fini(&in);
  body_fini(&out);
  return err;
}

Test(aws_chunked, verifies_the_documented_example) {
  cr_expect_eq(decode_example(false), 0);
}

Test(aws_chunked, refuses_a_changed_chunk) {
  cr_expect_neq(decode_example(true), 0);
}

/* --- checksums of parts --- */

Test(checksum, joined_crcs_are_those_of_the_whole) {
  static const enum checksum_kind kinds[] = {CHECKSUM_CRC32, CHECKSUM_CRC32C, CHECKSUM_CRC64NVME};
  static const char *const expected[] = {"y/Q5Jg==", "4waSgw==", "rosUhgp5mIg="};
  static const char *const texts[] = {"1234", "5", "6789"};
  for (size_t k = 0; k < 3; k++) {
    struct object_part parts[3];
    struct checksum sum;
    for (size_t i = 0; i < 3; i++) {
      struct body b;
      body_init(&b, "/tmp");
      cr_assert_eq(body_append(&b, texts[i], strlen(texts[i])), 0);
      cr_assert_eq(body_checksum(&b, kinds[k], &sum), 0);
      parts[i] = (struct object_part){.number = (unsigned)i + 1,
                                      .size = strlen(texts[i]),
                                      .checksum = object_checksum_text(&sum)};
      body_fini(&b);
    }
    cr_assert_eq(object_checksum_of_parts(parts, 3, kinds[k], CHECKSUM_FULL_OBJECT, &sum), 0);
    char *text = object_checksum_text(&sum);
    cr_expect_str_eq(text, expected[k]);
    free(text);
    free(parts[1].checksum);
    parts[1].checksum = strdup("AAAA");
    cr_expect_eq(object_checksum_of_parts(parts, 3, kinds[k], CHECKSUM_FULL_OBJECT, &sum), -EINVAL);
    for (size_t i = 0; i < 3; i++)
      free(parts[i].checksum);
  }
}

/* --- faults --- */

static struct fault_effect pick(struct faults *f, const char *operation, const char *key) {
  struct fault_subject s = {.operation = operation, .method = "GET", .bucket = "b", .key = key};
  struct fault_effect e;
  cr_assert_eq(faults_pick(f, &s, &e), 0);
  return e;
}

static enum fault_kind kind_of(struct faults *f, const char *operation, const char *key) {
  struct fault_effect e = pick(f, operation, key);
  enum fault_kind kind = e.kind;
  fault_effect_fini(&e);
  return kind;
}

static int add(struct faults *f, const char *json) {
  struct buf why;
  buf_init(&why, 0);
  int err = faults_add(f, json, strlen(json), &why);
  cr_expect_eq(err != 0, why.len != 0, "%s", json);
  buf_fini(&why);
  return err;
}

Test(faults, match_skip_and_count) {
  struct faults *f;
  cr_assert_eq(faults_new(&f), 0);
  cr_assert_eq(add(f, "[{\"operation\":\"GetObject\",\"key\":\"a/*\",\"skip\":1,\"count\":2,"
                      "\"effect\":\"drop\",\"bytes\":7},{\"key\":\"z\",\"effect\":\"hang\"}]"),
               0);
  cr_expect_eq(kind_of(f, "GetObject", "b"), FAULT_NONE);
  cr_expect_eq(kind_of(f, "PutObject", "a/1"), FAULT_NONE);
  cr_expect_eq(kind_of(f, "GetObject", "a/1"), FAULT_NONE);
  struct fault_effect e = pick(f, "GetObject", "a/2");
  cr_expect(e.kind == FAULT_DROP && e.bytes == 7);
  fault_effect_fini(&e);
  cr_expect_eq(kind_of(f, "GetObject", "a/3"), FAULT_DROP);
  cr_expect_eq(kind_of(f, "GetObject", "a/4"), FAULT_NONE);
  cr_expect_eq(kind_of(f, "HeadObject", "z"), FAULT_HANG);
  faults_clear(f);
  cr_expect_eq(kind_of(f, "HeadObject", "z"), FAULT_NONE);
  faults_free(f);
}

Test(faults, malformed_ones_are_refused_whole) {
  static const char *const texts[] = {"",
                                      "{",
                                      "{}",
                                      "[]x",
                                      "\"effect\"",
                                      "{\"effect\":\"explode\"}",
                                      "{\"effect\":1}",
                                      "{\"effect\":\"drop\",\"colour\":1}",
                                      "{\"effect\":\"drop\",\"key\":1}",
                                      "{\"effect\":\"error\",\"status\":99}",
                                      "{\"effect\":\"error\",\"status\":\"503\"}",
                                      "{\"effect\":\"none\",\"headers\":{\"a\":1}}",
                                      "[{\"effect\":\"drop\"},{\"effect\":\"explode\"}]"};
  struct faults *f;
  cr_assert_eq(faults_new(&f), 0);
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    cr_expect_eq(add(f, texts[i]), -EINVAL, "%s", texts[i]);
  cr_expect_eq(kind_of(f, "GetObject", "k"), FAULT_NONE);
  faults_free(f);
}
