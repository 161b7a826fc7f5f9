/* Reading the configuration again.
 *
 *   read, check -> make and probe what is new -> retire what went -> show what is new
 *
 * Up to the third step nothing has changed, so a file that is wrong changes nothing. A
 * directory whose section changed is replaced: what is open in it goes on by the old
 * section, names are found by the new one. A directory that comes back as it once was is
 * shown again, so toggling costs nothing. */
#include "reload.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "journaling.h"
#include "s3apfs/base/log.h"
#include "tiering.h"
#include "tree.h"

#define NO_FILE                                                                                    \
  "nothing to reload: the mount was made from a SOURCE, or with per-user, not from a "             \
  "configuration file of its own"

struct reload {
  struct app *app;
  struct fs *fs;
  const struct config *config;
  char *log_level; /* as it is now; NULL: nobody set it */
  int64_t proof_ms;
  struct {
    struct mtx lock;
    struct cond over;
    bool running;
  } synced;
};

/* One reload. By the new configuration's directories: what becomes of each. */
struct plan {
  struct config config;
  bool *wanted;           /* to be made */
  struct source **made;   /* made, to be shown */
  struct source **old;    /* goes in favour of it; NULL: nothing */
  struct source **revive; /* to be shown again */
  struct source **gone;   /* retired for good */
  size_t gone_count;
  cJSON *lines;
  unsigned failed;
};

__attribute__((format(printf, 2, 3))) static void tell(struct plan *p, const char *fmt, ...) {
  struct buf line;
  va_list ap;

  buf_init(&line, 65536);
  va_start(ap, fmt);
  buf_vprintf(&line, fmt, ap);
  va_end(ap);
  cJSON_AddItemToArray(p->lines, cJSON_CreateString(buf_cstr(&line)));
  buf_fini(&line);
}

/* --- what differs --- */

static void tell_fixed(void *arg, const char *name) {
  struct plan *p = arg;

  if (strcmp(name, "log-level") != 0)
    tell(p, "option '%s' cannot change while mounted: it will with the next mount", name);
}

static void set_log_level(struct reload *r, const struct settings *s) {
  enum log_level level = LOG_LEVEL_INFO; /* as at the start */

  if (s->log_level == r->log_level ||
      (s->log_level != NULL && r->log_level != NULL && strcmp(s->log_level, r->log_level) == 0))
    return;
  if (s->log_level != NULL && log_level_parse(s->log_level, &level) != 0)
    return;
  log_set_level(level);
  free(r->log_level);
  r->log_level = s->log_level != NULL ? strdup(s->log_level) : NULL;
}

/* Options of the whole mount stay as they are. */
static int keep_mount(struct reload *r, struct plan *p) {
  const struct settings *live = &r->config->settings;
  struct settings copy;
  bool forced = *r->app->read_only_because != '\0'; /* nobody asked for ro */
  int rc;

  if (forced)
    p->config.settings.read_only = true;
  settings_each_difference(live, &p->config.settings, tell_fixed, p);
  rc = settings_copy(&copy, live);
  if (rc != 0)
    return rc;
  free(copy.log_level);
  copy.log_level = p->config.settings.log_level;
  p->config.settings.log_level = NULL;
  copy.deadline_ms = p->config.settings.deadline_ms;
  settings_fini(&p->config.settings);
  p->config.settings = copy;
  for (size_t i = 0; i < p->config.count; i++)
    p->config.dirs[i].settings.read_only = live->read_only;
  return 0;
}

static bool is_same(const struct source *s, const struct config_dir *d) {
  return strcmp(s->dir->path, d->path) == 0 && strcmp(s->dir->source, d->source) == 0 &&
         settings_same_dir(&s->dir->settings, &d->settings);
}

static struct source *find(struct reload *r, const struct config_dir *d, bool retired) {
  struct source *s;

  for (size_t i = 0; (s = app_source_at(r->app, i)) != NULL; i++)
    if (atomic_load(&s->retired) == retired &&
        (retired ? is_same(s, d) : strcmp(s->dir->path, d->path) == 0))
      return s;
  return NULL;
}

