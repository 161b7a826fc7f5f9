/* The shared tier between two caches over one store: shared, harmed, gone, slow. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/data/cache.h"
#include "s3apfs/data/reader.h"
#include "s3apfs/data/tier.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"
#include "support/pattern.h"

#define MB ((size_t)1 << 20)
#define LEN (9 * MB + 12345)
#define PARTS 3

static struct store *source;
static struct store *bucket; /* the tier's, in memory */
static struct store *faulty; /* over it */
static struct budget *budget;
static struct tier *tier;
static struct cache *cache;
static const struct patience patient;
static struct tier_options options;

static void open_cache(void) {
  cr_assert_eq(tier_new(&options, &tier), 0);
  cr_assert_eq(budget_new(64 * MB, &budget), 0);
  cr_assert_eq(cache_new(budget, &cache), 0);
  cache_set_tier(cache, tier);
}

static void close_cache(void) {
  cache_free(cache);
  cr_expect_eq(budget_used(budget), 0);
  budget_free(budget);
  tier_free(tier);
}

/* Another process of the fleet. */
static void reopen(void) {
  close_cache();
  open_cache();
}

static void put(const char *key, size_t len, uint64_t seed) {
  unsigned char *p = pattern_new(len, seed);

  cr_assert_eq(mem_store_put(source, key, p, len), 0);
  free(p);
}

static void setup(void) {
  cr_assert_eq(mem_store_new("source", &source), 0);
  source->place = strdup("mem://source/");
  cr_assert_eq(mem_store_new("tier", &bucket), 0);
  cr_assert_eq(fault_store_new(bucket, &faulty), 0);
  options = (struct tier_options){.store = faulty, .proof_ms = 600000, .timeout_ms = 30000};
  memset(options.key, 7, sizeof(options.key));
  open_cache();
  put("a", LEN, 1);
}

static void teardown(void) {
  close_cache();
  free(source->place);
  source->place = NULL;
  store_free(source);
  store_free(faulty);
}

TestSuite(tier, .init = setup, .fini = teardown);

static uint64_t fetched(void) {
  struct mem_store_counts c;

  mem_store_counts(source, &c);
  return c.bytes;
}

static struct tier_stats stats(void) {
  struct tier_stats s;

  tier_stats(tier, &s);
  return s;
}

static void wait_for_loads(void) {
  bool idle = false;

  while (!idle) {
    mtx_lock(&cache->synced.lock);
    idle = cache->synced.loading == 0;
    mtx_unlock(&cache->synced.lock);
    usleep(200);
  }
}

/* Opens as a file system does (the first cell, from the source), reads all, compares. */
static void read_all(const char *key, size_t len, uint64_t seed) {
  struct store_attr a;
  struct reader *r;

  cr_assert_eq(source->ops->head(source, key, &a, NULL), 0);
  cr_assert_eq(reader_new(cache, source, key, &a, &r), 0);
  cr_assert_eq(reader_probe(r, &patient), 0);
  for (uint64_t at = 0; at < len;) {
    struct reader_reply reply;

    cr_assert_eq(reader_read(r, at, 1 * MB, &patient, &reply), 0);
    cr_assert_gt(reply.bytes, 0);
    for (int i = 0; i < reply.count; i++) {
      cr_assert(pattern_matches(reply.iov[i].iov_base, reply.iov[i].iov_len, at, seed));
      at += reply.iov[i].iov_len;
    }
    reader_put(r, &reply);
  }
  wait_for_loads();
  reader_free(r);
}

static unsigned objects(void) {
  struct store_page page;
  unsigned n;

  cr_assert_eq(bucket->ops->list(bucket, "", false, NULL, 1000, &page), 0);
  n = (unsigned)page.count;
  store_page_fini(&page);
  return n;
}

/* Extents may be skipped while the sealer is behind, others be sealed again: read until
 * all is there. */
