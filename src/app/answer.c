/* Answers on the control socket, as JSON. */
#include "answer.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exporting.h"
#include "login.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "s3apfs/s3/store.h"
#include "tree.h"
#include "vend.h"

void answer_init(struct answer *a, struct app *app, struct fs *fs, const char *source,
                 const char *dir) {
  *a = (struct answer){.app = app,
                       .fs = fs,
                       .source = source,
                       .dir = dir,
                       .started_ms = clock_mono_ms(&clock_system)};
  syncing_init(&a->syncing, fs);
}

void answer_fini(struct answer *a) {
  syncing_fini(&a->syncing);
}

static void add_buf(cJSON *o, const char *name, struct buf *b) {
  if (b->len > 0)
    cJSON_AddStringToObject(o, name, buf_cstr(b));
  buf_reset(b);
}

static void add_optional(cJSON *o, const char *name, const char *value) {
  if (value != NULL)
    cJSON_AddStringToObject(o, name, value);
}

static void add_expiry(cJSON *o, int64_t expiration) {
  char text[21];

  if (expiration == 0)
    return;
  text_iso8601(expiration, text);
  cJSON_AddStringToObject(o, "credentials_expire", text);
}

static int64_t keys_expiration(struct key_source *source) {
  struct keys *k;
  int64_t expiration;

  if (key_source_get(source, &k, NULL) != 0)
    return 0;
  expiration = k->expiration;
  keys_unref(k);
  return expiration;
}

/* Of offline=lenient alone: nobody else is told of outages. */
static void add_outage(cJSON *o, struct source *s) {
  int err = outage_err(&s->outage);
  cJSON *out;

  if (!s->dir->settings.lenient)
    return;
  out = cJSON_AddObjectToObject(o, "offline");
  cJSON_AddBoolToObject(out, "now", err != 0);
  if (err != 0)
    cJSON_AddStringToObject(out, "because", strerror(-err));
  cJSON_AddNumberToObject(out, "times", (double)atomic_load(&s->outage.count));
  cJSON_AddNumberToObject(out, "answers", (double)atomic_load(&s->outage.stood_in));
}

static cJSON *directory(struct source *s) {
  const struct settings *set = &s->dir->settings;
  cJSON *o = cJSON_CreateObject();
  struct buf b;

  buf_init(&b, 65536);
  cJSON_AddStringToObject(o, "path", s->dir->path);
  cJSON_AddStringToObject(o, "source", s->dir->source);
  cJSON_AddStringToObject(o, "kind", target_kind_name(s->dir->target.kind));
  if (s->tree == NULL) {
    s3_store_endpoint(s->store, &b);
    add_buf(o, "endpoint", &b);
    s3_store_region(s->store, &b);
    add_buf(o, "region", &b);
  } else {
    tree_describe(s->tree, &b);
    add_buf(o, "grants", &b);
  }
  identity_learn(s->identity, set);
  identity_describe(s->identity, &b);
  add_buf(o, "identity", &b);
  if (s->granted != NULL) {
    cJSON_AddStringToObject(o, "permission", scope_permission_name(set->permission));
    grants_source_describe(s->granted, &b);
    add_buf(o, "grant", &b);
    add_expiry(o, grants_source_expiration(s->granted));
  } else {
    add_expiry(o, keys_expiration(identity_keys(s->identity)));
  }
  add_outage(o, s);
  add_optional(o, "note", s->note);
  add_optional(o, "problem", s->problem);
  buf_fini(&b);
  return o;
}

static void add_requests(struct answer *a, cJSON *doc) {
  cJSON *o = cJSON_AddObjectToObject(doc, "requests");
  struct http_stats st;

  http_engine_stats(a->app->engine, &st);
  cJSON_AddNumberToObject(o, "count", (double)st.requests);
  cJSON_AddNumberToObject(o, "connections", (double)st.connections);
  cJSON_AddNumberToObject(o, "bytes_in", (double)st.bytes_in);
  cJSON_AddNumberToObject(o, "bytes_out", (double)st.bytes_out);
}

static void add_memory(struct answer *a, cJSON *doc) {
  cJSON *o = cJSON_AddObjectToObject(doc, "memory");
  struct fs_stats st;

  fs_stats(a->fs, &st);
  cJSON_AddNumberToObject(o, "used", (double)st.memory_used);
  cJSON_AddNumberToObject(o, "limit", (double)st.memory_limit);
  cJSON_AddNumberToObject(doc, "inodes", (double)st.inodes);
  cJSON_AddNumberToObject(doc, "open_files", (double)st.open_files);
  cJSON_AddNumberToObject(doc, "hidden_keys", (double)st.hidden_keys);
}

