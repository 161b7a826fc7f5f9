/* aws-chunked bodies: the published examples, every way to cut a body into pieces,
 * signatures and trailers, and everything malformed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/chunked.h"
#include "s3apfs/base/text.h"

#define DOC_DATE 1369353600 /* 2013-05-24T00:00:00Z */
#define SEED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
#define UNKNOWN CHUNKED_LENGTH_UNKNOWN

static const struct sigv4_scope scope = {.region = "us-east-1", .service = "s3", .time = DOC_DATE};
static const char secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

static const struct chunked_form plain = {false, false, true};
static const struct chunked_form hmac = {true, false, false};
static const struct chunked_form hmac_trailer = {true, false, true};
static const struct chunked_form ecdsa_trailer = {true, true, true};

static int collect(void *arg, const void *bytes, size_t len) {
  struct buf *out = arg;

  cr_expect(len > 0);
  buf_append(out, bytes, len);
  return buf_error(out);
}

struct decoding {
  struct chunked_options o;
  struct chunked *c;
  struct buf payload;
  uint8_t key[32];
};

static void begin(struct decoding *d, struct chunked_form form, uint64_t length) {
  memset(d, 0, sizeof(*d));
  buf_init(&d->payload, 0);
  cr_assert(sigv4_signing_key(secret, &scope, d->key) == 0);
  d->o = (struct chunked_options){.form = form,
                                  .decoded_length = length,
                                  .key = form.is_signed ? d->key : NULL,
                                  .scope = &scope,
                                  .seed_signature = SEED,
                                  .data = collect,
                                  .arg = &d->payload};
  cr_assert(chunked_new(&d->o, &d->c) == 0);
}

static void end(struct decoding *d) {
  chunked_free(d->c);
  buf_fini(&d->payload);
}

/* Feeds in pieces of `step` bytes (0: all at once), then finishes. */
static int feed(struct decoding *d, const char *body, size_t len, size_t step) {
  for (size_t at = 0; at < len;) {
    size_t n = step != 0 && step < len - at ? step : len - at;
    int rc = chunked_feed(d->c, body + at, n);

    if (rc != 0)
      return rc;
    at += n;
  }
  return chunked_finish(d->c);
}

/* --- building bodies --- */

static void put_chunk(struct buf *body, const struct decoding *d, char previous[65],
                      const char *data, size_t len) {
  cr_assert(sigv4_chunk_signature(d->key, &scope, previous, data, len, previous) == 0);
  buf_printf(body, "%zx;chunk-signature=%s\r\n", len, previous);
  buf_append(body, data, len);
  if (len != 0)
    buf_puts(body, "\r\n");
}

static void put_trailer(struct buf *body, const struct decoding *d, const char *previous,
                        const char *name, const char *value) {
  char *line = text_printf("%s:%s\n", name, value);
  char hex[65];

  cr_assert(sigv4_trailer_signature(d->key, &scope, previous, line, strlen(line), hex) == 0);
  buf_printf(body, "%s:%s\r\nx-amz-trailer-signature:%s\r\n", name, value, hex);
  free(line);
}

static void signed_body(struct buf *body, const struct decoding *d, bool trailer) {
  char previous[65] = SEED;

  put_chunk(body, d, previous, "hello ", 6);
  put_chunk(body, d, previous, "world, this is more", 19);
  put_chunk(body, d, previous, "", 0);
  if (trailer)
    put_trailer(body, d, previous, "x-amz-checksum-crc32c", "yZRlqg==");
  buf_puts(body, "\r\n");
}

/* --- what is accepted --- */

Test(chunked, forms) {
  struct chunked_form f;

  cr_assert(chunked_form_parse("STREAMING-UNSIGNED-PAYLOAD-TRAILER", &f));
  cr_expect(!f.is_signed && !f.asymmetric && f.trailers);
  cr_assert(chunked_form_parse("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", &f));
  cr_expect(f.is_signed && !f.asymmetric && !f.trailers);
  cr_assert(chunked_form_parse("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", &f));
  cr_expect(f.is_signed && !f.asymmetric && f.trailers);
  cr_assert(chunked_form_parse("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", &f));
  cr_expect(f.is_signed && f.asymmetric && !f.trailers);
  cr_assert(chunked_form_parse("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", &f));
  cr_expect(f.is_signed && f.asymmetric && f.trailers);
  cr_expect(!chunked_form_parse("UNSIGNED-PAYLOAD", &f));
  cr_expect(!chunked_form_parse(SIGV4_EMPTY_SHA256, &f));
  cr_expect(!chunked_form_parse("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILERS", &f));
  cr_expect(!chunked_form_parse("", &f));
}

