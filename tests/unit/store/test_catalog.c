#include <criterion/criterion.h>
#include <errno.h>

#include "s3apfs/store/catalog.h"
#include "s3apfs/store/mem_store.h"

static int add(struct catalog *c, const char *path) {
  struct root_options o = {.file_mode = 0644, .dir_mode = 0755};
  struct store *s;
  int rc;

  cr_assert_eq(mem_store_new("d", &s), 0);
  rc = catalog_add(c, path, s, &o);
  if (rc != 0)
    store_free(s);
  return rc;
}

Test(catalog, nested_names) {
  struct catalog c;

  catalog_init(&c);
  cr_expect_eq(add(&c, "team/product"), 0);
  cr_expect_eq(add(&c, "team/produc"), 0);
  cr_expect_eq(add(&c, "team/product2"), 0);
  cr_expect_eq(add(&c, "customers"), 0);
  cr_expect_eq(c.count, 4);
  cr_expect_str_eq(c.roots[0]->path, "team/product");
  catalog_fini(&c);
  cr_expect_eq(c.count, 0);
}

Test(catalog, overlaps) {
  struct catalog c;

  catalog_init(&c);
  cr_expect_eq(add(&c, "a/b"), 0);
  cr_expect_eq(add(&c, "a/b"), -EEXIST);
  cr_expect_eq(add(&c, "a"), -ENOTDIR);
  cr_expect_eq(add(&c, "a/b/c"), -ENOTDIR);
  cr_expect_eq(add(&c, ""), -ENOTDIR);
  catalog_fini(&c);
  cr_expect_eq(add(&c, ""), 0);
  cr_expect_eq(add(&c, ""), -EEXIST);
  cr_expect_eq(add(&c, "x"), -ENOTDIR);
  catalog_fini(&c);
}

Test(catalog, malformed_paths) {
  static const char *const bad[] = {"/", "/a", "a/", "a//b", ".", "a/..", "../a", "\xff", "a/\xc3"};
  struct catalog c;

  catalog_init(&c);
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    cr_expect_eq(add(&c, bad[i]), -EINVAL, "%s", bad[i]);
  cr_expect_eq(c.count, 0);
  catalog_fini(&c);
}

Test(catalog, retired_paths_are_free) {
  struct catalog c;
  const struct root *first;

  catalog_init(&c);
  cr_expect_eq(add(&c, "a/b"), 0);
  first = c.roots[0];
  atomic_store(&c.roots[0]->retired, true);
  cr_expect_eq(add(&c, "a"), 0);
  cr_expect_eq(add(&c, "a/b"), -ENOTDIR);
  for (int i = 0; i < 100; i++) {
    atomic_store(&c.roots[c.count - 1]->retired, true);
    cr_expect_eq(add(&c, "a"), 0);
  }
  cr_expect_eq(c.roots[0], first); /* it stays where it is */
  cr_expect_eq(c.roots[50]->index, 50);
  catalog_fini(&c);
}
