/* The shared files as a list of settings, and lookups from one profile's view.
 *
 * Section names: the config file has [default], [profile NAME], [sso-session
 * NAME], [services NAME], NAME quoted like in a shell when it holds blanks; the
 * credentials file has [NAME]. Other sections are somebody else's and skipped.
 * [profile default] hides [default]. A section that comes twice is one section;
 * of a setting that comes twice the last counts. Reading is done once, the
 * result is immutable; values may be secrets and are wiped. */
#include "s3apfs/cred/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3apfs/base/array.h"
#include "s3apfs/base/ini.h"
#include "s3apfs/base/text.h"
#include "words.h"

struct setting {
  enum aws_profile_file file;
  char *kind; /* "profile", "sso-session", "services"; "default": plain [default] in config */
  char *section;
  char *block; /* NULL unless nested */
  char *key;   /* NULL: the section line itself */
  char *value;
};

struct aws_profile {
  char *name;
  bool named;
  char *config_path;
  char *credentials_path;
  struct setting *settings;
  size_t count;
  size_t cap;
};

struct reader {
  struct aws_profile *profile;
  enum aws_profile_file file;
  char *kind; /* of the current section; NULL: skipped */
  char *section;
};

/* --- building ---------------------------------------------------------------------- */

static void setting_fini(struct setting *s) {
  if (s->value != NULL)
    explicit_bzero(s->value, strlen(s->value));
  free(s->value);
  free(s->key);
  free(s->block);
  free(s->section);
  free(s->kind);
}

static char *dup_lower(const char *s) {
  char *copy = strdup(s);

  for (char *c = copy; c != NULL && *c != '\0'; c++)
    *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
  return copy;
}

static int add_setting(struct reader *r, const struct ini_entry *e) {
  struct setting s = {.file = r->file, .kind = strdup(r->kind), .section = strdup(r->section)};
  bool whole = s.kind != NULL && s.section != NULL;

  if (e->parent != NULL)
    whole = (s.block = dup_lower(e->parent)) != NULL && whole;
  if (e->name != NULL) {
    whole = (s.key = dup_lower(e->name)) != NULL && whole;
    whole = (s.value = strdup(e->value)) != NULL && whole;
  }
  if (!whole ||
      array_room(&r->profile->settings, r->profile->count, &r->profile->cap, sizeof(s)) != 0) {
    setting_fini(&s);
    return -ENOMEM;
  }
  r->profile->settings[r->profile->count++] = s;
  return 0;
}

static int set_section(struct reader *r, const char *kind, const char *section) {
  free(r->kind);
  free(r->section);
  r->kind = kind != NULL ? strdup(kind) : NULL;
  r->section = section != NULL ? strdup(section) : NULL;
  if (kind != NULL && (r->kind == NULL || r->section == NULL))
    return -ENOMEM;
  return 0;
}

