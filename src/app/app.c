/* Wires a mount. Sources are probed side by side on a small pool: a thousand
 * directories must not take a thousand round trips one after another. */
#include "app.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/net/bandwidth.h"
#include "s3apfs/state/servers.h"
#include "s3apfs/store/escape.h"
#include "tree.h"

#define PROBE_THREADS 8

/* A server may be replaced by another version: after a week it is asked again. */
#define NOTES_LAST_S ((int64_t)7 * 86400)

static int64_t now_s(void) {
  return clock_wall_ms(&clock_system) / 1000;
}

static int notes_get(void *arg, const char *server, unsigned *honours) {
  const struct app *a = arg;

  return a->state != NULL ? servers_get(a->state, server, now_s() - NOTES_LAST_S, honours)
                          : -ENOENT;
}

static void notes_put(void *arg, const char *server, unsigned honours) {
  const struct app *a = arg;

  if (a->state != NULL && servers_put(a->state, server, honours, now_s()) != 0)
    log_debug("what %s honours was not noted", server);
}

int app_open(struct app *a, const struct settings *s, struct buf *why) {
  struct http_options ho = {.max_connections = (unsigned)s->max_connections,
                            .ca_bundle = s->ca_bundle,
                            .connect_to = s->connect_to,
                            .verbose = log_get_level() == LOG_LEVEL_DEBUG};
  struct caller_options co = {0};
  int rc = 0;

  memset(a, 0, sizeof(*a));
  mtx_init(&a->synced.lock, RANK_APP);
  a->open = true;
  a->read_only_because = "";
  a->notes = (struct s3_notes){.get = notes_get, .put = notes_put, .arg = a};
  if (ho.ca_bundle == NULL)
    ho.ca_bundle = getenv("AWS_CA_BUNDLE");
  if (s->bandwidth != 0)
    rc = bandwidth_new(s->bandwidth, clock_mono_us(), &a->down);
  if (rc == 0 && s->bandwidth != 0)
    rc = bandwidth_new(s->bandwidth, clock_mono_us(), &a->up);
  ho.down = a->down;
  ho.up = a->up;
  if (rc == 0)
    rc = http_engine_new(&ho, &a->engine);
  if (rc == 0)
    rc = caller_new(a->engine, &co, &a->caller);
  if (rc == 0)
    rc = identities_new(a->caller, &a->identities);
  if (rc == 0)
    rc = grants_set_new(a->caller, &a->grants);
  if (rc != 0) {
    buf_printf(why, "cannot start: %s", strerror(-rc));
    app_close(a);
  }
  return rc;
}

void app_close(struct app *a) {
  if (!a->open)
    return;
  for (size_t i = 0; i < a->synced.count; i++)
    app_discard(a->synced.sources[i]);
  free(a->synced.sources);
  mtx_fini(&a->synced.lock);
  disk_free(a->disk);
  shelf_close(a->shelf);
  tiering_close(a->tiering);
  grants_set_free(a->grants);
  identities_free(a->identities);
  caller_free(a->caller);
  http_engine_free(a->engine);
  bandwidth_free(a->down);
  bandwidth_free(a->up);
  memset(a, 0, sizeof(*a));
}

struct source *app_source_at(struct app *a, size_t i) {
  struct source *s;

  mtx_lock(&a->synced.lock);
  s = i < a->synced.count ? a->synced.sources[i] : NULL;
  mtx_unlock(&a->synced.lock);
  return s;
}

/* So that what follows cannot fail for want of memory. */
static int reserve(struct app *a, size_t more) {
  size_t room;
  struct source **grown;
  int rc = 0;

  mtx_lock(&a->synced.lock);
  room = a->synced.count + more;
  if (room > a->synced.room) {
    grown = realloc(a->synced.sources, room * sizeof(struct source *));
    rc = grown == NULL ? -ENOMEM : 0;
    if (grown != NULL) {
      a->synced.sources = grown;
      a->synced.room = room;
    }
  }
  mtx_unlock(&a->synced.lock);
  return rc;
}

static void publish(struct app *a, struct source *s) {
  mtx_lock(&a->synced.lock);
  a->synced.sources[a->synced.count++] = s;
  mtx_unlock(&a->synced.lock);
}

