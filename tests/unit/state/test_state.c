/* The state directory and its journal: what was noted is there after reopening,
 * and nothing is lost or recreated silently. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"
#include "s3apfs/state/journal.h"
#include "s3apfs/state/known.h"
#include "s3apfs/state/servers.h"

static char dir[64];
static struct buf why;

static void set_up(void) {
  strcpy(dir, "/tmp/s3apfs-state-XXXXXX");
  cr_assert_not_null(mkdtemp(dir));
  buf_init(&why, 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
  (void)st;
  (void)type;
  (void)at;
  return remove(path);
}

static void tear_down(void) {
  cr_assert_eq(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
  buf_fini(&why);
}

TestSuite(state, .init = set_up, .fini = tear_down);

static struct state *open_state(void) {
  struct state *s = NULL;

  cr_assert_eq(state_open(dir, "/mnt/a b", &why, &s), 0, "%s", buf_cstr(&why));
  return s;
}

static void make_file(struct journal_file *f, const char *key) {
  journal_file_init(f);
  f->domain = strdup("d");
  f->key = strdup(key);
  f->base_etag = strdup("e1");
  f->base_size = UINT64_C(5) << 40;
  f->first = 1;
  f->upload = strdup("");
  cr_assert_eq(kvlist_add(&f->meta, "na=me&", "v\xc3\xa4l\nue&="), 0);
  cr_assert_eq(kvlist_add(&f->headers, "Content-Type", "text/plain; a=b"), 0);
}

struct seen {
  unsigned count;
  struct journal_file last;
  struct journal_part part;
};

static int see_file(void *arg, struct journal_file *f) {
  struct seen *s = arg;

  if (s->count++ > 0)
    journal_file_fini(&s->last);
  s->last = *f;
  journal_file_init(f);
  return 0;
}

static int see_part(void *arg, const struct journal_part *p) {
  struct seen *s = arg;

  s->count++;
  s->part = *p;
  cr_expect_str_eq(p->etag, "p2");
  cr_expect_str_eq(p->sum, "SHA1 AA==");
  return 0;
}

Test(state, files_are_there_after_reopening) {
  struct state *s = open_state();
  struct journal_file f;
  struct seen seen = {0};

  make_file(&f, "a/b");
  cr_assert_eq(journal_add_file(s, &f, STATE_DURABLE), 0);
  cr_expect_gt(f.id, 0);
  f.acked = 3;
  f.acked_log = 77;
  f.err = -EACCES;
  cr_assert_eq(journal_put_file(s, &f, STATE_LAZY), 0);
  state_close(s);

  s = open_state();
  cr_assert_eq(journal_each_file(s, see_file, &seen), 0);
  cr_assert_eq(seen.count, 1);
  cr_expect_eq(seen.last.id, f.id);
  cr_expect_str_eq(seen.last.key, "a/b");
  cr_expect_str_eq(seen.last.base_etag, "e1");
  cr_expect_eq(seen.last.base_size, f.base_size);
  cr_expect_eq(seen.last.acked, 3);
  cr_expect_eq(seen.last.acked_log, 77);
  cr_expect_eq(seen.last.err, -EACCES);
  cr_assert_eq(seen.last.meta.count, 1);
  cr_expect_str_eq(kvlist_get(&seen.last.meta, "na=me&"), "v\xc3\xa4l\nue&=");
  cr_expect_str_eq(kvlist_get(&seen.last.headers, "Content-Type"), "text/plain; a=b");
  journal_file_fini(&seen.last);

  seen.count = 0;
  cr_assert_eq(journal_drop_file(s, f.id, STATE_LAZY), 0);
  cr_assert_eq(journal_each_file(s, see_file, &seen), 0);
  cr_expect_eq(seen.count, 0);
  state_close(s);
  journal_file_fini(&f);
}

Test(state, parts_follow_their_upload) {
  struct state *s = open_state();
  struct journal_part p = {.number = 9,
                           .offset = UINT64_C(1) << 41,
                           .size = 7,
                           .layer = 2,
                           .etag = (char *)"p1",
                           .crc64nvme = UINT64_C(0xfedcba9876543210),
                           .has_crc64nvme = true,
                           .sum = (char *)"SHA1 AA=="};
  struct journal_file f;
  struct seen seen = {0};

  make_file(&f, "k");
  cr_assert_eq(journal_add_file(s, &f, STATE_LAZY), 0);
  free(f.upload);
  f.upload = strdup("u1");
  cr_assert_eq(journal_put_file(s, &f, STATE_LAZY), 0);
  cr_assert_eq(journal_put_part(s, f.id, &p, STATE_LAZY), 0);
  p.etag = (char *)"p2";
  cr_assert_eq(journal_put_part(s, f.id, &p, STATE_LAZY), 0, "a part sent again takes its place");
  cr_assert_eq(journal_put_file(s, &f, STATE_LAZY), 0, "the same upload keeps its parts");
  cr_assert_eq(journal_each_part(s, f.id, see_part, &seen), 0);
  cr_assert_eq(seen.count, 1);
  cr_expect_eq(seen.part.number, 9);
  cr_expect_eq(seen.part.offset, UINT64_C(1) << 41);
  cr_expect_eq(seen.part.crc64nvme, UINT64_C(0xfedcba9876543210));

  free(f.upload);
  f.upload = strdup("u2");
  cr_assert_eq(journal_put_file(s, &f, STATE_LAZY), 0);
  seen.count = 0;
  cr_assert_eq(journal_each_part(s, f.id, see_part, &seen), 0);
  cr_expect_eq(seen.count, 0, "another upload has none of them");
  state_close(s);
  journal_file_fini(&f);
}

static int see_change(void *arg, struct journal_change *c) {
  struct buf *b = arg;

  buf_printf(b, "%s %s>%s %s %s %d;", c->what, c->key, c->target, c->etag, c->detail, c->err);
  return 0;
}

static void add_change(struct state *s, const char *what, const char *key,
                       struct journal_change *c) {
  *c = (struct journal_change){.domain = (char *)"d",
                               .what = (char *)what,
                               .key = (char *)key,
                               .target = (char *)"t",
                               .etag = (char *)"e",
                               .detail = (char *)""};
  cr_assert_eq(journal_add_change(s, c, STATE_LAZY), 0);
}

Test(state, changes_keep_their_order) {
  struct state *s = open_state();
  struct journal_change one;
  struct journal_change two;
  struct journal_change three;
  struct buf text;

  buf_init(&text, 0);
  add_change(s, "rename", "b", &one);
  add_change(s, "unlink", "a", &two);
  cr_assert_eq(journal_drop_change(s, two.id, STATE_LAZY), 0);
  add_change(s, "mkdir", "c/", &three);
  cr_expect_gt(three.id, two.id, "numbers are not used again");
  one.detail = (char *)"half";
  one.err = -EIO;
  cr_assert_eq(journal_put_change(s, &one, STATE_DURABLE), 0);
  state_close(s);

  s = open_state();
  cr_assert_eq(journal_each_change(s, see_change, &text), 0);
  cr_expect_str_eq(buf_cstr(&text), "rename b>t e half -5;mkdir c/>t e  0;");
  state_close(s);
  buf_fini(&text);
}

static int see_known(void *arg, const char *key, const char *etag, const struct known *k) {
  buf_printf(arg, "%s@%s %o;", key, etag, k->mode);
  return 0;
}

Test(state, metadata_belongs_to_one_version) {
  struct state *s = open_state();
  struct known k = {.mode = 0100640, .uid = 7, .gid = 8, .mtime_ns = -5, .link = (char *)"to"};
  struct known got = {0};
  struct buf text;

  buf_init(&text, 0);
  cr_assert_eq(known_put(s, "d", "f/a", "e1", &k, STATE_LAZY), 0);
  k.link = NULL;
  cr_assert_eq(known_put(s, "d", "f/b", "e9", &k, STATE_LAZY), 0);
  cr_assert_eq(known_put(s, "d", "f0", "e9", &k, STATE_LAZY), 0);
  cr_assert_eq(known_put(s, "other", "f/c", "e9", &k, STATE_LAZY), 0);
  cr_assert_eq(known_get(s, "d", "f/a", "e1", &got), 0);
  cr_expect_eq(got.mode, 0100640);
  cr_expect_eq(got.uid, 7);
  cr_expect_eq(got.mtime_ns, -5);
  cr_expect_str_eq(got.link, "to");
  known_fini(&got);
  cr_expect_eq(known_get(s, "d", "f/a", "e2", &got), -ENOENT);
  cr_assert_eq(known_each(s, "d", "f/", false, see_known, &text), 0);
  cr_expect_str_eq(buf_cstr(&text), "f/a@e1 100640;f/b@e9 100640;");
  cr_assert_eq(known_drop(s, "d", "f/a", STATE_LAZY), 0);
  cr_expect_eq(known_get(s, "d", "f/a", "e1", &got), -ENOENT);
  state_close(s);
  buf_fini(&text);
}

Test(state, folders_move_with_the_one_they_are_in) {
  struct state *s = open_state();
  struct known k = {.mode = 0700};
  struct buf text;

  buf_init(&text, 0);
  cr_assert_eq(known_put(s, "d", "\xc3\xa9/", "", &k, STATE_LAZY), 0);
  cr_assert_eq(known_put(s, "d", "\xc3\xa9/s/", "", &k, STATE_LAZY), 0);
  cr_assert_eq(known_put(s, "d", "\xc3\xa9/f", "e1", &k, STATE_LAZY), 0);
  cr_assert_eq(known_put(s, "d", "\xc3\xa9-b/", "", &k, STATE_LAZY), 0);
  k.mode = 0711;
  cr_assert_eq(known_put(s, "d", "n/", "", &k, STATE_LAZY), 0);
  cr_assert_eq(known_put(s, "d", "n/old/", "", &k, STATE_LAZY), 0);
  cr_assert_eq(known_put(s, "other", "\xc3\xa9/", "", &k, STATE_LAZY), 0);
  cr_assert_eq(known_move_folders(s, "d", "\xc3\xa9/", "n/", STATE_LAZY), 0);
  cr_assert_eq(known_each(s, "d", "", false, see_known, &text), 0);
  cr_expect_str_eq(buf_cstr(&text), "n/@ 700;n/s/@ 700;\xc3\xa9-b/@ 700;\xc3\xa9/f@e1 700;");
  state_close(s);
  buf_fini(&text);
}

/* Syncing writes something, which must not be another version. */
Test(state, is_opened_again_after_a_sync) {
  struct state *s = open_state();

  cr_assert_eq(state_sync(s), 0);
  state_close(s);
  s = open_state();
  state_close(s);
}

