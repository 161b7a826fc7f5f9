/* AES-256-GCM against published values, and against every kind of harm. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "s3apfs/base/aead.h"
#include "s3apfs/base/text.h"

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16. */
static const char key_hex[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
static const char nonce_hex[] = "cafebabefacedbaddecaf888";
static const char plain_hex[] = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
static const char ad_hex[] = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
static const char sealed_hex[] = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                                 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662";
static const char tag_hex[] = "76fc6ece0f4e1768cddf8853bb2d551b";
#define LEN 60

static uint8_t key[AEAD_KEY], nonce[AEAD_NONCE], plain[LEN], ad[20], sealed[LEN], tag[AEAD_TAG];
static struct aead *aead;

static void setup(void) {
  cr_assert_eq(text_unhex(key, key_hex, strlen(key_hex)), 0);
  cr_assert_eq(text_unhex(nonce, nonce_hex, strlen(nonce_hex)), 0);
  cr_assert_eq(text_unhex(plain, plain_hex, strlen(plain_hex)), 0);
  cr_assert_eq(text_unhex(ad, ad_hex, strlen(ad_hex)), 0);
  cr_assert_eq(text_unhex(sealed, sealed_hex, strlen(sealed_hex)), 0);
  cr_assert_eq(text_unhex(tag, tag_hex, strlen(tag_hex)), 0);
  cr_assert_eq(aead_new(key, &aead), 0);
}

static void teardown(void) {
  aead_free(aead);
}

TestSuite(aead, .init = setup, .fini = teardown);

Test(aead, published_value) {
  uint8_t out[LEN], got[AEAD_TAG];

  for (int again = 0; again < 2; again++) { /* one key seals many */
    cr_assert_eq(aead_seal(aead, nonce, ad, sizeof(ad), plain, LEN, out, got), 0);
    cr_expect_eq(memcmp(out, sealed, LEN), 0);
    cr_expect_eq(memcmp(got, tag, sizeof(got)), 0);
    cr_assert_eq(aead_open(aead, nonce, ad, sizeof(ad), sealed, LEN, out, tag), 0);
    cr_expect_eq(memcmp(out, plain, LEN), 0);
  }
}

Test(aead, in_place) {
  uint8_t got[AEAD_TAG], bytes[LEN];

  memcpy(bytes, plain, LEN);
  cr_assert_eq(aead_seal(aead, nonce, ad, sizeof(ad), bytes, LEN, bytes, got), 0);
  cr_expect_eq(memcmp(bytes, sealed, LEN), 0);
  cr_assert_eq(aead_open(aead, nonce, ad, sizeof(ad), bytes, LEN, bytes, tag), 0);
  cr_expect_eq(memcmp(bytes, plain, LEN), 0);
}

static void expect_refused(void) {
  uint8_t out[LEN];

  cr_expect_eq(aead_open(aead, nonce, ad, sizeof(ad), sealed, LEN, out, tag), -EBADMSG);
}

static void flip_each_bit(uint8_t *bytes, size_t len) {
  for (size_t bit = 0; bit < len * 8; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    expect_refused();
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
}

Test(aead, any_flipped_bit_is_refused) {
  uint8_t out[LEN];

  flip_each_bit(sealed, sizeof(sealed));
  flip_each_bit(tag, sizeof(tag));
  flip_each_bit(nonce, sizeof(nonce));
  flip_each_bit(ad, sizeof(ad));
  cr_expect_eq(aead_open(aead, nonce, ad, sizeof(ad), sealed, LEN - 1, out, tag), -EBADMSG);
  cr_expect_eq(aead_open(aead, nonce, ad, sizeof(ad) - 1, sealed, LEN, out, tag), -EBADMSG);
  cr_expect_eq(aead_open(aead, nonce, ad, sizeof(ad), sealed, LEN, out, tag), 0);
}

Test(aead, another_key_is_refused) {
  struct aead *other;
  uint8_t out[LEN];

  key[31] ^= 1;
  cr_assert_eq(aead_new(key, &other), 0);
  cr_expect_eq(aead_open(other, nonce, ad, sizeof(ad), sealed, LEN, out, tag), -EBADMSG);
  aead_free(other);
}

Test(aead, random_bytes_differ) {
  uint8_t a[32], b[32];

  cr_assert_eq(aead_random(a, sizeof(a)), 0);
  cr_assert_eq(aead_random(b, sizeof(b)), 0);
  cr_expect_neq(memcmp(a, b, sizeof(a)), 0);
}
