/* Staged files: what was written is read, whatever lies below, and what was
 * committed is exactly that. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"
#include "s3apfs/base/clock.h"

static struct desk desk;

static void set_up(void) {
  desk_open(&desk);
}

static void tear_down(void) {
  desk_close(&desk);
}

TestSuite(staging, .init = set_up, .fini = tear_down);

#define BASE_LEN ((size_t)300000)

static unsigned char *base(const char *key, struct store_attr *attr) {
  unsigned char *data = malloc(BASE_LEN * 4);

  memset(data, 0, BASE_LEN * 4);
  desk_fill(data, 0, BASE_LEN, 1);
  *attr = desk_put(&desk, key, data, BASE_LEN);
  return data;
}

static struct patience patient(void) {
  return (struct patience){.deadline_mono_ms = clock_mono_ms(&clock_system) + 60000};
}

static void expect_content(struct staged *f, const unsigned char *data, size_t len) {
  unsigned char *got = malloc(len + 100);
  struct patience p = patient();
  size_t n = 0;

  cr_assert_eq(staged_size(f), len);
  cr_assert_eq(staged_read(f, 0, got, len + 100, &p, &n), 0);
  cr_assert_eq(n, len);
  for (size_t i = 0; i < len; i++)
    cr_assert_eq(got[i], data[i], "byte %zu", i);
  free(got);
}

static void commit(struct staged *f, int err, bool committed) {
  struct commit_result r;

  cr_assert_eq(staged_commit(f, &r), err);
  cr_expect_eq(r.committed, committed);
  commit_result_fini(&r);
}

Test(staging, a_new_file_is_put) {
  struct mem_store_counts c;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "n/ew", NULL, &f), 0);
  cr_expect(staged_is_dirty(f));
  cr_assert_eq(staged_write(f, 0, "hello", 5), 0);
  cr_assert_eq(staged_append(f, " world", 6), 0);
  cr_expect_eq(desk_journal_files(&desk), 1);
  commit(f, 0, true);
  cr_expect_not(staged_is_dirty(f));
  commit(f, 0, false);
  expect_content(f, (const unsigned char *)"hello world", 11);
  staged_free(f);
  desk_expect(&desk, "n/ew", (const unsigned char *)"hello world", 11);
  mem_store_counts(desk.mem, &c);
  cr_expect_eq(c.puts, 1);
  cr_expect_eq(c.heads, 1, "the expectation's own");
  cr_expect_eq(desk_journal_files(&desk), 0);
  cr_expect_eq(desk_staged_files(&desk), 0);
}

Test(staging, an_empty_new_file_is_put) {
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "empty", NULL, &f), 0);
  commit(f, 0, true);
  staged_free(f);
  desk_expect(&desk, "empty", NULL, 0);
}

Test(staging, holes_and_cuts_are_read_back) {
  struct store_attr attr;
  unsigned char *data = base("k", &attr);
  struct staged *f;
  uint64_t at = 0;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  expect_content(f, data, BASE_LEN);
  cr_assert_eq(staged_truncate(f, 1000), 0);
  cr_assert_eq(staged_truncate(f, 5000), 0);
  memset(data + 1000, 0, BASE_LEN);
  expect_content(f, data, 5000);
  cr_assert_eq(staged_write(f, 9000, "x", 1), 0);
  data[9000] = 'x';
  expect_content(f, data, 9001);
  cr_assert_eq(staged_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10, 20), 0);
  memset(data + 10, 0, 20);
  expect_content(f, data, 9001);
  cr_assert_eq(staged_seek(f, 0, SEEK_HOLE, &at), 0);
  cr_expect_eq(at, 1000);
  cr_assert_eq(staged_seek(f, 1000, SEEK_DATA, &at), 0);
  cr_expect_eq(at, 9000);
  cr_assert_eq(staged_seek(f, 9000, SEEK_HOLE, &at), 0);
  cr_expect_eq(at, 9001);
  cr_expect_eq(staged_seek(f, 9001, SEEK_DATA, &at), -ENXIO);
  cr_assert_eq(staged_allocate(f, 0, 9000, 1000), 0);
  expect_content(f, data, 10000);
  cr_expect_eq(staged_allocate(f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EOPNOTSUPP);
  commit(f, 0, true);
  desk_expect(&desk, "k", data, 10000);
  expect_content(f, data, 10000);
  staged_free(f);
  free(data);
}

/* Random changes, acknowledgements and commits against a plain array. */
Test(staging, is_what_an_array_would_be) {
  struct store_attr attr;
  unsigned char *model = base("k", &attr);
  unsigned char *bytes = malloc(BASE_LEN);
  size_t size = BASE_LEN;
  unsigned seed = 3;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  for (int i = 0; i < 400; i++) {
    size_t at = (size_t)rand_r(&seed) % (BASE_LEN * 2);
    size_t len = (size_t)rand_r(&seed) % (i % 5 == 0 ? 100000 : 3000);

    switch (rand_r(&seed) % 10) {
    case 0:
      cr_assert_eq(staged_truncate(f, at), 0);
      if (at > size)
        memset(model + size, 0, at - size);
      size = at;
      break;
    case 1:
      commit(f, 0, staged_is_dirty(f));
      desk_expect(&desk, "k", model, size);
      break;
    case 2:
      cr_assert_eq(staged_acknowledge(f), 0);
      break;
    case 3:
      if (len == 0 || at >= size)
        break;
      cr_assert_eq(staged_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len), 0);
      memset(model + at, 0, at + len < size ? len : size - at);
      break;
    default:
      desk_fill(bytes, at, len, (uint64_t)i);
      cr_assert_eq(staged_write(f, at, bytes, len), 0);
      if (len > 0 && at > size)
        memset(model + size, 0, at - size);
      memcpy(model + at, bytes, len);
      size = len > 0 && at + len > size ? at + len : size;
      break;
    }
    if (i % 20 == 0)
      expect_content(f, model, size);
  }
  commit(f, 0, staged_is_dirty(f));
  desk_expect(&desk, "k", model, size);
  cr_expect_eq(mem_store_uploads(desk.mem), 0);
  staged_free(f);
  cr_expect_eq(desk_staged_files(&desk), 0);
  free(model);
  free(bytes);
}

