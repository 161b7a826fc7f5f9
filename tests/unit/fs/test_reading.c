/* Reading under faults, changes and many threads. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/pattern.h"
#include "unit/fs/world.h"

#define KB ((size_t)1 << 10)
#define MB ((size_t)1 << 20)
#define THREADS 16

static struct world w;

static void setup(void) {
  world_init(&w, "");
  world_open(&w, 48 * MB, 0);
}

static void setup_small(void) {
  world_init(&w, "");
  world_open(&w, 8 * MB, 0);
}

static void setup_hurried(void) {
  world_init(&w, "");
  world_open(&w, 48 * MB, 2000);
}

static void teardown(void) {
  world_fini(&w);
}

TestSuite(reading, .init = setup, .fini = teardown);
TestSuite(reading_small, .init = setup_small, .fini = teardown);
TestSuite(reading_hurried, .init = setup_hurried, .fini = teardown);

/* --- faults --- */

Test(reading, failing_loads) {
  uint64_t h;

  world_put(&w, "f", 24 * MB, 1);
  cr_assert_eq(world_open_file(&w, "f", &h), 0);
  fault_store_fail(w.faulty, FAULT_GET, 0, 1, -EIO, 0);
  cr_expect_eq(world_read(&w, h, 8 * MB, 4096, 1), -EIO);
  cr_expect_eq(world_read(&w, h, 8 * MB, 4096, 1), 4096);
  fault_store_fail(w.faulty, FAULT_GET, 0, 1, -ECONNRESET, 10);
  cr_expect_eq(world_read(&w, h, 20 * MB, 4096, 1), -ECONNRESET);
  fault_store_fail(w.faulty, FAULT_GET, 0, 1, 0, 10);
  cr_expect_eq(world_read(&w, h, 20 * MB, 4096, 1), -EIO, "a short body");
  cr_expect_eq(world_read(&w, h, 20 * MB, 4096, 1), 4096);
  fs_release(w.fs, h);
}

Test(reading, failing_open) {
  world_put(&w, "f", 4 * MB, 1);
  fault_store_fail(w.faulty, FAULT_GET, 0, 1, -EIO, 0);
  cr_expect_eq(world_try(&w, "f"), -EIO);
  cr_expect_eq(world_try(&w, "f"), 0);
}

Test(reading_hurried, late_loads_time_out) {
  uint64_t h;

  world_put(&w, "f", 4 * MB, 1);
  cr_assert_eq(world_open_file(&w, "f", &h), 0);
  fault_store_gate(w.faulty, FAULT_GET, 0);
  cr_expect_eq(world_read(&w, h, 2 * MB, 4096, 1), -ETIMEDOUT);
  fault_store_open(w.faulty);
  cr_expect_eq(world_read(&w, h, 0, 4096, 1), 4096);
  fs_release(w.fs, h);
}

Test(reading_hurried, late_lookups_and_listings_time_out) {
  struct fs_entry e;
  uint64_t h;
  double ttl;

  fault_store_gate(w.faulty, FAULT_HEAD, 0);
  fault_store_gate(w.faulty, FAULT_LIST, 0);
  cr_expect_eq(fs_lookup(w.fs, FS_ROOT_INO, "f", &e, &ttl), -ETIMEDOUT);
  cr_expect_eq(fs_opendir(w.fs, FS_ROOT_INO, &h), -ETIMEDOUT);
  fault_store_open(w.faulty);
}

/* --- an object that changes --- */

Test(reading, replaced_before_the_first_byte_is_read_anew) {
  uint64_t h;

  world_put(&w, "f", 4 * MB, 1);
  cr_assert_eq(world_open_file(&w, "f", &h), 0);
  world_put(&w, "f", 3 * MB, 2);
  cr_expect_eq(world_read(&w, h, 2 * MB, 4096, 2), 4096, "the new version");
  cr_expect_eq(world_read(&w, h, 0, 4096, 2), 4096, "also where the old one was cached");
  cr_expect_eq(world_read(&w, h, 3 * MB - 10, 4096, 2), 10);
  fs_release(w.fs, h);
}

