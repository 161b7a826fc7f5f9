/* A real mount of a file system over a store in memory, used by plain calls.
 *
 * The server runs in a child process that is forked before any thread exists, so
 * that the kernel's requests never meet the locks of the process that waits for
 * them. A pipe carries commands to it: one letter each, answered by one byte. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "s3apfs/fuse/mount.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"
#include "support/pattern.h"

#define MB ((size_t)1 << 20)
#define BIG (24 * MB + 12345)
#define FILES 2500
#define TTL_MS 200

static char dir[] = "/tmp/s3apfs-mount-XXXXXX";
static pid_t server;
static int commands;
static int answers;

/* --- the server --- */

static struct store *mem;
static struct store *faulty;

static void put_or_die(const char *key, size_t len, uint64_t seed) {
  unsigned char *p = pattern_new(len, seed);

  if (p == NULL || mem_store_put(mem, key, p, len) != 0)
    _exit(90);
  free(p);
}

static void fill(void) {
  char key[64];

  put_or_die("big", BIG, 1);
  put_or_die("changing", 4 * MB, 1);
  put_or_die("d/e/deep.txt", 100, 4);
  put_or_die("d/empty", 0, 1);
  put_or_die("d//odd", 1, 1);
  for (unsigned i = 0; i < FILES; i++) {
    snprintf(key, sizeof(key), "many/f%04u", i);
    put_or_die(key, i % 50, i);
  }
  mem_store_set_meta(mem, "d/e/deep.txt", "colour", "blue");
}

static struct fs *make_fs(void) {
  struct root_options o = {.uid = getuid(),
                           .gid = getgid(),
                           .file_mode = 0644,
                           .dir_mode = 0755,
                           .metadata_ttl_ms = TTL_MS,
                           .negative_ttl_ms = TTL_MS};
  struct fs_options fo = {.memory = 32 * MB};
  struct catalog c;
  struct fs *fs = NULL;

  catalog_init(&c);
  if (mem_store_new("memory", &mem) != 0 || fault_store_new(mem, &faulty) != 0 ||
      catalog_add(&c, "team/data", faulty, &o) != 0 || fs_new(&c, &fo, &fs) != 0)
    _exit(91);
  fill();
  return fs;
}

struct pipes {
  int in;
  int out;
};

static void answer(int fd, char c) {
  if (write(fd, &c, 1) != 1)
    _exit(92);
}

static void *obey(void *arg) {
  struct pipes *p = arg;
  char c;

  while (read(p->in, &c, 1) == 1) {
    if (c == 'r')
      put_or_die("changing", 4 * MB, 2);
    else if (c == 'g')
      fault_store_gate(faulty, FAULT_HEAD, 0);
    answer(p->out, c != 'w' || fault_store_waiting(faulty) > 0 ? 'k' : 'n');
    if (c == 'o') /* that may end this process */
      fault_store_open(faulty);
  }
  return NULL;
}

static void on_ready(void *arg) {
  struct pipes *p = arg;

  answer(p->out, 'y');
}

static void serve(int in, int out) {
  struct pipes p = {in, out};
  struct fuse_mount_options o = {
      .dir = dir, .source = "memory,with \"odd\" words", .kernel_words = ""};
  struct fuse_mount *m;
  struct buf why;
  pthread_t thread;
  sigset_t set;
  struct fs *fs;
  int rc;

  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  fs = make_fs();
  buf_init(&why, 0);
  rc = fuse_mount_open(fs, &o, &m, &why);
  if (rc != 0) {
    fprintf(stderr, "no mount: %s\n", buf_cstr(&why));
    answer(out, 'n');
    _exit(0);
  }
  if (pthread_create(&thread, NULL, obey, &p) != 0)
    _exit(93);
  rc = fuse_mount_serve(m, on_ready, &p);
  fuse_mount_close(m);
  fs_free(fs);
  _exit(rc == 0 ? 0 : 94);
}

