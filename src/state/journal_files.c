/* The journal's table of file contents, and of the parts their uploads have.
 *
 * The dress of an object is kept as one text: name=value pairs, percent-coded and
 * joined by '&'. Reading collects rows on the database's thread and calls back
 * afterwards, so callers may use the journal inside their callbacks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal_internal.h"
#include "s3apfs/base/array.h"

void journal_file_init(struct journal_file *f) {
  memset(f, 0, sizeof(*f));
  kvlist_init(&f->meta);
  kvlist_init(&f->headers);
}

void journal_file_fini(struct journal_file *f) {
  free(f->domain);
  free(f->key);
  free(f->base_etag);
  free(f->upload);
  free(f->expect_etag);
  kvlist_fini(&f->meta);
  kvlist_fini(&f->headers);
  f->domain = f->key = f->base_etag = f->upload = f->expect_etag = NULL;
}

/* --- writing files --- */

struct file_task {
  struct journal_file *file;
  const struct journal_layer *layers;
  size_t layer_count;
  struct journal_change *change;
  struct buf meta;
  struct buf headers;
};

static int bind_file(struct db *d, const char *sql, struct file_task *t) {
  const struct journal_file *f = t->file;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, f->domain);
  db_bind_text(st, 2, f->key);
  db_bind_text(st, 3, f->base_etag);
  db_bind_int(st, 4, (int64_t)f->base_size);
  db_bind_int(st, 5, f->first);
  db_bind_int(st, 6, f->acked);
  db_bind_int(st, 7, (int64_t)f->acked_log);
  db_bind_text(st, 8, buf_cstr(&t->meta));
  db_bind_text(st, 9, buf_cstr(&t->headers));
  db_bind_text(st, 10, f->upload);
  db_bind_int(st, 11, f->err);
  db_bind_int(st, 12, f->expect_layer);
  db_bind_int(st, 13, (int64_t)f->expect_size);
  db_bind_int(st, 14, (int64_t)f->expect_crc64nvme);
  db_bind_int(st, 15, f->expect_has_crc64nvme);
  db_bind_text(st, 16, f->expect_etag != NULL ? f->expect_etag : "");
  db_bind_int(st, 17, f->dressed);
  if (f->id != 0)
    db_bind_int(st, 18, f->id);
  return db_finish(d, st);
}

static int add_file(struct db *d, void *arg) {
  static const char sql[] = "INSERT INTO file(domain, key, base_etag, base_size, first, acked, "
                            "acked_log, meta, headers, upload, err, expect_layer, expect_size, "
                            "expect_crc, expect_has_crc, expect_etag, dressed) "
                            "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  struct file_task *t = arg;
  int rc = bind_file(d, sql, t);

  if (rc == 0)
    t->file->id = db_last_id(d);
  return rc;
}

/* Parts of an upload that is not this file's any more. */
static int drop_other_parts(struct db *d, const struct journal_file *f) {
  static const char sql[] = "DELETE FROM part WHERE file = ?1 AND EXISTS(SELECT 1 FROM file "
                            "WHERE id = ?1 AND upload <> ?2)";
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_int(st, 1, f->id);
  db_bind_text(st, 2, f->upload);
  return db_finish(d, st);
}

static int put_file(struct db *d, void *arg) {
  static const char sql[] = "UPDATE file SET domain = ?, key = ?, base_etag = ?, base_size = ?, "
                            "first = ?, acked = ?, acked_log = ?, meta = ?, headers = ?, "
                            "upload = ?, err = ?, expect_layer = ?, expect_size = ?, "
                            "expect_crc = ?, expect_has_crc = ?, expect_etag = ?, dressed = ? "
                            "WHERE id = ?";
  struct file_task *t = arg;
  int rc = drop_other_parts(d, t->file);

  if (rc == 0)
    rc = journal_drop_layers(d, t->file->id, t->file->first);
  return rc != 0 ? rc : bind_file(d, sql, t);
}

static int promise_file(struct db *d, void *arg) {
  struct file_task *t = arg;
  int rc = t->file->id == 0 ? add_file(d, t) : put_file(d, t);

  for (size_t i = 0; rc == 0 && i < t->layer_count; i++)
    rc = journal_add_layer(d, t->file->id, &t->layers[i]);
  return rc;
}

