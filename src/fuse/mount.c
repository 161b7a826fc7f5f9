/* A libfuse session around a struct fs.
 *
 * open: session + mount(2) or fusermount3; serve: the multi-threaded loop until
 * the file system is unmounted or a signal asks for the end; close: unmount.
 * SIGTERM and SIGINT must be blocked in every other thread of the process (the
 * loop's own threads do so themselves), so that they reach the serving one. SIGHUP must
 * be blocked everywhere: it would end the loop. */
#include "s3apfs/fuse/mount.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops.h"
#include "passthrough.h"
#include "readahead.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"
#include "settle.h"
#include "viewers.h"

/* Ten slow requests must not block everybody (libfuse's default is 10). */
#define THREADS_MAX 64
#define BACKGROUND_MAX 128
/* Closes under way at once; each is little but a request that waits. */
#define SLOW_THREADS 32
#define READ_MAX (1024 * 1024)
/* More makes each random page fault fetch megabytes. */
#define READAHEAD_MAX (1024 * 1024)
#define TOLD_MS 1000 /* a look-up that waits for the store keeps the kernel from being told */

/* Who tells what changed in one file system. */
struct teller {
  struct fuse_mount *mount;
  struct fs *fs;
  struct teller *next;
};

struct fuse_mount {
  struct ops_context context;
  struct fuse_session *session;
  struct pool *notifier; /* notifications must not come from a request's thread */
  atomic_bool closing;   /* what is not sent yet need not be */
  struct {
    struct mtx lock;
    struct teller *tellers;
  } synced;
};

static void want(struct fuse_conn_info *conn, unsigned flag) {
  if ((conn->capable & flag) != 0)
    conn->want |= flag;
}

/* What the kernel may know and use for everybody alike. */
static void want_shared(struct ops_context *c, struct fuse_conn_info *conn) {
  want(conn, FUSE_CAP_READDIRPLUS);
  want(conn, FUSE_CAP_READDIRPLUS_AUTO);
  want(conn, FUSE_CAP_EXPORT_SUPPORT);
  passthrough_offer(c->session, conn, c->fs);
}

static void op_init(void *userdata, struct fuse_conn_info *conn) {
  struct ops_context *c = userdata;

  conn->max_background = BACKGROUND_MAX;
  conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
  conn->max_read = READ_MAX;
  conn->max_write = FS_WRITE_MAX;
  conn->max_readahead = READAHEAD_MAX;
  want(conn, FUSE_CAP_ASYNC_READ);
  want(conn, FUSE_CAP_PARALLEL_DIROPS);
  want(conn, FUSE_CAP_AUTO_INVAL_DATA);
  want(conn, FUSE_CAP_ASYNC_DIO);
  if (c->viewers == NULL)
    want_shared(c, conn);
  if (c->ready != NULL)
    c->ready(c->ready_arg);
}

__attribute__((format(printf, 2, 0))) static void log_from_libfuse(enum fuse_log_level level,
                                                                   const char *fmt, va_list ap) {
  char line[1024];

  vsnprintf(line, sizeof(line), fmt, ap);
  line[strcspn(line, "\n")] = '\0';
  if (level <= FUSE_LOG_WARNING)
    log_warn("%s", line);
  else
    log_debug("%s", line);
}

struct notice {
  struct fuse_mount *mount;
  uint64_t ino;
};

static void notice_send(void *arg) {
  struct notice *n = arg;

  /* the attributes and every page; an inode that the kernel does not have is fine */
  if (!n->mount->closing)
    fuse_lowlevel_notify_inval_inode(n->mount->session, n->ino, 0, 0);
  free(n);
}

/* The kernel's number; 0: it has none. */
static uint64_t kernel_id(const struct teller *t, uint64_t ino) {
  struct viewers *v = t->mount->context.viewers;

  return v != NULL ? viewers_id(v, t->fs, ino) : ino;
}

static void on_changed(void *arg, uint64_t ino) {
  struct teller *t = arg;
  struct fuse_mount *m = t->mount;
  uint64_t id = kernel_id(t, ino);
  struct notice *n = id != 0 ? malloc(sizeof(*n)) : NULL;

  if (n == NULL)
    return; /* the kernel's attributes end by their time to live */
  *n = (struct notice){m, id};
  if (pool_submit(m->notifier, notice_send, n) != 0)
    free(n);
}