Test(state, what_servers_honour_is_known_for_a_while) {
  struct state *s = open_state();
  unsigned honours = 0;

  cr_expect_eq(servers_get(s, "http://h b", 0, &honours), -ENOENT);
  cr_assert_eq(servers_put(s, "http://h b", 5, 1000), 0);
  cr_assert_eq(servers_put(s, "http://h b", 255, 2000), 0);
  state_close(s);
  s = open_state();
  cr_expect_eq(servers_get(s, "http://h b", 2000, &honours), 0);
  cr_expect_eq(honours, 255);
  cr_expect_eq(servers_get(s, "http://h b", 2001, &honours), -ENOENT);
  cr_expect_eq(servers_get(s, "http://h c", 0, &honours), -ENOENT);
  state_close(s);
}

static int add_up(void *arg, unsigned long n) {
  *(unsigned long *)arg += n;
  return 0;
}

static int stop(void *arg, unsigned long n) {
  (void)arg;
  return (int)n;
}

Test(state, is_found_by_its_number) {
  static const char *const names[] = {"/mnt/a b user 7",  "/mnt/a b user 100", "/mnt/a b user x",
                                      "/mnt/a-b user 20", "/mnt/a b user 3 4", "/mnt/a b"};
  unsigned long sum = 0;

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    struct state *s;

    cr_assert_eq(state_open(dir, names[i], &why, &s), 0, "%s", buf_cstr(&why));
    state_close(s);
  }
  cr_expect_eq(state_find(dir, "/mnt/a b user ", add_up, &sum), 0);
  cr_expect_eq(sum, 107);
  cr_expect_eq(state_find(dir, "/mnt/a-b user ", stop, NULL), 20);
  cr_expect_eq(state_find("/nowhere/at/all", "/mnt/a b user ", stop, NULL), 0);
}

