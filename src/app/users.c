/* Local users and what serves each.
 *
 * A user is opened at mount time, or, when that failed, by the first request after a
 * pause; requests of that user wait meanwhile, those of others do not. Once open, a user
 * stays so until the end, so the pointers given out stay good. */
#include "users.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "app.h"
#include "exporting.h"
#include "filesystem.h"
#include "journaling.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "user_map.h"
#include "users_waiting.h"

#define RETRY_MS 5000
#define STRANGERS 64 /* uids whose refusal was logged */

struct user {
  struct user_entry *entry;
  struct app app;
  struct answer answer;
  struct state *state;
  struct buf because; /* read-only */
  struct fs *fs;      /* under the lock until it is there, then for good */
  bool opening;
  int64_t retry_ms; /* monotonic */
  char *problem;
};

struct users {
  struct user_map map;
  struct user *items;
  struct users_gone gone; /* without a section, but with changes that wait */
  const struct config *config;
  const char *source;
  const char *dir;
  const char *file;
  bool writable;
  int64_t umount_timeout_ms;
  int64_t started_ms;
  struct {
    struct mtx lock;
    struct cond opened;
    struct fuse_mount *mount;
    uid_t strangers[STRANGERS];
    size_t stranger_count;
  } synced;
};

/* --- one user --- */

static void user_release(struct user *me) {
  if (me->answer.fs != NULL)
    answer_fini(&me->answer);
  me->answer = (struct answer){0};
  fs_free(me->fs);
  app_close(&me->app);
  state_close(me->state);
  buf_fini(&me->because);
  me->fs = NULL;
  me->state = NULL;
}

static int user_sources(struct users *u, struct user *me, struct fs **fs, struct buf *why) {
  const struct config *c = &me->entry->config;
  int rc;

  me->app.read_only_because = buf_cstr(&me->because);
  me->app.state = me->state;
  rc = app_open_sources(&me->app, c, why);
  if (rc == 0)
    rc = filesystem_new(&me->app, c, me->state, fs, why);
  if (rc == 0)
    answer_init(&me->answer, &me->app, *fs, u->source, u->dir);
  return rc;
}

/* Nobody else touches *me while it is being opened. */
static int user_open(struct users *u, struct user *me, struct fs **fs, struct buf *why) {
  char *place = users_waiting_place(u->dir, me->entry->uid);
  int rc = -ENOMEM;

  buf_init(&me->because, 65536);
  if (place != NULL)
    rc = journaling_open(&me->entry->config, place, &me->state, &me->because, why);
  free(place);
  if (rc == 0)
    rc = app_open(&me->app, &me->entry->config.settings, why);
  if (rc == 0)
    rc = user_sources(u, me, fs, why);
  if (rc != 0)
    user_release(me);
  return rc;
}

/* A problem is logged when it is another one than before. */
static void note_problem_locked(struct user *me, const char *problem) {
  if (me->problem == NULL || problem == NULL || strcmp(me->problem, problem) != 0) {
    free(me->problem);
    me->problem = problem != NULL ? strdup(problem) : NULL;
    if (problem != NULL)
      log_warn("user %s cannot be served now: %s", me->entry->name, problem);
  }
  me->retry_ms = clock_mono_ms(&clock_system) + RETRY_MS;
}

static int follow(struct user *me, struct fuse_mount *m, struct fs *fs) {
  int rc = fuse_mount_attach(m, fs);

  if (rc == 0)
    app_follow(&me->app, fs);
  return rc;
}

static int try_open(struct users *u, struct user *me, struct buf *why) {
  struct fs *fs = NULL;
  struct fuse_mount *m;
  int rc = user_open(u, me, &fs, why);

  mtx_lock(&u->synced.lock);
  m = u->synced.mount;
  mtx_unlock(&u->synced.lock);
  if (rc == 0 && m != NULL) {
    rc = follow(me, m, fs);
    if (rc != 0) {
      fs_free(fs);
      user_release(me);
    }
  }
  mtx_lock(&u->synced.lock);
  if (rc == 0)
    me->fs = fs;
  note_problem_locked(me, rc == 0 ? NULL : why->len > 0 ? buf_cstr(why) : strerror(-rc));
  me->opening = false;
  cond_broadcast(&u->synced.opened);
  mtx_unlock(&u->synced.lock);
  return rc;
}

/* --- requests --- */

static void refuse_stranger(struct users *u, uid_t uid) {
  bool known = false;

  mtx_lock(&u->synced.lock);
  for (size_t i = 0; i < u->synced.stranger_count; i++)
    known = known || u->synced.strangers[i] == uid;
  if (!known && u->synced.stranger_count < STRANGERS)
    u->synced.strangers[u->synced.stranger_count++] = uid;
  else
    known = true;
  mtx_unlock(&u->synced.lock);
  if (!known)
    log_warn("user %u is refused at %s: %s has no section for that number", (unsigned)uid, u->dir,
             u->file);
}

