/* Signed calls against the scripted server: what is retried, renewed,
 * corrected, and what is not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3apfs/aws/sigv4.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/lock.h"
#include "s3apfs/base/text.h"
#include "s3apfs/net/call.h"
#include "server.h"

/* --- a source of keys that can do what it is told ---------------------------------- */

struct fake_source {
  struct key_source base;
  atomic_uint gets;
  atomic_uint expired;
  int fail_from; /* fails the get of this number (from 1) and later ones; 0 never */
  int fail_err;
  atomic_bool gate; /* get waits while true */
};

static int fake_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct fake_source *f = (struct fake_source *)s;
  unsigned n = atomic_fetch_add(&f->gets, 1) + 1;
  char id[32];

  while (atomic_load(&f->gate))
    usleep(1000);
  if (f->fail_from != 0 && n >= (unsigned)f->fail_from) {
    if (error != NULL)
      s3_error_from_local(error, f->fail_err, "NoCredentials", "the fake has none");
    return f->fail_err;
  }
  snprintf(id, sizeof(id), "AKID%u", atomic_load(&f->expired));
  return keys_new(id, "secret-of-the-fake", "token-of-the-fake", 0, NULL, "fake", out);
}

static void fake_expired(struct key_source *s, const struct keys *k) {
  struct fake_source *f = (struct fake_source *)s;

  cr_assert_not_null(k);
  atomic_fetch_add(&f->expired, 1);
}

static const struct key_source_ops fake_ops = {fake_get, fake_expired, NULL};

/* --- a world: server, engine, caller ------------------------------------------------- */

struct fixed_clock {
  struct clock base;
  atomic_int_fast64_t wall_ms;
};

static int64_t fixed_wall(const struct clock *c) {
  return atomic_load(&((struct fixed_clock *)(uintptr_t)c)->wall_ms);
}

static int64_t fixed_mono(const struct clock *c) {
  (void)c;
  return clock_mono_ms(&clock_system);
}

#define NOW_S 1785715200 /* 2026-08-03T00:00:00Z */

struct world {
  struct server *server;
  struct http_engine *engine;
  struct caller *caller;
  struct fake_source source;
  struct fixed_clock clock;
  struct aws_request request;
};

static void world_init(struct world *w, server_script script, void *arg) {
  struct caller_options o = {.clock = &w->clock.base, .base_delay_ms = 1, .max_delay_ms = 5};
  char host[64];

  memset(w, 0, sizeof(*w));
  w->clock.base = (struct clock){fixed_wall, fixed_mono};
  atomic_init(&w->clock.wall_ms, NOW_S * 1000LL);
  w->source.base.ops = &fake_ops;
  w->server = server_start(script, arg, false);
  cr_assert_eq(http_engine_new(NULL, &w->engine), 0);
  cr_assert_eq(caller_new(w->engine, &o, &w->caller), 0);
  snprintf(host, sizeof(host), "127.0.0.1:%u", server_port(w->server));
  aws_request_init(&w->request);
  cr_assert_eq(aws_request_set(&w->request, "GET", "http", host, "/key"), 0);
}

static void world_fini(struct world *w) {
  aws_request_fini(&w->request);
  caller_free(w->caller);
  http_engine_free(w->engine);
  server_stop(w->server);
}

static struct call_request call_of(struct world *w) {
  return (struct call_request){.request = &w->request,
                               .keys = &w->source.base,
                               .auth = AUTH_SIGV4,
                               .signing_name = "s3",
                               .signing_region = "us-east-1"};
}

struct result {
  int err;
  struct http_reply reply;
  struct buf body;
  struct s3_error error;
};

static void perform(struct world *w, const struct call_request *q, struct result *r) {
  memset(r, 0, sizeof(*r));
  kvlist_init(&r->reply.headers);
  buf_init(&r->body, 0);
  s3_error_init(&r->error);
  r->err = call_perform(w->caller, q, &r->reply, &r->body, &r->error);
}

static void result_fini(struct result *r) {
  kvlist_fini(&r->reply.headers);
  buf_fini(&r->body);
  s3_error_fini(&r->error);
}

/* --- scripts: an array of replies, the last one for ever ----------------------------- */

