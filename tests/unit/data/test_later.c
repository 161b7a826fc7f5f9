/* Names behind the journal: what was acknowledged looks done at once, is sent in order, and
 * nothing good is taken away by it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"
#include "s3apfs/data/later.h"

static struct desk desk;
static struct store *later;

static void set_up(void) {
  desk_open(&desk);
  cr_assert_eq(later_new(desk.state, desk.store, false, &later), 0);
}

/* It owns the faulty store and ends before the journal. */
static void tear_down(void) {
  store_free(later);
  cr_assert_eq(mem_store_new("d", &desk.store), 0);
  desk_close(&desk);
}

TestSuite(later, .init = set_up, .fini = tear_down);

static struct store_attr put(const char *key, const char *text) {
  return desk_put(&desk, key, (const unsigned char *)text, strlen(text));
}

static int remove_key(const char *key, const char *etag) {
  struct store_doomed d = {.key = key, .etag = etag};

  return later->write->remove(later, &d, 1);
}

static int make(const char *key, const char *text, struct store_attr *attr) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};

  return later->write->put(later, key, text, strlen(text), NULL, &absent, attr);
}

/* The first of each kind is sent before it returns; from here on nobody waits. */
static void prove(void) {
  struct store_attr attr;

  cr_assert_eq(make("proof/", "", &attr), 0);
  cr_assert(desk_has(desk.mem, "proof/"));
  cr_assert_eq(remove_key("proof/", attr.etag), 0);
  cr_assert(!desk_has(desk.mem, "proof/"));
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

static size_t listed(const char *prefix, unsigned max) {
  struct store_page page;
  size_t count;

  cr_assert_eq(later->ops->list(later, prefix, false, NULL, max, &page), 0);
  count = page.count;
  store_page_fini(&page);
  return count;
}

Test(later, who_may_not_change_anything_learns_so) {
  struct store_attr attr = put("a", "1");

  fault_store_fail(desk.store, FAULT_REMOVE, 0, 1, -EACCES, 0);
  cr_expect_eq(remove_key("a", attr.etag), -EACCES);
  fault_store_fail(desk.store, FAULT_PUT, 0, 1, -EACCES, 0);
  cr_expect_eq(make("d/", "", &attr), -EACCES);
  cr_expect_eq(noted(), 0);
  cr_expect(desk_has(later, "a"));
}

Test(later, what_waits_looks_done) {
  struct store_attr a = put("d/a", "1");

  put("d/b", "2");
  prove();
  fault_store_gate(desk.store, FAULT_REMOVE, 0);
  cr_assert_eq(remove_key("d/a", a.etag), 0);
  cr_expect_eq(noted(), 1);
  cr_expect(desk_has(desk.mem, "d/a"));
  cr_expect(!desk_has(later, "d/a"));
  cr_expect_eq(listed("d/", 1000), 1);
  fault_store_open(desk.store);
  cr_assert_eq(later_flush(later), 0);
  cr_expect(!desk_has(desk.mem, "d/a"));
  cr_expect_eq(noted(), 0);
  cr_expect_eq(listed("d/", 2), 1);
}

Test(later, folders_come_behind_with_what_they_carry) {
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_dress dress = {0};
  struct store_detail d;
  struct store_attr attr;
  struct kvlist meta;

  prove();
  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "permissions", "040750"), 0);
  dress.meta = &meta;
  fault_store_gate(desk.store, FAULT_PUT, 0);
  cr_assert_eq(later->write->put(later, "d/", "", 0, &dress, &absent, &attr), 0);
  kvlist_fini(&meta);
  cr_expect_eq(noted(), 1);
  cr_expect(!desk_has(desk.mem, "d/"));
  fault_store_open(desk.store);
  cr_assert_eq(later->write->detail(later, "d/", &d), 0, "who asks waits");
  cr_expect_str_eq(kvlist_get(&d.meta, "permissions"), "040750");
  store_detail_fini(&d);
  cr_expect_eq(noted(), 0);
}

/* An equal object made since is another one: it comes after the removal, for good. */
Test(later, a_new_object_waits_for_the_removal_of_the_old) {
  struct store_attr attr = put("a", "same");

  prove();
  fault_store_fail(desk.store, FAULT_REMOVE, 0, 1, -EIO, 0);
  cr_assert_eq(remove_key("a", attr.etag), 0);
  cr_assert_eq(make("a", "same", &attr), 0);
  cr_expect_eq(noted(), 0);
  cr_assert_eq(later_flush(later), 0);
  cr_expect(desk_has(desk.mem, "a"));
}

Test(later, what_fails_for_now_is_tried_again_before_anything_behind_it) {
  struct store_attr a = put("a", "1");
  struct store_attr b = put("b", "2");

  prove();
  fault_store_fail(desk.store, FAULT_REMOVE, 0, 1000, -EIO, 0);
  cr_assert_eq(remove_key("a", a.etag), 0);
  cr_assert_eq(remove_key("b", b.etag), 0);
  cr_expect_eq(later_flush(later), -EIO);
  cr_expect_eq(noted(), 2);
  cr_expect(desk_has(desk.mem, "a") && desk_has(desk.mem, "b"));
  fault_store_fail(desk.store, FAULT_REMOVE, 0, 0, 0, 0);
  cr_assert_eq(later_flush(later), 0);
  cr_expect(!desk_has(desk.mem, "a") && !desk_has(desk.mem, "b"));
  cr_expect_eq(noted(), 0);
}

/* Nobody waits for the errno any more: it is given up, and the next one asks first again. */
Test(later, what_is_denied_does_not_wait_for_ever) {
  struct store_attr a = put("a", "1");

  prove();
  fault_store_fail(desk.store, FAULT_REMOVE, 0, 2, -EACCES, 0);
  cr_assert_eq(remove_key("a", a.etag), 0);
  cr_assert_eq(later_flush(later), 0);
  cr_expect_eq(noted(), 0);
  cr_expect(desk_has(later, "a"));
  cr_expect_eq(remove_key("a", a.etag), -EACCES);
}

/* A version that came since is not what was removed. */
Test(later, somebody_elses_new_version_stays) {
  struct store_attr a = put("a", "1");

  prove();
  fault_store_gate(desk.store, FAULT_REMOVE, 0);
  cr_assert_eq(remove_key("a", a.etag), 0);
  mem_store_set_mtime(desk.mem, (int64_t)4102444800); /* long after now */
  put("a", "theirs");
  fault_store_open(desk.store);
  cr_assert_eq(later_flush(later), 0);
  cr_expect(desk_has(desk.mem, "a"));
}

Test(later, many_go_in_one_request) {
  struct store_doomed items[200];
  char keys[200][16];

  prove();
  for (size_t i = 0; i < 200; i++) {
    snprintf(keys[i], sizeof(keys[i]), "d/%zu", i);
    put(keys[i], "x");
    items[i] = (struct store_doomed){.key = keys[i]};
  }
  cr_assert_eq(later->write->remove(later, items, 200), 0);
  cr_expect_eq(listed("d/", 1000), 0);
  cr_assert_eq(later_flush(later), 0);
  cr_expect_eq(noted(), 0);
  for (size_t i = 0; i < 200; i++)
    cr_expect(!desk_has(desk.mem, keys[i]));
}
