/* A bounded list of records, each kept as its JSON text. When it is full the
 * older half goes. */
#include "requests.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/base/text.h"

/* A test of 2,000 files with attributes and ranges stays below. */
#define RECORDS_MAX 50000

struct requests {
  struct {
    struct mtx lock;
    char **items;
    size_t count;
  } synced;
};

int requests_new(struct requests **out) {
  struct requests *r = calloc(1, sizeof(*r));
  if (!r)
    return -ENOMEM;
  r->synced.items = calloc(RECORDS_MAX, sizeof(*r->synced.items));
  if (!r->synced.items) {
    free(r);
    return -ENOMEM;
  }
  mtx_init(&r->synced.lock, RANK_EMULATOR);
  *out = r;
  return 0;
}

static void forget_locked(struct requests *r, size_t count) {
  for (size_t i = 0; i < count; i++)
    free(r->synced.items[i]);
  r->synced.count -= count;
  memmove(r->synced.items, r->synced.items + count, r->synced.count * sizeof(char *));
}

void requests_free(struct requests *r) {
  if (!r)
    return;
  forget_locked(r, r->synced.count);
  mtx_fini(&r->synced.lock);
  free(r->synced.items);
  free(r);
}

static void put(cJSON *o, const char *name, const char *value) {
  if (value && *value)
    cJSON_AddStringToObject(o, name, value);
}

static uint64_t reply_length(const struct reply *r) {
  return r->fd >= 0 ? r->length : r->body.len;
}

static cJSON *describe(const struct exchange *x) {
  cJSON *o = cJSON_CreateObject();
  if (!o)
    return NULL;
  char time[25];
  text_iso8601_ms(x->now_ms, time);
  put(o, "time", time);
  put(o, "id", x->request_id);
  put(o, "operation", x->operation);
  put(o, "method", x->request.method);
  put(o, "host", x->request.host);
  put(o, "path", x->request.path);
  put(o, "bucket", x->to.bucket);
  put(o, "key", x->to.key);
  put(o, "named", x->to.named);
  put(o, "access_point", x->to.access_point_arn);
  put(o, "caller", x->caller.key.arn);
  put(o, "access_key_id", x->caller.key.access_key_id);
  put(o, "endpoint", x->listener->endpoint_id);
  put(o, "range", exchange_header(x, "Range"));
  put(o, "if_match", exchange_header(x, "If-Match"));
  put(o, "request_payer", exchange_header(x, "x-amz-request-payer"));
  put(o, "expected_bucket_owner", exchange_header(x, "x-amz-expected-bucket-owner"));
  put(o, "prefix", exchange_query(x, "prefix"));
  put(o, "delimiter", exchange_query(x, "delimiter"));
  put(o, "target", exchange_query(x, "target"));
  put(o, "target_type", exchange_query(x, "targetType"));
  put(o, "privilege", exchange_query(x, "privilege"));
  put(o, "user_agent", exchange_header(x, "User-Agent"));
  put(o, "error", x->reply.error_code);
  cJSON_AddNumberToObject(o, "status", x->reply.status);
  cJSON_AddNumberToObject(o, "bytes", (double)reply_length(&x->reply));
  cJSON_AddNumberToObject(o, "received", (double)x->received);
  return o;
}

void requests_add(struct requests *r, const struct exchange *x) {
  cJSON *o = describe(x);
  char *text = o ? cJSON_PrintUnformatted(o) : NULL;
  cJSON_Delete(o);
  if (!text)
    return;
  mtx_lock(&r->synced.lock);
  if (r->synced.count == RECORDS_MAX)
    forget_locked(r, RECORDS_MAX / 2);
  r->synced.items[r->synced.count++] = text;
  mtx_unlock(&r->synced.lock);
}

int requests_print(struct requests *r, struct buf *out) {
  mtx_lock(&r->synced.lock);
  buf_putc(out, '[');
  for (size_t i = 0; i < r->synced.count; i++) {
    buf_puts(out, i ? ",\n" : "");
    buf_puts(out, r->synced.items[i]);
  }
  buf_putc(out, ']');
  mtx_unlock(&r->synced.lock);
  return buf_error(out);
}

void requests_clear(struct requests *r) {
  mtx_lock(&r->synced.lock);
  forget_locked(r, r->synced.count);
  mtx_unlock(&r->synced.lock);
}
