#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "../../../src/data/cache.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/data/reader.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"
#include "support/pattern.h"

#define KB ((size_t)1 << 10)
#define MB ((size_t)1 << 20)

static struct store *mem;
static struct store *store; /* faults over mem */
static struct budget *budget;
static struct cache *cache;
static const struct patience patient;

static void open_cache(size_t bytes) {
  cr_assert_eq(budget_new(bytes, &budget), 0);
  cr_assert_eq(cache_new(budget, &cache), 0);
}

static void setup(void) {
  cr_assert_eq(mem_store_new("domain", &mem), 0);
  cr_assert_eq(fault_store_new(mem, &store), 0);
  open_cache(64 * MB);
}

static void close_cache(void) {
  cache_free(cache);
  cr_expect_eq(budget_used(budget), 0);
  budget_free(budget);
}

static void teardown(void) {
  close_cache();
  store_free(store);
}

TestSuite(reader, .init = setup, .fini = teardown);

static void put(const char *key, size_t len, uint64_t seed) {
  unsigned char *p = pattern_new(len, seed);

  cr_assert_eq(mem_store_put(mem, key, p, len), 0);
  free(p);
}

static struct reader *open_reader(const char *key) {
  struct store_attr a;
  struct reader *r;

  cr_assert_eq(mem->ops->head(mem, key, &a, NULL), 0);
  cr_assert_eq(reader_new(cache, store, key, &a, &r), 0);
  return r;
}

/* Reads, compares, gives back; the number of bytes or -errno. -EBADMSG: wrong bytes. */
static ssize_t check_read(struct reader *r, uint64_t offset, size_t size, uint64_t seed,
                          const struct patience *p) {
  struct reader_reply reply;
  uint64_t at = offset;
  ssize_t n;
  int rc = reader_read(r, offset, size, p, &reply);

  if (rc != 0)
    return rc;
  n = (ssize_t)reply.bytes;
  for (int i = 0; i < reply.count; i++) {
    if (!pattern_matches(reply.iov[i].iov_base, reply.iov[i].iov_len, at, seed))
      n = -EBADMSG;
    at += reply.iov[i].iov_len;
  }
  if (n >= 0 && at - offset != (size_t)n)
    n = -EBADMSG;
  reader_put(r, &reply);
  return n;
}

static struct mem_store_counts counts(void) {
  struct mem_store_counts c;

  mem_store_counts(mem, &c);
  return c;
}

static struct cache_stats stats(void) {
  struct cache_stats s;

  cache_stats(cache, &s);
  return s;
}

static void wait_idle_loads(void) {
  for (;;) {
    struct mem_store_counts a = counts();

    usleep(20000);
    if (counts().gets == a.gets && counts().bytes == a.bytes)
      return;
  }
}

Test(reader, budget_too_small) {
  struct budget *b;
  struct cache *c;

  cr_assert_eq(budget_new(DATA_BUDGET_MIN - 1, &b), 0);
  cr_expect_eq(cache_new(b, &c), -EINVAL);
  budget_free(b);
}

Test(reader, ends_and_empty_objects) {
  struct reader *r;

  put("empty", 0, 1);
  put("small", 1000, 1);
  r = open_reader("empty");
  cr_expect_eq(check_read(r, 0, 100, 1, &patient), 0);
  cr_expect_eq(reader_probe(r, &patient), 0);
  reader_free(r);
  r = open_reader("small");
  cr_expect_eq(reader_size(r), 1000);
  cr_expect_eq(check_read(r, 0, 100, 1, &patient), 100);
  cr_expect_eq(check_read(r, 990, 100, 1, &patient), 10);
  cr_expect_eq(check_read(r, 999, DATA_READ_MAX, 1, &patient), 1);
  cr_expect_eq(check_read(r, 1000, 100, 1, &patient), 0);
  cr_expect_eq(check_read(r, UINT64_MAX, 100, 1, &patient), 0);
  cr_expect_eq(check_read(r, 0, 0, 1, &patient), 0);
  cr_expect_eq(check_read(r, 0, DATA_READ_MAX + 1, 1, &patient), -EINVAL);
  cr_expect_eq(counts().gets, 1);
  reader_free(r);
}

