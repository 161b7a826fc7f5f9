/* Between the store's answer to a commit and what the names know of it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "../../../src/fs/fs_internal.h"
#include "s3apfs/data/commit.h"
#include "unit/fs/world.h"

static struct world w;
static const struct fs_maker me = {.mode = 0750, .uid = 1000, .gid = 100};
static atomic_bool sent;
static atomic_bool go_on;

static void set_up(void) {
  world_init(&w, "");
  world_open_writable(&w);
}

static void tear_down(void) {
  world_fini(&w);
}

TestSuite(told, .init = set_up, .fini = tear_down);

static int send_and_wait(struct staged *f, struct commit_result *out) {
  int rc = staged_commit(f, out);

  atomic_store(&sent, true);
  while (!atomic_load(&go_on))
    usleep(1000);
  return rc;
}

static void *sender_main(void *arg) {
  cr_expect_eq(writing_send(w.fs, arg, send_and_wait), 0);
  return NULL;
}

static void *opener_main(void *arg) {
  (void)arg;
  usleep(200000);
  atomic_store(&go_on, true);
  return NULL;
}

static void write_text(uint64_t handle, const char *text) {
  cr_assert_eq(fs_write(w.fs, handle, 0, text, strlen(text)), 0);
}

/* "old/f" was saved as "one", and then as "two" by a thread that has not told so yet. */
static uint64_t save_untold(struct fs_entry *folder, struct writing **out, pthread_t threads[2]) {
  struct fs_entry e;
  struct fs_opened o;

  cr_assert_eq(fs_mkdir(w.fs, FS_ROOT_INO, "old", &me, folder), 0);
  cr_assert_eq(fs_create(w.fs, folder->ino, "f", O_RDWR, &me, &e, &o), 0);
  write_text(o.handle, "one");
  cr_assert_eq(fs_flush(w.fs, o.handle, 0), 0);
  write_text(o.handle, "two");
  *out = writing_find(w.fs, e.ino);
  cr_assert_not_null(*out);
  cr_assert_eq(pthread_create(&threads[0], NULL, sender_main, *out), 0);
  while (!atomic_load(&sent))
    usleep(1000);
  cr_assert_eq(pthread_create(&threads[1], NULL, opener_main, NULL), 0);
  return o.handle;
}

static void end(uint64_t handle, struct writing *writing, pthread_t threads[2], const char *key) {
  struct store_attr a;
  char got[3];
  size_t n = 0;

  pthread_join(threads[0], NULL);
  pthread_join(threads[1], NULL);
  writing_put(w.fs, writing);
  fs_release(w.fs, handle);
  cr_assert_eq(w.mem->ops->head(w.mem, "old/f", &a, NULL), -ENOENT);
  cr_assert_eq(store_read(w.mem, key, NULL, 0, got, sizeof(got), &n, NULL), 0);
  cr_expect_arr_eq(got, "two", 3);
}

Test(told, a_rename_waits_for_it) {
  struct fs_entry folder;
  struct writing *writing;
  pthread_t threads[2];
  uint64_t handle = save_untold(&folder, &writing, threads);

  cr_expect_eq(fs_rename(w.fs, folder.ino, "f", folder.ino, "g", 0), 0);
  end(handle, writing, threads, "old/g");
}

Test(told, a_rename_of_the_folder_waits_for_it) {
  struct fs_entry folder;
  struct writing *writing;
  pthread_t threads[2];
  uint64_t handle = save_untold(&folder, &writing, threads);

  cr_expect_eq(fs_rename(w.fs, FS_ROOT_INO, "old", FS_ROOT_INO, "new", 0), 0);
  cr_expect(atomic_load(&go_on), "it did not wait");
  end(handle, writing, threads, "new/f");
}