struct step {
  int status; /* 0: close without a word; -1: reset; -2: hold; -3: half a body */
  const char *headers;
  const char *body;
};

struct play {
  const struct step *steps;
  unsigned count;
  pthread_mutex_t lock;
  char seen[64][600]; /* Authorization, X-Amz-Date and more of each request */
};

static void remember(struct play *p, const struct server_request *r) {
  char authorization[256];
  char date[32];
  char token[64];
  char hash[80];

  request_header(r, "Authorization", authorization, sizeof(authorization));
  request_header(r, "X-Amz-Date", date, sizeof(date));
  request_header(r, "X-Amz-Security-Token", token, sizeof(token));
  request_header(r, "x-amz-content-sha256", hash, sizeof(hash));
  pthread_mutex_lock(&p->lock);
  if (r->number < 64)
    snprintf(p->seen[r->number], sizeof(p->seen[0]), "%s|%s|%s|%s", authorization, date, token,
             hash);
  pthread_mutex_unlock(&p->lock);
}

static void perform_step(struct server_conn *c, const struct server_request *r, void *arg) {
  struct play *p = arg;
  const struct step *s = &p->steps[r->number < p->count ? r->number : p->count - 1];

  remember(p, r);
  switch (s->status) {
  case 0:
    conn_close(c);
    return;
  case -1:
    conn_reset(c);
    return;
  case -2:
    conn_hold(c);
    return;
  case -3:
    conn_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    conn_close(c);
    return;
  default:
    conn_reply(c, s->status, s->headers != NULL ? s->headers : "", s->body != NULL ? s->body : "");
  }
}

#define PLAY(...)                                                                                  \
  static const struct step steps[] = {__VA_ARGS__};                                                \
  static struct play play = {                                                                      \
      steps, sizeof(steps) / sizeof(steps[0]), PTHREAD_MUTEX_INITIALIZER, {{0}}};                  \
  struct world w;                                                                                  \
  struct call_request q;                                                                           \
  struct result r;                                                                                 \
  world_init(&w, perform_step, &play);                                                             \
  q = call_of(&w)

#define ERROR_XML(code) "<Error><Code>" code "</Code><Message>said so</Message></Error>"

/* --- success and failure ------------------------------------------------------------- */

Test(call, signs_and_returns_the_reply) {
  PLAY({200, "ETag: \"e\"\r\n", "the bytes"});

  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_eq(r.reply.status, 200);
  cr_assert_str_eq(kvlist_get_ci(&r.reply.headers, "etag"), "\"e\"");
  cr_assert_str_eq(buf_cstr(&r.body), "the bytes");
  cr_assert_eq(strncmp(play.seen[0],
                       "AWS4-HMAC-SHA256 Credential=AKID0/20260803/us-east-1/s3/aws4_request, "
                       "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
                       60),
               0, "%s", play.seen[0]);
  cr_assert_neq(strstr(play.seen[0], "|20260803T000000Z|token-of-the-fake|" SIGV4_EMPTY_SHA256),
                NULL, "%s", play.seen[0]);
  result_fini(&r);
  world_fini(&w);
}

Test(call, unsigned_calls_carry_nothing) {
  PLAY({200, NULL, "x"});

  q.keys = NULL;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_str_eq(play.seen[0], "|||");
  cr_assert_eq(atomic_load(&w.source.gets), 0);
  result_fini(&r);
  world_fini(&w);
}

Test(call, bodies_are_hashed) {
  char hex[65];

  PLAY({200, NULL, NULL});
  cr_assert_eq(digest_sha256_hex("a=b", 3, hex), 0);
  free(w.request.method);
  w.request.method = strdup("PUT");
  q.body = "a=b";
  q.body_len = 3;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_neq(strstr(play.seen[0], hex), NULL, "%s", play.seen[0]);
  result_fini(&r);
  world_fini(&w);
}

/* The test's server is on this machine. */
Test(call, large_bodies_are_not_hashed_where_there_is_no_wire) {
  static char large[(64 << 10) + 1];

  PLAY({200, NULL, NULL});
  free(w.request.method);
  w.request.method = strdup("PUT");
  q.body = large;
  q.body_len = sizeof(large);
  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_neq(strstr(play.seen[0], "|" SIGV4_UNSIGNED_PAYLOAD), NULL, "%s", play.seen[0]);
  result_fini(&r);
  world_fini(&w);
}

