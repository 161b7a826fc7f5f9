/* User metadata that tells when an object was last modified. */
#include <criterion/criterion.h>

#include "s3apfs/store/modified.h"

static bool is_told_by(const char *name) {
  struct kvlist meta;
  bool told;

  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "colour", "blue"), 0);
  cr_assert_eq(kvlist_add(&meta, name, "1"), 0);
  told = modified_is_told(&meta);
  kvlist_fini(&meta);
  return told;
}

Test(modified, is_told_by_what_others_write_too) {
  cr_expect(is_told_by("file-mtime"));
  cr_expect(is_told_by("mtime"));
  cr_expect(is_told_by("Mtime"), "services change the case");
  cr_expect_not(is_told_by("file-atime"));
  cr_expect_not(is_told_by("mtime2"));
  cr_expect_not(is_told_by("x-amz-meta-mtime"));
}

Test(modified, is_taken_away_by_empty_values) {
  struct kvlist meta;

  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "Mtime", "1"), 0);
  cr_assert_eq(kvlist_add(&meta, "file-permissions", "0100600"), 0);
  cr_assert_eq(modified_forget(&meta), 0);
  cr_expect_eq(meta.count, 3);
  cr_expect_str_eq(kvlist_get_ci(&meta, "mtime"), "");
  cr_expect_str_eq(kvlist_get_ci(&meta, "file-mtime"), "");
  cr_expect_str_eq(kvlist_get_ci(&meta, "file-permissions"), "0100600");
  kvlist_fini(&meta);
}
