/* The state directory: finding, owning and checking it, and the journal's schema.
 *
 * Order of opening: the folders, the lock (only its owner goes on), the database
 * with SQLite's check, the version. A database without tables is a new one, unless
 * staged files lie beside it: then its journal was lost, and only a person may
 * decide what becomes of them. */
#include "s3apfs/state/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "s3apfs/base/digest.h"
#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"
#include "state_internal.h"

/* A folder's name; longer mount points are cut and told apart by their digest. */
#define NAME_KEEP 160

/* schemas[N - 1] makes version N of a database of the version before. */
static const char schema_1[] =
    "CREATE TABLE file(id INTEGER PRIMARY KEY AUTOINCREMENT, domain TEXT NOT NULL,"
    " key TEXT NOT NULL, base_etag TEXT NOT NULL, base_size INTEGER NOT NULL,"
    " first INTEGER NOT NULL, acked INTEGER NOT NULL, acked_log INTEGER NOT NULL,"
    " meta TEXT NOT NULL, headers TEXT NOT NULL, upload TEXT NOT NULL, err INTEGER NOT NULL,"
    " expect_layer INTEGER NOT NULL, expect_size INTEGER NOT NULL, expect_crc INTEGER NOT NULL,"
    " expect_has_crc INTEGER NOT NULL, expect_etag TEXT NOT NULL);"
    "CREATE TABLE part(file INTEGER NOT NULL, number INTEGER NOT NULL, offset INTEGER NOT NULL,"
    " size INTEGER NOT NULL, layer INTEGER NOT NULL, etag TEXT NOT NULL, crc INTEGER NOT NULL,"
    " has_crc INTEGER NOT NULL, PRIMARY KEY(file, number)) WITHOUT ROWID;"
    "CREATE TABLE change(id INTEGER PRIMARY KEY AUTOINCREMENT, domain TEXT NOT NULL,"
    " what TEXT NOT NULL, key TEXT NOT NULL, target TEXT NOT NULL, etag TEXT NOT NULL,"
    " detail TEXT NOT NULL, err INTEGER NOT NULL);"
    "CREATE TABLE known(domain TEXT NOT NULL, key TEXT NOT NULL, etag TEXT NOT NULL,"
    " mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mtime INTEGER NOT NULL,"
    " atime INTEGER NOT NULL, ctime INTEGER NOT NULL, link TEXT, PRIMARY KEY(domain, key))"
    " WITHOUT ROWID;"
    "PRAGMA user_version=1;";

static const char schema_2[] =
    "CREATE TABLE server(name TEXT PRIMARY KEY, honours INTEGER NOT NULL, at INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "PRAGMA user_version=2;";

static const char schema_3[] =
    "CREATE TABLE layer(file INTEGER NOT NULL, seq INTEGER NOT NULL, map BLOB NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY(file, seq));"
    "PRAGMA user_version=3;";

static const char schema_4[] = "ALTER TABLE file ADD COLUMN dressed INTEGER NOT NULL DEFAULT 0;"
                               "PRAGMA user_version=4;";

#define SET_VERSION "PRAGMA user_version=5" /* of the newest */
static const char schema_5[] =
    "ALTER TABLE part ADD COLUMN sum TEXT NOT NULL DEFAULT '';" SET_VERSION ";";

static const char *const schemas[] = {schema_1, schema_2, schema_3, schema_4, schema_5};
#define SCHEMA_VERSION ((int64_t)(sizeof(schemas) / sizeof(schemas[0])))

static const char *home_dir(void) {
  const char *dir = getenv("HOME");
  const struct passwd *pw;

  if (dir != NULL)
    return dir;
  pw = getpwuid(getuid()); /* mounts from fstab or systemd have no environment */
  return pw != NULL ? pw->pw_dir : NULL;
}

int state_default_dir(char **out) {
  const char *base = getenv("XDG_STATE_HOME");
  const char *home = home_dir();
  char *dir;

  if (geteuid() == 0)
    dir = strdup("/var/lib/s3apfs");
  else if (base != NULL && *base == '/')
    dir = text_printf("%s/s3apfs", base);
  else if (home != NULL && *home == '/')
    dir = text_printf("%s/.local/state/s3apfs", home);
  else
    return -ENOENT;
  if (dir == NULL)
    return -ENOMEM;
  *out = dir;
  return 0;
}

/* "/home/me/data" is shown as "home-me-data" and ends in a digest of the whole. */
int state_folder_name(const char *name, struct buf *out) {
  char hex[65];
  int rc = digest_sha256_hex(name, strlen(name), hex);

  if (rc != 0)
    return rc;
  for (const char *p = *name == '/' ? name + 1 : name; *p != '\0' && out->len < NAME_KEEP; p++) {
    bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                 *p == '.' || *p == '_';

    buf_putc(out, plain ? *p : '-');
  }
  hex[12] = '\0';
  buf_printf(out, "-%s", hex);
  return buf_error(out);
}

