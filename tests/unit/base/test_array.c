#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "s3apfs/base/array.h"

Test(array, grows_and_keeps_what_is_in_it) {
  int *items = NULL;
  size_t count = 0;
  size_t cap = 0;

  for (int i = 0; i < 1000; i++) {
    cr_assert_eq(array_room(&items, count, &cap, sizeof(*items)), 0);
    cr_assert_gt(cap, count);
    items[count++] = i;
  }
  for (int i = 0; i < 1000; i++)
    cr_assert_eq(items[i], i);
  free(items);
}

Test(array, is_as_it_was_without_memory) {
  int *items = malloc(sizeof(*items));
  int *before = items;
  size_t cap = SIZE_MAX / 4;

  cr_expect_eq(array_room(&items, cap, &cap, sizeof(*items)), -ENOMEM);
  cr_expect_eq(cap, SIZE_MAX / 4);
  cr_expect_eq(items, before);
  free(items);
}
