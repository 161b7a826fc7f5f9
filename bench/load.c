/* The programs of the benchmark that have to be cheap and exact: readers and
 * writers of files, by the plain calls that applications use.
 *
 *     load read FILE...            one after another, 1 MiB at a time
 *     load together FILE...        each by a thread of its own
 *     load threads N DIR           every file of DIR, N at once, in readdir's order
 *     load random COUNT FILE       COUNT reads of 4 KiB at random places
 *     load faults COUNT FILE       COUNT page faults in a mapping, at random places
 *     load first FILE              stat, then open and the first byte (only these count)
 *     load write MIB FILE          creates FILE, 1 MiB at a time, and closes it
 *     load patch OFFSET LEN FILE   overwrites a part of FILE and closes it
 *     load append FILE             appends a line and closes it
 *     load rename FROM TO
 *
 * Prints `seconds S` at the end; exit code 3 says that the file system refuses such
 * work (EROFS, EPERM, EACCES, EINVAL, ENOSYS, ENOTSUP), 1 that it failed. Random
 * places are the same in every run. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define MAX_THREADS 256

static double started;

static double now(void) {
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static _Noreturn void give_up(const char *what) {
  int e = errno;
  bool refused =
      e == EROFS || e == EPERM || e == EACCES || e == EINVAL || e == ENOSYS || e == ENOTSUP;

  fprintf(stderr, "%s: %s\n", what, strerror(e));
  _exit(refused ? 3 : 1);
}

static int open_or_give_up(const char *path, int flags) {
  int fd = open(path, flags, 0644);

  if (fd < 0)
    give_up(path);
  return fd;
}

static void *buffer_new(void) {
  void *p = aligned_alloc(PAGE, MIB);

  if (p == NULL)
    give_up("memory");
  return p;
}

static void close_or_give_up(int fd, const char *path) {
  if (close(fd) != 0)
    give_up(path);
}

static void read_file(const char *path, void *buffer) {
  int fd = open_or_give_up(path, O_RDONLY);
  ssize_t n;

  while ((n = read(fd, buffer, MIB)) > 0)
    ;
  if (n < 0)
    give_up(path);
  close_or_give_up(fd, path);
}

static int do_read(int argc, char **argv) {
  void *buffer = buffer_new();

  for (int i = 0; i < argc; i++)
    read_file(argv[i], buffer);
  free(buffer);
  return 0;
}

/* --- threads ---------------------------------------------------------------------------------- */