/* A folder's name is cut somewhere around there. */
Test(state, is_found_by_its_number_however_long_its_name_is) {
  for (size_t len = 140; len < 170; len++) {
    char *mount = malloc(len + sizeof("/ user "));
    struct state *s;
    unsigned long sum = 0;

    cr_assert_not_null(mount);
    memset(mount, 'm', len);
    mount[0] = '/';
    memcpy(mount + len, " user ", sizeof(" user "));
    for (unsigned uid = 61001; uid <= 61002; uid++) {
      char *name = text_printf("%s%u", mount, uid);

      cr_assert_eq(state_open(dir, name, &why, &s), 0, "%s", buf_cstr(&why));
      state_close(s);
      free(name);
    }
    cr_expect_eq(state_find(dir, mount, add_up, &sum), 0);
    cr_expect_eq(sum, 2 * 61001 + 1, "%zu: %lu", len, sum);
    free(mount);
  }
}

Test(state, is_private_and_has_one_owner) {
  struct state *s = open_state();
  struct state *other = NULL;
  struct stat st;

  cr_assert_eq(stat(state_staging_dir(s), &st), 0);
  cr_expect_eq(st.st_mode & 07777, 0700);
  cr_expect_eq(state_open(dir, "/mnt/a b", &why, &other), -EBUSY);
  cr_expect_not_null(strstr(buf_cstr(&why), "in use"));
  buf_reset(&why);
  cr_assert_eq(state_open(dir, "/mnt/a-b", &why, &other), 0, "another mount point, other state");
  state_close(other);
  state_close(s);
}

