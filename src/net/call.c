/* Signed calls: the machine.
 *
 *   BUSY --submit--> WIRE --done--> BUSY --again--> PAUSE --timer--> BUSY ...
 *     `---------------------- end ---------------------> ENDED
 *
 * BUSY: exactly one thread owns the call and may touch its unlocked members:
 * the submitter for the first attempt, an event thread while it judges a reply,
 * a worker for the attempts that follow (keys may block, event threads may not).
 * WIRE: the engine's callbacks own it. PAUSE: nobody does; the timer or a cancel
 * takes it by moving it to BUSY under the lock. Cancelling marks the call and
 * pushes it out of WIRE or PAUSE; an owner looks at the mark before it submits.
 *
 * References: one for the machine until done() returned, one for each timer, and
 * one held by an attempt while it is being submitted. A timer may outlive its
 * call (a cancelled pause), so releasing a reference never touches the caller. */
#include "s3apfs/net/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/text.h"

#define COLLECT_MAX ((size_t)32 << 20)
#define ERROR_BODY_MAX ((size_t)256 << 10) /* AWS's are below 8 KiB; the rest is dropped */

static void call_attempt(struct call *call);

/* --- life ------------------------------------------------------------------------ */

static int copy_request(struct aws_request *dst, const struct aws_request *src) {
  int rc = aws_request_set(dst, src->method, src->scheme, src->host, src->path);

  if (rc == 0)
    rc = kvlist_copy(&dst->query, &src->query);
  if (rc == 0)
    rc = kvlist_copy(&dst->headers, &src->headers);
  return rc;
}

static int copy_text(char **at, const char *s) {
  *at = strdup(s != NULL ? s : "");
  return *at != NULL ? 0 : -ENOMEM;
}

static void call_free(struct call *call) {
  aws_request_fini(&call->request);
  free(call->signing_name);
  free(call->signing_region);
  keys_unref(call->keys);
  buf_wipe(&call->body);
  s3_error_fini(&call->error);
  mtx_fini(&call->synced.lock);
  free(call);
}

static void call_ref(struct call *call) {
  atomic_fetch_add(&call->refs, 1);
}

static void call_unref(struct call *call) {
  if (atomic_fetch_sub(&call->refs, 1) == 1) {
#ifndef __clang_analyzer__ /* it takes every release for the last one */
    call_free(call);
#endif
  }
}

static int call_new(struct caller *c, const struct call_request *q, struct call **out) {
  struct call *call = calloc(1, sizeof(*call));
  int rc;

  if (call == NULL)
    return -ENOMEM;
  call->caller = c;
  call->q = *q;
  atomic_init(&call->refs, 1);
  aws_request_init(&call->request);
  buf_init(&call->body, COLLECT_MAX);
  s3_error_init(&call->error);
  mtx_init(&call->synced.lock, RANK_CALL);
  call->synced.state = CALL_BUSY;
  rc = copy_request(&call->request, q->request);
  if (rc == 0)
    rc = copy_text(&call->signing_name, q->signing_name);
  if (rc == 0)
    rc = copy_text(&call->signing_region, q->signing_region);
  if (rc != 0) {
    call_free(call);
    return rc;
  }
  call->q.request = &call->request;
  *out = call;
  return 0;
}

/* The owner's last act. */
static void call_end(struct call *call, int err, const struct http_reply *reply) {
  mtx_lock(&call->synced.lock);
  call->synced.state = CALL_ENDED;
  mtx_unlock(&call->synced.lock);
  if (err == 0)
    call->q.done(call->q.arg, 0, reply, buf_cstr(&call->body), call->body.len, NULL);
  else
    call->q.done(call->q.arg, err, NULL, NULL, 0, &call->error);
  call_unref(call);
}

/* Returns err, for the caller to end with. */
static int set_failure(struct call *call, int err, const char *message) {
  s3_error_from_transport(&call->error, err, message);
  return err;
}

static void call_fail(struct call *call, int err, const char *message) {
  call_end(call, set_failure(call, err, message), NULL);
}

