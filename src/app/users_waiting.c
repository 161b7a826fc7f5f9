/* The states of users who are not served: opened for a moment, read, and left as they are. */
#include "users_waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journaling.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/state/journal.h"

#define PLACE "%s user "

char *users_waiting_place(const char *dir, uid_t uid) {
  return text_printf(PLACE "%u", dir, (unsigned)uid);
}

/* --- one of them --- */

struct telling {
  uid_t uid;
  const char *because;
  cJSON *pending; /* NULL: they are counted only */
  size_t count;
};

static void tell(struct telling *t, const char *domain, const char *key) {
  cJSON *o;
  char *path;

  t->count++;
  if (t->pending == NULL)
    return;
  o = cJSON_CreateObject();
  path = text_printf("%s/%s", domain, key);
  cJSON_AddStringToObject(o, "path", path != NULL ? path : key);
  cJSON_AddNumberToObject(o, "user", t->uid);
  cJSON_AddStringToObject(o, "error", t->because);
  cJSON_AddBoolToObject(o, "served", false);
  cJSON_AddItemToArray(t->pending, o);
  free(path);
}

static int tell_file(void *arg, struct journal_file *f) {
  if (f->key[0] != '\0')
    tell(arg, f->domain, f->key);
  return 0;
}

static int tell_change(void *arg, struct journal_change *c) {
  tell(arg, c->domain, c->key);
  return 0;
}

static int read_state(const char *base, const char *dir, struct telling *t, struct buf *why) {
  char *place = users_waiting_place(dir, t->uid);
  struct state *s;
  int rc = place != NULL ? state_open(base, place, why, &s) : -ENOMEM;

  free(place);
  if (rc != 0)
    return rc;
  rc = journal_each_file(s, tell_file, t);
  if (rc == 0)
    rc = journal_each_change(s, tell_change, t);
  state_close(s);
  return rc;
}

void users_waiting_tell(const struct config *c, const char *dir, uid_t uid, const char *because,
                        cJSON *pending) {
  struct telling t = {.uid = uid, .because = because, .pending = pending};
  char *base = journaling_dir(c);
  struct buf why;

  if (base == NULL)
    return;
  buf_init(&why, 65536);
  if (read_state(base, dir, &t, &why) != 0)
    log_warn("what waits for user %u cannot be read: %s", (unsigned)uid, buf_cstr(&why));
  buf_fini(&why);
  free(base);
}

/* --- those without a section --- */

struct finding {
  const struct config *c;
  const char *base;
  const char *dir;
  const struct user_map *map;
  struct users_gone *out;
};

static void note(struct finding *f, uid_t uid) {
  uid_t *grown = realloc(f->out->uids, (f->out->count + 1) * sizeof(*grown));

  if (grown == NULL)
    return;
  f->out->uids = grown;
  grown[f->out->count++] = uid;
}

static int found(void *arg, unsigned long n) {
  struct finding *f = arg;
  struct telling t = {.uid = (uid_t)n};
  struct buf why;

  for (size_t i = 0; i < f->map->count; i++)
    if (f->map->items[i].uid == t.uid)
      return 0;
  buf_init(&why, 65536);
  if (read_state(f->base, f->dir, &t, &why) != 0)
    log_warn("user %u has no section in %s, and what may wait for that user cannot be read: %s",
             (unsigned)t.uid, f->c->settings.per_user, buf_cstr(&why));
  else if (t.count > 0)
    log_warn("user %u has no section in %s: %zu change%s of an earlier mount wait%s in the state "
             "directory until there is one again",
             (unsigned)t.uid, f->c->settings.per_user, t.count, t.count == 1 ? "" : "s",
             t.count == 1 ? "s" : "");
  if (t.count > 0)
    note(f, t.uid);
  buf_fini(&why);
  return 0;
}

void users_waiting_find(const struct config *c, const char *dir, const struct user_map *map,
                        struct users_gone *out) {
  char *base = journaling_dir(c);
  char *name = text_printf(PLACE, dir);
  struct finding f = {.c = c, .base = base, .dir = dir, .map = map, .out = out};
  int rc = base != NULL && name != NULL ? state_find(base, name, found, &f) : 0;

  if (rc != 0)
    log_debug("%s cannot be searched: %s", base, strerror(-rc));
  free(name);
  free(base);
}

void users_waiting_fini(struct users_gone *g) {
  free(g->uids);
  *g = (struct users_gone){0};
}
