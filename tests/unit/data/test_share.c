/* The memory for reading ahead, divided among those that stream. One thread, and each
 * load has ended before the next read, so what is held at a moment is always the same. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "../../../src/data/cache.h"
#include "s3apfs/data/reader.h"
#include "s3apfs/store/mem_store.h"

#define MB ((size_t)1 << 20)
#define SIZE (32 * MB)
#define MOST 16
#define STEPS(bytes) ((unsigned)((bytes) / DATA_GRID))

static struct store *store;
static struct budget *budget;
static struct cache *cache;
static const struct patience patient;

static struct stream {
  struct reader *reader;
  char key[16];
  uint64_t at;
} streams[MOST];

static void setup(void) {
  cr_assert_eq(mem_store_new("domain", &store), 0);
  memset(streams, 0, sizeof(streams));
}

static void teardown(void) {
  for (unsigned i = 0; i < MOST; i++)
    reader_free(streams[i].reader);
  cache_free(cache);
  budget_free(budget);
  store_free(store);
}

TestSuite(share, .init = setup, .fini = teardown);

/* `count` streams at the start of an object each. */
static void open_streams(size_t memory, unsigned count) {
  unsigned char *bytes = calloc(1, SIZE);
  struct store_attr a;
  size_t size = SIZE;

  cr_assert_eq(budget_new(memory, &budget), 0);
  cr_assert_eq(cache_new(budget, &cache), 0);
  for (unsigned i = 0; i < count; i++) {
    struct stream *s = &streams[i];

    snprintf(s->key, sizeof(s->key), "%u", i);
    cr_assert_eq(mem_store_put(store, s->key, bytes, size), 0);
    cr_assert_eq(store->ops->head(store, s->key, &a, NULL), 0);
    cr_assert_eq(reader_new(cache, store, s->key, &a, &s->reader), 0);
    size = count > 4 ? SIZE / 4 : SIZE; /* many need not read far */
  }
  free(bytes);
}

static void wait_for_loads(void) {
  mtx_lock(&cache->synced.lock);
  while (cache->synced.loading > 0)
    cond_wait(&cache->synced.idle, &cache->synced.lock);
  mtx_unlock(&cache->synced.lock);
}

static void read_at(struct stream *s, uint64_t offset) {
  struct reader_reply reply;

  cr_assert_eq(reader_read(s->reader, offset, DATA_GRID, &patient, &reply), 0);
  cr_assert_eq(reply.bytes, DATA_GRID);
  reader_put(s->reader, &reply);
  wait_for_loads();
}

static void step(struct stream *s) {
  read_at(s, s->at);
  s->at += DATA_GRID;
}

/* The first `count` streams in turn. */
static void go_on(unsigned count, unsigned steps) {
  for (unsigned n = 0; n < steps; n++)
    for (unsigned i = 0; i < count; i++)
      step(&streams[i]);
}

/* Bytes in memory behind the place where a stream is. */
static size_t ahead_of(const struct stream *s) {
  struct version *v;
  struct version *next;
  size_t bytes = 0;

  mtx_lock(&cache->synced.lock);
  HASH_ITER (hh, cache->synced.versions, v, next) {
    if (strcmp(v->key, s->key) != 0)
      continue;
    for (size_t i = version_find_locked(v, s->at); i < v->count; i++) {
      uint64_t from = v->extents[i]->offset;

      bytes += from + v->extents[i]->length - (from > s->at ? from : s->at);
    }
  }
  mtx_unlock(&cache->synced.lock);
  return bytes;
}

Test(share, those_that_stream_have_equal_parts_of_the_memory) {
  open_streams(64 * MB, 4);
  go_on(4, STEPS(5 * MB));
  for (unsigned i = 0; i < 4; i++) {
    cr_expect_leq(ahead_of(&streams[i]), 12 * MB, "%u has %zu", i, ahead_of(&streams[i]));
    cr_expect_geq(ahead_of(&streams[i]), 4 * MB, "%u has %zu", i, ahead_of(&streams[i]));
  }
}

Test(share, who_came_first_gives_way_to_those_that_come) {
  open_streams(24 * MB, 4);
  go_on(1, STEPS(5 * MB));
  cr_assert_geq(ahead_of(&streams[0]), 12 * MB, "has %zu", ahead_of(&streams[0]));
  for (unsigned i = 1; i < 4; i++)
    for (unsigned n = 0; n < 2; n++)
      step(&streams[i]);
  go_on(1, STEPS(12 * MB));
  cr_expect_leq(ahead_of(&streams[0]), 24 * MB / 4 * 3 / 4, "has %zu", ahead_of(&streams[0]));
}

/* All but the first stream end. */
static void expect_all_for_one(void (*end)(struct stream *s)) {
  open_streams(64 * MB, MOST);
  go_on(MOST, STEPS(MB));
  for (unsigned i = 1; i < MOST; i++)
    end(&streams[i]);
  go_on(1, STEPS(4 * MB));
  cr_expect_geq(ahead_of(&streams[0]), 12 * MB, "has %zu", ahead_of(&streams[0]));
}

static void close_it(struct stream *s) {
  reader_free(s->reader);
  s->reader = NULL;
}

static void jump(struct stream *s) {
  read_at(s, 7 * MB);
  read_at(s, 4 * MB);
}

Test(share, who_closed_its_file_leaves_its_part_to_the_others) {
  expect_all_for_one(close_it);
}

Test(share, who_jumps_about_leaves_its_part_to_the_others) {
  expect_all_for_one(jump);
}

Test(share, places_of_one_file_that_are_read_in_turn_are_fetched_once) {
  struct mem_store_counts c;

  open_streams(24 * MB, 1);
  for (uint64_t at = 0; at < SIZE / 4; at += DATA_GRID)
    for (uint64_t i = 0; i < 4; i++)
      read_at(&streams[0], i * SIZE / 4 + at);
  mem_store_counts(store, &c);
  cr_expect_eq(c.bytes, SIZE, "%llu bytes", (unsigned long long)c.bytes);
  cr_expect_leq(c.gets, SIZE / DATA_GRID / 2, "%u requests", c.gets);
}