Test(staging, a_small_change_of_a_large_object_copies_the_rest) {
  size_t len = 40 * DESK_PART;
  unsigned char *data = malloc(len + 10);
  struct mem_store_counts before;
  struct mem_store_counts after;
  struct store_attr attr;
  struct staged *f;

  desk_fill(data, 0, len, 1);
  attr = desk_put(&desk, "k", data, len);
  cr_assert_eq(mem_store_set_meta(desk.mem, "k", "owner", "them"), 0);
  cr_assert_eq(mem_store_set_tags(desk.mem, "k", "a=1"), 0);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_write(f, len, "a line\n", 7), 0);
  memcpy(data + len, "a line\n", 7);
  mem_store_counts(desk.mem, &before);
  commit(f, 0, true);
  mem_store_counts(desk.mem, &after);
  cr_expect_eq(after.bytes, before.bytes, "nothing is fetched");
  cr_expect_eq(after.bytes_put, before.bytes_put + 7, "and only the line sent");
  cr_expect_eq(after.heads, before.heads + 1);
  cr_expect_eq(after.part_copies + after.parts, before.part_copies + before.parts + 2);
  desk_expect(&desk, "k", data, len + 7);

  cr_assert_eq(staged_write(f, 20 * DESK_PART, "changed", 7), 0);
  memcpy(data + 20 * DESK_PART, "changed", 7);
  mem_store_counts(desk.mem, &before);
  commit(f, 0, true);
  mem_store_counts(desk.mem, &after);
  cr_expect_leq(after.bytes_put - before.bytes_put, DESK_PART_MIN);
  desk_expect(&desk, "k", data, len + 7);
  staged_free(f);

  {
    struct store_detail d;

    cr_assert_eq(desk.mem->write->detail(desk.mem, "k", &d), 0);
    cr_expect_str_eq(kvlist_get(&d.meta, "owner"), "them");
    cr_expect_eq(d.tag_count, 1);
    store_detail_fini(&d);
  }
  free(data);
}

