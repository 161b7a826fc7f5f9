/* Configuration loading.
 *
 * The file is read in one pass into [mount] settings and raw [dir] sections;
 * command-line options come next; each directory then starts as a copy of the
 * mount's settings with its own laid over. So a [dir] may stand before [mount]. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/ini.h"
#include "s3apfs/base/kv.h"
#include "s3apfs/base/text.h"

struct raw_dir {
  char *path;
  unsigned line;
  struct kvlist entries;
  unsigned *lines; /* of each entry */
};

struct loader {
  const char *file;
  struct config *config;
  struct raw_dir *dirs;
  size_t count;
  bool in_mount;
  bool mount_seen;
  struct kvlist mount_names; /* to refuse duplicates */
  struct buf *why;
};

int config_fail_at(const char *file, unsigned line, const char *what, struct buf *why) {
  struct buf text;

  buf_init(&text, 0);
  buf_printf(&text, "%s:%u: %s", file, line, what);
  buf_reset(why);
  buf_puts(why, buf_cstr(&text));
  buf_fini(&text);
  return -ECANCELED;
}

static int fail_at(struct loader *l, unsigned line, const char *what) {
  return config_fail_at(l->file, line, what, l->why);
}

static int fail_at_why(struct loader *l, unsigned line) {
  struct buf what;
  int rc;

  buf_init(&what, 0);
  buf_puts(&what, buf_cstr(l->why));
  rc = fail_at(l, line, buf_cstr(&what));
  buf_fini(&what);
  return rc;
}