void app_discard(struct source *s) {
  if (s == NULL)
    return;
  source_close(s);
  free(s);
}

static int open_one(struct app *a, const struct config_dir *d, struct source **out,
                    struct buf *why) {
  struct source *s = calloc(1, sizeof(*s));
  int rc =
      s == NULL ? -ENOMEM : source_open(s, d, a->caller, a->identities, a->grants, &a->notes, why);

  if (rc != 0)
    free(s);
  else
    *out = s;
  return rc;
}

static void name_dir(const struct config *c, const struct config_dir *d, struct buf *why) {
  struct buf line;

  if (c->file == NULL || why->len == 0)
    return;
  buf_init(&line, 0);
  buf_printf(&line, "%s:%u: [dir %s]: %s", c->file, d->line, d->path, buf_cstr(why));
  buf_reset(why);
  buf_puts(why, buf_cstr(&line));
  buf_fini(&line);
}

static int open_all(struct app *a, const struct config *c, const bool *wanted, struct source **made,
                    struct buf *why) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < c->count; i++) {
    if (wanted != NULL && !wanted[i])
      continue;
    rc = open_one(a, &c->dirs[i], &made[i], why);
    if (rc != 0)
      name_dir(c, &c->dirs[i], why);
  }
  return rc;
}

static void probe_run(void *arg) {
  struct source *s = arg;
  struct buf why;

  buf_init(&why, 65536);
  s->err = source_probe(s, &why);
  buf_fini(&why);
}

static int probe_all(struct source **made, size_t count) {
  struct pool *pool;
  size_t threads = 0;
  int rc;

  for (size_t i = 0; i < count && threads < PROBE_THREADS; i++)
    threads += made[i] != NULL;
  if (threads == 0)
    return 0;
  rc = pool_new("s3apfs-probe", (unsigned)threads, &pool);
  if (rc != 0)
    return rc;
  for (size_t i = 0; rc == 0 && i < count; i++)
    if (made[i] != NULL)
      rc = pool_submit(pool, probe_run, made[i]);
  pool_free(pool); /* waits */
  return rc;
}

static const char *problem_of(const struct source *s) {
  return s->problem != NULL ? s->problem : strerror(-s->err);
}

/* One line per source that is not as it should be; the errno of the first when none
 * can be used but one must. */
static int probe_report(struct source **made, size_t count, bool must, struct buf *why) {
  const struct source *first = NULL;
  size_t usable = 0;

  for (size_t i = 0; i < count; i++) {
    const struct source *s = made[i];

    if (s == NULL)
      continue;
    first = first != NULL ? first : s;
    usable += s->err == 0;
    if (s->note != NULL)
      log_warn("%s: %s", s->dir->source, s->note);
  }
  if (must && usable == 0 && first != NULL) {
    buf_puts(why, problem_of(first));
    return first->err;
  }
  for (size_t i = 0; i < count; i++)
    if (made[i] != NULL && made[i]->err != 0)
      log_warn("directory %s cannot be used now: %s", made[i]->dir->path, problem_of(made[i]));
  return 0;
}

static int make_sources(struct app *a, const struct config *c, const bool *wanted, bool must,
                        struct source **made, struct buf *why) {
  int rc = open_all(a, c, wanted, made, why);

  if (rc == 0)
    rc = probe_all(made, c->count);
  if (rc == 0)
    rc = probe_report(made, c->count, must, why);
  if (rc == 0)
    rc = reserve(a, c->count);
  for (size_t i = 0; rc != 0 && i < c->count; i++) {
    app_discard(made[i]);
    made[i] = NULL;
  }
  if (rc != 0 && why->len == 0)
    buf_puts(why, strerror(-rc));
  return rc;
}

int app_make_sources(struct app *a, const struct config *c, const bool *wanted,
                     struct source **made, struct buf *why) {
  return make_sources(a, c, wanted, false, made, why);
}

int app_open_sources(struct app *a, const struct config *c, struct buf *why) {
  struct source **made;
  int rc = tiering_open(c, a->identities, a->down, a->up, &a->tiering, why);

  if (rc != 0)
    return rc;
  made = calloc(c->count, sizeof(struct source *));
  rc = made == NULL ? -ENOMEM : make_sources(a, c, NULL, true, made, why);
  for (size_t i = 0; rc == 0 && i < c->count; i++)
    publish(a, made[i]);
  free(made);
  return rc;
}