struct vanishing {
  struct fuse_session *session;
  uint64_t parent;
  uint64_t ino;
  size_t len;
  char name[];
};

/* The name is asked for again, the inode's pages go: who has it open asks for its
 * bytes again. */
static void vanishing_send(void *arg) {
  struct vanishing *v = arg;

  if (v->parent != 0)
    fuse_lowlevel_notify_inval_entry(v->session, v->parent, v->name, v->len);
  if (v->ino != 0)
    fuse_lowlevel_notify_inval_inode(v->session, v->ino, 0, 0);
  free(v);
}

static void on_vanished(void *arg, uint64_t parent, const char *name, uint64_t ino) {
  struct teller *t = arg;
  struct fuse_mount *m = t->mount;
  size_t len = strlen(name);
  struct vanishing *v = malloc(sizeof(*v) + len + 1);

  if (v == NULL)
    return; /* the kernel's knowledge ends by its time to live */
  *v = (struct vanishing){
      .session = m->session, .parent = kernel_id(t, parent), .ino = kernel_id(t, ino), .len = len};
  memcpy(v->name, name, len + 1);
  if (pool_submit(m->notifier, vanishing_send, v) != 0)
    free(v);
}

static void await_told(void *arg) {
  const struct teller *t = arg;

  settle(t->mount->notifier, TOLD_MS);
}

static int mount_words(const struct fuse_mount_options *o, char **out) {
  struct buf fsname;
  char *words = NULL;
  int bad = 0;

  buf_init(&fsname, 65536);
  buf_printf(&fsname, "fsname=%s", o->source);
  bad |= buf_error(&fsname);
  bad |= fuse_opt_add_opt(&words, "subtype=s3apfs");
  bad |= fuse_opt_add_opt_escaped(&words, buf_cstr(&fsname));
  /* with viewers the bits of a file are another one's business */
  bad |= fuse_opt_add_opt(&words, o->viewers == NULL ? "default_permissions" : "nosuid,nodev");
  if (!o->writable)
    bad |= fuse_opt_add_opt(&words, "ro");
  bad |= fuse_opt_add_opt(&words, "max_read=1048576");
  if (o->allow_other)
    bad |= fuse_opt_add_opt(&words, "allow_other");
  if (o->kernel_words[0] != '\0')
    bad |= fuse_opt_add_opt(&words, o->kernel_words);
  buf_fini(&fsname);
  if (bad != 0) {
    free(words);
    return -ENOMEM;
  }
  *out = words;
  return 0;
}

static int session_new(struct fuse_mount *m, const struct fuse_mount_options *o) {
  struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
  struct fuse_lowlevel_ops ops = {.init = op_init};
  char *words;
  int rc = 0;

  if (o->viewers != NULL)
    rc = viewers_new(o->viewers, &m->context.viewers);
  if (rc == 0)
    rc = mount_words(o, &words);

  if (rc != 0)
    return rc;
  ops_read_fill(&ops);
  ops_names_fill(&ops);
  ops_content_fill(&ops);
  if (fuse_opt_add_arg(&args, "s3apfs") != 0 || fuse_opt_add_arg(&args, "-o") != 0 ||
      fuse_opt_add_arg(&args, words) != 0 || (o->debug && fuse_opt_add_arg(&args, "-d") != 0))
    rc = -ENOMEM;
  free(words);
  if (rc == 0) {
    m->session = fuse_session_new(&args, &ops, sizeof(ops), &m->context);
    rc = m->session != NULL ? 0 : -EINVAL;
  }
  fuse_opt_free_args(&args);
  return rc;
}

/* libfuse reports no errno; the usual causes can be told apart beforehand. */
static int mount_failed(const struct fuse_mount_options *o, struct buf *why) {
  if (access("/dev/fuse", F_OK) != 0) {
    buf_puts(why, "there is no /dev/fuse here (a container without it cannot mount)");
    return -ENODEV;
  }
  if (access("/dev/fuse", R_OK | W_OK) != 0) {
    buf_puts(why, "/dev/fuse may not be opened by this user");
    return -EACCES;
  }
  buf_printf(why, "%s: the mount was refused", o->dir);
  if (getuid() != 0 && o->allow_other)
    buf_puts(why, " (allow_other needs user_allow_other in /etc/fuse.conf)");
  return -EPERM;
}