Test(reader, odd_offsets_and_sizes) {
  struct reader *r;

  put("k", 3 * MB + 777, 5);
  r = open_reader("k");
  for (uint64_t off = 0; off < 3 * MB + 777; off += 300007)
    for (size_t size = 1; size <= DATA_READ_MAX; size = size * 5 + 3) {
      size_t left = 3 * MB + 777 - off;

      cr_assert_eq(check_read(r, off, size, 5, &patient), (ssize_t)(size < left ? size : left));
    }
  reader_free(r);
}

Test(reader, first_read_asks_for_no_more_than_needed) {
  struct reader *r;

  put("k", 20 * MB, 1);
  r = open_reader("k");
  cr_expect_eq(check_read(r, 0, 4 * KB, 1, &patient), 4 * KB);
  wait_idle_loads();
  cr_expect_eq(counts().gets, 1);
  cr_expect_eq(counts().bytes, DATA_GRID);
  reader_free(r);
}

Test(reader, random_reads_cost_at_most_a_grid_cell_at_either_side) {
  static const uint64_t at[] = {11 * MB, 3 * MB + 5, 17 * MB + 99, 7 * MB, 14 * MB};
  struct reader *r;

  put("k", 20 * MB, 1);
  r = open_reader("k");
  for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
    struct mem_store_counts before = counts();

    cr_expect_eq(check_read(r, at[i], 4 * KB, 1, &patient), 4 * KB);
    wait_idle_loads();
    cr_expect_eq(counts().gets - before.gets, 1);
    cr_expect_eq(counts().bytes - before.bytes, DATA_GRID);
  }
  reader_free(r);
}

Test(reader, sequential_reading_needs_few_requests) {
  struct reader *r;

  put("k", 48 * MB, 9);
  r = open_reader("k");
  for (uint64_t off = 0; off < 48 * MB; off += DATA_GRID)
    cr_assert_eq(check_read(r, off, DATA_GRID, 9, &patient), DATA_GRID);
  reader_free(r);
  cr_expect_leq(counts().gets, 24, "%u GETs", counts().gets);
  cr_expect_eq(counts().bytes, 48 * MB);
  cr_expect_gt(stats().ahead, 5);
}

Test(reader, versions_share_bytes_between_readers) {
  struct reader *a;
  struct reader *b;

  put("k", 100 * KB, 1);
  a = open_reader("k");
  b = open_reader("k");
  cr_expect_eq(check_read(a, 0, 100 * KB, 1, &patient), 100 * KB);
  cr_expect_eq(check_read(b, 0, 100 * KB, 1, &patient), 100 * KB);
  cr_expect_eq(counts().gets, 1);
  reader_free(a);
  reader_free(b);
  a = open_reader("k");
  cr_expect_eq(check_read(a, 0, 100 * KB, 1, &patient), 100 * KB);
  cr_expect_eq(counts().gets, 1, "the cache outlives its readers");
  reader_free(a);
}

Test(reader, objects_without_etag_are_not_shared) {
  struct store_attr attr = {.size = 100 * KB};
  struct reader *a;
  struct reader *b;

  put("k", 100 * KB, 1);
  cr_assert_eq(reader_new(cache, store, "k", &attr, &a), 0);
  cr_assert_eq(reader_new(cache, store, "k", &attr, &b), 0);
  cr_expect_eq(check_read(a, 0, 100 * KB, 1, &patient), 100 * KB);
  put("k", 100 * KB, 2);
  cr_expect_eq(check_read(b, 0, 100 * KB, 2, &patient), 100 * KB);
  reader_free(a);
  reader_free(b);
}

Test(reader, replaced_object_is_stale) {
  struct reader *r;

  put("k", 2 * MB, 1);
  r = open_reader("k");
  cr_expect_eq(check_read(r, 0, 100, 1, &patient), 100);
  put("k", 2 * MB, 2);
  cr_expect_eq(check_read(r, 0, 100, 1, &patient), 100, "cached bytes of the same version stay");
  cr_expect_eq(check_read(r, MB, 100, 1, &patient), -ESTALE);
  put("k", 10, 3);
  cr_expect_eq(check_read(r, MB, 100, 1, &patient), -ESTALE);
  reader_free(r);
}

