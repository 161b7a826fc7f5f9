/* The journal's table of changes to names and attributes. Ids ascend for ever
 * (AUTOINCREMENT), so their order is the order in which changes were accepted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal_internal.h"
#include "s3apfs/base/array.h"

void journal_change_fini(struct journal_change *c) {
  free(c->domain);
  free(c->what);
  free(c->key);
  free(c->target);
  free(c->etag);
  free(c->detail);
  memset(c, 0, sizeof(*c));
}

int journal_insert_change(struct db *d, struct journal_change *c) {
  static const char sql[] = "INSERT INTO change(domain, what, key, target, etag, detail, err) "
                            "VALUES(?, ?, ?, ?, ?, ?, ?)";
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, c->domain);
  db_bind_text(st, 2, c->what);
  db_bind_text(st, 3, c->key);
  db_bind_text(st, 4, c->target);
  db_bind_text(st, 5, c->etag);
  db_bind_text(st, 6, c->detail);
  db_bind_int(st, 7, c->err);
  rc = db_finish(d, st);
  if (rc == 0)
    c->id = db_last_id(d);
  return rc;
}

static int add_change(struct db *d, void *arg) {
  return journal_insert_change(d, arg);
}

int journal_add_change(struct state *s, struct journal_change *c, enum state_sync sync) {
  return db_run(s->db, sync, add_change, c);
}

static int put_change(struct db *d, void *arg) {
  static const char sql[] = "UPDATE change SET what = ?, key = ?, target = ?, etag = ?, "
                            "detail = ?, err = ? WHERE id = ?";
  const struct journal_change *c = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, c->what);
  db_bind_text(st, 2, c->key);
  db_bind_text(st, 3, c->target);
  db_bind_text(st, 4, c->etag);
  db_bind_text(st, 5, c->detail);
  db_bind_int(st, 6, c->err);
  db_bind_int(st, 7, c->id);
  return db_finish(d, st);
}

int journal_put_change(struct state *s, const struct journal_change *c, enum state_sync sync) {
  return db_run(s->db, sync, put_change, (void *)c);
}

struct dropping {
  const int64_t *ids;
  size_t count;
};

static int drop_changes(struct db *d, void *arg) {
  static const char sql[] = "DELETE FROM change WHERE id = ?";
  const struct dropping *t = arg;
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < t->count; i++) {
    sqlite3_stmt *st;

    rc = db_prepare(d, sql, &st);
    if (rc == 0) {
      db_bind_int(st, 1, t->ids[i]);
      rc = db_finish(d, st);
    }
  }
  return rc;
}

int journal_drop_changes(struct state *s, const int64_t *ids, size_t count, enum state_sync sync) {
  struct dropping t = {ids, count};

  return db_run(s->db, sync, drop_changes, &t);
}

int journal_drop_change(struct state *s, int64_t id, enum state_sync sync) {
  return journal_drop_changes(s, &id, 1, sync);
}

struct changes {
  struct journal_change *items;
  size_t count;
  size_t cap;
};

static int read_change(sqlite3_stmt *st, struct journal_change *c) {
  *c = (struct journal_change){.id = sqlite3_column_int64(st, 0),
                               .domain = db_column(st, 1),
                               .what = db_column(st, 2),
                               .key = db_column(st, 3),
                               .target = db_column(st, 4),
                               .etag = db_column(st, 5),
                               .detail = db_column(st, 6),
                               .err = sqlite3_column_int(st, 7)};
  if (c->domain == NULL || c->what == NULL || c->key == NULL || c->target == NULL ||
      c->etag == NULL || c->detail == NULL)
    return -ENOMEM;
  return 0;
}

static int collect(struct db *d, void *arg) {
  static const char sql[] =
      "SELECT id, domain, what, key, target, etag, detail, err FROM change ORDER BY id";
  struct changes *l = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  while (rc == 0 && (rc = db_step(d, st)) == 1) {
    rc = array_room(&l->items, l->count, &l->cap, sizeof(*l->items));
    if (rc == 0)
      rc = read_change(st, &l->items[l->count++]);
  }
  return rc;
}

int journal_each_change(struct state *s, journal_change_fn fn, void *arg) {
  struct changes l = {0};
  int rc = db_run(s->db, STATE_LAZY, collect, &l);

  for (size_t i = 0; i < l.count; i++) {
    if (rc == 0)
      rc = fn(arg, &l.items[i]);
    journal_change_fini(&l.items[i]);
  }
  free(l.items);
  return rc;
}
