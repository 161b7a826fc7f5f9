/* Signed calls: sign, send, judge, retry.
 *
 * One call = attempts until success, a fatal error, the deadline or cancel.
 * Between attempts: exponential backoff with full jitter, a retry token bucket
 * shared by the caller (AWS SDK standard mode: 500 tokens, 5 a retry, 10 after
 * time-outs), x-amz-retry-after honoured. Every attempt fetches keys and signs
 * anew; expired keys are renewed and the call repeated once; a skewed clock is
 * corrected from the server's and the call repeated once; neither counts as an
 * attempt. A 200 whose collected body is an error is a failure. When the
 * deadline cuts retries short, err is -ETIMEDOUT and the rest of the error tells
 * the last failure. Logs at debug level only: the caller maps errors. */
#ifndef S3APFS_NET_CALL_H
#define S3APFS_NET_CALL_H

#include "s3apfs/aws/endpoint.h"
#include "s3apfs/aws/request.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/net/http.h"
#include "s3apfs/net/keys.h"

struct caller; /* engine + clock offset + retry tokens; shared, thread-safe */

struct caller_options {
  const struct clock *clock; /* NULL: clock_system */
  unsigned max_attempts;     /* 0: 6 */
  int64_t base_delay_ms;     /* 0: 100 */
  int64_t max_delay_ms;      /* 0: 20 s */
};

int caller_new(struct http_engine *e, const struct caller_options *o, struct caller **out);
/* Every call must have ended. The engine is not freed. */
void caller_free(struct caller *c);
/* Wall clock corrected by what the servers said; seconds. */
int64_t caller_now(struct caller *c);
/* The same as a clock, for what is compared with times that servers tell. */
const struct clock *caller_clock(const struct caller *c);
struct http_engine *caller_engine(struct caller *c);

struct call;

struct call_request {
  const struct aws_request *request; /* unsigned; copied */
  struct key_source *keys;           /* NULL: sent unsigned. Its failure is the call's;
                                        -ENOENT becomes -EACCES */
  enum auth_scheme auth;
  const char *signing_name;
  const char *signing_region;
  bool generic_path; /* STS: normalise and double-encode the path when signing */
  const void *body;  /* must stay until done. x-amz-content-sha256: the request's own
                        value if it has one; else the body's hash, but UNSIGNED-PAYLOAD
                        for a large one over TLS (the transport protects it) */
  size_t body_len;
  int64_t deadline_mono_ms;   /* clock_system monotonic; 0: none */
  int64_t attempt_timeout_ms; /* 0: none beyond the stall time-out */
  int64_t stall_timeout_ms;   /* 0: HTTP_STALL_MS; longer for what a service does in silence */
  int64_t quiet_ms;           /* nobody heard for so long, over attempts: -ETIMEDOUT; 0: no limit */
  unsigned max_attempts;      /* 0: the caller's */
  /* Becomes true before done() when an attempt that may have been carried out
   * (no reply, also on a kept connection that libcurl gave up by itself, or one of a service in
   * trouble) was followed by another, so that
   * a change can ask whether it already happened. May be NULL. */
  bool *repeated;
  /* Success (2xx): headers are judged by accept() on every attempt before a
   * byte is delivered; non-zero fails the call with that errno and is not
   * retried, but -EAGAIN asks for another attempt (so does data's). May be NULL. */
  int (*accept)(void *arg, const struct http_reply *r);
  /* Body of a successful reply, in order; restart() comes first when an attempt
   * was cut short and the next starts from the beginning: forget what came.
   * data == NULL: the whole body (up to 32 MiB) is collected for on_done. */
  int (*data)(void *arg, const void *bytes, size_t len);
  void (*restart)(void *arg);
  /* Exactly once, on a thread of ours. err 0: reply is the successful one;
   * body/len the collected bytes (valid during the callback); error NULL. Else
   * error (never NULL, may be moved from) says it all and reply is NULL. Must
   * not block when it comes from the engine, as http.h says. */
  void (*done)(void *arg, int err, const struct http_reply *reply, const void *body, size_t len,
               struct s3_error *error);
  void *arg;
};

/* May block for keys. 0: done() will come, on another thread (perhaps before
 * this returns; only when memory or threads are short on this one);
 * -errno: it will not. `out` (may be NULL) is written before done() can come. */
int call_submit(struct caller *c, const struct call_request *q, struct call **out);
/* done() comes soon with -ECANCELED unless it was on its way; the caller makes
 * sure it has not returned yet. While keys are being fetched it comes when the
 * key source returns. */
void call_cancel(struct call *call);

/* Blocking form: collects the body. On success *reply and *body are the
 * caller's (kvlist_fini(&reply->headers), buf_fini); else *error is filled. */
int call_perform(struct caller *c, const struct call_request *q, struct http_reply *reply,
                 struct buf *body, struct s3_error *error);

#endif
