/* The table of servers: one row each, replaced when it is asked again. */
#include "s3apfs/state/servers.h"

#include <errno.h>

#include "state_internal.h"

struct row {
  const char *server;
  unsigned honours;
  int64_t at;
};

static int put(struct db *d, void *arg) {
  static const char sql[] = "INSERT OR REPLACE INTO server(name, honours, at) VALUES(?, ?, ?)";
  const struct row *r = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, r->server);
  db_bind_int(st, 2, r->honours);
  db_bind_int(st, 3, r->at);
  return db_finish(d, st);
}

int servers_put(struct state *s, const char *server, unsigned honours, int64_t at) {
  struct row r = {.server = server, .honours = honours, .at = at};

  return db_run(s->db, STATE_LAZY, put, &r);
}

static int get(struct db *d, void *arg) {
  static const char sql[] = "SELECT honours FROM server WHERE name = ? AND at >= ?";
  struct row *r = arg;
  sqlite3_stmt *st;
  int rc = db_prepare(d, sql, &st);

  if (rc != 0)
    return rc;
  db_bind_text(st, 1, r->server);
  db_bind_int(st, 2, r->at);
  rc = db_step(d, st);
  if (rc == 1)
    r->honours = (unsigned)sqlite3_column_int64(st, 0);
  return rc == 1 ? 0 : rc != 0 ? rc : -ENOENT;
}

int servers_get(struct state *s, const char *server, int64_t not_before, unsigned *honours) {
  struct row r = {.server = server, .at = not_before};
  int rc = db_run(s->db, STATE_LAZY, get, &r);

  if (rc == 0)
    *honours = r.honours;
  return rc;
}