/* What one part lacks comes by one request, however it is cut up. */
Test(staging, scattered_changes_of_a_large_part_fetch_once) {
  struct staging_options o = {.host = "here"};
  size_t len = (size_t)7 << 20;
  unsigned char *data = malloc(len);
  struct mem_store_counts before;
  struct mem_store_counts after;
  struct staging *large;
  struct store_attr attr;
  struct staged *f;

  desk_fill(data, 0, len, 1);
  attr = desk_put(&desk, "k", data, len);
  cr_assert_eq(staging_new(desk.state, desk.cache, &o, &large), 0);
  cr_assert_eq(staged_new(large, desk.store, "k", &attr, &f), 0);
  for (size_t at = 100000; at < len; at += 300000) {
    cr_assert_eq(staged_write(f, at, "scattered", 9), 0);
    memcpy(data + at, "scattered", 9);
  }
  mem_store_counts(desk.mem, &before);
  commit(f, 0, true);
  mem_store_counts(desk.mem, &after);
  cr_expect_eq(after.gets, before.gets + 1);
  staged_free(f);
  staging_free(large);
  desk_expect(&desk, "k", data, len);
  free(data);
}

Test(staging, tags_that_may_not_be_read_are_not_lost) {
  struct store_attr attr;
  unsigned char *data = base("k", &attr);
  struct staged *f;

  cr_assert_eq(mem_store_set_tags(desk.mem, "k", "a=1"), 0);
  fault_store_fail(desk.store, FAULT_TAGS, 0, 1, -EACCES, 0);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_write(f, 0, "x", 1), 0);
  commit(f, -EACCES, false);
  desk_expect(&desk, "k", data, BASE_LEN);
  cr_expect(staged_is_dirty(f));
  data[0] = 'x';
  commit(f, 0, true);
  desk_expect(&desk, "k", data, BASE_LEN);
  staged_free(f);
  free(data);
}

struct told {
  struct desk *desk;
  char etag[STORE_ETAG_MAX];
  char mode[16];
  unsigned noted; /* files in the journal at that moment */
};

static void note_told(void *arg, const struct store *s, const char *key, const char *etag,
                      const struct kvlist *meta) {
  struct told *t = arg;
  const char *mode = kvlist_get_ci(meta, "file-permissions");

  cr_expect_eq(s, t->desk->store);
  cr_expect_str_eq(key, "k");
  snprintf(t->etag, sizeof(t->etag), "%s", etag);
  snprintf(t->mode, sizeof(t->mode), "%s", mode != NULL ? mode : "");
  t->noted = desk_journal_files(t->desk);
}

/* A process that ends at any moment leaves either. */
Test(staging, what_was_sent_is_told_before_the_journal_forgets_it) {
  struct told told = {.desk = &desk};
  struct staging_options o = {.host = "here", .stored = note_told, .stored_arg = &told};
  struct store_attr attr;
  struct staging *telling;
  struct kvlist meta;
  struct staged *f;

  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "file-permissions", "0100600"), 0);
  cr_assert_eq(staging_new(desk.state, desk.cache, &o, &telling), 0);
  cr_assert_eq(staged_new(telling, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, "new", 3), 0);
  cr_assert_eq(staged_dress(f, &meta, true), 0);
  commit(f, 0, true);
  cr_assert_eq(desk.mem->ops->head(desk.mem, "k", &attr, NULL), 0);
  cr_expect_str_eq(told.etag, attr.etag);
  cr_expect_str_eq(told.mode, "0100600");
  cr_expect_eq(told.noted, 1);
  cr_expect_eq(desk_journal_files(&desk), 0);
  staged_free(f);
  staging_free(telling);
  kvlist_fini(&meta);
}

Test(staging, its_size_is_limited) {
  struct staging_options o = {.size = 10000, .host = "here"};
  struct staging *limited;
  char bytes[6000] = "";
  struct staged *f;

  cr_assert_eq(staging_new(desk.state, desk.cache, &o, &limited), 0);
  cr_assert_eq(staged_new(limited, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, bytes, sizeof(bytes)), 0);
  cr_expect_eq(staged_write(f, 6000, bytes, sizeof(bytes)), -ENOSPC);
  cr_expect_eq(staged_size(f), 6000, "nothing of it was taken");
  cr_expect_eq(staged_write(f, 1000, bytes, sizeof(bytes)), 0, "what is there already is free");
  commit(f, 0, true);
  cr_expect_eq(staged_write(f, 0, bytes, sizeof(bytes)), 0, "what is in the store too");
  cr_assert_eq(staged_discard(f), 0);
  staged_free(f);
  cr_expect_eq(staging_used(limited), 0);
  staging_free(limited);
}

