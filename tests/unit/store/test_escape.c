/* Names for keys that have none. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "s3apfs/store/escape.h"
#include "s3apfs/store/mem_store.h"
#include "s3apfs/store/write.h"

#define M ESCAPE_MARK

static void expect_pair(const char *key, const char *name) {
  struct buf b;
  bool twin;

  buf_init(&b, 0);
  cr_assert_eq(escape_key(key, &b), 0);
  cr_expect_str_eq(buf_cstr(&b), name);
  buf_reset(&b);
  cr_assert_eq(escape_undo(name, &b, &twin), 0, "%s", name);
  cr_expect_str_eq(buf_cstr(&b), key);
  cr_expect_not(twin);
  buf_fini(&b);
}

Test(escape, pairs) {
  expect_pair("", "");
  expect_pair("a/b.csv", "a/b.csv");
  expect_pair("a/", "a/");
  expect_pair("a//b", "a/" M "0/b");
  expect_pair("/a", M "0/a");
  expect_pair("/", M "0/");
  expect_pair("a//", "a/" M "0/");
  expect_pair("./..", M "./" M "..");
  expect_pair("a/.hidden/...", "a/.hidden/...");
  expect_pair("100%25", "100%25");
  expect_pair("x" M "y", "x" M M "y");
  expect_pair("caf\xe9/\xff\xfe", "caf" M "xe9/" M "xff" M "xfe");
  expect_pair("gr\xc3\xbc\xc3\x9f\x65", "gr\xc3\xbc\xc3\x9f\x65");
}

Test(escape, parts_that_are_too_long_go_on) {
  char key[1025];
  struct buf b;
  struct buf back;
  bool twin;

  for (size_t len = 250; len <= 1024; len++) {
    memset(key, 'k', len);
    key[len] = '\0';
    if (len == 253)
      memcpy(key + 251, "..", 2);
    buf_init(&b, 0);
    buf_init(&back, 0);
    cr_assert_eq(escape_key(key, &b), 0);
    cr_assert_eq(len > 255, strchr(buf_cstr(&b), '/') != NULL);
    for (const char *at = buf_cstr(&b); *at != '\0';
         at += strcspn(at, "/") + (strchr(at, '/') != NULL))
      cr_assert_leq(strcspn(at, "/"), 255);
    cr_assert_eq(escape_undo(buf_cstr(&b), &back, &twin), 0);
    cr_assert_str_eq(buf_cstr(&back), key);
    buf_fini(&b);
    buf_fini(&back);
  }
}

/* Any bytes come back as they were, and no two keys get one name. */
Test(escape, random_keys) {
  static const char *const bits[] = {"/",
                                     "//",
                                     ".",
                                     "..",
                                     M,
                                     "a",
                                     "\xe2",
                                     "\x90",
                                     "\x9b",
                                     "0",
                                     "+",
                                     "f",
                                     "x",
                                     "\xff",
                                     M "+",
                                     M "0",
                                     "\xf0\x9f\x98\x80"};
  char key[2048];
  bool twin;

  srand(1);
  for (int round = 0; round < 20000; round++) {
    struct buf b;
    struct buf back;
    int n = 1 + rand() % 12;

    key[0] = '\0';
    for (int i = 0; i < n; i++)
      for (int times = rand() % 40 == 0 ? 60 : 1; times > 0 && strlen(key) < 1000; times--)
        strcat(key, bits[(size_t)rand() % (sizeof(bits) / sizeof(bits[0]))]);
    buf_init(&b, 0);
    buf_init(&back, 0);
    cr_assert_eq(escape_key(key, &b), 0);
    cr_assert(text_is_utf8(buf_cstr(&b), b.len));
    cr_assert_eq(escape_undo(buf_cstr(&b), &back, &twin), 0, "%s -> %s", key, buf_cstr(&b));
    cr_assert_str_eq(buf_cstr(&back), key);
    buf_fini(&b);
    buf_fini(&back);
  }
}

Test(escape, other_forms_are_no_names) {
  static const char *const bad[] = {
      M,     M "q",     "a" M,       "a" M "0", M "0" M "0",  M "x4",      M "x41", M "xE9",
      M "f", "a" M "+", "a" M "+/b", M "...",   "dir" M "/a", M "f" M "q", "a//b",  "."};
  struct buf b;
  bool twin;

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    buf_init(&b, 0);
    cr_expect_eq(escape_undo(bad[i], &b, &twin), -EINVAL, "%s", bad[i]);
    buf_fini(&b);
  }
}

Test(escape, the_object_beside_a_folder) {
  struct buf b;
  bool twin;

  buf_init(&b, 0);
  cr_assert_eq(escape_undo("d/" M "fa" M "xff", &b, &twin), 0);
  cr_expect(twin);
  cr_expect_str_eq(buf_cstr(&b), "d/a\xff");
  buf_fini(&b);
}

