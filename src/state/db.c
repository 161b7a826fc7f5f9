/* SQLite behind one thread.
 *
 * Callers queue tasks and wait. The thread takes all that is queued, runs it in
 * one transaction, each task under a savepoint of its own, commits, and wakes the
 * callers: so one fsync serves everybody who came while the last one ran. Nobody
 * holds a lock over the disk.
 *
 * The write-ahead log is synced only for a batch that holds a durable task. A lazy
 * batch is in the log file when its callers go on, which outlives the process but
 * not the machine; a later durable batch syncs the same log and all before it.
 *
 * The file is locked exclusively: no shared memory is needed, which network file
 * systems lack. Errors of SQLite become errnos here and are logged here. */
#include "db.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"

#define STATEMENTS_MAX 64

struct task {
  int (*fn)(struct db *d, void *arg);
  void *arg;
  bool durable;
  bool done;
  int rc;
  struct task *next;
};

struct statement {
  const char *sql;
  sqlite3_stmt *st;
};

struct db {
  sqlite3 *sql; /* the thread's, as is what follows */
  struct statement statements[STATEMENTS_MAX];
  size_t statement_count;
  bool full; /* PRAGMA synchronous */
  pthread_t thread;
  struct {
    struct mtx lock;
    struct cond work;
    struct cond ended;
    struct task *head;
    struct task **tail;
    bool stop;
  } synced;
};

static int errno_of(int code) {
  switch (code & 0xff) {
  case SQLITE_OK:
  case SQLITE_DONE:
  case SQLITE_ROW:
    return 0;
  case SQLITE_FULL:
    return -ENOSPC;
  case SQLITE_NOMEM:
    return -ENOMEM;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return -EUCLEAN;
  case SQLITE_READONLY:
    return -EROFS;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return -EBUSY;
  case SQLITE_PERM:
  case SQLITE_CANTOPEN:
    return -EACCES;
  default:
    return -EIO;
  }
}

static int fail(struct db *d, int code) {
  int system = sqlite3_system_errno(d->sql);
  int rc = errno_of(code);

  if (rc == -EIO && (system == ENOSPC || system == EDQUOT))
    rc = -ENOSPC;
  if (rc != 0)
    log_error("journal: %s%s%s", sqlite3_errmsg(d->sql), system != 0 ? ": " : "",
              system != 0 ? strerror(system) : "");
  return rc;
}

static int exec(struct db *d, const char *sql) {
  return fail(d, sqlite3_exec(d->sql, sql, NULL, NULL, NULL));
}

/* --- statements --- */

int db_prepare(struct db *d, const char *sql, sqlite3_stmt **out) {
  struct statement *s = d->statements;
  int rc;

  while (s < d->statements + d->statement_count && s->sql != sql)
    s++;
  if (s < d->statements + d->statement_count) {
    sqlite3_reset(s->st);
    sqlite3_clear_bindings(s->st);
    *out = s->st;
    return 0;
  }
  if (d->statement_count == STATEMENTS_MAX)
    return -ENOMEM;
  rc = sqlite3_prepare_v3(d->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL);
  if (rc != SQLITE_OK)
    return fail(d, rc);
  s->sql = sql;
  d->statement_count++;
  *out = s->st;
  return 0;
}