Test(reader, failed_loads_are_not_remembered) {
  struct reader *r;

  put("k", MB, 1);
  r = open_reader("k");
  fault_store_fail(store, FAULT_GET, 0, 1, -EACCES, 0);
  cr_expect_eq(check_read(r, 0, 100, 1, &patient), -EACCES);
  cr_expect_eq(check_read(r, 0, 100, 1, &patient), 100);
  fault_store_fail(store, FAULT_GET, 0, 1, -ECONNRESET, 1000);
  cr_expect_eq(check_read(r, 900 * KB, 4000, 1, &patient), -ECONNRESET);
  cr_expect_eq(check_read(r, 900 * KB, 4000, 1, &patient), 4000);
  cr_expect_eq(stats().failed, 2);
  reader_free(r);
}

Test(reader, bytes_before_a_failure_may_be_used) {
  struct reader *r;

  put("k", MB, 1);
  r = open_reader("k");
  fault_store_gate(store, FAULT_GET, 8 * KB);
  cr_expect_eq(check_read(r, 0, 8 * KB, 1, &patient), 8 * KB, "answered before the part is there");
  fault_store_open(store);
  reader_free(r);
}

Test(reader, short_bodies_are_an_error) {
  struct reader *r;

  put("k", MB, 1);
  r = open_reader("k");
  fault_store_fail(store, FAULT_GET, 0, 1, 0, 1000);
  cr_expect_eq(check_read(r, 0, 4000, 1, &patient), -EIO);
  cr_expect_eq(check_read(r, 0, 4000, 1, &patient), 4000);
  reader_free(r);
}

Test(reader, store_that_cancels_by_itself) {
  struct reader *r;

  put("k", MB, 1);
  r = open_reader("k");
  fault_store_fail(store, FAULT_GET, 0, 1, -ECANCELED, 0);
  cr_expect_eq(check_read(r, 0, 100, 1, &patient), 100);
  fault_store_fail(store, FAULT_GET, 0, 100, -ECANCELED, 0);
  cr_expect_eq(check_read(r, 512 * KB, 100, 1, &patient), -EIO);
  reader_free(r);
}

Test(reader, probe_tells_errors_and_keeps_bytes) {
  struct reader *r;

  put("k", MB, 1);
  r = open_reader("k");
  mem_store_deny_key(mem, "k", true);
  cr_expect_eq(reader_probe(r, &patient), -EACCES);
  mem_store_deny_key(mem, "k", false);
  cr_expect_eq(reader_probe(r, &patient), 0);
  cr_expect_eq(check_read(r, 0, DATA_GRID, 1, &patient), DATA_GRID);
  cr_expect_eq(reader_probe(r, &patient), 0);
  cr_expect_eq(counts().gets, 2);
  reader_free(r);
}

static bool yes(void *arg) {
  (void)arg;
  return true;
}

Test(reader, deadlines_and_interrupts) {
  struct patience hurried = {.deadline_mono_ms = clock_mono_ms(&clock_system) + 30};
  struct patience interrupted = {.interrupted = yes};
  struct reader *r;

  put("k", MB, 1);
  r = open_reader("k");
  fault_store_gate(store, FAULT_GET, 0);
  cr_expect_eq(check_read(r, 0, 100, 1, &hurried), -ETIMEDOUT);
  cr_expect_eq(check_read(r, 0, 100, 1, &interrupted), -EINTR);
  fault_store_open(store);
  cr_expect_eq(check_read(r, 0, 100, 1, &patient), 100);
  cr_expect_eq(counts().gets, 1, "the late load served the third read");
  reader_free(r);
}

Test(reader, closing_cancels_what_nobody_wants) {
  struct reader *r;
  uint64_t ahead;
  uint64_t off;

  put("k", 32 * MB, 1);
  r = open_reader("k");
  for (off = 0; off < 2 * MB; off += DATA_GRID)
    cr_assert_eq(check_read(r, off, DATA_GRID, 1, &patient), DATA_GRID);
  wait_idle_loads();
  fault_store_gate(store, FAULT_GET, 0);
  ahead = stats().ahead;
  for (; stats().ahead == ahead; off += DATA_GRID)
    cr_assert_eq(check_read(r, off, DATA_GRID, 1, &patient), DATA_GRID);
  while (fault_store_waiting(store) == 0)
    usleep(1000);
  reader_free(r);
  while (fault_store_waiting(store) != 0)
    usleep(1000);
  fault_store_open(store);
}