static struct fs *user_fs(struct users *u, struct user *me) {
  struct fs *fs;
  struct buf why;
  bool mine;

  mtx_lock(&u->synced.lock);
  while (me->opening)
    cond_wait(&u->synced.opened, &u->synced.lock);
  fs = me->fs;
  mine = fs == NULL && clock_mono_ms(&clock_system) >= me->retry_ms;
  me->opening = mine;
  mtx_unlock(&u->synced.lock);
  if (!mine)
    return fs;
  buf_init(&why, 65536);
  try_open(u, me, &why);
  buf_fini(&why);
  mtx_lock(&u->synced.lock);
  fs = me->fs;
  mtx_unlock(&u->synced.lock);
  return fs;
}

static struct fs *serve(void *arg, uid_t uid, unsigned *number) {
  struct users *u = arg;

  for (size_t i = 0; i < u->map.count; i++) {
    if (u->map.items[i].uid != uid)
      continue;
    *number = (unsigned)i;
    return user_fs(u, &u->items[i]);
  }
  refuse_stranger(u, uid);
  return NULL;
}

struct fuse_viewers users_viewers(struct users *u) {
  return (struct fuse_viewers){.count = (unsigned)u->map.count, .serve = serve, .arg = u};
}

/* --- life --- */

bool users_writable(const struct users *u) {
  return u->writable;
}

static int open_all(struct users *u, struct buf *why) {
  size_t open = 0;
  int first = 0;

  for (size_t i = 0; i < u->map.count; i++) {
    struct buf line;
    int rc;

    buf_init(&line, 65536);
    rc = try_open(u, &u->items[i], &line);
    if (rc != 0 && (first == 0 || rc == -EINVAL)) {
      first = rc;
      buf_reset(why);
      buf_printf(why, "user %s: %s", u->map.items[i].name, buf_cstr(&line));
    }
    buf_fini(&line);
    open += rc == 0;
  }
  if (first == -EINVAL || open == 0)
    return first;
  buf_reset(why);
  return 0;
}

int users_open(const struct config *c, const char *source, const char *dir, struct users **out,
               struct buf *why) {
  struct users *u = calloc(1, sizeof(*u));
  int rc = u == NULL ? -ENOMEM : user_map_load(c, &u->map, why);

  if (rc != 0) {
    free(u);
    return rc;
  }
  u->config = c;
  u->source = source;
  u->dir = dir;
  u->file = c->settings.per_user;
  u->umount_timeout_ms = c->settings.umount_timeout_ms;
  u->started_ms = clock_mono_ms(&clock_system);
  mtx_init(&u->synced.lock, RANK_APP);
  cond_init(&u->synced.opened);
  for (size_t i = 0; i < c->count; i++)
    u->writable = u->writable || settings_writable(&c->dirs[i].settings);
  u->items = calloc(u->map.count, sizeof(*u->items));
  for (size_t i = 0; u->items != NULL && i < u->map.count; i++)
    u->items[i].entry = &u->map.items[i];
  rc = u->items != NULL ? open_all(u, why) : -ENOMEM;
  if (rc == 0)
    users_waiting_find(c, dir, &u->map, &u->gone);
  if (rc != 0)
    users_close(u);
  else
    *out = u;
  return rc;
}

int users_attach(struct users *u, struct fuse_mount *m) {
  int rc = 0;

  mtx_lock(&u->synced.lock);
  u->synced.mount = m;
  mtx_unlock(&u->synced.lock);
  for (size_t i = 0; i < u->map.count; i++) {
    struct user *me = &u->items[i];

    if (me->fs == NULL)
      continue;
    if (m == NULL)
      app_unfollow(&me->app);
    else if (rc == 0)
      rc = follow(me, m, me->fs);
  }
  return rc;
}

void users_close(struct users *u) {
  if (u == NULL)
    return;
  for (size_t i = 0; u->items != NULL && i < u->map.count; i++) {
    if (u->items[i].fs != NULL)
      user_release(&u->items[i]);
    free(u->items[i].problem);
  }
  free(u->items);
  users_waiting_fini(&u->gone);
  user_map_fini(&u->map);
  cond_fini(&u->synced.opened);
  mtx_fini(&u->synced.lock);
  free(u);
}

/* --- what is told about them --- */

static void take_pending(struct user *me, cJSON *own, cJSON *pending) {
  cJSON *waits = cJSON_GetObjectItem(own, "pending");

  while (cJSON_GetArraySize(waits) > 0) {
    cJSON *item = cJSON_DetachItemFromArray(waits, 0);

    cJSON_AddNumberToObject(item, "user", me->entry->uid);
    cJSON_AddItemToArray(pending, item);
  }
}

/* Nobody opens this user meanwhile. False: somebody does just now, and then it is told by the
 * user's own file system. */