Test(reading, replaced_after_the_first_byte_is_stale) {
  uint64_t h;
  uint64_t h2;

  world_put(&w, "f", 4 * MB, 1);
  cr_assert_eq(world_open_file(&w, "f", &h), 0);
  cr_expect_eq(world_read(&w, h, 0, 4096, 1), 4096);
  world_put(&w, "f", 4 * MB, 2);
  cr_expect_eq(world_read(&w, h, 2 * MB, 4096, 1), -ESTALE);
  cr_expect_eq(world_read(&w, h, 2 * MB, 4096, 1), -ESTALE);
  cr_assert_eq(world_open_file(&w, "f", &h2), 0);
  cr_expect_eq(world_read(&w, h2, 2 * MB, 4096, 2), 4096, "a new open reads the new version");
  fs_release(w.fs, h2);
  fs_release(w.fs, h);
}

Test(reading, replaced_between_two_opens) {
  uint64_t a;
  uint64_t b;

  world_put(&w, "f", 4 * MB, 1);
  cr_assert_eq(world_open_file(&w, "f", &a), 0);
  world_put(&w, "f", 4 * MB, 2);
  world_later(WORLD_TTL);
  cr_assert_eq(world_open_file(&w, "f", &b), 0);
  cr_expect_eq(world_read(&w, b, 0, 4096, 2), 4096);
  cr_expect_eq(world_read(&w, a, 0, 4096, 2), 4096, "nothing of the old one was delivered");
  fs_release(w.fs, a);
  fs_release(w.fs, b);
}

Test(reading, deleted_after_the_first_byte) {
  uint64_t h;

  world_put(&w, "f", 4 * MB, 1);
  cr_assert_eq(world_open_file(&w, "f", &h), 0);
  cr_expect_eq(world_read(&w, h, 0, 4096, 1), 4096);
  cr_assert_eq(mem_store_delete(w.mem, "f"), 0);
  {
    ssize_t n = world_read(&w, h, 2 * MB, 4096, 1);

    cr_expect(n == -ESTALE || n == -ENOENT, "%zd", n);
  }
  fs_release(w.fs, h);
}

static struct fs_opened opened(const char *path) {
  struct fs_opened o;
  struct fs_entry e;

  cr_assert_eq(world_walk(&w, path, &e), 0);
  cr_assert_eq(fs_open(w.fs, e.ino, O_RDONLY, &o), 0);
  return o;
}

Test(reading, kernel_pages_are_kept_while_the_version_stays) {
  struct fs_opened o;

  world_put(&w, "f", MB, 1);
  o = opened("f");
  cr_expect_not(o.keep_cache);
  fs_release(w.fs, o.handle);
  o = opened("f");
  cr_expect(o.keep_cache);
  fs_release(w.fs, o.handle);
  world_put(&w, "f", MB, 2);
  world_later(WORLD_TTL);
  o = opened("f");
  cr_expect_not(o.keep_cache);
  cr_expect_not(o.direct_io);
  cr_expect_eq(world_read(&w, o.handle, 0, 4096, 2), 4096);
  fs_release(w.fs, o.handle);
}

Test(reading, kept_pages_forbid_moving_to_a_new_version) {
  struct fs_opened o;

  world_put(&w, "f", 4 * MB, 1);
  o = opened("f");
  cr_expect_eq(world_read(&w, o.handle, 0, 4096, 1), 4096);
  fs_release(w.fs, o.handle);
  o = opened("f");
  cr_assert(o.keep_cache);
  world_put(&w, "f", 4 * MB, 2);
  cr_expect_eq(world_read(&w, o.handle, 2 * MB, 4096, 2), -ESTALE);
  fs_release(w.fs, o.handle);
}

Test(reading, pages_of_two_versions_never_meet) {
  struct fs_opened a;
  struct fs_opened b;
  struct fs_opened c;

  world_put(&w, "f", 4 * MB, 1);
  a = opened("f");
  cr_expect_eq(world_read(&w, a.handle, 0, 4096, 1), 4096);
  world_put(&w, "f", 4 * MB, 2);
  world_later(WORLD_TTL);
  b = opened("f");
  cr_expect(b.direct_io, "the page cache holds the old version");
  cr_expect(b.keep_cache, "and keeps it for the first handle");
  cr_expect_eq(world_read(&w, b.handle, 0, 4096, 2), 4096);
  cr_expect_eq(world_read(&w, a.handle, 100, 4096, 1), 4096, "cached bytes of its version");
  cr_expect_eq(world_read(&w, a.handle, 2 * MB, 4096, 1), -ESTALE);
  world_put(&w, "f", 4 * MB, 3);
  cr_expect_eq(world_read(&w, b.handle, 2 * MB, 4096, 2), -ESTALE, "it has given out bytes");
  fs_release(w.fs, a.handle);
  c = opened("f");
  cr_expect_not(c.direct_io, "nobody uses the old pages any more");
  cr_expect_not(c.keep_cache);
  fs_release(w.fs, b.handle);
  fs_release(w.fs, c.handle);
}