Test(call, generic_services_have_no_content_header) {
  PLAY({200, NULL, NULL});

  q.generic_path = true;
  q.signing_name = "sts";
  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_neq(strstr(play.seen[0], "/us-east-1/sts/aws4_request"), NULL);
  cr_assert_eq(play.seen[0][strlen(play.seen[0]) - 1], '|', "%s", play.seen[0]);
  result_fini(&r);
  world_fini(&w);
}

Test(call, asymmetric_signature) {
  PLAY({200, NULL, NULL});

  q.auth = AUTH_SIGV4A;
  q.signing_region = "*";
  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_eq(strncmp(play.seen[0], "AWS4-ECDSA-P256-SHA256 Credential=AKID0/20260803/s3/", 52), 0,
               "%s", play.seen[0]);
  result_fini(&r);
  world_fini(&w);
}

Test(call, denial_is_final_and_told) {
  PLAY({403, "Date: Mon, 03 Aug 2026 00:00:10 GMT\r\nx-amz-request-id: REQ1\r\n",
        ERROR_XML("AccessDenied")});

  perform(&w, &q, &r);
  cr_assert_eq(r.err, -EACCES);
  cr_assert_eq(r.error.http_status, 403);
  cr_assert_str_eq(r.error.code, "AccessDenied");
  cr_assert_str_eq(r.error.message, "said so");
  cr_assert_str_eq(r.error.request_id, "REQ1");
  cr_assert_eq(server_requests(w.server), 1);
  result_fini(&r);
  world_fini(&w);
}

static void expect_recovery(struct world *w, struct call_request *q, unsigned requests) {
  struct result r;

  perform(w, q, &r);
  cr_assert_eq(r.err, 0, "%d %s %s", r.err, r.error.code, r.error.message);
  cr_assert_str_eq(buf_cstr(&r.body), "fine");
  cr_assert_eq(server_requests(w->server), requests, "%u requests", server_requests(w->server));
  cr_assert_eq(atomic_load(&w->source.gets), requests, "keys for each attempt");
  result_fini(&r);
  world_fini(w);
}

Test(call, server_errors_are_retried) {
  PLAY({500, NULL, NULL}, {503, NULL, ERROR_XML("SlowDown")}, {502, NULL, "<html>"},
       {504, NULL, ""}, {400, NULL, ERROR_XML("RequestTimeout")}, {200, NULL, "fine"});

  (void)r;
  expect_recovery(&w, &q, 6);
}

Test(call, broken_connections_are_retried) {
  PLAY({0, NULL, NULL}, {-1, NULL, NULL}, {-3, NULL, NULL}, {200, NULL, "fine"});

  (void)r;
  expect_recovery(&w, &q, 4);
}

/* libcurl sends once more by itself then, and the refusal may be about what the first one did. */
Test(call, what_was_sent_on_a_kept_connection_may_have_been_done) {
  bool repeated = false;
  unsigned gets;

  PLAY({200, NULL, "fine"}, {0, NULL, NULL}, {412, NULL, ERROR_XML("PreconditionFailed")});
  q.repeated = &repeated;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_expect_not(repeated);
  result_fini(&r);
  gets = atomic_load(&w.source.gets);
  perform(&w, &q, &r);
  cr_assert_eq(r.error.http_status, 412);
  cr_expect(repeated);
  cr_expect_eq(atomic_load(&w.source.gets), gets + 1, "one attempt of ours");
  cr_expect_eq(server_requests(w.server), 3);
  result_fini(&r);
  world_fini(&w);
}

Test(call, attempts_end) {
  PLAY({503, NULL, ERROR_XML("SlowDown")});

  q.max_attempts = 3;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -EIO);
  cr_assert_str_eq(r.error.code, "SlowDown");
  cr_assert_eq(server_requests(w.server), 3);
  result_fini(&r);
  q.max_attempts = 1;
  perform(&w, &q, &r);
  cr_assert_eq(server_requests(w.server), 4);
  result_fini(&r);
  world_fini(&w);
}