/* --- the client's side --- */

static bool command(char c) {
  char a = 'n';

  return write(commands, &c, 1) == 1 && read(answers, &a, 1) == 1 && a == 'k';
}

static void wait_for_gated(void) {
  for (int i = 0; i < 1000 && !command('w'); i++)
    usleep(10000);
  cr_assert(command('w'), "no request came to the gate");
}

/* False, with a message, where nothing can be mounted. */
static bool mounted(void) {
  int to[2];
  int from[2];
  char a = 'n';

  if (access("/dev/fuse", R_OK | W_OK) != 0) {
    fprintf(stderr, "skipped: /dev/fuse cannot be used here\n");
    return false;
  }
  cr_assert_not_null(mkdtemp(dir));
  cr_assert_eq(pipe(to), 0);
  cr_assert_eq(pipe(from), 0);
  server = fork();
  cr_assert_geq(server, 0);
  if (server == 0) {
    close(to[1]);
    close(from[0]);
    serve(to[0], from[1]);
  }
  close(to[0]);
  close(from[1]);
  commands = to[1];
  answers = from[0];
  cr_assert_eq(read(answers, &a, 1), 1, "the server died");
  if (a == 'y')
    return true;
  fprintf(stderr, "skipped: mounting is not allowed here\n");
  waitpid(server, NULL, 0);
  rmdir(dir);
  return false;
}

static void expect_server_exit(void) {
  int status = -1;

  cr_assert_eq(waitpid(server, &status, 0), server);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", (unsigned)status);
  cr_expect_eq(rmdir(dir), 0, "still mounted");
}

static void unmount(void) {
  if (umount2(dir, 0) != 0) {
    char *line = NULL;

    cr_assert_gt(asprintf(&line, "fusermount3 -u %s", dir), 0);
    cr_assert_eq(system(line), 0);
    free(line);
  }
  expect_server_exit();
}

/* Valid until the fourth call from here. */
static const char *at(const char *path) {
  static _Thread_local char buf[4][512];
  static _Thread_local unsigned next;
  char *s = buf[next++ % 4];

  snprintf(s, sizeof(buf[0]), "%s/team/data/%s", dir, path);
  return s;
}

static bool same_bytes(const char *path, size_t len, uint64_t seed) {
  unsigned char *data = malloc(len + 1);
  int fd = open(path, O_RDONLY);
  size_t n = 0;
  bool same;

  while (fd >= 0 && n <= len) {
    ssize_t got = read(fd, data + n, len + 1 - n);

    if (got <= 0)
      break;
    n += (size_t)got;
  }
  same = fd >= 0 && n == len && pattern_matches(data, len, 0, seed);
  if (fd >= 0)
    close(fd);
  free(data);
  return same;
}

static unsigned count_names(const char *path, bool with_stat) {
  DIR *d = opendir(path);
  unsigned n = 0;

  cr_assert_not_null(d, "%s: %d", path, errno);
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    struct stat st;

    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
      continue;
    if (with_stat) {
      cr_assert_eq(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
      cr_assert_eq(st.st_ino, e->d_ino);
      cr_assert_eq(S_ISDIR(st.st_mode), e->d_type == DT_DIR);
    }
    n++;
  }
  closedir(d);
  return n;
}