static int make_dirs(struct state *s, const char *dir, const char *name, struct buf *why) {
  struct buf folder;
  int rc;

  buf_init(&folder, 0);
  rc = state_folder_name(name, &folder);
  if (rc == 0) {
    s->dir = text_printf("%s/%s", dir, buf_cstr(&folder));
    s->staging = text_printf("%s/%s/staging", dir, buf_cstr(&folder));
    rc = s->dir != NULL && s->staging != NULL ? file_mkdirs(s->staging, 0700) : -ENOMEM;
  }
  buf_fini(&folder);
  if (rc == 0) {
    s->staging_fd = open(s->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = s->staging_fd >= 0 ? 0 : -errno;
  }
  if (rc != 0)
    buf_printf(why, "state-dir %s cannot be used: %s", dir, strerror(-rc));
  return rc;
}

/* What the folder's own name may have been cut off. */
static int keep_name(struct state *s, const char *name, struct buf *why) {
  char *path = text_printf("%s/" STATE_NAME_FILE, s->dir);
  int rc = path == NULL ? -ENOMEM : 0;

  if (rc == 0 && access(path, F_OK) != 0)
    rc = file_write_atomic(path, name, strlen(name), 0600);
  if (rc != 0)
    buf_printf(why, "%s/" STATE_NAME_FILE " cannot be written: %s", s->dir, strerror(-rc));
  free(path);
  return rc;
}

static int take_lock(struct state *s, struct buf *why) {
  char *path = text_printf("%s/lock", s->dir);
  int rc = 0;

  if (path == NULL)
    return -ENOMEM;
  s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  free(path);
  if (s->lock_fd < 0 || flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
    rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
  if (rc == -EBUSY)
    buf_printf(why, "%s is in use by another s3apfs, here or on another host", s->dir);
  else if (rc != 0)
    buf_printf(why, "%s cannot be locked: %s", s->dir, strerror(-rc));
  return rc;
}

static bool has_staged_files(const struct state *s) {
  DIR *d = opendir(s->staging);
  const struct dirent *e;
  bool found = false;

  if (d == NULL)
    return false;
  while (!found && (e = readdir(d)) != NULL)
    found = e->d_name[0] != '.';
  closedir(d);
  return found;
}

static int read_version(struct db *d, void *arg) {
  sqlite3_stmt *st;
  int rc = db_prepare(d, "PRAGMA user_version", &st);

  if (rc == 0)
    rc = db_step(d, st);
  if (rc == 1)
    *(int64_t *)arg = sqlite3_column_int64(st, 0);
  return rc < 0 ? rc : 0;
}

static int make_schema(struct db *d, void *arg) {
  const char *next = arg;

  while (*next != '\0') {
    sqlite3_stmt *st;
    int rc = db_prepare(d, next, &st);

    if (rc == 0)
      rc = db_finish(d, st);
    if (rc != 0)
      return rc;
    next = strchr(next, ';') + 1;
  }
  return 0;
}

static int check_schema(struct state *s, struct buf *why) {
  int64_t version = -1;
  int rc = db_run(s->db, STATE_LAZY, read_version, &version);

  if (rc == 0 && version == 0 && has_staged_files(s)) {
    buf_printf(why,
               "%s holds files without a journal: it was lost; restore it, or move the folder "
               "away to start without them",
               s->staging);
    return -EUCLEAN;
  }
  for (; rc == 0 && version >= 0 && version < SCHEMA_VERSION; version++)
    rc = db_run(s->db, STATE_DURABLE, make_schema, (void *)schemas[version]);
  if (rc == 0 && version > SCHEMA_VERSION) {
    buf_printf(why, "%s was written by a later version of s3apfs", s->dir);
    return -EPROTO;
  }
  if (rc != 0)
    buf_printf(why, "%s/journal.db cannot be used: %s", s->dir, strerror(-rc));
  return rc;
}

static int open_all(struct state *s, const char *dir, const char *name, struct buf *why) {
  char *path;
  int rc = make_dirs(s, dir, name, why);

  if (rc == 0)
    rc = take_lock(s, why);
  if (rc == 0)
    rc = keep_name(s, name, why);
  if (rc != 0)
    return rc;
  path = text_printf("%s/journal.db", s->dir);
  rc = path != NULL ? db_open(path, why, &s->db) : -ENOMEM;
  free(path);
  return rc != 0 ? rc : check_schema(s, why);
}

int state_open(const char *dir, const char *name, struct buf *why, struct state **out) {
  struct state *s = calloc(1, sizeof(*s));
  int rc;

  if (s == NULL)
    return -ENOMEM;
  s->staging_fd = s->lock_fd = -1;
  rc = open_all(s, dir, name, why);
  if (rc != 0) {
    if (why->len == 0)
      buf_printf(why, "state-dir %s: %s", dir, strerror(-rc));
    state_close(s);
    return rc;
  }
  *out = s;
  return 0;
}

void state_close(struct state *s) {
  if (s == NULL)
    return;
  db_close(s->db);
  if (s->staging_fd >= 0)
    close(s->staging_fd);
  if (s->lock_fd >= 0)
    close(s->lock_fd); /* gives the lock up */
  free(s->staging);
  free(s->dir);
  free(s);
}

const char *state_staging_dir(const struct state *s) {
  return s->staging;
}

int state_sync_staging(struct state *s) {
  return fsync(s->staging_fd) == 0 ? 0 : -errno;
}

/* A write, so that the log is synced: an empty transaction would not be. */
static int touch(struct db *d, void *arg) {
  sqlite3_stmt *st;
  int rc = db_prepare(d, SET_VERSION, &st);

  (void)arg;
  return rc != 0 ? rc : db_finish(d, st);
}

int state_sync(struct state *s) {
  return db_run(s->db, STATE_DURABLE, touch, NULL);
}
