/* Name/value lists. */
#include <criterion/criterion.h>
#include <errno.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/kv.h"

Test(kv, keeps_order_and_duplicates) {
  struct kvlist l;

  kvlist_init(&l);
  for (int i = 0; i < 20; i++)
    cr_assert_eq(kvlist_addf(&l, "n", "%d", i), 0);
  cr_expect_eq(l.count, 20);
  cr_expect_str_eq(kvlist_get(&l, "n"), "0");
  cr_expect_str_eq(l.items[19].value, "19");
  kvlist_fini(&l);
  cr_expect_eq(l.count, 0);
}

Test(kv, looks_up_with_and_without_case) {
  struct kvlist l;

  kvlist_init(&l);
  cr_assert_eq(kvlist_add(&l, "ETag", "\"x\""), 0);
  cr_expect_null(kvlist_get(&l, "etag"));
  cr_expect_str_eq(kvlist_get(&l, "ETag"), "\"x\"");
  cr_expect_str_eq(kvlist_get_ci(&l, "etag"), "\"x\"");
  cr_expect_null(kvlist_get_ci(&l, "eta"));
  kvlist_fini(&l);
}

Test(kv, set_replaces_the_first) {
  struct kvlist l;

  kvlist_init(&l);
  cr_assert_eq(kvlist_set_ci(&l, "A", "1"), 0);
  cr_assert_eq(kvlist_add(&l, "a", "2"), 0);
  cr_assert_eq(kvlist_set_ci(&l, "a", "3"), 0);
  cr_expect_eq(l.count, 2);
  cr_expect_str_eq(l.items[0].name, "A");
  cr_expect_str_eq(l.items[0].value, "3");
  cr_expect_str_eq(l.items[1].value, "2");
  cr_assert_eq(kvlist_set_ci(&l, "A", l.items[0].value), 0, "its own value");
  cr_expect_str_eq(l.items[0].value, "3");
  kvlist_fini(&l);
}

Test(kv, removes_all_of_a_name) {
  struct kvlist l;

  kvlist_init(&l);
  kvlist_remove_ci(&l, "none");
  cr_assert_eq(kvlist_add(&l, "x", "1"), 0);
  cr_assert_eq(kvlist_add(&l, "keep", "2"), 0);
  cr_assert_eq(kvlist_add(&l, "X", "3"), 0);
  kvlist_remove_ci(&l, "x");
  cr_expect_eq(l.count, 1);
  cr_expect_str_eq(l.items[0].name, "keep");
  kvlist_fini(&l);
}

Test(kv, copies_are_independent) {
  struct kvlist a;
  struct kvlist b;

  kvlist_init(&a);
  kvlist_init(&b);
  cr_assert_eq(kvlist_add(&a, "x", "1"), 0);
  cr_assert_eq(kvlist_copy(&b, &a), 0);
  kvlist_fini(&a);
  cr_expect_str_eq(kvlist_get(&b, "x"), "1");
  kvlist_fini(&b);
}

Test(kv, goes_through_text_and_back) {
  static const char *const odd[][2] = {{"a", "1"}, {"x&y", "=%&ä "}, {"", ""}, {"a", "2"}};
  struct kvlist l;
  struct kvlist back;
  struct buf text;

  kvlist_init(&l);
  kvlist_init(&back);
  buf_init(&text, 0);
  for (size_t i = 0; i < 4; i++)
    cr_assert_eq(kvlist_add(&l, odd[i][0], odd[i][1]), 0);
  kvlist_to_text(&l, &text);
  cr_assert_eq(kvlist_from_text(buf_cstr(&text), &back), 0);
  cr_assert_eq(back.count, 4);
  for (size_t i = 0; i < 4; i++) {
    cr_expect_str_eq(back.items[i].name, odd[i][0]);
    cr_expect_str_eq(back.items[i].value, odd[i][1]);
  }
  kvlist_fini(&l);
  kvlist_fini(&back);
  buf_fini(&text);
}

Test(kv, text_without_a_pair_is_refused) {
  struct kvlist l;

  kvlist_init(&l);
  cr_expect_eq(kvlist_from_text("", &l), 0);
  cr_expect_eq(kvlist_from_text("a=1&b", &l), -EUCLEAN);
  cr_expect_neq(kvlist_from_text("a=%zz", &l), 0);
  kvlist_fini(&l);
}
