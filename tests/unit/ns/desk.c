#include "desk.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int_fast64_t fake_ms;

static int64_t fake_now(const struct clock *c) {
  (void)c;
  return atomic_load(&fake_ms);
}

const struct clock desk_clock = {.wall_ms = fake_now, .mono_ms = fake_now};
const struct patience patient;
const struct root_options desk_root = {.uid = 12,
                                       .gid = 34,
                                       .file_mode = 0644,
                                       .dir_mode = 0755,
                                       .metadata_ttl_ms = DESK_TTL,
                                       .negative_ttl_ms = DESK_NEGATIVE_TTL};
const struct root_options desk_lasting_root = {.file_mode = 0644,
                                               .dir_mode = 0755,
                                               .metadata_ttl_ms = 600000,
                                               .negative_ttl_ms = DESK_NEGATIVE_TTL};

struct desk desk;

void desk_init(struct desk *d, const char *path, const struct root_options *o) {
  atomic_store(&fake_ms, 1000000);
  catalog_init(&d->catalog);
  cr_assert_eq(mem_store_new("domain", &d->mem), 0);
  cr_assert_eq(fault_store_new(d->mem, &d->faulty), 0);
  cr_assert_eq(catalog_add(&d->catalog, path, d->faulty, o), 0);
}

struct store *desk_add(struct desk *d, const char *path) {
  struct store *s;

  cr_assert_eq(mem_store_new(path, &s), 0);
  cr_assert_eq(catalog_add(&d->catalog, path, s, &desk_root), 0);
  return s;
}

void desk_open(struct desk *d, size_t memory, const struct ns_options *o) {
  struct ns_options with = o != NULL ? *o : (struct ns_options){.clock = &desk_clock};

  cr_assert_eq(budget_new(memory, &d->budget), 0);
  with.budget = d->budget;
  cr_assert_eq(ns_new(&d->catalog, &with, &d->ns), 0);
}

void desk_close(struct desk *d) {
  ns_free(d->ns);
  cr_expect_eq(budget_used(d->budget), 0);
  budget_free(d->budget);
}

void desk_fini(struct desk *d) {
  desk_close(d);
  catalog_fini(&d->catalog);
}

void desk_usual(void) {
  desk_init(&desk, "", &desk_root);
  desk_open(&desk, DESK_MEMORY, NULL);
}

void desk_lasting(void) {
  desk_init(&desk, "", &desk_lasting_root);
  desk_open(&desk, DESK_MEMORY, &(struct ns_options){.clock = NULL});
}

void desk_end(void) {
  desk_fini(&desk);
}

void desk_later(int64_t ms) {
  atomic_fetch_add(&fake_ms, ms);
}

void desk_put(struct desk *d, const char *key) {
  cr_assert_eq(mem_store_put(d->mem, key, key, strlen(key)), 0);
}

struct mem_store_counts desk_counts(struct desk *d) {
  struct mem_store_counts c;

  mem_store_counts(d->mem, &c);
  return c;
}

int desk_walk(struct desk *d, const char *path, struct ns_attr *out) {
  char *copy = strdup(path);
  char *save = NULL;
  int rc = ns_getattr(d->ns, NS_ROOT_INO, &patient, out);

  for (char *s = strtok_r(copy, "/", &save); rc == 0 && s != NULL; s = strtok_r(NULL, "/", &save))
    rc = ns_lookup(d->ns, out->ino, s, &patient, out);
  free(copy);
  return rc;
}

uint64_t desk_ino(struct desk *d, const char *path) {
  struct ns_attr a;

  cr_assert_eq(desk_walk(d, path, &a), 0, "%s", path);
  return a.ino;
}

uint64_t desk_find(struct desk *d, uint64_t parent, const char *name) {
  struct ns_attr a;

  cr_assert_eq(ns_lookup(d->ns, parent, name, &patient, &a), 0, "%s", name);
  return a.ino;
}

char *desk_ls(struct desk *d, uint64_t ino, bool plus, int *rc) {
  struct ns_dir *dir;
  struct ns_entry e;
  struct buf b;
  bool end = false;

  *rc = ns_dir_open(d->ns, ino, &patient, &dir);
  if (*rc != 0)
    return NULL;
  buf_init(&b, 0);
  for (uint64_t at = 0; !end; at = e.next) {
    *rc = ns_dir_read(dir, at, plus, &patient, &e, &end);
    if (*rc != 0 || end)
      break;
    if (at < 2)
      continue;
    buf_printf(&b, "%s%s ", e.name, S_ISDIR(e.attr.mode) ? "/" : S_ISLNK(e.attr.mode) ? "@" : "");
    if (plus)
      ns_forget(d->ns, e.attr.ino, 1);
  }
  ns_dir_close(dir);
  return buf_take(&b);
}

void desk_expect_ls(struct desk *d, const char *path, const char *want) {
  for (int plus = 0; plus <= 1; plus++) {
    int rc;
    char *got = desk_ls(d, desk_ino(d, path), plus, &rc);

    cr_assert_eq(rc, 0, "%s: %d", path, rc);
    cr_expect_str_eq(got, want, "%s plus %d: %s", path, plus, got);
    free(got);
  }
}
