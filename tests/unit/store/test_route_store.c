/* One store made of many scopes: which scope serves a key, what lies above them,
 * and what becomes of calls when scopes come and go. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3apfs/base/text.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"
#include "s3apfs/store/route_store.h"

/* Every scope's store holds what its folder has of these. */
static const char *const objects[] = {"a/1", "a/2", "a/b/3", "p1", "p2/x", "q", "z/deep/er/4"};
#define OBJECTS (sizeof(objects) / sizeof(objects[0]))

struct world {
  struct store *store;
  unsigned made;
  struct store *last; /* the one made last, a fault store */
  char made_for[256]; /* prefixes, in order */
  char changed[256];
};

/* The object's name in a store whose keys lack the folder of this prefix, or NULL. */
static const char *name_below(const char *prefix, const char *object) {
  const char *in_bucket = strchr(prefix, '/') + 1;
  size_t folder = (size_t)(strrchr(prefix, '/') + 1 - in_bucket);

  return strncmp(in_bucket, object, folder) == 0 ? object + folder : NULL;
}

static int make(void *arg, const struct route *r, struct store **out) {
  struct world *w = arg;
  struct store *mem;

  cr_assert_eq(mem_store_new("mem", &mem), 0);
  for (size_t i = 0; i < OBJECTS; i++) {
    const char *name = name_below(r->prefix, objects[i]);

    if (name != NULL)
      cr_assert_eq(mem_store_put(mem, name, objects[i], strlen(objects[i])), 0);
  }
  cr_assert_eq(fault_store_new(mem, out), 0);
  w->made++;
  w->last = *out;
  strncat(w->made_for, r->prefix, sizeof(w->made_for) - strlen(w->made_for) - 1);
  strncat(w->made_for, " ", sizeof(w->made_for) - strlen(w->made_for) - 1);
  return 0;
}

static void note(void *arg, const char *prefix, bool gone) {
  struct world *w = arg;

  strncat(w->changed, gone ? "-" : "+", sizeof(w->changed) - strlen(w->changed) - 1);
  strncat(w->changed, prefix, sizeof(w->changed) - strlen(w->changed) - 1);
  strncat(w->changed, " ", sizeof(w->changed) - strlen(w->changed) - 1);
}

static struct route reads(const char *prefix) {
  return (struct route){.prefix = prefix, .can_read = true};
}

static struct route object(const char *key) {
  return (struct route){.prefix = key, .whole = true, .can_read = true};
}

static struct route writes(const char *prefix) {
  return (struct route){.prefix = prefix, .can_write = true};
}

static void set(struct world *w, const struct route *routes, size_t count) {
  w->changed[0] = '\0';
  cr_assert_eq(route_store_set(w->store, routes, count, note, w), 0);
}