Test(chunked, unsigned_body_in_every_portion) {
  static const char body[] = "5\r\nhello\r\n1\r\n \r\n00A\r\nworld\r\n0\r\n\r\n0\r\n"
                             "X-Amz-Checksum-Crc32: DUoRhQ==\r\n\r\n";

  for (size_t step = 0; step < sizeof(body); step++) {
    struct decoding d;

    begin(&d, plain, 16);
    cr_assert(feed(&d, body, strlen(body), step) == 0, "step %zu: fault %d", step,
              (int)chunked_fault(d.c));
    cr_expect_str_eq(buf_cstr(&d.payload), "hello world\r\n0\r\n");
    cr_expect(chunked_length(d.c) == 16);
    cr_expect(chunked_fault(d.c) == CHUNKED_FAULT_NONE);
    cr_assert(chunked_trailers(d.c)->count == 1);
    cr_expect_str_eq(kvlist_get(chunked_trailers(d.c), "x-amz-checksum-crc32"), "DUoRhQ==");
    end(&d);
  }
}

Test(chunked, empty_bodies) {
  struct decoding d;

  begin(&d, plain, 0);
  cr_expect(feed(&d, "0\r\n\r\n", 5, 1) == 0);
  cr_expect(d.payload.len == 0);
  end(&d);
  begin(&d, plain, UNKNOWN);
  cr_expect(feed(&d, "000\r\n\r\n", 7, 0) == 0);
  end(&d);
}

/* The example of the S3 API reference: 65,536 + 1,024 times 'a'. */
static void published_body(struct buf *body, const char *const sigs[3]) {
  static const size_t sizes[] = {65536, 1024, 0};

  for (size_t i = 0; i < 3; i++) {
    buf_printf(body, "%zx;chunk-signature=%s\r\n", sizes[i], sigs[i]);
    for (size_t n = 0; n < sizes[i]; n++)
      buf_putc(body, 'a');
    if (sizes[i] != 0)
      buf_puts(body, "\r\n");
  }
}

Test(chunked, published_signed_body) {
  static const char *const sigs[] = {
      "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
      "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
      "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"};
  static const size_t steps[] = {0, 1, 7, 4096};
  struct buf body;

  buf_init(&body, 0);
  published_body(&body, sigs);
  buf_puts(&body, "\r\n");
  cr_assert(body.len == 66824, "the Content-Length of the example, not %zu", body.len);
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    struct decoding d;

    begin(&d, hmac, 66560);
    cr_expect(feed(&d, body.data, body.len, steps[i]) == 0, "step %zu", steps[i]);
    cr_expect(d.payload.len == 66560);
    end(&d);
  }
  buf_fini(&body);
}

Test(chunked, published_signed_body_with_trailer) {
  static const char *const sigs[] = {
      "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
      "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
      "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"};
  struct decoding d;
  struct buf body;

  buf_init(&body, 0);
  published_body(&body, sigs);
  buf_puts(&body, "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
                  "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n");
  begin(&d, hmac_trailer, 66560);
  chunked_free(d.c);
  d.o.seed_signature = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
  cr_assert(chunked_new(&d.o, &d.c) == 0);
  cr_expect(feed(&d, body.data, body.len, 1000) == 0, "fault %d", (int)chunked_fault(d.c));
  cr_expect_str_eq(kvlist_get(chunked_trailers(d.c), "x-amz-checksum-crc32c"), "sOO8/Q==");
  cr_expect(chunked_trailers(d.c)->count == 1);
  buf_fini(&body);
  end(&d);
}