Test(reader, cache_goes_while_loads_are_under_way) {
  struct patience hurried = {.deadline_mono_ms = clock_mono_ms(&clock_system) + 20};
  struct reader *r;

  put("k", 4 * MB, 1);
  r = open_reader("k");
  fault_store_gate(store, FAULT_GET, 1000);
  for (uint64_t off = 0; off < 4 * MB; off += MB)
    cr_expect_eq(check_read(r, off, DATA_GRID, 1, &hurried), -ETIMEDOUT);
  reader_free(r);
  close_cache();
  open_cache(64 * MB);
  fault_store_open(store);
}

/* --- several threads --- */

#define THREADS 16
#define BIG (64 * MB)

struct job {
  struct reader *reader;
  const char *key;
  uint64_t seed;
  size_t size;
  size_t step;
  unsigned number;
  bool random;
  atomic_int *bad;
  pthread_t thread;
};

static void *read_all(void *arg) {
  struct job *j = arg;
  struct reader *r = j->reader != NULL ? j->reader : open_reader(j->key);
  uint64_t steps = (j->size + j->step - 1) / j->step;

  for (uint64_t i = 0; i < steps; i++) {
    uint64_t at = j->random ? (i * 7919 + j->number * 104729) % steps : i;
    size_t left = j->size - at * j->step;
    ssize_t want = (ssize_t)(left < j->step ? left : j->step);
    ssize_t n = check_read(r, at * j->step, j->step, j->seed, &patient);

    if (n != want) {
      fprintf(stderr, "thread %u at %llu: %zd\n", j->number, (unsigned long long)(at * j->step), n);
      atomic_fetch_add(j->bad, 1);
      break;
    }
  }
  if (j->reader == NULL)
    reader_free(r);
  return NULL;
}

static int run(struct job *proto, unsigned n, unsigned random_every) {
  struct job jobs[THREADS];
  atomic_int bad = 0;

  for (unsigned i = 0; i < n; i++) {
    jobs[i] = *proto;
    jobs[i].number = i;
    jobs[i].bad = &bad;
    jobs[i].random = random_every != 0 && i % random_every == 0;
    cr_assert_eq(pthread_create(&jobs[i].thread, NULL, read_all, &jobs[i]), 0);
  }
  for (unsigned i = 0; i < n; i++)
    pthread_join(jobs[i].thread, NULL);
  return atomic_load(&bad);
}

Test(reader, sixteen_readers_of_one_object) {
  struct job j = {.key = "big", .seed = 3, .size = BIG - 13, .step = DATA_GRID};

  put("big", BIG - 13, 3);
  cr_expect_eq(run(&j, THREADS, 4), 0);
  cr_expect_leq(budget_used(budget), 64 * MB);
}

Test(reader, sixteen_threads_on_one_reader) {
  struct job j = {.seed = 3, .size = 24 * MB + 1, .step = 200 * KB};

  put("big", j.size, 3);
  j.reader = open_reader("big");
  cr_expect_eq(run(&j, THREADS, 3), 0);
  reader_free(j.reader);
}

Test(reader, eviction_under_the_smallest_budget) {
  struct job j = {.key = "big", .seed = 8, .size = 12 * MB + 5, .step = DATA_READ_MAX - 7};

  put("big", j.size, 8);
  close_cache();
  open_cache(DATA_BUDGET_MIN);
  cr_expect_eq(run(&j, THREADS, 2), 0);
  cr_expect_gt(stats().evicted, 0);
  cr_expect_leq(budget_used(budget), DATA_BUDGET_MIN);
}

Test(reader, one_load_serves_all_who_wait) {
  struct job j = {.key = "k", .seed = 1, .size = DATA_GRID, .step = DATA_GRID};

  put("k", DATA_GRID, 1);
  fault_store_delay(store, FAULT_GET, 50);
  cr_expect_eq(run(&j, THREADS, 0), 0);
  cr_expect_eq(counts().gets, 1);
}

struct opener {
  atomic_bool *stop;
  pthread_t thread;
};

static void *open_and_close(void *arg) {
  struct opener *o = arg;

  while (!atomic_load(o->stop)) {
    struct reader *r = open_reader("big");

    for (uint64_t off = 0; off < 2 * MB; off += DATA_GRID)
      if (check_read(r, off, DATA_GRID, 3, &patient) != (ssize_t)DATA_GRID)
        abort();
    reader_free(r);
  }
  return NULL;
}

