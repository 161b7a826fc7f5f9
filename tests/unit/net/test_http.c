/* The HTTP engine against the scripted server. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "s3apfs/base/buf.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/net/http.h"
#include "server.h"

struct outcome {
  struct mtx lock;
  struct cond changed;
  unsigned done;
  int err;
  int status;
  char message[300];
  struct kvlist headers;
  struct buf body;
  unsigned head_calls;
  int head_result;
  int data_result;
};

static void outcome_init(struct outcome *o) {
  memset(o, 0, sizeof(*o));
  mtx_init(&o->lock, RANK_APP);
  cond_init(&o->changed);
  kvlist_init(&o->headers);
  buf_init(&o->body, 0);
}

static void outcome_fini(struct outcome *o) {
  kvlist_fini(&o->headers);
  buf_fini(&o->body);
  cond_fini(&o->changed);
  mtx_fini(&o->lock);
}

static int take_head(void *arg, const struct http_reply *r) {
  struct outcome *o = arg;

  o->head_calls++;
  o->status = r->status;
  return o->head_result;
}

static int take_data(void *arg, const void *data, size_t len) {
  struct outcome *o = arg;

  cr_assert_eq(o->head_calls, 1, "headers come before data");
  mtx_lock(&o->lock);
  buf_append(&o->body, data, len);
  cond_broadcast(&o->changed);
  mtx_unlock(&o->lock);
  return o->data_result;
}

static void take_done(void *arg, int err, const struct http_reply *r, const char *message) {
  struct outcome *o = arg;

  mtx_lock(&o->lock);
  o->done++;
  o->err = err;
  o->status = r->status;
  snprintf(o->message, sizeof(o->message), "%s", message);
  kvlist_copy(&o->headers, &r->headers);
  cond_broadcast(&o->changed);
  mtx_unlock(&o->lock);
}

static void outcome_wait(struct outcome *o) {
  mtx_lock(&o->lock);
  while (o->done == 0)
    cond_wait(&o->changed, &o->lock);
  mtx_unlock(&o->lock);
}

static void outcome_wait_bytes(struct outcome *o, size_t bytes) {
  mtx_lock(&o->lock);
  while (o->body.len < bytes && o->done == 0)
    cond_wait(&o->changed, &o->lock);
  mtx_unlock(&o->lock);
}

static struct http_request request_to(struct outcome *o, const char *method, const char *url) {
  return (struct http_request){.method = method,
                               .url = url,
                               .on_headers = take_head,
                               .on_data = take_data,
                               .on_done = take_done,
                               .arg = o};
}

static const char *url_of(struct server *s, const char *path) {
  static _Thread_local char url[512];

  snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server_port(s), path);
  return url;
}

static struct http_engine *engine_of(const struct http_options *o) {
  struct http_engine *e = NULL;

  cr_assert_eq(http_engine_new(o, &e), 0);
  return e;
}

/* One GET on a fresh engine against a script. */
static void get_once(server_script script, void *arg, struct outcome *o) {
  struct server *s = server_start(script, arg, false);
  struct http_engine *e = engine_of(NULL);
  struct http_request q = request_to(o, "GET", url_of(s, "/x"));

  q.stall_timeout_ms = 300;
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(o);
  http_engine_free(e);
  server_stop(s);
  cr_assert_eq(o->done, 1);
}

static void echo(struct server_conn *c, const struct server_request *r, void *arg) {
  char extra[512];

  (void)arg;
  snprintf(extra, sizeof(extra), "X-Seen: %s %s\r\nX-Connection: %u\r\nETag:  \"a b\" \r\n",
           r->method, r->target, r->connection);
  conn_reply(c, 200, extra, r->body_len > 0 ? "got a body" : "hello");
}

Test(http, get_gives_status_headers_and_body) {
  struct outcome o;

  outcome_init(&o);
  get_once(echo, NULL, &o);
  cr_assert_eq(o.err, 0);
  cr_assert_eq(o.status, 200);
  cr_assert_str_eq(o.message, "");
  cr_assert_str_eq(buf_cstr(&o.body), "hello");
  cr_assert_str_eq(kvlist_get_ci(&o.headers, "x-seen"), "GET /x");
  cr_assert_str_eq(kvlist_get_ci(&o.headers, "etag"), "\"a b\"");
  outcome_fini(&o);
}

