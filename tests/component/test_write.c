/* Changes through the S3 store, against a whole server. Everything here holds on
 * servers that ignore conditions too. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "component/server.h"
#include "s3apfs/base/crc.h"

static struct fixture f;
static char text[1024];

static void setup(void) {
  fixture_init(&f, NULL);
}

static void teardown(void) {
  fixture_fini(&f);
}

TestSuite(write, .init = setup, .fini = teardown, .timeout = 120);

static int put_if(const char *key, const char *bytes, enum store_if what, const char *etag) {
  struct store_condition cond = {.what = what, .etag = etag};
  struct store_attr a;

  return f.w->put(f.store, key, bytes, strlen(bytes), NULL, &cond, &a);
}

Test(write, put_and_its_attributes) {
  struct store_attr a = put_text(&f, "a b+c/ü%41", "hello");
  struct store_detail d;

  cr_assert_eq(f.w->detail(f.store, "a b+c/ü%41", &d), 0);
  cr_expect_str_eq(d.attr.etag, a.etag);
  cr_expect_eq(d.attr.size, 5);
  cr_expect(llabs(d.attr.mtime - a.mtime) <= 2);
  if (f.emulator)
    cr_expect(d.has_crc64nvme);
  if (d.has_crc64nvme)
    cr_expect_eq(d.crc64nvme, crc64nvme(0, "hello", 5));
  cr_expect_str_eq(text_of(&f, "a b+c/ü%41", text), "hello");
  store_detail_fini(&d);
}

Test(write, empty_objects) {
  struct store_attr a = put_text(&f, "empty", "");

  cr_expect_eq(a.size, 0);
  cr_expect_str_eq(text_of(&f, "empty", text), "");
}

Test(write, conditions_of_put) {
  struct store_attr a;

  cr_expect_eq(put_if("k", "1", STORE_IF_MATCH, "0123456789abcdef0123456789abcdef"), -ESTALE);
  cr_expect_eq(put_if("k", "1", STORE_IF_ABSENT, NULL), 0);
  cr_expect_eq(put_if("k", "2", STORE_IF_ABSENT, NULL), -EEXIST);
  cr_expect_eq(put_if("k", "2", STORE_IF_MATCH, "0123456789abcdef0123456789abcdef"), -ESTALE);
  cr_expect_str_eq(text_of(&f, "k", text), "1");
  cr_assert_eq(f.store->ops->head(f.store, "k", &a, NULL), 0);
  cr_expect_eq(put_if("k", "3", STORE_IF_MATCH, a.etag), 0);
  cr_expect_str_eq(text_of(&f, "k", text), "3");
}

static void dress_init(struct kvlist *meta, struct kvlist *headers) {
  kvlist_init(meta);
  kvlist_init(headers);
  cr_assert_eq(kvlist_add(meta, "file-permissions", "0100644"), 0);
  cr_assert_eq(kvlist_add(headers, "Content-Type", "text/csv"), 0);
  cr_assert_eq(kvlist_add(headers, "Cache-Control", "no-store"), 0);
}

static void expect_dress(const char *key, const char *permissions, const char *type) {
  struct store_detail d;
  const char *got;

  cr_assert_eq(f.w->detail(f.store, key, &d), 0);
  got = kvlist_get_ci(&d.meta, "file-permissions");
  cr_expect_str_eq(got != NULL ? got : "", permissions, "%s", key);
  got = kvlist_get_ci(&d.headers, "Content-Type");
  cr_expect_str_eq(got != NULL ? got : "", type, "%s", key);
  store_detail_fini(&d);
}

Test(write, copies_keep_or_replace_what_is_carried) {
  struct kvlist meta;
  struct kvlist headers;
  struct store_dress dress = {.meta = &meta, .headers = &headers};
  struct store_attr a;
  struct store_attr b;
  struct store_source from = {.key = "a b+c", .size = 1};

  dress_init(&meta, &headers);
  cr_assert_eq(f.w->put(f.store, "a b+c", "x", 1, &dress, NULL, &a), 0);
  from.etag = a.etag;
  cr_expect_eq(f.w->copy(f.store, &from, "d/ü", NULL, NULL, &b), 0);
  cr_expect_eq(b.size, 1);
  expect_dress("d/ü", "0100644", "text/csv");
  kvlist_remove_ci(&meta, "file-permissions");
  cr_assert_eq(kvlist_add(&meta, "file-permissions", "0100755"), 0);
  cr_expect_eq(f.w->copy(f.store, &from, "a b+c", &dress, NULL, &b), 0);
  expect_dress("a b+c", "0100755", "text/csv");
  cr_expect_str_eq(text_of(&f, "a b+c", text), "x");
  kvlist_fini(&meta);
  kvlist_fini(&headers);
}

Test(write, conditions_of_copy) {
  struct store_attr a = put_text(&f, "k", "one");
  struct store_source from = {.key = "k", .etag = a.etag, .size = a.size};
  struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_condition match = {.what = STORE_IF_MATCH,
                                  .etag = "0123456789abcdef0123456789abcdef"};
  struct store_attr b;

  cr_expect_eq(f.w->copy(f.store, &from, "k2", NULL, &absent, &b), 0);
  cr_expect_eq(f.w->copy(f.store, &from, "k2", NULL, &absent, &b), -EEXIST);
  put_text(&f, "k2", "two");
  cr_expect_eq(f.w->copy(f.store, &from, "k2", NULL, &match, &b), -ESTALE);
  cr_expect_str_eq(text_of(&f, "k2", text), "two");
  put_text(&f, "k", "changed");
  cr_expect_eq(f.w->copy(f.store, &from, "k3", NULL, &absent, &b), -ESTALE);
  cr_expect_eq(f.w->copy(f.store, &from, "k3", NULL, NULL, &b), -ESTALE);
  cr_expect_str_eq(text_of(&f, "k3", text), "(none)");
  from = (struct store_source){.key = "never"};
  cr_expect_eq(f.w->copy(f.store, &from, "k3", NULL, NULL, &b), -ENOENT);
}

static char *many(size_t len) {
  char *p = malloc(len);

  cr_assert_not_null(p);
  for (size_t i = 0; i < len; i++)
    p[i] = (char)(i * 31 + i / 977);
  return p;
}

Test(write, upload_of_sent_and_copied_parts) {
  size_t part = STORE_PART_MIN;
  char *data = many(part + 3);
  struct store_attr base;
  struct store_attr a;
  struct store_part parts[3];
  struct store_source from = {.key = "base"};
  struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_detail d;
  char *id = NULL;
  char tail[8];
  size_t got;

  cr_assert_eq(f.w->put(f.store, "base", data, part + 3, NULL, NULL, &base), 0);
  from.etag = base.etag;
  from.size = base.size;
  cr_assert_eq(f.w->create_upload(f.store, "k", NULL, &id), 0);
  cr_expect_eq(f.w->put_part(f.store, "k", id, 1, data, part, &parts[0]), 0);
  cr_expect_eq(f.w->copy_part(f.store, "k", id, 2, &from, 3, part, &parts[1]), 0);
  cr_expect_eq(f.w->put_part(f.store, "k", id, 9, "end", 3, &parts[2]), 0);
  cr_expect_eq(f.w->complete_upload(f.store, "k", id, parts, 3, &absent, &a), 0);
  cr_expect_eq(a.size, 2 * part + 3);
  cr_expect_str_eq(a.etag + strlen(a.etag) - 2, "-3");
  cr_assert_eq(store_read(f.store, "k", a.etag, 2 * part - 2, tail, 8, &got, NULL), 0);
  cr_expect_eq(got, 5);
  cr_expect_eq(memcmp(tail, data + part + 1, 2), 0);
  cr_expect_eq(memcmp(tail + 2, "end", 3), 0);
  cr_assert_eq(f.w->detail(f.store, "k", &d), 0);
  cr_expect_str_eq(d.attr.etag, a.etag);
  if (f.emulator)
    cr_expect(d.has_crc64nvme);
  store_detail_fini(&d);
  if (f.emulator) { /* a reply that was lost: what stands there is what was asked for */
    struct store_attr again;

    cr_expect_eq(f.w->complete_upload(f.store, "k", id, parts, 3, NULL, &again), 0);
    cr_expect_str_eq(again.etag, a.etag);
    cr_expect_eq(f.w->put(f.store, "k", data, part, NULL, NULL, &a), 0);
    cr_expect_eq(f.w->complete_upload(f.store, "k", id, parts, 3, NULL, &again), -EPIPE);
  }
  free(id);
  free(data);
}

