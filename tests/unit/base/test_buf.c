/* Growable buffer: growth, cap, sticky errors, taking. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/buf.h"

Test(buf, is_a_string_from_the_start) {
  struct buf b;
  char *s;

  buf_init(&b, 0);
  cr_expect_str_eq(buf_cstr(&b), "");
  cr_expect_null(b.data, "nothing is allocated yet");
  s = buf_take(&b);
  cr_expect_str_eq(s, "");
  free(s);
  buf_fini(&b);
}

Test(buf, appends_and_grows) {
  struct buf b;

  buf_init(&b, 0);
  for (int i = 0; i < 1000; i++)
    buf_printf(&b, "%04d", i);
  buf_putc(&b, '!');
  buf_puts(&b, "end");
  buf_append(&b, "\0x", 2);
  buf_append(&b, NULL, 0);
  cr_expect_eq(buf_error(&b), 0);
  cr_expect_eq(b.len, 4006);
  cr_expect_eq(memcmp(b.data + 3996, "0999!end\0x", 10), 0);
  cr_expect_eq(b.data[b.len], '\0');
  buf_fini(&b);
}

Test(buf, cap_sticks) {
  struct buf b;

  buf_init(&b, 5);
  buf_puts(&b, "12345");
  cr_expect_eq(buf_error(&b), 0, "the cap itself fits");
  buf_putc(&b, '6');
  cr_expect_eq(buf_error(&b), -E2BIG);
  cr_expect_str_eq(buf_cstr(&b), "12345", "nothing is appended in part");
  buf_reset(&b);
  cr_expect_eq(buf_error(&b), 0);
  buf_printf(&b, "%s", "123456");
  cr_expect_eq(buf_error(&b), -E2BIG);
  buf_puts(&b, "x");
  cr_expect_str_eq(buf_cstr(&b), "", "appends after an error do nothing");
  cr_expect_null(buf_take(&b), "a failed buffer gives nothing");
  cr_expect_eq(buf_error(&b), 0, "and is empty afterwards");
  buf_fini(&b);
}

Test(buf, take_empties_and_keeps_the_cap) {
  struct buf b;
  char *s;

  buf_init(&b, 8);
  buf_puts(&b, "abc");
  s = buf_take(&b);
  cr_expect_str_eq(s, "abc");
  cr_expect_eq(b.len, 0);
  buf_puts(&b, "123456789");
  cr_expect_eq(buf_error(&b), -E2BIG);
  free(s);
  buf_wipe(&b);
  cr_expect_null(b.data);
}
