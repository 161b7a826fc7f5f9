/* The script of faults. One lock around a short list; picking copies the effect
 * out, so that nothing is held while a request is delayed or distorted. */
#include "faults.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/base/text.h"

struct fault {
  char *operation;
  char *method;
  char *bucket;
  char *key; /* glob */
  int64_t skip;
  int64_t count; /* -1: without end */
  int64_t hits;
  struct fault_effect effect;
  struct fault *next;
};

struct faults {
  struct {
    struct mtx lock;
    struct fault *list;
    int64_t latency_ms;
    uint64_t bandwidth;
  } synced;
};

static const char *const kind_names[] = {
    [FAULT_NONE] = "none",       [FAULT_ERROR] = "error",     [FAULT_DROP] = "drop",
    [FAULT_LONGER] = "longer",   [FAULT_SHORTER] = "shorter", [FAULT_HANG] = "hang",
    [FAULT_GARBAGE] = "garbage", [FAULT_SLOW] = "slow",
};
#define KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

void fault_effect_init(struct fault_effect *e) {
  memset(e, 0, sizeof(*e));
  kvlist_init(&e->headers);
}

void fault_effect_fini(struct fault_effect *e) {
  free(e->code);
  free(e->message);
  kvlist_fini(&e->headers);
  fault_effect_init(e);
}

static int effect_copy(struct fault_effect *dst, const struct fault_effect *src) {
  struct fault_effect e = *src;
  kvlist_init(&e.headers);
  e.code = strdup(src->code ? src->code : "");
  e.message = strdup(src->message ? src->message : "");
  int err = e.code && e.message ? kvlist_copy(&e.headers, &src->headers) : -ENOMEM;
  if (err) {
    fault_effect_fini(&e);
    return err;
  }
  *dst = e;
  return 0;
}

static void fault_free(struct fault *f) {
  free(f->operation);
  free(f->method);
  free(f->bucket);
  free(f->key);
  fault_effect_fini(&f->effect);
  free(f);
}

static void list_free(struct fault *list) {
  while (list) {
    struct fault *next = list->next;
    fault_free(list);
    list = next;
  }
}

int faults_new(struct faults **out) {
  struct faults *f = calloc(1, sizeof(*f));
  if (!f)
    return -ENOMEM;
  mtx_init(&f->synced.lock, RANK_EMULATOR);
  *out = f;
  return 0;
}

void faults_free(struct faults *f) {
  if (!f)
    return;
  list_free(f->synced.list);
  mtx_fini(&f->synced.lock);
  free(f);
}

/* --- from JSON --- */

static int take_text(const cJSON *item, char **out, struct buf *why) {
  if (!cJSON_IsString(item)) {
    buf_printf(why, "\"%s\" must be text", item->string);
    return -EINVAL;
  }
  free(*out);
  *out = strdup(item->valuestring);
  return *out ? 0 : -ENOMEM;
}

static int take_number(const cJSON *item, int64_t *out, struct buf *why) {
  if (!cJSON_IsNumber(item) || item->valuedouble < -1 || item->valuedouble > 9e15) {
    buf_printf(why, "\"%s\" must be a number", item->string);
    return -EINVAL;
  }
  *out = (int64_t)item->valuedouble;
  return 0;
}

static int take_kind(const cJSON *item, enum fault_kind *out, struct buf *why) {
  for (size_t i = 0; cJSON_IsString(item) && i < KINDS; i++)
    if (strcmp(item->valuestring, kind_names[i]) == 0) {
      *out = (enum fault_kind)i;
      return 0;
    }
  buf_puts(why, "unknown \"effect\"");
  return -EINVAL;
}

static int take_headers(const cJSON *item, struct kvlist *out, struct buf *why) {
  const cJSON *h;
  cJSON_ArrayForEach(h, item) {
    if (!cJSON_IsString(h) && !cJSON_IsNull(h)) {
      buf_puts(why, "values in \"headers\" must be text or null");
      return -EINVAL;
    }
    int err = kvlist_add(out, h->string, cJSON_IsString(h) ? h->valuestring : "");
    if (err)
      return err;
  }
  return 0;
}

static int take_member(struct fault *f, const cJSON *item, struct buf *why) {
  const char *n = item->string;
  int64_t number = 0;
  int err = 0;
  if (strcmp(n, "operation") == 0)
    return take_text(item, &f->operation, why);
  if (strcmp(n, "method") == 0)
    return take_text(item, &f->method, why);
  if (strcmp(n, "bucket") == 0)
    return take_text(item, &f->bucket, why);
  if (strcmp(n, "key") == 0)
    return take_text(item, &f->key, why);
  if (strcmp(n, "code") == 0)
    return take_text(item, &f->effect.code, why);
  if (strcmp(n, "message") == 0)
    return take_text(item, &f->effect.message, why);
  if (strcmp(n, "skip") == 0)
    return take_number(item, &f->skip, why);
  if (strcmp(n, "count") == 0)
    return take_number(item, &f->count, why);
  if (strcmp(n, "ms") == 0)
    return take_number(item, &f->effect.ms, why);
  if (strcmp(n, "effect") == 0)
    return take_kind(item, &f->effect.kind, why);
  if (strcmp(n, "headers") == 0)
    return take_headers(item, &f->effect.headers, why);
  if (strcmp(n, "status") == 0) {
    err = take_number(item, &number, why);
    f->effect.status = (int)number;
    return err;
  }
  if (strcmp(n, "bytes") == 0) {
    err = take_number(item, &number, why);
    f->effect.bytes = number > 0 ? (uint64_t)number : 0;
    return err;
  }
  if (strcmp(n, "after") == 0) {
    f->effect.after = cJSON_IsTrue(item);
    f->effect.before = cJSON_IsFalse(item);
    return 0;
  }
  buf_printf(why, "unknown member \"%s\"", n);
  return -EINVAL;
}