static bool is_cancelled(struct call *call) {
  bool cancelled;

  mtx_lock(&call->synced.lock);
  cancelled = call->synced.cancelled;
  mtx_unlock(&call->synced.lock);
  return cancelled;
}

static void call_fail_cancelled(struct call *call) {
  call_fail(call, -ECANCELED, "the call was cancelled");
}

/* --- between attempts ------------------------------------------------------------ */

static void resume_on_worker(void *arg) {
  call_attempt(arg);
}

static void on_pause_over(void *arg, bool engine_ends) {
  struct call *call = arg;
  bool ours;

  mtx_lock(&call->synced.lock);
  ours = call->synced.state == CALL_PAUSE;
  if (ours)
    call->synced.state = CALL_BUSY;
  mtx_unlock(&call->synced.lock);
  if (ours && (engine_ends || is_cancelled(call)))
    call_fail_cancelled(call);
  else if (ours && call_workers_submit(call->caller->workers, resume_on_worker, call) != 0)
    call_fail(call, -ENOMEM, "no thread for another attempt");
  call_unref(call);
}

/* The lock is held until the timer is armed, so that the state is PAUSE before
 * the timer can look. */
static void call_pause(struct call *call, int64_t delay_ms) {
  int rc = -ECANCELED;

  call_ref(call); /* the timer's */
  call_ref(call); /* ours */
  mtx_lock(&call->synced.lock);
  if (!call->synced.cancelled)
    rc = http_after(call->caller->engine, delay_ms, on_pause_over, call);
  if (rc == 0)
    call->synced.state = CALL_PAUSE;
  mtx_unlock(&call->synced.lock);
  if (rc != 0)
    call_unref(call);
  if (rc == -ECANCELED)
    call_fail_cancelled(call);
  else if (rc != 0)
    call_fail(call, rc, "no memory for another attempt");
  call_unref(call);
}

static void log_failure(const struct call *call, const struct call_judgement *j) {
  struct buf text;

  if (log_get_level() < LOG_LEVEL_DEBUG)
    return;
  buf_init(&text, 0);
  s3_error_describe(&call->error, &text);
  if (j->again)
    log_debug("%s %s%s: attempt %u: %s; again in %lld ms", call->request.method, call->request.host,
              call->request.path, call->attempts, buf_cstr(&text), (long long)j->delay_ms);
  else
    log_debug("%s %s%s: attempt %u: %s", call->request.method, call->request.host,
              call->request.path, call->attempts, buf_cstr(&text));
  buf_fini(&text);
}

static void call_failed(struct call *call, int64_t retry_after_ms) {
  struct call_judgement j = call_judge(call, retry_after_ms);

  log_failure(call, &j);
  if (!j.again) {
    call_end(call, call->error.err, NULL);
    return;
  }
  if (call->q.repeated != NULL && s3_error_is_open(&call->error))
    *call->q.repeated = true;
  if (call->delivered && call->q.restart != NULL)
    call->q.restart(call->q.arg);
  call_pause(call, j.delay_ms);
}

/* --- the engine's callbacks -------------------------------------------------------- */

static bool is_success(const struct http_reply *r) {
  return r->status >= 200 && r->status < 300;
}

static int on_headers(void *arg, const struct http_reply *r) {
  struct call *call = arg;

  if (is_success(r) && call->q.accept != NULL)
    call->verdict = call->q.accept(call->q.arg, r);
  call->error_body = !is_success(r);
  return call->verdict;
}

static int deliver(struct call *call, const void *data, size_t len) {
  call->delivered = true;
  call->verdict = call->q.data(call->q.arg, data, len);
  return call->verdict;
}

/* An error's body ends where nobody reads on; the connection goes with it. */
static int collect_error(struct call *call, const void *data, size_t len) {
  size_t room = ERROR_BODY_MAX - call->body.len;

  buf_append(&call->body, data, len < room ? len : room);
  return len < room ? 0 : -ECONNRESET;
}