static bool dir_path_ok(const char *p) {
  if (*p == '\0' || *p == '/' || text_has_suffix(p, "/") || strstr(p, "//") != NULL)
    return false;
  while (p != NULL) {
    const char *end = strchrnul(p, '/');
    size_t n = (size_t)(end - p);

    if (n > 255 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
      return false;
    p = *end == '/' ? end + 1 : NULL;
  }
  return true;
}

static bool is_inside(const char *path, const char *dir) {
  size_t n = strlen(dir);

  return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static int begin_dir(struct loader *l, const char *path, unsigned line) {
  struct raw_dir *dirs;
  struct raw_dir *d;

  if (!dir_path_ok(path) || !text_is_utf8(path, strlen(path)))
    return fail_at(l, line, "[dir NAME] needs a relative name without . and ..");
  for (size_t i = 0; i < l->count; i++) {
    if (strcmp(l->dirs[i].path, path) == 0)
      return fail_at(l, line, "this directory has a section already");
    if (is_inside(path, l->dirs[i].path) || is_inside(l->dirs[i].path, path))
      return fail_at(l, line, "a directory cannot stand inside another one");
  }
  dirs = realloc(l->dirs, (l->count + 1) * sizeof(*dirs));
  if (dirs == NULL)
    return -ENOMEM;
  l->dirs = dirs;
  d = &dirs[l->count];
  memset(d, 0, sizeof(*d));
  kvlist_init(&d->entries);
  d->line = line;
  d->path = strdup(path);
  if (d->path == NULL)
    return -ENOMEM;
  l->count++;
  return 0;
}

static int on_section(struct loader *l, const struct ini_entry *e) {
  const char *name = e->section;

  if (strcmp(name, "mount") == 0) {
    if (l->mount_seen)
      return fail_at(l, e->line, "there is a [mount] section already");
    l->in_mount = l->mount_seen = true;
    return 0;
  }
  l->in_mount = false;
  if (text_has_prefix(name, "dir ")) {
    name += 4;
    name += strspn(name, " \t");
    return begin_dir(l, name, e->line);
  }
  return fail_at(l, e->line, "unknown section; [mount] and [dir NAME] are known");
}

static int on_mount_entry(struct loader *l, const struct ini_entry *e) {
  int rc;

  if (kvlist_get(&l->mount_names, e->name) != NULL)
    return fail_at(l, e->line, "this option is set twice");
  if (kvlist_add(&l->mount_names, e->name, "") != 0)
    return -ENOMEM;
  rc = settings_set(&l->config->settings, e->name, e->value, false, l->why);
  return rc == -EINVAL ? fail_at_why(l, e->line) : rc;
}

static int on_dir_entry(struct loader *l, const struct ini_entry *e) {
  struct raw_dir *d = &l->dirs[l->count - 1];
  unsigned *lines = realloc(d->lines, (d->entries.count + 1) * sizeof(*lines));

  if (lines == NULL)
    return -ENOMEM;
  d->lines = lines;
  lines[d->entries.count] = e->line;
  if (kvlist_get(&d->entries, e->name) != NULL)
    return fail_at(l, e->line, "this option is set twice");
  return kvlist_add(&d->entries, e->name, e->value);
}

static int on_entry(void *arg, const struct ini_entry *e) {
  struct loader *l = arg;

  if (e->name == NULL)
    return on_section(l, e);
  if (l->in_mount)
    return on_mount_entry(l, e);
  if (l->count == 0)
    return fail_at(l, e->line, "an option stands before the first section");
  return on_dir_entry(l, e);
}

static int read_file(struct loader *l) {
  unsigned bad_line = 0;
  int rc = ini_parse_file(l->file, INI_INLINE_COMMENTS, on_entry, l, &bad_line);

  if (rc == -EINVAL) {
    fail_at(l, bad_line, "expected [section] or name = value");
    return -EINVAL;
  }
  if (rc == -ECANCELED)
    return -EINVAL;
  if (rc != 0 && rc != -ENOMEM)
    buf_printf(l->why, "%s: %s", l->file, strerror(-rc));
  if (rc == 0 && l->count == 0)
    buf_printf(l->why, "%s: no [dir NAME] section: nothing to mount", l->file);
  return rc == 0 && l->count == 0 ? -EINVAL : rc;
}

static int take_over(char **setting, const char *named) {
  if (named == NULL || *named == '\0')
    return 0;
  free(*setting);
  *setting = strdup(named);
  return *setting != NULL ? 0 : -ENOMEM;
}

/* grants:ACCOUNT:REGION says whose instance it is, and where. */
static int take_instance(struct config_dir *d) {
  int rc = take_over(&d->settings.account, d->target.account);

  return rc == 0 ? take_over(&d->settings.region, d->target.region) : rc;
}

static int dir_target(struct config_dir *d, struct buf *why) {
  int rc = target_parse(d->source, &d->target, why);

  if (rc != 0)
    return rc;
  if (d->settings.grants && d->target.kind != TARGET_BUCKET && d->target.kind != TARGET_GRANTS) {
    buf_printf(why, "access=grants goes with s3://BUCKET/PREFIX: grants name buckets, not %ss",
               target_kind_name(d->target.kind));
    target_fini(&d->target);
    memset(&d->target, 0, sizeof(d->target));
    return -EINVAL;
  }
  rc = settings_check_writing(&d->settings, &d->target, why);
  if (rc == 0 && d->settings.escape_odd && d->target.kind == TARGET_GRANTS) {
    buf_puts(why, "odd-keys=escape does not go with grants: give s3://BUCKET/PREFIX with "
                  "access=grants");
    rc = -EINVAL;
  }
  if (rc != 0) {
    target_fini(&d->target);
    memset(&d->target, 0, sizeof(d->target));
    return rc;
  }
  return d->target.kind == TARGET_GRANTS ? take_instance(d) : 0;
}

/* Source and settings of one [dir] section, over the mount's. */
static int resolve_dir(struct loader *l, const struct raw_dir *raw, struct config_dir *d) {
  int rc = settings_copy(&d->settings, &l->config->settings);

  for (size_t i = 0; rc == 0 && i < raw->entries.count; i++) {
    const struct kv *kv = &raw->entries.items[i];

    if (strcmp(kv->name, "source") == 0) {
      d->source = strdup(kv->value);
      rc = d->source == NULL ? -ENOMEM : 0;
      continue;
    }
    rc = settings_set(&d->settings, kv->name, kv->value, true, l->why);
    if (rc == -EINVAL)
      fail_at_why(l, raw->lines[i]);
  }
  if (rc != 0)
    return rc;
  if (d->source == NULL) {
    fail_at(l, raw->line, "this section has no source =");
    return -EINVAL;
  }
  rc = dir_target(d, l->why);
  if (rc == -EINVAL)
    fail_at_why(l, raw->line);
  return rc;
}

static int resolve_dirs(struct loader *l) {
  struct config *c = l->config;
  int rc = 0;

  c->dirs = calloc(l->count, sizeof(*c->dirs));
  if (c->dirs == NULL)
    return -ENOMEM;
  for (size_t i = 0; rc == 0 && i < l->count; i++) {
    struct config_dir *d = &c->dirs[i];

    c->count = i + 1;
    settings_init(&d->settings);
    d->line = l->dirs[i].line;
    d->path = strdup(l->dirs[i].path);
    rc = d->path == NULL ? -ENOMEM : resolve_dir(l, &l->dirs[i], d);
  }
  return rc;
}

static void loader_fini(struct loader *l) {
  for (size_t i = 0; i < l->count; i++) {
    free(l->dirs[i].path);
    free(l->dirs[i].lines);
    kvlist_fini(&l->dirs[i].entries);
  }
  free(l->dirs);
  kvlist_fini(&l->mount_names);
}

static int apply_options(struct config *c, const char *const *options, size_t count,
                         struct buf *why) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = settings_set_list(&c->settings, options[i], why);
  return rc;
}

static int load_file(struct config *c, const char *path, const char *const *options, size_t count,
                     struct buf *why) {
  struct loader l = {.file = path, .config = c, .why = why};
  int rc;

  kvlist_init(&l.mount_names);
  c->file = strdup(path);
  rc = c->file == NULL ? -ENOMEM : read_file(&l);
  if (rc == 0)
    rc = apply_options(c, options, count, why);
  if (rc == 0)
    rc = resolve_dirs(&l);
  loader_fini(&l);
  return rc;
}

static int load_source(struct config *c, const char *source, const char *const *options,
                       size_t count, struct buf *why) {
  struct config_dir *d;
  int rc = apply_options(c, options, count, why);

  if (rc != 0)
    return rc;
  c->dirs = calloc(1, sizeof(*c->dirs));
  if (c->dirs == NULL)
    return -ENOMEM;
  d = &c->dirs[0];
  settings_init(&d->settings);
  c->count = 1;
  d->path = strdup("");
  d->source = strdup(source);
  rc = d->path == NULL || d->source == NULL ? -ENOMEM : settings_copy(&d->settings, &c->settings);
  return rc == 0 ? dir_target(d, why) : rc;
}

/* What it takes to read the file again, from wherever the process is then. Links are
 * not followed now, as they may point elsewhere later. */
static int keep_origin(struct config *c, const char *source, const char *const *options,
                       size_t count) {
  char *here = *source != '/' ? get_current_dir_name() : NULL;

  c->path = here != NULL ? text_printf("%s/%s", here, source) : strdup(source);
  free(here);
  c->options = calloc(count + 1, sizeof(char *));
  if (c->path == NULL || c->options == NULL)
    return -ENOMEM;
  for (; c->option_count < count; c->option_count++) {
    c->options[c->option_count] = strdup(options[c->option_count]);
    if (c->options[c->option_count] == NULL)
      return -ENOMEM;
  }
  return 0;
}

int config_load(const char *source, const char *const *options, size_t option_count,
                struct config *out, struct buf *why) {
  struct config c = {0};
  struct stat st;
  bool is_file = stat(source, &st) == 0 && S_ISREG(st.st_mode);
  int rc;

  settings_init(&c.settings);
  if (!is_file && (*source == '/' || text_has_prefix(source, "./"))) {
    buf_printf(why, "%s: %s", source,
               stat(source, &st) == 0 ? "not a configuration file" : strerror(errno));
    rc = -EINVAL;
  } else if (is_file) {
    rc = keep_origin(&c, source, options, option_count);
    if (rc == 0)
      rc = load_file(&c, source, options, option_count, why);
  } else {
    rc = load_source(&c, source, options, option_count, why);
  }
  if (rc != 0) {
    config_fini(&c);
    return rc;
  }
  *out = c;
  return 0;
}

int config_load_again(const struct config *c, struct config *out, struct buf *why) {
  return config_load(c->path, (const char *const *)c->options, c->option_count, out, why);
}

void config_dir_fini(struct config_dir *d) {
  free(d->path);
  free(d->source);
  target_fini(&d->target);
  settings_fini(&d->settings);
  memset(d, 0, sizeof(*d));
}

int config_dir_copy(struct config_dir *d, const struct config_dir *from) {
  struct buf why;
  int rc;

  memset(d, 0, sizeof(*d));
  settings_init(&d->settings);
  d->line = from->line;
  d->path = strdup(from->path);
  d->source = strdup(from->source);
  rc = settings_copy(&d->settings, &from->settings);
  if (rc == 0 && (d->path == NULL || d->source == NULL))
    rc = -ENOMEM;
  buf_init(&why, 65536);
  if (rc == 0)
    rc = target_parse(d->source, &d->target, &why);
  buf_fini(&why);
  if (rc != 0)
    config_dir_fini(d);
  return rc;
}

int config_copy(struct config *dst, const struct config *src) {
  struct config c = {0};
  int rc = settings_copy(&c.settings, &src->settings);

  if (rc != 0)
    return rc;
  c.count = 0;
  c.dirs = calloc(src->count, sizeof(*c.dirs));
  c.file = src->file != NULL ? strdup(src->file) : NULL;
  if (c.dirs == NULL || (src->file != NULL && c.file == NULL))
    rc = -ENOMEM;
  for (size_t i = 0; rc == 0 && i < src->count; i++) {
    rc = config_dir_copy(&c.dirs[i], &src->dirs[i]);
    c.count = i + (rc == 0);
  }
  if (rc != 0)
    config_fini(&c);
  else
    *dst = c;
  return rc;
}

void config_fini(struct config *c) {
  for (size_t i = 0; i < c->count; i++)
    config_dir_fini(&c->dirs[i]);
  for (size_t i = 0; i < c->option_count; i++)
    free(c->options[i]);
  free(c->options);
  free(c->dirs);
  free(c->file);
  free(c->path);
  settings_fini(&c->settings);
  memset(c, 0, sizeof(*c));
}
