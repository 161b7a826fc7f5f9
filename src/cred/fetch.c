/* A blocking request for providers.
 *
 * Credential endpoints are asked a few times a day, by addresses that have
 * nothing to do with S3's: neither the mount's connection options nor its pool
 * apply to them. So each request has an engine of its own, freed before it returns;
 * between renewals a provider keeps no thread and no connection. The reply is
 * collected on the engine's thread and handed over under the lock. */
#include "fetch.h"

#include <errno.h>

#include "s3apfs/base/clock.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/net/http.h"

struct fetching {
  struct buf *body; /* the engine's thread until `ended` */
  struct {
    struct mtx lock;
    struct cond changed;
    bool ended;
    int err;
    int status;
  } synced;
};

static int on_data(void *arg, const void *data, size_t len) {
  struct fetching *f = arg;

  buf_append(f->body, data, len);
  return buf_error(f->body);
}

static void on_done(void *arg, int err, const struct http_reply *r, const char *message) {
  struct fetching *f = arg;

  (void)message;
  mtx_lock(&f->synced.lock);
  f->synced.ended = true;
  f->synced.err = err;
  f->synced.status = r != NULL ? r->status : 0;
  cond_signal(&f->synced.changed);
  mtx_unlock(&f->synced.lock);
}

static int wait_ended(struct fetching *f, int *status) {
  int rc;

  mtx_lock(&f->synced.lock);
  while (!f->synced.ended)
    cond_wait(&f->synced.changed, &f->synced.lock);
  rc = f->synced.err;
  *status = f->synced.status;
  mtx_unlock(&f->synced.lock);
  return rc;
}

static int64_t time_for(const struct fetch_request *q) {
  int64_t left = q->until_mono_ms - clock_mono_ms(&clock_system);

  return q->until_mono_ms != 0 && left < q->timeout_ms ? left : q->timeout_ms;
}

int fetch(const struct fetch_request *q, int *status, struct buf *out) {
  int64_t timeout = time_for(q);
  struct fetching f = {.body = out};
  struct http_options o = {
      .threads = 1, .max_connections = 1, .ca_bundle = q->ca_bundle, .connect_timeout_ms = timeout};
  struct http_request get = {.method = q->method != NULL ? q->method : "GET",
                             .url = q->url,
                             .headers = q->headers,
                             .body = q->body,
                             .body_len = q->body_len,
                             .timeout_ms = timeout,
                             .on_data = on_data,
                             .on_done = on_done,
                             .arg = &f};
  struct http_engine *engine;
  int rc = timeout > 0 ? http_engine_new(&o, &engine) : -ETIMEDOUT;

  if (rc != 0)
    return rc;
  mtx_init(&f.synced.lock, RANK_CRED);
  cond_init(&f.synced.changed);
  rc = http_submit(engine, &get, NULL);
  if (rc == 0)
    rc = wait_ended(&f, status);
  http_engine_free(engine);
  cond_fini(&f.synced.changed);
  mtx_fini(&f.synced.lock);
  return rc;
}
