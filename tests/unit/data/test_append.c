/* Appending in place, where the store can: which commits do, and what becomes of the others. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "desk.h"
#include "s3apfs/base/crc.h"

static struct desk desk;

static void set_up(void) {
  desk_open(&desk);
  desk.store->appends = true;
}

static void tear_down(void) {
  desk_close(&desk);
}

TestSuite(append, .init = set_up, .fini = tear_down);

#define OLD "0123456789"

/* As a HEAD tells of it. */
static struct store_attr put_old(void) {
  struct store_attr attr = desk_put(&desk, "k", (const unsigned char *)OLD, strlen(OLD));

  attr.crc_kind = CRC_64NVME;
  attr.crc = crc64nvme(0, OLD, strlen(OLD));
  attr.timeless = true;
  return attr;
}

static struct staged *open_old(void) {
  struct store_attr attr = put_old();
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  return f;
}

static void commit(struct staged *f, int err) {
  struct commit_result r;

  cr_assert_eq(staged_commit(f, &r), err);
  cr_expect_eq(r.committed, err == 0);
  commit_result_fini(&r);
}

static void expect_text(const char *text) {
  desk_expect(&desk, "k", (const unsigned char *)text, strlen(text));
}

static struct mem_store_counts counts(void) {
  struct mem_store_counts c;

  mem_store_counts(desk.mem, &c);
  return c;
}

static void end(struct staged *f) {
  cr_expect_not(staged_is_dirty(f));
  staged_free(f);
  cr_expect_eq(desk_journal_files(&desk), 0);
  cr_expect_eq(desk_staged_files(&desk), 0);
}

Test(append, one_request_after_another) {
  struct staged *f = open_old();
  struct mem_store_counts before = counts();
  struct mem_store_counts after;

  cr_assert_eq(staged_append(f, " one", 4), 0);
  commit(f, 0);
  cr_assert_eq(staged_append(f, " two", 4), 0);
  cr_assert_eq(staged_truncate(f, 20), 0);
  commit(f, 0);
  after = counts();
  desk_expect(&desk, "k", (const unsigned char *)OLD " one two\0\0", 20);
  cr_expect_eq(after.appends - before.appends, 2);
  cr_expect_eq(after.heads, before.heads);
  cr_expect_eq(after.gets, before.gets);
  cr_expect_eq(after.puts, before.puts);
  end(f);
}

/* What this process has put needs no look. */
Test(append, to_what_was_put_here) {
  struct staged *f;

  cr_assert_eq(staged_new(desk.staging, desk.store, "k", NULL, &f), 0);
  cr_assert_eq(staged_append(f, "new", 3), 0);
  commit(f, 0);
  cr_assert_eq(staged_append(f, " line", 5), 0);
  commit(f, 0);
  expect_text("new line");
  cr_expect_eq(counts().appends, 1);
  end(f);
}

static void expect_no_append(struct staged *f, const char *text) {
  commit(f, 0);
  expect_text(text);
  cr_expect_eq(counts().appends, 0);
  end(f);
}

Test(append, not_when_something_else_changed) {
  struct staged *f = open_old();

  cr_assert_eq(staged_append(f, "+", 1), 0);
  cr_assert_eq(staged_write(f, 0, "x", 1), 0);
  expect_no_append(f, "x123456789+");
  f = open_old();
  cr_assert_eq(staged_truncate(f, 5), 0);
  cr_assert_eq(staged_append(f, "56789+", 6), 0);
  expect_no_append(f, OLD "+");
}

Test(append, not_when_metadata_changed) {
  struct staged *f = open_old();
  struct kvlist meta;

  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "mode", "0600"), 0);
  cr_assert_eq(staged_dress(f, &meta, true), 0);
  kvlist_fini(&meta);
  cr_assert_eq(staged_append(f, "+", 1), 0);
  expect_no_append(f, OLD "+");
}

Test(append, not_when_metadata_tells_the_time) {
  struct store_attr attr = put_old();
  struct staged *f;

  attr.timeless = false;
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_append(f, "+", 1), 0);
  expect_no_append(f, OLD "+");
}

Test(append, not_without_the_checksum_of_the_base) {
  struct store_attr attr = put_old();
  struct staged *f;

  attr.crc_kind = CRC_NONE;
  cr_assert_eq(staged_new(desk.staging, desk.store, "k", &attr, &f), 0);
  cr_assert_eq(staged_append(f, "+", 1), 0);
  expect_no_append(f, OLD "+");
}

Test(append, not_where_the_store_cannot) {
  struct staged *f = open_old();

  desk.store->appends = false;
  cr_assert_eq(staged_append(f, "+", 1), 0);
  expect_no_append(f, OLD "+");
}

/* As after 10,000 pieces. */
Test(append, what_is_refused_becomes_a_new_object) {
  struct staged *f = open_old();

  fault_store_fail(desk.store, FAULT_APPEND, 0, 1, -EOPNOTSUPP, 0);
  cr_assert_eq(staged_append(f, "+", 1), 0);
  commit(f, 0);
  expect_text(OLD "+");
  cr_expect_eq(counts().puts, 1);
  cr_assert_eq(staged_append(f, "+", 1), 0);
  commit(f, 0);
  expect_text(OLD "++");
  end(f);
}

Test(append, a_lost_reply_is_recognised) {
  struct staged *f = open_old();

  fault_store_lose(desk.store, FAULT_APPEND, 0, 1, -EIO);
  cr_assert_eq(staged_append(f, "+", 1), 0);
  commit(f, 0);
  expect_text(OLD "+");
  cr_expect_eq(counts().appends, 1);
  end(f);
}

/* Neither is the question, and so nothing is known: but nothing is appended twice. */
Test(append, a_lost_reply_is_recognised_later) {
  struct staged *f = open_old();

  fault_store_lose(desk.store, FAULT_APPEND, 0, 1, -EIO);
  fault_store_fail(desk.store, FAULT_DETAIL, 0, 1, -ETIMEDOUT, 0);
  cr_assert_eq(staged_append(f, "+", 1), 0);
  commit(f, -EIO);
  commit(f, 0);
  expect_text(OLD "+");
  cr_expect_eq(counts().appends, 1);
  end(f);
}

Test(append, another_hosts_change_is_a_conflict) {
  struct staged *f = open_old();

  cr_assert_eq(staged_append(f, "+", 1), 0);
  desk_put(&desk, "k", (const unsigned char *)"0123456788", 10);
  commit(f, -ESTALE);
  expect_text("0123456788");
  staged_free(f);
  cr_expect_eq(desk_journal_files(&desk), 1, "what was below it is gone: it waits here");
}
