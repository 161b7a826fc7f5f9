/* The journal: what was noted is there after reopening. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "desk.h"

static struct desk desk;

static void set_up(void) {
  desk_open(&desk);
}

static void tear_down(void) {
  desk_close(&desk);
}

TestSuite(journal, .init = set_up, .fini = tear_down);

Test(journal, files_are_there_after_reopening) {
  struct state *s = desk_state(&desk);
  struct journal_file f;
  struct desk_seen seen = {0};

  desk_make_file(&f, "a/b");
  cr_assert_eq(journal_add_file(s, &f, STATE_DURABLE), 0);
  cr_expect_gt(f.id, 0);
  f.acked = 3;
  f.acked_log = 77;
  f.err = -EACCES;
  cr_assert_eq(journal_put_file(s, &f, STATE_LAZY), 0);
  state_close(s);

  s = desk_state(&desk);
  cr_assert_eq(journal_each_file(s, desk_see_file, &seen), 0);
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
  cr_assert_eq(journal_each_file(s, desk_see_file, &seen), 0);
  cr_expect_eq(seen.count, 0);
  state_close(s);
  journal_file_fini(&f);
}

struct seen_part {
  unsigned count;
  struct journal_part part; /* the last one */
};

static int see_part(void *arg, const struct journal_part *p) {
  struct seen_part *s = arg;

  s->count++;
  s->part = *p;
  cr_expect_str_eq(p->etag, "p2");
  cr_expect_str_eq(p->sum, "SHA1 AA==");
  return 0;
}

Test(journal, parts_follow_their_upload) {
  struct state *s = desk_state(&desk);
  struct journal_part p = {.number = 9,
                           .offset = UINT64_C(1) << 41,
                           .size = 7,
                           .layer = 2,
                           .etag = (char *)"p1",
                           .crc64nvme = UINT64_C(0xfedcba9876543210),
                           .has_crc64nvme = true,
                           .sum = (char *)"SHA1 AA=="};
  struct journal_file f;
  struct seen_part seen = {0};

  desk_make_file(&f, "k");
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

Test(journal, changes_keep_their_order) {
  struct state *s = desk_state(&desk);
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

  s = desk_state(&desk);
  cr_assert_eq(journal_each_change(s, see_change, &text), 0);
  cr_expect_str_eq(buf_cstr(&text), "rename b>t e half -5;mkdir c/>t e  0;");
  state_close(s);
  buf_fini(&text);
}

/* Many threads note files durably; each is there, under a number of its own. */
static void *note_many(void *arg) {
  for (int i = 0; i < 20; i++) {
    struct journal_file f;

    desk_make_file(&f, "k");
    cr_assert_eq(journal_add_file(arg, &f, i % 2 == 0 ? STATE_DURABLE : STATE_LAZY), 0);
    journal_file_fini(&f);
  }
  return NULL;
}

Test(journal, many_threads_share_the_journal) {
  struct state *s = desk_state(&desk);
  pthread_t threads[8];
  struct desk_seen seen = {0};

  for (int i = 0; i < 8; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, note_many, s), 0);
  for (int i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  cr_assert_eq(journal_each_file(s, desk_see_file, &seen), 0);
  cr_expect_eq(seen.count, 160);
  journal_file_fini(&seen.last);
  cr_expect_eq(state_sync(s), 0);
  state_close(s);
}

Test(journal, outlives_a_killed_process) {
  struct desk_seen seen = {0};
  struct state *s;
  int status;
  pid_t pid = fork();

  cr_assert_geq(pid, 0);
  if (pid == 0) {
    struct journal_file f;

    s = NULL;
    if (state_open(desk.dir, DESK_MOUNT, &desk.why, &s) != 0)
      _exit(1);
    desk_make_file(&f, "lazy");
    if (journal_add_file(s, &f, STATE_LAZY) != 0)
      _exit(1);
    kill(getpid(), SIGKILL);
  }
  cr_assert_eq(waitpid(pid, &status, 0), pid);
  cr_assert(WIFSIGNALED(status));
  s = desk_state(&desk);
  cr_assert_eq(journal_each_file(s, desk_see_file, &seen), 0);
  cr_expect_eq(seen.count, 1);
  journal_file_fini(&seen.last);
  state_close(s);
}

/* A file that may not grow is the nearest thing to a full disk. */
Test(journal, says_so_when_nothing_can_be_noted) {
  struct state *s = desk_state(&desk);
  struct rlimit before;
  struct rlimit none = {0};
  struct journal_file f;
  struct desk_seen seen = {0};

  desk_make_file(&f, "one");
  cr_assert_eq(journal_add_file(s, &f, STATE_DURABLE), 0);
  signal(SIGXFSZ, SIG_IGN);
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  none.rlim_max = before.rlim_max;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
  cr_expect_lt(journal_add_file(s, &f, STATE_DURABLE), 0);
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  cr_expect_eq(journal_add_file(s, &f, STATE_DURABLE), 0, "and goes on when there is room again");
  cr_assert_eq(journal_each_file(s, desk_see_file, &seen), 0);
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

Test(journal, a_file_and_a_change_are_noted_together_or_not_at_all) {
  char text[8] = "";
  char what[8] = "remove";
  char key[8] = "k";
  struct journal_change c = {
      .domain = text, .what = what, .key = key, .target = text, .etag = text};
  struct journal_file f;
  struct state *s = desk_state(&desk);

  desk_make_file(&f, "k");
  cr_assert_eq(journal_add_file(s, &f, STATE_DURABLE), 0);
  f.key[0] = '\0';
  cr_expect_lt(journal_put_file_and_change(s, &f, &c, STATE_LAZY), 0, "it has no detail");
  expect_noted(s, "k", 0);
  c.detail = text;
  cr_assert_eq(journal_put_file_and_change(s, &f, &c, STATE_LAZY), 0);
  cr_expect_gt(c.id, 0);
  state_close(s);
  s = desk_state(&desk);
  expect_noted(s, "", 1);
  state_close(s);
  journal_file_fini(&f);
}