static char *in_state(const char *name) {
  struct buf command;
  struct buf path;
  FILE *p;
  char line[512];

  buf_init(&command, 0);
  buf_init(&path, 0);
  buf_printf(&command, "ls -d %s/*/%s", dir, name);
  p = popen(buf_cstr(&command), "r"); /* NOLINT */
  cr_assert_not_null(p);
  cr_assert_not_null(fgets(line, sizeof(line), p));
  pclose(p);
  line[strcspn(line, "\n")] = '\0';
  buf_puts(&path, line);
  buf_fini(&command);
  return buf_take(&path);
}

Test(state, refuses_a_damaged_journal) {
  struct state *s = open_state();
  struct journal_file f;
  char junk[4096];
  char *path;
  int fd;

  make_file(&f, "k");
  cr_assert_eq(journal_add_file(s, &f, STATE_DURABLE), 0);
  state_close(s);
  journal_file_fini(&f);
  path = in_state("journal.db");
  fd = open(path, O_WRONLY | O_CLOEXEC);
  memset(junk, 'x', sizeof(junk));
  cr_assert_eq(pwrite(fd, junk, sizeof(junk), 0), (ssize_t)sizeof(junk));
  close(fd);
  s = NULL;
  cr_expect_eq(state_open(dir, "/mnt/a b", &why, &s), -EUCLEAN);
  cr_expect_not_null(strstr(buf_cstr(&why), "damaged"), "%s", buf_cstr(&why));
  cr_expect_eq(access(path, F_OK), 0, "it is left as it is");
  free(path);
}

Test(state, refuses_staged_files_without_a_journal) {
  struct state *s = open_state();
  char *file = text_printf("%s/1.1.data", state_staging_dir(s));
  char *db;

  cr_assert_eq(file_write_atomic(file, "x", 1, 0600), 0);
  state_close(s);
  db = in_state("journal.db");
  cr_assert_eq(unlink(db), 0);
  s = NULL;
  cr_expect_eq(state_open(dir, "/mnt/a b", &why, &s), -EUCLEAN);
  cr_expect_eq(access(file, F_OK), 0);
  free(file);
  free(db);
}