static struct {
  pthread_mutex_t lock;
  DIR *dir;
  const char *path;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void run_threads(int count, void *(*body)(void *), char **args) {
  pthread_t ids[MAX_THREADS];

  if (count < 1 || count > MAX_THREADS) {
    fprintf(stderr, "load: 1 to %d threads\n", MAX_THREADS);
    exit(2);
  }
  for (int i = 0; i < count; i++)
    if (pthread_create(&ids[i], NULL, body, args != NULL ? args[i] : NULL) != 0)
      give_up("thread");
  for (int i = 0; i < count; i++)
    pthread_join(ids[i], NULL);
}

static void *one_file(void *path) {
  void *buffer = buffer_new();

  read_file(path, buffer);
  free(buffer);
  return NULL;
}

static int do_together(int argc, char **argv) {
  run_threads(argc, one_file, argv);
  return 0;
}

static bool next_name(char *path, size_t cap) {
  struct dirent *e;

  pthread_mutex_lock(&shared.lock);
  do
    e = readdir(shared.dir);
  while (e != NULL && e->d_name[0] == '.');
  if (e != NULL)
    snprintf(path, cap, "%s/%s", shared.path, e->d_name);
  pthread_mutex_unlock(&shared.lock);
  return e != NULL;
}

static void *many_files(void *unused) {
  void *buffer = buffer_new();
  char path[4096];

  (void)unused;
  while (next_name(path, sizeof(path)))
    read_file(path, buffer);
  free(buffer);
  return NULL;
}

static int do_threads(int argc, char **argv) {
  (void)argc;
  shared.path = argv[1];
  shared.dir = opendir(argv[1]);
  if (shared.dir == NULL)
    give_up(argv[1]);
  run_threads(atoi(argv[0]), many_files, NULL);
  closedir(shared.dir);
  return 0;
}

/* --- random access ---------------------------------------------------------------------------- */

/* Numbers of Knuth's MMIX generator: the same places in every run. */
static uint64_t next_place(uint64_t *state, uint64_t pages) {
  *state = *state * 6364136223846793005U + 1442695040888963407U;
  return (*state >> 33) % pages * PAGE;
}

static uint64_t size_of(int fd, const char *path) {
  struct stat st;

  if (fstat(fd, &st) != 0)
    give_up(path);
  if ((uint64_t)st.st_size < PAGE) {
    fprintf(stderr, "%s: too small\n", path);
    exit(1);
  }
  return (uint64_t)st.st_size;
}

static int do_random(int argc, char **argv) {
  void *buffer = buffer_new();
  int fd = open_or_give_up(argv[1], O_RDONLY);
  uint64_t pages = size_of(fd, argv[1]) / PAGE;
  uint64_t state = 1;

  (void)argc;
  for (int i = atoi(argv[0]); i > 0; i--)
    if (pread(fd, buffer, PAGE, (off_t)next_place(&state, pages)) != (ssize_t)PAGE)
      give_up(argv[1]);
  close_or_give_up(fd, argv[1]);
  free(buffer);
  return 0;
}

static int do_faults(int argc, char **argv) {
  int fd = open_or_give_up(argv[1], O_RDONLY);
  uint64_t size = size_of(fd, argv[1]);
  volatile const unsigned char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
  uint64_t state = 1;
  unsigned sum = 0;

  (void)argc;
  if (map == MAP_FAILED)
    give_up(argv[1]);
  for (int i = atoi(argv[0]); i > 0; i--)
    sum += map[next_place(&state, size / PAGE)];
  close_or_give_up(fd, argv[1]);
  return sum == UINT32_MAX; /* the reads have to happen */
}

static int do_first(int argc, char **argv) {
  struct stat st;
  char byte;
  int fd;

  (void)argc;
  if (stat(argv[0], &st) != 0)
    give_up(argv[0]);
  started = now();
  fd = open_or_give_up(argv[0], O_RDONLY);
  if (read(fd, &byte, 1) != 1)
    give_up(argv[0]);
  printf("seconds %.6f\n", now() - started);
  fflush(stdout);
  _exit(0);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void fill(unsigned char *p, size_t len) {
  uint64_t state = 7;

  for (size_t i = 0; i + 8 <= len; i += 8) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    memcpy(p + i, &state, 8);
  }
}

static void write_all(int fd, const char *path, const void *data, size_t len) {
  while (len > 0) {
    ssize_t n = write(fd, data, len);

    if (n < 0)
      give_up(path);
    data = (const char *)data + n;
    len -= (size_t)n;
  }
}

static int do_write(int argc, char **argv) {
  unsigned char *buffer = buffer_new();
  int fd = open_or_give_up(argv[1], O_WRONLY | O_CREAT | O_TRUNC);

  (void)argc;
  fill(buffer, MIB);
  for (int i = atoi(argv[0]); i > 0; i--) {
    memcpy(buffer, &i, sizeof(i));
    write_all(fd, argv[1], buffer, MIB);
  }
  close_or_give_up(fd, argv[1]);
  free(buffer);
  return 0;
}

static int do_patch(int argc, char **argv) {
  unsigned char *buffer = buffer_new();
  size_t len = strtoul(argv[1], NULL, 10);
  int fd = open_or_give_up(argv[2], O_WRONLY);

  (void)argc;
  if (len > MIB)
    len = MIB;
  fill(buffer, MIB);
  if (lseek(fd, (off_t)strtoll(argv[0], NULL, 10), SEEK_SET) < 0)
    give_up(argv[2]);
  write_all(fd, argv[2], buffer, len);
  close_or_give_up(fd, argv[2]);
  free(buffer);
  return 0;
}

static int do_append(int argc, char **argv) {
  int fd = open_or_give_up(argv[0], O_WRONLY | O_APPEND);

  (void)argc;
  write_all(fd, argv[0], "one more line\n", 14);
  close_or_give_up(fd, argv[0]);
  return 0;
}

static int do_rename(int argc, char **argv) {
  (void)argc;
  if (rename(argv[0], argv[1]) != 0)
    give_up(argv[0]);
  return 0;
}

/* --- main ------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  int arguments; /* at least */
  int (*run)(int argc, char **argv);
} jobs[] = {
    {"read", 1, do_read},     {"together", 1, do_together}, {"threads", 2, do_threads},
    {"random", 2, do_random}, {"faults", 2, do_faults},     {"first", 1, do_first},
    {"write", 2, do_write},   {"patch", 3, do_patch},       {"append", 1, do_append},
    {"rename", 2, do_rename},
};

int main(int argc, char **argv) {
  for (size_t i = 0; argc > 1 && i < sizeof(jobs) / sizeof(jobs[0]); i++) {
    if (strcmp(argv[1], jobs[i].name) == 0 && argc - 2 >= jobs[i].arguments) {
      int rc;

      started = now();
      rc = jobs[i].run(argc - 2, argv + 2);
      printf("seconds %.6f\n", now() - started);
      return rc;
    }
  }
  fprintf(stderr, "load: unknown job or too few arguments; see the top of bench/load.c\n");
  return 2;
}
