/* Persistent metadata: one row a key, of the version that this mount wrote last. */
#include "s3apfs/state/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/array.h"
#include "s3apfs/base/text.h"
#include "state_internal.h"

void known_fini(struct known *k) {
  free(k->link);
  k->link = NULL;
}

struct row {
  const char *domain;
  const char *key;
  const char *etag;
  const struct known *in;
  bool durable;
  const char *to_key;
  const char *to_etag;
  struct known out;
};

#define PUT(how)                                                                                   \
  "INSERT " how "INTO known(domain, key, etag, mode, uid, gid, mtime, atime, ctime, link) "        \
  "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define VERSION "(etag, mode, uid, gid, mtime, atime, ctime, link)"
#define TOLD                                                                                       \
  "(excluded.etag, excluded.mode, excluded.uid, excluded.gid, excluded.mtime, excluded.atime, "    \
  "excluded.ctime, excluded.link)"

/* What the row says already is not written again: of most commits the same is told before the
 * journal forgets them and, with all that the tree knows, after that. Where it has to be durable
 * there must be something to sync. */
static int put(struct db *d, void *arg) {
  static const char durable[] = PUT("OR REPLACE ");
  static const char lazy[] = PUT("") " ON CONFLICT(domain, key) DO UPDATE SET " VERSION " = " TOLD
                                     " WHERE " VERSION " IS NOT " TOLD;
  const struct row *r = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, r->durable ? durable : lazy, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, r->domain);
  db_bind_text(st, 2, r->key);
  db_bind_text(st, 3, r->etag);
  db_bind_int(st, 4, r->in->mode);
  db_bind_int(st, 5, r->in->uid);
  db_bind_int(st, 6, r->in->gid);
  db_bind_int(st, 7, r->in->mtime_ns);
  db_bind_int(st, 8, r->in->atime_ns);
  db_bind_int(st, 9, r->in->ctime_ns);
  if (r->in->link != NULL)
    db_bind_text(st, 10, r->in->link);
  return db_finish(d, st);
}

int known_put(struct state *s, const char *domain, const char *key, const char *etag,
              const struct known *k, enum state_sync sync) {
  struct row r = {
      .domain = domain, .key = key, .etag = etag, .in = k, .durable = sync == STATE_DURABLE};

  return db_run(s->db, sync, put, &r);
}

/* Columns from `at` on: mode, uid, gid, mtime, atime, ctime, link. */
static int read_known(sqlite3_stmt *st, int at, struct known *out) {
  *out = (struct known){.mode = (mode_t)sqlite3_column_int64(st, at),
                        .uid = (uid_t)sqlite3_column_int64(st, at + 1),
                        .gid = (gid_t)sqlite3_column_int64(st, at + 2),
                        .mtime_ns = sqlite3_column_int64(st, at + 3),
                        .atime_ns = sqlite3_column_int64(st, at + 4),
                        .ctime_ns = sqlite3_column_int64(st, at + 5)};
  if (sqlite3_column_type(st, at + 6) == SQLITE_NULL)
    return 0;
  out->link = db_column(st, at + 6);
  return out->link != NULL ? 0 : -ENOMEM;
}

static int get(struct db *d, void *arg) {
  static const char sql[] = "SELECT mode, uid, gid, mtime, atime, ctime, link FROM known "
                            "WHERE domain = ? AND key = ? AND etag = ?";
  struct row *r = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, r->domain);
  db_bind_text(st, 2, r->key);
  db_bind_text(st, 3, r->etag);
  rc = db_step(d, st);
  if (rc <= 0)
    return rc < 0 ? rc : -ENOENT;
  return read_known(st, 0, &r->out);
}

int known_get(struct state *s, const char *domain, const char *key, const char *etag,
              struct known *out) {
  struct row r = {.domain = domain, .key = key, .etag = etag};
  int rc = db_run(s->db, STATE_LAZY, get, &r);

  if (rc == 0)
    *out = r.out;
  else
    known_fini(&r.out);
  return rc;
}

static int drop(struct db *d, void *arg) {
  const struct row *r = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, "DELETE FROM known WHERE domain = ? AND key = ?", &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, r->domain);
  db_bind_text(st, 2, r->key);
  return db_finish(d, st);
}

int known_drop(struct state *s, const char *domain, const char *key, enum state_sync sync) {
  struct row r = {.domain = domain, .key = key};

  return db_run(s->db, sync, drop, &r);
}