int app_open_alone(struct app *a, const struct config *c, struct buf *why) {
  struct source *s = NULL;
  int rc = reserve(a, 1);

  if (rc == 0)
    rc = open_one(a, &c->dirs[0], &s, why);
  if (rc == 0)
    publish(a, s);
  return rc;
}

/* Grants may be taken back, and what is changed here has to be seen at once: such
 * files are read through this process. */
static bool may_be_backed(const struct source *s) {
  return s->tree == NULL && s->granted == NULL && !settings_writable(&s->dir->settings);
}

static struct root_options root_options_of(const struct source *s) {
  const struct settings *set = &s->dir->settings;

  return (struct root_options){.uid = set->uid,
                               .gid = set->gid,
                               .exclusive_open = set->exclusive_open,
                               .posix = settings_posix(set),
                               .file_mode = set->file_mode,
                               .dir_mode = set->dir_mode,
                               .metadata_ttl_ms = settings_metadata_ttl_ms(set),
                               .negative_ttl_ms = settings_negative_ttl_ms(set),
                               .backed = may_be_backed(s),
                               .listed = s->listed,
                               .escaped = set->escape_odd,
                               .writeback = set->writeback};
}

/* As it is shown; what is underneath stays the source's to ask. */
static int shown_store(const struct source *s, struct store **out) {
  if (s->dir->settings.escape_odd)
    return escape_store_new(s->store, out);
  *out = s->store;
  return 0;
}

static int add_to_catalog(struct catalog *c, struct source *s) {
  struct root_options o = root_options_of(s);
  struct store *shown;
  int rc = shown_store(s, &shown);

  if (rc != 0)
    return rc;
  s->store_given = true;
  rc = catalog_add(c, s->dir->path, shown, &o);
  if (rc != 0)
    store_free(shown);
  else
    s->root = c->roots[c->count - 1];
  return rc;
}

int app_catalog(struct app *a, struct catalog *out) {
  struct source *s;
  int rc = 0;

  catalog_init(out);
  for (size_t i = 0; rc == 0 && (s = app_source_at(a, i)) != NULL; i++)
    rc = add_to_catalog(out, s);
  if (rc != 0)
    catalog_fini(out);
  return rc;
}

void app_show_first(struct app *a, struct fs *fs) {
  const struct source *s;

  for (size_t i = 0; (s = app_source_at(a, i)) != NULL; i++)
    if (s->listed && s->root != NULL)
      fs_show_first(fs, s->root, &s->first, s->first_asked_ms);
}

void app_follow(struct app *a, struct fs *fs) {
  const struct source *s;

  for (size_t i = 0; (s = app_source_at(a, i)) != NULL; i++)
    if (s->tree != NULL)
      tree_follow(s->tree, fs);
}

void app_unfollow(struct app *a) {
  const struct source *s;

  for (size_t i = 0; (s = app_source_at(a, i)) != NULL; i++)
    if (s->tree != NULL)
      tree_unfollow(s->tree);
}

/* --- a live mount --- */

int app_show(struct app *a, struct fs *fs, struct source *s) {
  struct root_options o = root_options_of(s);
  struct store *shown;
  int rc = shown_store(s, &shown);

  if (rc == 0) {
    s->store_given = true;
    rc = fs_add_root(fs, s->dir->path, shown, &o, &s->root);
  }
  if (rc != 0) {
    app_discard(s);
    return rc;
  }
  publish(a, s);
  if (s->tree != NULL)
    tree_follow(s->tree, fs);
  return 0;
}

void app_retire(struct fs *fs, struct source *s) {
  atomic_store(&s->retired, true);
  if (s->tree != NULL)
    tree_unfollow(s->tree);
  fs_retire_root(fs, s->root);
}

int app_revive(struct fs *fs, struct source *s) {
  int rc = fs_revive_root(fs, s->root);

  if (rc != 0)
    return rc;
  atomic_store(&s->retired, false);
  if (s->tree != NULL)
    tree_follow(s->tree, fs);
  return 0;
}