static void v4a_sign(const struct sigv4a_key *k, const char *kind, const char *previous,
                     const char *tail, char *hex) {
  char *text = text_printf("AWS4-ECDSA-P256-SHA256-%s\n20130524T000000Z\n20130524/s3/aws4_request\n"
                           "%s\n%s",
                           kind, previous, tail);
  struct buf out;

  buf_init(&out, 0);
  cr_assert(sigv4a_signature(k, text, &out) == 0);
  memcpy(hex, buf_cstr(&out), out.len + 1);
  buf_fini(&out);
  free(text);
}

static void v4a_body(struct buf *body, const struct sigv4a_key *k) {
  char sig[145];
  char pad[145];

  /* sha256("hi"), then sha256("") */
  v4a_sign(k, "PAYLOAD", SEED,
           SIGV4_EMPTY_SHA256 "\n8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4",
           sig);
  memset(pad, '*', 144);
  memcpy(pad, sig, strlen(sig));
  pad[144] = '\0';
  buf_printf(body, "2;chunk-signature=%s\r\nhi\r\n", pad);
  v4a_sign(k, "PAYLOAD", sig, SIGV4_EMPTY_SHA256 "\n" SIGV4_EMPTY_SHA256, sig);
  buf_printf(body, "0;chunk-signature=%s\r\n", sig);
  /* sha256("a:b\n") */
  v4a_sign(k, "TRAILER", sig, "c467ccce5a16dc728ec6a5d89263821f0a9bd359d42e604105338262f3cc5725",
           sig);
  buf_printf(body, "A: b\r\nx-amz-trailer-signature:%s\r\n\r\n", sig);
}

Test(chunked, sigv4a_chunks_are_verified_and_padding_is_taken) {
  struct sigv4a_key *k;
  struct sigv4a_key *other;
  struct decoding d;
  struct buf body;

  cr_assert(sigv4a_key_derive("AKID", secret, &k) == 0);
  cr_assert(sigv4a_key_derive("AKIE", secret, &other) == 0);
  buf_init(&body, 0);
  v4a_body(&body, k);
  for (int right = 0; right < 2; right++) {
    begin(&d, ecdsa_trailer, 2);
    chunked_free(d.c);
    d.o.v4a = right ? k : other;
    cr_assert(chunked_new(&d.o, &d.c) == 0);
    if (right) {
      cr_expect(feed(&d, body.data, body.len, 1) == 0, "fault %d", (int)chunked_fault(d.c));
      cr_expect_str_eq(buf_cstr(&d.payload), "hi");
    } else {
      cr_expect(feed(&d, body.data, body.len, 1) == -EINVAL);
      cr_expect(chunked_fault(d.c) == CHUNKED_FAULT_SIGNATURE);
    }
    end(&d);
  }
  buf_fini(&body);
  sigv4a_key_free(k);
  sigv4a_key_free(other);
}

Test(chunked, without_a_key_only_the_form_of_signatures_counts) {
  struct decoding d;
  struct buf body;

  begin(&d, hmac_trailer, 25);
  buf_init(&body, 0);
  signed_body(&body, &d, true);
  body.data[3 + strlen("chunk-signature=")] ^= 1;
  cr_expect(feed(&d, body.data, body.len, 0) == -EINVAL);
  chunked_free(d.c);
  d.o.key = NULL;
  d.o.scope = NULL;
  d.o.seed_signature = NULL;
  cr_assert(chunked_new(&d.o, &d.c) == 0);
  cr_expect(feed(&d, body.data, body.len, 0) == 0);
  buf_fini(&body);
  end(&d);
}

Test(chunked, a_key_needs_scope_and_seed) {
  struct chunked *c = NULL;
  struct decoding d;

  begin(&d, hmac, 0);
  d.o.seed_signature = NULL;
  cr_expect(chunked_new(&d.o, &c) == -EINVAL);
  d.o.seed_signature = SEED;
  d.o.scope = NULL;
  cr_expect(chunked_new(&d.o, &c) == -EINVAL);
  cr_expect(c == NULL);
  end(&d);
  chunked_free(NULL);
}

/* --- what is refused --- */

