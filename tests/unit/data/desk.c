#include "desk.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/remove_tree.h"
#include "s3apfs/base/text.h"

static void open_local(struct desk *d) {
  struct staging_options o = {
      .threads = 3, .part_size = DESK_PART, .part_min = DESK_PART_MIN, .host = "here"};
  struct buf why;

  buf_init(&why, 0);
  cr_assert_eq(budget_new((size_t)16 << 20, &d->budget), 0);
  cr_assert_eq(cache_new(d->budget, &d->cache), 0);
  cr_assert_eq(state_open(d->dir, "mount", &why, &d->state), 0, "%s", buf_cstr(&why));
  cr_assert_eq(staging_new(d->state, d->cache, &o, &d->staging), 0);
  buf_fini(&why);
}

static void close_local(struct desk *d) {
  cr_expect_eq(staging_used(d->staging), 0, "room is given back");
  staging_free(d->staging);
  state_close(d->state);
  cache_free(d->cache);
  cr_expect_eq(budget_used(d->budget), 0);
  budget_free(d->budget);
}

void desk_open(struct desk *d) {
  strcpy(d->dir, "/tmp/s3apfs-desk-XXXXXX");
  cr_assert_not_null(mkdtemp(d->dir));
  cr_assert_eq(mem_store_new("d", &d->mem), 0);
  mem_store_set_part_min(d->mem, DESK_PART_MIN);
  cr_assert_eq(fault_store_new(d->mem, &d->store), 0);
  open_local(d);
}

void desk_close(struct desk *d) {
  close_local(d);
  store_free(d->store);
  cr_assert_eq(remove_tree(d->dir), 0);
}

void desk_restart(struct desk *d) {
  close_local(d);
  open_local(d);
}

unsigned char *desk_object(struct desk *d, const char *key, size_t *len) {
  struct store_attr attr;
  unsigned char *data;
  size_t got = 0;

  if (d->mem->ops->head(d->mem, key, &attr, NULL) != 0)
    return NULL;
  data = malloc(attr.size + 1);
  cr_assert_not_null(data);
  if (attr.size > 0)
    cr_assert_eq(store_read(d->mem, key, NULL, 0, data, attr.size, &got, NULL), 0);
  cr_assert_eq(got, attr.size);
  *len = got;
  return data;
}

void desk_expect(struct desk *d, const char *key, const unsigned char *data, size_t len) {
  size_t got = 0;
  unsigned char *object = desk_object(d, key, &got);

  cr_assert_not_null(object, "'%s' is not there", key);
  cr_assert_eq(got, len, "'%s' has %zu bytes instead of %zu", key, got, len);
  for (size_t i = 0; i < len; i++)
    cr_assert_eq(object[i], data[i], "'%s' differs at %zu", key, i);
  free(object);
}

struct store_attr desk_put(struct desk *d, const char *key, const unsigned char *data, size_t len) {
  struct store_attr attr;

  cr_assert_eq(mem_store_put(d->mem, key, data, len), 0);
  cr_assert_eq(d->mem->ops->head(d->mem, key, &attr, NULL), 0);
  return attr;
}

bool desk_has(struct store *s, const char *key) {
  struct store_attr attr;
  int rc = s->ops->head(s, key, &attr, NULL);

  cr_assert(rc == 0 || rc == -ENOENT, "%d", rc);
  return rc == 0;
}

char *desk_find(struct desk *d, const char *word) {
  struct store_page page;
  char *found = NULL;

  cr_assert_eq(d->mem->ops->list(d->mem, "", false, NULL, 1000, &page), 0);
  for (size_t i = 0; i < page.count; i++) {
    if (strstr(page.entries[i].name, word) == NULL)
      continue;
    cr_assert_null(found, "more than one");
    found = strdup(page.entries[i].name);
  }
  store_page_fini(&page);
  return found;
}

static int count_file(void *arg, struct journal_file *f) {
  (void)f;
  ++*(unsigned *)arg;
  return 0;
}

unsigned desk_journal_files(struct desk *d) {
  unsigned count = 0;

  cr_assert_eq(journal_each_file(d->state, count_file, &count), 0);
  return count;
}

unsigned desk_staged_files(struct desk *d) {
  DIR *dir = opendir(state_staging_dir(d->state));
  const struct dirent *e;
  unsigned count = 0;

  cr_assert_not_null(dir);
  while ((e = readdir(dir)) != NULL)
    count += e->d_name[0] != '.';
  closedir(dir);
  return count;
}
