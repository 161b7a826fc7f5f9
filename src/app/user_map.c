/* Each section becomes a copy of the whole configuration in which nothing is left of the
 * mount's own identity but what the section's builds upon: a role is assumed with the
 * mount's keys, a profile stands for itself. */
#include "user_map.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3apfs/base/ini.h"
#include "s3apfs/base/text.h"

#define USERS_MAX 256
#define MEMORY_MIN ((uint64_t)32 << 20)

static const char *const allowed[] = {"profile",         "role-arn",
                                      "external-id",     "role-session-name",
                                      "source-identity", "web-identity-token-file",
                                      "region",          "credential-source"};

struct reading {
  const char *file;
  const struct config *base;
  struct user_map *map;
  bool has_profile; /* of the section being read */
  bool has_role;
  unsigned line; /* of that section */
  struct buf *why;
};

static int fail_at(struct reading *r, unsigned line, const char *what) {
  return config_fail_at(r->file, line, what, r->why);
}

static int parse_uid(const char *name, uid_t *uid, gid_t *gid) {
  char *end;
  unsigned long n = strtoul(name, &end, 10);
  bool number = *name >= '0' && *name <= '9' && *end == '\0';
  struct passwd pw;
  struct passwd *found = NULL;
  char text[16384];

  if (number && n >= UINT32_MAX)
    return -EINVAL;
  if (number)
    getpwuid_r((uid_t)n, &pw, text, sizeof(text), &found);
  else
    getpwnam_r(name, &pw, text, sizeof(text), &found);
  if (found == NULL && !number)
    return -ENOENT;
  *uid = found != NULL ? found->pw_uid : (uid_t)n;
  *gid = found != NULL ? found->pw_gid : (gid_t)n;
  return 0;
}

static void clear(char **member) {
  free(*member);
  *member = NULL;
}

static void clear_role(struct settings *s) {
  clear(&s->role_arn);
  clear(&s->external_id);
  clear(&s->role_session_name);
  clear(&s->source_identity);
  clear(&s->mfa_serial);
  clear(&s->web_identity_token_file);
}

/* Owner of what the mount gives no other owner. */
static void own(struct settings *s, uid_t uid, gid_t gid) {
  if (s->uid == getuid())
    s->uid = uid;
  if (s->gid == getgid())
    s->gid = gid;
}

static struct user_entry *current(struct reading *r) {
  return &r->map->items[r->map->count - 1];
}

static int end_section(struct reading *r) {
  if (r->map->count > 0 && !r->has_profile && !r->has_role)
    return fail_at(r, r->line, "this user has neither a profile nor a role-arn");
  return 0;
}

static int add_user(struct reading *r, const char *name, uid_t uid, gid_t gid) {
  struct user_entry *u = realloc(r->map->items, (r->map->count + 1) * sizeof(*r->map->items));
  int rc;

  if (u == NULL)
    return -ENOMEM;
  r->map->items = u;
  u += r->map->count;
  *u = (struct user_entry){.uid = uid, .name = strdup(name)};
  rc = u->name != NULL ? config_copy(&u->config, r->base) : -ENOMEM;
  if (rc != 0) {
    free(u->name);
    return rc;
  }
  r->map->count++;
  clear_role(&u->config.settings);
  own(&u->config.settings, uid, gid);
  for (size_t i = 0; i < u->config.count; i++) {
    clear_role(&u->config.dirs[i].settings);
    own(&u->config.dirs[i].settings, uid, gid);
  }
  return 0;
}

static int on_section(struct reading *r, const struct ini_entry *e) {
  const char *name = e->section;
  uid_t uid;
  gid_t gid;
  int rc = end_section(r);

  if (rc != 0)
    return rc;
  if (!text_has_prefix(name, "user "))
    return fail_at(r, e->line, "unknown section; [user NAME] is known");
  name += strlen("user ");
  name += strspn(name, " \t");
  rc = parse_uid(name, &uid, &gid);
  if (rc != 0)
    return fail_at(r, e->line, rc == -ENOENT ? "there is no such user" : "not a user's number");
  for (size_t i = 0; i < r->map->count; i++)
    if (r->map->items[i].uid == uid)
      return fail_at(r, e->line, "this user has a section already");
  if (r->map->count == USERS_MAX)
    return fail_at(r, e->line, "more than 256 users");
  r->has_profile = r->has_role = false;
  r->line = e->line;
  return add_user(r, name, uid, gid);
}

