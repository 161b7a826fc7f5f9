/* Inside of the HTTP engine: what its files share. */
#ifndef S3APFS_NET_HTTP_INTERNAL_H
#define S3APFS_NET_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/net/bandwidth.h"
#include "s3apfs/net/http.h"

struct http_loop;

enum header_state { HEADERS_OPEN, HEADERS_INTERIM, HEADERS_DONE };

/* Filled by the submitter; from the queue on it belongs to its event thread,
 * but for `cancelled`. */
struct http_transfer {
  struct http_loop *loop;
  struct http_transfer *prev; /* in the loop's queue or running list */
  struct http_transfer *next;
  char *method;
  char *url;
  struct curl_slist *headers;
  bool direct; /* loopback or link-local: never through a proxy */
  const void *body;
  size_t body_len;
  int64_t expires_ms; /* monotonic; INT64_MAX without time-out */
  int64_t stall_ms;
  int (*on_headers)(void *arg, const struct http_reply *r);
  int (*on_data)(void *arg, const void *data, size_t len);
  void (*on_done)(void *arg, int err, const struct http_reply *r, const char *message);
  void *arg;
  atomic_bool cancelled;

  CURL *easy;
  struct http_reply reply;
  enum header_state header_state;
  size_t header_bytes;
  unsigned sendings;            /* libcurl sends once more when a kept connection had ended */
  int stopped;                  /* errno by which a callback or limit ended it */
  const char *why;              /* our words for it, or NULL */
  size_t sent;                  /* of the body; where `up` is limited */
  struct bandwidth *waits;      /* paused until that lets it go on; NULL: it runs */
  struct http_transfer *behind; /* in the loop's line of those */
  int64_t paused_ms;            /* since when */
  bool granted;                 /* its turn: the next piece is its own */
  uint64_t progress;            /* bytes moved when last looked */
  int64_t progress_ms;          /* and when that had changed */
  char message[CURL_ERROR_SIZE];
};

struct http_timer {
  struct http_timer *next;
  int64_t at_ms;
  void (*fn)(void *arg, bool cancelled);
  void *arg;
};

/* Doubly linked list; first in, first out. */
struct http_list {
  struct http_transfer *head;
  struct http_transfer *tail;
};

struct http_loop {
  struct http_engine *engine;
  pthread_t thread;
  bool started;
  CURLM *multi;
  unsigned limit;   /* transfers at a time */
  atomic_uint load; /* accepted and not done */

  /* the event thread's own */
  struct http_list waiting;
  struct http_list running;
  unsigned running_count;
  int64_t next_check_ms;
  struct http_transfer *line; /* who waits for bandwidth, first come first */
  CURL **idle;                /* `limit` slots */
  unsigned idle_count;

  struct {
    struct mtx lock;
    struct http_list queue;
    struct http_timer *timers; /* by time */
    bool cancels;              /* some transfer is marked */
    bool stop;
  } synced;
};

struct http_engine {
  struct http_loop *loops;
  unsigned loop_count;
  char *ca_bundle;
  bool ca_is_dir;
  struct curl_slist *connect_to;
  bool connect_direct; /* connect_to leads to loopback */
  char *user_agent;
  int64_t connect_timeout_ms;
  struct bandwidth *down; /* NULL: no limit */
  struct bandwidth *up;
  bool verbose;
  atomic_uint_fast64_t requests;
  atomic_uint_fast64_t connections;
  atomic_uint_fast64_t bytes_in;
  atomic_uint_fast64_t bytes_out;
};

void http_list_push(struct http_list *l, struct http_transfer *t);
void http_list_remove(struct http_list *l, struct http_transfer *t);

void http_transfer_free(struct http_transfer *t);

void *http_loop_main(void *arg);

/* --- http_turns.c: who may move bytes when bandwidth is limited --- */
/* A piece of that size may be moved now. False: the transfer has its place in the line, and
 * the callback pauses it. */
bool http_turn_take(struct http_transfer *t, struct bandwidth *b, size_t bytes);
/* Lets those go on whose turn it is. */
void http_turns_give(struct http_loop *l);
/* Microseconds until that is worth a look; -1: nobody waits. */
int64_t http_turns_wait_us(struct http_loop *l);
/* The transfer has ended. */
void http_turn_leave(struct http_loop *l, struct http_transfer *t);

/* Prepares t->easy for the transfer; 0 or -errno. */
int http_easy_setup(struct http_engine *e, struct http_transfer *t);
/* The errno for a finished transfer. */
int http_easy_errno(struct http_transfer *t, CURLcode code);
bool http_url_is_local(const char *url);

#endif
