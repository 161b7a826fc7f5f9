/* Serving a mount: app + fs + kernel session + control socket, in that order,
 * and back. */
#include "serve.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "app.h"
#include "filesystem.h"
#include "journaling.h"
#include "s3apfs/base/log.h"
#include "s3apfs/control/control.h"
#include "s3apfs/fs/fs.h"
#include "s3apfs/fuse/mount.h"
#include "s3apfs/state/state.h"
#include "users.h"

struct serving {
  struct app *app; /* NULL: users */
  struct answer answer;
  struct users *users;
  struct control_server *control;
  struct watch *hangups;
  const char *dir;
  void (*ready)(void *arg);
  void *ready_arg;
};

/* On a libfuse thread, during the handshake. A mount without a control socket
 * still serves files. */
static void on_mounted(void *arg) {
  struct serving *s = arg;
  int rc = s->users != NULL ? control_server_start(s->dir, users_answer, s->users, &s->control)
                            : control_server_start(s->dir, answer_request, &s->answer, &s->control);

  if (rc != 0)
    log_warn("status of this mount will not be available: %s", strerror(-rc));
  s->hangups = watch_hangups(reload_hangup, s->answer.reload);
  if (s->hangups == NULL)
    log_warn("SIGHUP will not be heeded");
  s->ready(s->ready_arg);
}

static int serve_fs(struct serving *s, struct fs *fs, const struct config *c, const char *source,
                    struct buf *why) {
  struct fuse_mount_options o = {.dir = s->dir,
                                 .source = source,
                                 .kernel_words = buf_cstr(&c->settings.kernel_words),
                                 .allow_other = c->settings.allow_other,
                                 .writable = !c->settings.read_only};
  struct fuse_mount *m;
  int rc = fuse_mount_open(fs, &o, &m, why);

  if (rc != 0)
    return rc;
  app_follow(s->app, fs);
  rc = fuse_mount_serve(m, on_mounted, s);
  watch_stop(s->hangups); /* directories come and go no more */
  control_server_stop(s->control);
  app_unfollow(s->app);
  if (rc != 0)
    buf_printf(why, "serving %s ended: %s", s->dir, strerror(-rc));
  fuse_mount_close(m);
  return rc;
}

static int serve_state(struct app *a, const struct config *c, struct state *state,
                       const char *source, struct serving *s, struct buf *why) {
  struct fs *fs;
  int rc;

  rc = filesystem_new(a, c, state, &fs, why);
  if (rc != 0)
    return rc;
  answer_init(&s->answer, a, fs, source, s->dir);
  s->app = a;
  s->answer.umount_timeout_ms = c->settings.umount_timeout_ms;
  if (c->file != NULL)
    s->answer.reload = reload_new(a, fs, c);
  rc = serve_fs(s, fs, c, source, why);
  answer_fini(&s->answer);
  reload_free(s->answer.reload);
  fs_free(fs);
  return rc;
}

static int serve_app(struct app *a, const struct config *c, struct state *state, const char *source,
                     const char *dir, struct watch *watch, void (*ready)(void *arg), void *arg,
                     struct buf *why) {
  struct serving s = {.dir = dir, .ready = ready, .ready_arg = arg};
  int rc = app_open_sources(a, c, why);

  watch_stop(watch);
  return rc == 0 ? serve_state(a, c, state, source, &s, why) : rc;
}

/* What a listing's replies took goes back to the system, instead of staying in the
 * arenas of whichever threads received them: 100,000 names are to stay below 32 MiB. */
#define ALLOCATOR_ARENAS 4
#define ALLOCATOR_MMAP (256 * 1024)
#define ALLOCATOR_TRIM (1024 * 1024)

static void bound_allocator(void) {
  mallopt(M_ARENA_MAX, ALLOCATOR_ARENAS);
  mallopt(M_MMAP_THRESHOLD, ALLOCATOR_MMAP);
  mallopt(M_TRIM_THRESHOLD, ALLOCATOR_TRIM);
}

/* Everybody with what is theirs. */
static int serve_viewers(struct serving *s, const struct config *c, const char *source,
                         struct buf *why) {
  struct fuse_viewers v = users_viewers(s->users);
  struct fuse_mount_options o = {.dir = s->dir,
                                 .source = source,
                                 .kernel_words = buf_cstr(&c->settings.kernel_words),
                                 .allow_other = true,
                                 .writable = users_writable(s->users),
                                 .viewers = &v};
  struct fuse_mount *m;
  int rc = fuse_mount_open(NULL, &o, &m, why);

  if (rc != 0)
    return rc;
  rc = users_attach(s->users, m);
  if (rc == 0)
    rc = fuse_mount_serve(m, on_mounted, s);
  users_attach(s->users, NULL);
  if (rc != 0)
    buf_printf(why, "serving %s ended: %s", s->dir, strerror(-rc));
  watch_stop(s->hangups);
  control_server_stop(s->control);
  fuse_mount_close(m);
  return rc;
}

static int serve_users(const struct config *c, const char *source, const char *dir,
                       struct watch *watch, void (*ready)(void *arg), void *arg, struct buf *why) {
  struct serving s = {.dir = dir, .ready = ready, .ready_arg = arg};
  int rc = users_open(c, source, dir, &s.users, why);

  watch_stop(watch);
  if (rc == 0)
    rc = serve_viewers(&s, c, source, why);
  users_close(s.users);
  return rc;
}

int serve_mount(struct config *c, const char *source, const char *dir, struct watch *watch,
                void (*ready)(void *arg), void *arg, struct buf *why) {
  struct state *state = NULL;
  struct buf because;
  struct app a;
  int rc;

  bound_allocator();
  if (c->settings.per_user != NULL)
    return serve_users(c, source, dir, watch, ready, arg, why);
  buf_init(&because, 65536);
  rc = journaling_open(c, dir, &state, &because, why);
  if (rc == 0)
    rc = app_open(&a, &c->settings, why);
  if (rc != 0) {
    watch_stop(watch);
  } else {
    a.read_only_because = buf_cstr(&because);
    a.state = state;
    rc = serve_app(&a, c, state, source, dir, watch, ready, arg, why);
    app_close(&a);
  }
  state_close(state);
  buf_fini(&because);
  return rc;
}

static void print_sources(struct app *a) {
  const struct source *s;

  for (size_t i = 0; (s = app_source_at(a, i)) != NULL; i++) {
    struct buf line;

    buf_init(&line, 0);
    identity_learn(s->identity, &s->dir->settings);
    if (s->store->ops->explain(s->store, "", &line) != 0)
      buf_puts(&line, "nothing is known");
    printf("%s: %s%s%s\n", *s->dir->path != '\0' ? s->dir->path : "/",
           s->problem != NULL ? s->problem : buf_cstr(&line), s->note != NULL ? "; " : "",
           s->note != NULL ? s->note : "");
    buf_fini(&line);
  }
}

int serve_dry_run(const struct config *c, struct buf *why) {
  struct app a;
  int rc = app_open(&a, &c->settings, why);

  if (rc != 0)
    return rc;
  rc = app_open_sources(&a, c, why);
  if (rc == 0)
    print_sources(&a);
  app_close(&a);
  return rc;
}