Test(reading, direct_handle_moves_before_its_first_byte) {
  struct fs_opened a;
  struct fs_opened b;

  world_put(&w, "f", 4 * MB, 1);
  a = opened("f");
  cr_expect_eq(world_read(&w, a.handle, 0, 4096, 1), 4096);
  world_put(&w, "f", 4 * MB, 2);
  world_later(WORLD_TTL);
  b = opened("f");
  cr_assert(b.direct_io);
  world_put(&w, "f", 4 * MB, 3);
  cr_expect_eq(world_read(&w, b.handle, 2 * MB, 4096, 3), 4096);
  fs_release(w.fs, a.handle);
  fs_release(w.fs, b.handle);
}

Test(reading, handles_without_bytes_move_together) {
  struct fs_opened a;
  struct fs_opened b;

  world_put(&w, "f", 4 * MB, 1);
  a = opened("f");
  b = opened("f");
  world_put(&w, "f", 4 * MB, 2);
  cr_expect_eq(world_read(&w, a.handle, 2 * MB, 4096, 2), 4096);
  cr_expect_eq(world_read(&w, b.handle, 0, 4096, 2), 4096, "not what it had found at open");
  fs_release(w.fs, a.handle);
  fs_release(w.fs, b.handle);
}

static bool yes(void *arg) {
  (void)arg;
  return true;
}

Test(reading, interrupted_requests_end) {
  struct fs_opened o;
  struct fs_entry e;
  double ttl;

  world_put(&w, "f", 4 * MB, 1);
  o = opened("f");
  fs_set_interrupted(w.fs, yes, NULL);
  fault_store_gate(w.faulty, FAULT_GET, 0);
  fault_store_gate(w.faulty, FAULT_HEAD, 0);
  cr_expect_eq(world_read(&w, o.handle, 2 * MB, 4096, 1), -EINTR);
  cr_expect_eq(fs_lookup(w.fs, FS_ROOT_INO, "g", &e, &ttl), -EINTR);
  fault_store_open(w.faulty);
  fs_set_interrupted(w.fs, NULL, NULL);
  cr_expect_eq(world_read(&w, o.handle, 2 * MB, 4096, 1), 4096);
  fs_release(w.fs, o.handle);
}

/* --- many threads --- */

struct job {
  const char *path;
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
  uint64_t steps = (j->size + j->step - 1) / j->step;
  uint64_t h;

  if (world_open_file(&w, j->path, &h) != 0) {
    atomic_fetch_add(j->bad, 1);
    return NULL;
  }
  for (uint64_t i = 0; i < steps; i++) {
    uint64_t at = j->random ? (i * 7919 + j->number * 104729) % steps : i;
    size_t left = j->size - at * j->step;
    ssize_t want = (ssize_t)(left < j->step ? left : j->step);

    if (world_read(&w, h, at * j->step, j->step, j->seed) != want) {
      atomic_fetch_add(j->bad, 1);
      break;
    }
  }
  fs_release(w.fs, h);
  return NULL;
}

static int run(const struct job *proto, unsigned random_every) {
  struct job jobs[THREADS];
  atomic_int bad = 0;

  for (unsigned i = 0; i < THREADS; i++) {
    jobs[i] = *proto;
    jobs[i].number = i;
    jobs[i].bad = &bad;
    jobs[i].random = i % random_every == random_every - 1;
    cr_assert_eq(pthread_create(&jobs[i].thread, NULL, read_all, &jobs[i]), 0);
  }
  for (unsigned i = 0; i < THREADS; i++)
    pthread_join(jobs[i].thread, NULL);
  return atomic_load(&bad);
}

Test(reading, sixteen_readers_of_64_megabytes) {
  struct job j = {.path = "d/big", .seed = 5, .size = 64 * MB, .step = 128 * KB};
  struct fs_stats st;

  world_put(&w, "d/big", 64 * MB, 5);
  cr_expect_eq(run(&j, 4), 0);
  fs_stats(w.fs, &st);
  cr_expect_leq(st.memory_used, 48 * MB);
}

Test(reading_small, sixteen_readers_in_little_memory) {
  struct job j = {.path = "big", .seed = 5, .size = 12 * MB + 77, .step = 200 * KB};
  struct fs_stats st;

  world_put(&w, "big", j.size, 5);
  cr_expect_eq(run(&j, 2), 0);
  fs_stats(w.fs, &st);
  cr_expect_leq(st.memory_used, 8 * MB);
}

