/* The sorted keys of a bucket and their pages, also against a naive listing. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/emulator/key_index.h"

static void add(struct key_index *x, const char *key) {
  struct key_entry e = {.key = strdup(key), .etag = strdup("e"), .size = strlen(key)};
  cr_assert_eq(key_index_put(x, &e), 0);
  cr_assert_null(e.key);
}

static void fill(struct key_index *x, const char *const *keys) {
  key_index_init(x);
  for (; *keys; keys++)
    add(x, *keys);
}

/* "key key | prefix prefix" with a '+' behind when truncated. */
static char *page_text(const struct key_index *x, const char *prefix, const char *delimiter,
                       const char *after, size_t max) {
  struct key_query q = {.prefix = prefix, .delimiter = delimiter, .after = after, .max = max};
  struct key_page p;
  char *text;
  size_t size;
  cr_assert_eq(key_index_page(x, &q, &p), 0);
  FILE *f = open_memstream(&text, &size);
  for (size_t i = 0; i < p.entry_count; i++)
    fprintf(f, "%s ", p.entries[i].key);
  fputs("|", f);
  for (size_t i = 0; i < p.prefix_count; i++)
    fprintf(f, " %s", p.prefixes[i]);
  fputs(p.truncated ? "+" : "", f);
  fclose(f);
  cr_assert_eq(p.truncated, p.last != NULL);
  key_page_fini(&p);
  return text;
}

static void expect(const struct key_index *x, const char *prefix, const char *delimiter,
                   const char *after, size_t max, const char *wanted) {
  char *text = page_text(x, prefix, delimiter, after, max);
  cr_expect_str_eq(text, wanted);
  free(text);
}

static const char *const sample[] = {"b/2", "a", "b/1", "b/c/3", "d//4",
                                     "e/",  "f", "a!",  "b0",    NULL};

Test(key_index, lists_in_order_of_bytes) {
  struct key_index x;
  fill(&x, sample);
  expect(&x, "", "", "", 100, "a a! b/1 b/2 b/c/3 b0 d//4 e/ f |");
  expect(&x, "b/", "", "", 100, "b/1 b/2 b/c/3 |");
  expect(&x, "b", "", "b/2", 100, "b/c/3 b0 |");
  expect(&x, "zz", "", "", 100, "|");
  key_index_fini(&x);
}

Test(key_index, rolls_up_at_the_delimiter) {
  struct key_index x;
  fill(&x, sample);
  expect(&x, "", "/", "", 100, "a a! b0 f | b/ d/ e/");
  expect(&x, "b/", "/", "", 100, "b/1 b/2 | b/c/");
  expect(&x, "d/", "/", "", 100, "| d//");
  expect(&x, "e/", "/", "", 100, "e/ |");
  expect(&x, "", "/c/", "", 100, "a a! b/1 b/2 b0 d//4 e/ f | b/c/");
  key_index_fini(&x);
}

Test(key_index, goes_on_behind_a_key_or_a_group) {
  struct key_index x;
  fill(&x, sample);
  expect(&x, "", "/", "a!", 100, "b0 f | b/ d/ e/");
  expect(&x, "", "/", "b/", 100, "b0 f | d/ e/");
  expect(&x, "", "/", "b/1", 100, "b0 f | b/ d/ e/");
  expect(&x, "", "/", "", 3, "a a! | b/+");
  expect(&x, "b/", "", "a", 100, "b/1 b/2 b/c/3 |");
  expect(&x, "b/", "", "c", 100, "|");
  key_index_fini(&x);
}

Test(key_index, an_empty_page_is_not_truncated) {
  struct key_index x;
  fill(&x, sample);
  expect(&x, "", "", "", 0, "|");
  expect(&x, "", "", "", 9, "a a! b/1 b/2 b/c/3 b0 d//4 e/ f |");
  expect(&x, "", "", "", 8, "a a! b/1 b/2 b/c/3 b0 d//4 e/ |+");
  key_index_fini(&x);
}

Test(key_index, replaces_and_removes) {
  struct key_index x;
  fill(&x, sample);
  size_t count = x.count;
  add(&x, "f");
  cr_expect_eq(x.count, count);
  cr_expect(key_index_remove(&x, "f"));
  cr_expect_not(key_index_remove(&x, "f"));
  cr_expect_null(key_index_find(&x, "f"));
  cr_expect_eq(key_index_find(&x, "b/c/3")->size, 5);
  key_index_fini(&x);
}

/* Pages of any size, joined, are the whole; every entry once. */
static void expect_pages_join(const struct key_index *x, const char *prefix, const char *delimiter,
                              size_t max) {
  struct key_query whole = {.prefix = prefix, .delimiter = delimiter, .after = "", .max = 100000};
  struct key_page all, p;
  cr_assert_eq(key_index_page(x, &whole, &all), 0);
  size_t entries = 0, prefixes = 0;
  char *after = strdup("");
  for (bool more = true; more; key_page_fini(&p)) {
    struct key_query q = {.prefix = prefix, .delimiter = delimiter, .after = after, .max = max};
    cr_assert_eq(key_index_page(x, &q, &p), 0);
    for (size_t i = 0; i < p.entry_count; i++)
      cr_assert_str_eq(p.entries[i].key, all.entries[entries++].key);
    for (size_t i = 0; i < p.prefix_count; i++)
      cr_assert_str_eq(p.prefixes[i], all.prefixes[prefixes++]);
    free(after);
    after = strdup(p.last ? p.last : "");
    more = p.truncated;
  }
  free(after);
  cr_expect_eq(entries, all.entry_count);
  cr_expect_eq(prefixes, all.prefix_count);
  key_page_fini(&all);
}

Test(key_index, pages_of_any_size_join_to_the_whole) {
  struct key_index x;
  unsigned seed = 7;
  key_index_init(&x);
  for (int i = 0; i < 400; i++) {
    char key[12] = {0};
    for (size_t n = 1 + (size_t)rand_r(&seed) % 8, k = 0; k < n; k++)
      key[k] = "ab/-"[rand_r(&seed) % 4];
    add(&x, key);
  }
  static const char *const prefixes[] = {"", "a", "a/", "/", "ab/", "b/-"};
  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
    for (size_t max = 1; max < 12; max++) {
      expect_pages_join(&x, prefixes[i], "/", max);
      expect_pages_join(&x, prefixes[i], "", max);
    }
  key_index_fini(&x);
}

Test(key_index, holds_a_hundred_thousand) {
  struct key_index x;
  key_index_init(&x);
  for (int i = 99999; i >= 0; i--) {
    char key[32];
    snprintf(key, sizeof(key), "d%d/k%05d", i % 10, i);
    struct key_entry e = {.key = strdup(key)};
    cr_assert_eq(key_index_append(&x, &e), 0);
  }
  key_index_sort(&x);
  expect(&x, "", "/", "", 1000, "| d0/ d1/ d2/ d3/ d4/ d5/ d6/ d7/ d8/ d9/");
  expect_pages_join(&x, "d3/", "/", 1000);
  key_index_fini(&x);
}