static bool tell_waiting(struct users *u, struct user *me, cJSON *pending) {
  char *because = text_printf("user %s cannot be served now", me->entry->name);
  bool mine;

  mtx_lock(&u->synced.lock);
  mine = me->fs == NULL && !me->opening;
  me->opening = me->opening || mine;
  mtx_unlock(&u->synced.lock);
  if (mine && because != NULL)
    users_waiting_tell(&me->entry->config, u->dir, me->entry->uid, because, pending);
  free(because);
  if (!mine)
    return false;
  mtx_lock(&u->synced.lock);
  me->opening = false;
  cond_broadcast(&u->synced.opened);
  mtx_unlock(&u->synced.lock);
  return true;
}

static void tell_gone(struct users *u, cJSON *pending) {
  for (size_t i = 0; i < u->gone.count; i++) {
    char *because = text_printf("user %u has no section in %s", (unsigned)u->gone.uids[i], u->file);

    if (because != NULL)
      users_waiting_tell(u->config, u->dir, u->gone.uids[i], because, pending);
    free(because);
  }
}

static cJSON *one_status(struct users *u, struct user *me, cJSON *pending, bool sync,
                         bool *goes_on) {
  cJSON *o = cJSON_CreateObject();
  cJSON *own;
  bool open;

  cJSON_AddStringToObject(o, "user", me->entry->name);
  cJSON_AddNumberToObject(o, "uid", me->entry->uid);
  mtx_lock(&u->synced.lock);
  open = me->fs != NULL;
  if (!open && me->problem != NULL)
    cJSON_AddStringToObject(o, "problem", me->problem);
  mtx_unlock(&u->synced.lock);
  if (!open) {
    *goes_on |= !tell_waiting(u, me, pending);
    return o;
  }
  own = sync ? answer_sync(&me->answer) : answer_status(&me->answer);
  if (cJSON_IsTrue(cJSON_GetObjectItem(own, "goes_on")))
    *goes_on = true;
  take_pending(me, own, pending);
  cJSON_AddItemToObject(o, "status", own);
  return o;
}

static cJSON *all_status(struct users *u, bool sync) {
  cJSON *doc = cJSON_CreateObject();
  bool goes_on = false;
  cJSON *list;
  cJSON *pending;

  answer_begin(doc, u->dir, u->source, u->started_ms);
  cJSON_AddStringToObject(doc, "per_user", u->file);
  list = cJSON_AddArrayToObject(doc, "users");
  pending = cJSON_AddArrayToObject(doc, "pending");
  for (size_t i = 0; i < u->map.count; i++)
    cJSON_AddItemToArray(list, one_status(u, &u->items[i], pending, sync, &goes_on));
  tell_gone(u, pending);
  if (sync)
    cJSON_AddBoolToObject(doc, "goes_on", goes_on);
  cJSON_AddNumberToObject(doc, "pending_uploads", cJSON_GetArraySize(pending));
  return doc;
}

/* Into a folder with the user's number: names of several users stay apart. */
static cJSON *export_of(struct users *u, const char *request) {
  char *rest;
  unsigned long uid = strtoul(request, &rest, 10);
  char *within = text_printf("%lu", uid);
  struct fs *fs = NULL;
  cJSON *doc;

  mtx_lock(&u->synced.lock);
  for (size_t i = 0; i < u->map.count; i++)
    if (u->map.items[i].uid == uid)
      fs = u->items[i].fs;
  mtx_unlock(&u->synced.lock);
  if (fs != NULL && within != NULL && *rest == ' ') {
    doc = exporting_answer(fs, rest + 1, within);
  } else {
    doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "error", "this user is not served now");
  }
  free(within);
  return doc;
}

void users_answer(void *arg, const char *request, struct buf *reply) {
  struct users *u = arg;
  cJSON *doc;
  char *text;

  if (strcmp(request, "status") == 0 || strcmp(request, "sync") == 0) {
    doc = all_status(u, strcmp(request, "sync") == 0);
  } else if (text_has_prefix(request, EXPORT_OF_REQUEST)) {
    doc = export_of(u, request + strlen(EXPORT_OF_REQUEST));
  } else {
    doc = cJSON_CreateObject();
    if (strcmp(request, "reload") == 0)
      cJSON_AddStringToObject(doc, "error",
                              "a mount with per-user cannot be changed while mounted: umount it "
                              "and mount it again");
    else if (strcmp(request, "pid") == 0)
      answer_pid(doc, u->umount_timeout_ms);
    else
      cJSON_AddStringToObject(doc, "error", "a mount with per-user does not answer that");
  }
  text = cJSON_PrintUnformatted(doc);
  if (text != NULL) {
    log_redact(text);
    buf_puts(reply, text);
    cJSON_free(text);
  }
  cJSON_Delete(doc);
}