Test(reader, readers_that_come_and_go_disturb_nobody) {
  struct job j = {.key = "big", .seed = 3, .size = 16 * MB, .step = DATA_GRID};
  atomic_bool stop = false;
  struct opener openers[3];

  put("big", 16 * MB, 3);
  close_cache();
  open_cache(8 * MB);
  for (unsigned i = 0; i < 3; i++) {
    openers[i].stop = &stop;
    cr_assert_eq(pthread_create(&openers[i].thread, NULL, open_and_close, &openers[i]), 0);
  }
  cr_expect_eq(run(&j, 4, 2), 0);
  atomic_store(&stop, true);
  for (unsigned i = 0; i < 3; i++)
    pthread_join(openers[i].thread, NULL);
}

Test(reader, dropped_bytes_are_asked_for_again) {
  struct reader *kept;
  struct reader *r;
  unsigned before;

  put("a/x", MB, 1);
  put("b/x", MB, 2);
  r = open_reader("a/x");
  kept = open_reader("b/x");
  cr_assert_eq(check_read(r, 0, MB, 1, &patient), MB);
  cr_assert_eq(check_read(kept, 0, MB, 2, &patient), MB);
  wait_idle_loads();
  before = counts().gets;
  cache_drop(cache, "domain", "a/");
  cr_assert_eq(check_read(kept, 0, MB, 2, &patient), MB);
  cr_assert_eq(counts().gets, before);
  mem_store_deny_key(mem, "a/x", true);
  cr_assert_eq(check_read(r, 0, KB, 1, &patient), -EACCES);
  reader_free(r);
  reader_free(kept);
}

Test(reader, loads_under_way_are_dropped_too) {
  struct reader *r;

  put("a/x", 4 * MB, 1);
  r = open_reader("a/x");
  fault_store_gate(store, FAULT_GET, 64 * KB);
  cr_assert_eq(check_read(r, 0, 16 * KB, 1, &patient), 16 * KB);
  while (fault_store_waiting(store) == 0)
    usleep(1000);
  cache_drop(cache, "domain", "a/");
  fault_store_open(store);
  cr_assert_eq(check_read(r, 0, MB, 1, &patient), MB);
  reader_free(r);
}

Test(reader, another_size_is_another_version_also_without_an_etag) {
  struct store_attr a = {.size = 10};
  struct reader *r;

  put("k", 20, 1);
  cr_assert_eq(reader_new(cache, store, "k", &a, &r), 0);
  cr_assert_eq(check_read(r, 0, 10, 1, &patient), -ESTALE);
  reader_free(r);
  a.size = 20;
  cr_assert_eq(reader_new(cache, store, "k", &a, &r), 0);
  cr_assert_eq(check_read(r, 0, 20, 1, &patient), 20);
  reader_free(r);
}

static bool is_near(void) {
  size_t far;

  cache_stream_share(cache, store, 0, &far);
  return far == 0;
}

/* What the kernel reads around a fault comes by several requests at once. */
Test(reader, random_reads_from_a_far_store_are_split) {
  struct mem_store_counts before;
  struct reader *r;

  put("k", 40 * MB, 1);
  fault_store_delay(store, FAULT_GET, 20);
  r = open_reader("k");
  cr_expect_eq(check_read(r, 20 * MB + 4 * KB, 4 * KB, 1, &patient), 4 * KB);
  while (is_near()) /* learned when the load ends, behind its reader */
    usleep(1000);
  wait_idle_loads();
  before = counts();
  cr_expect_eq(check_read(r, 33 * MB, 512 * KB, 1, &patient), 512 * KB);
  wait_idle_loads(); /* the store counts bytes after it gave them */
  cr_expect_eq(counts().gets - before.gets, 4);
  cr_expect_eq(counts().bytes - before.bytes, 512 * KB);
  cr_expect_eq(check_read(r, 4 * MB - 256 * KB + 4 * KB, DATA_READ_MAX, 1, &patient),
               DATA_READ_MAX);
  cr_expect_eq(counts().gets - before.gets, 4 + 9, "no cell twice, over the border of a part");
  reader_free(r);
}

