/* Asynchronous HTTP engine over libcurl's multi interface.
 *
 * A few event threads, each with its own multi handle and connection pool.
 * Transfers are submitted from any thread; callbacks run on the event thread
 * and must not block, must not submit-and-wait, and may be called after cancel
 * until done() came. done() comes exactly once for every accepted transfer. */
#ifndef S3APFS_NET_HTTP_H
#define S3APFS_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3apfs/base/kv.h"

struct bandwidth;
struct http_engine;

struct http_options {
  unsigned threads;           /* 0: 2 */
  unsigned max_connections;   /* 0: 64; over all threads */
  const char *ca_bundle;      /* NULL: libcurl's default */
  const char *connect_to;     /* NULL, or HOST:PORT every connection goes to, Host kept */
  const char *user_agent;     /* NULL: "s3apfs/VERSION" */
  int64_t connect_timeout_ms; /* 0: 5 s */
  struct bandwidth *down;     /* limit of what is received, borrowed; NULL: none */
  struct bandwidth *up;       /* the same of bodies that are sent */
  bool verbose;               /* headers to the debug log, redacted */
};

int http_engine_new(const struct http_options *o, struct http_engine **out);
/* Cancels what runs, joins the threads. */
void http_engine_free(struct http_engine *e);

struct http_reply {
  int status;            /* 0 while no status line came */
  struct kvlist headers; /* of the final reply */
  /* The request was sent more than once: a kept connection had ended without a reply, before it
   * came or after. Needs libcurl 7.80. */
  bool again;
};

#define HTTP_STALL_MS 20000

struct http_request {
  const char *method;
  const char *url;
  const struct kvlist *headers;
  const void *body; /* NULL: none; must stay until done */
  size_t body_len;
  int64_t timeout_ms;       /* whole transfer, without its turns to wait for bandwidth; 0 none */
  int64_t stall_timeout_ms; /* no byte for so long: -ETIMEDOUT; 0: HTTP_STALL_MS */
  /* Status and headers are complete (also for errors). Non-zero stops the
   * transfer with that negative errno. May be NULL. */
  int (*on_headers)(void *arg, const struct http_reply *r);
  /* Body bytes in order. Non-zero stops the transfer with that negative errno. */
  int (*on_data)(void *arg, const void *data, size_t len);
  /* err 0: the whole reply arrived (any status). Else a negative errno:
   * -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH (name not resolved), -ECONNRESET
   * (cut short), -EPROTO (TLS or HTTP violation), -ECANCELED, or a callback's.
   * message: one line from libcurl, "" without error. */
  void (*on_done)(void *arg, int err, const struct http_reply *r, const char *message);
  void *arg;
};

struct http_transfer; /* valid until on_done returned */

/* Copies method, url and headers. 0 (on_done will come) or -errno (it will not).
 * `out` may be NULL; it is written before any callback can run. */
int http_submit(struct http_engine *e, const struct http_request *q, struct http_transfer **out);
/* Asks for the end of a transfer; on_done comes with -ECANCELED unless it was
 * already on its way. Callers make sure on_done has not returned yet. */
void http_cancel(struct http_engine *e, struct http_transfer *t);
/* Runs fn(arg) on an event thread after delay_ms. Dropped (fn gets cancelled =
 * true) when the engine is freed first. */
int http_after(struct http_engine *e, int64_t delay_ms, void (*fn)(void *arg, bool cancelled),
               void *arg);

struct http_stats {
  uint64_t requests;
  uint64_t connections; /* opened */
  uint64_t bytes_in;
  uint64_t bytes_out;
};
/* True when the host of "HOST" or "HOST:PORT" is loopback or link-local. */
bool http_host_is_local(const char *host);
void http_engine_stats(struct http_engine *e, struct http_stats *out);

#endif
