/* s3apfs mount, and mount.s3apfs as mount(8) calls it.
 *
 * The parent checks what needs no network (options, configuration, mount point),
 * then forks; the child wires the mount, proves the sources, mounts, and says
 * through a pipe how it went. All threads are made in the child. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"
#include "daemon.h"
#include "mounts.h"
#include "prompt.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/log.h"
#include "s3apfs/control/control.h"
#include "serve.h"
#include "tiering.h"

#define MAX_OPTION_LISTS 64
#define LOCK_WAIT_MS 10000
#define LOCK_PAUSE_US 20000

struct mount_args {
  const char *source;
  const char *dir;
  const char *options[MAX_OPTION_LISTS];
  size_t option_count;
  bool foreground;
  bool dry_run;
  bool helper; /* called by mount(8): its exit codes */
};

static int fail_usage(const struct mount_args *a, const char *what) {
  int code = cli_fail(EXIT_USAGE, "%s; usage: s3apfs mount SOURCE DIR [-f] [-o options]", what);

  return a->helper ? MOUNT_EX_USAGE : code;
}

/* The exit code of a failure after the arguments were understood. */
static int exit_for(const struct mount_args *a, int err) {
  return a->helper ? MOUNT_EX_FAIL : (int)cli_code(err);
}

static int fail_mount(const struct mount_args *a, int err, const char *why) {
  cli_fail(EXIT_FAILED, "%s", why);
  return exit_for(a, err);
}

static int add_options(struct mount_args *a, const char *list) {
  if (a->option_count == MAX_OPTION_LISTS)
    return -E2BIG;
  a->options[a->option_count++] = list;
  return 0;
}

static int parse_args(struct mount_args *a, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *arg = argv[i];

    if (strcmp(arg, "-o") == 0 || (arg[0] == '-' && arg[1] == 'o')) {
      const char *list = arg[2] != '\0' ? arg + 2 : i + 1 < argc ? argv[++i] : NULL;

      if (list == NULL || add_options(a, list) != 0)
        return fail_usage(a, "-o needs a list of options");
    } else if (strcmp(arg, "-f") == 0 || strcmp(arg, "--foreground") == 0) {
      a->foreground = true;
    } else if (strcmp(arg, "--dry-run") == 0) {
      a->dry_run = true;
    } else if (arg[0] == '-' && arg[1] != '\0') {
      return fail_usage(a, "unknown option");
    } else if (a->source == NULL) {
      a->source = arg;
    } else if (a->dir == NULL) {
      a->dir = arg;
    } else {
      return fail_usage(a, "too many arguments");
    }
  }
  return a->source == NULL || a->dir == NULL ? fail_usage(a, "SOURCE and DIR are needed") : 0;
}

/* mount(8): mount.s3apfs SOURCE DIR [-sfnv] [-N namespace] [-o options] [-t type] */
static int parse_helper_args(struct mount_args *a, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *arg = argv[i];

    if (strcmp(arg, "-o") == 0 || strcmp(arg, "-t") == 0 || strcmp(arg, "-N") == 0) {
      if (i + 1 == argc)
        return fail_usage(a, "an option lacks its value");
      i++;
      if (arg[1] == 'o' && add_options(a, argv[i]) != 0)
        return fail_usage(a, "too many -o");
    } else if (arg[0] == '-' && arg[1] != '\0') {
      if (strspn(arg + 1, "sfnv") != strlen(arg + 1))
        return fail_usage(a, "unknown option");
      a->dry_run = a->dry_run || strchr(arg, 'f') != NULL;
    } else if (a->source == NULL) {
      a->source = arg;
    } else if (a->dir == NULL) {
      a->dir = arg;
    } else {
      return fail_usage(a, "too many arguments");
    }
  }
  return a->source == NULL || a->dir == NULL ? fail_usage(a, "SOURCE and DIR are needed") : 0;
}

static int check_free(const char *dir, struct buf *why) {
  struct mounts m;
  const struct mount_entry *e;
  int rc = mounts_load(&m);

  if (rc != 0) {
    buf_printf(why, "cannot read the mount table: %s", strerror(-rc));
    return rc;
  }
  e = mounts_at(&m, dir);
  if (e != NULL && strncmp(e->fstype, "fuse.s3apfs", 11) == 0) {
    buf_printf(why, "%s: %s is mounted there already", dir, e->source);
    rc = -EBUSY;
  }
  mounts_fini(&m);
  return rc;
}

/* The mount point as an absolute path the caller frees. */
static int check_dir(const char *arg, char **out, struct buf *why) {
  char *dir = mount_point_path(arg);
  struct stat st;
  int rc = 0;

  if (dir == NULL) {
    rc = -errno;
    buf_printf(why, "mount point %s: %s", arg, strerror(errno));
    return rc;
  }
  rc = check_free(dir, why);
  if (rc == 0 && stat(dir, &st) != 0) {
    rc = -errno;
    buf_printf(why, "mount point %s: %s%s", dir, strerror(errno),
               errno == ENOTCONN ? " (a mount died there: umount it first)" : "");
  } else if (rc == 0 && !S_ISDIR(st.st_mode)) {
    rc = -ENOTDIR;
    buf_printf(why, "mount point %s is not a directory", dir);
  }
  if (rc != 0) {
    free(dir);
    return rc;
  }
  *out = dir;
  return 0;
}