static int put_file_and_change(struct db *d, void *arg) {
  struct file_task *t = arg;
  int rc = put_file(d, t);

  return rc == 0 ? journal_insert_change(d, t->change) : rc;
}

static int write_file(struct state *s, struct file_task t, enum state_sync sync,
                      int (*fn)(struct db *d, void *arg)) {
  const struct journal_file *f = t.file;
  int rc;

  buf_init(&t.meta, 0);
  buf_init(&t.headers, 0);
  kvlist_to_text(&f->meta, &t.meta);
  kvlist_to_text(&f->headers, &t.headers);
  rc = buf_error(&t.meta) != 0 ? buf_error(&t.meta) : buf_error(&t.headers);
  if (rc == 0)
    rc = db_run(s->db, sync, fn, &t);
  buf_fini(&t.meta);
  buf_fini(&t.headers);
  return rc;
}

int journal_add_file(struct state *s, struct journal_file *f, enum state_sync sync) {
  f->id = 0;
  return write_file(s, (struct file_task){.file = f}, sync, add_file);
}

int journal_put_file(struct state *s, const struct journal_file *f, enum state_sync sync) {
  return write_file(s, (struct file_task){.file = (struct journal_file *)f}, sync, put_file);
}

int journal_promise_file(struct state *s, struct journal_file *f,
                         const struct journal_layer *layers, size_t count) {
  return write_file(s, (struct file_task){.file = f, .layers = layers, .layer_count = count},
                    STATE_DURABLE, promise_file);
}

int journal_put_file_and_change(struct state *s, const struct journal_file *f,
                                struct journal_change *c, enum state_sync sync) {
  return write_file(s, (struct file_task){.file = (struct journal_file *)f, .change = c}, sync,
                    put_file_and_change);
}

static int drop_by_id(struct db *d, const char *sql, int64_t id) {
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_int(st, 1, id);
  return db_finish(d, st);
}

static int drop_file(struct db *d, void *arg) {
  const int64_t *id = arg;
  int rc = drop_by_id(d, "DELETE FROM part WHERE file = ?", *id);

  if (rc == 0)
    rc = journal_drop_layers(d, *id, INT64_MAX);
  return rc != 0 ? rc : drop_by_id(d, "DELETE FROM file WHERE id = ?", *id);
}

int journal_drop_file(struct state *s, int64_t id, enum state_sync sync) {
  return db_run(s->db, sync, drop_file, &id);
}

/* --- writing parts --- */

struct part_task {
  int64_t file;
  unsigned number;
  const struct journal_part *part;
};

static int put_part(struct db *d, void *arg) {
  static const char sql[] = "INSERT OR REPLACE INTO part(file, number, offset, size, layer, etag, "
                            "crc, has_crc, sum) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)";
  const struct part_task *t = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_int(st, 1, t->file);
  db_bind_int(st, 2, t->part->number);
  db_bind_int(st, 3, (int64_t)t->part->offset);
  db_bind_int(st, 4, (int64_t)t->part->size);
  db_bind_int(st, 5, t->part->layer);
  db_bind_text(st, 6, t->part->etag);
  db_bind_int(st, 7, (int64_t)t->part->crc64nvme);
  db_bind_int(st, 8, t->part->has_crc64nvme);
  db_bind_text(st, 9, t->part->sum != NULL ? t->part->sum : "");
  return db_finish(d, st);
}

static int drop_part(struct db *d, void *arg) {
  static const char sql[] = "DELETE FROM part WHERE file = ? AND number = ?";
  const struct part_task *t = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_int(st, 1, t->file);
  db_bind_int(st, 2, t->number);
  return db_finish(d, st);
}

int journal_put_part(struct state *s, int64_t file, const struct journal_part *p,
                     enum state_sync sync) {
  struct part_task t = {.file = file, .part = p};

  return db_run(s->db, sync, put_part, &t);
}

int journal_drop_part(struct state *s, int64_t file, unsigned number, enum state_sync sync) {
  struct part_task t = {.file = file, .number = number};

  return db_run(s->db, sync, drop_part, &t);
}

/* --- reading --- */

struct files {
  struct journal_file *items;
  size_t count;
  size_t cap;
};