Test(http, connections_are_reused_and_counted) {
  struct server *s = server_start(echo, NULL, false);
  struct http_engine *e = engine_of(NULL);
  struct http_stats stats;

  for (int i = 0; i < 20; i++) {
    struct outcome o;
    struct http_request q = request_to(&o, "GET", url_of(s, "/again"));

    outcome_init(&o);
    cr_assert_eq(http_submit(e, &q, NULL), 0);
    outcome_wait(&o);
    cr_assert_eq(o.err, 0);
    cr_assert_str_eq(kvlist_get_ci(&o.headers, "x-connection"), "0");
    outcome_fini(&o);
  }
  http_engine_stats(e, &stats);
  cr_assert_eq(stats.requests, 20);
  cr_assert_eq(stats.connections, 1);
  cr_assert_gt(stats.bytes_in, 20 * 5);
  cr_assert_gt(stats.bytes_out, 20 * 5);
  cr_assert_eq(server_connections(s), 1);
  http_engine_free(e);
  server_stop(s);
}

Test(http, path_goes_out_as_given) {
  struct server *s = server_start(echo, NULL, false);
  struct http_engine *e = engine_of(NULL);
  struct outcome o;
  struct http_request q = request_to(&o, "GET", url_of(s, "/a/../b//./c%2F%20?x=%2B&y="));

  outcome_init(&o);
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(&o);
  cr_assert_str_eq(kvlist_get_ci(&o.headers, "x-seen"), "GET /a/../b//./c%2F%20?x=%2B&y=");
  http_engine_free(e);
  server_stop(s);
  outcome_fini(&o);
}

struct seen {
  char head[4096];
  char body[64];
};

static void record(struct server_conn *c, const struct server_request *r, void *arg) {
  struct seen *seen = arg;

  snprintf(seen->head, sizeof(seen->head), "%s", r->head);
  snprintf(seen->body, sizeof(seen->body), "%.*s", (int)r->body_len, r->body);
  conn_reply(c, 200, "", "");
}

static void send_recorded(const char *method, const struct kvlist *headers, const char *body,
                          struct seen *seen) {
  struct server *s = server_start(record, seen, false);
  struct http_engine *e = engine_of(NULL);
  struct outcome o;
  struct http_request q = request_to(&o, method, url_of(s, "/"));

  outcome_init(&o);
  q.headers = headers;
  q.body = body;
  q.body_len = body != NULL ? strlen(body) : 0;
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(&o);
  cr_assert_eq(o.err, 0, "%s", o.message);
  http_engine_free(e);
  server_stop(s);
  outcome_fini(&o);
}

Test(http, nothing_is_added_that_was_not_signed) {
  struct seen seen;

  send_recorded("POST", NULL, "a=b", &seen);
  cr_assert_eq(strcasestr(seen.head, "content-type"), NULL);
  cr_assert_eq(strcasestr(seen.head, "expect"), NULL);
  cr_assert_neq(strcasestr(seen.head, "User-Agent: s3apfs/"), NULL);
  cr_assert_str_eq(seen.body, "a=b");
}

Test(http, methods_and_headers_arrive) {
  static const char *const methods[] = {"PUT", "POST", "DELETE", "HEAD", "GET"};

  for (size_t i = 0; i < 5; i++) {
    struct seen seen;
    struct kvlist headers;
    char want[32];

    kvlist_init(&headers);
    kvlist_add(&headers, "Content-Type", "text/x");
    kvlist_add(&headers, "X-Empty", "");
    send_recorded(methods[i], &headers, i < 2 ? "bytes" : NULL, &seen);
    snprintf(want, sizeof(want), "%s / HTTP/1.1\r\n", methods[i]);
    cr_assert_eq(strncmp(seen.head, want, strlen(want)), 0, "%s", seen.head);
    cr_assert_neq(strstr(seen.head, "Content-Type: text/x\r\n"), NULL);
    cr_assert_neq(strstr(seen.head, "X-Empty:"), NULL);
    cr_assert_str_eq(seen.body, i < 2 ? "bytes" : "");
    kvlist_fini(&headers);
  }
}

