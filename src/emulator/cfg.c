/* Strict reading of a JSON configuration. Pure; one thread at a time per document. */
#include "cfg.h"

#include <errno.h>
#include <string.h>

#include "s3apfs/base/text.h"

struct cfg cfg_root(const cJSON *json, struct buf *why) {
  struct cfg at = {.json = json, .why = why};

  return at;
}

static void write_path(const struct cfg *at, struct buf *out) {
  if (at == NULL || at->up == NULL)
    return;
  write_path(at->up, out);
  if (at->name == NULL)
    buf_printf(out, "[%d]", at->index);
  else
    buf_printf(out, "%s%s", at->up->up != NULL ? "." : "", at->name);
}

int cfg_fail(const struct cfg *at, const char *fmt, ...) {
  va_list ap;

  if (at->why->len > 0)
    return -EINVAL;
  write_path(at, at->why);
  if (at->why->len > 0)
    buf_puts(at->why, ": ");
  va_start(ap, fmt);
  buf_vprintf(at->why, fmt, ap);
  va_end(ap);
  return -EINVAL;
}

static bool is_one_of(const char *name, const char *const *names) {
  for (; *names != NULL; names++) {
    if (strcmp(name, *names) == 0)
      return true;
  }
  return false;
}

static int no_repeats(const struct cfg *at) {
  for (const cJSON *a = at->json->child; a != NULL; a = a->next) {
    for (const cJSON *b = a->next; b != NULL; b = b->next) {
      if (strcmp(a->string, b->string) == 0)
        return cfg_fail(at, "\"%s\" is given twice", a->string);
    }
  }
  return 0;
}

int cfg_only(const struct cfg *at, const char *const *names) {
  if (!cJSON_IsObject(at->json))
    return cfg_fail(at, "an object is expected");
  for (const cJSON *m = at->json->child; m != NULL; m = m->next) {
    struct cfg member = {.json = m, .up = at, .name = m->string, .why = at->why};

    if (!is_one_of(m->string, names))
      return cfg_fail(&member, "unknown key");
  }
  return no_repeats(at);
}

struct cfg cfg_member(const struct cfg *at, const char *name) {
  struct cfg m = {.up = at, .name = name, .why = at->why};

  m.json = cJSON_GetObjectItemCaseSensitive(at->json, name);
  if (cJSON_IsNull(m.json))
    m.json = NULL;
  return m;
}

bool cfg_has(const struct cfg *at, const char *name) {
  return cfg_member(at, name).json != NULL;
}

int cfg_string(const struct cfg *at, const char *name, const char **out) {
  struct cfg m = cfg_member(at, name);

  if (m.json == NULL)
    return 0;
  if (!cJSON_IsString(m.json))
    return cfg_fail(&m, "a string is expected");
  *out = m.json->valuestring;
  return 0;
}

int cfg_need_string(const struct cfg *at, const char *name, const char **out) {
  const char *s = NULL;
  int rc = cfg_string(at, name, &s);

  if (rc != 0)
    return rc;
  if (s == NULL)
    return cfg_fail(at, "\"%s\" is missing", name);
  if (*s == '\0') {
    struct cfg m = cfg_member(at, name);

    return cfg_fail(&m, "must not be empty");
  }
  *out = s;
  return 0;
}

int cfg_bool(const struct cfg *at, const char *name, bool *out) {
  struct cfg m = cfg_member(at, name);

  if (m.json == NULL)
    return 0;
  if (!cJSON_IsBool(m.json))
    return cfg_fail(&m, "true or false is expected");
  *out = cJSON_IsTrue(m.json);
  return 0;
}

int cfg_int(const struct cfg *at, const char *name, int64_t min, int64_t max, int64_t *out) {
  struct cfg m = cfg_member(at, name);

  if (m.json == NULL)
    return 0;
  if (!cJSON_IsNumber(m.json) || m.json->valuedouble < (double)min ||
      m.json->valuedouble > (double)max ||
      (double)(int64_t)m.json->valuedouble != m.json->valuedouble)
    return cfg_fail(&m, "a whole number from %lld to %lld is expected", (long long)min,
                    (long long)max);
  *out = (int64_t)m.json->valuedouble;
  return 0;
}

int cfg_time(const struct cfg *at, const char *name, int64_t *out) {
  struct cfg m = cfg_member(at, name);
  const char *s = NULL;
  int rc = cfg_string(at, name, &s);

  if (rc != 0 || s == NULL)
    return rc;
  if (text_parse_iso8601(s, out) != 0)
    return cfg_fail(&m, "a time such as 2030-01-31T00:00:00Z is expected");
  return 0;
}

int cfg_each(const struct cfg *at, const char *name, cfg_fn fn, void *arg) {
  struct cfg list = cfg_member(at, name);
  int rc = 0;
  int i = 0;

  if (list.json == NULL)
    return 0;
  if (!cJSON_IsArray(list.json))
    return cfg_fail(&list, "an array is expected");
  for (const cJSON *e = list.json->child; rc == 0 && e != NULL; e = e->next) {
    struct cfg item = {.json = e, .up = &list, .index = i++, .why = at->why};

    rc = fn(&item, arg);
  }
  return rc;
}

int cfg_each_member(const struct cfg *at, const char *name, cfg_fn fn, void *arg) {
  struct cfg object = cfg_member(at, name);
  int rc = 0;

  if (object.json == NULL)
    return 0;
  if (!cJSON_IsObject(object.json))
    return cfg_fail(&object, "an object is expected");
  rc = no_repeats(&object);
  for (const cJSON *e = object.json->child; rc == 0 && e != NULL; e = e->next) {
    struct cfg item = {.json = e, .up = &object, .name = e->string, .why = at->why};

    rc = fn(&item, arg);
  }
  return rc;
}
