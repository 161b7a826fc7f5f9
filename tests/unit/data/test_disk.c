#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../../../src/data/cache.h"
#include "../../../src/data/disk.h"
#include "../../support/pattern.h"
#include "../../support/remove_tree.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/data/reader.h"
#include "s3apfs/store/mem_store.h"

#define KB ((size_t)1 << 10)
#define MB ((size_t)1 << 20)

static char dir[64];
static struct disk *disk;
static struct store *mem;
static struct budget *budget;
static struct cache *cache;
static const struct patience patient;

#define QUEUE (8 * MB)

static struct disk_options more = {.free_bytes = 1, .queue_bytes = QUEUE};

static void open_disk(uint64_t size) {
  struct disk_options o = more;

  o.dir = dir;
  o.size = size;

  cr_assert_eq(disk_new(&o, &disk), 0);
  cr_assert_eq(budget_new(64 * MB, &budget), 0);
  cr_assert_eq(cache_new(budget, &cache), 0);
  cache_set_disk(cache, disk);
}

static void close_disk(void) {
  cache_free(cache);
  cr_expect_eq(budget_used(budget), 0);
  budget_free(budget);
  disk_free(disk);
}

static void setup(void) {
  snprintf(dir, sizeof(dir), "/tmp/s3apfs-disk-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  cr_assert_eq(mem_store_new("domain", &mem), 0);
  open_disk(1024 * MB);
}

static void teardown(void) {
  close_disk();
  store_free(mem);
  cr_expect_eq(remove_tree(dir), 0);
}

TestSuite(disk, .init = setup, .fini = teardown);

static void reopen(uint64_t size) {
  close_disk();
  open_disk(size);
}

static void put(const char *key, size_t len, uint64_t seed) {
  unsigned char *p = pattern_new(len, seed);

  cr_assert_eq(mem_store_put(mem, key, p, len), 0);
  free(p);
}

static unsigned gets(void) {
  struct mem_store_counts c;

  mem_store_counts(mem, &c);
  return c.gets;
}

static uint64_t fetched(void) {
  struct mem_store_counts c;

  mem_store_counts(mem, &c);
  return c.bytes;
}

/* A load's bytes are given out before it has ended; only then it is kept. */
static void wait_for_loads(void) {
  bool idle = false;

  while (!idle) {
    mtx_lock(&cache->synced.lock);
    idle = cache->synced.loading == 0;
    mtx_unlock(&cache->synced.lock);
    usleep(200);
  }
}

/* Reads all of the key and compares. */
static void read_all(const char *key, size_t len, uint64_t seed) {
  struct store_attr a;
  struct reader *r;

  cr_assert_eq(mem->ops->head(mem, key, &a, NULL), 0);
  cr_assert_eq(reader_new(cache, mem, key, &a, &r), 0);
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

/* Calls fn for every file of that ending; how many there are. */
static unsigned each_file(char ending, void (*fn)(const char *path)) {
  unsigned count = 0;

  for (unsigned i = 0; i < 256; i++) {
    char folder[128];
    struct dirent *de;
    DIR *d;

    snprintf(folder, sizeof(folder), "%s/chunks/%02x", dir, i);
    d = opendir(folder);
    while (d != NULL && (de = readdir(d)) != NULL) {
      char path[512];

      if (de->d_name[0] == '.' || de->d_name[strlen(de->d_name) - 1] != ending)
        continue;
      snprintf(path, sizeof(path), "%s/%s", folder, de->d_name);
      count++;
      if (fn != NULL)
        fn(path);
    }
    if (d != NULL)
      closedir(d);
  }
  return count;
}

static struct disk_stats stats(void) {
  struct disk_stats s;

  disk_drain(disk);
  disk_stats(disk, &s);
  return s;
}

Test(disk, outlives_the_cache_in_memory) {
  static const size_t sizes[] = {1,        100,          4096,         128 * KB - 1,
                                 128 * KB, 128 * KB + 1, 3 * MB + 777, 9 * MB + 4096};

  for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
    unsigned before;

    put("k", sizes[i], i);
    read_all("k", sizes[i], i);
    reopen(1024 * MB);
    before = gets();
    read_all("k", sizes[i], i);
    cr_expect_eq(gets(), before, "%zu bytes", sizes[i]);
    cr_expect_eq(stats().hit_bytes, sizes[i]);
  }
}

Test(disk, of_what_is_there_only_a_proof_is_fetched_ahead) {
  struct store_attr a;
  uint64_t before;

  mem->proof_ms = 600000;
  put("k", 600 * KB, 1);
  read_all("k", 600 * KB, 1);
  reopen(1024 * MB);
  cache_want_proof(cache);
  cr_assert_eq(mem->ops->head(mem, "k", &a, NULL), 0);
  before = fetched();
  cr_expect_eq(cache_warm(cache, mem, "k", &a, 600 * KB), 0);
  wait_for_loads();
  cr_expect_eq(fetched() - before, DATA_GRID);
  read_all("k", 600 * KB, 1);
  cr_expect_eq(fetched() - before, DATA_GRID);
  cr_expect_eq(stats().hit_bytes, 600 * KB - DATA_GRID);
}

static void raise_flag(void *arg) {
  atomic_store((atomic_bool *)arg, true);
}

/* The writer's handles on files that are written go behind what it wrote. */
static void wait_for_writer(void) {
  atomic_bool done = false;

  disk_drain(disk);
  cr_assert_eq(pool_submit(disk->writer, raise_flag, &done), 0);
  while (!atomic_load(&done))
    usleep(200);
}

Test(disk, a_denial_takes_the_proof_back, .timeout = 30) {
  struct store_attr a;
  struct version *v;
  struct reader *r;

  mem->proof_ms = 600000;
  cache_want_proof(cache);
  put("k", 100 * KB, 1);
  cr_assert_eq(mem->ops->head(mem, "k", &a, NULL), 0);
  read_all("k", 100 * KB, 1);
  wait_for_loads();
  wait_for_writer();
  cr_expect_eq(disk_dir_clear(dir, &(struct disk_report){0}), 0);
  cr_assert_eq(version_get(cache, mem, "k", &a, &v), 0);
  cr_expect_neq(version_may_use_disk(v, cache), 0);
  cr_expect_neq(proofs_when(&cache->proofs, v->id), 0);
  mtx_lock(&cache->synced.lock);
  while (memory_evict_locked(cache, true))
    continue;
  mtx_unlock(&cache->synced.lock);
  mem_store_deny_key(mem, "k", true);
  cr_assert_eq(reader_new(cache, mem, "k", &a, &r), 0);
  cr_expect_eq(reader_probe(r, &patient), -EACCES);
  reader_free(r);
  cr_expect_not(version_may_use_disk(v, cache));
  cr_expect_eq(proofs_when(&cache->proofs, v->id), 0);
  version_put(cache, v);
}

Test(disk, another_version_is_another_file) {
  put("k", 300 * KB, 1);
  read_all("k", 300 * KB, 1);
  put("k", 300 * KB, 2);
  reopen(1024 * MB);
  read_all("k", 300 * KB, 2);
  cr_expect_eq(stats().hit_bytes, 0);
  cr_expect_eq(each_file('m', NULL), 2);
}

static void flip(const char *path) {
  struct stat st;
  char c;
  int fd = open(path, O_RDWR);

  cr_assert_geq(fd, 0);
  cr_assert_eq(fstat(fd, &st), 0);
  cr_assert_eq(pread(fd, &c, 1, st.st_size - 5), 1);
  c ^= 0x10;
  cr_assert_eq(pwrite(fd, &c, 1, st.st_size - 5), 1);
  close(fd);
}

static void cut(const char *path) {
  struct stat st;

  cr_assert_eq(stat(path, &st), 0);
  cr_assert_eq(truncate(path, st.st_size / 2), 0);
}

static void scribble(const char *path) {
  int fd = open(path, O_RDWR);

  cr_assert_geq(fd, 0);
  cr_assert_eq(pwrite(fd, "nonsense nonsense nonsense nonsense", 35, 3), 35);
  close(fd);
}

static void empty(const char *path) {
  cr_assert_eq(truncate(path, 0), 0);
}

static void gone(const char *path) {
  cr_assert_eq(unlink(path), 0);
}

/* Whatever was done to the files: the right bytes come, and are kept again. */
static void survives(char ending, void (*harm)(const char *path), size_t size) {
  put("k", size, 7);
  read_all("k", size, 7);
  close_disk();
  cr_assert_eq(each_file(ending, harm), 1);
  open_disk(1024 * MB);
  read_all("k", size, 7);
  reopen(1024 * MB);
  read_all("k", size, 7);
  cr_expect_eq(stats().hit_bytes, size);
  cr_expect_eq(disk_dir_clear(dir, &(struct disk_report){0}), 0);
}

struct asker {
  pthread_t thread;
  struct disk_file *file;
  pthread_barrier_t *start;
  bool there;
};

static void *ask(void *arg) {
  struct asker *a = arg;

  pthread_barrier_wait(a->start);
  a->there = disk_file_has(a->file, 0, 2 * DISK_BLOCK);
  return NULL;
}

/* The one who looks first must not make the file seem absent to the others. */
Test(disk, who_asks_at_once_is_told_the_same) {
  enum { ASKERS = 4, ROUNDS = 50 };
  static const uint64_t size = (uint64_t)16 << 30; /* takes a while to look at */
  pthread_barrier_t start;
  unsigned char *bytes = pattern_new(2 * DISK_BLOCK, 1);
  struct disk_file *made = disk_file_get(disk, "k", size);

  cr_assert_not_null(made);
  cr_assert_eq(disk_file_make(made), 0);
  cr_assert_eq(disk_file_write(made, 0, bytes, 2 * DISK_BLOCK, false), 0);
  disk_file_put(made);
  free(bytes);
  cr_assert_eq(pthread_barrier_init(&start, NULL, ASKERS), 0);
  for (int round = 0; round < ROUNDS; round++) {
    struct asker askers[ASKERS];
    struct disk_file *f = disk_file_get(disk, "k", size);

    cr_assert_not_null(f);
    for (int i = 0; i < ASKERS; i++) {
      askers[i] = (struct asker){.file = disk_file_ref(f), .start = &start};
      cr_assert_eq(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) {
      pthread_join(askers[i].thread, NULL);
      cr_expect(askers[i].there, "round %d, asker %d", round, i);
      disk_file_put(f);
    }
    disk_file_put(f);
  }
  pthread_barrier_destroy(&start);
}

#if !defined(__SANITIZE_ADDRESS__) &&                                                              \
    !defined(__SANITIZE_THREAD__) /* they have memory of their own */

/* Bytes that the process has for itself. */
static size_t anonymous(void) {
  FILE *in = fopen("/proc/self/status", "r");
  char line[128];
  size_t kib = 0;

  cr_assert_not_null(in);
  while (fgets(line, sizeof(line), in) != NULL)
    if (strncmp(line, "RssAnon:", 8) == 0)
      kib = strtoul(line + 8, NULL, 10);
  fclose(in);
  cr_assert_gt(kib, 0);
  return kib * KB;
}

/* A table for all blocks of one of these has 14 MiB. */
Test(disk, open_files_take_memory_for_what_is_here_of_them) {
  static const uint64_t size = (uint64_t)200 << 30;
  enum { FILES = 8 };
  unsigned char *bytes = pattern_new(DISK_BLOCK, 1);
  struct disk_file *files[FILES];
  size_t before = anonymous();

  for (int round = 0; round < 2; round++) { /* made, and found */
    for (int i = 0; i < FILES; i++) {
      char key[8];

      snprintf(key, sizeof(key), "k%d", i);
      files[i] = disk_file_get(disk, key, size);
      cr_assert_not_null(files[i]);
      cr_assert_eq(disk_file_make(files[i]), 0);
      cr_assert_eq(disk_file_has(files[i], 5 * DISK_BLOCK, DISK_BLOCK), round == 1);
      cr_assert_eq(disk_file_write(files[i], 5 * DISK_BLOCK, bytes, DISK_BLOCK, false), 0);
      cr_assert_eq(disk_file_read(files[i], 5, bytes), 0);
    }
    cr_expect_leq(anonymous() - before, 24 * MB);
    for (int i = 0; i < FILES; i++)
      disk_file_put(files[i]);
  }
  free(bytes);
}

#endif

Test(disk, nothing_is_written_beyond_the_last_byte) {
  unsigned char *memory = aligned_alloc(4096, 8192);
  struct disk_file *f = disk_file_get(disk, "odd", DISK_BLOCK + 1);

  cr_assert_not_null(memory);
  cr_assert_not_null(f);
  memset(memory, 'x', 8192);
  cr_assert_eq(disk_file_make(f), 0);
  cr_assert_eq(disk_file_write(f, DISK_BLOCK, memory, 1, false), 0);
  memset(memory, '-', 8192);
  cr_assert_eq(disk_file_read(f, 1, memory), 0);
  cr_expect_eq(memory[0], 'x');
  for (size_t i = 1; i < 8192; i++)
    cr_assert_eq(memory[i], '-', "byte %zu was changed", i);
  disk_file_put(f);
  free(memory);
}

Test(disk, written_in_haste_is_the_same) {
  unsigned char *bytes = pattern_new(3 * DISK_BLOCK, 1);
  unsigned char *back = aligned_alloc(4096, DISK_BLOCK);
  struct disk_file *f = disk_file_get(disk, "k", 3 * DISK_BLOCK);

  cr_assert_not_null(back);
  cr_assert_not_null(f);
  cr_assert_eq(disk_file_make(f), 0);
  cr_assert_eq(disk_file_write(f, 0, bytes, DISK_BLOCK, true), 0);
  cr_assert_eq(disk_file_write(f, DISK_BLOCK, bytes + DISK_BLOCK, 2 * DISK_BLOCK, false), 0);
  for (uint64_t i = 0; i < 3; i++) {
    cr_assert_eq(disk_file_read(f, i, back), 0);
    cr_expect_arr_eq(back, bytes + i * DISK_BLOCK, DISK_BLOCK);
  }
  disk_file_put(f);
  free(back);
  free(bytes);
}

Test(disk, damaged_files_are_fetched_again) {
  static void (*const harms[])(const char *) = {flip, cut, scribble, empty, gone};

  for (size_t i = 0; i < sizeof(harms) / sizeof(*harms); i++) {
    survives('m', harms[i], 2 * MB + 100);
    survives('d', harms[i], 2 * MB + 100);
    survives('m', harms[i], 50 * KB);
  }
}

static const struct store_ops *quick;

/* The load has ended when this returns, but the thread that asked is still on its way. */
static int get_and_linger(struct store *s, struct store_get *g) {
  int rc = quick->get(s, g);

  usleep(20000);
  return rc;
}

Test(disk, a_cache_that_ends_waits_for_who_asks_the_store_for_it) {
  struct store_ops slow = *mem->ops;

  quick = mem->ops;
  slow.get = get_and_linger;
  mem->ops = &slow;
  for (int i = 0; i < 5; i++)
    survives('d', flip, 2 * MB + 100);
  mem->ops = quick;
}

Test(disk, flipped_bit_is_counted_and_only_its_block_is_lost) {
  unsigned before;

  put("k", 4 * MB, 3);
  read_all("k", 4 * MB, 3);
  close_disk();
  each_file('d', flip);
  open_disk(1024 * MB);
  before = gets();
  read_all("k", 4 * MB, 3);
  cr_expect_leq(gets() - before, 2);
  cr_expect_eq(stats().bad_blocks, 1);
}

Test(disk, verify_stat_and_clear) {
  struct disk_report r;

  put("a", 4 * MB, 3);
  put("b", 10, 4);
  read_all("a", 4 * MB, 3);
  read_all("b", 10, 4);
  close_disk();
  cr_assert_eq(disk_dir_stat(dir, &r), 0);
  cr_expect_eq(r.versions, 2);
  cr_expect_geq(r.bytes, 4 * MB);
  each_file('d', flip);
  cr_assert_eq(disk_dir_verify(dir, &r), 0);
  cr_expect_eq(r.blocks, 32);
  cr_expect_eq(r.bad_blocks, 1);
  cr_assert_eq(disk_dir_verify(dir, &r), 0);
  cr_expect_eq(r.bad_blocks, 0);
  cr_assert_eq(disk_dir_clear(dir, &r), 0);
  cr_assert_eq(disk_dir_stat(dir, &r), 0);
  cr_expect_eq(r.versions, 0);
  cr_expect_eq(each_file('d', NULL), 0);
  open_disk(1024 * MB);
}

static void scan_over(unsigned from, unsigned to) {
  for (unsigned i = from; i < to; i++) {
    char key[16];

    snprintf(key, sizeof(key), "scan%u", i);
    put(key, 1 * MB, i);
    read_all(key, 1 * MB, i);
    disk_drain(disk);
  }
}

Test(disk, size_is_kept_to_and_what_is_used_outlives_a_scan) {
  struct disk_report r;

  reopen(20 * MB);
  put("hot", 2 * MB, 1);
  read_all("hot", 2 * MB, 1);
  reopen(20 * MB);
  read_all("hot", 2 * MB, 1);
  scan_over(0, 60);
  cr_expect_gt(stats().evicted_files, 30);
  cr_expect_leq(stats().used, 20 * MB);
  cr_assert_eq(disk_dir_stat(dir, &r), 0);
  cr_expect_leq(r.bytes, 20 * MB);
  reopen(20 * MB);
  read_all("hot", 2 * MB, 1);
  cr_expect_eq(stats().hit_bytes, 2 * MB);
}

Test(disk, larger_than_the_cache_goes_on_in_memory) {
  reopen(1 * MB);
  put("k", 8 * MB, 5);
  read_all("k", 8 * MB, 5);
  cr_expect_gt(stats().skipped_bytes, 0);
  cr_expect_leq(stats().used, 1 * MB);
}

/* --- a small file system, which others use, too --- */

#define FS_SIZE (40 * MB)
#define FS_FLOOR (10 * MB)

static uint64_t others; /* have so much of it */

static uint64_t bytes_in(const char *folder) {
  DIR *d = opendir(folder);
  uint64_t bytes = 0;
  struct dirent *de;
  struct stat st;

  while (d != NULL && (de = readdir(d)) != NULL)
    if (fstatat(dirfd(d), de->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
      bytes += (uint64_t)st.st_blocks * 512;
  if (d != NULL)
    closedir(d);
  return bytes;
}

static uint64_t fs_free(void) {
  uint64_t used = __atomic_load_n(&others, __ATOMIC_SEQ_CST);

  for (unsigned i = 0; i < 256; i++) {
    char folder[128];

    snprintf(folder, sizeof(folder), "%s/chunks/%02x", dir, i);
    used += bytes_in(folder);
  }
  return used < FS_SIZE ? FS_SIZE - used : 0;
}

static int fs_measure(int fd, struct statvfs *out) {
  (void)fd;
  *out = (struct statvfs){.f_frsize = 1, .f_blocks = FS_SIZE, .f_bavail = fs_free()};
  return 0;
}

static void others_have(uint64_t bytes) {
  __atomic_store_n(&others, bytes, __ATOMIC_SEQ_CST);
}

static void on_small_fs(void) {
  more.measure = fs_measure;
  more.free_bytes = FS_FLOOR;
  reopen(1024 * MB);
}

Test(disk, what_is_kept_leaves_the_floor_free) {
  on_small_fs();
  for (unsigned i = 0; i < 45; i++) {
    scan_over(i, i + 1);
    cr_assert_geq(fs_free(), FS_FLOOR);
  }
  cr_expect_gt(stats().evicted_files, 0);
  cr_expect_eq(stats().skipped_bytes, 0);
}

Test(disk, what_others_took_is_made_up_for_by_who_writes) {
  on_small_fs();
  scan_over(0, 25);
  others_have(13 * MB);
  scan_over(25, 26);
  cr_expect_geq(fs_free(), FS_FLOOR);
  cr_expect_eq(stats().filled_bytes, 26 * MB);
  cr_expect_eq(stats().skipped_bytes, 0);
  cr_expect(!stats().failing);
}

static void give_back(void *arg) {
  disk_space_give_back(arg);
}

Test(disk, what_others_took_is_made_up_for_by_who_does_not_write) {
  on_small_fs();
  scan_over(0, 25);
  others_have(13 * MB);
  cr_assert_eq(pool_submit(disk->writer, give_back, disk), 0);
  for (int i = 0; i < 1000 && fs_free() < FS_FLOOR; i++)
    usleep(10000);
  cr_expect_geq(fs_free(), FS_FLOOR);
  cr_expect_gt(stats().used, 12 * MB, "and no more than that");
}

Test(disk, where_nothing_can_go_it_waits_for_others) {
  on_small_fs();
  others_have(FS_SIZE);
  scan_over(0, 3);
  cr_expect_eq(stats().skipped_bytes, 3 * MB);
  cr_expect(!stats().failing);
  others_have(0);
  scan_over(3, 4);
  cr_expect_eq(stats().filled_bytes, 1 * MB, "at once");
}

/* --- a disk slower than the store --- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool hangs;
} stuck = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct disk_stats stats_now(void) {
  struct disk_stats st;

  disk_stats(disk, &st);
  return st;
}

static void hang(void *arg) {
  (void)arg;
  pthread_mutex_lock(&stuck.lock);
  while (stuck.hangs)
    pthread_cond_wait(&stuck.changed, &stuck.lock);
  pthread_mutex_unlock(&stuck.lock);
}

/* Nothing is written until let_write(). */
static void stop_writing(struct pool *p) {
  stuck.hangs = true;
  for (int i = 0; i < 4; i++)
    cr_assert_eq(pool_submit(p, hang, NULL), 0);
}

static void let_write(void) {
  pthread_mutex_lock(&stuck.lock);
  stuck.hangs = false;
  pthread_cond_broadcast(&stuck.changed);
  pthread_mutex_unlock(&stuck.lock);
}

Test(disk, what_comes_faster_than_it_is_written_is_kept_all_the_same) {
  put("k", 40 * MB, 3); /* memory has room for it */
  stop_writing(disk->writer);
  read_all("k", 40 * MB, 3);
  cr_expect_eq(stats_now().filled_bytes, 0);
  let_write();
  cr_expect_eq(stats().skipped_bytes, 0);
  cr_expect_eq(stats().filled_bytes, 40 * MB);
}

static void read_beside_a_hanging_disk(struct pool *p) {
  put("k", 160 * MB, 4); /* and not for this */
  stop_writing(p);
  read_all("k", 160 * MB, 4);
  cr_expect_gt(stats_now().skipped_bytes, 0);
  cr_expect_eq(stats_now().filled_bytes, 0);
  cr_expect_leq(160 * MB - stats_now().skipped_bytes, QUEUE / 2,
                "once it is known to be slow, little waits for it");
  cr_expect(!stats_now().failing);
  let_write();
  cr_expect_gt(stats().filled_bytes, 0);
  cr_expect_eq(stats().filled_bytes + stats().skipped_bytes, 160 * MB);
}

Test(disk, readers_go_on_when_no_room_is_made) {
  read_beside_a_hanging_disk(disk->writer);
}

Test(disk, readers_go_on_when_writes_hang) {
  read_beside_a_hanging_disk(disk->movers);
}

Test(disk, directory_that_cannot_be_used) {
  struct disk_options o = {.dir = "/proc/none", .size = MB};
  struct disk *none;

  cr_expect_lt(disk_new(&o, &none), 0);
}

Test(disk, two_processes_share_a_directory) {
  struct disk_options o = {.dir = dir, .size = 1024 * MB, .free_bytes = 1, .queue_bytes = 64 * MB};
  struct disk *other_disk;
  struct disk *first_disk = disk;
  struct cache *first = cache;
  struct cache *other;
  unsigned before;

  cr_assert_eq(disk_new(&o, &other_disk), 0);
  cr_assert_eq(cache_new(budget, &other), 0);
  cache_set_disk(other, other_disk);
  put("k", 3 * MB, 9);
  read_all("k", 3 * MB, 9);
  disk_drain(disk);
  before = gets();
  cache = other;
  read_all("k", 3 * MB, 9);
  cr_expect_eq(gets(), before);
  put("l", 3 * MB, 10);
  read_all("l", 3 * MB, 10);
  cache = first;
  read_all("l", 3 * MB, 10);
  cache_free(other);
  disk_free(other_disk);
  disk = first_disk;
}

/* --- whole files for the kernel --- */

/* Opens the version and asks for its file; 1: it is whole and holds the pattern. */
static int backed(const char *key, size_t len, uint64_t seed) {
  unsigned char *bytes = malloc(len + 1);
  struct store_attr a;
  struct reader *r;
  int fd;
  int good;

  cr_assert_not_null(bytes);
  cr_assert_eq(mem->ops->head(mem, key, &a, NULL), 0);
  cr_assert_eq(reader_new(cache, mem, key, &a, &r), 0);
  cr_assert_eq(reader_probe(r, &patient), 0);
  fd = reader_backing(r);
  good = fd >= 0 && pread(fd, bytes, len + 1, 0) == (ssize_t)len &&
         pattern_matches(bytes, len, 0, seed);
  wait_for_loads();
  reader_free(r);
  free(bytes);
  return fd < 0 ? 0 : good ? 1 : -1;
}

/* What the last reader leaves to be verified is done a little later. */
static bool backed_soon(const char *key, size_t len, uint64_t seed) {
  for (int i = 0; i < 5000; i++) {
    int got = backed(key, len, seed);

    cr_assert_geq(got, 0, "other bytes");
    if (got > 0)
      return true;
    usleep(1000);
  }
  return false;
}

Test(disk, file_is_whole_once_all_of_it_was_verified) {
  put("k", 9 * MB + 5, 1);
  cr_expect_eq(backed("k", 9 * MB + 5, 1), 0, "nothing is there");
  read_all("k", 9 * MB + 5, 1);
  disk_drain(disk);
  cr_expect_eq(backed("k", 9 * MB + 5, 1), 0, "written, but never read");
  reopen(1024 * MB);
  read_all("k", 9 * MB + 5, 1);
  cr_expect_eq(stats().hit_bytes, 9 * MB + 5);
  cr_expect(backed_soon("k", 9 * MB + 5, 1));
  cr_expect(backed_soon("k", 9 * MB + 5, 1), "known also to the next reader");
}

Test(disk, few_blocks_that_lack_are_verified_at_once) {
  struct store_attr a;
  struct reader_reply reply;
  struct reader *r;

  put("k", 6 * MB, 1);
  read_all("k", 6 * MB, 1);
  reopen(1024 * MB);
  cr_assert_eq(mem->ops->head(mem, "k", &a, NULL), 0);
  cr_assert_eq(reader_new(cache, mem, "k", &a, &r), 0);
  for (uint64_t at = 3 * MB; at < 6 * MB; at += 1 * MB) {
    cr_assert_eq(reader_read(r, at, 1 * MB, &patient, &reply), 0);
    reader_put(r, &reply);
  }
  wait_for_loads();
  cr_expect_geq(reader_backing(r), 0);
  reader_free(r);
}

Test(disk, file_that_was_changed_behind_us_is_not_whole) {
  put("k", 4 * MB, 1);
  read_all("k", 4 * MB, 1);
  reopen(1024 * MB);
  read_all("k", 4 * MB, 1);
  cr_assert(backed_soon("k", 4 * MB, 1));
  cr_assert_eq(each_file('d', flip), 1);
  for (int i = 0; i < 3; i++)
    cr_expect_eq(backed("k", 4 * MB, 1), 0, "damaged bytes were given out");
  cr_expect_eq(stats().bad_blocks, 1);
  reopen(1024 * MB);
  read_all("k", 4 * MB, 1);
  cr_expect_eq(stats().bad_blocks, 0);
}

Test(disk, file_that_is_not_complete_is_not_whole) {
  struct disk_file *f = disk_file_get(disk, "k", 3 * DISK_BLOCK);
  unsigned char *bytes = pattern_new(3 * DISK_BLOCK, 1);

  cr_assert_not_null(f);
  cr_assert_eq(disk_file_make(f), 0);
  cr_assert_eq(disk_file_write(f, 0, bytes, 2 * DISK_BLOCK, false), 0);
  cr_expect_lt(disk_whole_fd(f), 0);
  cr_assert_eq(disk_file_write(f, 2 * DISK_BLOCK, bytes + 2 * DISK_BLOCK, DISK_BLOCK, false), 0);
  cr_expect_geq(disk_whole_fd(f), 0);
  cr_assert_eq(disk_file_write(f, 0, bytes, DISK_BLOCK, false), 0);
  cr_expect_geq(disk_whole_fd(f), 0, "what was written again is verified again");
  disk_file_put(f);
  free(bytes);
}