Test(http, empty_put_has_a_length) {
  struct seen seen;

  send_recorded("PUT", NULL, NULL, &seen);
  cr_assert_neq(strcasestr(seen.head, "Content-Length: 0"), NULL, "%s", seen.head);
}

Test(http, line_breaks_in_a_request_are_refused) {
  struct http_engine *e = engine_of(NULL);
  struct kvlist headers;
  struct outcome o;
  struct http_request q = request_to(&o, "GET", "http://127.0.0.1:1/");

  kvlist_init(&headers);
  kvlist_add(&headers, "X-A", "b\r\nX-C: d");
  q.headers = &headers;
  cr_assert_eq(http_submit(e, &q, NULL), -EINVAL);
  q.headers = NULL;
  q.url = "http://127.0.0.1:1/\r\nX: y";
  cr_assert_eq(http_submit(e, &q, NULL), -EINVAL);
  kvlist_fini(&headers);
  http_engine_free(e);
}

/* --- replies that go wrong --------------------------------------------------------- */

static void send_raw(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)r;
  conn_puts(c, arg);
  conn_close(c);
}

static void expect_raw(const char *reply, int err, const char *body) {
  struct outcome o;

  outcome_init(&o);
  get_once(send_raw, (void *)(uintptr_t)reply, &o);
  cr_assert_eq(o.err, err, "%d for %s: %s", o.err, reply, o.message);
  if (err != 0)
    cr_assert_str_neq(o.message, "");
  if (body != NULL)
    cr_assert_str_eq(buf_cstr(&o.body), body);
  outcome_fini(&o);
}

Test(http, short_body_is_a_reset) {
  expect_raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", -ECONNRESET, "12345");
}

Test(http, short_chunked_body_is_a_reset) {
  expect_raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n12",
             -ECONNRESET, NULL);
}

Test(http, bad_chunk_is_a_violation) {
  expect_raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345\r\n", -EPROTO, NULL);
}

Test(http, no_reply_at_all_is_a_reset) {
  expect_raw("", -ECONNRESET, "");
}

Test(http, garbage_status_line_is_a_violation) {
  expect_raw("SSH-2.0-server\r\n\r\n", -EPROTO, "");
  expect_raw("HTTP/1.1 abc OK\r\n\r\n", -EPROTO, "");
}

Test(http, garbage_header_is_a_violation) {
  expect_raw("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", -EPROTO, "");
  expect_raw("HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n", -EPROTO, "");
}

Test(http, headers_cut_short_are_a_failure) {
  struct outcome o;

  outcome_init(&o);
  get_once(send_raw, (void *)(uintptr_t) "HTTP/1.1 200 OK\r\nContent-Le", &o);
  cr_assert_neq(o.err, 0);
  cr_assert_eq(o.head_calls, 0);
  outcome_fini(&o);
}

Test(http, interim_replies_are_skipped) {
  expect_raw("HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
             0, "ok");
}

static void huge_headers(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)r;
  (void)arg;
  conn_puts(c, "HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < 5000; i++)
    conn_puts(c, "X-Filler: 0123456789012345678901234567890123456789\r\n");
  conn_puts(c, "\r\n");
  conn_close(c);
}

Test(http, endless_headers_are_a_violation) {
  struct outcome o;

  outcome_init(&o);
  get_once(huge_headers, NULL, &o);
  cr_assert_eq(o.err, -EPROTO);
  cr_assert_eq(o.head_calls, 0);
  outcome_fini(&o);
}

/* The first reply is followed by bytes that were not promised: they reach
 * neither this request nor the next one. */
static void too_much(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)arg;
  if (r->number == 0)
    conn_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345HTTP/1.1 200 OK\r\n"
                 "Content-Length: 4\r\n\r\nevil");
  else
    conn_reply(c, 200, "", "good");
}

