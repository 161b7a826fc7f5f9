/* The shared tier's format: what comes out is what went in, in the same place, or
 * nothing. And what a mount knows of the tier. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../../src/data/tier_known.h"
#include "../../../src/data/tier_seal.h"
#include "support/pattern.h"

#define SIZE (DATA_PART + 3 * DATA_GRID + 100)

static const uint8_t file_key[TIER_KEY] = "0123456789abcdef0123456789abcde";
static struct tier_keys keys;
static struct tier_version *version;
static unsigned char *plain, *frame, *out;

static struct tier_version *version_of(const char *place, const char *key, const char *etag,
                                       uint64_t size) {
  struct tier_version *v;

  cr_assert_eq(tier_version_new(&keys, place, key, etag, size, &v), 0);
  return v;
}

static void setup(void) {
  cr_assert_eq(tier_keys_init(&keys, file_key), 0);
  version = version_of("https://b.s3/", "a/b", "etag1", SIZE);
  plain = pattern_new(DATA_GRID, 7);
  frame = malloc(TIER_FRAME);
  out = calloc(1, DATA_GRID);
  cr_assert(frame != NULL && out != NULL);
}

static void teardown(void) {
  tier_version_free(version);
  tier_keys_fini(&keys);
  free(plain);
  free(frame);
  free(out);
}

TestSuite(tier_seal, .init = setup, .fini = teardown);

Test(tier_seal, sizes) {
  cr_expect_eq(tier_cell_length(SIZE, 0), DATA_GRID);
  cr_expect_eq(tier_cell_length(SIZE, 35), 100);
  cr_expect_eq(tier_cell_length(SIZE, 36), 0);
  cr_expect_eq(tier_cell_length(2 * DATA_GRID, 1), DATA_GRID);
  cr_expect_eq(tier_part_sealed(SIZE, 0), 32 * TIER_FRAME);
  cr_expect_eq(tier_part_sealed(SIZE, 1), 3 * TIER_FRAME + 100 + TIER_OVERHEAD);
  cr_expect_eq(tier_part_sealed(SIZE, 2), 0);
}

Test(tier_seal, round_trip) {
  for (uint64_t cell = 0; cell < 36; cell++) {
    size_t len = tier_cell_length(SIZE, cell);

    cr_assert_eq(tier_seal(version, cell, plain, frame), 0);
    cr_expect(len < 100 || memmem(frame, len + TIER_OVERHEAD, plain, 32) == NULL);
    cr_assert_eq(tier_open(version, cell, frame, out), 0);
    cr_expect_eq(memcmp(out, plain, len), 0);
  }
}

Test(tier_seal, opens_to_a_place_before_the_frame) {
  unsigned char *run = malloc(2 * TIER_FRAME);

  cr_assert_not_null(run);
  cr_assert_eq(tier_seal(version, 0, plain, run), 0);
  cr_assert_eq(tier_seal(version, 1, plain, run + TIER_FRAME), 0);
  cr_assert_eq(tier_open(version, 0, run, run), 0);
  cr_assert_eq(tier_open(version, 1, run + TIER_FRAME, run + DATA_GRID), 0);
  cr_expect_eq(memcmp(run, plain, DATA_GRID), 0);
  cr_expect_eq(memcmp(run + DATA_GRID, plain, DATA_GRID), 0);
  free(run);
}

Test(tier_seal, never_the_same_twice) {
  unsigned char *again = malloc(TIER_FRAME);

  cr_assert_not_null(again);
  cr_assert_eq(tier_seal(version, 0, plain, frame), 0);
  cr_assert_eq(tier_seal(version, 0, plain, again), 0);
  cr_expect_neq(memcmp(frame + 12, again + 12, 12), 0);
  cr_expect_neq(memcmp(frame + 24, again + 24, 64), 0);
  free(again);
}

Test(tier_seal, flipped_bits) {
  size_t len = TIER_OVERHEAD + 100;

  cr_assert_eq(tier_seal(version, 35, plain, frame), 0);
  for (size_t bit = 0; bit < len * 8; bit++) {
    int rc;

    frame[bit / 8] ^= (unsigned char)(1 << bit % 8);
    rc = tier_open(version, 35, frame, out);
    cr_expect_eq(rc, bit / 8 >= 4 && bit / 8 < 12 ? -ENOKEY : -EBADMSG, "bit %zu: %d", bit, rc);
    frame[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
  cr_expect_eq(tier_open(version, 35, frame, out), 0);
}

Test(tier_seal, another_cell) {
  cr_assert_eq(tier_seal(version, 3, plain, frame), 0);
  for (uint64_t cell = 0; cell < 40; cell++)
    cr_expect_eq(tier_open(version, cell, frame, out), cell == 3 ? 0 : -EBADMSG);
}

Test(tier_seal, another_version) {
  struct tier_version *others[] = {
      version_of("https://c.s3/", "a/b", "etag1", SIZE),
      version_of("https://b.s3/", "a/c", "etag1", SIZE),
      version_of("https://b.s3/", "a/b", "etag2", SIZE),
      version_of("https://b.s3/", "a/b", "etag1", SIZE + DATA_PART),
      version_of("https://b.s3/", "a/", "betag1", SIZE),
  };
  char name[TIER_NAME + 1];

  cr_assert_eq(tier_seal(version, 0, plain, frame), 0);
  cr_assert_eq(tier_version_name(version, 0, name), 0);
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    char other[TIER_NAME + 1];

    cr_expect_eq(tier_open(others[i], 0, frame, out), -EBADMSG, "%zu", i);
    cr_assert_eq(tier_version_name(others[i], 0, other), 0);
    cr_expect_str_neq(name, other);
    tier_version_free(others[i]);
  }
}

/* The same object through mounts of different folders. */
Test(tier_seal, the_same_address_is_the_same_version) {
  struct tier_version *same = version_of("https://b.s3/a/", "b", "etag1", SIZE);
  char name[TIER_NAME + 1];
  char other[TIER_NAME + 1];

  cr_assert_eq(tier_version_name(version, 0, name), 0);
  cr_assert_eq(tier_version_name(same, 0, other), 0);
  cr_expect_str_eq(name, other);
  cr_assert_eq(tier_seal(version, 0, plain, frame), 0);
  cr_expect_eq(tier_open(same, 0, frame, out), 0);
  cr_expect_eq(tier_version_hash(version), tier_version_hash(same));
  tier_version_free(same);
}

