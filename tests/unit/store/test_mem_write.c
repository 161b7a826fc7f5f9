#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/crc.h"
#include "s3apfs/store/mem_store.h"

static struct store *store;
static const struct store_write_ops *w;

static void setup(void) {
  cr_assert_eq(mem_store_new("domain", &store), 0);
  w = store->write;
  mem_store_set_part_min(store, 4);
}

static void teardown(void) {
  store_free(store);
}

TestSuite(mem_write, .init = setup, .fini = teardown);

static struct store_attr put(const char *key, const char *text) {
  struct store_attr attr;

  cr_assert_eq(w->put(store, key, text, strlen(text), NULL, NULL, &attr), 0);
  return attr;
}

static void expect_content(const char *key, const char *want) {
  char got[256] = {0};
  size_t n = 0;
  int rc = store_read(store, key, NULL, 0, got, sizeof(got) - 1, &n, NULL);

  cr_expect_eq(rc, 0, "%s: %d", key, rc);
  cr_expect_str_eq(got, want);
}

static int remove_one(const char *key, const char *etag) {
  struct store_doomed d = {.key = key, .etag = etag};
  int rc = w->remove(store, &d, 1);

  cr_expect_eq(rc, d.err);
  return rc;
}

Test(mem_write, put_gives_a_new_version_each_time) {
  struct store_attr a = put("k", "same");
  struct store_attr b = put("k", "same");
  struct store_attr head;

  cr_expect_str_neq(a.etag, b.etag);
  cr_expect_eq(b.size, 4);
  cr_assert_eq(store->ops->head(store, "k", &head, NULL), 0);
  cr_expect_str_eq(head.etag, b.etag);
  cr_expect_eq(head.mtime, b.mtime);
  expect_content("k", "same");
}

Test(mem_write, conditions) {
  struct store_attr a;
  struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_condition match = {.what = STORE_IF_MATCH, .etag = "nothing"};

  cr_expect_eq(w->put(store, "k", "1", 1, NULL, &match, &a), -ESTALE);
  cr_expect_eq(w->put(store, "k", "1", 1, NULL, &absent, &a), 0);
  cr_expect_eq(w->put(store, "k", "2", 1, NULL, &absent, &a), -EEXIST);
  cr_expect_eq(w->put(store, "k", "2", 1, NULL, &match, &a), -ESTALE);
  expect_content("k", "1");
  match.etag = a.etag;
  cr_expect_eq(w->put(store, "k", "3", 1, NULL, &match, &a), 0);
  expect_content("k", "3");
}

Test(mem_write, limits) {
  char *key = calloc(1, 1026);
  char *value = calloc(1, 2100);
  struct kvlist meta;
  struct store_dress dress = {.meta = &meta};
  struct store_attr a;

  memset(key, 'k', 1025);
  memset(value, 'v', 2099);
  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "n", value), 0);
  cr_expect_eq(w->put(store, key, "", 0, NULL, NULL, &a), -ENAMETOOLONG);
  cr_expect_eq(w->put(store, "k", "", 0, &dress, NULL, &a), -E2BIG);
  cr_expect_eq(w->put(store, "", "", 0, NULL, NULL, &a), -EINVAL);
  kvlist_fini(&meta);
  free(key);
  free(value);
}

static void dress_init(struct kvlist *meta, struct kvlist *headers) {
  kvlist_init(meta);
  kvlist_init(headers);
  cr_assert_eq(kvlist_add(meta, "color", "blue"), 0);
  cr_assert_eq(kvlist_add(headers, "Content-Type", "text/plain"), 0);
  cr_assert_eq(kvlist_add(headers, "x-amz-tagging", "a=1&b=2"), 0);
}