Test(mount, tree) {
  struct stat st;
  char line[4096];
  FILE *f;
  bool seen = false;

  if (!mounted())
    return;
  cr_expect_eq(count_names(dir, true), 1);
  cr_expect_eq(count_names(at(""), true), 4);
  cr_expect_eq(count_names(at("many"), true), FILES);
  cr_expect_eq(count_names(at("many"), false), FILES);
  cr_expect_eq(count_names(at("d"), true), 2, "the odd key is hidden");
  cr_assert_eq(stat(at("d/e/deep.txt"), &st), 0);
  cr_expect_eq(st.st_size, 100);
  cr_expect_eq(st.st_uid, getuid());
  cr_expect_eq(st.st_mode, (mode_t)(S_IFREG | 0644));
  snprintf(line, sizeof(line), "find %s -type f | wc -l", dir);
  f = popen(line, "r");
  cr_assert_not_null(fgets(line, sizeof(line), f));
  cr_expect_eq(atoi(line), FILES + 4);
  pclose(f);
  f = fopen("/proc/mounts", "r");
  while (fgets(line, sizeof(line), f) != NULL)
    if (strstr(line, dir) != NULL) {
      seen = true;
      cr_expect_not_null(strstr(line, " fuse.s3apfs ro,"), "%s", line);
      cr_expect_not_null(strstr(line, "memory,with\\040\"odd\"\\040words "), "%s", line);
    }
  fclose(f);
  cr_expect(seen);
  unmount();
}