Test(write, uploads_are_refused_and_aborted) {
  struct store_attr a = put_text(&f, "k", "there");
  struct store_part part;
  struct store_condition absent = {.what = STORE_IF_ABSENT};
  struct store_condition match = {.what = STORE_IF_MATCH, .etag = a.etag};
  char *id = NULL;

  cr_assert_eq(f.w->create_upload(f.store, "k", NULL, &id), 0);
  cr_expect_eq(f.w->put_part(f.store, "k", id, 1, "new", 3, &part), 0);
  cr_expect_eq(f.w->complete_upload(f.store, "k", id, &part, 1, &absent, &a), -EEXIST);
  put_text(&f, "k", "changed");
  cr_expect_eq(f.w->complete_upload(f.store, "k", id, &part, 1, &match, &a), -ESTALE);
  cr_expect_str_eq(text_of(&f, "k", text), "changed");
  cr_expect_eq(f.w->abort_upload(f.store, "k", id), 0);
  if (f.emulator)
    cr_expect_eq(f.w->put_part(f.store, "k", id, 1, "new", 3, &part), -EPIPE);
  free(id);
}

static int remove_one(const char *key, const char *etag) {
  struct store_doomed d = {.key = key, .etag = etag};
  int rc = f.w->remove(f.store, &d, 1);

  cr_expect_eq(rc, d.err);
  return rc;
}

