/* Recovery: what was acknowledged is finished, what was not replaces nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
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

TestSuite(recover, .init = set_up, .fini = tear_down);

struct outcome {
  unsigned files;
  unsigned committed;
  int err;
};

static int recover_one(void *arg, struct journal_file *row) {
  struct outcome *o = arg;
  struct recovery r;

  staged_recover(desk.staging, desk.store, row, &r);
  o->files++;
  o->committed += r.committed;
  o->err = r.err;
  recovery_fini(&r);
  return 0;
}

/* The process ends here; the next one recovers. */
static struct outcome crash(struct staged *f) {
  struct outcome o = {0};

  staged_free(f);
  desk_restart(&desk);
  cr_assert_eq(staging_sweep(desk.staging), 0);
  cr_assert_eq(journal_each_file(desk.state, recover_one, &o), 0);
  return o;
}

static void expect_nothing_left(void) {
  cr_expect_eq(desk_journal_files(&desk), 0);
  cr_assert_eq(staging_sweep(desk.staging), 0);
  cr_expect_eq(desk_staged_files(&desk), 0);
  cr_expect_eq(mem_store_uploads(desk.mem), 0);
}

static void set_mode(struct staged *f, const char *mode) {
  struct kvlist meta;

  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "mode", mode), 0);
  cr_assert_eq(staged_dress(f, &meta, true), 0);
  kvlist_fini(&meta);
}

static void expect_mode(const char *key, const char *mode) {
  struct store_detail d;

  cr_assert_eq(desk.mem->write->detail(desk.mem, key, &d), 0);
  cr_expect_str_eq(kvlist_get(&d.meta, "mode"), mode);
  store_detail_fini(&d);
}

Test(recover, commits_what_was_acknowledged) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"0123456789", 10);
  struct outcome o;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_write(f, 3, "abc", 3), 0);
  set_mode(f, "0640");
  cr_assert_eq(staged_acknowledge(f), 0);
  o = crash(f);
  cr_expect_eq(o.files, 1);
  cr_expect_eq(o.committed, 1);
  desk_expect(&desk, "k", (const unsigned char *)"012abc6789", 10);
  expect_mode("k", "0640");
  cr_expect_null(desk_find(&desk, "recovered"));
  expect_nothing_left();
}

static void *commit_it(void *arg) {
  static struct commit_result r;
  int rc = staged_commit_acked(arg, &r);

  cr_expect(r.committed);
  commit_result_fini(&r);
  return rc == -ETIMEDOUT ? NULL : arg;
}

/* A commit had its metadata already when more was set on the file; bringing that to the object
 * fails, too. */
static struct staged *set_during_commit(void) {
  pthread_t thread;
  void *failed_otherwise;
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_append(f, "content", 7), 0);
  set_mode(f, "0644");
  cr_assert_eq(staged_acknowledge(f), 0);
  fault_store_gate(desk.store, FAULT_PUT, 0);
  fault_store_fail(desk.store, FAULT_COPY, 0, 1, -ETIMEDOUT, 0);
  cr_assert_eq(pthread_create(&thread, NULL, commit_it, f), 0);
  while (fault_store_waiting(desk.store) == 0)
    usleep(1000);
  set_mode(f, "0600");
  fault_store_open(desk.store);
  pthread_join(thread, &failed_otherwise);
  cr_expect_null(failed_otherwise);
  expect_mode("k", "0644");
  return f;
}

Test(recover, what_was_set_during_a_commit_reaches_the_object) {
  struct outcome o = crash(set_during_commit());

  cr_expect_eq(o.committed, 1);
  expect_mode("k", "0600");
  desk_expect(&desk, "k", (const unsigned char *)"content", 7);
  expect_nothing_left();
}

Test(recover, what_was_set_during_a_commit_is_given_up_for_another_hosts_object) {
  struct staged *f = set_during_commit();

  desk_put(&desk, "k", (const unsigned char *)"theirs", 6);
  cr_expect_eq(crash(f).err, 0);
  desk_expect(&desk, "k", (const unsigned char *)"theirs", 6);
  cr_expect_null(desk_find(&desk, "recovered"));
  expect_nothing_left();
}

Test(recover, what_was_set_over_half_a_save_is_kept_without_it) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"good", 4);
  struct staged *f;
  char *copy;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_append(f, " half", 5), 0);
  set_mode(f, "0600");
  crash(f);
  desk_expect(&desk, "k", (const unsigned char *)"good", 4);
  expect_mode("k", "0600");
  copy = desk_find(&desk, "k.recovered-here-2");
  cr_assert_not_null(copy);
  free(copy);
  expect_nothing_left();
}