static int add_file(void *arg, const struct fs_pending_item *item) {
  cJSON *o = cJSON_CreateObject();
  struct buf path;

  buf_init(&path, 65536);
  buf_printf(&path, "%s%s%s", item->root, *item->root != '\0' ? "/" : "", item->key);
  cJSON_AddStringToObject(o, "path", buf_cstr(&path));
  buf_fini(&path);
  if (item->id != 0)
    cJSON_AddNumberToObject(o, "id", (double)item->id);
  if (item->err == -ENODEV)
    cJSON_AddStringToObject(o, "error", "its source is not mounted here");
  else if (item->err != 0)
    cJSON_AddStringToObject(o, "error", strerror(-item->err));
  cJSON_AddItemToArray(arg, o);
  return 0;
}

static void add_pending(struct answer *a, cJSON *doc) {
  cJSON *list = cJSON_AddArrayToObject(doc, "pending");

  if (fs_pending(a->fs, add_file, list) != 0)
    cJSON_AddStringToObject(doc, "pending_error", "the journal cannot be read");
  cJSON_AddNumberToObject(doc, "pending_uploads", cJSON_GetArraySize(list));
}

static void add_tier(struct answer *a, cJSON *cache) {
  struct tier_stats st;
  cJSON *o;

  if (a->app->tiering == NULL)
    return;
  o = cJSON_AddObjectToObject(cache, "tier");
  tier_stats(tiering_tier(a->app->tiering), &st);
  cJSON_AddStringToObject(o, "source", tiering_source(a->app->tiering));
  cJSON_AddBoolToObject(o, "ready", tiering_is_ready(a->app->tiering));
  cJSON_AddNumberToObject(o, "hits", (double)st.hits);
  cJSON_AddNumberToObject(o, "hit_bytes", (double)st.hit_bytes);
  cJSON_AddNumberToObject(o, "misses", (double)st.misses);
  cJSON_AddNumberToObject(o, "failures", (double)st.failures);
  cJSON_AddNumberToObject(o, "bad_parts", (double)st.bad_parts);
  cJSON_AddNumberToObject(o, "filled", (double)st.filled);
  cJSON_AddNumberToObject(o, "filled_bytes", (double)st.filled_bytes);
  cJSON_AddNumberToObject(o, "skipped_bytes", (double)st.skipped_bytes);
  cJSON_AddBoolToObject(o, "reading_paused", st.reading_paused);
  cJSON_AddBoolToObject(o, "writing_paused", st.writing_paused);
}

static void add_cache(struct answer *a, cJSON *doc) {
  cJSON *o = cJSON_AddObjectToObject(doc, "cache");
  struct disk_stats st;
  struct fs_stats fs;

  add_tier(a, o);
  if (a->app->disk == NULL)
    return;
  disk_stats(a->app->disk, &st);
  cJSON_AddStringToObject(o, "dir", disk_dir(a->app->disk));
  cJSON_AddNumberToObject(o, "limit", (double)st.limit);
  cJSON_AddNumberToObject(o, "used", (double)st.used);
  cJSON_AddNumberToObject(o, "hit_bytes", (double)st.hit_bytes);
  cJSON_AddNumberToObject(o, "filled_bytes", (double)st.filled_bytes);
  cJSON_AddNumberToObject(o, "skipped_bytes", (double)st.skipped_bytes);
  cJSON_AddNumberToObject(o, "bad_blocks", (double)st.bad_blocks);
  cJSON_AddNumberToObject(o, "evicted", (double)st.evicted_files);
  fs_stats(a->fs, &fs);
  cJSON_AddNumberToObject(o, "passthrough_opens", (double)fs.backed_opens);
  cJSON_AddBoolToObject(o, "failing", st.failing);
}

static bool any_writable(struct app *app) {
  const struct source *s;
  bool writable = false;

  for (size_t i = 0; (s = app_source_at(app, i)) != NULL; i++)
    writable = writable || (!atomic_load(&s->retired) && settings_writable(&s->dir->settings));
  return writable;
}

void answer_begin(cJSON *doc, const char *dir, const char *source, int64_t started_ms) {
  cJSON_AddStringToObject(doc, "mount", dir);
  cJSON_AddStringToObject(doc, "source", source);
  cJSON_AddStringToObject(doc, "version", S3APFS_VERSION);
  cJSON_AddNumberToObject(doc, "pid", getpid());
  cJSON_AddNumberToObject(doc, "uptime_s",
                          (double)(clock_mono_ms(&clock_system) - started_ms) / 1000.0);
}

void answer_pid(cJSON *doc, int64_t umount_timeout_ms) {
  cJSON_AddNumberToObject(doc, "pid", getpid());
  cJSON_AddNumberToObject(doc, "umount_timeout_ms", (double)umount_timeout_ms);
}