#define MIB ((size_t)1 << 20)

/* Opened before, changed or not: as it is afterwards when not all could be fetched. */
static void expect_as_before(struct staged *f, const unsigned char *data, size_t len) {
  uint64_t used = staging_used(desk.staging);
  bool dirty = staged_is_dirty(f);
  unsigned files = desk_staged_files(&desk);
  unsigned rows = desk_journal_files(&desk);
  struct patience p = patient();

  fault_store_fail(desk.store, FAULT_GET, 1, 100, -EIO, 0);
  cr_expect_eq(staged_localize(f, &p), -EIO);
  fault_store_fail(desk.store, FAULT_GET, 0, 0, 0, 0);
  cr_expect_eq(staging_used(desk.staging), used);
  cr_expect_eq(staged_is_dirty(f), dirty);
  cr_expect_eq(desk_staged_files(&desk), files);
  cr_expect_eq(desk_journal_files(&desk), rows);
  expect_content(f, data, len);
}

Test(staging, what_cannot_be_fetched_leaves_the_file_as_it_was) {
  size_t len = 12 * MIB;
  unsigned char *data = malloc(len);

  for (int changed = 0; changed < 2; changed++) {
    const char *key = changed ? "changed" : "k";
    struct store_attr attr;
    struct staged *f;

    desk_fill(data, 0, len, 1);
    attr = desk_put(&desk, key, data, len);
    cr_assert_eq(staged_new(desk.staging, desk.store, key, &attr, &f), 0);
    memcpy(data, "changed", changed ? 7 : 0);
    cr_assert_eq(staged_write(f, 0, data, changed ? 7 : 0), 0);
    expect_as_before(f, data, len);
    memcpy(data + 7, " again", 6);
    cr_assert_eq(staged_write(f, 7, " again", 6), 0);
    cr_expect_eq(staged_depth(f), 1);
    commit(f, 0, true);
    desk_expect(&desk, key, data, len);
    staged_free(f);
  }
  free(data);
}

Test(staging, there_is_room_for_all_that_is_fetched_or_for_none) {
  struct staging_options o = {.size = 2 * BASE_LEN, .host = "here"};
  struct patience p = patient();
  struct staging *limited;
  struct store_attr attr;
  unsigned char *data = base("k", &attr);
  struct staged *other;
  struct staged *f;

  cr_assert_eq(staging_new(desk.state, desk.cache, &o, &limited), 0);
  cr_assert_eq(staged_new(limited, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_new(limited, desk.store, "other", NULL, &other), 0);
  cr_assert_eq(staged_write(other, 0, data, BASE_LEN + 1), 0);
  cr_expect_eq(staged_localize(f, &p), -EREMOTE);
  cr_expect_eq(staging_used(limited), BASE_LEN + 1);
  cr_assert_eq(staged_discard(other), 0);
  cr_expect_eq(staged_localize(f, &p), 0);
  cr_expect_eq(staging_used(limited), BASE_LEN);
  cr_assert_eq(staged_discard(f), 0);
  staged_free(other);
  staged_free(f);
  staging_free(limited);
  o.size = BASE_LEN - 1;
  cr_assert_eq(staging_new(desk.state, desk.cache, &o, &limited), 0);
  cr_assert_eq(staged_new(limited, desk.store, "k", &attr, &f), 0);
  cr_expect_eq(staged_localize(f, &p), -ENOSPC, "it never has room");
  staged_free(f);
  staging_free(limited);
  free(data);
}

struct released_reader {
  struct staged *file;
  const unsigned char *data;
  atomic_bool end;
};

/* Sees what was written, or that it is not here: never a hole. */
static void *read_on(void *arg) {
  struct released_reader *r = arg;
  unsigned char *got = malloc(MIB);

  for (size_t at = 0; !atomic_load(&r->end); at = (at + MIB) % (32 * MIB)) {
    struct patience p = patient();
    size_t n = 0;
    int rc = staged_read(r->file, at, got, MIB, &p, &n);

    cr_assert(rc == -EREMOTE || (rc == 0 && memcmp(got, r->data + at, n) == 0), "at %zu: %d", at,
              rc);
  }
  free(got);
  return NULL;
}

static void expect_gone(struct staged *f, size_t at) {
  char byte = 1;
  struct patience p = patient();
  size_t n;

  cr_expect_eq(staged_read(f, at, &byte, 1, &p, &n), -EREMOTE);
  cr_expect_eq(staged_write(f, at, &byte, 1), -EREMOTE);
  cr_expect_eq(staged_truncate(f, at), -EREMOTE);
  cr_expect_eq(
      staged_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at & ~(size_t)4095, 4096),
      -EREMOTE);
}