static void expect_refused(struct chunked_form form, uint64_t length, const char *body, size_t len,
                           enum chunked_fault want) {
  for (size_t step = 0; step < 2; step++) {
    struct decoding d;
    int rc;

    begin(&d, form, length);
    rc = feed(&d, body, len, step);
    cr_expect(rc == -EINVAL, "'%.80s': %d", body, rc);
    cr_expect(chunked_fault(d.c) == want, "'%.80s': fault %d, not %d", body,
              (int)chunked_fault(d.c), (int)want);
    cr_expect(chunked_feed(d.c, "0\r\n\r\n", 5) == -EINVAL, "the error sticks");
    cr_expect(chunked_finish(d.c) == -EINVAL);
    cr_expect(chunked_fault(d.c) == want);
    end(&d);
  }
}

Test(chunked, malformed_framing) {
  static const char *const bodies[] = {"\r\n",
                                       "\n",
                                       " 5\r\nhello\r\n",
                                       "g\r\n",
                                       "-1\r\n",
                                       "+5\r\nhello",
                                       "0x5\r\nhello",
                                       "5 \r\nhello",
                                       "5\nhello",
                                       "5\r\r\nhello",
                                       "5\r\nhello\n\n",
                                       "5\r\nhello0\r\n\r\n",
                                       "5\r\nhello\r0",
                                       "5\r\nhelloo\r\n",
                                       "11111111111111111\r\n",
                                       "5;\r\nhello",
                                       "5;a=b\r\nhello",
                                       "\r\n0\r\n\r\n",
                                       "5;chunk-signature=" SEED "\r\nhello",
                                       "0\r\n\r\nx",
                                       "0\r\n\r\n\r\n",
                                       "0\n\r\n"};

  for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
    expect_refused(plain, UNKNOWN, bodies[i], strlen(bodies[i]), CHUNKED_FAULT_FRAMING);
  expect_refused(plain, UNKNOWN, "5\0\r\nhello", 10, CHUNKED_FAULT_FRAMING);
}

Test(chunked, over_long_lines) {
  size_t len = 1 << 20;
  char *body = malloc(len);

  cr_assert(body != NULL);
  memset(body, '0', len);
  expect_refused(plain, UNKNOWN, body, len, CHUNKED_FAULT_FRAMING);
  memcpy(body, "0\r\n", 3);
  memset(body + 3, 'a', len - 3);
  expect_refused(plain, UNKNOWN, body, len, CHUNKED_FAULT_TRAILER);
  free(body);
}

Test(chunked, wrong_decoded_length) {
  static const char body[] = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
  static const char huge[] = "ffffffffffffffff\r\n";

  expect_refused(plain, 10, body, strlen(body), CHUNKED_FAULT_LENGTH);
  expect_refused(plain, 4, body, strlen(body), CHUNKED_FAULT_LENGTH);
  expect_refused(plain, 0, body, strlen(body), CHUNKED_FAULT_LENGTH);
  expect_refused(plain, 12, body, strlen(body), CHUNKED_FAULT_LENGTH);
  expect_refused(plain, 1, "0\r\n\r\n", 5, CHUNKED_FAULT_LENGTH);
  expect_refused(plain, 11, huge, strlen(huge), CHUNKED_FAULT_LENGTH);
  expect_refused(plain, UNKNOWN, huge, strlen(huge), CHUNKED_FAULT_LENGTH);
  expect_refused(plain, UNKNOWN, "1\r\na\r\nfffffffffffffffe\r\n", 24, CHUNKED_FAULT_LENGTH);
}

Test(chunked, malformed_trailers) {
  static const char *const trailers[] = {
      "x\r\n\r\n",          ":v\r\n\r\n",         "a b:v\r\n\r\n",
      "a :v\r\n\r\n",       " a:v\r\n\r\n",       "a:v\n\r\n",
      "a:v\r\r\n\r\n",      "a:v\x01\r\n\r\n",    "a:v\r\na:w\r\n\r\n",
      "a:v\r\nA:w\r\n\r\n", "\xc3\xa9:v\r\n\r\n", "x-amz-trailer-signature:" SEED "\r\n"};

  for (size_t i = 0; i < sizeof(trailers) / sizeof(trailers[0]); i++) {
    char *body = text_printf("1\r\na\r\n0\r\n%s", trailers[i]);

    expect_refused(plain, 1, body, strlen(body), CHUNKED_FAULT_TRAILER);
    free(body);
  }
}