static struct store *mem;
static struct store *s;

static void put(const char *key) {
  cr_assert_eq(mem_store_put(mem, key, key, strlen(key)), 0);
}

static void setup(void) {
  cr_assert_eq(mem_store_new("domain", &mem), 0);
  cr_assert_eq(escape_store_new(mem, &s), 0);
}

static void teardown(void) {
  store_free(s);
}

TestSuite(escape_store, .init = setup, .fini = teardown);

static void expect_list(const char *prefix, bool folded, const char *names) {
  struct store_page page;
  struct buf b;

  buf_init(&b, 0);
  cr_assert_eq(s->ops->list(s, prefix, folded, NULL, 1000, &page), 0);
  for (size_t i = 0; i < page.count; i++)
    buf_printf(&b, "%s%s ", page.entries[i].name, page.entries[i].is_prefix ? "!" : "");
  cr_expect_str_eq(buf_cstr(&b), names);
  store_page_fini(&page);
  buf_fini(&b);
}

Test(escape_store, listings) {
  put("a//b");
  put("a/./c");
  put("a/d");
  put("top");
  expect_list("", true, "a/! top ");
  expect_list("a/", true, "a/" M "./! a/" M "0/! a/d ");
  expect_list("a/" M "0/", true, "a/" M "0/b ");
  expect_list("a/", false, "a/" M "./c a/" M "0/b a/d ");
  expect_list("a/" M "q/", true, "");
  cr_expect_str_neq(s->domain, mem->domain);
  cr_expect_null(s->ops->list_after);
}

/* "d/kkk...", n times 'k', and what follows. */
static void k_name(struct buf *out, int n, const char *end) {
  buf_puts(out, "d/");
  for (int i = 0; i < n; i++)
    buf_putc(out, 'k');
  buf_puts(out, end);
}

static void put_k(int n, const char *end) {
  struct buf b;

  buf_init(&b, 0);
  k_name(&b, n, end);
  put(buf_cstr(&b));
  buf_fini(&b);
}

Test(escape_store, long_names_have_folders_of_their_own) {
  struct buf folder;
  struct buf both;
  struct buf inside;

  put("d/short");
  put_k(300, "1");
  put_k(300, "2");
  put_k(251, "x"); /* starts like the folder's, but fits a name */
  buf_init(&folder, 0);
  buf_init(&both, 0);
  buf_init(&inside, 0);
  k_name(&folder, 251, M "+/");
  k_name(&both, 251, M "+/! ");
  k_name(&both, 251, "x d/short ");
  expect_list("d/", true, buf_cstr(&both));
  for (const char *end = "1"; end != NULL; end = *end == '1' ? "2" : NULL) {
    buf_puts(&inside, buf_cstr(&folder));
    for (int i = 0; i < 49; i++)
      buf_putc(&inside, 'k');
    buf_printf(&inside, "%s ", end);
  }
  expect_list(buf_cstr(&folder), true, buf_cstr(&inside));
  buf_fini(&folder);
  buf_fini(&both);
  buf_fini(&inside);
}

Test(escape_store, reading_and_changing_reach_the_same_key) {
  const struct store_condition any = {.what = STORE_IF_ANY};
  struct store_doomed doomed = {.key = "a/" M "0/b"};
  struct store_attr attr;
  char bytes[16];
  size_t got;

  put("a//b");
  cr_assert_eq(s->ops->head(s, "a/" M "0/b", &attr, NULL), 0);
  cr_assert_eq(store_read(s, "a/" M "0/b", NULL, 0, bytes, 4, &got, NULL), 0);
  cr_expect_arr_eq(bytes, "a//b", 4);
  cr_expect_eq(s->ops->head(s, "a//b", &attr, NULL), -ENOENT);
  cr_assert_eq(s->write->put(s, "a/" M "0/b", "new", 3, NULL, &any, &attr), 0);
  cr_assert_eq(mem->ops->head(mem, "a//b", &attr, NULL), 0);
  cr_expect_eq(attr.size, 3);
  cr_expect_eq(s->write->put(s, "a/" M "q", "new", 3, NULL, &any, &attr), -EINVAL);
  cr_assert_eq(s->write->remove(s, &doomed, 1), 0);
  cr_expect_eq(mem->ops->head(mem, "a//b", &attr, NULL), -ENOENT);
}

Test(escape_store, a_twin_needs_its_folder) {
  struct store_attr attr;

  put("alone");
  put("both");
  put("both/x");
  cr_expect_eq(s->ops->head(s, M "fboth", &attr, NULL), 0);
  cr_expect_eq(s->ops->head(s, M "falone", &attr, NULL), -ENOENT);
}