static bool is_in(const struct config *c, const char *path) {
  for (size_t i = 0; i < c->count; i++)
    if (strcmp(c->dirs[i].path, path) == 0)
      return true;
  return false;
}

static void plan_fill(struct reload *r, struct plan *p) {
  struct source *s;

  for (size_t i = 0; i < p->config.count; i++) {
    const struct config_dir *d = &p->config.dirs[i];

    p->old[i] = find(r, d, false);
    if (p->old[i] != NULL && is_same(p->old[i], d)) {
      p->old[i] = NULL;
      continue;
    }
    p->revive[i] = find(r, d, true);
    p->wanted[i] = p->revive[i] == NULL;
  }
  for (size_t i = 0; (s = app_source_at(r->app, i)) != NULL; i++)
    if (!atomic_load(&s->retired) && !is_in(&p->config, s->dir->path))
      p->gone[p->gone_count++] = s;
}

static size_t source_count(struct reload *r) {
  size_t n = 0;

  while (app_source_at(r->app, n) != NULL)
    n++;
  return n;
}

static int plan_room(struct reload *r, struct plan *p) {
  size_t n = p->config.count;

  p->wanted = calloc(n, sizeof(*p->wanted));
  p->made = calloc(n, sizeof(struct source *));
  p->old = calloc(n, sizeof(struct source *));
  p->revive = calloc(n, sizeof(struct source *));
  p->gone = calloc(source_count(r) + 1, sizeof(struct source *));
  return p->wanted != NULL && p->made != NULL && p->old != NULL && p->revive != NULL &&
                 p->gone != NULL
             ? 0
             : -ENOMEM;
}

static void plan_fini(struct plan *p) {
  free(p->wanted);
  free(p->made);
  free(p->old);
  free(p->revive);
  free(p->gone);
  config_fini(&p->config);
}

/* --- is it meant? --- */

static int check_tier(struct reload *r, const struct plan *p, struct buf *why) {
  int rc = tiering_check(&p->config, why);

  if (rc == 0 && r->app->tiering != NULL && tiering_proof_ms(&p->config) < r->proof_ms) {
    buf_puts(why, "with cache-tier a shorter metadata-ttl needs a new mount");
    rc = -EINVAL;
  }
  return rc;
}

static int check(struct reload *r, const struct plan *p, struct buf *why) {
  struct buf what;
  int rc;

  buf_init(&what, 65536);
  if (p->config.file == NULL) {
    buf_printf(why, "%s: not a configuration file any more", r->config->path);
    rc = -EINVAL;
  } else {
    rc = check_tier(r, p, &what);
    if (rc == 0)
      rc = journaling_check(&p->config, r->app->state, &what);
    if (rc != 0)
      buf_printf(why, "%s: %s", p->config.file, buf_cstr(&what));
  }
  buf_fini(&what);
  return rc;
}

/* --- applying it --- */

static void note_failure(struct plan *p, const struct config_dir *d, const char *what, int rc) {
  p->failed++;
  tell(p, "[dir %s] %s: %s", d->path, what,
       rc == -ENOMEM ? strerror(-rc) : "changes of names that were made there are not in S3 yet");
}

static void tell_shown(struct reload *r, struct plan *p, const struct config_dir *d,
                       const struct source *s, bool replaced) {
  tell(p, "[dir %s] %s%s%s", d->path, replaced ? "changed" : "added",
       s->problem != NULL ? ", and cannot be used now: " : "",
       s->problem != NULL ? s->problem : "");
  if (r->app->state == NULL && settings_writable(&d->settings))
    tell(p, "[dir %s] cannot be written before the next mount: this one began without a state-dir",
         d->path);
}

/* What the section says takes the place of what was there. */
static void show_one(struct reload *r, struct plan *p, size_t i) {
  const struct config_dir *d = &p->config.dirs[i];
  struct source *old = p->old[i];
  struct source *s = p->revive[i] != NULL ? p->revive[i] : p->made[i];
  int rc;

  if (old != NULL)
    app_retire(r->fs, old);
  rc = p->revive[i] != NULL ? app_revive(r->fs, s) : app_show(r->app, r->fs, s);
  if (rc == 0) {
    tell_shown(r, p, d, s, old != NULL);
    return;
  }
  note_failure(p, d, old != NULL ? "stays as it was" : "was not added", rc);
  if (old != NULL && app_revive(r->fs, old) != 0)
    log_error("directory %s is lost until the next mount: no memory", d->path);
}

