/* The journal's table of small layers: contents that were promised and need no file of
 * their own to be synced. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal_internal.h"
#include "s3apfs/base/array.h"

int journal_add_layer(struct db *d, int64_t file, const struct journal_layer *l) {
  static const char sql[] = "INSERT OR REPLACE INTO layer(file, seq, map, data) VALUES(?, ?, ?, ?)";
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_int(st, 1, file);
  db_bind_int(st, 2, l->seq);
  db_bind_bytes(st, 3, l->map, l->map_len);
  db_bind_bytes(st, 4, l->data, l->data_len);
  return db_finish(d, st);
}

int journal_drop_layers(struct db *d, int64_t file, int64_t first) {
  sqlite3_stmt *st;
  int rc = db_prepare(d, "DELETE FROM layer WHERE file = ? AND seq < ?", &st);

  if (rc != 0)
    return rc;
  db_bind_int(st, 1, file);
  db_bind_int(st, 2, first);
  return db_finish(d, st);
}

struct layers {
  int64_t file;
  struct journal_layer *items;
  size_t count;
  size_t cap;
};

static void *copy_column(sqlite3_stmt *st, int at, size_t *len) {
  const void *bytes = sqlite3_column_blob(st, at);
  void *copy;

  *len = (size_t)sqlite3_column_bytes(st, at);
  copy = malloc(*len + 1);
  if (copy != NULL && *len > 0)
    memcpy(copy, bytes, *len);
  return copy;
}

static int read_layer(sqlite3_stmt *st, struct journal_layer *l) {
  *l = (struct journal_layer){.seq = (uint32_t)sqlite3_column_int64(st, 0)};
  l->map = copy_column(st, 1, &l->map_len);
  l->data = copy_column(st, 2, &l->data_len);
  return l->map != NULL && l->data != NULL ? 0 : -ENOMEM;
}

static int collect(struct db *d, void *arg) {
  static const char sql[] = "SELECT seq, map, data FROM layer WHERE file = ? ORDER BY seq";
  struct layers *l = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc == 0)
    db_bind_int(st, 1, l->file);
  while (rc == 0 && (rc = db_step(d, st)) == 1) {
    rc = array_room(&l->items, l->count, &l->cap, sizeof(*l->items));
    if (rc == 0)
      rc = read_layer(st, &l->items[l->count++]);
  }
  return rc;
}

int journal_each_layer(struct state *s, int64_t file, journal_layer_fn fn, void *arg) {
  struct layers l = {.file = file};
  int rc = db_run(s->db, STATE_LAZY, collect, &l);

  for (size_t i = 0; i < l.count; i++) {
    if (rc == 0)
      rc = fn(arg, &l.items[i]);
    free((void *)(uintptr_t)l.items[i].map);
    free((void *)(uintptr_t)l.items[i].data);
  }
  free(l.items);
  return rc;
}