static int on_data(void *arg, const void *data, size_t len) {
  struct call *call = arg;

  if (call->error_body)
    return collect_error(call, data, len);
  if (call->q.data != NULL)
    return deliver(call, data, len);
  buf_append(&call->body, data, len);
  return buf_error(&call->body);
}

static int64_t retry_after_of(const struct http_reply *r) {
  const char *value = kvlist_get_ci(&r->headers, "x-amz-retry-after");
  uint64_t ms = 0;

  if (value == NULL || text_parse_u64(value, &ms) != 0 || ms > INT32_MAX)
    return 0;
  return (int64_t)ms;
}

static void error_of_verdict(struct call *call) {
  set_failure(call, call->verdict, "the reply was not what was asked for");
  call->error.class = S3_ERR_FATAL;
  if (call->verdict == -EAGAIN) {
    call->error.err = -EIO;
    call->error.class = S3_ERR_TRANSIENT;
  }
}

/* True when the attempt succeeded; else call->error is filled. An error reply
 * whose body was cut short still tells its status. */
static bool judge_reply(struct call *call, int err, const struct http_reply *r,
                        const char *message) {
  bool hidden_error;

  if (call->verdict != 0) {
    error_of_verdict(call);
    return false;
  }
  if (err != 0 && !(err == -ECONNRESET && r->status >= 300)) {
    set_failure(call, err, message);
    return false;
  }
  hidden_error = is_success(r) && call->q.data == NULL &&
                 s3_error_body_is_error(buf_cstr(&call->body), call->body.len);
  if (is_success(r) && !hidden_error)
    return true;
  s3_error_from_reply(&call->error, r->status, &r->headers, buf_cstr(&call->body), call->body.len);
  return false;
}

static void on_done(void *arg, int err, const struct http_reply *r, const char *message) {
  struct call *call = arg;

  mtx_lock(&call->synced.lock);
  call->synced.transfer = NULL;
  call->synced.state = CALL_BUSY;
  mtx_unlock(&call->synced.lock);
  if (r->again && call->q.repeated != NULL)
    *call->q.repeated = true;
  if (judge_reply(call, err, r, message)) {
    retry_bucket_return(&call->caller->bucket, call->tokens > 0 ? call->tokens : 1);
    call_end(call, 0, r);
  } else {
    call_failed(call, retry_after_of(r));
  }
}

/* --- one attempt ------------------------------------------------------------------- */

static void forget_attempt(struct call *call) {
  call->attempts++;
  call->verdict = 0;
  call->delivered = false;
  call->error_body = false;
  buf_fini(&call->body);
  buf_init(&call->body, COLLECT_MAX);
}

/* -errno with call->error filled. */
static int fetch_keys(struct call *call) {
  struct keys *fresh = NULL;
  int rc;

  if (call->q.keys == NULL)
    return 0;
  if (call->renew_next)
    key_source_expired(call->q.keys, call->keys);
  call->renew_next = false;
  s3_error_fini(&call->error);
  rc = key_source_get(call->q.keys, &fresh, &call->error);
  if (rc == -ENOENT)
    rc = -EACCES; /* no keys must never look like no object */
  if (rc != 0 && call->error.err == 0) {
    set_failure(call, rc, "no credentials");
    call->error.keyless = true;
    return rc;
  }
  if (rc != 0)
    return call->error.err = rc;
  keys_unref(call->keys);
  call->keys = fresh;
  return 0;
}

/* 0: milliseconds for the transfer (0 without limit). */
static int time_left(const struct call *call, int64_t *out) {
  int64_t limit = call->q.attempt_timeout_ms;
  int64_t left;

  if (call->q.deadline_mono_ms != 0) {
    left = call->q.deadline_mono_ms - clock_mono_ms(&clock_system);
    if (left <= 0)
      return -ETIMEDOUT;
    if (limit == 0 || left < limit)
      limit = left;
  }
  *out = limit;
  return 0;
}

