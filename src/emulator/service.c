/* The stages of an exchange, in one connection's thread. */
#include "service.h"

#include <string.h>
#include <time.h>

#include "authenticate.h"
#include "control.h"
#include "instance.h"
#include "operations.h"
#include "requests.h"
#include "route.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"
#include "sso.h"
#include "trails.h"

/* Control-plane documents and forms: policies are 20 KB at most. */
#define CONTROL_BODY_MAX ((size_t)1 << 20)
#define PAUSE_STEP_MS 50

void service_pause(const struct emulator *e, int64_t ms) {
  int64_t end = clock_mono_ms(&clock_system) + ms;
  for (;;) {
    int64_t left = end - clock_mono_ms(&clock_system);
    if (left <= 0 || atomic_load(&e->stopping))
      return;
    if (left > PAUSE_STEP_MS)
      left = PAUSE_STEP_MS;
    struct timespec t = {.tv_sec = left / 1000, .tv_nsec = (left % 1000) * 1000000};
    nanosleep(&t, NULL);
  }
}

/* --- control planes --- */

/* The form's or query's Version tells STS and IAM apart. */
static enum control_plane plane_of(const struct exchange *x, const char *body) {
  const char *version = exchange_query(x, "Version");
  if (x->to.service == SERVICE_S3CONTROL)
    return CONTROL_S3;
  if (version ? strcmp(version, "2010-05-08") == 0 : strstr(body, "Version=2010-05-08") != NULL)
    return CONTROL_IAM;
  return CONTROL_STS;
}

static int fill_control(struct exchange *x, struct control_request *q, struct buf *path) {
  const char *body;
  size_t len;
  int err = exchange_load_body(x, CONTROL_BODY_MAX, &body, &len);
  if (err)
    return err;
  if (text_uri_decode(path, x->request.path, strlen(x->request.path), false) ||
      strlen(buf_cstr(path)) != path->len)
    return reply_error(x, 400, "InvalidURI", "Couldn't parse the specified URI.");
  *q = (struct control_request){
      .plane = plane_of(x, body),
      .method = x->request.method,
      .path = buf_cstr(path),
      .query = &x->request.query,
      .headers = &x->request.headers,
      .body = body,
      .body_len = len,
      .account = x->to.account && *x->to.account ? x->to.account : NULL,
      .region = x->caller.region && *x->caller.region ? x->caller.region : x->emulator->region,
      .access_key_id = x->caller.anonymous ? NULL : x->caller.key.access_key_id,
      .endpoint_id = x->listener->endpoint_id,
      .source_ip = x->peer,
      .secure = x->tls,
      .user_agent = exchange_header(x, "User-Agent"),
      .request_id = x->request_id,
  };
  return 0;
}

static void run_control(struct exchange *x, const struct control_request *q) {
  struct control_reply r;
  control_reply_init(&r);
  control_handle(x->emulator->world, q, &r);
  reply_status(x, r.status);
  if (r.content_type)
    reply_header(x, "Content-Type", r.content_type);
  buf_append(&x->reply.body, buf_cstr(&r.body), r.body.len);
  if (r.error_code)
    x->reply.error_code = strdup(r.error_code);
  control_reply_fini(&r);
}

/* --- stages --- */

static int begin_fault(struct exchange *x) {
  struct fault_subject s = {.operation = x->operation,
                            .method = x->request.method,
                            .bucket = x->to.bucket,
                            .key = x->to.key};
  if (faults_pick(x->emulator->faults, &s, &x->fault))
    return reply_error(x, 500, "InternalError", "Out of memory.");
  service_pause(x->emulator, x->fault.ms);
  return 0;
}

static int answer_fault(struct exchange *x) {
  const char *code = x->fault.code && *x->fault.code ? x->fault.code : "ServiceUnavailable";
  const char *message =
      x->fault.message && *x->fault.message ? x->fault.message : "Please reduce your request rate.";
  return reply_error_with(x, x->fault.status, code, message, NULL);
}

static bool faulty(const struct exchange *x, bool after) {
  return x->fault.kind == FAULT_ERROR && x->fault.after == after;
}

/* It gets no answer, and nothing is done. */
static bool unheard(const struct exchange *x) {
  return (x->fault.kind == FAULT_DROP || x->fault.kind == FAULT_HANG) && x->fault.before;
}

/* A fault takes the place of what the service would do. */
static bool stopped(struct exchange *x) {
  return begin_fault(x) || unheard(x) || (faulty(x, false) && answer_fault(x));
}

static void run_s3(struct exchange *x) {
  const struct operation *op = operation_select(x);
  x->operation = op ? op->name : "Unknown";
  if (stopped(x) || authenticate(x))
    return;
  operation_run(op, x);
}

static void run_plane(struct exchange *x) {
  struct control_request q;
  struct buf path;
  buf_init(&path, 0);
  bool stop = fill_control(x, &q, &path) != 0;
  if (!stop) {
    x->operation = control_operation_name(&q);
    stop = stopped(x) || authenticate(x);
  }
  buf_reset(&path);
  if (!stop && fill_control(x, &q, &path) == 0)
    run_control(x, &q);
  buf_fini(&path);
}

/* What has an address of its own and no signatures. */
static void run_local(struct exchange *x) {
  if (stopped(x))
    return;
  if (sso_operation(x))
    sso_run(x);
  else
    instance_run(x);
}

static void finish(struct exchange *x) {
  if (faulty(x, true))
    answer_fault(x);
  if (x->reply.status == 0)
    reply_error(x, 500, "InternalError", "We encountered an internal error. Please try again.");
  char date[30];
  text_http_date(x->now_ms / 1000, date);
  reply_header(x, "Date", date);
  reply_header(x, "Server", "AmazonS3");
  reply_header(x, "x-amz-request-id", x->request_id);
  reply_header(x, "x-amz-id-2", x->host_id);
  log_debug("%s %s %s -> %d %s", x->operation, x->request.method, x->request.path, x->reply.status,
            x->reply.error_code ? x->reply.error_code : "");
}

void service_run(struct exchange *x) {
  const char *local = instance_operation(x);
  if (!local)
    local = sso_operation(x);
  if (local) {
    x->operation = local;
    run_local(x);
    finish(x);
    requests_add(x->emulator->requests, x);
    return;
  }
  if (route_request(x) == 0) {
    if (x->to.service == SERVICE_S3)
      run_s3(x);
    else
      run_plane(x);
  }
  finish(x);
  requests_add(x->emulator->requests, x);
  trails_add(x->emulator->trails, x);
}
