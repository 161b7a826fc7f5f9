/* The S3 store: removal. Keys whose etag a bulk request keeps (or that have none)
 * and that XML can name go in one DeleteObjects; the others one each, a few at a
 * time, on threads that live as long as the call, and folders' objects after what is
 * below them: a server that keeps folders as folders may leave one behind when it
 * goes at the same moment as the last of its content. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/aws/write_xml.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/base/text.h"
#include "store_internal.h"

#define SIDE_BY_SIDE 16
#define BULK_MAX 1000

struct removal {
  struct s3_store *s;
  struct store_doomed whole; /* with the whole key */
  struct store_doomed *item;
};

static int remove_key(struct s3_store *s, const struct store_doomed *d, struct s3_try *t) {
  const struct store_condition cond = {.what = d->etag != NULL ? STORE_IF_MATCH : STORE_IF_ANY,
                                       .etag = d->etag};
  const struct store_condition *send;
  int rc = s3_prepare_condition(s, d->key, &cond, S3_HONOURS_DELETE, &send, t);

  return rc == 0 ? s3_change_delete(s->writer, d->key, send != NULL ? d->etag : NULL, t) : rc;
}

/* What is gone already needs no removal. */
static bool is_gone(struct s3_store *s, const struct store_doomed *d) {
  struct store_attr a;
  struct s3_try t;
  int rc;

  s3_try_init(&t);
  rc = s3_client_head(s->writer, d->key, &a, NULL, &t.error);
  s3_try_fini(&t);
  return rc == -ENOENT;
}

static void remove_one(void *arg) {
  struct removal *r = arg;
  struct s3_try t;
  int rc;

  s3_try_init(&t);
  rc = remove_key(r->s, &r->whole, &t);
  if (rc == -ENOENT || (rc == -ESTALE && is_gone(r->s, &r->whole)))
    rc = 0;
  r->item->err = rc != 0 ? s3_store_map_error(r->s, "DELETE", r->whole.key, rc, &t.error) : 0;
  s3_try_fini(&t);
}

static void remove_side_by_side(struct removal *removals, size_t count) {
  struct pool *pool = NULL;

  if (count > 1 &&
      pool_new("s3-delete", count < SIDE_BY_SIDE ? (unsigned)count : SIDE_BY_SIDE, &pool) != 0)
    pool = NULL;
  for (size_t i = 0; i < count; i++)
    if (pool == NULL || pool_submit(pool, remove_one, &removals[i]) != 0)
      remove_one(&removals[i]);
  if (pool != NULL)
    pool_free(pool);
}

/* Files, then folders' objects from the deepest up. */
static size_t rank_of(const struct removal *r) {
  size_t depth = 0;

  if (!text_has_suffix(r->whole.key, "/"))
    return SIZE_MAX;
  for (const char *c = r->whole.key; *c != '\0'; c++)
    depth += *c == '/';
  return depth;
}

static int compare_ranks(const void *a, const void *b) {
  size_t one = rank_of(a);
  size_t other = rank_of(b);

  return (one < other) - (one > other);
}

static void remove_each(struct removal *removals, size_t count) {
  size_t n;

  qsort(removals, count, sizeof(*removals), compare_ranks);
  for (size_t i = 0; i < count; i += n) {
    n = 1;
    while (i + n < count && compare_ranks(&removals[i], &removals[i + n]) == 0)
      n++;
    remove_side_by_side(&removals[i], n);
  }
}

static void remove_in_bulk(struct s3_store *s, struct removal *removals, size_t count) {
  struct store_doomed *items[BULK_MAX];
  struct s3_try t;
  int rc;

  for (size_t i = 0; i < count; i++)
    items[i] = &removals[i].whole;
  s3_try_init(&t);
  rc = s3_change_delete_many(s->writer, items, count, &t);
  if (rc != 0)
    rc = s3_store_map_error(s, "DeleteObjects", items[0]->key, rc, &t.error);
  for (size_t i = 0; i < count; i++)
    removals[i].item->err = rc != 0 ? rc : items[i]->err == -ENOENT ? 0 : items[i]->err;
  s3_try_fini(&t);
}

static int honours_of(struct s3_store *s, const struct store_doomed *items, size_t count,
                      unsigned *out) {
  *out = 0;
  for (size_t i = 0; count > 1 && i < count; i++)
    if (items[i].etag != NULL)
      return s3_conditions_get(s, out);
  return 0;
}

static bool fits_bulk(const struct s3_store *s, const struct store_doomed *d, unsigned honours) {
  return !s->writer->multi_region && (d->etag == NULL || (honours & S3_HONOURS_DELETE_MANY) != 0) &&
         write_xml_can_name(s->prefix) && write_xml_can_name(d->key);
}

/* Appends the items that fit a bulk request, or those that do not. */
static int sort_out(struct s3_store *s, struct store_doomed *items, size_t count, unsigned honours,
                    bool bulk, struct removal *all, size_t *at) {
  for (size_t i = 0; i < count; i++) {
    struct removal *r = &all[*at];
    char *key;

    if (fits_bulk(s, &items[i], honours) != bulk)
      continue;
    if (s3_store_full_key(s, items[i].key, &key) != 0)
      return -ENOMEM;
    *r = (struct removal){.s = s, .item = &items[i], .whole = {.key = key, .etag = items[i].etag}};
    ++*at;
  }
  return 0;
}

static int remove_all(struct s3_store *s, struct store_doomed *items, size_t count,
                      struct removal *all, size_t *made) {
  unsigned honours;
  size_t bulk = 0;
  int rc = honours_of(s, items, count, &honours);

  if (rc == 0)
    rc = sort_out(s, items, count, honours, true, all, made);
  bulk = *made;
  if (rc == 0)
    rc = sort_out(s, items, count, honours, false, all, made);
  if (rc != 0)
    return rc;
  if (bulk < 2)
    bulk = 0;
  else
    remove_in_bulk(s, all, bulk);
  remove_each(all + bulk, *made - bulk);
  return 0;
}

int s3_store_remove(struct store *st, struct store_doomed *items, size_t count) {
  struct removal *all = calloc(count + 1, sizeof(*all));
  size_t made = 0;
  int rc = all == NULL ? -ENOMEM : count > BULK_MAX ? -EINVAL : 0;

  if (rc == 0)
    rc = remove_all(s3_store_self(st), items, count, all, &made);
  for (size_t i = 0; rc != 0 && i < count; i++)
    items[i].err = rc;
  for (size_t i = 0; i < made; i++)
    free((char *)(uintptr_t)all[i].whole.key);
  free(all);
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = items[i].err;
  return rc;
}