/* Also when nothing is known of it: what is noted for the other key is of another object. */
static int move(struct db *d, void *arg) {
  static const char sql[] = "UPDATE known SET key = ?, etag = ? "
                            "WHERE domain = ? AND key = ? AND etag = ?";
  const struct row *r = arg;
  struct row target = {.domain = r->domain, .key = r->to_key};
  sqlite3_stmt *st;
  int rc = drop(d, &target);

  if (rc == 0)
    rc = db_prepare(d, sql, &st);
  if (rc != 0)
    return rc;
  db_bind_text(st, 1, r->to_key);
  db_bind_text(st, 2, r->to_etag);
  db_bind_text(st, 3, r->domain);
  db_bind_text(st, 4, r->key);
  db_bind_text(st, 5, r->etag);
  return db_finish(d, st);
}

int known_move(struct state *s, const char *domain, const char *key, const char *etag,
               const char *to_key, const char *to_etag, enum state_sync sync) {
  struct row r = {.domain = domain, .key = key, .etag = etag, .to_key = to_key, .to_etag = to_etag};

  return db_run(s->db, sync, move, &r);
}

/* The key behind all that begin with the folder's, which ends in '/'. */
static char *behind(const char *folder) {
  char *end = strdup(folder);

  if (end != NULL && *end != '\0')
    end[strlen(end) - 1] = '0';
  return end;
}

/* `etag` is what lies behind the row's key, `to_etag` behind its new one. */
static int move_folders(struct db *d, void *arg) {
  static const char drop_sql[] =
      "DELETE FROM known WHERE domain = ?1 AND etag = '' AND key >= ?2 AND key < ?3";
  static const char sql[] = "UPDATE known SET key = ?4 || substr(key, length(?2) + 1) "
                            "WHERE domain = ?1 AND etag = '' AND key >= ?2 AND key < ?3";
  const struct row *r = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, drop_sql, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, r->domain);
  db_bind_text(st, 2, r->to_key);
  db_bind_text(st, 3, r->to_etag);
  rc = db_finish(d, st);
  if (rc == 0)
    rc = db_prepare(d, sql, &st);
  if (rc != 0)
    return rc;
  db_bind_text(st, 1, r->domain);
  db_bind_text(st, 2, r->key);
  db_bind_text(st, 3, r->etag);
  db_bind_text(st, 4, r->to_key);
  return db_finish(d, st);
}

int known_move_folders(struct state *s, const char *domain, const char *from, const char *to,
                       enum state_sync sync) {
  char *end = behind(from);
  char *to_end = behind(to);
  struct row r = {.domain = domain, .key = from, .etag = end, .to_key = to, .to_etag = to_end};
  int rc = end != NULL && to_end != NULL ? db_run(s->db, sync, move_folders, &r) : -ENOMEM;

  free(end);
  free(to_end);
  return rc;
}

struct found {
  char *key;
  char *etag;
  struct known known;
};

struct search {
  const char *domain;
  const char *prefix;
  bool flat;
  char *end; /* behind every key of the prefix: its last '/' made a '0' */
  struct found *items;
  size_t count;
  size_t cap;
};

static int add_found(struct search *l, sqlite3_stmt *st) {
  struct found *f;

  if (array_room(&l->items, l->count, &l->cap, sizeof(*l->items)) != 0)
    return -ENOMEM;
  f = &l->items[l->count++];
  *f = (struct found){.key = db_column(st, 0), .etag = db_column(st, 1)};
  return f->key != NULL && f->etag != NULL ? read_known(st, 2, &f->known) : -ENOMEM;
}

static int collect(struct db *d, void *arg) {
  static const char sql[] =
      "SELECT key, etag, mode, uid, gid, mtime, atime, ctime, link FROM known "
      "WHERE domain = ?1 AND key >= ?2 AND (?3 = '' OR key < ?3) "
      "AND (NOT ?4 OR instr(rtrim(substr(key, length(?2) + 1), '/'), '/') = 0) "
      "ORDER BY key";
  struct search *l = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, l->domain);
  db_bind_text(st, 2, l->prefix);
  db_bind_text(st, 3, l->end);
  db_bind_int(st, 4, l->flat);
  while (rc == 0 && (rc = db_step(d, st)) == 1)
    rc = add_found(l, st);
  return rc;
}

int known_each(struct state *s, const char *domain, const char *prefix, bool flat, known_fn fn,
               void *arg) {
  struct search l = {.domain = domain, .prefix = prefix, .flat = flat, .end = behind(prefix)};
  int rc;

  if (l.end == NULL)
    return -ENOMEM;
  rc = db_run(s->db, STATE_LAZY, collect, &l);
  for (size_t i = 0; i < l.count; i++) {
    if (rc == 0)
      rc = fn(arg, l.items[i].key, l.items[i].etag, &l.items[i].known);
    free(l.items[i].key);
    free(l.items[i].etag);
    known_fini(&l.items[i].known);
  }
  free(l.items);
  free(l.end);
  return rc;
}