#define MANY 2000

static void *read_many(void *arg) {
  atomic_int *bad = arg;

  for (unsigned i = 0; i < MANY; i++) {
    char path[32];
    uint64_t h;
    ssize_t n;

    snprintf(path, sizeof(path), "many/f%04u", i);
    if (world_open_file(&w, path, &h) != 0) {
      atomic_fetch_add(bad, 1);
      continue;
    }
    n = world_read(&w, h, 0, 128 * KB, i);
    if (n != (ssize_t)(i * 3))
      atomic_fetch_add(bad, 1);
    fs_release(w.fs, h);
  }
  return NULL;
}

Test(reading, two_thousand_small_files) {
  pthread_t threads[4];
  atomic_int bad = 0;
  char key[32];

  for (unsigned i = 0; i < MANY; i++) {
    snprintf(key, sizeof(key), "many/f%04u", i);
    world_put(&w, key, i * 3, i);
  }
  for (unsigned i = 0; i < 4; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, read_many, &bad), 0);
  for (unsigned i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  cr_expect_eq(atomic_load(&bad), 0);
  cr_expect_eq(world_counts(&w).gets, MANY - 1, "each once, the empty one never");
}

#define CHANGING (2 * MB)
static atomic_bool stop;

/* Reads whole files: every byte of one handle must be of one version. */
static void *read_changing(void *arg) {
  atomic_int *bad = arg;
  char *dst = malloc(MB);

  while (!atomic_load(&stop)) {
    uint64_t seed = 0;
    uint64_t h;
    ssize_t n = 0;
    int rc = world_open_file(&w, "f", &h);

    if (rc != 0) {
      if (rc != -ESTALE)
        atomic_fetch_add(bad, 1);
      continue;
    }
    for (uint64_t off = 0; off < CHANGING; off += MB / 2) {
      n = world_copy(&w, h, off, dst, MB / 2);
      if (n < 0)
        break;
      for (uint64_t s = 1; seed == 0 && s <= 3; s++)
        if (pattern_matches(dst, 64, 0, s))
          seed = s;
      if (seed == 0 || n != (ssize_t)(MB / 2) || !pattern_matches(dst, (size_t)n, off, seed))
        atomic_fetch_add(bad, 1);
    }
    if (n < 0 && n != -ESTALE)
      atomic_fetch_add(bad, 1);
    fs_release(w.fs, h);
  }
  free(dst);
  return NULL;
}

Test(reading, never_a_mix_of_two_versions) {
  pthread_t threads[4];
  atomic_int bad = 0;

  world_put(&w, "f", CHANGING, 1);
  for (unsigned i = 0; i < 4; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, read_changing, &bad), 0);
  for (unsigned i = 0; i < 60; i++) {
    usleep(5000);
    world_put(&w, "f", CHANGING, i % 3 + 1);
    if (i % 4 == 0)
      world_later(WORLD_TTL);
  }
  atomic_store(&stop, true);
  for (unsigned i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  cr_expect_eq(atomic_load(&bad), 0);
}

static void *open_read_forget(void *arg) {
  unsigned seed = (unsigned)(uintptr_t)arg;

  while (!atomic_load(&stop)) {
    struct fs_entry e;
    struct fs_opened o;
    double ttl;

    if (fs_lookup(w.fs, FS_ROOT_INO, "f", &e, &ttl) != 0)
      abort();
    if (fs_open(w.fs, e.ino, O_RDONLY, &o) != 0)
      abort();
    if (rand_r(&seed) % 2 == 0)
      fs_forget(w.fs, e.ino, 1);
    else
      e.ino = 0;
    if (world_read(&w, o.handle, (uint64_t)rand_r(&seed) % MB, 1000, 1) < 0)
      abort();
    fs_release(w.fs, o.handle);
    if (e.ino == 0 && fs_lookup(w.fs, FS_ROOT_INO, "f", &e, &ttl) == 0)
      fs_forget(w.fs, e.ino, 2);
  }
  return NULL;
}

Test(reading, opens_and_forgets_at_once) {
  pthread_t threads[8];
  struct fs_stats st;

  world_put(&w, "f", MB, 1);
  for (uintptr_t i = 0; i < 8; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, open_read_forget, (void *)i), 0);
  usleep(200000);
  atomic_store(&stop, true);
  for (unsigned i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  fs_stats(w.fs, &st);
  cr_expect_eq(st.open_files, 0);
  cr_expect_eq(st.inodes, 1);
}