Test(recover, an_acknowledged_empty_file_is_made) {
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_expect_eq(crash(f).committed, 1);
  desk_expect(&desk, "k", NULL, 0);
  expect_nothing_left();
}

/* Half a save: cut to nothing, and half of the new content. */
Test(recover, half_a_save_replaces_nothing) {
  struct store_attr attr = desk_put(&desk, "dir/k", (const unsigned char *)"good content", 12);
  struct staged *f;
  char *copy;

  cr_assert_eq(staged_new(desk.staging, desk.store, "dir/k", &attr, &f), 0);
  cr_assert_eq(staged_truncate(f, 0), 0);
  cr_assert_eq(staged_write(f, 0, "half of", 7), 0);
  crash(f);
  desk_expect(&desk, "dir/k", (const unsigned char *)"good content", 12);
  copy = desk_find(&desk, "dir/k.recovered-here-2");
  cr_assert_not_null(copy);
  desk_expect(&desk, copy, (const unsigned char *)"half of", 7);
  free(copy);
  expect_nothing_left();
}

/* Safe is not promised: another process closed what this one still writes. */
Test(recover, what_is_only_safe_replaces_nothing) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"good", 4);
  struct staged *f;
  char *copy;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_secure(f), 0);
  cr_assert_eq(staged_write(f, 0, "half", 4), 0);
  cr_assert_eq(staged_secure(f), 0);
  cr_expect_eq(crash(f).committed, 0);
  desk_expect(&desk, "k", (const unsigned char *)"good", 4);
  copy = desk_find(&desk, "recovered");
  cr_assert_not_null(copy);
  desk_expect(&desk, copy, (const unsigned char *)"half", 4);
  free(copy);
  expect_nothing_left();
}

/* What was changed without a promise cannot be put together when the rest of it is gone. */
Test(recover, half_a_change_of_what_was_replaced_is_given_up) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"0123456789", 10);
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_write(f, 3, "abc", 3), 0);
  desk_put(&desk, "k", (const unsigned char *)"another", 7);
  cr_expect_eq(crash(f).err, 0);
  desk_expect(&desk, "k", (const unsigned char *)"another", 7);
  cr_expect_null(desk_find(&desk, "recovered"));
  expect_nothing_left();
}

Test(recover, half_a_change_of_what_was_removed_is_given_up) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"0123456789", 10);
  struct store_doomed d = {.key = "k"};
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_write(f, 3, "abc", 3), 0);
  cr_assert_eq(desk.mem->write->remove(desk.mem, &d, 1), 0);
  cr_expect_eq(crash(f).err, 0);
  cr_expect_null(desk_find(&desk, "k"));
  expect_nothing_left();
}

Test(recover, both_the_promised_and_the_rest) {
  struct staged *f;
  char *copy;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, "promised", 8), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_assert_eq(staged_write(f, 2, "XX", 2), 0);
  cr_assert_eq(staged_write(f, 8, " and more", 9), 0);
  cr_expect_eq(crash(f).committed, 1);
  desk_expect(&desk, "k", (const unsigned char *)"promised", 8);
  copy = desk_find(&desk, "recovered");
  cr_assert_not_null(copy);
  desk_expect(&desk, copy, (const unsigned char *)"prXXised and more", 17);
  free(copy);
  expect_nothing_left();
}

/* The object got the content, but the process ended before it noted that. */
Test(recover, a_commit_that_was_not_noted_is_not_repeated) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"old", 3);
  struct mem_store_counts before;
  struct mem_store_counts after;
  struct staged *f;
  struct outcome o;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_truncate(f, 0), 0);
  cr_assert_eq(staged_write(f, 0, "new", 3), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  desk_put(&desk, "k", (const unsigned char *)"new", 3);
  mem_store_counts(desk.mem, &before);
  o = crash(f);
  mem_store_counts(desk.mem, &after);
  cr_expect_eq(o.committed, 1);
  cr_expect_eq(after.puts, before.puts);
  cr_expect_null(desk_find(&desk, "conflict"));
  expect_nothing_left();
}