static void apply(struct reload *r, struct plan *p) {
  for (size_t i = 0; i < p->gone_count; i++) {
    app_retire(r->fs, p->gone[i]);
    tell(p, "[dir %s] removed", p->gone[i]->dir->path);
  }
  for (size_t i = 0; i < p->config.count; i++)
    if (p->wanted[i] || p->revive[i] != NULL)
      show_one(r, p, i);
  fs_await_vanished(r->fs);
  fs_set_deadline(r->fs, p->config.settings.deadline_ms);
  set_log_level(r, &p->config.settings);
  if (cJSON_GetArraySize(p->lines) == 0)
    tell(p, "nothing changed");
}

static int run(struct reload *r, struct plan *p, struct buf *why) {
  int rc = config_load_again(r->config, &p->config, why);

  if (rc == 0)
    rc = check(r, p, why);
  if (rc == 0)
    rc = keep_mount(r, p);
  if (rc == 0)
    rc = plan_room(r, p);
  if (rc == 0) {
    plan_fill(r, p);
    rc = app_make_sources(r->app, &p->config, p->wanted, p->made, why);
  }
  if (rc == 0)
    apply(r, p);
  else if (why->len == 0)
    buf_puts(why, strerror(-rc));
  plan_fini(p);
  return rc;
}

/* --- who asks --- */

/* One at a time; nothing is locked meanwhile. */
static void begin(struct reload *r) {
  mtx_lock(&r->synced.lock);
  while (r->synced.running)
    cond_wait(&r->synced.over, &r->synced.lock);
  r->synced.running = true;
  mtx_unlock(&r->synced.lock);
}

static void end(struct reload *r) {
  mtx_lock(&r->synced.lock);
  r->synced.running = false;
  cond_signal(&r->synced.over);
  mtx_unlock(&r->synced.lock);
}

struct cJSON *reload_answer(struct reload *r) {
  cJSON *doc = cJSON_CreateObject();
  struct plan p = {.lines = NULL};
  struct buf why;

  if (r == NULL) {
    cJSON_AddStringToObject(doc, "error", NO_FILE);
    return doc;
  }
  p.lines = cJSON_AddArrayToObject(doc, "lines");
  buf_init(&why, 65536);
  begin(r);
  if (run(r, &p, &why) != 0)
    cJSON_AddStringToObject(doc, "error", buf_cstr(&why));
  end(r);
  cJSON_AddNumberToObject(doc, "failed", p.failed);
  buf_fini(&why);
  return doc;
}

void reload_hangup(void *arg) {
  cJSON *doc = reload_answer(arg);
  const cJSON *error = cJSON_GetObjectItem(doc, "error");
  const cJSON *line;

  if (error != NULL) {
    log_error("SIGHUP: %s", cJSON_GetStringValue(error));
  } else {
    cJSON_ArrayForEach(line, cJSON_GetObjectItem(doc, "lines"))
        log_warn("SIGHUP: %s", cJSON_GetStringValue(line));
  }
  cJSON_Delete(doc);
}

struct reload *reload_new(struct app *app, struct fs *fs, const struct config *c) {
  struct reload *r = calloc(1, sizeof(*r));

  if (r == NULL)
    return NULL;
  r->app = app;
  r->fs = fs;
  r->config = c;
  r->log_level = c->settings.log_level != NULL ? strdup(c->settings.log_level) : NULL;
  r->proof_ms = tiering_proof_ms(c);
  mtx_init(&r->synced.lock, RANK_APP);
  cond_init(&r->synced.over);
  return r;
}

void reload_free(struct reload *r) {
  if (r == NULL)
    return;
  cond_fini(&r->synced.over);
  mtx_fini(&r->synced.lock);
  free(r->log_level);
  free(r);
}
