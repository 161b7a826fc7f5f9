/* Moves behind the journal: what was acknowledged looks done, comes before what was acknowledged
 * later, and takes nothing away that somebody else made. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desk.h"
#include "s3apfs/data/later.h"

static struct desk desk;
static struct store *later;

static void open_later(void) {
  cr_assert_eq(later_new(desk.state, desk.store, false, &later), 0);
}

static void set_up(void) {
  desk_open(&desk);
  mem_store_set_etags_of_bytes(desk.mem);
}

/* It owns the faulty store and ends before the journal. */
static void tear_down(void) {
  if (later != NULL) {
    store_free(later);
    cr_assert_eq(mem_store_new("d", &desk.store), 0);
  }
  desk_close(&desk);
}

TestSuite(later_move, .init = set_up, .fini = tear_down);

static struct store_attr put(const char *key, const char *text) {
  return desk_put(&desk, key, (const unsigned char *)text, strlen(text));
}

static void expect(const char *key, const char *text) {
  desk_expect(&desk, key, (const unsigned char *)text, strlen(text));
}

static int move(const char *from, const struct store_attr *attr, const char *to, const char *over,
                bool *behind) {
  struct store_source source = {.key = from, .etag = attr->etag, .size = attr->size, .plain = true};
  struct store_attr out;
  int rc = later_move(later, &source, to, over, &out, behind);

  if (rc == 0)
    cr_assert_str_eq(out.etag, attr->etag);
  return rc;
}

/* The first one is made before it returns; its source is the caller's to remove. */
static void prove(void) {
  struct store_attr a = put("proof", "proof");
  bool behind = true;

  cr_assert_eq(move("proof", &a, "proved", NULL, &behind), 0);
  cr_assert(!behind);
  cr_assert(desk_has(desk.mem, "proof") && desk_has(desk.mem, "proved"));
}

static void move_behind(const char *from, const struct store_attr *attr, const char *to,
                        const char *over) {
  bool behind = false;

  cr_assert_eq(move(from, attr, to, over, &behind), 0);
  cr_assert(behind);
}

static int count_change(void *arg, struct journal_change *c) {
  (void)c;
  ++*(unsigned *)arg;
  return 0;
}

static unsigned noted(void) {
  unsigned count = 0;

  cr_assert_eq(journal_each_change(desk.state, count_change, &count), 0);
  return count;
}

Test(later_move, is_acknowledged_before_it_is_made) {
  struct store_attr a = put("d/a", "1");

  open_later();
  prove();
  fault_store_gate(desk.store, FAULT_COPY, 0);
  move_behind("d/a", &a, "d/b", NULL);
  cr_expect_eq(noted(), 1);
  cr_expect(!desk_has(later, "d/a"));
  cr_expect(desk_has(desk.mem, "d/a") && !desk_has(desk.mem, "d/b"));
  fault_store_open(desk.store);
  cr_assert_eq(later_flush(later), 0);
  expect("d/b", "1");
  cr_expect(!desk_has(desk.mem, "d/a"));
  cr_expect_eq(noted(), 0);
}

/* Every way of looking waits for the copy. */
Test(later_move, is_seen_at_once) {
  struct store_attr a = put("d/a", "1");
  struct store_page page;
  struct store_attr attr;
  char text[1];
  size_t got;

  open_later();
  prove();
  fault_store_delay(desk.store, FAULT_COPY, 20);
  move_behind("d/a", &a, "d/b", NULL);
  cr_assert_eq(store_read(later, "d/b", a.etag, 0, text, 1, &got, &attr), 0);
  cr_expect_eq(text[0], '1');
  move_behind("d/b", &a, "d/c", NULL);
  cr_expect(desk_has(later, "d/c"));
  cr_assert_eq(later_flush(later), 0);
  move_behind("d/c", &a, "d/d", NULL);
  cr_assert_eq(later->ops->list(later, "d/", true, NULL, 1000, &page), 0);
  cr_assert_eq(page.count, 1);
  cr_expect_str_eq(page.entries[0].name, "d/d");
  store_page_fini(&page);
}

Test(later_move, comes_before_what_is_acknowledged_later) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_attr a = put("a", "1");
  struct store_attr attr;

  open_later();
  prove();
  fault_store_delay(desk.store, FAULT_COPY, 20);
  move_behind("a", &a, "b", NULL);
  cr_assert_eq(later->write->put(later, "done", "", 0, NULL, &absent, &attr), 0);
  cr_expect(desk_has(desk.mem, "b"));
}

Test(later_move, a_name_is_used_again_after_it) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_attr a = put("lock", "1");
  struct store_attr attr;

  open_later();
  prove();
  for (int i = 0; i < 20; i++) {
    bool behind;

    cr_assert_eq(move("lock", &a, "index", i > 0 ? a.etag : NULL, &behind), 0);
    cr_assert_eq(later->write->put(later, "lock", "1", 1, NULL, &absent, &attr), 0);
  }
  cr_assert_eq(later_flush(later), 0);
  expect("index", "1");
  expect("lock", "1");
}

/* As without a journal: the later of the two wins. */
Test(later_move, of_two_hosts_at_once_one_wins) {
  struct store_attr a = put("a", "ours");
  struct store_attr b = put("b", "old");

  open_later();
  prove();
  put("b", "theirs");
  move_behind("a", &a, "b", b.etag);
  cr_assert_eq(later_flush(later), 0);
  expect("b", "ours");
  cr_expect(!desk_has(desk.mem, "a"));
}