/* A name that cannot be split (an open quote) or has too many words is nobody's. */
static int enter_config_section(struct reader *r, const char *title) {
  static const char *const kinds[] = {"profile", "sso-session", "services"};
  struct words w;
  int rc = words_split(title, &w);

  if (rc == -ENOMEM)
    return rc;
  if (rc != 0)
    return set_section(r, NULL, NULL);
  rc = set_section(r, NULL, NULL);
  if (w.count == 1 && strcmp(w.items[0], "default") == 0)
    rc = set_section(r, "default", "default");
  for (size_t i = 0; w.count == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
    if (strcmp(w.items[0], kinds[i]) == 0)
      rc = set_section(r, kinds[i], w.items[1]);
  words_fini(&w);
  return rc;
}

static int on_entry(void *arg, const struct ini_entry *e) {
  struct reader *r = arg;
  int rc = 0;

  if (e->name == NULL)
    rc = r->file == AWS_PROFILE_CONFIG ? enter_config_section(r, e->section)
                                       : set_section(r, "profile", e->section);
  if (rc == 0 && r->kind != NULL)
    rc = add_setting(r, e);
  return rc;
}

static int read_one(struct aws_profile *p, enum aws_profile_file file, const char *path,
                    struct buf *why) {
  struct reader r = {.profile = p, .file = file};
  unsigned line = 0;
  int rc;

  if (path == NULL)
    return 0;
  rc = ini_parse_file(path, INI_INLINE_COMMENTS | INI_NESTED, on_entry, &r, &line);
  set_section(&r, NULL, NULL);
  if (rc == -ENOENT || rc == -ENOTDIR)
    return 0;
  if (rc == -EINVAL && line > 0)
    buf_printf(why, "%s:%u: neither a section nor `name = value`", path, line);
  else if (rc != 0)
    buf_printf(why, "cannot read %s: %s", path, strerror(-rc));
  return rc;
}

/* --- where and which ----------------------------------------------------------------- */

/* NULL when the variable is not set and there is no home directory. */
static int find_path(const struct cred_env *env, const char *variable, const char *usual,
                     char **out) {
  const char *given = cred_env_get(env, variable);
  const char *home = cred_env_get(env, "HOME");

  if (given != NULL && (given[0] != '~' || given[1] != '/' || home == NULL))
    *out = strdup(given);
  else if (home != NULL)
    *out = text_printf("%s%s", home, given != NULL ? given + 1 : usual);
  else
    return 0;
  return *out != NULL ? 0 : -ENOMEM;
}

static int choose_name(struct aws_profile *p, const struct cred_env *env, const char *name) {
  if (name == NULL)
    name = cred_env_get(env, "AWS_PROFILE");
  if (name == NULL)
    name = cred_env_get(env, "AWS_DEFAULT_PROFILE");
  p->named = name != NULL;
  p->name = strdup(name != NULL ? name : "default");
  return p->name != NULL ? 0 : -ENOMEM;
}

int aws_profile_load(const struct cred_env *env, const char *name, struct aws_profile **out,
                     struct buf *why) {
  struct aws_profile *p = calloc(1, sizeof(*p));
  int rc;

  if (p == NULL)
    return -ENOMEM;
  rc = choose_name(p, env, name);
  if (rc == 0)
    rc = find_path(env, "AWS_CONFIG_FILE", "/.aws/config", &p->config_path);
  if (rc == 0)
    rc = find_path(env, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", &p->credentials_path);
  if (rc == 0)
    rc = read_one(p, AWS_PROFILE_CONFIG, p->config_path, why);
  if (rc == 0)
    rc = read_one(p, AWS_PROFILE_CREDENTIALS, p->credentials_path, why);
  if (rc != 0) {
    aws_profile_free(p);
    return rc;
  }
  *out = p;
  return 0;
}

void aws_profile_free(struct aws_profile *p) {
  if (p == NULL)
    return;
  for (size_t i = 0; i < p->count; i++)
    setting_fini(&p->settings[i]);
  free(p->settings);
  free(p->config_path);
  free(p->credentials_path);
  free(p->name);
  free(p);
}

/* --- looking up ---------------------------------------------------------------------- */

const char *aws_profile_name(const struct aws_profile *p) {
  return p->name;
}

bool aws_profile_is_named(const struct aws_profile *p) {
  return p->named;
}

const char *aws_profile_config_path(const struct aws_profile *p) {
  return p->config_path != NULL ? p->config_path : "";
}

const char *aws_profile_credentials_path(const struct aws_profile *p) {
  return p->credentials_path != NULL ? p->credentials_path : "";
}

static bool same(const char *a, const char *b) {
  return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static const struct setting *find(const struct aws_profile *p, enum aws_profile_file file,
                                  const char *kind, const char *section, const char *block,
                                  const char *key) {
  for (size_t i = p->count; i-- > 0;) {
    const struct setting *s = &p->settings[i];

    if (s->file == file && strcmp(s->kind, kind) == 0 && strcmp(s->section, section) == 0 &&
        same(s->block, block) && same(s->key, key))
      return s;
  }
  return NULL;
}

static const char *kind_in_config(const struct aws_profile *p) {
  if (strcmp(p->name, "default") != 0 ||
      find(p, AWS_PROFILE_CONFIG, "profile", "default", NULL, NULL) != NULL)
    return "profile";
  return "default";
}

static const char *get(const struct aws_profile *p, enum aws_profile_file file, const char *block,
                       const char *key) {
  const struct setting *s = NULL;

  if (file != AWS_PROFILE_CONFIG)
    s = find(p, AWS_PROFILE_CREDENTIALS, "profile", p->name, block, key);
  if (s == NULL && file != AWS_PROFILE_CREDENTIALS)
    s = find(p, AWS_PROFILE_CONFIG, kind_in_config(p), p->name, block, key);
  return s != NULL && *s->value != '\0' ? s->value : NULL;
}

bool aws_profile_exists(const struct aws_profile *p) {
  return find(p, AWS_PROFILE_CREDENTIALS, "profile", p->name, NULL, NULL) != NULL ||
         find(p, AWS_PROFILE_CONFIG, kind_in_config(p), p->name, NULL, NULL) != NULL;
}

const char *aws_profile_get(const struct aws_profile *p, const char *key) {
  return get(p, AWS_PROFILE_EITHER, NULL, key);
}

const char *aws_profile_get_from(const struct aws_profile *p, enum aws_profile_file file,
                                 const char *key) {
  return get(p, file, NULL, key);
}

const char *aws_profile_get_nested(const struct aws_profile *p, const char *block,
                                   const char *key) {
  return get(p, AWS_PROFILE_EITHER, block, key);
}

bool aws_profile_has_section(const struct aws_profile *p, const char *kind, const char *name) {
  return find(p, AWS_PROFILE_CONFIG, kind, name, NULL, NULL) != NULL;
}

const char *aws_profile_section_get(const struct aws_profile *p, const char *kind, const char *name,
                                    const char *block, const char *key) {
  const struct setting *s = find(p, AWS_PROFILE_CONFIG, kind, name, block, key);

  return s != NULL && *s->value != '\0' ? s->value : NULL;
}
