/* The state directory: whose it is, how it is found, and when it is refused rather than made anew.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "desk.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"
#include "s3apfs/state/servers.h"

static struct desk desk;

static void set_up(void) {
  desk_open(&desk);
}

static void tear_down(void) {
  desk_close(&desk);
}

TestSuite(state, .init = set_up, .fini = tear_down);

/* Syncing writes something, which must not be another version. */
Test(state, is_opened_again_after_a_sync) {
  struct state *s = desk_state(&desk);

  cr_assert_eq(state_sync(s), 0);
  state_close(s);
  s = desk_state(&desk);
  state_close(s);
}

Test(state, what_servers_honour_is_known_for_a_while) {
  struct state *s = desk_state(&desk);
  unsigned honours = 0;

  cr_expect_eq(servers_get(s, "http://h b", 0, &honours), -ENOENT);
  cr_assert_eq(servers_put(s, "http://h b", 5, 1000), 0);
  cr_assert_eq(servers_put(s, "http://h b", 255, 2000), 0);
  state_close(s);
  s = desk_state(&desk);
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

    cr_assert_eq(state_open(desk.dir, names[i], &desk.why, &s), 0, "%s", buf_cstr(&desk.why));
    state_close(s);
  }
  cr_expect_eq(state_find(desk.dir, "/mnt/a b user ", add_up, &sum), 0);
  cr_expect_eq(sum, 107);
  cr_expect_eq(state_find(desk.dir, "/mnt/a-b user ", stop, NULL), 20);
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

      cr_assert_eq(state_open(desk.dir, name, &desk.why, &s), 0, "%s", buf_cstr(&desk.why));
      state_close(s);
      free(name);
    }
    cr_expect_eq(state_find(desk.dir, mount, add_up, &sum), 0);
    cr_expect_eq(sum, 2 * 61001 + 1, "%zu: %lu", len, sum);
    free(mount);
  }
}

Test(state, is_private_and_has_one_owner) {
  struct state *s = desk_state(&desk);
  struct state *other = NULL;
  struct stat st;

  cr_assert_eq(stat(state_staging_dir(s), &st), 0);
  cr_expect_eq(st.st_mode & 07777, 0700);
  cr_expect_eq(state_open(desk.dir, DESK_MOUNT, &desk.why, &other), -EBUSY);
  cr_expect_not_null(strstr(buf_cstr(&desk.why), "in use"));
  buf_reset(&desk.why);
  cr_assert_eq(state_open(desk.dir, "/mnt/a-b", &desk.why, &other), 0,
               "another mount point, other state");
  state_close(other);
  state_close(s);
}

Test(state, refuses_a_damaged_journal) {
  struct state *s = desk_state(&desk);
  struct journal_file f;
  char junk[4096];
  char *path;
  int fd;

  desk_make_file(&f, "k");
  cr_assert_eq(journal_add_file(s, &f, STATE_DURABLE), 0);
  state_close(s);
  journal_file_fini(&f);
  path = desk_path(&desk, "journal.db");
  fd = open(path, O_WRONLY | O_CLOEXEC);
  memset(junk, 'x', sizeof(junk));
  cr_assert_eq(pwrite(fd, junk, sizeof(junk), 0), (ssize_t)sizeof(junk));
  close(fd);
  s = NULL;
  cr_expect_eq(state_open(desk.dir, DESK_MOUNT, &desk.why, &s), -EUCLEAN);
  cr_expect_not_null(strstr(buf_cstr(&desk.why), "damaged"), "%s", buf_cstr(&desk.why));
  cr_expect_eq(access(path, F_OK), 0, "it is left as it is");
  free(path);
}

Test(state, refuses_staged_files_without_a_journal) {
  struct state *s = desk_state(&desk);
  char *file = text_printf("%s/1.1.data", state_staging_dir(s));
  char *db;

  cr_assert_eq(file_write_atomic(file, "x", 1, 0600), 0);
  state_close(s);
  db = desk_path(&desk, "journal.db");
  cr_assert_eq(unlink(db), 0);
  s = NULL;
  cr_expect_eq(state_open(desk.dir, DESK_MOUNT, &desk.why, &s), -EUCLEAN);
  cr_expect_eq(access(file, F_OK), 0);
  free(file);
  free(db);
}
