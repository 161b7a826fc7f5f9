/* Writing out what cannot be sent: below a folder outside, under the names that the
 * files have in the mount. Nothing that is there already is touched. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs_internal.h"
#include "s3apfs/base/text.h"
#include "s3apfs/data/export.h"

#define NAMES_MAX 100
#define FOLDER_MODE 0700

/* --- names outside --- */

/* A folder in a folder, made when it is not there; *dir is closed. */
static int descend(int *dir, const char *name) {
  int next;

  if (mkdirat(*dir, name, FOLDER_MODE) != 0 && errno != EEXIST)
    return -errno;
  next = openat(*dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (next < 0)
    return -errno;
  close(*dir);
  *dir = next;
  return 0;
}

static bool is_name(const char *s) {
  return *s != '\0' && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

/* The folder that the last part of `path` belongs into; *name points to that part. */
static int open_parent(int folder, char *path, int *dir, const char **name) {
  char *at = path;
  char *slash;
  int rc = 0;

  *dir = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*dir < 0)
    return -errno;
  while (rc == 0 && (slash = strchr(at, '/')) != NULL) {
    *slash = '\0';
    rc = is_name(at) ? descend(dir, at) : -EINVAL;
    *slash = '/';
    at = slash + 1;
  }
  *name = at;
  if (rc == 0 && !is_name(at))
    rc = -EINVAL;
  if (rc != 0)
    close(*dir);
  return rc;
}

/* --- one file --- */

struct exporting {
  struct fs *fs;
  int64_t id;
  int folder;
  struct buf *written;
  bool found;
};

static int export_as(const struct exporting *e, const struct journal_file *row,
                     const struct root *root, int dir, const char *name) {
  struct writing *w = writing_of_row(e->fs, e->id);
  size_t depth;
  int rc;

  if (w == NULL)
    return staging_export(e->fs->staging, root != NULL ? root->store : NULL, row, dir, name);
  depth = staged_depth(w->staged);
  rc = staged_export(w->staged, dir, name);
  if (rc == 0) {
    rc = writing_give_up(e->fs, w, depth);
    if (rc != 0)
      unlinkat(dir, name, 0);
  }
  writing_give_back(e->fs, w);
  return rc;
}

/* Tries NAME, NAME.1, NAME.2, ... */
static int export_below(const struct exporting *e, const struct journal_file *row,
                        const struct root *root, char *path) {
  const char *name = path;
  int dir = -1;
  int rc = open_parent(e->folder, path, &dir, &name);

  if (rc != 0)
    return rc;
  rc = -EEXIST;
  for (int i = 0; rc == -EEXIST && i < NAMES_MAX; i++) {
    char *numbered = i == 0 ? strdup(name) : text_printf("%s.%d", name, i);

    rc = numbered != NULL ? export_as(e, row, root, dir, numbered) : -ENOMEM;
    if (rc == 0)
      buf_printf(e->written, "%.*s%s", (int)(name - path), path, numbered);
    free(numbered);
  }
  close(dir);
  return rc;
}

static int export_row(void *arg, struct journal_file *row) {
  struct exporting *e = arg;
  const struct root *root = fs_root_of(e->fs, row->domain);
  const char *place = root != NULL ? root->path : "not-mounted";
  char *path;
  int rc;

  if (row->id != e->id || row->key[0] == '\0' || staging_is_over(e->fs->staging, row->id))
    return 0;
  e->found = true;
  path = text_printf("%s%s%s", place, *place != '\0' ? "/" : "", row->key);
  rc = path != NULL ? export_below(e, row, root, path) : -ENOMEM;
  free(path);
  return rc;
}

int fs_export(struct fs *fs, int64_t id, int folder, struct buf *written) {
  struct exporting e = {.fs = fs, .id = id, .folder = folder, .written = written};
  int rc = fs->state != NULL ? journal_each_file(fs->state, export_row, &e) : 0;

  return rc == 0 && !e.found ? -ENOENT : rc;
}