Test(http, surplus_bytes_never_reach_anybody) {
  struct server *s = server_start(too_much, NULL, false);
  struct http_engine *e = engine_of(NULL);
  static const char *const want[] = {"12345", "good"};

  for (int i = 0; i < 2; i++) {
    struct outcome o;
    struct http_request q = request_to(&o, "GET", url_of(s, "/"));

    outcome_init(&o);
    cr_assert_eq(http_submit(e, &q, NULL), 0);
    outcome_wait(&o);
    cr_assert_eq(o.err, 0, "%s", o.message);
    cr_assert_str_eq(buf_cstr(&o.body), want[i]);
    outcome_fini(&o);
  }
  http_engine_free(e);
  server_stop(s);
}

static void reset(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)r;
  (void)arg;
  conn_reset(c);
}

Test(http, reset_connection) {
  struct outcome o;

  outcome_init(&o);
  get_once(reset, NULL, &o);
  cr_assert_eq(o.err, -ECONNRESET);
  outcome_fini(&o);
}

static void hold(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)r;
  conn_puts(c, arg);
  conn_hold(c);
}

Test(http, silence_before_the_headers_times_out) {
  struct outcome o;

  outcome_init(&o);
  get_once(hold, (void *)(uintptr_t) "", &o);
  cr_assert_eq(o.err, -ETIMEDOUT);
  cr_assert_eq(o.head_calls, 0);
  cr_assert_neq(strstr(o.message, "stalled"), NULL);
  outcome_fini(&o);
}

Test(http, silence_within_the_body_times_out) {
  struct outcome o;

  outcome_init(&o);
  get_once(hold, (void *)(uintptr_t) "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", &o);
  cr_assert_eq(o.err, -ETIMEDOUT);
  cr_assert_str_eq(buf_cstr(&o.body), "12345");
  outcome_fini(&o);
}

Test(http, whole_time_is_limited) {
  struct server *s = server_start(hold, (void *)(uintptr_t) "", false);
  struct http_engine *e = engine_of(NULL);
  struct outcome o;
  struct http_request q = request_to(&o, "GET", url_of(s, "/"));

  outcome_init(&o);
  q.timeout_ms = 50;
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(&o);
  cr_assert_eq(o.err, -ETIMEDOUT);
  http_engine_free(e);
  server_stop(s);
  outcome_fini(&o);
}

Test(http, closed_port_is_refused) {
  struct http_engine *e = engine_of(NULL);
  struct outcome o;
  char url[64];
  struct http_request q = request_to(&o, "GET", url);

  outcome_init(&o);
  snprintf(url, sizeof(url), "http://127.0.0.1:%u/", closed_port());
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(&o);
  cr_assert_eq(o.err, -ECONNREFUSED);
  cr_assert_eq(o.status, 0);
  http_engine_free(e);
  outcome_fini(&o);
}

Test(http, other_protocols_are_refused) {
  struct http_engine *e = engine_of(NULL);
  struct outcome o;
  struct http_request q = request_to(&o, "GET", "file:///etc/hostname");

  outcome_init(&o);
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(&o);
  cr_assert_eq(o.err, -EPROTO);
  cr_assert_eq(o.body.len, 0);
  http_engine_free(e);
  outcome_fini(&o);
}

static void redirect(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)r;
  (void)arg;
  conn_reply(c, 307, "Location: http://127.0.0.1:1/elsewhere\r\n", "moved");
}

Test(http, redirects_are_not_followed) {
  struct outcome o;

  outcome_init(&o);
  get_once(redirect, NULL, &o);
  cr_assert_eq(o.err, 0);
  cr_assert_eq(o.status, 307);
  cr_assert_str_eq(buf_cstr(&o.body), "moved");
  outcome_fini(&o);
}

Test(http, receiver_may_stop_at_the_headers) {
  struct outcome o;

  outcome_init(&o);
  o.head_result = -ESTALE;
  get_once(echo, NULL, &o);
  cr_assert_eq(o.err, -ESTALE);
  cr_assert_eq(o.body.len, 0);
  outcome_fini(&o);
}

Test(http, receiver_may_stop_at_the_data) {
  struct outcome o;

  outcome_init(&o);
  o.data_result = -ENOSPC;
  get_once(echo, NULL, &o);
  cr_assert_eq(o.err, -ENOSPC);
  outcome_fini(&o);
}

/* --- addresses --------------------------------------------------------------------- */