void db_bind_text(sqlite3_stmt *st, int at, const char *text) {
  sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

void db_bind_bytes(sqlite3_stmt *st, int at, const void *bytes, size_t len) {
  sqlite3_bind_blob64(st, at, len > 0 ? bytes : "", len, SQLITE_STATIC);
}

void db_bind_int(sqlite3_stmt *st, int at, int64_t v) {
  sqlite3_bind_int64(st, at, v);
}

int db_step(struct db *d, sqlite3_stmt *st) {
  int code = sqlite3_step(st);
  int rc;

  if (code == SQLITE_ROW)
    return 1;
  rc = fail(d, code);
  sqlite3_reset(st);
  return rc;
}

int db_finish(struct db *d, sqlite3_stmt *st) {
  int rc;

  while ((rc = db_step(d, st)) == 1)
    continue;
  return rc;
}

int64_t db_last_id(struct db *d) {
  return sqlite3_last_insert_rowid(d->sql);
}

char *db_column(sqlite3_stmt *st, int at) {
  const char *text = (const char *)sqlite3_column_text(st, at);

  return strdup(text != NULL ? text : "");
}

/* --- the thread --- */

static int set_full(struct db *d, bool full) {
  int rc;

  if (d->full == full)
    return 0;
  rc = exec(d, full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  if (rc == 0)
    d->full = full;
  return rc;
}

static int run_one(struct db *d, struct task *t) {
  int rc = exec(d, "SAVEPOINT task");

  if (rc != 0)
    return rc;
  t->rc = t->fn(d, t->arg);
  for (size_t i = 0; i < d->statement_count; i++)
    sqlite3_reset(d->statements[i].st);
  if (t->rc < 0)
    rc = exec(d, "ROLLBACK TO task");
  return rc != 0 ? rc : exec(d, "RELEASE task");
}

static int run_batch(struct db *d, struct task *tasks) {
  bool durable = false;
  int rc;

  for (struct task *t = tasks; t != NULL; t = t->next)
    durable = durable || t->durable;
  rc = set_full(d, durable);
  if (rc == 0)
    rc = exec(d, "BEGIN IMMEDIATE");
  for (struct task *t = tasks; rc == 0 && t != NULL; t = t->next)
    rc = run_one(d, t);
  if (rc == 0)
    rc = exec(d, "COMMIT");
  if (rc != 0 && sqlite3_get_autocommit(d->sql) == 0)
    sqlite3_exec(d->sql, "ROLLBACK", NULL, NULL, NULL);
  return rc;
}

static struct task *take_batch(struct db *d) {
  struct task *tasks;

  mtx_lock(&d->synced.lock);
  while (d->synced.head == NULL && !d->synced.stop)
    cond_wait(&d->synced.work, &d->synced.lock);
  tasks = d->synced.head;
  d->synced.head = NULL;
  d->synced.tail = &d->synced.head;
  mtx_unlock(&d->synced.lock);
  return tasks;
}

/* A task is its caller's again once it is done. */
static void end_batch(struct db *d, struct task *tasks, int rc) {
  mtx_lock(&d->synced.lock);
  while (tasks != NULL) {
    struct task *t = tasks;

    tasks = t->next;
    if (rc != 0)
      t->rc = rc;
    t->done = true;
  }
  cond_broadcast(&d->synced.ended);
  mtx_unlock(&d->synced.lock);
}

static void *db_main(void *arg) {
  struct db *d = arg;
  struct task *tasks;

  pthread_setname_np(pthread_self(), "s3apfs-journal");
  while ((tasks = take_batch(d)) != NULL)
    end_batch(d, tasks, run_batch(d, tasks));
  return NULL;
}

int db_run(struct db *d, enum state_sync sync, int (*fn)(struct db *d, void *arg), void *arg) {
  struct task t = {.fn = fn, .arg = arg, .durable = sync == STATE_DURABLE};

  mtx_lock(&d->synced.lock);
  *d->synced.tail = &t;
  d->synced.tail = &t.next;
  cond_signal(&d->synced.work);
  while (!t.done)
    cond_wait(&d->synced.ended, &d->synced.lock);
  mtx_unlock(&d->synced.lock);
  return t.rc;
}

/* --- opening --- */

static const char pragmas[] = "PRAGMA locking_mode=EXCLUSIVE;"
                              "PRAGMA journal_mode=WAL;"
                              "PRAGMA synchronous=NORMAL;"
                              "PRAGMA temp_store=MEMORY;"
                              "PRAGMA cache_size=-2048;";

/* The first complaint of SQLite's own check. */
static int check(struct db *d, const char *path, struct buf *why) {
  sqlite3_stmt *st;
  const char *text;
  int rc = sqlite3_prepare_v2(d->sql, "PRAGMA quick_check(1)", -1, &st, NULL);

  if (rc == SQLITE_OK) {
    rc = sqlite3_step(st);
    text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    if (text != NULL && strcmp(text, "ok") == 0) {
      sqlite3_finalize(st);
      return 0;
    }
    buf_printf(why,
               "%s is damaged (%s): it holds changes that are not in S3 yet; restore it, or move "
               "its folder away to start without them",
               path, text != NULL ? text : sqlite3_errmsg(d->sql));
    sqlite3_finalize(st);
    return -EUCLEAN;
  }
  buf_printf(why,
             "%s is damaged (%s): it holds changes that are not in S3 yet; restore it, or move "
             "its folder away to start without them",
             path, sqlite3_errmsg(d->sql));
  return -EUCLEAN;
}

static int set_up(struct db *d, const char *path, struct buf *why) {
  int rc = sqlite3_open_v2(path, &d->sql,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                               SQLITE_OPEN_NOFOLLOW,
                           NULL);

  if (rc == SQLITE_OK)
    rc = sqlite3_exec(d->sql, pragmas, NULL, NULL, NULL);
  if (errno_of(rc) == -EUCLEAN)
    return check(d, path, why);
  if (rc != SQLITE_OK) {
    rc = errno_of(rc);
    buf_printf(why, "%s cannot be opened: %s", path,
               d->sql != NULL ? sqlite3_errmsg(d->sql) : strerror(-rc));
    return rc;
  }
  return check(d, path, why);
}

static void tear_down(struct db *d) {
  for (size_t i = 0; i < d->statement_count; i++)
    sqlite3_finalize(d->statements[i].st);
  sqlite3_close(d->sql);
  cond_fini(&d->synced.work);
  cond_fini(&d->synced.ended);
  mtx_fini(&d->synced.lock);
  free(d);
}

int db_open(const char *path, struct buf *why, struct db **out) {
  struct db *d = calloc(1, sizeof(*d));
  int rc;

  if (d == NULL)
    return -ENOMEM;
  mtx_init(&d->synced.lock, RANK_STATE);
  cond_init(&d->synced.work);
  cond_init(&d->synced.ended);
  d->synced.tail = &d->synced.head;
  rc = set_up(d, path, why);
  if (rc == 0) {
    rc = -pthread_create(&d->thread, NULL, db_main, d);
    if (rc != 0)
      buf_printf(why, "cannot start a thread: %s", strerror(-rc));
  }
  if (rc != 0) {
    tear_down(d);
    return rc;
  }
  *out = d;
  return 0;
}

void db_close(struct db *d) {
  if (d == NULL)
    return;
  mtx_lock(&d->synced.lock);
  d->synced.stop = true;
  cond_signal(&d->synced.work);
  mtx_unlock(&d->synced.lock);
  pthread_join(d->thread, NULL);
  tear_down(d);
}