cJSON *answer_status(struct answer *a) {
  cJSON *doc = cJSON_CreateObject();
  struct source *s;
  cJSON *dirs;

  answer_begin(doc, a->dir, a->source, a->started_ms);
  cJSON_AddBoolToObject(doc, "read_only", !any_writable(a->app));
  if (*a->app->read_only_because != '\0')
    cJSON_AddStringToObject(doc, "read_only_because", a->app->read_only_because);
  dirs = cJSON_AddArrayToObject(doc, "directories");
  for (size_t i = 0; (s = app_source_at(a->app, i)) != NULL; i++)
    if (!atomic_load(&s->retired))
      cJSON_AddItemToArray(dirs, directory(s));
  add_requests(a, doc);
  add_memory(a, doc);
  add_cache(a, doc);
  add_pending(a, doc);
  return doc;
}

/* Whoever asks comes back until it does not go on and nothing is left but failures. */
cJSON *answer_sync(struct answer *a) {
  cJSON *doc = cJSON_CreateObject();

  cJSON_AddBoolToObject(doc, "goes_on", syncing_goes_on(&a->syncing));
  add_pending(a, doc);
  return doc;
}

static cJSON *explain(struct answer *a, const char *encoded) {
  cJSON *doc = cJSON_CreateObject();
  const struct source *s;
  struct buf path;
  struct buf line;
  int rc;

  buf_init(&line, 65536);
  for (size_t i = 0; (s = app_source_at(a->app, i)) != NULL; i++)
    if (!atomic_load(&s->retired))
      identity_learn(s->identity, &s->dir->settings);
  buf_init(&path, 65536);
  rc = text_uri_decode(&path, encoded, strlen(encoded), false);
  if (rc == 0)
    rc = fs_explain(a->fs, buf_cstr(&path), &line);
  buf_fini(&path);
  if (rc == 0)
    cJSON_AddStringToObject(doc, "explain", buf_cstr(&line));
  else
    cJSON_AddStringToObject(doc, "error", strerror(-rc));
  buf_fini(&line);
  return doc;
}

static cJSON *answer(struct answer *a, const char *request) {
  cJSON *doc;

  if (strcmp(request, "status") == 0)
    return answer_status(a);
  if (strcmp(request, "sync") == 0)
    return answer_sync(a);
  if (strcmp(request, "login") == 0)
    return login_list(a->app);
  if (text_has_prefix(request, "login "))
    return login_renew(a->app, request + strlen("login "));
  if (strcmp(request, "reload") == 0)
    return reload_answer(a->reload);
  if (text_has_prefix(request, "explain "))
    return explain(a, request + strlen("explain "));
  if (text_has_prefix(request, EXPORT_REQUEST))
    return exporting_answer(a->fs, request + strlen(EXPORT_REQUEST), NULL);
  doc = cJSON_CreateObject();
  if (strcmp(request, "pid") == 0)
    answer_pid(doc, a->umount_timeout_ms);
  else
    cJSON_AddStringToObject(doc, "error", "unknown request");
  return doc;
}

/* The one answer with secrets in it, which the socket gives to the mount's own user
 * and root only. request: "READ path", the path percent-encoded. */
static cJSON *credentials(struct answer *a, const char *request) {
  size_t n = strcspn(request, " ");
  char *name = text_dup_n(request, n);
  enum scope_permission permission;
  struct keys *keys;
  struct buf path;
  struct buf why;
  cJSON *doc;
  int rc = name == NULL ? -ENOMEM : scope_permission_parse(name, &permission);

  buf_init(&path, 65536);
  buf_init(&why, 65536);
  if (rc == 0)
    rc = text_uri_decode(&path, request + n + (request[n] == ' '),
                         strlen(request + n + (request[n] == ' ')), false);
  if (rc == 0)
    rc = vend_keys(a->app, buf_cstr(&path), permission, &keys, &why);
  if (rc == 0) {
    doc = vend_document(keys);
    keys_unref(keys);
  } else {
    doc = cJSON_CreateObject();
    cJSON_AddStringToObject(doc, "error", why.len > 0 ? buf_cstr(&why) : strerror(-rc));
    cJSON_AddBoolToObject(doc, "denied", rc == -EACCES);
  }
  buf_fini(&path);
  buf_fini(&why);
  free(name);
  return doc;
}

#define CREDENTIALS "credentials "

void answer_request(void *arg, const char *request, struct buf *reply) {
  bool secret = text_has_prefix(request, CREDENTIALS);
  cJSON *doc = secret ? credentials(arg, request + strlen(CREDENTIALS)) : answer(arg, request);
  char *text = doc != NULL ? cJSON_PrintUnformatted(doc) : NULL;

  if (text != NULL) {
    if (!secret)
      log_redact(text);
    buf_puts(reply, text);
    explicit_bzero(text, strlen(text));
    cJSON_free(text);
  }
  cJSON_Delete(doc);
}
