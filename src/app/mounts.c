/* Reads /proc/self/mountinfo (proc(5)): fields of interest are the mount point,
 * behind " - " the type, the source and the super options (user_id=N). Blanks in
 * paths are written as octal escapes. */
#include "mounts.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/base/text.h"

static void unescape(char *s) {
  char *to = s;

  for (; *s != '\0'; s++) {
    if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[3] >= '0') {
      *to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
      s += 3;
    } else {
      *to++ = *s;
    }
  }
  *to = '\0';
}

static uid_t owner_of(const char *super_options) {
  const char *at = strstr(super_options, "user_id=");

  return at != NULL ? (uid_t)strtoul(at + strlen("user_id="), NULL, 10) : 0;
}

static int add(struct mounts *m, char *dir, char *type, char *source, const char *super) {
  struct mount_entry *items = realloc(m->items, (m->count + 1) * sizeof(*items));
  struct mount_entry *e;

  if (items == NULL)
    return -ENOMEM;
  m->items = items;
  e = &items[m->count];
  unescape(dir);
  unescape(source);
  *e = (struct mount_entry){strdup(dir), strdup(source), strdup(type), owner_of(super)};
  m->count++;
  return e->dir != NULL && e->source != NULL && e->fstype != NULL ? 0 : -ENOMEM;
}

static int add_line(struct mounts *m, char *line) {
  char *tail = strstr(line, " - ");
  char *fields[5] = {NULL};
  char *save = NULL;
  char *type;
  char *source;
  char *super;

  if (tail == NULL)
    return 0;
  *tail = '\0';
  for (int i = 0; i < 5; i++)
    fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
  type = strtok_r(tail + 3, " ", &save);
  source = strtok_r(NULL, " ", &save);
  super = strtok_r(NULL, " \n", &save);
  if (fields[4] == NULL || type == NULL || source == NULL)
    return 0;
  return add(m, fields[4], type, source, super != NULL ? super : "");
}

int mounts_load(struct mounts *out) {
  struct mounts m = {0};
  FILE *f = fopen("/proc/self/mountinfo", "re");
  char *line = NULL;
  size_t size = 0;
  int rc = 0;

  if (f == NULL)
    return -errno;
  while (rc == 0 && getline(&line, &size, f) >= 0)
    rc = add_line(&m, line);
  free(line);
  fclose(f);
  if (rc != 0) {
    mounts_fini(&m);
    return rc;
  }
  *out = m;
  return 0;
}

void mounts_fini(struct mounts *m) {
  for (size_t i = 0; i < m->count; i++) {
    free(m->items[i].dir);
    free(m->items[i].source);
    free(m->items[i].fstype);
  }
  free(m->items);
}

bool mount_is_s3apfs(const struct mount_entry *e) {
  return strcmp(e->fstype, "fuse.s3apfs") == 0;
}

const struct mount_entry *mounts_at(const struct mounts *m, const char *dir) {
  for (size_t i = m->count; i-- > 0;)
    if (strcmp(m->items[i].dir, dir) == 0)
      return &m->items[i];
  return NULL;
}

static bool is_below(const char *path, const char *dir) {
  size_t n = strlen(dir);

  return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

const struct mount_entry *mounts_holding(const struct mounts *m, const char *path) {
  const struct mount_entry *best = NULL;

  for (size_t i = 0; i < m->count; i++) {
    const struct mount_entry *e = &m->items[i];

    if (mount_is_s3apfs(e) && is_below(path, e->dir) &&
        (best == NULL || strlen(e->dir) >= strlen(best->dir)))
      best = e;
  }
  return best;
}

/* By readlink(2), which does not ask the file system that may hang there. */
static bool is_link(const char *path) {
  char c;

  return readlink(path, &c, 1) >= 0;
}

static char *follow(char *path) {
  char *real = realpath(path, NULL);

  free(path);
  return real;
}

char *mount_point_path(const char *dir) {
  char *copy = strdup(dir);
  char *copy2 = strdup(dir);
  char *out = NULL;
  char *parent = copy != NULL ? realpath(dirname(copy), NULL) : NULL;

  if (parent != NULL && copy2 != NULL) {
    const char *base = basename(copy2);

    if (strcmp(base, ".") == 0 || strcmp(base, "..") == 0 || strcmp(base, "/") == 0)
      out = realpath(dir, NULL);
    else
      out = text_printf("%s/%s", strcmp(parent, "/") == 0 ? "" : parent, base);
  }
  free(parent);
  free(copy);
  free(copy2);
  return out != NULL && is_link(out) ? follow(out) : out;
}