static void begin(struct world *w, const struct route *routes, size_t count) {
  struct route_store_options o = {.domain = "test", .writable = true, .make = make, .arg = w};

  memset(w, 0, sizeof(*w));
  cr_assert_eq(route_store_new(&o, &w->store), 0);
  set(w, routes, count);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int read_at(struct world *w, const char *key, char out[64]) {
  size_t got = 0;
  int rc = store_read(w->store, key, NULL, 0, out, 63, &got, NULL);

  out[rc == 0 ? got : 0] = '\0';
  return rc;
}

static void expect_read(struct world *w, const char *key, const char *body) {
  char text[64];

  cr_assert_eq(read_at(w, key, text), 0, "%s", key);
  cr_assert_str_eq(text, body);
}

/* All pages of a folder, "name name/ ..." in the order of names. */
static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_all(struct world *w, const char *folder, unsigned max, char out[512]) {
  char *names[64];
  size_t count = 0;
  char *token = NULL;
  int rc;

  out[0] = '\0';
  do {
    struct store_page p;

    rc = w->store->ops->list(w->store, folder, true, token, max, &p);
    free(token);
    token = NULL;
    if (rc != 0)
      break;
    cr_assert_leq(p.count, max);
    for (size_t i = 0; i < p.count; i++)
      names[count++] = strdup(p.entries[i].name);
    token = p.next;
    p.next = NULL;
    store_page_fini(&p);
  } while (token != NULL);
  qsort(names, count, sizeof(names[0]), by_text);
  for (size_t i = 0; i < count; i++) {
    strcat(out, names[i]);
    strcat(out, " ");
    free(names[i]);
  }
  return rc;
}

static void expect_list(struct world *w, const char *folder, const char *wanted) {
  char all[512];

  for (unsigned max = 1; max <= 3; max++) {
    cr_assert_eq(list_all(w, folder, max, all), 0);
    cr_assert_str_eq(all, wanted, "%s by %u: %s", folder, max, all);
  }
}

Test(route_store, the_way_to_scopes_is_made_up) {
  const struct route routes[] = {reads("bucket/z/deep/er/"), reads("bucket/a/"), reads("other/")};
  struct world w;

  begin(&w, routes, COUNT(routes));
  expect_list(&w, "", "bucket/ other/ ");
  expect_list(&w, "bucket/", "bucket/a/ bucket/z/ ");
  expect_list(&w, "bucket/z/", "bucket/z/deep/ ");
  expect_list(&w, "bucket/z/deep/", "bucket/z/deep/er/ ");
  cr_assert_eq(w.made, 0); /* without a request */
  expect_list(&w, "bucket/z/deep/er/", "bucket/z/deep/er/4 ");
  expect_list(&w, "bucket/a/", "bucket/a/1 bucket/a/2 bucket/a/b/ ");
  expect_read(&w, "bucket/a/b/3", "a/b/3");
  store_free(w.store);
}

Test(route_store, what_no_scope_covers_is_not_asked_for) {
  const struct route routes[] = {reads("bucket/a/")};
  struct store_attr attr;
  struct world w;
  char text[64];

  begin(&w, routes, COUNT(routes));
  cr_assert_eq(w.store->ops->head(w.store, "bucket/q", &attr, NULL), -ENOENT);
  cr_assert_eq(w.store->ops->head(w.store, "bucket", &attr, NULL), -ENOENT);
  cr_assert_eq(read_at(&w, "bucket/q", text), -EACCES);
  expect_list(&w, "bucket/z/", "");
  expect_list(&w, "nothing/", "");
  cr_assert_eq(w.made, 0);
  store_free(w.store);
}

Test(route_store, the_longest_readable_scope_serves) {
  const struct route routes[] = {reads("bucket/a/"), reads("bucket/a/b/"), writes("bucket/a/1"),
                                 reads("bucket/")};
  struct world w;

  begin(&w, routes, COUNT(routes));
  expect_read(&w, "bucket/a/b/3", "a/b/3");
  cr_assert_str_eq(w.made_for, "bucket/a/b/ ");
  expect_read(&w, "bucket/a/1", "a/1"); /* not by the scope that only writes */
  cr_assert_str_eq(w.made_for, "bucket/a/b/ bucket/a/ ");
  expect_read(&w, "bucket/q", "q");
  cr_assert_str_eq(w.made_for, "bucket/a/b/ bucket/a/ bucket/ ");
  store_free(w.store);
}

Test(route_store, scopes_that_end_within_a_name) {
  const struct route routes[] = {reads("bucket/p"), reads("bucket/p2"), reads("bucket/z/deep/"),
                                 object("bucket/q"), object("bucket/absent")};
  struct world w;

  begin(&w, routes, COUNT(routes));
  expect_list(&w, "bucket/", "bucket/p1 bucket/p2/ bucket/q bucket/z/ ");
  expect_list(&w, "bucket/p2/", "bucket/p2/x ");
  expect_read(&w, "bucket/p1", "p1");
  expect_read(&w, "bucket/q", "q");
  store_free(w.store);
}

Test(route_store, a_granted_folder_is_there_though_empty) {
  const struct route routes[] = {reads("bucket/new/")};
  struct store_page p;
  struct world w;

  begin(&w, routes, COUNT(routes));
  cr_assert_eq(w.store->ops->list(w.store, "bucket/new/", true, NULL, 1, &p), 0);
  cr_assert_eq(p.count, 1);
  cr_assert_str_eq(p.entries[0].name, "bucket/new/"); /* its own marker */
  store_page_fini(&p);
  store_free(w.store);
}

Test(route_store, what_may_only_be_written_is_neither_listed_nor_read) {
  const struct route routes[] = {writes("bucket/a/")};
  struct store_attr attr;
  struct world w;
  char all[512];

  begin(&w, routes, COUNT(routes));
  expect_list(&w, "bucket/", "bucket/a/ ");
  cr_assert_eq(list_all(&w, "bucket/a/", 10, all), -EACCES);
  cr_assert_eq(w.store->ops->head(w.store, "bucket/a/1", &attr, NULL), -EACCES);
  cr_assert_eq(read_at(&w, "bucket/a/1", all), -EACCES);
  store_free(w.store);
}

Test(route_store, grants_of_one_scope_add_up) {
  const struct route routes[] = {writes("bucket/a/"), reads("bucket/a/")};
  struct world w;

  begin(&w, routes, COUNT(routes));
  cr_assert_eq(route_store_count(w.store), 1);
  expect_read(&w, "bucket/a/1", "a/1");
  store_free(w.store);
}

Test(route_store, of_equal_scopes_of_two_origins_one_serves) {
  struct route routes[] = {writes("bucket/a/"), reads("bucket/a/"), reads("bucket/a/b/")};
  struct world w;

  routes[1].origin = routes[2].origin = 7;
  begin(&w, routes, 3);
  cr_assert_eq(route_store_count(w.store), 2);
  expect_list(&w, "bucket/a/", "bucket/a/1 bucket/a/2 bucket/a/b/ ");
  cr_assert_eq(w.made, 1);
  routes[1].origin = 3; /* another's keys: a store of its own */
  set(&w, routes, 3);
  cr_assert_str_eq(w.changed, "-bucket/a/ +bucket/a/ ");
  routes[0].can_read = true;
  set(&w, routes, 3);
  cr_assert_str_eq(w.changed, "-bucket/a/ +bucket/a/ ");
  store_free(w.store);
}

Test(route_store, changes_are_told_and_the_rest_keeps_its_store) {
  const struct route before[] = {reads("bucket/a/"), reads("bucket/p")};
  const struct route after[] = {reads("bucket/a/"), reads("bucket/z/")};
  struct world w;
  char text[64];

  begin(&w, before, COUNT(before));
  cr_assert_str_eq(w.changed, "+bucket/a/ +bucket/p ");
  expect_read(&w, "bucket/a/1", "a/1");
  expect_read(&w, "bucket/p1", "p1");
  cr_assert_eq(w.made, 2);
  set(&w, after, COUNT(after));
  cr_assert_str_eq(w.changed, "-bucket/p +bucket/z/ ");
  cr_assert_eq(read_at(&w, "bucket/p1", text), -EACCES);
  expect_read(&w, "bucket/a/1", "a/1");
  cr_assert_eq(w.made, 2);
  expect_list(&w, "bucket/", "bucket/a/ bucket/z/ ");
  for (int i = 0; i < 3; i++) /* what is gone is freed on the way */
    set(&w, after, COUNT(after));
  cr_assert_str_eq(w.changed, "");
  set(&w, NULL, 0);
  expect_list(&w, "", "");
  store_free(w.store);
}

struct waiter {
  struct store_get get;
  char data[64];
  atomic_int err; /* 1: not yet */
};

static void waiter_done(struct store_get *g, int err) {
  atomic_store(&((struct waiter *)g)->err, err);
}

static void wait_for(unsigned (*count)(struct store *s), struct store *s) {
  while (count(s) == 0)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static int await(struct waiter *g) {
  while (atomic_load(&g->err) == 1)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  return atomic_load(&g->err);
}

static void start(struct world *w, struct waiter *g, const char *key) {
  memset(g, 0, sizeof(*g));
  atomic_init(&g->err, 1);
  g->get = (struct store_get){.key = key, .length = 3, .dst = g->data, .done = waiter_done};
  cr_assert_eq(w->store->ops->get(w->store, &g->get), 0);
}

Test(route_store, a_get_outlives_its_scope_and_can_be_cancelled) {
  const struct route routes[] = {reads("bucket/a/")};
  struct world w;
  struct waiter g;
  char text[64];

  begin(&w, routes, COUNT(routes));
  expect_read(&w, "bucket/a/2", "a/2");
  fault_store_gate(w.last, FAULT_GET, 0);
  start(&w, &g, "bucket/a/1");
  wait_for(fault_store_waiting, w.last);
  for (int i = 0; i < 3; i++)
    set(&w, NULL, 0);
  cr_assert_eq(read_at(&w, "bucket/a/1", text), -EACCES);
  fault_store_open(w.last);
  cr_assert_eq(await(&g), 0);
  cr_assert_eq(memcmp(g.data, "a/1", 3), 0);
  cr_assert_eq(g.get.got, 3);
  w.store->ops->get_cancel(w.store, &g.get); /* late: nothing */

  set(&w, routes, COUNT(routes));
  expect_read(&w, "bucket/a/2", "a/2");
  fault_store_gate(w.last, FAULT_GET, 0);
  start(&w, &g, "bucket/a/1");
  wait_for(fault_store_waiting, w.last);
  w.store->ops->get_cancel(w.store, &g.get);
  cr_assert_eq(await(&g), -ECANCELED);
  store_free(w.store);
}

/* --- changes --- */

static struct route both(const char *prefix) {
  return (struct route){.prefix = prefix, .can_read = true, .can_write = true};
}

static int put(struct world *w, const char *key) {
  struct store_attr attr;

  return w->store->write->put(w->store, key, "new", 3, NULL, NULL, &attr);
}

static int copy(struct world *w, const char *from, const char *key) {
  const struct store_source source = {.key = from, .size = 3};
  struct store_attr attr;

  return w->store->write->copy(w->store, &source, key, NULL, NULL, &attr);
}

Test(route_store, changes_go_where_writing_is_allowed) {
  const struct route routes[] = {both("bucket/a/"), reads("bucket/a/b/"), reads("bucket/z/"),
                                 writes("bucket/drop/")};
  struct world w;
  char *upload;

  begin(&w, routes, COUNT(routes));
  cr_assert_eq(put(&w, "bucket/a/new"), 0);
  expect_read(&w, "bucket/a/new", "new");
  cr_assert_eq(put(&w, "bucket/a/b/new"), 0); /* the smaller scope does not allow it */
  cr_assert_eq(put(&w, "bucket/z/new"), -EACCES);
  cr_assert_eq(put(&w, "bucket/q"), -EACCES);
  cr_assert_eq(put(&w, "other/q"), -EACCES);
  cr_assert_eq(put(&w, "bucket/drop/new"), 0);
  cr_assert_eq(w.store->write->create_upload(w.store, "bucket/z/new", NULL, &upload), -EACCES);
  cr_assert_eq(w.store->write->create_upload(w.store, "bucket/a/up", NULL, &upload), 0);
  cr_assert_eq(w.store->write->abort_upload(w.store, "bucket/a/up", upload), 0);
  free(upload);
  cr_assert(w.store->write->may_write(w.store, "bucket/a/x"));
  cr_assert(w.store->write->may_write(w.store, "bucket/drop/"));
  cr_assert_not(w.store->write->may_write(w.store, "bucket/z/"));
  cr_assert_not(w.store->write->may_write(w.store, "bucket/"));
  store_free(w.store);
}

Test(route_store, a_copy_stays_in_one_scope) {
  const struct route routes[] = {both("bucket/a/"), both("bucket/z/"), writes("bucket/drop/")};
  struct world w;

  begin(&w, routes, COUNT(routes));
  cr_assert_eq(copy(&w, "bucket/a/1", "bucket/a/copy"), 0);
  expect_read(&w, "bucket/a/copy", "a/1");
  cr_assert_eq(copy(&w, "bucket/a/1", "bucket/z/copy"), -EXDEV);
  cr_assert_eq(copy(&w, "bucket/drop/1", "bucket/drop/copy"), -EACCES);
  store_free(w.store);
}

Test(route_store, removals_are_parted_by_scope) {
  const struct route routes[] = {both("bucket/a/"), both("bucket/p"), reads("bucket/z/")};
  struct store_doomed items[] = {{.key = "bucket/a/1"},  {.key = "bucket/z/deep/er/4"},
                                 {.key = "bucket/p1"},   {.key = "bucket/a/2"},
                                 {.key = "bucket/p2/x"}, {.key = "bucket/a/absent"}};
  struct world w;
  char text[64];

  begin(&w, routes, COUNT(routes));
  expect_read(&w, "bucket/a/1", "a/1");
  expect_read(&w, "bucket/p1", "p1");
  cr_assert_eq(w.store->write->remove(w.store, items, COUNT(items)), -EACCES);
  cr_assert_eq(items[1].err, -EACCES);
  for (size_t i = 0; i < COUNT(items); i++)
    cr_assert(i == 1 || items[i].err == 0, "%s: %d", items[i].key, items[i].err);
  cr_assert_eq(read_at(&w, "bucket/a/1", text), -ENOENT);
  cr_assert_eq(read_at(&w, "bucket/a/2", text), -ENOENT);
  cr_assert_eq(read_at(&w, "bucket/p1", text), -ENOENT);
  expect_read(&w, "bucket/z/deep/er/4", "z/deep/er/4");
  store_free(w.store);
}