Test(staging, what_was_sent_makes_room) {
  struct staging_options o = {
      .size = 12 * MIB, .part_size = MIB, .part_min = 4096, .host = "here", .threads = 4};
  unsigned char *data = malloc(32 * MIB);
  struct released_reader r = {.data = data};
  struct staging *limited;
  struct staged *f;
  pthread_t reader;

  desk_fill(data, 0, 32 * MIB, 7);
  cr_assert_eq(staging_new(desk.state, desk.cache, &o, &limited), 0);
  cr_assert_eq(staged_new(limited, desk.store, "k", NULL, &f), 0);
  r.file = f;
  atomic_init(&r.end, false);
  cr_assert_eq(pthread_create(&reader, NULL, read_on, &r), 0);
  for (size_t at = 0; at < 32 * MIB; at += MIB / 4) {
    cr_assert_eq(staged_write(f, at, data + at, MIB / 4), 0, "at %zu", at);
    cr_expect(staging_used(limited) <= 12 * MIB);
    staged_stream(f);
  }
  atomic_store(&r.end, true);
  pthread_join(reader, NULL);
  cr_expect(staged_is_released(f));
  expect_gone(f, 9 * MIB + 100);
  cr_expect_eq(staged_write(f, 8 * MIB - 1, data + 8 * MIB - 1, 1), 0, "the start stays");
  commit(f, 0, true);
  cr_expect_not(staged_is_released(f));
  cr_expect_eq(staging_used(limited), 0);
  expect_content(f, data, 32 * MIB);
  desk_expect(&desk, "k", data, 32 * MIB);
  staged_free(f);
  staging_free(limited);
  free(data);
}

/* --- somebody else --- */

Test(staging, a_conflict_keeps_both) {
  struct store_attr attr;
  unsigned char *data = base("dir/k", &attr);
  struct commit_result r;
  struct staged *f;
  char *copy;

  cr_assert_eq(staged_new(desk.staging, desk.store, "dir/k", &attr, &f), 0);
  cr_assert_eq(staged_truncate(f, 0), 0);
  cr_assert_eq(staged_write(f, 0, "ours", 4), 0);
  desk_put(&desk, "dir/k", (const unsigned char *)"theirs", 6);
  cr_assert_eq(staged_commit(f, &r), -ESTALE);
  desk_expect(&desk, "dir/k", (const unsigned char *)"theirs", 6);
  copy = desk_find(&desk, "dir/k.conflict-here-2");
  cr_assert_not_null(copy);
  cr_expect_str_eq(r.aside, copy);
  desk_expect(&desk, copy, (const unsigned char *)"ours", 4);
  cr_expect_eq(staged_write(f, 0, "x", 1), -ESTALE);
  cr_expect_not(staged_is_dirty(f));
  commit_result_fini(&r);
  staged_free(f);
  cr_expect_eq(desk_journal_files(&desk), 0);
  free(copy);
  free(data);
}

Test(staging, the_loser_of_a_creation_learns_it) {
  struct commit_result r;
  struct staged *f;
  char *copy;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, "ours", 4), 0);
  desk_put(&desk, "k", (const unsigned char *)"theirs", 6);
  cr_assert_eq(staged_commit(f, &r), -EEXIST);
  copy = desk_find(&desk, "conflict");
  cr_assert_not_null(copy);
  desk_expect(&desk, copy, (const unsigned char *)"ours", 4);
  desk_expect(&desk, "k", (const unsigned char *)"theirs", 6);
  commit_result_fini(&r);
  staged_free(f);
  free(copy);
}

