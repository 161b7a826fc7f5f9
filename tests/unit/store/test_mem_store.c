#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/store/mem_store.h"

static struct store *store;

static void setup(void) {
  cr_assert_eq(mem_store_new("domain", &store), 0);
}

static void teardown(void) {
  store_free(store);
}

TestSuite(mem_store, .init = setup, .fini = teardown);

static void put(const char *key, const char *text) {
  cr_assert_eq(mem_store_put(store, key, text, strlen(text)), 0);
}

static char *listing(const char *prefix, bool folded, unsigned max, unsigned *pages) {
  struct buf b;
  char *token = NULL;

  buf_init(&b, 0);
  *pages = 0;
  do {
    struct store_page p;

    cr_assert_eq(store->ops->list(store, prefix, folded, token, max, &p), 0);
    cr_assert_leq(p.count, max);
    for (size_t i = 0; i < p.count; i++) {
      size_t len = strlen(p.entries[i].name);

      buf_printf(&b, "%s ", p.entries[i].name);
      cr_expect_eq(p.entries[i].is_prefix,
                   folded && p.entries[i].name[len - 1] == '/' && len > strlen(prefix));
    }
    free(token);
    token = p.next;
    p.next = NULL;
    store_page_fini(&p);
    ++*pages;
  } while (token != NULL);
  return buf_take(&b);
}

static void expect_listing(const char *prefix, bool folded, const char *want) {
  for (unsigned max = 1; max <= 4; max++) {
    unsigned pages;
    char *got = listing(prefix, folded, max, &pages);

    cr_expect_str_eq(got, want, "prefix '%s' max %u: %s", prefix, max, got);
    free(got);
  }
}

Test(mem_store, lists_folded_and_flat) {
  put("a", "1");
  put("a-b", "2");
  put("a/b", "3");
  put("a/c/d", "4");
  put("a/", "");
  put("z//y", "5");
  expect_listing("", true, "a a-b a/ z/ ");
  expect_listing("a/", true, "a/ a/b a/c/ ");
  expect_listing("", false, "a a-b a/ a/b a/c/d z//y ");
  expect_listing("z/", true, "z// ");
  expect_listing("nothing", true, "");
}

Test(mem_store, page_limits) {
  struct store_page p;

  cr_expect_eq(store->ops->list(store, "", true, NULL, 0, &p), -EINVAL);
  cr_expect_eq(store->ops->list(store, "", true, NULL, 1001, &p), -EINVAL);
}

Test(mem_store, head_and_meta) {
  struct store_attr a;
  struct kvlist meta;

  kvlist_init(&meta);
  put("k", "hello");
  cr_expect_eq(mem_store_set_meta(store, "k", "owner", "me"), 0);
  cr_expect_eq(mem_store_set_meta(store, "absent", "owner", "me"), -ENOENT);
  cr_expect_eq(store->ops->head(store, "k", &a, &meta), 0);
  cr_expect_eq(a.size, 5);
  cr_expect_str_eq(kvlist_get(&meta, "owner"), "me");
  cr_expect_eq(store->ops->head(store, "absent", &a, NULL), -ENOENT);
  kvlist_fini(&meta);
}

Test(mem_store, put_changes_the_etag) {
  struct store_attr a;
  struct store_attr b;

  put("k", "same");
  cr_assert_eq(store->ops->head(store, "k", &a, NULL), 0);
  put("k", "same");
  cr_assert_eq(store->ops->head(store, "k", &b, NULL), 0);
  cr_expect_str_neq(a.etag, b.etag);
  cr_expect_gt(b.mtime, a.mtime);
}

Test(mem_store, ranged_reads) {
  char dst[16];
  size_t got;
  struct store_attr a;

  put("k", "0123456789");
  cr_assert_eq(store_read(store, "k", NULL, 2, dst, 3, &got, &a), 0);
  cr_expect_eq(got, 3);
  cr_expect_eq(memcmp(dst, "234", 3), 0);
  cr_assert_eq(store_read(store, "k", a.etag, 8, dst, sizeof(dst), &got, NULL), 0);
  cr_expect_eq(got, 2);
  cr_expect_eq(store_read(store, "k", a.etag, 10, dst, 1, &got, NULL), -ERANGE);
  cr_expect_eq(store_read(store, "k", "other", 0, dst, 1, &got, NULL), -ESTALE);
  cr_expect_eq(store_read(store, "absent", NULL, 0, dst, 1, &got, NULL), -ENOENT);
}