static void expect_dress(const char *key, const char *color, const char *type, unsigned tags) {
  struct store_detail d;

  cr_assert_eq(w->detail(store, key, &d), 0);
  cr_expect_str_eq(color != NULL ? color : "", kvlist_get(&d.meta, "color") ?: "");
  cr_expect_str_eq(type != NULL ? type : "", kvlist_get(&d.headers, "Content-Type") ?: "");
  cr_expect_null(kvlist_get_ci(&d.headers, "x-amz-tagging"));
  cr_expect_eq(d.tag_count, tags, "%s has %u tags", key, d.tag_count);
  cr_expect(d.has_crc64nvme);
  store_detail_fini(&d);
}

Test(mem_write, what_an_object_carries_goes_with_the_version) {
  struct kvlist meta;
  struct kvlist headers;
  struct store_dress dress = {.meta = &meta, .headers = &headers};
  struct store_attr a;
  struct buf tags;

  dress_init(&meta, &headers);
  cr_assert_eq(w->put(store, "k", "x", 1, &dress, NULL, &a), 0);
  expect_dress("k", "blue", "text/plain", 2);
  buf_init(&tags, 0);
  cr_expect_eq(w->tags(store, "k", &tags), 0);
  cr_expect_str_eq(buf_cstr(&tags), "a=1&b=2");
  buf_fini(&tags);
  put("k", "x");
  expect_dress("k", NULL, NULL, 0);
  kvlist_fini(&meta);
  kvlist_fini(&headers);
}

Test(mem_write, copy_keeps_or_replaces_what_is_carried) {
  struct kvlist meta;
  struct kvlist headers;
  struct store_dress dress = {.meta = &meta, .headers = &headers};
  struct store_dress bare = {0};
  struct store_source from = {.key = "k"};
  struct store_attr a;

  dress_init(&meta, &headers);
  cr_assert_eq(w->put(store, "k", "x", 1, &dress, NULL, &a), 0);
  cr_expect_eq(w->copy(store, &from, "k2", NULL, NULL, &a), 0);
  expect_content("k2", "x");
  expect_dress("k2", "blue", "text/plain", 2);
  cr_expect_eq(w->copy(store, &from, "k", NULL, NULL, &a), -EINVAL);
  cr_expect_eq(w->copy(store, &from, "k", &bare, NULL, &a), 0);
  expect_dress("k", NULL, NULL, 2);
  kvlist_fini(&meta);
  kvlist_fini(&headers);
}

Test(mem_write, copy_conditions) {
  struct store_attr source = put("k", "x");
  struct store_source from = {.key = "k", .etag = source.etag};
  struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_attr a;

  cr_expect_eq(w->copy(store, &from, "k2", NULL, &absent, &a), 0);
  cr_expect_eq(w->copy(store, &from, "k2", NULL, &absent, &a), -EEXIST);
  put("k", "y");
  cr_expect_eq(w->copy(store, &from, "k3", NULL, NULL, &a), -ESTALE);
  from.key = "gone";
  cr_expect_eq(w->copy(store, &from, "k3", NULL, NULL, &a), -ENOENT);
}

Test(mem_write, remove_by_etag) {
  struct store_attr old = put("k", "x");
  struct store_attr now = put("k", "y");

  cr_expect_eq(remove_one("k", old.etag), -ESTALE);
  expect_content("k", "y");
  cr_expect_eq(remove_one("k", now.etag), 0);
  cr_expect_eq(remove_one("k", now.etag), 0);
  cr_expect_eq(remove_one("never", NULL), 0);
}

Test(mem_write, remove_tells_each_result) {
  struct store_doomed items[3] = {{.key = "a"}, {.key = "b", .etag = "wrong"}, {.key = "c"}};
  struct mem_store_counts counts;

  put("a", "");
  put("b", "");
  put("c", "");
  cr_expect_eq(w->remove(store, items, 3), -ESTALE);
  cr_expect_eq(items[0].err, 0);
  cr_expect_eq(items[1].err, -ESTALE);
  cr_expect_eq(items[2].err, 0);
  mem_store_counts(store, &counts);
  cr_expect_eq(counts.removes, 3);
  cr_expect_eq(counts.puts, 3);
}

