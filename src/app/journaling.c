/* Where changes wait until they are in S3: the directory, and what to do without one.
 *
 * Somebody whose home cannot be written still reads: without a usable default
 * directory the mount is read-only and says so. Nobody who asked for a directory, or
 * for promises that only a disk can keep, gets less than that. */
#include "journaling.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "s3apfs/base/log.h"

static bool any_writable(const struct config *c) {
  for (size_t i = 0; i < c->count; i++)
    if (settings_writable(&c->dirs[i].settings))
      return true;
  return false;
}

static bool any_writeback(const struct config *c) {
  for (size_t i = 0; i < c->count; i++)
    if (settings_writable(&c->dirs[i].settings) && c->dirs[i].settings.writeback)
      return true;
  return false;
}

static void make_read_only(struct config *c) {
  c->settings.read_only = true;
  for (size_t i = 0; i < c->count; i++)
    c->dirs[i].settings.read_only = true;
}

/* Nothing was lost and nothing is damaged: there is just no such place. */
static bool is_only_missing(int rc) {
  return rc == -EACCES || rc == -EPERM || rc == -EROFS || rc == -ENOENT || rc == -ENOTDIR ||
         rc == -ENOSPC || rc == -EDQUOT;
}

/* What a close promises with writeback has to outlive the host's restart. */
static int check_lasting(const struct state *s, struct buf *why) {
  struct statfs fs;

  if (statfs(state_staging_dir(s), &fs) != 0)
    return 0;
  if (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC && fs.f_type != OVERLAYFS_SUPER_MAGIC)
    return 0;
  buf_printf(why,
             "writeback needs a state-dir that outlives a restart, and %s is on %s; name one with "
             "state-dir=",
             state_staging_dir(s), fs.f_type == OVERLAYFS_SUPER_MAGIC ? "an overlay" : "a tmpfs");
  return -EINVAL;
}

static int open_default(const char *dir, struct state **out, struct buf *why) {
  char *base;
  int rc = state_default_dir(&base);

  if (rc != 0) {
    buf_puts(why, "there is no home directory to keep changes in; name one with state-dir=");
    return rc;
  }
  rc = state_open(base, dir, why, out);
  free(base);
  return rc;
}

int journaling_open(struct config *c, const char *dir, struct state **out, struct buf *because,
                    struct buf *why) {
  struct state *s = NULL;
  bool writeback = any_writeback(c);
  int rc;

  *out = NULL;
  if (!any_writable(c))
    return 0;
  if (c->settings.state_dir != NULL)
    return state_open(c->settings.state_dir, dir, why, out);
  rc = open_default(dir, &s, why);
  if (rc == 0 && writeback)
    rc = check_lasting(s, why);
  if (is_only_missing(rc) && !writeback) {
    buf_puts(because, buf_cstr(why));
    buf_reset(why);
    log_warn("%s: mounted read-only: %s", dir, buf_cstr(because));
    make_read_only(c);
    return 0;
  }
  if (rc != 0)
    state_close(s);
  else
    *out = s;
  return rc;
}

char *journaling_dir(const struct config *c) {
  char *dir = NULL;

  if (!any_writable(c))
    return NULL;
  if (c->settings.state_dir != NULL)
    return strdup(c->settings.state_dir);
  return state_default_dir(&dir) == 0 ? dir : NULL;
}

int journaling_check(const struct config *c, const struct state *state, struct buf *why) {
  if (state == NULL || c->settings.state_dir != NULL || !any_writeback(c))
    return 0;
  return check_lasting(state, why);
}