Test(later_move, what_nobody_here_knew_of_is_replaced_too) {
  struct store_attr a = put("a", "ours");

  open_later();
  prove();
  mem_store_set_mtime(desk.mem, 1000000000); /* long ago */
  put("b", "an older one");
  move_behind("a", &a, "b", NULL);
  cr_assert_eq(later_flush(later), 0);
  expect("b", "ours");
  cr_expect(!desk_has(desk.mem, "a"));
}

Test(later_move, where_it_is_denied_the_object_keeps_its_name) {
  struct store_attr a = put("a", "1");
  bool behind;

  open_later();
  prove();
  fault_store_fail(desk.store, FAULT_COPY, 0, 2, -EACCES, 0);
  move_behind("a", &a, "b", NULL);
  cr_expect_eq(later_flush(later), -EACCES);
  cr_expect(desk_has(later, "a") && !desk_has(later, "b"));
  cr_expect_eq(noted(), 0);
  cr_expect_eq(move("a", &a, "b", NULL, &behind), -EAGAIN, "the next one asks first");
}

Test(later_move, where_copies_have_other_etags_none_goes_behind) {
  struct store_attr a;
  struct store_attr out;
  bool behind;

  cr_assert_eq(mem_store_new("d", &desk.mem), 0); /* with an etag for each version */
  store_free(desk.store);
  cr_assert_eq(fault_store_new(desk.mem, &desk.store), 0);
  a = put("a", "1");
  open_later();
  for (int i = 0; i < 2; i++) {
    struct store_source from = {.key = "a", .etag = a.etag, .size = a.size, .plain = true};

    cr_assert_eq(later_move(later, &from, i == 0 ? "b" : "c", NULL, &out, &behind), 0);
    cr_expect(!behind);
  }
}

/* While one cannot be made, others are not acknowledged, and its folder is not shown without it. */
Test(later_move, what_fails_for_now_is_tried_again) {
  struct store_attr a = put("d/a", "1");
  struct store_attr b = put("d/b", "2");
  struct store_page page;
  bool behind;

  open_later();
  prove();
  fault_store_fail(desk.store, FAULT_COPY, 0, 1000, -EIO, 0);
  move_behind("d/a", &a, "d/x", NULL);
  cr_expect_eq(later_flush(later), -EIO);
  cr_expect_eq(move("d/b", &b, "d/y", NULL, &behind), -EAGAIN);
  cr_expect_eq(later->ops->list(later, "d/", true, NULL, 1000, &page), -EIO);
  cr_expect_eq(noted(), 1);
  fault_store_fail(desk.store, FAULT_COPY, 0, 0, 0, 0);
  cr_assert_eq(later_flush(later), 0);
  expect("d/x", "1");
  cr_expect(!desk_has(desk.mem, "d/a"));
}

/* --- after a crash: what the journal has ---------------------------------------------------- */

static void note_move(const char *from, const char *etag, const char *to, const char *over) {
  char detail[200];
  struct journal_change row = {.domain = (char *)(uintptr_t) "d",
                               .what = (char *)(uintptr_t) "move",
                               .key = (char *)(uintptr_t)to,
                               .target = (char *)(uintptr_t)from,
                               .etag = (char *)(uintptr_t)etag,
                               .detail = detail};

  snprintf(detail, sizeof(detail), "%s%s%ssize=1&at=1767225700", over != NULL ? "over=" : "",
           over != NULL ? over : "", over != NULL ? "&" : "");
  cr_assert_eq(journal_add_change(desk.state, &row, STATE_LAZY), 0);
}

Test(later_move, after_a_crash_it_is_made) {
  struct store_attr a = put("a", "1");
  struct store_attr b = put("b", "0");

  note_move("a", a.etag, "b", b.etag);
  open_later();
  cr_assert_eq(later_flush(later), 0);
  expect("b", "1");
  cr_expect(!desk_has(desk.mem, "a"));
  cr_expect_eq(noted(), 0);
}

Test(later_move, a_copy_that_was_made_already_is_known) {
  struct store_attr a = put("a", "1");

  put("b", "1");
  note_move("a", a.etag, "b", NULL);
  open_later();
  cr_assert_eq(later_flush(later), 0);
  expect("b", "1");
  cr_expect(!desk_has(desk.mem, "a"));
}

Test(later_move, after_a_crash_nothing_newer_is_replaced) {
  struct store_attr a = put("a", "1");

  mem_store_set_mtime(desk.mem, 1767225800); /* after the move */
  put("b", "theirs");
  note_move("a", a.etag, "b", NULL);
  open_later();
  cr_expect_eq(later_flush(later), -EEXIST, "somebody is told");
  cr_expect_eq(later_flush(later), 0, "once");
  expect("b", "theirs");
  expect("a", "1");
  cr_expect_eq(noted(), 0);
}

/* Once it is copied only the removal is left to do: what was removed since stays away. */
Test(later_move, a_copy_is_never_made_twice) {
  struct store_attr a = put("a", "1");
  struct store_doomed d = {.key = "b", .etag = a.etag};
  struct store *second;

  open_later();
  prove();
  fault_store_fail(desk.store, FAULT_REMOVE, 0, 1000, -EIO, 0);
  move_behind("a", &a, "b", NULL);
  cr_expect_eq(later_flush(later), -EIO);
  expect("b", "1");
  cr_assert_eq(desk.mem->write->remove(desk.mem, &d, 1), 0);
  store_free(later);
  cr_assert_eq(mem_store_new("d", &desk.mem), 0); /* the other process has it */
  mem_store_set_etags_of_bytes(desk.mem);
  put("a", "1");
  cr_assert_eq(fault_store_new(desk.mem, &second), 0);
  desk.store = second;
  open_later();
  cr_assert_eq(later_flush(later), 0);
  cr_expect(!desk_has(desk.mem, "a") && !desk_has(desk.mem, "b"));
}