Test(call, storm_empties_the_bucket) {
  PLAY({500, NULL, NULL});

  q.max_attempts = 6;
  for (int i = 0; i < 40; i++) {
    perform(&w, &q, &r);
    cr_assert_eq(r.err, -EIO);
    result_fini(&r);
  }
  cr_assert_eq(server_requests(w.server), 40 + 100, "500 tokens pay for 100 retries");
  world_fini(&w);
}

Test(call, error_hidden_in_a_200) {
  PLAY({200, NULL, " \r\n" ERROR_XML("InternalError")}, {200, NULL, ERROR_XML("SlowDown")},
       {200, NULL, "fine"});

  (void)r;
  expect_recovery(&w, &q, 3);
}

Test(call, fatal_error_hidden_in_a_200) {
  PLAY({200, NULL, ERROR_XML("AccessDenied")});

  perform(&w, &q, &r);
  cr_assert_eq(r.err, -EACCES);
  cr_assert_eq(r.error.http_status, 200);
  cr_assert_eq(server_requests(w.server), 1);
  result_fini(&r);
  world_fini(&w);
}

Test(call, retry_after_is_honoured) {
  int64_t start = clock_mono_ms(&clock_system);

  PLAY({503, "x-amz-retry-after: 300\r\n", NULL}, {200, NULL, "fine"});
  (void)r;
  expect_recovery(&w, &q, 2);
  cr_assert_geq(clock_mono_ms(&clock_system) - start, 300);
}

Test(call, retry_after_nonsense_is_ignored) {
  PLAY({503, "x-amz-retry-after: -5\r\n", NULL}, {503, "x-amz-retry-after: 1e9\r\n", NULL},
       {503, "x-amz-retry-after: 99999999999999999999\r\n", NULL}, {200, NULL, "fine"});

  (void)r;
  expect_recovery(&w, &q, 4);
}

/* --- keys and clocks ------------------------------------------------------------------ */

Test(call, expired_keys_are_renewed_once) {
  PLAY({400, NULL, ERROR_XML("ExpiredToken")}, {200, NULL, "fine"});

  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_eq(atomic_load(&w.source.expired), 1);
  cr_assert_neq(strstr(play.seen[0], "Credential=AKID0/"), NULL);
  cr_assert_neq(strstr(play.seen[1], "Credential=AKID1/"), NULL);
  result_fini(&r);
  world_fini(&w);
}

Test(call, keys_expired_twice_are_an_error) {
  PLAY({400, NULL, ERROR_XML("ExpiredToken")});

  perform(&w, &q, &r);
  cr_assert_eq(r.err, -EACCES);
  cr_assert_str_eq(r.error.code, "ExpiredToken");
  cr_assert_eq(atomic_load(&w.source.expired), 1);
  cr_assert_eq(server_requests(w.server), 2);
  result_fini(&r);
  world_fini(&w);
}

Test(call, keys_that_ended_while_our_clock_was_slow_correct_it) {
  PLAY({400, "Date: Mon, 03 Aug 2026 02:00:00 GMT\r\n", ERROR_XML("ExpiredToken")},
       {200, NULL, "fine"});

  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_eq(caller_now(w.caller), NOW_S + 7200);
  cr_assert_eq(clock_wall_ms(caller_clock(w.caller)) / 1000, NOW_S + 7200);
  result_fini(&r);
  world_fini(&w);
}

Test(call, renewal_is_no_attempt) {
  PLAY({400, NULL, ERROR_XML("ExpiredToken")}, {200, NULL, "fine"});

  q.max_attempts = 1;
  (void)r;
  expect_recovery(&w, &q, 2);
}

Test(call, failing_source_is_the_error) {
  PLAY({200, NULL, "fine"});

  w.source.fail_from = 1;
  w.source.fail_err = -ENOENT;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -EACCES, "never taken for a missing object");
  cr_assert_str_eq(r.error.code, "NoCredentials");
  cr_assert_str_eq(r.error.message, "the fake has none");
  cr_assert_eq(server_requests(w.server), 0);
  result_fini(&r);
  world_fini(&w);
}