Test(mem_store, denials) {
  struct store_attr a;
  struct store_page p;
  char c;
  size_t got;

  put("open", "1");
  put("shut", "2");
  mem_store_deny_key(store, "shut", true);
  cr_expect_eq(store->ops->head(store, "shut", &a, NULL), -EACCES);
  cr_expect_eq(store_read(store, "shut", NULL, 0, &c, 1, &got, NULL), -EACCES);
  cr_expect_eq(store->ops->head(store, "open", &a, NULL), 0);
  mem_store_deny_list(store, true);
  cr_expect_eq(store->ops->list(store, "", true, NULL, 10, &p), -EACCES);
  cr_expect_eq(store->ops->head(store, "absent", &a, NULL), -EACCES);
  cr_expect_eq(store->ops->head(store, "open", &a, NULL), 0);
}

Test(mem_store, list_allowed_below_a_prefix) {
  struct store_page p;
  struct store_attr a;

  put("home/me/f", "1");
  mem_store_allow_list_below(store, "home/me/");
  cr_expect_eq(store->ops->list(store, "home/", true, NULL, 10, &p), -EACCES);
  cr_assert_eq(store->ops->list(store, "home/me/", true, NULL, 10, &p), 0);
  store_page_fini(&p);
  cr_expect_eq(store->ops->head(store, "home/other", &a, NULL), -EACCES);
  cr_expect_eq(store->ops->head(store, "home/me/x", &a, NULL), -ENOENT);
}

Test(mem_store, archived_objects_cannot_be_read) {
  struct store_attr a;
  char c;
  size_t got;

  put("cold", "1");
  mem_store_set_archived(store, "cold", true);
  cr_assert_eq(store->ops->head(store, "cold", &a, NULL), 0);
  cr_expect(a.archived);
  cr_expect_eq(store_read(store, "cold", NULL, 0, &c, 1, &got, NULL), -EACCES);
}

struct pieces {
  struct store_get get;
  struct mtx lock;
  struct cond ended;
  unsigned calls;
  size_t last;
  bool grew;
  int err;
  bool done;
};

static void on_progress(struct store_get *g, size_t have) {
  struct pieces *p = (struct pieces *)g;

  p->calls++;
  p->grew = p->grew && have > p->last;
  p->last = have;
}

static void on_done(struct store_get *g, int err) {
  struct pieces *p = (struct pieces *)g;

  mtx_lock(&p->lock);
  p->err = err;
  p->done = true;
  cond_signal(&p->ended);
  mtx_unlock(&p->lock);
}

Test(mem_store, progress_comes_in_pieces) {
  size_t len = 300 << 10;
  char *data = calloc(1, len);
  struct pieces p = {.grew = true};

  mtx_init(&p.lock, RANK_HANDLE);
  cond_init(&p.ended);
  cr_assert_eq(mem_store_put(store, "k", data, len), 0);
  p.get = (struct store_get){
      .key = "k", .length = len, .dst = data, .progress = on_progress, .done = on_done};
  cr_assert_eq(store->ops->get(store, &p.get), 0);
  mtx_lock(&p.lock);
  while (!p.done)
    cond_wait(&p.ended, &p.lock);
  mtx_unlock(&p.lock);
  store->ops->get_cancel(store, &p.get);
  cr_expect_eq(p.err, 0);
  cr_expect_eq(p.get.got, len);
  cr_expect_eq(p.last, len);
  cr_expect_eq(p.calls, 5);
  cr_expect(p.grew);
  cond_fini(&p.ended);
  mtx_fini(&p.lock);
  free(data);
}

Test(mem_store, deletes) {
  struct store_attr a;

  put("a", "1");
  put("b", "2");
  put("c", "3");
  cr_expect_eq(mem_store_delete(store, "b"), 0);
  cr_expect_eq(mem_store_delete(store, "b"), -ENOENT);
  cr_expect_eq(store->ops->head(store, "b", &a, NULL), -ENOENT);
  expect_listing("", true, "a c ");
}