static void fill(const char *key, size_t len, uint64_t seed, unsigned parts) {
  unsigned wanted = objects() + parts;

  for (int i = 0; i < 20 && objects() < wanted; i++) {
    read_all(key, len, seed);
    tier_drain(tier);
    reopen();
  }
  cr_assert_geq(objects(), wanted);
}

static void expect_filled_again(const char *key, size_t len, uint64_t seed) {
  uint64_t filled = 0;

  for (int i = 0; i < 20 && filled == 0; i++) {
    read_all(key, len, seed);
    tier_drain(tier);
    filled = stats().filled;
    reopen();
  }
  cr_assert_gt(filled, 0);
}

static void each_object(void (*fn)(const char *name, size_t size)) {
  struct store_page page;

  cr_assert_eq(bucket->ops->list(bucket, "", false, NULL, 1000, &page), 0);
  for (size_t i = 0; i < page.count; i++)
    fn(page.entries[i].name, page.entries[i].attr.size);
  store_page_fini(&page);
}

static unsigned seen;

static unsigned char *content_of(const char *name, size_t size) {
  unsigned char *p = malloc(size);
  size_t got;

  cr_assert_not_null(p);
  cr_assert_eq(store_read(bucket, name, NULL, 0, p, size, &got, NULL), 0);
  cr_assert_eq(got, size);
  return p;
}

static void expect_sealed(const char *name, size_t size) {
  unsigned char *plain = pattern_new(LEN, 1);
  unsigned char *p = content_of(name, size);

  cr_expect_eq(strlen(name), 64);
  for (size_t at = 0; at + 64 < LEN; at += MB)
    cr_expect_null(memmem(p, size, plain + at, 16));
  free(plain);
  free(p);
  seen++;
}

Test(tier, a_second_mount_fetches_the_proof_only) {
  uint64_t before;

  fill("a", LEN, 1, PARTS);
  seen = 0;
  each_object(expect_sealed);
  cr_expect_eq(seen, PARTS);
  before = fetched();
  read_all("a", LEN, 1);
  cr_expect_eq(fetched() - before, DATA_GRID);
  cr_expect_eq(stats().hit_bytes, LEN - DATA_GRID);
  cr_expect_eq(stats().bad_parts, 0);
}

Test(tier, without_a_proof_nothing_is_taken_from_it) {
  uint64_t before;

  fill("a", LEN, 1, PARTS);
  options.proof_ms = 0;
  reopen();
  before = fetched();
  usleep(2000);
  read_all("a", LEN, 1);
  cr_expect_eq(fetched() - before, LEN);
  cr_expect_eq(stats().hits, 0);
}

Test(tier, a_forgotten_proof_is_made_again) {
  uint64_t before;

  fill("a", LEN, 1, PARTS);
  read_all("a", LEN, 1);
  before = fetched();
  cache_drop(cache, "source", "");
  read_all("a", LEN, 1);
  cr_expect_eq(fetched() - before, DATA_GRID);
}

Test(tier, what_is_denied_is_denied_though_the_tier_holds_it) {
  struct store_attr a;
  struct reader *r;

  fill("a", LEN, 1, PARTS);
  cr_assert_eq(source->ops->head(source, "a", &a, NULL), 0);
  mem_store_deny_key(source, "a", true);
  cr_assert_eq(reader_new(cache, source, "a", &a, &r), 0);
  cr_expect_eq(reader_probe(r, &patient), -EACCES);
  reader_free(r);
  cr_expect_eq(stats().hits, 0);
}

Test(tier, a_new_version_is_a_new_thing) {
  fill("a", LEN, 1, PARTS);
  put("a", LEN, 2);
  read_all("a", LEN, 2);
  cr_expect_eq(stats().hits, 0);
}

/* --- harm --- */

static void (*harm)(unsigned char *p, size_t *size);

