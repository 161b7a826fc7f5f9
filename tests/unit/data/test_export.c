/* Staged content as a local file: whole, or not at all. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "desk.h"
#include "s3apfs/data/export.h"

#define MIB ((size_t)1 << 20)
#define SIZE (12 * MIB)

static struct desk desk;

static void set_up(void) {
  desk_open(&desk);
}

static void tear_down(void) {
  desk_close(&desk);
}

TestSuite(export, .init = set_up, .fini = tear_down);

struct work {
  struct staged *file;
  const unsigned char *data;
  int dir;
  int err;
};

/* One more than may be staged: some of it has to go, once it was sent. */
static void *write_more(void *arg) {
  struct work *w = arg;

  w->err = staged_write(w->file, SIZE, w->data + SIZE, MIB);
  return NULL;
}

static void *export_it(void *arg) {
  struct work *w = arg;

  w->err = staged_export(w->file, w->dir, "out");
  return NULL;
}

static void write_until_full(struct staged *f, const unsigned char *data) {
  for (size_t at = 0; at < SIZE; at += MIB) {
    cr_assert_eq(staged_write(f, at, data + at, MIB), 0);
    staged_stream(f);
  }
}

static void wait_for_name(int dir, const char *name) {
  while (faccessat(dir, name, F_OK, 0) != 0)
    usleep(1000);
}

static struct staging *limited_staging(void) {
  struct staging_options o = {
      .size = SIZE, .part_size = MIB, .part_min = 4096, .host = "here", .threads = 4};
  struct staging *g;

  cr_assert_eq(staging_new(desk.state, desk.cache, &o, &g), 0);
  return g;
}

Test(export, what_is_released_meanwhile_is_not_exported) {
  unsigned char *data = malloc(SIZE + MIB);
  struct staging *limited = limited_staging();
  struct work writing = {.data = data};
  struct work exporting = {.dir = open(desk.dir, O_RDONLY | O_DIRECTORY)};
  pthread_t writer;
  pthread_t exporter;

  desk_fill(data, 0, SIZE + MIB, 7);
  cr_assert_eq(staged_new(limited, desk.store, "k", NULL, &writing.file), 0);
  exporting.file = writing.file;
  fault_store_gate(desk.store, FAULT_PUT_PART, 0);
  write_until_full(writing.file, data);
  cr_assert_eq(pthread_create(&writer, NULL, write_more, &writing), 0);
  while (staging_used(limited) < SIZE || fault_store_waiting(desk.store) == 0)
    usleep(1000);
  usleep(20000); /* the writer has the file's turn by then, or the export is simply whole */
  cr_assert_eq(pthread_create(&exporter, NULL, export_it, &exporting), 0);
  wait_for_name(exporting.dir, "out");
  fault_store_open(desk.store);
  pthread_join(exporter, NULL);
  pthread_join(writer, NULL);
  cr_assert_eq(writing.err, 0);
  cr_expect(staged_is_released(writing.file));
  cr_expect_eq(exporting.err, -EIO, "%d", exporting.err);
  cr_expect_eq(faccessat(exporting.dir, "out", F_OK, 0), -1, "nothing is left of it");
  close(exporting.dir);
  cr_assert_eq(staged_discard(writing.file), 0);
  staged_free(writing.file);
  staging_free(limited);
  free(data);
}