Test(staging, names_of_copies_fit) {
  char name[300];
  struct commit_result r;
  struct staged *f;

  strcpy(name, "dir/");
  for (int i = 0; i < 125; i++)
    strcat(name, "\xc3\xa4");
  cr_assert_eq(staged_new(desk.staging, desk.store, name, NULL, &f), 0);
  desk_put(&desk, name, (const unsigned char *)"theirs", 6);
  cr_assert_eq(staged_commit(f, &r), -EEXIST);
  cr_assert_not_null(r.aside);
  cr_expect_leq(strlen(r.aside), strlen("dir/") + 255);
  cr_expect_eq((unsigned char)strstr(r.aside, ".conflict")[-1], 0xa4, "no character is torn");
  commit_result_fini(&r);
  staged_free(f);
}

Test(staging, a_conflict_that_cannot_be_written_stays) {
  struct store_attr attr;
  unsigned char *data = base("k", &attr);
  struct commit_result r;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_write(f, 0, "ours", 4), 0);
  desk_put(&desk, "k", (const unsigned char *)"theirs", 6);
  fault_store_fail(desk.store, FAULT_PUT, 0, 5, -EACCES, 0);
  cr_assert_eq(staged_commit(f, &r), -ESTALE);
  cr_expect_null(r.aside);
  commit_result_fini(&r);
  staged_free(f);
  cr_expect_eq(desk_journal_files(&desk), 1);
  cr_expect_gt(desk_staged_files(&desk), 0);
  free(data);
}

/* --- the network --- */

Test(staging, a_failed_commit_stays_and_is_tried_again) {
  static const enum fault_op ops[] = {FAULT_CREATE_UPLOAD, FAULT_COPY_PART, FAULT_PUT_PART,
                                      FAULT_COMPLETE_UPLOAD};
  struct store_attr attr;
  unsigned char *data = base("k", &attr);
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_write(f, 5, "one", 3), 0);
  memcpy(data + 5, "one", 3);
  fault_store_fail(desk.store, FAULT_DETAIL, 0, 1, -ETIMEDOUT, 0);
  commit(f, -ETIMEDOUT, false);
  cr_assert_eq(staged_write(f, 6, "two", 3), 0);
  memcpy(data + 6, "two", 3);
  expect_content(f, data, BASE_LEN);
  for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
    /* Written over, so this part is sent again. */
    cr_assert_eq(staged_write(f, 6, "two", 3), 0);
    fault_store_fail(desk.store, ops[i], 0, 1, -ETIMEDOUT, 0);
    commit(f, -ETIMEDOUT, false);
  }
  commit(f, 0, true);
  desk_expect(&desk, "k", data, BASE_LEN);
  cr_expect_eq(mem_store_uploads(desk.mem), 0);
  staged_free(f);
  free(data);
}

Test(staging, failed_commits_do_not_pile_up) {
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  fault_store_fail(desk.store, FAULT_PUT, 0, 30, -ETIMEDOUT, 0);
  for (int i = 0; i < 30; i++) {
    cr_assert_eq(staged_append(f, "x", 1), 0);
    commit(f, -ETIMEDOUT, false);
    cr_assert_eq(desk_staged_files(&desk), 2, "one layer");
  }
  commit(f, 0, true);
  desk_expect(&desk, "k", (const unsigned char *)"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 30);
  staged_free(f);
}

/* The reply of a commit was lost, and so was every way to learn what became of it. */
Test(staging, a_late_look_finds_what_was_committed) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"old", 3);
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_append(f, " one", 4), 0);
  fault_store_lose(desk.store, FAULT_PUT, 0, 1, -ETIMEDOUT);
  fault_store_fail(desk.store, FAULT_DETAIL, 1, 1, -ETIMEDOUT, 0);
  commit(f, -ETIMEDOUT, false);
  desk_expect(&desk, "k", (const unsigned char *)"old one", 7);
  cr_assert_eq(staged_append(f, " two", 4), 0);
  commit(f, 0, true);
  desk_expect(&desk, "k", (const unsigned char *)"old one two", 11);
  cr_expect_null(desk_find(&desk, "conflict"));
  staged_free(f);
  cr_expect_eq(desk_journal_files(&desk), 0);
}