Test(call, source_failing_at_renewal_is_the_error) {
  PLAY({400, NULL, ERROR_XML("ExpiredToken")}, {200, NULL, "fine"});

  w.source.fail_from = 2;
  w.source.fail_err = -ETIMEDOUT;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -ETIMEDOUT);
  cr_assert_str_eq(r.error.message, "the fake has none");
  cr_assert_eq(server_requests(w.server), 1);
  result_fini(&r);
  world_fini(&w);
}

Test(call, skewed_clock_is_corrected_once) {
  PLAY({403, "Date: Mon, 03 Aug 2026 01:00:00 GMT\r\n", ERROR_XML("RequestTimeTooSkewed")},
       {200, NULL, "fine"});

  q.max_attempts = 1;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0);
  cr_assert_neq(strstr(play.seen[0], "|20260803T000000Z|"), NULL);
  cr_assert_neq(strstr(play.seen[1], "|20260803T010000Z|"), NULL, "%s", play.seen[1]);
  cr_assert_eq(caller_now(w.caller), NOW_S + 3600);
  result_fini(&r);
  perform(&w, &q, &r);
  cr_assert_neq(strstr(play.seen[2], "|20260803T010000Z|"), NULL, "kept for the next call");
  result_fini(&r);
  world_fini(&w);
}

Test(call, server_time_in_the_document_wins_and_once_is_enough) {
  PLAY({403, "Date: Mon, 03 Aug 2026 00:00:00 GMT\r\n",
        "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2026-08-02T22:00:00Z</ServerTime>"
        "</Error>"});

  perform(&w, &q, &r);
  cr_assert_eq(r.err, -EACCES);
  cr_assert_eq(server_requests(w.server), 2);
  cr_assert_neq(strstr(play.seen[1], "|20260802T220000Z|"), NULL, "%s", play.seen[1]);
  result_fini(&r);
  world_fini(&w);
}

Test(call, bare_403_with_a_distant_date_is_the_clock) {
  PLAY({403, "Date: Sun, 02 Aug 2026 23:50:00 GMT\r\n", NULL}, {200, NULL, NULL});

  free(w.request.method);
  w.request.method = strdup("HEAD");
  perform(&w, &q, &r);
  cr_assert_eq(r.err, 0, "%s", r.error.message);
  cr_assert_neq(strstr(play.seen[1], "|20260802T235000Z|"), NULL);
  result_fini(&r);
  world_fini(&w);
}

Test(call, bare_403_with_a_close_date_is_a_denial) {
  PLAY({403, "Date: Mon, 03 Aug 2026 00:03:00 GMT\r\n", NULL});

  free(w.request.method);
  w.request.method = strdup("HEAD");
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -EACCES);
  cr_assert_eq(server_requests(w.server), 1);
  cr_assert_eq(caller_now(w.caller), NOW_S);
  result_fini(&r);
  world_fini(&w);
}

/* --- streaming ------------------------------------------------------------------------- */

struct stream {
  struct mtx lock;
  struct cond changed;
  char bytes[256];
  size_t len;
  unsigned restarts;
  unsigned accepts;
  int accept_result[4];
  int data_result;
  bool done;
  int err;
  char code[64];
};

static int stream_accept(void *arg, const struct http_reply *r) {
  struct stream *s = arg;

  cr_assert_eq(r->status / 100, 2, "accept judges successes only");
  return s->accept_result[s->accepts < 3 ? s->accepts++ : 3];
}

static int stream_data(void *arg, const void *bytes, size_t len) {
  struct stream *s = arg;

  cr_assert_leq(s->len + len, sizeof(s->bytes));
  memcpy(s->bytes + s->len, bytes, len);
  s->len += len;
  return s->data_result;
}

static void stream_restart(void *arg) {
  struct stream *s = arg;

  s->restarts++;
  s->len = 0;
}

static void stream_done(void *arg, int err, const struct http_reply *reply, const void *body,
                        size_t len, struct s3_error *error) {
  struct stream *s = arg;

  (void)body;
  cr_assert_eq(len, 0);
  cr_assert_eq(err == 0, reply != NULL);
  cr_assert_eq(err == 0, error == NULL);
  mtx_lock(&s->lock);
  cr_assert_not(s->done, "done comes once");
  s->done = true;
  s->err = err;
  snprintf(s->code, sizeof(s->code), "%s", error != NULL ? error->code : "");
  cond_broadcast(&s->changed);
  mtx_unlock(&s->lock);
}