Test(mem_write, upload_joins_its_parts) {
  struct store_part parts[3];
  struct store_attr a;
  struct store_source from = {.key = "base"};
  char *id = NULL;

  put("base", "0123456789");
  cr_assert_eq(w->create_upload(store, "k", NULL, &id), 0);
  cr_expect_eq(mem_store_uploads(store), 1);
  cr_expect_eq(w->put_part(store, "k", id, 1, "never", 5, &parts[0]), 0);
  cr_expect_eq(w->put_part(store, "k", id, 1, "abcd", 4, &parts[0]), 0);
  cr_expect_eq(w->copy_part(store, "k", id, 2, &from, 2, 5, &parts[1]), 0);
  cr_expect_eq(w->put_part(store, "k", id, 7, "z", 1, &parts[2]), 0);
  cr_expect_eq(parts[1].crc64nvme, crc64nvme(0, "23456", 5));
  cr_expect_eq(w->complete_upload(store, "k", id, parts, 3, NULL, &a), 0);
  cr_expect_eq(a.size, 10);
  cr_expect_str_eq(a.etag + strlen(a.etag) - 2, "-3");
  expect_content("k", "abcd23456z");
  cr_expect_eq(mem_store_uploads(store), 0);
  cr_expect_eq(w->complete_upload(store, "k", id, parts, 3, NULL, &a), -EPIPE);
  cr_expect_eq(w->abort_upload(store, "k", id), -EPIPE);
  free(id);
}

Test(mem_write, upload_is_checked_and_lives_on_when_refused) {
  struct store_part parts[2];
  struct store_attr a;
  struct store_condition absent = {.what = STORE_IF_ABSENT};
  char *id = NULL;

  put("k", "there");
  cr_assert_eq(w->create_upload(store, "k", NULL, &id), 0);
  cr_expect_eq(w->put_part(store, "other", id, 1, "abc", 3, &parts[0]), -EPIPE);
  cr_expect_eq(w->put_part(store, "k", id, 0, "abc", 3, &parts[0]), -EINVAL);
  cr_expect_eq(w->put_part(store, "k", id, 10001, "abc", 3, &parts[0]), -EINVAL);
  cr_expect_eq(w->put_part(store, "k", id, 1, "abc", 3, &parts[0]), 0);
  cr_expect_eq(w->put_part(store, "k", id, 2, "d", 1, &parts[1]), 0);
  cr_expect_eq(w->complete_upload(store, "k", id, parts, 2, NULL, &a), -EINVAL, "too small");
  cr_expect_eq(w->complete_upload(store, "k", id, parts, 0, NULL, &a), -EINVAL);
  cr_expect_eq(w->complete_upload(store, "k", id, parts, 1, &absent, &a), -EEXIST);
  expect_content("k", "there");
  parts[0].etag[0] ^= 1;
  cr_expect_eq(w->complete_upload(store, "k", id, parts, 1, NULL, &a), -EINVAL);
  cr_expect_eq(mem_store_uploads(store), 1);
  cr_expect_eq(w->abort_upload(store, "k", id), 0);
  cr_expect_eq(mem_store_uploads(store), 0);
  free(id);
}

Test(mem_write, copy_part_checks_its_source) {
  struct store_attr base = put("base", "0123456789");
  struct store_source from = {.key = "base", .etag = base.etag};
  struct store_part part;
  char *id = NULL;

  cr_assert_eq(w->create_upload(store, "k", NULL, &id), 0);
  cr_expect_eq(w->copy_part(store, "k", id, 1, &from, 8, 3, &part), -EINVAL);
  put("base", "changed");
  cr_expect_eq(w->copy_part(store, "k", id, 1, &from, 0, 3, &part), -ESTALE);
  free(id);
}