Test(http, localhost_names_and_connect_to) {
  struct seen seen;
  struct server *s = server_start(record, &seen, false);
  char target[64];
  char url[128];
  struct outcome o;

  snprintf(target, sizeof(target), "127.0.0.1:%u", server_port(s));
  for (int i = 0; i < 2; i++) {
    struct http_options with = {.connect_to = i == 0 ? NULL : target};
    struct http_engine *e = engine_of(&with);
    struct http_request q = request_to(&o, "GET", url);
    char want[128];

    if (i == 0)
      snprintf(url, sizeof(url), "http://my-ap-111122223333.localhost:%u/", server_port(s));
    else
      snprintf(url, sizeof(url), "http://my-ap.s3-accesspoint.eu-west-1.amazonaws.com/");
    outcome_init(&o);
    cr_assert_eq(http_submit(e, &q, NULL), 0);
    outcome_wait(&o);
    cr_assert_eq(o.err, 0, "%s: %s", url, o.message);
    snprintf(want, sizeof(want), "Host: %.*s\r\n", (int)strcspn(url + 7, "/"), url + 7);
    cr_assert_neq(strstr(seen.head, want), NULL, "%s", seen.head);
    http_engine_free(e);
    outcome_fini(&o);
  }
  server_stop(s);
}

Test(http, loopback_never_uses_a_proxy) {
  char proxy[64];
  struct outcome o;

  snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", closed_port());
  setenv("http_proxy", proxy, 1);
  setenv("ALL_PROXY", proxy, 1);
  setenv("no_proxy", "", 1);
  outcome_init(&o);
  get_once(echo, NULL, &o);
  cr_assert_eq(o.err, 0, "%s", o.message);
  outcome_fini(&o);
}

Test(http, other_hosts_use_the_proxy) {
  struct seen seen;
  struct server *s = server_start(record, &seen, false);
  struct http_engine *e = engine_of(NULL);
  char proxy[64];
  struct outcome o;
  struct http_request q = request_to(&o, "GET", "http://bucket.s3.amazonaws.com/k");

  snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", server_port(s));
  setenv("http_proxy", proxy, 1);
  setenv("no_proxy", "", 1);
  outcome_init(&o);
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(&o);
  cr_assert_eq(o.err, 0, "%s", o.message);
  cr_assert_neq(strstr(seen.head, "GET http://bucket.s3.amazonaws.com/k HTTP/1.1"), NULL);
  http_engine_free(e);
  server_stop(s);
  outcome_fini(&o);
}

/* --- cancelling, timers, many at once ---------------------------------------------- */

Test(http, cancel_while_running) {
  struct server *s = server_start(
      hold, (void *)(uintptr_t) "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", false);
  struct http_engine *e = engine_of(NULL);
  struct http_transfer *t = NULL;
  struct outcome o;
  struct http_request q = request_to(&o, "GET", url_of(s, "/"));

  outcome_init(&o);
  cr_assert_eq(http_submit(e, &q, &t), 0);
  outcome_wait_bytes(&o, 5);
  http_cancel(e, t);
  outcome_wait(&o);
  cr_assert_eq(o.err, -ECANCELED);
  http_engine_free(e);
  server_stop(s);
  outcome_fini(&o);
}

Test(http, cancel_and_time_out_while_waiting_for_a_place) {
  struct server *s = server_start(
      hold, (void *)(uintptr_t) "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", false);
  struct http_options one = {.threads = 1, .max_connections = 1};
  struct http_engine *e = engine_of(&one);
  struct http_transfer *t[3] = {NULL, NULL, NULL};
  struct outcome o[3];

  for (int i = 0; i < 3; i++) {
    struct http_request q = request_to(&o[i], "GET", url_of(s, "/"));

    outcome_init(&o[i]);
    q.timeout_ms = i == 2 ? 100 : 0;
    cr_assert_eq(http_submit(e, &q, &t[i]), 0);
    if (i == 0)
      outcome_wait_bytes(&o[0], 1);
  }
  http_cancel(e, t[1]);
  outcome_wait(&o[1]);
  cr_assert_eq(o[1].err, -ECANCELED);
  outcome_wait(&o[2]);
  cr_assert_eq(o[2].err, -ETIMEDOUT);
  cr_assert_eq(server_requests(s), 1);
  http_cancel(e, t[0]);
  outcome_wait(&o[0]);
  http_engine_free(e);
  server_stop(s);
  for (int i = 0; i < 3; i++)
    outcome_fini(&o[i]);
}