static void harm_object(const char *name, size_t size) {
  unsigned char *p = content_of(name, size);

  harm(p, &size);
  cr_assert_eq(mem_store_put(bucket, name, p, size), 0);
  free(p);
}

static void flip_late(unsigned char *p, size_t *size) {
  p[*size - 1] ^= 1;
}

static void flip_early(unsigned char *p, size_t *size) {
  (void)size;
  p[140000] ^= 4;
}

static void cut(unsigned char *p, size_t *size) {
  (void)p;
  *size -= 1;
}

static void cut_most(unsigned char *p, size_t *size) {
  (void)p;
  *size = 10;
}

static void scribble(unsigned char *p, size_t *size) {
  memset(p, 'x', *size);
}

static void expect_right_after(void (*how)(unsigned char *p, size_t *size)) {
  fill("a", LEN, 1, PARTS);
  harm = how;
  each_object(harm_object);
  read_all("a", LEN, 1);
  cr_expect_gt(stats().bad_parts, 0);
  expect_filled_again("a", LEN, 1); /* and what was harmed is made anew */
  read_all("a", LEN, 1);
}

Test(tier, flipped_at_the_end) {
  expect_right_after(flip_late);
}

Test(tier, flipped_at_the_beginning) {
  expect_right_after(flip_early);
}

Test(tier, cut_short) {
  expect_right_after(cut);
}

Test(tier, cut_to_nothing) {
  expect_right_after(cut_most);
}

Test(tier, scribbled_over) {
  expect_right_after(scribble);
}

/* Reads a few bytes at each of these offsets. */
static void read_places(const char *key, const uint64_t *places, size_t count, uint64_t seed) {
  struct store_attr a;
  struct reader *r;

  cr_assert_eq(source->ops->head(source, key, &a, NULL), 0);
  cr_assert_eq(reader_new(cache, source, key, &a, &r), 0);
  cr_assert_eq(reader_probe(r, &patient), 0);
  for (size_t i = 0; i < count; i++) {
    struct reader_reply reply;

    cr_assert_eq(reader_read(r, places[i], 100, &patient, &reply), 0);
    cr_expect(pattern_matches(reply.iov[0].iov_base, reply.iov[0].iov_len, places[i], seed));
    reader_put(r, &reply);
  }
  wait_for_loads();
  reader_free(r);
}

/* Cells before the damage came from the tier, so no reader has all of the part. */
Test(tier, a_damaged_part_that_is_read_in_pieces_is_made_anew) {
  static const uint64_t places[] = {5 * MB, 9 * MB, 7 * MB + 900000};

  fill("a", LEN, 1, PARTS);
  harm = flip_late;
  each_object(harm_object);
  reopen();
  read_places("a", places, 3, 1);
  cr_expect_eq(stats().bad_parts, 1);
  for (int i = 0; i < 10000 && stats().filled == 0; i++)
    usleep(1000);
  cr_expect_eq(stats().filled, 1);
  reopen();
  read_places("a", places, 3, 1);
  cr_expect_eq(stats().bad_parts, 0);
}

static char first_name[128];

static void take_first(const char *name, size_t size) {
  unsigned char *p = content_of(name, size);

  if (first_name[0] != '\0')
    cr_assert_eq(mem_store_put(bucket, first_name, p, size), 0);
  else
    cr_assert_lt(strlen(name), sizeof(first_name));
  if (first_name[0] == '\0')
    snprintf(first_name, sizeof(first_name), "%s", name);
  free(p);
}

Test(tier, swapped_objects) {
  fill("a", LEN, 1, PARTS);
  put("b", LEN, 2);
  fill("b", LEN, 2, PARTS);
  first_name[0] = '\0';
  each_object(take_first); /* the first gets all others' contents, the last's stays */
  read_all("a", LEN, 1);
  read_all("b", LEN, 2);
  cr_expect_gt(stats().bad_parts, 0);
}

