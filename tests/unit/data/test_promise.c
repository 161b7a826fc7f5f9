/* Promises outlive the machine: small contents are in the journal, whatever became of
 * the staged files; what came after a promise is not part of it. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"

static struct desk desk;

static void set_up(void) {
  desk_open(&desk);
}

static void tear_down(void) {
  desk_close(&desk);
}

TestSuite(promise, .init = set_up, .fini = tear_down);

/* What a crash of the machine leaves of files that were never synced: nothing, or files
 * without content. */
static void lose_staged_files(bool remove) {
  DIR *dir = opendir(state_staging_dir(desk.state));
  const struct dirent *e;

  cr_assert_not_null(dir);
  while ((e = readdir(dir)) != NULL) {
    int fd =
        e->d_name[0] != '.' && !remove ? openat(dirfd(dir), e->d_name, O_WRONLY | O_TRUNC) : -1;

    if (fd >= 0)
      close(fd);
    else if (e->d_name[0] != '.')
      cr_assert_eq(unlinkat(dirfd(dir), e->d_name, 0), 0);
  }
  closedir(dir);
}

static int recover_one(void *arg, struct journal_file *row) {
  struct recovery r;

  staged_recover(desk.staging, desk.store, row, &r);
  cr_expect_eq(r.err, 0);
  *(unsigned *)arg += r.committed;
  recovery_fini(&r);
  return 0;
}

static unsigned crash_of_the_machine(struct staged *f, bool remove) {
  unsigned committed = 0;

  staged_free(f);
  lose_staged_files(remove);
  desk_restart(&desk);
  cr_assert_eq(journal_each_file(desk.state, recover_one, &committed), 0);
  cr_expect_eq(desk_journal_files(&desk), 0);
  cr_expect_eq(desk_staged_files(&desk), 0);
  return committed;
}

Test(promise, small_contents_are_in_the_journal) {
  for (int i = 0; i < 2; i++) {
    struct staged *f;

    cr_assert_eq(staged_new(desk.staging, desk.store, i == 0 ? "a" : "b", NULL, &f), 0);
    cr_assert_eq(staged_write(f, 5, "world", 5), 0);
    cr_assert_eq(staged_write(f, 0, "hello", 3), 0);
    cr_assert_eq(staged_acknowledge(f), 0);
    cr_expect_eq(crash_of_the_machine(f, i == 1), 1);
    desk_expect(&desk, i == 0 ? "a" : "b", (const unsigned char *)"hel\0\0world", 10);
  }
}

Test(promise, several_are_kept_one_above_the_other) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"0123456789", 10);
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_write(f, 1, "a", 1), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_assert_eq(staged_acknowledge(f), 0); /* nothing new */
  cr_assert_eq(staged_write(f, 2, "b", 1), 0);
  cr_assert_eq(staged_truncate(f, 4), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_assert_eq(staged_write(f, 0, "half", 4), 0);
  cr_expect_eq(crash_of_the_machine(f, true), 1);
  desk_expect(&desk, "k", (const unsigned char *)"0ab3", 4);
}

Test(promise, what_the_object_is_to_carry_belongs_to_it) {
  struct store_detail d;
  struct kvlist meta;
  struct staged *f;

  kvlist_init(&meta);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, "x", 1), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_assert_eq(kvlist_add(&meta, "mode", "0640"), 0);
  cr_assert_eq(staged_dress(f, &meta, true), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  kvlist_fini(&meta);
  cr_expect_eq(crash_of_the_machine(f, true), 1);
  cr_assert_eq(desk.mem->write->detail(desk.mem, "k", &d), 0);
  cr_expect_str_eq(kvlist_get(&d.meta, "mode"), "0640");
  store_detail_fini(&d);
}

/* After a commit the journal forgets; the next promise begins anew. */
Test(promise, a_commit_ends_it) {
  struct commit_result r;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, "one", 3), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_assert_eq(staged_commit(f, &r), 0);
  commit_result_fini(&r);
  cr_expect_eq(desk_journal_files(&desk), 0);
  cr_assert_eq(staged_write(f, 0, "two", 3), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_expect_eq(crash_of_the_machine(f, true), 1);
  desk_expect(&desk, "k", (const unsigned char *)"two", 3);
}

/* What is large is in its files, synced. */
Test(promise, large_contents_are_in_files) {
  size_t len = (size_t)300 << 10;
  unsigned char *data = malloc(len);
  unsigned committed = 0;
  struct staged *f;

  cr_assert_not_null(data);
  desk_fill(data, 0, len, 1);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, len), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  staged_free(f);
  desk_restart(&desk);
  cr_assert_eq(journal_each_file(desk.state, recover_one, &committed), 0);
  cr_expect_eq(committed, 1);
  desk_expect(&desk, "k", data, len);
  free(data);
}