static int read_file(sqlite3_stmt *st, struct journal_file *f) {
  int rc;

  journal_file_init(f);
  f->id = sqlite3_column_int64(st, 0);
  f->domain = db_column(st, 1);
  f->key = db_column(st, 2);
  f->base_etag = db_column(st, 3);
  f->base_size = (uint64_t)sqlite3_column_int64(st, 4);
  f->first = (uint32_t)sqlite3_column_int64(st, 5);
  f->acked = (uint32_t)sqlite3_column_int64(st, 6);
  f->acked_log = (uint64_t)sqlite3_column_int64(st, 7);
  f->upload = db_column(st, 10);
  f->err = sqlite3_column_int(st, 11);
  f->expect_layer = (uint32_t)sqlite3_column_int64(st, 12);
  f->expect_size = (uint64_t)sqlite3_column_int64(st, 13);
  f->expect_crc64nvme = (uint64_t)sqlite3_column_int64(st, 14);
  f->expect_has_crc64nvme = sqlite3_column_int(st, 15) != 0;
  f->expect_etag = db_column(st, 16);
  f->dressed = sqlite3_column_int(st, 17) != 0;
  if (f->expect_etag == NULL || f->domain == NULL || f->key == NULL || f->base_etag == NULL ||
      f->upload == NULL)
    return -ENOMEM;
  rc = kvlist_from_text((const char *)sqlite3_column_text(st, 8), &f->meta);
  return rc != 0 ? rc : kvlist_from_text((const char *)sqlite3_column_text(st, 9), &f->headers);
}

static int collect_files(struct db *d, void *arg) {
  static const char sql[] =
      "SELECT id, domain, key, base_etag, base_size, first, acked, acked_log, "
      "meta, headers, upload, err, expect_layer, expect_size, expect_crc, "
      "expect_has_crc, expect_etag, dressed FROM file ORDER BY id";
  struct files *l = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  while (rc == 0 && (rc = db_step(d, st)) == 1) {
    rc = array_room(&l->items, l->count, &l->cap, sizeof(*l->items));
    if (rc == 0)
      rc = read_file(st, &l->items[l->count++]);
  }
  return rc;
}

int journal_each_file(struct state *s, journal_file_fn fn, void *arg) {
  struct files l = {0};
  int rc = db_run(s->db, STATE_LAZY, collect_files, &l);

  for (size_t i = 0; i < l.count; i++) {
    if (rc == 0)
      rc = fn(arg, &l.items[i]);
    journal_file_fini(&l.items[i]);
  }
  free(l.items);
  return rc;
}

struct parts {
  int64_t file;
  struct journal_part *items;
  size_t count;
  size_t cap;
};

static int read_part(sqlite3_stmt *st, struct journal_part *p) {
  *p = (struct journal_part){.number = (unsigned)sqlite3_column_int64(st, 0),
                             .offset = (uint64_t)sqlite3_column_int64(st, 1),
                             .size = (uint64_t)sqlite3_column_int64(st, 2),
                             .layer = (uint32_t)sqlite3_column_int64(st, 3),
                             .etag = db_column(st, 4),
                             .crc64nvme = (uint64_t)sqlite3_column_int64(st, 5),
                             .has_crc64nvme = sqlite3_column_int(st, 6) != 0,
                             .sum = db_column(st, 7)};
  return p->etag != NULL && p->sum != NULL ? 0 : -ENOMEM;
}

static int collect_parts(struct db *d, void *arg) {
  static const char sql[] = "SELECT number, offset, size, layer, etag, crc, has_crc, sum "
                            "FROM part WHERE file = ? ORDER BY number";
  struct parts *l = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc == 0)
    db_bind_int(st, 1, l->file);
  while (rc == 0 && (rc = db_step(d, st)) == 1) {
    rc = array_room(&l->items, l->count, &l->cap, sizeof(*l->items));
    if (rc == 0)
      rc = read_part(st, &l->items[l->count++]);
  }
  return rc;
}

int journal_each_part(struct state *s, int64_t file, journal_part_fn fn, void *arg) {
  struct parts l = {.file = file};
  int rc = db_run(s->db, STATE_LAZY, collect_parts, &l);

  for (size_t i = 0; i < l.count; i++) {
    if (rc == 0)
      rc = fn(arg, &l.items[i]);
    free(l.items[i].etag);
    free(l.items[i].sum);
  }
  free(l.items);
  return rc;
}
