/* Grant scopes: parsing, doubled stars, what covers what. */
#include <criterion/criterion.h>
#include <errno.h>

#include "s3apfs/aws/scope.h"

static struct scope parsed(const char *s) {
  struct scope out = {NULL, NULL, false};

  cr_assert_eq(scope_parse(s, &out), 0, "%s", s);
  return out;
}

static void expect_parse(const char *s, const char *bucket, const char *prefix, bool is_prefix) {
  struct scope out = parsed(s);

  cr_expect_str_eq(out.bucket, bucket, "%s", s);
  cr_expect_str_eq(out.prefix, prefix, "%s", s);
  cr_expect_eq(out.is_prefix, is_prefix, "%s", s);
  scope_fini(&out);
}

Test(scope, forms) {
  expect_parse("s3://b", "b", "", true);
  expect_parse("s3://b/", "b", "", true);
  expect_parse("s3://b*", "b", "", true);
  expect_parse("s3://b/*", "b", "", true);
  expect_parse("s3://b/**", "b", "", true);
  expect_parse("s3://b/p", "b", "p", false);
  expect_parse("s3://b/p/", "b", "p/", false);
  expect_parse("s3://b/p*", "b", "p", true);
  expect_parse("s3://b/p/*", "b", "p/", true);
  expect_parse("s3://b/prefixA**", "b", "prefixA", true);
  expect_parse("s3://b/a*b/*", "b", "a*b/", true);
  expect_parse("s3://b//x*", "b", "/x", true);
}

Test(scope, refuses_what_names_no_bucket) {
  static const char *const bad[] = {"",       "b/p",     "s3:/b",  "s3://",
                                    "s3://*", "s3:///p", "S3://b", "**"};
  struct scope out = {(char *)"kept", NULL, false};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    cr_expect_eq(scope_parse(bad[i], &out), -EINVAL, "%s", bad[i]);
  cr_expect_str_eq(out.bucket, "kept");
}

static bool covers(const char *grant, const char *target) {
  struct scope g = parsed(grant);
  struct scope t = parsed(target);
  bool yes = scope_covers(&g, &t);

  scope_fini(&g);
  scope_fini(&t);
  return yes;
}

Test(scope, grants_cover_targets) {
  cr_expect(covers("s3://b/*", "s3://b/any/*"));
  cr_expect(covers("s3://b", "s3://b/k"));
  cr_expect(covers("s3://b/p*", "s3://b/p2/x"));
  cr_expect(covers("s3://b/p*", "s3://b/p/*"));
  cr_expect(covers("s3://b/p/*", "s3://b/p/*"));
  cr_expect(covers("s3://b/p/**", "s3://b/p/q*"));
  cr_expect(covers("s3://b/p/*", "s3://b/p/"), "the folder's own marker object");
  cr_expect(covers("s3://b/one.csv", "s3://b/one.csv"));
}

Test(scope, grants_do_not_cover_more) {
  cr_expect_not(covers("s3://b/p/*", "s3://b/p2/x"));
  cr_expect_not(covers("s3://b/p/*", "s3://b/p"));
  cr_expect_not(covers("s3://b/p/*", "s3://b/p*"));
  cr_expect_not(covers("s3://b/p/*", "s3://b/*"));
  cr_expect_not(covers("s3://b/one.csv", "s3://b/one.csv*"));
  cr_expect_not(covers("s3://b/one.csv", "s3://b/one.csv2"));
  cr_expect_not(covers("s3://b/*", "s3://b2/*"));
  cr_expect_not(covers("s3://b*", "s3://b2/x"), "a star never reaches into another bucket");
}

Test(scope, keys) {
  struct scope folder = parsed("s3://b/p/*");
  struct scope begin = parsed("s3://b/p*");
  struct scope object = parsed("s3://b/p/one");

  cr_expect(scope_covers_key(&folder, "b", "p/x"));
  cr_expect_not(scope_covers_key(&folder, "b", "p"));
  cr_expect_not(scope_covers_key(&folder, "c", "p/x"));
  cr_expect(scope_covers_key(&begin, "b", "p2"));
  cr_expect_not(scope_covers_key(&begin, "b", "q"));
  cr_expect(scope_covers_key(&object, "b", "p/one"));
  cr_expect_not(scope_covers_key(&object, "b", "p/one2"));
  cr_expect_not(scope_covers_key(&object, "b", "p/on"));
  scope_fini(&folder);
  scope_fini(&begin);
  scope_fini(&object);
}

Test(scope, parents_of_a_grant_are_touched) {
  struct scope folder = parsed("s3://b/a/p/*");
  struct scope object = parsed("s3://b/a/one");

  cr_expect(scope_touches_prefix(&folder, "b", ""));
  cr_expect(scope_touches_prefix(&folder, "b", "a/"));
  cr_expect(scope_touches_prefix(&folder, "b", "a/p/"));
  cr_expect(scope_touches_prefix(&folder, "b", "a/p/deeper/"));
  cr_expect_not(scope_touches_prefix(&folder, "b", "a/q/"));
  cr_expect_not(scope_touches_prefix(&folder, "c", ""));
  cr_expect(scope_touches_prefix(&object, "b", "a/"));
  cr_expect_not(scope_touches_prefix(&object, "b", "a/one/"));
  scope_fini(&folder);
  scope_fini(&object);
}

Test(scope, permissions) {
  enum scope_permission p = SCOPE_READ;

  cr_assert_eq(scope_permission_parse("READWRITE", &p), 0);
  cr_expect_eq(p, SCOPE_READWRITE);
  cr_expect_eq(scope_permission_parse("read", &p), -EINVAL);
  cr_expect_eq(scope_permission_parse("", &p), -EINVAL);
  cr_expect_eq(p, SCOPE_READWRITE);
  cr_expect_str_eq(scope_permission_name(SCOPE_WRITE), "WRITE");
  cr_expect(scope_permission_allows(SCOPE_READWRITE, SCOPE_READ));
  cr_expect(scope_permission_allows(SCOPE_READWRITE, SCOPE_WRITE));
  cr_expect(scope_permission_allows(SCOPE_READ, SCOPE_READ));
  cr_expect_not(scope_permission_allows(SCOPE_READ, SCOPE_READWRITE));
  cr_expect_not(scope_permission_allows(SCOPE_WRITE, SCOPE_READ));
}