/* The commit succeeded, its reply was lost, and writing went on. */
Test(recover, what_came_after_an_unknown_commit_is_kept) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"old", 3);
  struct commit_result r;
  struct staged *f;
  char *copy;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_append(f, " one", 4), 0);
  fault_store_lose(desk.store, FAULT_PUT, 0, 1, -ETIMEDOUT);
  fault_store_fail(desk.store, FAULT_DETAIL, 1, 1, -ETIMEDOUT, 0);
  cr_assert_eq(staged_commit(f, &r), -ETIMEDOUT);
  cr_assert_eq(staged_append(f, " two", 4), 0);
  crash(f);
  desk_expect(&desk, "k", (const unsigned char *)"old one", 7);
  copy = desk_find(&desk, "recovered");
  cr_assert_not_null(copy);
  desk_expect(&desk, copy, (const unsigned char *)"old one two", 11);
  free(copy);
  expect_nothing_left();
}

/* A server that keeps no checksums shows only an MD5; the journal need not know of the attempt. */
Test(recover, what_was_sent_is_recognised_by_its_md5) {
  mem_store_set_no_checksums(desk.mem);
  for (int late = 0; late < 2; late++) {
    struct commit_result r;
    struct staged *f;
    struct outcome o;

    cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
    cr_assert_eq(staged_write(f, 0, "content", 7), 0);
    cr_assert_eq(staged_acknowledge(f), 0);
    fault_store_lose(desk.store, FAULT_PUT, 0, 1, -ETIMEDOUT);
    if (late == 0)
      fault_store_fail(desk.store, FAULT_DETAIL, 0, 1, -ETIMEDOUT, 0);
    else
      fault_store_fail(desk.store, FAULT_DETAIL, 1, 1, -ETIMEDOUT, 0);
    cr_expect_eq(staged_commit(f, &r), late == 0 ? -ETIMEDOUT : 0);
    commit_result_fini(&r);
    o = crash(f);
    cr_expect_eq(o.err, 0);
    cr_expect_null(desk_find(&desk, "conflict"));
    desk_expect(&desk, "k", (const unsigned char *)"content", 7);
    expect_nothing_left();
    cr_assert_eq(mem_store_delete(desk.mem, "k"), 0);
  }
}

/* The same when the version that was changed is gone, so that the content cannot be
 * put together any more. */
Test(recover, a_change_that_was_not_noted_is_recognised) {
  size_t len = 10 * DESK_PART;
  unsigned char *data = malloc(len + 5);

  desk_fill(data, 0, len, 4);
  memcpy(data + len, " line", 5);
  for (int large = 0; large < 2; large++) {
    size_t size = large == 1 ? len : 1000;
    const char *key = large == 1 ? "large" : "small";
    enum fault_op op = large == 1 ? FAULT_COMPLETE_UPLOAD : FAULT_PUT;
    struct store_attr attr = desk_put(&desk, key, data, size);
    struct commit_result r;
    struct staged *f;

    cr_assert_eq(staged_new(desk.staging, desk.store, key, &attr, &f), 0);
    cr_assert_eq(staged_append(f, " line", 5), 0);
    fault_store_lose(desk.store, op, 0, 1, -ETIMEDOUT);
    fault_store_fail(desk.store, FAULT_DETAIL, 1, 1, -ETIMEDOUT, 0);
    cr_assert_eq(staged_commit(f, &r), -ETIMEDOUT);
    crash(f);
    cr_expect_null(desk_find(&desk, "recovered"));
    memcpy(data + size, " line", 5);
    desk_expect(&desk, key, data, size + 5);
    expect_nothing_left();
    desk_fill(data, 0, len, 4);
  }
  free(data);
}

Test(recover, a_conflict_is_one_also_later) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)"old", 3);
  struct staged *f;
  char *copy;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_truncate(f, 0), 0);
  cr_assert_eq(staged_write(f, 0, "ours", 4), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  desk_put(&desk, "k", (const unsigned char *)"theirs", 6);
  crash(f);
  desk_expect(&desk, "k", (const unsigned char *)"theirs", 6);
  copy = desk_find(&desk, "conflict");
  cr_assert_not_null(copy);
  desk_expect(&desk, copy, (const unsigned char *)"ours", 4);
  free(copy);
  expect_nothing_left();
}

Test(recover, an_upload_goes_on_where_it_was) {
  size_t len = 10 * DESK_PART;
  unsigned char *data = malloc(len);
  struct mem_store_counts before;
  struct mem_store_counts after;
  struct commit_result r;
  struct staged *f;

  desk_fill(data, 0, len, 4);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, len), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  fault_store_fail(desk.store, FAULT_COMPLETE_UPLOAD, 0, 1, -ETIMEDOUT, 0);
  cr_assert_eq(staged_commit(f, &r), -ETIMEDOUT);
  mem_store_counts(desk.mem, &before);
  cr_expect_eq(before.parts, 10);
  cr_expect_eq(crash(f).committed, 1);
  mem_store_counts(desk.mem, &after);
  cr_expect_eq(after.parts, 10, "no part is sent twice");
  cr_expect_eq(after.creates, 1);
  desk_expect(&desk, "k", data, len);
  expect_nothing_left();
  free(data);
}

