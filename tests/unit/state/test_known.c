/* What is remembered of own versions. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "desk.h"
#include "s3apfs/state/known.h"

static struct desk desk;

static void set_up(void) {
  desk_open(&desk);
}

static void tear_down(void) {
  desk_close(&desk);
}

TestSuite(known, .init = set_up, .fini = tear_down);

static int see_known(void *arg, const char *key, const char *etag, const struct known *k) {
  buf_printf(arg, "%s@%s %o;", key, etag, k->mode);
  return 0;
}

Test(known, metadata_belongs_to_one_version) {
  struct state *s = desk_state(&desk);
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

static off_t log_size(void) {
  char *path = desk_path(&desk, "journal.db-wal");
  struct stat st;

  cr_assert_eq(stat(path, &st), 0);
  free(path);
  return st.st_size;
}

Test(known, the_same_is_written_once) {
  struct state *s = desk_state(&desk);
  struct known k = {.mode = 0100640, .uid = 7, .gid = 8, .mtime_ns = -5};
  struct known got = {0};
  off_t before;

  cr_assert_eq(known_put(s, "d", "f", "e1", &k, STATE_LAZY), 0);
  before = log_size();
  cr_assert_eq(known_put(s, "d", "f", "e1", &k, STATE_LAZY), 0);
  cr_expect_eq(log_size(), before);
  k.link = (char *)"to";
  cr_assert_eq(known_put(s, "d", "f", "e1", &k, STATE_LAZY), 0);
  cr_expect_gt(log_size(), before, "more is known");
  cr_assert_eq(known_get(s, "d", "f", "e1", &got), 0);
  cr_expect_str_eq(got.link, "to");
  known_fini(&got);
  cr_assert_eq(known_put(s, "d", "f", "e2", &k, STATE_LAZY), 0);
  cr_expect_eq(known_get(s, "d", "f", "e1", &got), -ENOENT);
  cr_assert_eq(known_get(s, "d", "f", "e2", &got), 0);
  cr_expect_eq(got.uid, 7);
  known_fini(&got);
  before = log_size();
  cr_assert_eq(known_put(s, "d", "f", "e2", &k, STATE_DURABLE), 0);
  cr_expect_gt(log_size(), before, "what was written lazily has to be synced");
  state_close(s);
}

Test(known, folders_move_with_the_one_they_are_in) {
  struct state *s = desk_state(&desk);
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