static void mount_release(struct fuse_mount *m) {
  pool_free(m->context.slow);
  pool_free(m->notifier);
  if (m->session != NULL)
    fuse_session_destroy(m->session);
  while (m->synced.tellers != NULL) {
    struct teller *t = m->synced.tellers;

    m->synced.tellers = t->next;
    free(t);
  }
  viewers_free(m->context.viewers);
  mtx_fini(&m->synced.lock);
  free(m);
}

int fuse_mount_attach(struct fuse_mount *m, struct fs *fs) {
  struct teller *t = calloc(1, sizeof(*t));

  if (t == NULL)
    return -ENOMEM;
  *t = (struct teller){.mount = m, .fs = fs};
  mtx_lock(&m->synced.lock);
  t->next = m->synced.tellers;
  m->synced.tellers = t;
  mtx_unlock(&m->synced.lock);
  fs_set_changed(fs, on_changed, t);
  fs_set_vanished(fs, on_vanished, await_told, t);
  fs_set_interrupted(fs, ops_interrupted, &m->context);
  return 0;
}

/* No request is under way. */
static void detach_all(struct fuse_mount *m) {
  for (const struct teller *t = m->synced.tellers; t != NULL; t = t->next) {
    fs_set_changed(t->fs, NULL, NULL);
    fs_set_vanished(t->fs, NULL, NULL, NULL);
    fs_set_interrupted(t->fs, NULL, NULL);
    fs_set_backing(t->fs, &(struct fs_backing){NULL, NULL, NULL});
  }
}

int fuse_mount_open(struct fs *fs, const struct fuse_mount_options *o, struct fuse_mount **out,
                    struct buf *why) {
  struct fuse_mount *m = calloc(1, sizeof(*m));
  int rc;

  if (m == NULL)
    return -ENOMEM;
  fuse_set_log_func(log_from_libfuse);
  m->context.fs = fs;
  mtx_init(&m->synced.lock, RANK_FUSE);
  rc = pool_new("s3apfs-notify", 1, &m->notifier);
  if (rc == 0)
    rc = pool_new("s3apfs-slow", SLOW_THREADS, &m->context.slow);
  if (rc == 0)
    rc = session_new(m, o);
  if (rc != 0) {
    buf_puts(why, "the mount options were refused");
    mount_release(m);
    return rc;
  }
  if (fuse_session_mount(m->session, o->dir) != 0) {
    rc = mount_failed(o, why);
    mount_release(m);
    return rc;
  }
  m->context.session = m->session;
  readahead_raise(o->dir);
  rc = fs != NULL ? fuse_mount_attach(m, fs) : 0;
  if (rc != 0) {
    fuse_mount_close(m);
    return rc;
  }
  *out = m;
  return 0;
}

static void mask_signals(int how) {
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(how, &set, NULL);
}

static int serve(struct fuse_mount *m) {
  struct fuse_loop_config *config = fuse_loop_cfg_create();
  int rc;

  if (config == NULL)
    return -ENOMEM;
  fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
  fuse_loop_cfg_set_idle_threads(config, THREADS_MAX);
  fuse_loop_cfg_set_clone_fd(config, 0);
  rc = fuse_session_loop_mt(m->session, config);
  fuse_loop_cfg_destroy(config);
  return rc > 0 ? 0 : rc; /* positive: the signal that ended the loop */
}

int fuse_mount_serve(struct fuse_mount *m, void (*ready)(void *arg), void *arg) {
  int rc;

  m->context.ready = ready;
  m->context.ready_arg = arg;
  if (fuse_set_signal_handlers(m->session) != 0)
    return -EIO;
  mask_signals(SIG_UNBLOCK);
  rc = serve(m);
  mask_signals(SIG_BLOCK);
  fuse_remove_signal_handlers(m->session);
  return rc;
}

void fuse_mount_close(struct fuse_mount *m) {
  if (m == NULL)
    return;
  pool_free(m->context.slow); /* the last requests: they are answered through the session */
  m->context.slow = NULL;
  detach_all(m);
  /* The session's descriptor is closed by unmounting: nobody may write to it then. */
  m->closing = true;
  pool_free(m->context.slow);
  m->context.slow = NULL;
  pool_free(m->notifier);
  m->notifier = NULL;
  fuse_session_unmount(m->session);
  mount_release(m);
}