Test(chunked, too_many_trailers) {
  struct buf body;

  buf_init(&body, 0);
  buf_puts(&body, "0\r\n");
  for (int i = 0; i < 17; i++)
    buf_printf(&body, "t%d:v\r\n", i);
  expect_refused(plain, 0, body.data, body.len, CHUNKED_FAULT_TRAILER);
  buf_fini(&body);
}

Test(chunked, unannounced_trailer) {
  struct decoding d;
  struct buf body;

  begin(&d, hmac, 25);
  buf_init(&body, 0);
  signed_body(&body, &d, true);
  expect_refused(hmac, 25, body.data, body.len, CHUNKED_FAULT_TRAILER);
  buf_fini(&body);
  end(&d);
}

Test(chunked, every_cut_is_incomplete) {
  static const char body[] = "5\r\nhello\r\n0\r\na:b\r\n\r\n";

  for (size_t n = 0; n < strlen(body); n++) {
    struct decoding d;

    begin(&d, plain, 5);
    cr_expect(feed(&d, body, n, 0) == -EINVAL, "%zu", n);
    cr_expect(chunked_fault(d.c) == CHUNKED_FAULT_INCOMPLETE, "%zu", n);
    end(&d);
  }
}

static void open_end(struct decoding *d) {
  chunked_free(d->c);
  d->o.open_end = true;
  cr_assert(chunked_new(&d->o, &d->c) == 0);
}

Test(chunked, an_open_end_spares_only_the_last_line) {
  static const char body[] = "5\r\nhello\r\n0\r\na:b\r\n\r\n";

  for (size_t n = 0; n <= strlen(body); n++) {
    bool whole_lines = n == 13 || n == 18 || n == 20;
    struct decoding d;

    begin(&d, plain, 5);
    open_end(&d);
    cr_expect(feed(&d, body, n, 0) == (whole_lines ? 0 : -EINVAL), "%zu", n);
    cr_expect(chunked_fault(d.c) == (whole_lines ? CHUNKED_FAULT_NONE : CHUNKED_FAULT_INCOMPLETE),
              "%zu", n);
    end(&d);
  }
}

Test(chunked, an_open_end_still_needs_the_trailer_signature) {
  char previous[65] = SEED;
  struct decoding d;
  struct buf body;

  begin(&d, hmac_trailer, 1);
  open_end(&d);
  buf_init(&body, 0);
  put_chunk(&body, &d, previous, "a", 1);
  put_chunk(&body, &d, previous, "", 0);
  buf_puts(&body, "a:b\r\n");
  cr_expect(feed(&d, body.data, body.len, 0) == -EINVAL);
  cr_expect(chunked_fault(d.c) == CHUNKED_FAULT_SIGNATURE);
  buf_fini(&body);
  end(&d);
}

Test(chunked, missing_and_malformed_signatures) {
  static const char *const bodies[] = {
      "5\r\nhello\r\n",
      "5;\r\nhello\r\n",
      "5;chunk-signature=\r\nhello\r\n",
      "5;chunk-signature=00\r\nhello\r\n",
      "5;chunk-signature=" SEED "0\r\nhello\r\n",
      "5;chunk-signature=zf232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\r\n",
      "5;chunk-signature=4F232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\r\n",
      "5;chunk-signature=" SEED "*\r\nhello\r\n",
      "5;signature=" SEED "\r\nhello\r\n",
      "5;chunk-signature=" SEED ";chunk-signature=" SEED "\r\n",
      "5;chunk-signature=" SEED "\r\nhello\r\n", /* well-formed, wrong */
      "0\r\n\r\n",
      "0;chunk-signature=" SEED "\r\n\r\n"};

  for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
    expect_refused(hmac, UNKNOWN, bodies[i], strlen(bodies[i]), CHUNKED_FAULT_SIGNATURE);
}

Test(chunked, any_flipped_bit_of_a_signed_body_is_noticed) {
  struct decoding d;
  struct buf body;

  begin(&d, hmac_trailer, 25);
  buf_init(&body, 0);
  signed_body(&body, &d, true);
  cr_assert(feed(&d, body.data, body.len, 0) == 0);
  cr_expect_str_eq(buf_cstr(&d.payload), "hello world, this is more");
  end(&d);
  for (size_t i = 0; i < body.len; i++) {
    body.data[i] ^= 1;
    begin(&d, hmac_trailer, 25);
    cr_expect(feed(&d, body.data, body.len, 0) == -EINVAL, "byte %zu", i);
    end(&d);
    body.data[i] ^= 1;
  }
  buf_fini(&body);
}