/* A part that was sent again with content that was not acknowledged is not used. */
Test(recover, parts_of_later_content_are_sent_again) {
  size_t len = 6 * DESK_PART;
  unsigned char *data = malloc(len);
  struct commit_result r;
  struct staged *f;
  char *copy;

  desk_fill(data, 0, len, 4);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, len), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  fault_store_fail(desk.store, FAULT_COMPLETE_UPLOAD, 0, 2, -ETIMEDOUT, 0);
  cr_assert_eq(staged_commit(f, &r), -ETIMEDOUT);
  cr_assert_eq(staged_write(f, 2 * DESK_PART, "later", 5), 0);
  cr_assert_eq(staged_commit(f, &r), -ETIMEDOUT);
  cr_expect_eq(crash(f).committed, 1);
  desk_expect(&desk, "k", data, len);
  copy = desk_find(&desk, "recovered");
  cr_assert_not_null(copy);
  memcpy(data + 2 * DESK_PART, "later", 5);
  desk_expect(&desk, copy, data, len);
  free(copy);
  free(data);
  expect_nothing_left();
}

/* What was written over a part after it had been sent: in another layer, and in the same. */
Test(recover, parts_that_were_written_over_are_sent_again) {
  size_t len = 6 * DESK_PART;
  unsigned char *data = malloc(len);
  struct mem_store_counts before;
  struct mem_store_counts after;
  struct commit_result r;
  struct staged *f;

  desk_fill(data, 0, len, 4);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, len), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  fault_store_fail(desk.store, FAULT_COMPLETE_UPLOAD, 0, 1, -ETIMEDOUT, 0);
  cr_assert_eq(staged_commit(f, &r), -ETIMEDOUT);
  cr_assert_eq(staged_truncate(f, 0), 0);
  desk_fill(data, 0, len - DESK_PART, 5);
  cr_assert_eq(staged_write(f, 0, data, len), 0); /* the last part is what it was */
  cr_assert_eq(staged_acknowledge(f), 0);
  mem_store_counts(desk.mem, &before);
  cr_expect_eq(crash(f).committed, 1);
  mem_store_counts(desk.mem, &after);
  cr_expect_eq(after.parts - before.parts, 5);
  desk_expect(&desk, "k", data, len);
  expect_nothing_left();
  free(data);
}

Test(recover, streamed_parts_that_were_written_over_are_sent_again) {
  size_t len = 6 * DESK_PART;
  unsigned char *data = malloc(len);
  struct staged *f;

  desk_fill(data, 0, len, 4);
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, data, len), 0);
  for (unsigned i = 0; i < 1000; i++) {
    struct mem_store_counts c;

    staged_stream(f);
    mem_store_counts(desk.mem, &c);
    if (c.parts == 5)
      break;
    usleep(1000);
  }
  memset(data + 2 * DESK_PART, 'x', 10);
  cr_assert_eq(staged_write(f, 2 * DESK_PART, data + 2 * DESK_PART, 10), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  cr_expect_eq(crash(f).committed, 1);
  desk_expect(&desk, "k", data, len);
  expect_nothing_left();
  free(data);
}

Test(recover, what_fails_now_stays_for_later) {
  struct outcome o = {0};
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, "kept", 4), 0);
  cr_assert_eq(staged_acknowledge(f), 0);
  fault_store_fail(desk.store, FAULT_PUT, 0, 1, -EACCES, 0);
  o = crash(f);
  cr_expect_eq(o.err, -EACCES);
  cr_expect_eq(desk_journal_files(&desk), 1);
  o = (struct outcome){0};
  cr_assert_eq(journal_each_file(desk.state, recover_one, &o), 0);
  cr_expect_eq(o.committed, 1);
  desk_expect(&desk, "k", (const unsigned char *)"kept", 4);
  expect_nothing_left();
}

Test(recover, an_unlinked_file_is_gone) {
  struct store_attr left;
  struct staged *f;
  bool sure;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_write(f, 0, "x", 1), 0);
  cr_assert_eq(staged_unlink(f, &left, &sure), 0);
  cr_expect(sure && left.etag[0] == '\0');
  crash(f);
  cr_expect_null(desk_find(&desk, "k"));
  expect_nothing_left();
}