static int open_log(const struct settings *s, struct buf *why) {
  enum log_level level;
  int rc;

  if (s->log_level != NULL && log_level_parse(s->log_level, &level) == 0)
    log_set_level(level);
  if (s->log == NULL)
    return 0;
  rc = log_open(s->log);
  if (rc != 0)
    buf_printf(why, "log file %s: %s", s->log, strerror(-rc));
  return rc;
}

struct readiness {
  struct daemon *daemon;
  const struct config *config;
};

/* The kernel has answered: the parent may go. Without a log file the daemon's
 * lines go to syslog from here on. */
static void on_ready(void *arg) {
  struct readiness *r = arg;

  if (r->daemon->report >= 0 && r->config->settings.log == NULL && log_open("syslog") != 0)
    log_debug("syslog cannot be opened");
  prompt_close();
  daemon_ready(r->daemon);
}

static void block_signals(void) {
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Child, or the whole process in the foreground: serves until the end. */
static int run_mount(const struct mount_args *a, struct config *c, const char *dir,
                     struct daemon *d) {
  struct readiness r = {.daemon = d, .config = c};
  struct buf why;
  int code = EXIT_OK;
  int rc;

  block_signals();
  if (!c->settings.allow_core)
    daemon_harden();
  buf_init(&why, 65536);
  rc = serve_mount(c, a->source, dir, watch_start(d->report), on_ready, &r, &why);
  if (rc != 0)
    code = fail_mount(a, rc, buf_cstr(&why));
  daemon_failed(d, code);
  buf_fini(&why);
  return code;
}

static int start_mount(const struct mount_args *a, struct config *c, const char *dir) {
  struct daemon d = {.report = -1};
  bool child = true;
  int rc;

  if (a->foreground || c->settings.foreground)
    return run_mount(a, c, dir, &d);
  rc = daemon_start(&d, &child);
  if (rc < 0)
    return fail_mount(a, rc, "cannot start a process");
  if (!child)
    return rc;
  return run_mount(a, c, dir, &d);
}

/* Only one process at a time may prepare or serve a mount point. The lock ends with
 * the process; nobody closes it. After an umount, or a kill, the process before may
 * take a moment to end: it is waited for as long as nothing is mounted there. */
static int lock_dir(const char *dir, struct buf *why) {
  int64_t end = clock_mono_ms(&clock_system) + LOCK_WAIT_MS;
  int fd;

  while ((fd = control_lock(dir)) == -EADDRINUSE && clock_mono_ms(&clock_system) < end) {
    usleep(LOCK_PAUSE_US);
    if (check_free(dir, why) != 0)
      return -EBUSY;
  }
  if (fd == -EADDRINUSE)
    buf_printf(why, "%s: another s3apfs mounts or serves it already", dir);
  else if (fd < 0)
    log_warn("concurrent mounts of %s cannot be noticed: %s", dir, strerror(-fd));
  return fd == -EADDRINUSE ? -EBUSY : 0;
}

static int with_config(const struct mount_args *a, struct config *c, struct buf *why) {
  char *dir = NULL;
  int rc = check_dir(a->dir, &dir, why);

  if (rc == 0 && !a->dry_run)
    rc = lock_dir(dir, why);
  if (rc == 0 && !a->dry_run)
    rc = check_free(dir, why); /* now that nobody can come in between */
  if (rc == 0)
    rc = open_log(&c->settings, why);
  if (rc != 0) {
    rc = fail_mount(a, rc, buf_cstr(why));
  } else if (a->dry_run) {
    rc = a->helper ? 0 : serve_dry_run(c, why);
    rc = rc == 0 ? EXIT_OK : fail_mount(a, rc, buf_cstr(why));
  } else {
    rc = start_mount(a, c, dir);
  }
  free(dir);
  return rc;
}

static int run(const struct mount_args *a) {
  struct config c;
  struct buf why;
  int rc;

  prompt_open();
  buf_init(&why, 65536);
  rc = config_load(a->source, a->options, a->option_count, &c, &why);
  if (rc == 0) {
    rc = tiering_check(&c, &why);
    if (rc != 0)
      config_fini(&c);
  }
  if (rc != 0) {
    rc = cli_fail(EXIT_USAGE, "%s", why.len != 0 ? buf_cstr(&why) : strerror(-rc));
    rc = a->helper ? MOUNT_EX_USAGE : rc;
  } else {
    rc = with_config(a, &c, &why);
    config_fini(&c);
  }
  buf_fini(&why);
  return rc;
}

int cmd_mount(int argc, char **argv) {
  struct mount_args a = {0};
  int rc = parse_args(&a, argc, argv);

  return rc != 0 ? rc : run(&a);
}

int cmd_mount_helper(int argc, char **argv) {
  struct mount_args a = {.helper = true};
  int rc;

  log_set_name("mount.s3apfs");
  rc = parse_helper_args(&a, argc, argv);
  return rc != 0 ? rc : run(&a);
}
