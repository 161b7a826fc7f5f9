/* Wires a mount. Sources are probed side by side on a small pool: a thousand
 * directories must not take a thousand round trips one after another. */
#include "app.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "s3apfs/state/servers.h"
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
  int rc;

  memset(a, 0, sizeof(*a));
  a->read_only_because = "";
  a->notes = (struct s3_notes){.get = notes_get, .put = notes_put, .arg = a};
  if (ho.ca_bundle == NULL)
    ho.ca_bundle = getenv("AWS_CA_BUNDLE");
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
  for (size_t i = 0; i < a->source_count; i++)
    source_close(&a->sources[i]);
  free(a->sources);
  disk_free(a->disk);
  shelf_close(a->shelf);
  tiering_close(a->tiering);
  grants_set_free(a->grants);
  identities_free(a->identities);
  caller_free(a->caller);
  http_engine_free(a->engine);
  memset(a, 0, sizeof(*a));
}

static int open_all(struct app *a, struct buf *why) {
  const struct config *c = a->config;
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < c->count; i++) {
    rc = source_open(&a->sources[i], &c->dirs[i], a->caller, a->identities, a->grants, &a->notes,
                     why);
    if (rc == 0)
      a->source_count = i + 1;
    else if (c->file != NULL && why->len > 0) {
      struct buf line;

      buf_init(&line, 0);
      buf_printf(&line, "%s:%u: [dir %s]: %s", c->file, c->dirs[i].line, c->dirs[i].path,
                 buf_cstr(why));
      buf_reset(why);
      buf_puts(why, buf_cstr(&line));
      buf_fini(&line);
    }
  }
  return rc;
}

struct probe {
  struct source *source;
  struct buf why;
  int err;
};

static void probe_run(void *arg) {
  struct probe *p = arg;

  p->err = source_probe(p->source, &p->why);
}

static int probe_start(struct app *a, struct probe *probes) {
  struct pool *pool;
  unsigned threads = a->source_count < PROBE_THREADS ? (unsigned)a->source_count : PROBE_THREADS;
  int rc = pool_new("s3apfs-probe", threads, &pool);

  if (rc != 0)
    return rc;
  for (size_t i = 0; rc == 0 && i < a->source_count; i++) {
    probes[i].source = &a->sources[i];
    rc = pool_submit(pool, probe_run, &probes[i]);
  }
  pool_free(pool); /* waits */
  return rc;
}

/* One line per source that is not as it should be; the errno of the first when
 * none can be used. */
static int probe_report(struct app *a, struct probe *probes, struct buf *why) {
  size_t usable = 0;

  for (size_t i = 0; i < a->source_count; i++) {
    const struct source *s = &a->sources[i];

    usable += probes[i].err == 0;
    if (s->note != NULL)
      log_warn("%s: %s", s->dir->source, s->note);
  }
  if (usable == 0) {
    buf_puts(why, buf_cstr(&probes[0].why));
    return probes[0].err;
  }
  for (size_t i = 0; i < a->source_count; i++)
    if (probes[i].err != 0)
      log_warn("directory %s cannot be used now: %s", a->sources[i].dir->path,
               buf_cstr(&probes[i].why));
  return 0;
}

int app_open_sources(struct app *a, const struct config *c, struct buf *why) {
  struct probe *probes;
  int rc = tiering_open(c, a->identities, &a->tiering, why);

  if (rc != 0)
    return rc;
  a->config = c;
  a->sources = calloc(c->count, sizeof(*a->sources));
  probes = calloc(c->count, sizeof(*probes));
  rc = a->sources == NULL || probes == NULL ? -ENOMEM : open_all(a, why);
  for (size_t i = 0; probes != NULL && i < c->count; i++)
    buf_init(&probes[i].why, 65536);
  if (rc == 0)
    rc = probe_start(a, probes);
  if (rc == 0)
    rc = probe_report(a, probes, why);
  for (size_t i = 0; probes != NULL && i < c->count; i++)
    buf_fini(&probes[i].why);
  free(probes);
  if (rc != 0 && why->len == 0)
    buf_puts(why, strerror(-rc));
  return rc;
}

/* Grants may be taken back, and what is changed here has to be seen at once: such
 * files are read through this process. */
static bool may_be_backed(const struct source *s) {
  return s->tree == NULL && s->granted == NULL && !settings_writable(&s->dir->settings);
}

int app_catalog(struct app *a, struct catalog *out) {
  int rc = 0;

  catalog_init(out);
  for (size_t i = 0; rc == 0 && i < a->source_count; i++) {
    struct source *s = &a->sources[i];
    const struct settings *set = &s->dir->settings;
    struct root_options o = {.uid = set->uid,
                             .gid = set->gid,
                             .exclusive_open = set->exclusive_open,
                             .file_mode = set->file_mode,
                             .dir_mode = set->dir_mode,
                             .metadata_ttl_ms = settings_metadata_ttl_ms(set),
                             .negative_ttl_ms = settings_negative_ttl_ms(set),
                             .backed = may_be_backed(s),
                             .listed = s->listed,
                             .writeback = set->writeback};

    rc = catalog_add(out, s->dir->path, s->store, &o);
    s->store_given = rc == 0;
  }
  if (rc != 0)
    catalog_fini(out);
  return rc;
}

void app_follow(struct app *a, struct fs *fs) {
  for (size_t i = 0; i < a->source_count; i++)
    if (a->sources[i].tree != NULL)
      tree_follow(a->sources[i].tree, fs);
}

void app_unfollow(struct app *a) {
  for (size_t i = 0; i < a->source_count; i++)
    if (a->sources[i].tree != NULL)
      tree_unfollow(a->sources[i].tree);
}