/* --- the checksum of the whole object --- */

/* As open_reader(), of an object that says it has this checksum. */
static struct reader *open_summed(const char *key, enum crc_kind kind, uint64_t crc) {
  struct store_attr a;
  struct reader *r;

  cr_assert_eq(mem->ops->head(mem, key, &a, NULL), 0);
  a.crc_kind = kind;
  a.crc = crc;
  cr_assert_eq(reader_new(cache, store, key, &a, &r), 0);
  return r;
}

static uint64_t crc_of(enum crc_kind kind, size_t len, uint64_t seed) {
  unsigned char *p = pattern_new(len, seed);
  uint64_t crc = crc_update(kind, 0, p, len);

  free(p);
  return crc;
}

/* From end to end; 0 or the error that ended it. */
static int read_through(struct reader *r, uint64_t seed) {
  for (uint64_t at = 0; at < reader_size(r);) {
    ssize_t n = check_read(r, at, 100 * KB, seed, &patient);

    if (n <= 0)
      return (int)n;
    at += (uint64_t)n;
  }
  return 0;
}

Test(reader, a_whole_object_is_held_against_its_checksum) {
  static const size_t sizes[] = {1, 1000, 128 * KB, 9 * MB + 5};

  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    enum crc_kind kind = i % 2 == 0 ? CRC_64NVME : CRC_32C;
    struct reader *r;

    put("k", sizes[i], i);
    r = open_summed("k", kind, crc_of(kind, sizes[i], i));
    cr_expect_eq(reader_probe(r, &patient), 0);
    cr_expect_eq(read_through(r, i), 0, "%zu bytes", sizes[i]);
    cr_expect_not(reader_is_spoiled(r));
    reader_free(r);
  }
}

Test(reader, what_came_in_one_piece_is_fetched_once_more_and_then_an_error) {
  struct reader *r;

  put("k", 1000, 1);
  r = open_summed("k", CRC_32, crc_of(CRC_32, 1000, 1) + 1);
  cr_expect_eq(reader_probe(r, &patient), -EIO);
  cr_expect_eq(counts().gets, 2);
  cr_expect_eq(check_read(r, 0, 10, 1, &patient), -EIO, "never a byte of it");
  reader_free(r);
  r = open_summed("k", CRC_32, crc_of(CRC_32, 1000, 1));
  cr_expect_eq(check_read(r, 0, 1000, 1, &patient), 1000);
  reader_free(r);
}

/* The last byte does not come, whatever had been given out before. */
Test(reader, a_large_object_with_another_checksum_ends_in_an_error) {
  size_t size = 9 * MB + 5;
  uint64_t right = crc_of(CRC_64NVME, size, 1);
  struct reader *r;

  put("k", size, 1);
  r = open_summed("k", CRC_64NVME, right ^ 1);
  cr_expect_eq(read_through(r, 1), -EIO);
  cr_expect(reader_is_spoiled(r));
  cr_expect_eq(check_read(r, 0, 10, 1, &patient), -EIO, "not even what was right");
  reader_free(r);
  for (int i = 0; i < 5000 && stats().bytes != 0; i++) /* what was under way ends */
    usleep(1000);
  cr_expect_eq(stats().bytes, 0, "nothing of it is kept");
  r = open_summed("k", CRC_64NVME, right);
  cr_expect_eq(read_through(r, 1), 0);
  reader_free(r);
}

Test(reader, pieces_read_here_and_there_and_then_the_rest_are_checked_too) {
  size_t size = 5 * MB;
  struct reader *r;

  put("k", size, 1);
  r = open_summed("k", CRC_32C, crc_of(CRC_32C, size, 1));
  for (uint64_t at = 4 * MB; at > 0; at -= 512 * KB)
    cr_expect_eq(check_read(r, at, 10, 1, &patient), 10);
  cr_expect_eq(read_through(r, 1), 0);
  reader_free(r);
  put("k", size, 2);
  r = open_summed("k", CRC_32C, crc_of(CRC_32C, size, 1));
  for (uint64_t at = 4 * MB; at > 0; at -= 512 * KB)
    cr_expect_eq(check_read(r, at, 10, 2, &patient), 10);
  cr_expect_eq(read_through(r, 2), -EIO);
  reader_free(r);
}