Test(http, freeing_the_engine_ends_everything) {
  struct server *s = server_start(hold, (void *)(uintptr_t) "", false);
  struct http_options two = {.threads = 2, .max_connections = 2};
  struct http_engine *e = engine_of(&two);
  struct outcome o[6];

  for (int i = 0; i < 6; i++) {
    struct http_request q = request_to(&o[i], "GET", url_of(s, "/"));

    outcome_init(&o[i]);
    cr_assert_eq(http_submit(e, &q, NULL), 0);
  }
  http_engine_free(e);
  for (int i = 0; i < 6; i++) {
    cr_assert_eq(o[i].done, 1);
    cr_assert_eq(o[i].err, -ECANCELED);
    outcome_fini(&o[i]);
  }
  server_stop(s);
}

struct ticks {
  struct mtx lock;
  struct cond changed;
  char order[8];
  unsigned count;
  unsigned cancelled;
};

struct tick {
  struct ticks *all;
  char name;
};

static void tick(void *arg, bool cancelled) {
  struct tick *t = arg;

  mtx_lock(&t->all->lock);
  if (cancelled)
    t->all->cancelled++;
  else
    t->all->order[t->all->count++] = t->name;
  cond_broadcast(&t->all->changed);
  mtx_unlock(&t->all->lock);
}

Test(http, timers_run_in_order_and_are_cancelled) {
  struct http_options one = {.threads = 1};
  struct http_engine *e = engine_of(&one);
  struct ticks all = {.count = 0};
  struct tick a = {&all, 'a'};
  struct tick b = {&all, 'b'};
  struct tick c = {&all, 'c'};

  mtx_init(&all.lock, RANK_APP);
  cond_init(&all.changed);
  cr_assert_eq(http_after(e, 200, tick, &c), 0);
  cr_assert_eq(http_after(e, 0, tick, &a), 0);
  cr_assert_eq(http_after(e, 100, tick, &b), 0);
  cr_assert_eq(http_after(e, 3600 * 1000, tick, &c), 0);
  mtx_lock(&all.lock);
  while (all.count < 3)
    cond_wait(&all.changed, &all.lock);
  mtx_unlock(&all.lock);
  cr_assert_str_eq(all.order, "abc");
  http_engine_free(e);
  cr_assert_eq(all.cancelled, 1);
  cond_fini(&all.changed);
  mtx_fini(&all.lock);
}

static void big(struct server_conn *c, const struct server_request *r, void *arg) {
  char *text = malloc(1 << 20);

  (void)arg;
  memset(text, 'a' + (int)(strlen(r->target) % 16), (1 << 20) - 1);
  text[(1 << 20) - 1] = '\0';
  conn_reply(c, 200, "", text);
  free(text);
}

Test(http, sixteen_at_once_keep_their_bytes_apart) {
  struct server *s = server_start(big, NULL, false);
  struct http_options four = {.threads = 2, .max_connections = 4};
  struct http_engine *e = engine_of(&four);
  struct outcome o[16];

  for (int i = 0; i < 16; i++) {
    char path[32] = "/0123456789abcdef";
    struct http_request q;

    path[i + 1] = '\0';
    q = request_to(&o[i], "GET", url_of(s, path));
    outcome_init(&o[i]);
    cr_assert_eq(http_submit(e, &q, NULL), 0);
  }
  for (int i = 0; i < 16; i++) {
    char want = (char)('a' + (i + 1) % 16);

    outcome_wait(&o[i]);
    cr_assert_eq(o[i].err, 0, "%s", o[i].message);
    cr_assert_eq(o[i].body.len, (1 << 20) - 1);
    cr_assert_eq(strspn(buf_cstr(&o[i].body), (char[]){want, '\0'}), o[i].body.len);
    outcome_fini(&o[i]);
  }
  cr_assert_leq(server_connections(s), 4);
  http_engine_free(e);
  server_stop(s);
}