Test(tier, another_key_is_a_miss) {
  fill("a", LEN, 1, PARTS);
  options.key[0] ^= 1;
  reopen();
  read_all("a", LEN, 1);
  cr_expect_eq(stats().hits, 0);
  cr_expect_gt(stats().misses, 0);
  cr_expect_eq(stats().bad_parts, 0);
}

/* --- a tier that does not work --- */

Test(tier, that_cannot_be_read) {
  fill("a", LEN, 1, PARTS);
  fault_store_fail(faulty, FAULT_GET, 0, 1000, -EIO, 0);
  read_all("a", LEN, 1);
  cr_expect_gt(stats().failures, 0);
  cr_expect_eq(stats().hits, 0);
}

Test(tier, that_breaks_in_the_middle_of_an_answer) {
  fill("a", LEN, 1, PARTS);
  fault_store_fail(faulty, FAULT_GET, 0, 1000, -ECONNRESET, 300000);
  read_all("a", LEN, 1);
  cr_expect_gt(stats().hit_bytes, 0, "what came before is used");
}

Test(tier, that_stops_being_asked) {
  fault_store_fail(faulty, FAULT_GET, 0, 1000000, -EIO, 0);
  for (int i = 0; i < 20; i++) {
    char key[16];

    snprintf(key, sizeof(key), "f%d", i);
    put(key, 2 * MB, (uint64_t)i);
    read_all(key, 2 * MB, (uint64_t)i);
  }
  cr_expect(stats().reading_paused);
  cr_expect_lt(stats().failures, 20);
}

Test(tier, that_cannot_be_filled) {
  fault_store_fail(faulty, FAULT_PUT, 0, 1000000, -ENOSPC, 0);
  for (int i = 0; i < 8; i++) {
    read_all("a", LEN, 1);
    tier_drain(tier);
    cache_drop(cache, "source", "");
  }
  cr_expect(stats().writing_paused);
  cr_expect_eq(stats().filled, 0);
}

Test(tier, that_does_not_answer) {
  fill("a", LEN, 1, PARTS);
  options.timeout_ms = 50;
  reopen();
  fault_store_gate(faulty, FAULT_GET, 0);
  read_all("a", LEN, 1);
  cr_expect_gt(stats().failures, 0);
  cr_expect_eq(stats().hits, 0);
  fault_store_open(faulty);
}

Test(tier, that_stops_in_the_middle) {
  fill("a", LEN, 1, PARTS);
  options.timeout_ms = 50;
  reopen();
  fault_store_gate(faulty, FAULT_GET, 300000);
  read_all("a", LEN, 1);
  cr_expect_gt(stats().failures, 0);
  fault_store_open(faulty);
}

Test(tier, without_keys_yet) {
  fill("a", LEN, 1, PARTS);
  fault_store_fail(faulty, FAULT_GET, 0, 2, -EAGAIN, 0);
  read_all("a", LEN, 1);
  cr_expect_eq(stats().failures, 0);
  cr_expect_not(stats().reading_paused);
}

/* What is denied may just be absent. */
Test(tier, that_denies) {
  fill("a", LEN, 1, PARTS);
  fault_store_fail(faulty, FAULT_GET, 0, 1000, -EACCES, 0);
  read_all("a", LEN, 1);
  cr_expect_gt(stats().misses, 0);
  cr_expect_eq(stats().failures, 0);
}

Test(tier, small_objects_stay_out_of_it) {
  put("small", DATA_GRID, 3);
  read_all("small", DATA_GRID, 3);
  tier_drain(tier);
  cr_expect_eq(stats().filled, 0);
}

Test(tier, in_little_memory) {
  close_cache();
  cr_assert_eq(tier_new(&options, &tier), 0);
  cr_assert_eq(budget_new(6 * MB, &budget), 0);
  cr_assert_eq(cache_new(budget, &cache), 0);
  cache_set_tier(cache, tier);
  for (int i = 0; i < 4; i++)
    read_all("a", LEN, 1);
}