Test(write, removal_of_one) {
  struct store_attr a = put_text(&f, "k", "x");

  cr_expect_eq(remove_one("k", "0123456789abcdef0123456789abcdef"), -ESTALE);
  cr_expect_str_eq(text_of(&f, "k", text), "x");
  cr_expect_eq(remove_one("k", a.etag), 0);
  cr_expect_str_eq(text_of(&f, "k", text), "(none)");
  cr_expect_eq(remove_one("k", a.etag), 0);
  cr_expect_eq(remove_one("k", NULL), 0);
}

Test(write, removal_of_many) {
  struct store_attr a = put_text(&f, "a&<b>", "1");
  struct store_attr c = put_text(&f, "c", "3");
  struct store_doomed items[5] = {{.key = "a&<b>", .etag = a.etag},
                                  {.key = "b", .etag = "0123456789abcdef0123456789abcdef"},
                                  {.key = "c", .etag = c.etag},
                                  {.key = "never", .etag = c.etag},
                                  {.key = "d"}};

  put_text(&f, "b", "2");
  put_text(&f, "d", "4");
  cr_expect_eq(f.w->remove(f.store, items, 5), -ESTALE);
  for (size_t i = 0; i < 5; i++)
    cr_expect_eq(items[i].err, i == 1 ? -ESTALE : 0, "%s: %d", items[i].key, items[i].err);
  cr_expect_str_eq(text_of(&f, "a&<b>", text), "(none)");
  cr_expect_str_eq(text_of(&f, "b", text), "2");
  cr_expect_str_eq(text_of(&f, "c", text), "(none)");
  cr_expect_str_eq(text_of(&f, "d", text), "(none)");
}

Test(write, tags_are_told_and_kept) {
  struct kvlist headers;
  struct store_dress dress = {.headers = &headers};
  struct store_detail d;
  struct store_attr a;
  struct store_source from = {.key = "k", .size = 1};
  struct buf tags;

  kvlist_init(&headers);
  buf_init(&tags, 0);
  cr_assert_eq(kvlist_add(&headers, "x-amz-tagging", "team=red%20%2B%20blue&x=1"), 0);
  cr_assert_eq(f.w->put(f.store, "k", "x", 1, &dress, NULL, &a), 0);
  cr_assert_eq(f.w->detail(f.store, "k", &d), 0);
  cr_expect_eq(d.tag_count, 2);
  store_detail_fini(&d);
  cr_expect_eq(f.w->copy(f.store, &from, "k2", NULL, NULL, &a), 0);
  cr_expect_eq(f.w->tags(f.store, "k2", &tags), 0);
  cr_expect_not_null(strstr(buf_cstr(&tags), "team=red%20%2B%20blue"));
  buf_fini(&tags);
  kvlist_fini(&headers);
}

Test(write, what_no_header_can_hold_is_refused) {
  struct kvlist meta;
  struct store_dress dress = {.meta = &meta};
  struct store_attr a;

  kvlist_init(&meta);
  cr_assert_eq(kvlist_add(&meta, "x", "a\r\nx-amz-acl: public-read"), 0);
  cr_expect_eq(f.w->put(f.store, "k", "x", 1, &dress, NULL, &a), -EINVAL);
  cr_expect_str_eq(text_of(&f, "k", text), "(none)");
  kvlist_fini(&meta);
}
