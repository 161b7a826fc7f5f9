/* Object keys as file names: nothing collides, everything comes back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../src/emulator/key_name.h"

static char *escaped(const char *key) {
  struct buf b;
  buf_init(&b, 0);
  key_name_escape(&b, key);
  cr_assert_eq(buf_error(&b), 0);
  return buf_take(&b);
}

static void expect_round_trip(const char *key) {
  struct buf back;
  char *path = escaped(key);
  buf_init(&back, 0);
  cr_expect_eq(key_name_unescape(&back, path), 0, "%s", path);
  cr_expect_str_eq(buf_cstr(&back), key);
  for (const char *p = path; *p;) {
    size_t n = strcspn(p, "/");
    cr_expect(n > 0 && n <= 255, "a name of %zu bytes", n);
    cr_expect(*p != '.', "%s", path);
    p += n + (p[n] == '/');
  }
  buf_fini(&back);
  free(path);
}

Test(key_name, comes_back) {
  static const char *const keys[] = {"a",   "a/b", "a//b", "/",      "//",     ".",    "..",
                                     "~",   "~/a", "a~/b", "%2F",    "a\nb",   "\x01", "\xc3\xa9",
                                     "a.b", ".a",  "a/.",  "a/../b", "a b+c=d"};
  for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
    expect_round_trip(keys[i]);
}

Test(key_name, holds_the_longest_keys) {
  char key[1025];
  for (int fill = 0; fill < 3; fill++) {
    memset(key, "a/."[fill], 1024);
    key[1024] = '\0';
    expect_round_trip(key);
  }
  for (size_t len = KEY_NAME_PIECE - 4; len < KEY_NAME_PIECE + 4; len++) {
    memset(key, 'x', len);
    memcpy(key + len, "/.y", 4);
    expect_round_trip(key);
  }
}

/* A file can neither be in the way of a folder nor the other way round. */
Test(key_name, a_key_and_its_continuation_do_not_collide) {
  char key[600];
  for (size_t len = 1; len < 520; len++) {
    memset(key, 'x', len);
    key[len] = '\0';
    char *path = escaped(key);
    char *longer = NULL;
    memset(key, 'x', len + 10);
    key[len + 10] = '\0';
    longer = escaped(key);
    size_t n = strlen(path);
    cr_expect(strncmp(longer, path, n) != 0 || longer[n] != '/', "%zu", len);
    free(path);
    free(longer);
  }
}

Test(key_name, refuses_names_it_does_not_make) {
  static const char *const names[] = {"%", "%4", "%zz", "a%00"};
  struct buf b;
  buf_init(&b, 0);
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    cr_expect_eq(key_name_unescape(&b, names[i]), -EINVAL, "%s", names[i]);
  buf_fini(&b);
}
