/* What only some stores do goes through the store whose keys are escaped, by their real keys. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/store/escape.h"
#include "s3apfs/store/write.h"

#define M ESCAPE_MARK

static char told[256]; /* the last call, with the keys that came through */
static struct store *s;

static int move(struct store *inner, const struct store_source *from, const char *key,
                const struct store_condition *cond) {
  (void)inner;
  snprintf(told, sizeof(told), "move %s %s %s %d", from->key, from->etag, key, (int)cond->what);
  return -ESTALE;
}

static int copy_from(struct store *inner, const struct store_elsewhere *from, const char *key,
                     const struct store_dress *dress, const struct store_condition *cond,
                     struct store_attr *out) {
  (void)inner;
  (void)dress;
  (void)cond;
  (void)out;
  snprintf(told, sizeof(told), "copy %s %s", from->name, key);
  return 0;
}

static int elsewhere(struct store *inner, const char *key, struct store_elsewhere *out) {
  (void)inner;
  (void)out;
  snprintf(told, sizeof(told), "elsewhere %s", key);
  return 0;
}

static bool may_write(struct store *inner, const char *key) {
  (void)inner;
  return strcmp(key, "a//b") == 0;
}

static void destroy(struct store *inner) {
  (void)inner;
}

static const struct store_ops ops = {.elsewhere = elsewhere, .destroy = destroy};
static const struct store_ops few_ops = {.destroy = destroy};
static const struct store_write_ops write_ops = {
    .move = move, .copy_from = copy_from, .may_write = may_write};
static const struct store_write_ops few_write_ops = {0};
static char domain[] = "domain";
static struct store able = {.ops = &ops, .write = &write_ops, .domain = domain};
static struct store unable = {.ops = &few_ops, .write = &few_write_ops, .domain = domain};

static void teardown(void) {
  store_free(s);
}

TestSuite(escape_pass, .fini = teardown);

Test(escape_pass, by_real_keys) {
  const struct store_source from = {.key = "a/" M "0/b", .etag = "etag"};
  const struct store_source odd = {.key = "a/" M "q", .etag = "etag"};
  const struct store_condition absent = {.what = STORE_IF_ABSENT};
  char name[] = "there";
  struct store_elsewhere e = {.name = name};
  struct store_attr attr;
  char expected[64];

  cr_assert_eq(escape_store_new(&able, &s), 0);
  snprintf(expected, sizeof(expected), "move a//b etag ./c %d", (int)STORE_IF_ABSENT);
  cr_expect_eq(s->write->move(s, &from, M "./c", &absent), -ESTALE);
  cr_expect_str_eq(told, expected);
  cr_expect_eq(s->write->move(s, &odd, "c", &absent), -EINVAL);
  cr_expect_eq(s->write->move(s, &from, M "q", &absent), -EINVAL);
  cr_expect_eq(s->write->copy_from(s, &e, "a/" M "0/b", NULL, &absent, &attr), 0);
  cr_expect_str_eq(told, "copy there a//b");
  cr_expect_eq(s->ops->elsewhere(s, M "./c", &e), 0);
  cr_expect_str_eq(told, "elsewhere ./c");
  cr_expect_eq(s->ops->elsewhere(s, M "q", &e), -ENOENT);
  cr_expect(s->write->may_write(s, "a/" M "0/b"));
  cr_expect_not(s->write->may_write(s, "a/b"));
}

Test(escape_pass, what_the_inner_store_has_not) {
  const struct store_source from = {.key = "a", .etag = "etag"};
  struct store_elsewhere e = {0};
  struct store_attr attr;

  cr_assert_eq(escape_store_new(&unable, &s), 0);
  cr_expect_eq(s->write->move(s, &from, "b", NULL), -EOPNOTSUPP);
  cr_expect_eq(s->write->copy_from(s, &e, "b", NULL, NULL, &attr), -EOPNOTSUPP);
  cr_expect_eq(s->ops->elsewhere(s, "a", &e), -EOPNOTSUPP);
  cr_expect(s->write->may_write(s, "a"));
}