/* Many threads note files durably; each is there, under a number of its own. */
static void *note_many(void *arg) {
  for (int i = 0; i < 20; i++) {
    struct journal_file f;

    make_file(&f, "k");
    cr_assert_eq(journal_add_file(arg, &f, i % 2 == 0 ? STATE_DURABLE : STATE_LAZY), 0);
    journal_file_fini(&f);
  }
  return NULL;
}

Test(state, many_threads_share_the_journal) {
  struct state *s = open_state();
  pthread_t threads[8];
  struct seen seen = {0};

  for (int i = 0; i < 8; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, note_many, s), 0);
  for (int i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  cr_assert_eq(journal_each_file(s, see_file, &seen), 0);
  cr_expect_eq(seen.count, 160);
  journal_file_fini(&seen.last);
  cr_expect_eq(state_sync(s), 0);
  state_close(s);
}

Test(state, outlives_a_killed_process) {
  struct seen seen = {0};
  struct state *s;
  int status;
  pid_t pid = fork();

  cr_assert_geq(pid, 0);
  if (pid == 0) {
    struct journal_file f;

    s = NULL;
    if (state_open(dir, "/mnt/a b", &why, &s) != 0)
      _exit(1);
    make_file(&f, "lazy");
    if (journal_add_file(s, &f, STATE_LAZY) != 0)
      _exit(1);
    kill(getpid(), SIGKILL);
  }
  cr_assert_eq(waitpid(pid, &status, 0), pid);
  cr_assert(WIFSIGNALED(status));
  s = open_state();
  cr_assert_eq(journal_each_file(s, see_file, &seen), 0);
  cr_expect_eq(seen.count, 1);
  journal_file_fini(&seen.last);
  state_close(s);
}

/* A file that may not grow is the nearest thing to a full disk. */
Test(state, says_so_when_nothing_can_be_noted) {
  struct state *s = open_state();
  struct rlimit before;
  struct rlimit none = {0};
  struct journal_file f;
  struct seen seen = {0};

  make_file(&f, "one");
  cr_assert_eq(journal_add_file(s, &f, STATE_DURABLE), 0);
  signal(SIGXFSZ, SIG_IGN);
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  none.rlim_max = before.rlim_max;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
  cr_expect_lt(journal_add_file(s, &f, STATE_DURABLE), 0);
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  cr_expect_eq(journal_add_file(s, &f, STATE_DURABLE), 0, "and goes on when there is room again");
  cr_assert_eq(journal_each_file(s, see_file, &seen), 0);
  cr_expect_eq(seen.count, 2);
  journal_file_fini(&seen.last);
  journal_file_fini(&f);
  state_close(s);
}

static int note_key(void *arg, struct journal_file *f) {
  strcpy(arg, f->key);
  return 0;
}

static int count_removal(void *arg, struct journal_change *c) {
  *(int *)arg += strcmp(c->what, "remove") == 0 && strcmp(c->key, "k") == 0;
  return 0;
}

static void expect_noted(struct state *s, const char *key, int removals) {
  char got[32] = "none";
  int count = 0;

  cr_assert_eq(journal_each_file(s, note_key, got), 0);
  cr_assert_eq(journal_each_change(s, count_removal, &count), 0);
  cr_expect_str_eq(got, key);
  cr_expect_eq(count, removals);
}

Test(state, a_file_and_a_change_are_noted_together_or_not_at_all) {
  char text[8] = "";
  char what[8] = "remove";
  char key[8] = "k";
  struct journal_change c = {
      .domain = text, .what = what, .key = key, .target = text, .etag = text};
  struct journal_file f;
  struct state *s = open_state();

  make_file(&f, "k");
  cr_assert_eq(journal_add_file(s, &f, STATE_DURABLE), 0);
  f.key[0] = '\0';
  cr_expect_lt(journal_put_file_and_change(s, &f, &c, STATE_LAZY), 0, "it has no detail");
  expect_noted(s, "k", 0);
  c.detail = text;
  cr_assert_eq(journal_put_file_and_change(s, &f, &c, STATE_LAZY), 0);
  cr_expect_gt(c.id, 0);
  state_close(s);
  s = open_state();
  expect_noted(s, "", 1);
  state_close(s);
  journal_file_fini(&f);
}