Test(mount, errors) {
  char name[300];
  struct stat st;
  struct statvfs sv;

  if (!mounted())
    return;
  memset(name, 'x', sizeof(name));
  name[256] = '\0';
  cr_expect(stat(at("none"), &st) != 0 && errno == ENOENT);
  cr_expect(stat(at("big/x"), &st) != 0 && errno == ENOTDIR);
  cr_expect(stat(at(name), &st) != 0 && errno == ENAMETOOLONG);
  cr_expect(stat(at("\xff"), &st) != 0 && errno == EILSEQ);
  cr_expect(open(at("big"), O_WRONLY) < 0 && errno == EROFS);
  cr_expect(open(at("new"), O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
  cr_expect(mkdir(at("new"), 0700) != 0 && errno == EROFS);
  cr_expect(unlink(at("big")) != 0 && errno == EROFS);
  cr_expect(rmdir(at("d")) != 0 && errno == EROFS);
  cr_expect(rename(at("big"), at("bigger")) != 0 && errno == EROFS);
  cr_expect(symlink("x", at("link")) != 0 && errno == EROFS);
  cr_expect(link(at("big"), at("link")) != 0 && errno == EROFS);
  cr_expect(chmod(at("big"), 0600) != 0 && errno == EROFS);
  cr_expect(truncate(at("big"), 0) != 0 && errno == EROFS);
  cr_expect(setxattr(at("big"), "user.a", "b", 1, 0) != 0 && errno == EROFS);
  cr_expect_eq(getxattr(at("d/e/deep.txt"), "user.colour", name, sizeof(name)), 4);
  cr_expect(getxattr(at("big"), "user.colour", name, sizeof(name)) < 0 && errno == ENODATA);
  cr_assert_eq(statvfs(dir, &sv), 0);
  cr_expect_eq(sv.f_namemax, 255);
  cr_expect_gt(sv.f_blocks, 0);
  unmount();
}

struct job {
  unsigned number;
  bool good;
  pthread_t thread;
};

static void *read_at_random(void *arg) {
  struct job *j = arg;
  unsigned char *data = malloc(MB);
  unsigned seed = j->number;
  int fd = open(at("big"), O_RDONLY);

  j->good = fd >= 0;
  for (unsigned i = 0; j->good && i < 40; i++) {
    off_t off = (off_t)((size_t)rand_r(&seed) % BIG);
    size_t want = (size_t)rand_r(&seed) % MB + 1;
    ssize_t n = pread(fd, data, want, off);

    if (want > BIG - (size_t)off)
      want = BIG - (size_t)off;
    j->good = n == (ssize_t)want && pattern_matches(data, want, (uint64_t)off, 1);
  }
  if (fd >= 0)
    close(fd);
  free(data);
  return NULL;
}

static void *read_in_order(void *arg) {
  struct job *j = arg;

  j->good = same_bytes(at("big"), BIG, 1);
  return NULL;
}

Test(mount, sixteen_readers) {
  struct job jobs[16] = {0};

  if (!mounted())
    return;
  for (unsigned i = 0; i < 16; i++) {
    jobs[i].number = i;
    cr_assert_eq(pthread_create(&jobs[i].thread, NULL, i % 2 == 0 ? read_at_random : read_in_order,
                                &jobs[i]),
                 0);
  }
  for (unsigned i = 0; i < 16; i++) {
    pthread_join(jobs[i].thread, NULL);
    cr_expect(jobs[i].good, "thread %u", i);
  }
  cr_expect(same_bytes(at("d/empty"), 0, 1));
  cr_expect(same_bytes(at("d/e/deep.txt"), 100, 4));
  unmount();
}

Test(mount, small_files) {
  char path[32];

  if (!mounted())
    return;
  for (unsigned i = 0; i < FILES; i += 5) {
    snprintf(path, sizeof(path), "many/f%04u", i);
    cr_assert(same_bytes(at(path), i % 50, i), "%s", path);
  }
  unmount();
}

Test(mount, memory_map) {
  unsigned char *p;
  int fd;

  if (!mounted())
    return;
  fd = open(at("big"), O_RDONLY);
  cr_assert_geq(fd, 0);
  p = mmap(NULL, BIG, PROT_READ, MAP_SHARED, fd, 0);
  cr_assert_neq(p, MAP_FAILED);
  close(fd);
  for (size_t k = 0; k < 100; k++) {
    size_t off = k * 7919 * 4096 % (BIG - 4096);

    cr_assert(pattern_matches(p + off, 4096, off, 1));
  }
  munmap(p, BIG);
  unmount();
}

/* What a handle that has read of the old version may see of the rest: old bytes
 * or ESTALE, never the new version. */
Test(mount, replaced_while_open) {
  unsigned char data[4096];
  ssize_t n;
  int a;

  if (!mounted())
    return;
  a = open(at("changing"), O_RDONLY);
  cr_assert_geq(a, 0);
  cr_assert_eq(pread(a, data, sizeof(data), 0), sizeof(data));
  cr_expect(pattern_matches(data, sizeof(data), 0, 1));
  cr_assert(command('r'));
  usleep((TTL_MS + 100) * 1000);
  cr_expect(same_bytes(at("changing"), 4 * MB, 2), "a new open reads the new version");
  for (off_t off = 0; off < (off_t)(4 * MB); off += (off_t)MB) {
    n = pread(a, data, sizeof(data), off);
    cr_expect((n < 0 && errno == ESTALE) ||
                  (n == sizeof(data) && pattern_matches(data, sizeof(data), (uint64_t)off, 1)),
              "at %lld: %zd", (long long)off, n);
  }
  close(a);
  cr_expect(same_bytes(at("changing"), 4 * MB, 2));
  unmount();
}

Test(mount, killed_process_does_not_hang) {
  struct stat st;
  pid_t pid;

  if (!mounted())
    return;
  cr_assert_eq(stat(at("d"), &st), 0);
  cr_assert(command('g'));
  pid = fork();
  if (pid == 0) {
    stat(at("d/late"), &st);
    _exit(0);
  }
  wait_for_gated();
  kill(pid, SIGKILL);
  cr_expect_eq(waitpid(pid, NULL, 0), pid);
  cr_assert(command('o'));
  unmount();
}

Test(mount, ends_at_sigterm) {
  if (!mounted())
    return;
  cr_expect_eq(count_names(at(""), false), 4);
  cr_assert_eq(kill(server, SIGTERM), 0);
  expect_server_exit();
}

Test(mount, ends_at_sigterm_while_a_request_hangs) {
  struct stat st;
  pid_t pid;

  if (!mounted())
    return;
  cr_assert(command('g'));
  pid = fork();
  if (pid == 0) {
    stat(at("late"), &st);
    _exit(0);
  }
  wait_for_gated();
  cr_assert_eq(kill(server, SIGTERM), 0);
  usleep(300000);
  cr_assert(command('o'));
  expect_server_exit();
  waitpid(pid, NULL, 0);
}