static void count_body(struct server_conn *c, const struct server_request *r, void *arg) {
  size_t same = 0;
  char text[32];

  (void)arg;
  while (same < r->body_len && r->body[same] == 'z')
    same++;
  snprintf(text, sizeof(text), "%zu", same);
  conn_reply(c, 200, "", text);
}

Test(http, large_uploads_arrive_whole) {
  struct server *s = server_start(count_body, NULL, false);
  struct http_engine *e = engine_of(NULL);
  size_t len = (size_t)3 << 20;
  char *body = malloc(len);
  struct outcome o;
  struct http_request q = request_to(&o, "PUT", url_of(s, "/up"));

  memset(body, 'z', len);
  outcome_init(&o);
  q.body = body;
  q.body_len = len;
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(&o);
  cr_assert_eq(o.err, 0, "%s", o.message);
  cr_assert_str_eq(buf_cstr(&o.body), "3145728");
  http_engine_free(e);
  server_stop(s);
  outcome_fini(&o);
  free(body);
}

/* --- TLS --------------------------------------------------------------------------- */

static void get_tls(const char *host, bool trusted, struct outcome *o) {
  struct server *s = server_start(echo, NULL, true);
  struct http_options with = {.ca_bundle = trusted ? server_ca_file(s) : NULL};
  struct http_engine *e = engine_of(&with);
  char url[128];
  struct http_request q = request_to(o, "GET", url);

  snprintf(url, sizeof(url), "https://%s:%u/", host, server_port(s));
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(o);
  http_engine_free(e);
  server_stop(s);
}

Test(tls, trusted_certificate) {
  struct outcome o;

  outcome_init(&o);
  get_tls("localhost", true, &o);
  cr_assert_eq(o.err, 0, "%s", o.message);
  cr_assert_str_eq(buf_cstr(&o.body), "hello");
  outcome_fini(&o);
}

Test(tls, unknown_certificate_is_refused) {
  struct outcome o;

  outcome_init(&o);
  get_tls("localhost", false, &o);
  cr_assert_eq(o.err, -EPROTO);
  cr_assert_neq(strcasestr(o.message, "certificate"), NULL, "%s", o.message);
  outcome_fini(&o);
}

Test(tls, certificate_of_another_host_is_refused) {
  struct outcome o;

  outcome_init(&o);
  get_tls("127.0.0.1", true, &o);
  cr_assert_eq(o.err, -EPROTO);
  cr_assert_str_neq(o.message, "");
  outcome_fini(&o);
}

/* The server takes the handshake for a request it cannot read. */
static void *answer_in_plain(void *arg) {
  int *listener = arg;
  int fd = accept(*listener, NULL, NULL);
  char sink[512];

  if (fd >= 0) {
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

    if (recv(fd, sink, sizeof(sink), 0) > 0 && send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL) > 0)
      shutdown(fd, SHUT_WR);
    while (recv(fd, sink, sizeof(sink), 0) > 0)
      ;
    close(fd);
  }
  return NULL;
}

Test(tls, plain_server_is_a_violation) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(a);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct http_engine *e = engine_of(NULL);
  struct outcome o;
  pthread_t thread;
  char url[64];
  struct http_request q = request_to(&o, "GET", url);

  cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
  cr_assert_eq(listen(fd, 4), 0);
  cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
  cr_assert_eq(pthread_create(&thread, NULL, answer_in_plain, &fd), 0);
  outcome_init(&o);
  snprintf(url, sizeof(url), "https://127.0.0.1:%u/", (unsigned)ntohs(a.sin_port));
  cr_assert_eq(http_submit(e, &q, NULL), 0);
  outcome_wait(&o);
  cr_assert_eq(o.err, -EPROTO, "%d %s", o.err, o.message);
  http_engine_free(e);
  pthread_join(thread, NULL);
  close(fd);
  outcome_fini(&o);
}

Test(tls, missing_bundle_is_told_at_once) {
  struct http_options with = {.ca_bundle = "/nonexistent/ca.pem"};
  struct http_engine *e = NULL;

  cr_assert_eq(http_engine_new(&with, &e), -ENOENT);
  cr_assert_null(e);
}