Test(chunked, chunks_cannot_be_dropped_or_reordered) {
  char previous[65] = SEED;
  struct decoding d;
  struct buf first;
  struct buf second;
  struct buf last;
  struct buf body;

  begin(&d, hmac, 2);
  buf_init(&first, 0);
  buf_init(&second, 0);
  buf_init(&last, 0);
  buf_init(&body, 0);
  put_chunk(&first, &d, previous, "a", 1);
  put_chunk(&second, &d, previous, "b", 1);
  put_chunk(&last, &d, previous, "", 0);
  end(&d);
  buf_printf(&body, "%s%s%s\r\n", second.data, first.data, last.data);
  expect_refused(hmac, 2, body.data, body.len, CHUNKED_FAULT_SIGNATURE);
  buf_reset(&body);
  buf_printf(&body, "%s%s\r\n", first.data, last.data);
  expect_refused(hmac, 1, body.data, body.len, CHUNKED_FAULT_SIGNATURE);
  buf_reset(&body);
  buf_printf(&body, "%s%s%s\r\n", first.data, second.data, last.data);
  begin(&d, hmac, 2);
  cr_expect(feed(&d, body.data, body.len, 1) == 0);
  end(&d);
  buf_fini(&first);
  buf_fini(&second);
  buf_fini(&last);
  buf_fini(&body);
}

Test(chunked, a_signed_body_needs_its_trailer_signature) {
  char previous[65] = SEED;
  struct decoding d;
  struct buf body;
  size_t keep;

  begin(&d, hmac_trailer, 1);
  buf_init(&body, 0);
  put_chunk(&body, &d, previous, "a", 1);
  put_chunk(&body, &d, previous, "", 0);
  end(&d);
  keep = body.len;
  buf_puts(&body, "a:b\r\n\r\n");
  expect_refused(hmac_trailer, 1, body.data, body.len, CHUNKED_FAULT_SIGNATURE);
  body.len = keep;
  buf_puts(&body, "a:b\r\nx-amz-trailer-signature:" SEED "\r\n\r\n");
  expect_refused(hmac_trailer, 1, body.data, body.len, CHUNKED_FAULT_SIGNATURE);
  body.len = keep;
  begin(&d, hmac_trailer, 1);
  put_trailer(&body, &d, previous, "a", "b");
  end(&d);
  buf_puts(&body, "c:d\r\n\r\n");
  expect_refused(hmac_trailer, 1, body.data, body.len, CHUNKED_FAULT_TRAILER);
  buf_fini(&body);
}

static int out_of_space(void *arg, const void *bytes, size_t len) {
  (void)bytes;
  (void)len;
  ++*(int *)arg;
  return -ENOSPC;
}

Test(chunked, the_callback_ends_it) {
  struct decoding d;
  int calls = 0;

  begin(&d, plain, UNKNOWN);
  chunked_free(d.c);
  d.o.data = out_of_space;
  d.o.arg = &calls;
  cr_assert(chunked_new(&d.o, &d.c) == 0);
  cr_expect(chunked_feed(d.c, "5\r\nhello\r\n", 10) == -ENOSPC);
  cr_expect(chunked_feed(d.c, "5\r\nhello\r\n", 10) == -ENOSPC);
  cr_expect(chunked_finish(d.c) == -ENOSPC);
  cr_expect(calls == 1);
  end(&d);
}

Test(chunked, faults_have_codes) {
  cr_expect_str_eq(chunked_fault_code(CHUNKED_FAULT_NONE), "");
  cr_expect_str_eq(chunked_fault_code(CHUNKED_FAULT_SIGNATURE), "SignatureDoesNotMatch");
  cr_expect_str_eq(chunked_fault_code(CHUNKED_FAULT_TRAILER), "MalformedTrailerError");
  cr_expect_str_eq(chunked_fault_code(CHUNKED_FAULT_LENGTH), "IncompleteBody");
}