/* As long as the request may, and no longer than is left of what all attempts may. */
static void begin_listening(struct call *call) {
  int64_t left = call->q.quiet_ms - call->quiet_ms;

  call->sent_ms = clock_mono_ms(&clock_system);
  call->stall_ms = call->q.stall_timeout_ms > 0 ? call->q.stall_timeout_ms : HTTP_STALL_MS;
  if (call->q.quiet_ms > 0 && left < call->stall_ms)
    call->stall_ms = left > 0 ? left : 1;
}

/* After this returned 0 the call is the engine's. */
static int put_on_wire(struct call *call, const char *url, int64_t timeout_ms) {
  struct http_request q = {.method = call->request.method,
                           .url = url,
                           .headers = &call->request.headers,
                           .body = call->q.body,
                           .body_len = call->q.body_len,
                           .timeout_ms = timeout_ms,
                           .stall_timeout_ms = call->stall_ms,
                           .on_headers = on_headers,
                           .on_data = on_data,
                           .on_done = on_done,
                           .arg = call};
  int rc = -ECANCELED;

  mtx_lock(&call->synced.lock);
  if (!call->synced.cancelled)
    rc = http_submit(call->caller->engine, &q, &call->synced.transfer);
  if (rc == 0)
    call->synced.state = CALL_WIRE;
  mtx_unlock(&call->synced.lock);
  return rc;
}

static int sign_and_send(struct call *call) {
  struct buf url;
  int64_t timeout_ms = 0;
  int rc = time_left(call, &timeout_ms);

  buf_init(&url, 0);
  if (rc == 0 && call->keys != NULL)
    rc = call_sign(call);
  aws_request_url(&call->request, &url);
  if (rc == 0)
    rc = buf_error(&url);
  begin_listening(call);
  if (rc == 0)
    rc = put_on_wire(call, buf_cstr(&url), timeout_ms);
  buf_wipe(&url);
  return rc;
}

static int describe_unsent(struct call *call, int rc) {
  if (rc == -ECANCELED)
    return set_failure(call, rc, "the call was cancelled");
  if (rc == -ETIMEDOUT)
    return set_failure(call, rc, "the time for this call is over");
  return set_failure(call, rc, "the request could not be made");
}

/* 0: the call is the engine's and may be gone already. Else the errno to end
 * with, call->error filled. */
static int try_attempt(struct call *call) {
  int rc;

  forget_attempt(call);
  if (is_cancelled(call))
    return describe_unsent(call, -ECANCELED);
  rc = fetch_keys(call);
  if (rc != 0)
    return rc;
  call_ref(call);
  rc = sign_and_send(call);
  if (rc != 0)
    rc = describe_unsent(call, rc);
  call_unref(call);
  return rc;
}

static void call_attempt(struct call *call) {
  int rc = try_attempt(call);

  if (rc != 0)
    call_end(call, rc, NULL);
}

static void end_failed(void *arg) {
  struct call *call = arg;

  call_end(call, call->error.err, NULL);
}

/* --- public ------------------------------------------------------------------------ */

int call_submit(struct caller *c, const struct call_request *q, struct call **out) {
  struct call *call = NULL;
  int rc = call_new(c, q, &call);

  if (rc != 0)
    return rc;
  if (out != NULL)
    *out = call;
  rc = try_attempt(call);
  if (rc != 0 && call_workers_submit(c->workers, end_failed, call) != 0)
    end_failed(call);
  return 0;
}

void call_cancel(struct call *call) {
  struct http_engine *e = call->caller->engine;

  mtx_lock(&call->synced.lock);
  call->synced.cancelled = true;
  if (call->synced.state == CALL_WIRE) {
    http_cancel(e, call->synced.transfer);
  } else if (call->synced.state == CALL_PAUSE) {
    call_ref(call);
    if (http_after(e, 0, on_pause_over, call) != 0)
      call_unref(call); /* not the last one: the machine has its own */
  }
  mtx_unlock(&call->synced.lock);
}