Test(staging, a_late_look_sends_nothing_twice) {
  struct mem_store_counts before;
  struct mem_store_counts after;
  struct commit_result r;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_append(f, "one", 3), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  fault_store_lose(desk.store, FAULT_PUT, 0, 1, -ETIMEDOUT);
  fault_store_fail(desk.store, FAULT_DETAIL, 0, 1, -ETIMEDOUT, 0);
  commit(f, -ETIMEDOUT, false);
  mem_store_counts(desk.mem, &before);
  cr_assert_eq(staged_commit_acked(f, &r), 0);
  cr_expect(r.committed);
  cr_expect_eq(r.attr.size, 3);
  mem_store_counts(desk.mem, &after);
  cr_expect_eq(after.puts + after.copies, before.puts + before.copies);
  cr_expect_not(staged_is_dirty(f));
  staged_free(f);
  cr_expect_eq(desk_journal_files(&desk), 0);
}

Test(staging, only_what_was_acknowledged_goes) {
  struct commit_result r;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_append(f, "not yet", 7), 0);
  cr_assert_eq(staged_commit_acked(f, &r), 0);
  cr_expect_not(r.committed);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_assert_eq(staged_append(f, ", half", 6), 0);
  cr_assert_eq(staged_commit_acked(f, &r), 0);
  cr_expect(r.committed);
  desk_expect(&desk, "k", (const unsigned char *)"not yet", 7);
  commit(f, 0, true);
  desk_expect(&desk, "k", (const unsigned char *)"not yet, half", 13);
  staged_free(f);
}

static void *commit_now(void *arg) {
  commit(arg, 0, true);
  return NULL;
}

Test(staging, what_is_set_during_a_commit_goes_with_the_next) {
  struct mem_store_counts c;
  struct store_detail d;
  struct kvlist meta;
  pthread_t thread;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_append(f, "content", 7), 0);
  fault_store_gate(desk.store, FAULT_PUT, 0);
  cr_assert_eq(pthread_create(&thread, NULL, commit_now, f), 0);
  while (fault_store_waiting(desk.store) == 0)
    usleep(1000);
  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "mode", "0600"), 0);
  cr_assert_eq(staged_dress(f, &meta, true), 0);
  kvlist_fini(&meta);
  fault_store_open(desk.store);
  pthread_join(thread, NULL);
  cr_expect_not(staged_is_dirty(f));
  cr_assert_eq(desk.mem->write->detail(desk.mem, "k", &d), 0);
  cr_expect_str_eq(kvlist_get(&d.meta, "mode"), "0600");
  store_detail_fini(&d);
  mem_store_counts(desk.mem, &c);
  cr_expect_eq(c.puts, 1);
  staged_free(f);
  cr_expect_eq(desk_journal_files(&desk), 0);
}

Test(staging, lost_replies_are_recognised) {
  unsigned char *data = malloc(BASE_LEN);
  struct staged *f;

  desk_fill(data, 0, BASE_LEN, 9);
  cr_assert_eq(staged_new(desk.staging, desk.store, "small", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, 100), 0);
  fault_store_lose(desk.store, FAULT_PUT, 0, 1, -EIO);
  commit(f, 0, true);
  staged_free(f);
  cr_assert_eq(staged_new(desk.staging, desk.store, "large", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, BASE_LEN), 0);
  fault_store_lose(desk.store, FAULT_COMPLETE_UPLOAD, 0, 1, -EIO);
  commit(f, 0, true);
  staged_free(f);
  desk_expect(&desk, "small", data, 100);
  desk_expect(&desk, "large", data, BASE_LEN);
  cr_expect_null(desk_find(&desk, "conflict"));
  free(data);
}

Test(staging, a_rival_upload_makes_it_begin_again) {
  unsigned char *data = malloc(BASE_LEN);
  struct staged *f;

  desk_fill(data, 0, BASE_LEN, 9);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, BASE_LEN), 0);
  fault_store_fail(desk.store, FAULT_COMPLETE_UPLOAD, 0, 2, -EAGAIN, 0);
  fault_store_fail(desk.store, FAULT_PUT_PART, 1, 1, -EPIPE, 0);
  commit(f, 0, true);
  desk_expect(&desk, "k", data, BASE_LEN);
  staged_free(f);
  free(data);
}

struct committing {
  struct staged *file;
  int rc;
};