static void stream_init(struct stream *s, struct call_request *q) {
  memset(s, 0, sizeof(*s));
  mtx_init(&s->lock, RANK_APP);
  cond_init(&s->changed);
  q->accept = stream_accept;
  q->data = stream_data;
  q->restart = stream_restart;
  q->done = stream_done;
  q->arg = s;
}

static void stream_wait(struct stream *s) {
  mtx_lock(&s->lock);
  while (!s->done)
    cond_wait(&s->changed, &s->lock);
  mtx_unlock(&s->lock);
}

static void stream_fini(struct stream *s) {
  cond_fini(&s->changed);
  mtx_fini(&s->lock);
}

Test(call, cut_body_restarts_the_stream) {
  struct stream s;

  PLAY({-3, NULL, NULL}, {500, NULL, "not delivered"}, {200, NULL, "whole"});
  (void)r;
  stream_init(&s, &q);
  cr_assert_eq(call_submit(w.caller, &q, NULL), 0);
  stream_wait(&s);
  cr_assert_eq(s.err, 0);
  cr_assert_eq(s.restarts, 1);
  cr_assert_eq(s.accepts, 2);
  cr_assert_eq(s.len, 5);
  cr_assert_eq(memcmp(s.bytes, "whole", 5), 0);
  world_fini(&w);
  stream_fini(&s);
}

Test(call, accept_may_refuse_or_ask_again) {
  struct stream s;

  PLAY({200, NULL, "first"}, {206, NULL, "second"});
  (void)r;
  stream_init(&s, &q);
  s.accept_result[0] = -EAGAIN;
  cr_assert_eq(call_submit(w.caller, &q, NULL), 0);
  stream_wait(&s);
  cr_assert_eq(s.err, 0);
  cr_assert_eq(memcmp(s.bytes, "second", 6), 0);
  cr_assert_eq(s.restarts, 0, "no byte had been delivered");
  stream_fini(&s);
  stream_init(&s, &q);
  s.accept_result[0] = -ESTALE;
  cr_assert_eq(call_submit(w.caller, &q, NULL), 0);
  stream_wait(&s);
  cr_assert_eq(s.err, -ESTALE);
  cr_assert_eq(s.len, 0);
  world_fini(&w);
  stream_fini(&s);
}

Test(call, data_may_refuse) {
  struct stream s;

  PLAY({200, NULL, "bytes"});
  (void)r;
  stream_init(&s, &q);
  s.data_result = -EPROTO;
  cr_assert_eq(call_submit(w.caller, &q, NULL), 0);
  stream_wait(&s);
  cr_assert_eq(s.err, -EPROTO);
  cr_assert_eq(server_requests(w.server), 1);
  world_fini(&w);
  stream_fini(&s);
}

/* --- deadlines and cancelling ---------------------------------------------------------- */

Test(call, deadline_during_a_reply) {
  PLAY({-2, NULL, NULL});

  q.deadline_mono_ms = clock_mono_ms(&clock_system) + 300;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -ETIMEDOUT);
  cr_assert_geq(clock_mono_ms(&clock_system), q.deadline_mono_ms);
  result_fini(&r);
  world_fini(&w);
}

Test(call, attempt_time_out_is_retried) {
  PLAY({-2, NULL, NULL}, {200, NULL, "fine"});

  q.attempt_timeout_ms = 200;
  (void)r;
  expect_recovery(&w, &q, 2);
}

Test(call, silence_adds_up_over_attempts) {
  PLAY({-2, NULL, NULL});

  q.stall_timeout_ms = 200;
  q.quiet_ms = 350;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -ETIMEDOUT);
  cr_expect_leq(server_requests(w.server), 2, "and no six attempts");
  result_fini(&r);
  world_fini(&w);
}

Test(call, who_was_heard_may_be_silent_anew) {
  PLAY({-2, NULL, NULL}, {503, NULL, ERROR_XML("SlowDown")}, {-2, NULL, NULL}, {200, NULL, "fine"});

  q.stall_timeout_ms = 1500;
  q.quiet_ms = 2900;
  (void)r;
  expect_recovery(&w, &q, 4);
}

