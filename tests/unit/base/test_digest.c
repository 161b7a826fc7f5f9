/* Digests against published values, one shot and in pieces. */
#include <criterion/criterion.h>
#include <string.h>

#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"

static void expect_hex(const uint8_t *raw, size_t len, const char *want) {
  struct buf out;

  buf_init(&out, 0);
  text_hex(&out, raw, len);
  cr_expect_str_eq(buf_cstr(&out), want);
  buf_fini(&out);
}

static const struct {
  enum digest_kind kind;
  size_t size;
  const char *abc;
} kinds[] = {
    {DIGEST_MD5, 16, "900150983cd24fb0d6963f7d28e17f72"},
    {DIGEST_SHA1, 20, "a9993e364706816aba3e25717850c26c9cd0d89d"},
    {DIGEST_SHA256, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {DIGEST_SHA512, 64,
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

Test(digest, one_shot_and_streaming) {
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    uint8_t raw[DIGEST_MAX];
    struct digest *d;

    cr_expect_eq(digest_size(kinds[i].kind), kinds[i].size);
    cr_assert_eq(digest_once(kinds[i].kind, "abc", 3, raw), 0);
    expect_hex(raw, kinds[i].size, kinds[i].abc);
    memset(raw, 0, sizeof(raw));
    cr_assert_eq(digest_new(kinds[i].kind, &d), 0);
    digest_update(d, "a", 1);
    digest_update(d, "", 0);
    digest_update(d, "bc", 2);
    cr_assert_eq(digest_final(d, raw), 0);
    digest_free(d);
    expect_hex(raw, kinds[i].size, kinds[i].abc);
  }
  digest_free(NULL);
}

Test(digest, empty_input) {
  char hex[65];

  cr_assert_eq(digest_sha256_hex("", 0, hex), 0);
  cr_expect_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
Test(digest, hmac) {
  uint8_t out[32];
  uint8_t key[131];

  memset(key, 0x0b, 20);
  cr_assert_eq(digest_hmac_sha256(key, 20, "Hi There", 8, out), 0);
  expect_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  cr_assert_eq(digest_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out), 0);
  expect_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  memset(key, 0xaa, 131);
  cr_assert_eq(digest_hmac_sha256(
                   key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out),
               0);
  expect_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  cr_expect_eq(digest_hmac_sha256("", 0, "", 0, out), 0);
}