static void *commit_main(void *arg) {
  struct committing *c = arg;
  struct commit_result r;

  c->rc = staged_commit(c->file, &r);
  commit_result_fini(&r);
  return NULL;
}

/* Parts of a commit that fails hold what was, also those whose sending began after it had
 * been written over. */
Test(staging, parts_of_a_failed_commit_are_not_used_for_newer_content) {
  size_t len = 40 * DESK_PART;
  unsigned char *data = malloc(len);
  struct committing c = {0};
  struct commit_result r;
  pthread_t thread;

  desk_fill(data, 0, len, 4);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &c.file), 0);
  cr_assert_eq(staged_write(c.file, 0, data, len), 0);
  fault_store_gate(desk.store, FAULT_PUT_PART, 0);
  fault_store_fail(desk.store, FAULT_COMPLETE_UPLOAD, 0, 1, -ETIMEDOUT, 0);
  cr_assert_eq(pthread_create(&thread, NULL, commit_main, &c), 0);
  while (fault_store_waiting(desk.store) == 0)
    usleep(1000);
  desk_fill(data, 0, len, 5);
  cr_assert_eq(staged_write(c.file, 0, data, len), 0);
  fault_store_open(desk.store);
  cr_assert_eq(pthread_join(thread, NULL), 0);
  cr_assert_eq(c.rc, -ETIMEDOUT);
  cr_assert_eq(staged_commit(c.file, &r), 0);
  desk_expect(&desk, "k", data, len);
  staged_free(c.file);
  free(data);
}

/* --- streaming --- */

Test(staging, full_parts_go_out_while_it_is_written) {
  size_t len = 20 * DESK_PART + 77;
  unsigned char *data = malloc(len);
  struct mem_store_counts c;
  struct staged *f;

  desk_fill(data, 0, len, 4);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  for (size_t at = 0; at < len; at += 10000) {
    cr_assert_eq(staged_write(f, at, data + at, len - at < 10000 ? len - at : 10000), 0);
    staged_stream(f);
  }
  for (int i = 0; i < 600; i++) {
    staged_stream(f);
    mem_store_counts(desk.mem, &c);
    if (c.parts >= 19)
      break;
    usleep(10000);
  }
  cr_expect_eq(c.parts, 19, "all full ones but the first");
  /* The header, and a byte of a part that is there already, are written over. */
  cr_assert_eq(staged_write(f, 3, "head", 4), 0);
  memcpy(data + 3, "head", 4);
  cr_assert_eq(staged_write(f, 10 * DESK_PART, "!", 1), 0);
  data[10 * DESK_PART] = '!';
  commit(f, 0, true);
  desk_expect(&desk, "k", data, len);
  mem_store_counts(desk.mem, &c);
  cr_expect_eq(c.parts, 22, "the first, the last, and the one that changed");
  cr_expect_eq(c.creates, 1);
  staged_free(f);
  free(data);
}

Test(staging, what_was_streamed_for_nothing_is_aborted) {
  size_t len = 6 * DESK_PART;
  unsigned char *data = calloc(1, len);
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, len), 0);
  staged_stream(f);
  cr_assert_eq(staged_truncate(f, 10), 0);
  commit(f, 0, true);
  desk_expect(&desk, "k", data, 10);
  cr_expect_eq(mem_store_uploads(desk.mem), 0);
  staged_free(f);
  free(data);
}

/* Writes between the start of a commit and its end are not in it, and not lost. */
Test(staging, writing_goes_on_during_a_commit) {
  size_t len = 5 * DESK_PART;
  unsigned char *data = malloc(len);
  struct staged *f;

  desk_fill(data, 0, len, 4);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, len), 0);
  fault_store_delay(desk.store, FAULT_PUT_PART, 50);
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(staged_write(f, (uint64_t)i * DESK_PART, "more", 4), 0);
    memcpy(data + (size_t)i * DESK_PART, "more", 4);
    staged_stream(f);
  }
  commit(f, 0, true);
  desk_expect(&desk, "k", data, len);
  cr_assert_eq(staged_rename(f, "other", NULL), 0);
  cr_assert_eq(staged_write(f, 0, data, len), 0);
  commit(f, 0, true);
  desk_expect(&desk, "other", data, len);
  staged_free(f);
  free(data);
}