Test(call, deadline_during_the_pauses) {
  PLAY({503, "x-amz-retry-after: 4000\r\nx-amz-request-id: R9\r\n", ERROR_XML("SlowDown")});

  q.deadline_mono_ms = clock_mono_ms(&clock_system) + 2000;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -ETIMEDOUT);
  cr_assert_str_eq(r.error.code, "SlowDown", "what made it late is told");
  cr_assert_str_eq(r.error.request_id, "R9");
  result_fini(&r);
  world_fini(&w);
}

Test(call, deadline_already_over) {
  PLAY({200, NULL, NULL});

  q.deadline_mono_ms = clock_mono_ms(&clock_system) - 1;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -ETIMEDOUT);
  cr_assert_eq(server_requests(w.server), 0);
  result_fini(&r);
  world_fini(&w);
}

static void wait_requests(struct world *w, unsigned n) {
  while (server_requests(w->server) < n)
    usleep(1000);
}

Test(call, cancel_on_the_wire) {
  struct stream s;
  struct call *call = NULL;

  PLAY({-2, NULL, NULL});
  (void)r;
  stream_init(&s, &q);
  cr_assert_eq(call_submit(w.caller, &q, &call), 0);
  wait_requests(&w, 1);
  call_cancel(call);
  stream_wait(&s);
  cr_assert_eq(s.err, -ECANCELED);
  cr_assert_str_eq(s.code, "Canceled");
  world_fini(&w);
  stream_fini(&s);
}

/* The world is torn down while the pause's timer is still armed. */
Test(call, cancel_in_a_pause) {
  struct stream s;
  struct call *call = NULL;

  PLAY({503, "x-amz-retry-after: 60000\r\n", NULL});
  (void)r;
  stream_init(&s, &q);
  cr_assert_eq(call_submit(w.caller, &q, &call), 0);
  wait_requests(&w, 1);
  usleep(20000);
  call_cancel(call);
  stream_wait(&s);
  cr_assert_eq(s.err, -ECANCELED);
  cr_assert_eq(server_requests(w.server), 1);
  world_fini(&w);
  stream_fini(&s);
}

static void *open_gate(void *arg) {
  struct world *w = arg;

  usleep(50000);
  atomic_store(&w->source.gate, false);
  return NULL;
}

static void close_gate_after_get(struct server_conn *c, const struct server_request *r, void *arg) {
  struct world *w = arg;

  (void)r;
  atomic_store(&w->source.gate, true);
  conn_reply(c, 400, "", ERROR_XML("ExpiredToken"));
}

Test(call, cancel_while_keys_are_fetched) {
  struct world w;
  struct call_request q;
  struct stream s;
  struct call *call = NULL;
  pthread_t opener;

  world_init(&w, close_gate_after_get, &w);
  q = call_of(&w);
  stream_init(&s, &q);
  cr_assert_eq(call_submit(w.caller, &q, &call), 0);
  while (atomic_load(&w.source.gets) < 2)
    usleep(1000);
  call_cancel(call);
  cr_assert_eq(pthread_create(&opener, NULL, open_gate, &w), 0);
  stream_wait(&s);
  cr_assert_eq(s.err, -ECANCELED);
  cr_assert_eq(server_requests(w.server), 1);
  pthread_join(opener, NULL);
  world_fini(&w);
  stream_fini(&s);
}

Test(call, freed_engine_ends_calls_at_every_stage) {
  struct stream wire;
  struct stream pause;
  struct call_request other;

  PLAY({503, "x-amz-retry-after: 60000\r\n", NULL}, {-2, NULL, NULL});
  (void)r;
  other = q;
  stream_init(&pause, &q);
  stream_init(&wire, &other);
  cr_assert_eq(call_submit(w.caller, &q, NULL), 0);
  wait_requests(&w, 1);
  cr_assert_eq(call_submit(w.caller, &other, NULL), 0);
  wait_requests(&w, 2);
  http_engine_free(w.engine);
  stream_wait(&wire);
  stream_wait(&pause);
  cr_assert_eq(wire.err, -ECANCELED);
  cr_assert_eq(pause.err, -ECANCELED);
  caller_free(w.caller);
  server_stop(w.server);
  aws_request_fini(&w.request);
  stream_fini(&wire);
  stream_fini(&pause);
}