static bool is_allowed(const char *name) {
  for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
    if (strcmp(name, allowed[i]) == 0)
      return true;
  return false;
}

static int set_one(struct reading *r, struct settings *s, const struct ini_entry *e) {
  int rc = settings_set(s, e->name, e->value, true, r->why);
  struct buf what;

  if (rc == 0 && strcmp(e->name, "profile") == 0)
    clear(&s->credential_source);
  if (rc != -EINVAL)
    return rc;
  buf_init(&what, 0);
  buf_puts(&what, buf_cstr(r->why));
  rc = fail_at(r, e->line, buf_cstr(&what));
  buf_fini(&what);
  return rc;
}

static int on_entry(void *arg, const struct ini_entry *e) {
  struct reading *r = arg;
  struct config *c;
  int rc;

  if (e->name == NULL)
    return on_section(r, e);
  if (r->map->count == 0)
    return fail_at(r, e->line, "an option stands before the first section");
  if (!is_allowed(e->name))
    return fail_at(r, e->line, "only options of an identity can stand here");
  r->has_profile = r->has_profile || strcmp(e->name, "profile") == 0;
  r->has_role = r->has_role || strcmp(e->name, "role-arn") == 0;
  c = &current(r)->config;
  rc = set_one(r, &c->settings, e);
  for (size_t i = 0; rc == 0 && i < c->count; i++)
    rc = set_one(r, &c->dirs[i].settings, e);
  return rc;
}

/* Who can write there decides who is whom. */
static int check_file(const char *file, struct buf *why) {
  struct stat st;

  if (stat(file, &st) != 0) {
    int rc = -errno;

    buf_printf(why, "%s: %s", file, strerror(errno));
    return rc;
  }
  if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    buf_printf(why, "%s: only its owner, who is root or mounts, may be able to write to it", file);
    return -EINVAL;
  }
  return 0;
}

static int check_mount(const struct config *base, struct buf *why) {
  if (!base->settings.allow_other)
    buf_puts(why, "per-user needs allow_other, or no other user could enter");
  else if (base->settings.cache_tier != NULL)
    buf_puts(why, "cache-tier and per-user exclude each other");
  else
    return 0;
  return -EINVAL;
}

/* One memory and one bandwidth for all of them. */
static void share_equally(struct user_map *m) {
  for (size_t i = 0; i < m->count; i++) {
    uint64_t *memory = &m->items[i].config.settings.memory;

    *memory = *memory / m->count > MEMORY_MIN ? *memory / m->count : MEMORY_MIN;
    if (m->items[i].config.settings.bandwidth != 0)
      m->items[i].config.settings.bandwidth = m->items[i].config.settings.bandwidth / m->count + 1;
  }
}

int user_map_load(const struct config *base, struct user_map *out, struct buf *why) {
  struct user_map m = {0};
  struct reading r = {.file = base->settings.per_user, .base = base, .map = &m, .why = why};
  unsigned bad_line = 0;
  int rc = check_mount(base, why);

  if (rc == 0)
    rc = check_file(r.file, why);
  if (rc != 0)
    return rc;
  rc = ini_parse_file(r.file, INI_INLINE_COMMENTS, on_entry, &r, &bad_line);
  if (rc == -EINVAL)
    fail_at(&r, bad_line, "expected [user NAME] or name = value");
  if (rc == 0)
    rc = end_section(&r);
  if (rc == 0 && m.count == 0)
    rc = fail_at(&r, 1, "no [user NAME] section: nobody could be served");
  if (rc != 0) {
    user_map_fini(&m);
    return rc == -ECANCELED ? -EINVAL : rc;
  }
  share_equally(&m);
  *out = m;
  return 0;
}

void user_map_fini(struct user_map *m) {
  for (size_t i = 0; i < m->count; i++) {
    free(m->items[i].name);
    config_fini(&m->items[i].config);
  }
  free(m->items);
  *m = (struct user_map){0};
}
