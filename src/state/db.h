/* SQLite behind a thread of its own. Only this layer sees it. */
#ifndef S3APFS_SRC_STATE_DB_H
#define S3APFS_SRC_STATE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/state/sync.h"

struct db;

/* Opens or makes the file. -EUCLEAN: damaged, with a line in *why. */
int db_open(const char *path, struct buf *why, struct db **out);
void db_close(struct db *d);
/* Runs fn on the database's thread inside a transaction and waits for its end.
 * fn gives >= 0, or -errno: then what it did is undone. */
int db_run(struct db *d, enum state_sync sync, int (*fn)(struct db *d, void *arg), void *arg);

/* --- inside fn --- */
/* The statement, reset and without bindings; kept for the next time. sql is a
 * constant: it is known by its address. */
int db_prepare(struct db *d, const char *sql, sqlite3_stmt **out);
void db_bind_text(sqlite3_stmt *st, int at, const char *text);
void db_bind_bytes(sqlite3_stmt *st, int at, const void *bytes, size_t len);
void db_bind_int(sqlite3_stmt *st, int at, int64_t v);
/* 1: a row; 0: the end; -errno. */
int db_step(struct db *d, sqlite3_stmt *st);
/* Steps to the end. */
int db_finish(struct db *d, sqlite3_stmt *st);
int64_t db_last_id(struct db *d);
/* Copy of a column; "" for NULL. NULL: no memory. */
char *db_column(sqlite3_stmt *st, int at);

#endif