Test(call, closed_port_is_refused_after_retries) {
  char host[64];

  PLAY({200, NULL, NULL});
  snprintf(host, sizeof(host), "127.0.0.1:%u", closed_port());
  cr_assert_eq(aws_request_set(&w.request, "GET", "http", host, "/"), 0);
  q.max_attempts = 3;
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -ECONNREFUSED);
  cr_assert_eq(atomic_load(&w.source.gets), 3);
  result_fini(&r);
  world_fini(&w);
}

Test(call, untrusted_server_is_not_retried) {
  static struct play play;
  struct server *s = server_start(perform_step, &play, true);
  struct world w;
  struct call_request q;
  struct result r;
  char host[64];

  world_init(&w, perform_step, &play);
  snprintf(host, sizeof(host), "localhost:%u", server_port(s));
  cr_assert_eq(aws_request_set(&w.request, "GET", "https", host, "/"), 0);
  q = call_of(&w);
  perform(&w, &q, &r);
  cr_assert_eq(r.err, -EPROTO);
  cr_assert_neq(strcasestr(r.error.message, "certificate"), NULL, "%s", r.error.message);
  cr_assert_eq(server_connections(s), 1);
  result_fini(&r);
  world_fini(&w);
  server_stop(s);
}

/* --- many at once ----------------------------------------------------------------------- */

static void every_third_fails(struct server_conn *c, const struct server_request *r, void *arg) {
  (void)arg;
  if (r->number % 3 == 0)
    conn_reply(c, 503, "", ERROR_XML("SlowDown"));
  else if (r->number % 7 == 0)
    conn_reset(c);
  else
    conn_reply(c, 200, "", "fine");
}

static void *call_ten_times(void *arg) {
  struct world *w = arg;
  struct call_request q = call_of(w);
  struct result r;

  q.max_attempts = 20;
  for (int i = 0; i < 10; i++) {
    perform(w, &q, &r);
    cr_assert_eq(r.err, 0, "%d %s: %s", r.err, r.error.code, r.error.message);
    cr_assert_str_eq(buf_cstr(&r.body), "fine");
    result_fini(&r);
  }
  return NULL;
}

Test(call, sixteen_threads_through_trouble) {
  struct world w;
  pthread_t threads[16];

  world_init(&w, every_third_fails, NULL);
  for (int i = 0; i < 16; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, call_ten_times, &w), 0);
  for (int i = 0; i < 16; i++)
    pthread_join(threads[i], NULL);
  world_fini(&w);
}

/* Keys that are fetched by a call of their own, all of them retried: no number
 * of waiting calls may use up the threads that the inner ones need. */
struct nested_source {
  struct key_source base;
  struct world *inner;
};

static int nested_get(struct key_source *s, struct keys **out, struct s3_error *error) {
  struct nested_source *n = (struct nested_source *)s;
  struct call_request q = call_of(n->inner);
  int rc;

  q.max_attempts = 20;
  rc = call_perform(n->inner->caller, &q, NULL, NULL, error);
  return rc != 0 ? rc : keys_new("AKID", "secret-nested", NULL, 0, NULL, "nested", out);
}

static const struct key_source_ops nested_ops = {nested_get, NULL, NULL};

static void *call_nested(void *arg) {
  struct nested_source *n = arg;
  struct call_request q = call_of(n->inner);
  struct result r;

  q.keys = &n->base;
  q.max_attempts = 20;
  perform(n->inner, &q, &r);
  cr_assert_eq(r.err, 0, "%s", r.error.message);
  result_fini(&r);
  return NULL;
}

Test(call, keys_fetched_through_the_same_caller) {
  struct world w;
  struct nested_source n = {{&nested_ops}, &w};
  pthread_t threads[12];

  world_init(&w, every_third_fails, NULL);
  for (int i = 0; i < 12; i++)
    cr_assert_eq(pthread_create(&threads[i], NULL, call_nested, &n), 0);
  for (int i = 0; i < 12; i++)
    pthread_join(threads[i], NULL);
  world_fini(&w);
}
