/* The admin endpoint. Runs in the connection's thread like any request. */
#include "admin.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "requests.h"
#include "s3apfs/base/text.h"

#define PREFIX "/_emulator/"
#define BODY_MAX ((size_t)1 << 20)

static void refuse(struct exchange *x, int status, const char *why) {
  struct buf *out = reply_json(x, status);
  cJSON *text = cJSON_CreateString(why);
  char *quoted = text ? cJSON_PrintUnformatted(text) : NULL;
  buf_printf(out, "{\"error\":%s}\n", quoted ? quoted : "\"\"");
  cJSON_free(quoted);
  cJSON_Delete(text);
}

static void faults(struct exchange *x, const char *body, size_t len) {
  struct faults *f = x->emulator->faults;
  const char *m = x->request.method;
  struct buf why;
  buf_init(&why, 0);
  if (strcmp(m, "POST") == 0 && faults_add(f, body, len, &why))
    refuse(x, 400, buf_cstr(&why));
  else if (strcmp(m, "DELETE") == 0)
    faults_clear(f);
  if (!x->reply.status)
    faults_print(f, reply_json(x, 200));
  buf_fini(&why);
}

static void requests(struct exchange *x) {
  if (strcmp(x->request.method, "DELETE") == 0)
    requests_clear(x->emulator->requests);
  requests_print(x->emulator->requests, reply_json(x, 200));
}

static bool number(const cJSON *root, const char *name, double *out) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, name);
  if (!cJSON_IsNumber(item))
    return false;
  *out = item->valuedouble;
  return true;
}

/* What a person would do in a browser with the code of a device. */
static void sign_on(struct exchange *x, const cJSON *root) {
  const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "user-code"));
  const char *user = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "user"));
  if (!code || world_sso_decide(x->emulator->world, code, user ? user : ""))
    refuse(x, 400, "there is no such code or user");
  else
    buf_puts(reply_json(x, 200), "{}\n");
}

static void clock_shift(struct exchange *x, const cJSON *root) {
  double ms;
  if (!number(root, "shift-ms", &ms)) {
    refuse(x, 400, "\"shift-ms\" must be a number");
    return;
  }
  atomic_store(&x->emulator->clock.shift_ms, (long long)ms);
  buf_printf(reply_json(x, 200), "{\"shift-ms\":%lld}\n", (long long)ms);
}

static void pace(struct exchange *x, const cJSON *root) {
  double v;
  if (number(root, "latency-ms", &v) && v >= 0)
    faults_set_latency(x->emulator->faults, (int64_t)v);
  if (number(root, "bandwidth", &v) && v >= 0)
    faults_set_bandwidth(x->emulator->faults, (uint64_t)v);
  buf_puts(reply_json(x, 200), "{}\n");
}

static void with_json(struct exchange *x, const char *body, size_t len,
                      void (*fn)(struct exchange *, const cJSON *)) {
  cJSON *root = cJSON_ParseWithLength(body, len);
  if (cJSON_IsObject(root))
    fn(x, root);
  else
    refuse(x, 400, "not a JSON object");
  cJSON_Delete(root);
}

/* With every secret that was configured or issued: tests look for them where none may be. */
static void world(struct exchange *x) {
  struct buf text;

  buf_init(&text, 0);
  if (world_config_print(x->emulator->world, &text) != 0)
    refuse(x, 500, "no memory");
  else
    buf_append(reply_json(x, 200), text.data, text.len);
  buf_fini(&text);
}

bool admin_handle(struct exchange *x) {
  const char *body, *what = x->request.path;
  size_t len;
  if (!text_has_prefix(what, PREFIX))
    return false;
  what += strlen(PREFIX);
  if (!x->peer || !text_has_prefix(x->peer, "127."))
    refuse(x, 403, "only from this machine");
  else if (exchange_load_body(x, BODY_MAX, &body, &len))
    return true;
  else if (strcmp(what, "faults") == 0)
    faults(x, body, len);
  else if (strcmp(what, "requests") == 0)
    requests(x);
  else if (strcmp(what, "world") == 0)
    world(x);
  else if (strcmp(what, "clock") == 0)
    with_json(x, body, len, clock_shift);
  else if (strcmp(what, "sign-on") == 0)
    with_json(x, body, len, sign_on);
  else if (strcmp(what, "pace") == 0)
    with_json(x, body, len, pace);
  else
    refuse(x, 404, "no such thing");
  return true;
}