static int parse_one(const cJSON *item, struct fault **out, struct buf *why) {
  if (!cJSON_IsObject(item) || !cJSON_GetObjectItemCaseSensitive(item, "effect")) {
    buf_puts(why, "a fault is an object with an \"effect\"");
    return -EINVAL;
  }
  struct fault *f = calloc(1, sizeof(*f));
  if (!f)
    return -ENOMEM;
  fault_effect_init(&f->effect);
  f->effect.status = 503;
  f->count = -1;
  int err = 0;
  const cJSON *member;
  cJSON_ArrayForEach(member, item) {
    err = take_member(f, member, why);
    if (err)
      break;
  }
  if (!err && (f->effect.status < 200 || f->effect.status > 599)) {
    buf_puts(why, "\"status\" must be 200..599");
    err = -EINVAL;
  }
  if (err) {
    fault_free(f);
    return err;
  }
  *out = f;
  return 0;
}

static int parse_all(const cJSON *root, struct fault **out, struct buf *why) {
  struct fault *list = NULL, **tail = &list;
  int count = cJSON_IsArray(root) ? cJSON_GetArraySize(root) : 1;
  for (int i = 0; i < count; i++) {
    const cJSON *item = cJSON_IsArray(root) ? cJSON_GetArrayItem(root, i) : root;
    int err = parse_one(item, tail, why);
    if (err) {
      list_free(list);
      return err;
    }
    tail = &(*tail)->next;
  }
  *out = list;
  return 0;
}

int faults_add(struct faults *f, const char *json, size_t len, struct buf *why) {
  cJSON *root = cJSON_ParseWithLengthOpts(json, len + 1, NULL, true);
  if (!root) {
    buf_puts(why, "not JSON");
    return -EINVAL;
  }
  struct fault *list = NULL;
  int err = parse_all(root, &list, why);
  cJSON_Delete(root);
  if (err)
    return err;
  mtx_lock(&f->synced.lock);
  struct fault **tail = &f->synced.list;
  while (*tail)
    tail = &(*tail)->next;
  *tail = list;
  mtx_unlock(&f->synced.lock);
  return 0;
}

void faults_clear(struct faults *f) {
  mtx_lock(&f->synced.lock);
  struct fault *list = f->synced.list;
  f->synced.list = NULL;
  mtx_unlock(&f->synced.lock);
  list_free(list);
}

static void print_text(struct buf *out, const char *name, const char *value) {
  if (!value)
    return;
  cJSON *text = cJSON_CreateString(value);
  char *quoted = text ? cJSON_PrintUnformatted(text) : NULL;
  if (quoted)
    buf_printf(out, "\"%s\":%s,", name, quoted);
  cJSON_free(quoted);
  cJSON_Delete(text);
}

int faults_print(struct faults *f, struct buf *out) {
  mtx_lock(&f->synced.lock);
  buf_putc(out, '[');
  for (const struct fault *i = f->synced.list; i; i = i->next) {
    buf_putc(out, '{');
    print_text(out, "operation", i->operation);
    print_text(out, "method", i->method);
    print_text(out, "bucket", i->bucket);
    print_text(out, "key", i->key);
    buf_printf(out, "\"effect\":\"%s\",\"skip\":%lld,\"count\":%lld,\"hits\":%lld}%s",
               kind_names[i->effect.kind], (long long)i->skip, (long long)i->count,
               (long long)i->hits, i->next ? "," : "");
  }
  buf_putc(out, ']');
  mtx_unlock(&f->synced.lock);
  return buf_error(out);
}

/* --- picking --- */

static bool text_matches(const char *pattern, const char *value) {
  return !pattern || (value && text_glob_match(pattern, value));
}

static bool fault_matches(const struct fault *f, const struct fault_subject *s) {
  return text_matches(f->operation, s->operation) && text_matches(f->method, s->method) &&
         text_matches(f->bucket, s->bucket) && text_matches(f->key, s->key);
}

static int pick_locked(struct faults *f, const struct fault_subject *s, struct fault_effect *out) {
  for (struct fault *i = f->synced.list; i; i = i->next) {
    if (i->count == 0 || !fault_matches(i, s))
      continue;
    if (i->skip > 0) {
      i->skip--;
      continue;
    }
    if (i->count > 0)
      i->count--;
    i->hits++;
    return effect_copy(out, &i->effect);
  }
  return 0;
}

int faults_pick(struct faults *f, const struct fault_subject *s, struct fault_effect *out) {
  fault_effect_init(out);
  mtx_lock(&f->synced.lock);
  int err = pick_locked(f, s, out);
  out->ms += f->synced.latency_ms;
  mtx_unlock(&f->synced.lock);
  return err;
}

void faults_set_latency(struct faults *f, int64_t ms) {
  mtx_lock(&f->synced.lock);
  f->synced.latency_ms = ms;
  mtx_unlock(&f->synced.lock);
}

void faults_set_bandwidth(struct faults *f, uint64_t bytes_per_s) {
  mtx_lock(&f->synced.lock);
  f->synced.bandwidth = bytes_per_s;
  mtx_unlock(&f->synced.lock);
}

uint64_t faults_bandwidth(struct faults *f) {
  mtx_lock(&f->synced.lock);
  uint64_t v = f->synced.bandwidth;
  mtx_unlock(&f->synced.lock);
  return v;
}
