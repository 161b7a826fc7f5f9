/* offline=lenient: what is known stands in while nobody answers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/ns/ns.h"
#include "s3apfs/store/fault_store.h"
#include "s3apfs/store/mem_store.h"

static atomic_int_fast64_t fake_ms;

static int64_t fake_now(const struct clock *c) {
  (void)c;
  return atomic_load(&fake_ms);
}

static const struct clock fake = {.wall_ms = fake_now, .mono_ms = fake_now};
static const struct root_options defaults = {
    .file_mode = 0644, .dir_mode = 0755, .metadata_ttl_ms = 60000, .negative_ttl_ms = 5000};
static const struct patience patient;
static struct store *mem;
static struct store *faulty;
static struct catalog catalog;
static struct budget *budget;
static struct outage outage;
static struct ns *ns;

static void put(const char *key) {
  cr_assert_eq(mem_store_put(mem, key, key, strlen(key)), 0);
}

static void setup(void) {
  struct ns_options o = {.clock = &fake};

  atomic_store(&fake_ms, 1000000);
  memset(&outage, 0, sizeof(outage));
  catalog_init(&catalog);
  cr_assert_eq(mem_store_new("domain", &mem), 0);
  cr_assert_eq(fault_store_new(mem, &faulty), 0);
  faulty->outage = &outage;
  cr_assert_eq(catalog_add(&catalog, "", faulty, &defaults), 0);
  cr_assert_eq(budget_new((size_t)16 << 20, &budget), 0);
  o.budget = budget;
  cr_assert_eq(ns_new(&catalog, &o, &ns), 0);
  put("dir/a");
  put("dir/b");
  put("other/c");
}

static void teardown(void) {
  ns_free(ns);
  budget_free(budget);
  catalog_fini(&catalog);
}

TestSuite(outage, .init = setup, .fini = teardown);

static int look(uint64_t parent, const char *name, uint64_t *ino) {
  struct ns_attr a = {.ino = 0};
  int rc = ns_lookup(ns, parent, name, &patient, &a);

  if (ino != NULL)
    *ino = a.ino;
  return rc;
}

/* How many names, or -errno. */
static int names(uint64_t ino) {
  struct ns_entry e;
  struct ns_dir *d;
  bool end = false;
  int n = 0;
  int rc = ns_dir_open(ns, ino, &patient, &d);

  for (uint64_t at = 2; rc == 0 && !end; at = e.next, n += !end)
    rc = ns_dir_read(d, at, false, &patient, &e, &end);
  if (rc == 0 || end)
    ns_dir_close(d);
  return rc != 0 ? rc : n;
}

static void go_dark(void) {
  atomic_fetch_add(&fake_ms, 3600000); /* everything is old */
  fault_store_fail(faulty, FAULT_HEAD, 0, UINT_MAX, -ECONNREFUSED, 0);
  fault_store_fail(faulty, FAULT_LIST, 0, UINT_MAX, -ECONNREFUSED, 0);
}

static unsigned calls(void) {
  struct ns_stats st;

  ns_stats(ns, &st);
  return (unsigned)(st.heads + st.lists);
}

Test(outage, what_is_known_stands_in) {
  uint64_t dir;
  uint64_t a;
  struct ns_attr attr;

  cr_assert_eq(look(NS_ROOT_INO, "dir", &dir), 0);
  cr_assert_eq(names(dir), 2);
  cr_assert_eq(look(dir, "a", &a), 0);
  go_dark();
  outage_begin(&outage, -ECONNREFUSED);
  cr_expect_eq(look(dir, "a", NULL), 0);
  cr_expect_eq(look(dir, "b", NULL), 0, "known from the listing alone");
  cr_expect_eq(look(dir, "absent", NULL), -ENOENT, "all of the folder is known");
  cr_expect_eq(names(dir), 2);
  cr_expect_eq(ns_getattr(ns, a, &patient, &attr), 0);
  cr_expect_eq(attr.ttl_ms, 0, "the kernel asks again");
  cr_expect_eq(look(NS_ROOT_INO, "other", NULL), -EIO);
  cr_expect_geq(atomic_load(&outage.stood_in), 5);
}

Test(outage, one_request_behind_asks_every_few_seconds) {
  uint64_t dir;
  unsigned before;

  cr_assert_eq(look(NS_ROOT_INO, "dir", &dir), 0);
  cr_assert_eq(names(dir), 2);
  go_dark();
  outage_begin(&outage, -ETIMEDOUT);
  before = calls();
  for (int i = 0; i < 100; i++)
    cr_expect_eq(look(dir, "a", NULL), 0);
  while (calls() == before)
    usleep(1000);
  cr_expect_eq(calls(), before + 1);
  atomic_fetch_add(&fake_ms, 5000);
  cr_expect_eq(look(dir, "a", NULL), 0);
  while (calls() == before + 1)
    usleep(1000);
  outage_end(&outage);
  fault_store_fail(faulty, FAULT_HEAD, 0, 0, 0, 0);
  fault_store_fail(faulty, FAULT_LIST, 0, 0, 0, 0);
  cr_expect_eq(look(NS_ROOT_INO, "other", NULL), 0);
}

Test(outage, what_was_denied_or_gone_does_not_stand_in) {
  uint64_t dir;
  uint64_t a;
  struct ns_attr attr;

  cr_assert_eq(look(NS_ROOT_INO, "dir", &dir), 0);
  cr_assert_eq(look(dir, "a", &a), 0);
  atomic_fetch_add(&fake_ms, 3600000);
  cr_assert_eq(mem_store_delete(mem, "dir/a"), 0);
  cr_expect_eq(ns_getattr(ns, a, &patient, &attr), -ENOENT);
  go_dark();
  outage_begin(&outage, -ETIMEDOUT);
  cr_expect_neq(look(dir, "a", NULL), 0);
}