Test(tier_seal, another_key_file_is_a_miss) {
  uint8_t other_key[TIER_KEY];
  struct tier_keys other_keys;
  struct tier_version *other;
  char name[TIER_NAME + 1];
  char other_name[TIER_NAME + 1];

  memcpy(other_key, file_key, sizeof(other_key));
  other_key[0] ^= 1;
  cr_assert_eq(tier_keys_init(&other_keys, other_key), 0);
  cr_assert_eq(tier_version_new(&other_keys, "https://b.s3/", "a/b", "etag1", SIZE, &other), 0);
  cr_assert_eq(tier_seal(version, 0, plain, frame), 0);
  cr_expect_eq(tier_open(other, 0, frame, out), -ENOKEY);
  memcpy(frame + 4, other_keys.id, TIER_KEY_ID); /* claimed to be the other's */
  cr_expect_eq(tier_open(other, 0, frame, out), -EBADMSG);
  cr_assert_eq(tier_version_name(version, 0, name), 0);
  cr_assert_eq(tier_version_name(other, 0, other_name), 0);
  cr_expect_str_neq(name, other_name);
  tier_version_free(other);
  tier_keys_fini(&other_keys);
}

Test(tier_seal, names) {
  char first[TIER_NAME + 1];
  char second[TIER_NAME + 1];

  cr_assert_eq(tier_version_name(version, 0, first), 0);
  cr_assert_eq(tier_version_name(version, 1, second), 0);
  cr_expect_str_neq(first, second);
  cr_expect_eq(strspn(first, "0123456789abcdef"), TIER_NAME);
}

/* --- what is known --- */

static struct tier_known *known;

static void known_setup(void) {
  known = calloc(1, sizeof(*known));
  cr_assert_not_null(known);
}

static void known_teardown(void) {
  free(known);
}

TestSuite(tier_known, .init = known_setup, .fini = known_teardown);

Test(tier_known, what_was_found_is_asked_for_and_what_was_not_is_left_alone) {
  cr_expect(tier_known_likely(known, 1, 100, 0));
  tier_known_note(known, 1, 100, true, 0);
  cr_expect(tier_known_likely(known, 1, 101, 1000000), "its version is there");
  tier_known_note(known, 1, 101, false, 0);
  cr_expect_not(tier_known_likely(known, 1, 101, TIER_ABSENT_MS - 1));
  cr_expect(tier_known_likely(known, 1, 101, TIER_ABSENT_MS));
  tier_known_note(known, 2, 200, false, 0);
  cr_expect_not(tier_known_likely(known, 2, 201, TIER_ABSENT_MS - 1), "nor its other parts");
  tier_known_set(known, 201, TIER_HELD, 0);
  cr_expect(tier_known_likely(known, 2, 201, 1), "but what was filled in since then");
}

Test(tier_known, a_cold_tier_is_asked_rarely) {
  unsigned asked = 0;

  for (uint64_t v = 1; v <= 400; v++)
    if (tier_known_likely(known, v, 1000 + v, 0)) {
      asked++;
      tier_known_note(known, v, 1000 + v, false, 0);
    }
  cr_expect_eq(asked, TIER_DOUBT + (400 - TIER_DOUBT) / TIER_RARELY);
  tier_known_note(known, 5000, 5001, true, 0);
  cr_expect(tier_known_likely(known, 6000, 6001, 0) && tier_known_likely(known, 6002, 6003, 0));
}

Test(tier_known, the_gate) {
  struct tier_gate g = {0};

  cr_expect_not(tier_gate_note(&g, false, 0) || tier_gate_note(&g, false, 0));
  cr_expect_not(tier_gate_note(&g, true, 0));
  cr_expect_not(tier_gate_note(&g, false, 0) || tier_gate_note(&g, false, 0));
  cr_expect(tier_gate_pass(&g, 0) && tier_gate_note(&g, false, 0), "three in a row");
  cr_expect(tier_gate_is_shut(&g));
  for (int i = 0; i < 30; i++) /* those that were under way */
    cr_expect_not(tier_gate_note(&g, false, 5));
  cr_expect_not(tier_gate_pass(&g, TIER_PAUSE_MS - 1));
  cr_expect(tier_gate_pass(&g, TIER_PAUSE_MS));
  cr_expect_not(tier_gate_pass(&g, TIER_PAUSE_MS), "one trial");
  cr_expect_not(tier_gate_note(&g, false, TIER_PAUSE_MS));
  cr_expect_not(tier_gate_pass(&g, 3 * TIER_PAUSE_MS - 1), "a longer pause");
  cr_expect(tier_gate_pass(&g, 3 * TIER_PAUSE_MS));
  tier_gate_withdraw(&g);
  cr_expect(tier_gate_pass(&g, 3 * TIER_PAUSE_MS));
  cr_expect(tier_gate_note(&g, true, 3 * TIER_PAUSE_MS) && !tier_gate_is_shut(&g));
}
