/* INI reader: a loop over lines; state is the current section and the last
 * entry with an empty value (the parent of indented ones). */
#include "s3apfs/base/ini.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/file.h"
#include "s3apfs/base/text.h"

struct ini {
  unsigned flags;
  ini_fn fn;
  void *arg;
  char *section;
  char *parent;
  unsigned line;
};

static int ini_emit(struct ini *p, const char *parent, const char *name, const char *value) {
  struct ini_entry e = {p->section != NULL ? p->section : "", parent, name, value, p->line};

  return p->fn(p->arg, &e);
}

static int set_string(char **at, const char *s) {
  char *copy = NULL;

  if (s != NULL && (copy = strdup(s)) == NULL)
    return -ENOMEM;
  free(*at);
  *at = copy;
  return 0;
}

static void cut_comment(const struct ini *p, char *s) {
  if ((p->flags & INI_INLINE_COMMENTS) == 0)
    return;
  for (char *at = s; *at != '\0'; at++) {
    if ((*at == '#' || *at == ';') && at > s && (at[-1] == ' ' || at[-1] == '\t')) {
      *at = '\0';
      return;
    }
  }
}

static int ini_section(struct ini *p, char *text) {
  char *end = strchr(text, ']');
  char *rest;

  if (end == NULL)
    return -EINVAL;
  rest = text_trim(end + 1);
  if (*rest != '\0' && *rest != '#' && *rest != ';')
    return -EINVAL;
  *end = '\0';
  if (set_string(&p->section, text_trim(text + 1)) != 0 || set_string(&p->parent, NULL) != 0)
    return -ENOMEM;
  return ini_emit(p, NULL, NULL, NULL);
}

static int ini_assignment(struct ini *p, char *text, bool indented) {
  char *eq = strchr(text, '=');
  char *name;
  char *value;

  if (eq == NULL)
    return -EINVAL;
  *eq = '\0';
  cut_comment(p, eq + 1);
  name = text_trim(text);
  value = text_trim(eq + 1);
  if (*name == '\0')
    return -EINVAL;
  if (indented && p->parent != NULL && (p->flags & INI_NESTED) != 0)
    return ini_emit(p, p->parent, name, value);
  if (set_string(&p->parent, *value == '\0' ? name : NULL) != 0)
    return -ENOMEM;
  return ini_emit(p, NULL, name, value);
}

static int ini_line(struct ini *p, char *line) {
  bool indented = *line == ' ' || *line == '\t';
  char *text = text_trim(line);

  if (*text == '\0' || *text == '#' || *text == ';')
    return 0;
  return *text == '[' ? ini_section(p, text) : ini_assignment(p, text, indented);
}

/* Callback values pass through; only our own -EINVAL is a syntax error, which
 * is why callbacks see each line before `bad_line` is written. */
static int ini_run(struct ini *p, char *text, size_t len, unsigned *bad_line) {
  char *end = text + len;
  int rc = 0;

  for (char *at = text; rc == 0 && at < end;) {
    char *nl = memchr(at, '\n', (size_t)(end - at));
    char *stop = nl != NULL ? nl : end;

    *stop = '\0';
    p->line++;
    rc = strlen(at) == (size_t)(stop - at) ? ini_line(p, at) : -EINVAL;
    at = stop + 1;
  }
  if (rc == -EINVAL && bad_line != NULL)
    *bad_line = p->line;
  return rc;
}

int ini_parse(const char *text, size_t len, unsigned flags, ini_fn fn, void *arg,
              unsigned *bad_line) {
  struct ini p = {.flags = flags, .fn = fn, .arg = arg};
  char *copy = text_dup_n(text, len);
  int rc;

  if (copy == NULL)
    return -ENOMEM;
  if (bad_line != NULL)
    *bad_line = 0;
  rc = ini_run(&p, copy, len, bad_line);
  explicit_bzero(copy, len);
  free(copy);
  free(p.section);
  free(p.parent);
  return rc;
}

int ini_parse_file(const char *path, unsigned flags, ini_fn fn, void *arg, unsigned *bad_line) {
  struct buf text;
  int rc;

  buf_init(&text, INI_MAX_FILE);
  rc = file_read(path, &text);
  if (rc == 0)
    rc = ini_parse(buf_cstr(&text), text.len, flags, fn, arg, bad_line);
  buf_wipe(&text);
  return rc;
}
