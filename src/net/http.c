/* HTTP engine: its life, and the calls that other threads make.
 *
 * An engine owns a few event threads (http_loop.c), each with its own multi
 * handle, so connections are reused within a thread and never shared. A
 * transfer goes to the thread with the least to do, the first one on a tie: a
 * quiet program then keeps using one warm connection.
 *
 * A transfer's life: built here by the submitter, queued under the loop's lock,
 * from then on the event thread's alone. Other threads may only mark it as
 * cancelled. The event thread frees it after on_done() returned. */
#include "s3apfs/net/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http_internal.h"
#include "s3apfs/base/clock.h"
#include "s3apfs/base/text.h"

#define DEFAULT_THREADS 2
#define DEFAULT_CONNECTIONS 64
#define DEFAULT_CONNECT_MS 5000

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_rc;

static void curl_start(void) {
  curl_rc = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int copy_string(char **at, const char *s) {
  if (s == NULL)
    return 0;
  *at = strdup(s);
  return *at != NULL ? 0 : -ENOMEM;
}

/* A bundle that cannot be read is told now, not as a failure of each call. */
static int set_ca_bundle(struct http_engine *e, const char *path) {
  struct stat st;

  if (path == NULL)
    return 0;
  if (stat(path, &st) != 0 || access(path, R_OK) != 0)
    return -errno;
  e->ca_is_dir = S_ISDIR(st.st_mode);
  return copy_string(&e->ca_bundle, path);
}

static int set_connect_to(struct http_engine *e, const char *target) {
  char *entry;

  if (target == NULL)
    return 0;
  entry = text_printf("::%s", target);
  if (entry == NULL)
    return -ENOMEM;
  e->connect_to = curl_slist_append(NULL, entry);
  e->connect_direct = http_host_is_local(target);
  free(entry);
  return e->connect_to != NULL ? 0 : -ENOMEM;
}

static int set_options(struct http_engine *e, const struct http_options *o) {
  int rc = set_ca_bundle(e, o->ca_bundle);

  if (rc == 0)
    rc = set_connect_to(e, o->connect_to);
  if (rc == 0)
    rc = copy_string(&e->user_agent,
                     o->user_agent != NULL ? o->user_agent : "s3apfs/" S3APFS_VERSION);
  e->connect_timeout_ms = o->connect_timeout_ms > 0 ? o->connect_timeout_ms : DEFAULT_CONNECT_MS;
  e->down = o->down;
  e->up = o->up;
  e->verbose = o->verbose;
  return rc;
}

static int loop_init(struct http_loop *l, struct http_engine *e, unsigned limit) {
  l->engine = e;
  l->limit = limit;
  mtx_init(&l->synced.lock, RANK_HTTP);
  l->multi = curl_multi_init();
  l->idle = calloc(limit, sizeof(CURL *));
  if (l->multi == NULL || l->idle == NULL)
    return -ENOMEM;
  curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)limit);
  curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
  return 0;
}

static void loop_fini(struct http_loop *l) {
  while (l->idle_count > 0)
    curl_easy_cleanup(l->idle[--l->idle_count]);
  free(l->idle);
  if (l->multi != NULL)
    curl_multi_cleanup(l->multi);
  mtx_fini(&l->synced.lock);
}

static int start_loops(struct http_engine *e, unsigned threads, unsigned connections) {
  unsigned limit = (connections + threads - 1) / threads;
  int rc = 0;

  e->loops = calloc(threads, sizeof(*e->loops));
  if (e->loops == NULL)
    return -ENOMEM;
  for (; rc == 0 && e->loop_count < threads; e->loop_count++)
    rc = loop_init(&e->loops[e->loop_count], e, limit);
  for (unsigned i = 0; rc == 0 && i < threads; i++) {
    rc = -pthread_create(&e->loops[i].thread, NULL, http_loop_main, &e->loops[i]);
    e->loops[i].started = rc == 0;
  }
  return rc;
}

int http_engine_new(const struct http_options *o, struct http_engine **out) {
  struct http_options none = {0};
  struct http_engine *e;
  int rc;

  if (o == NULL)
    o = &none;
  pthread_once(&curl_once, curl_start);
  if (curl_rc != CURLE_OK)
    return -ENOMEM;
  e = calloc(1, sizeof(*e));
  if (e == NULL)
    return -ENOMEM;
  rc = set_options(e, o);
  if (rc == 0)
    rc = start_loops(e, o->threads != 0 ? o->threads : DEFAULT_THREADS,
                     o->max_connections != 0 ? o->max_connections : DEFAULT_CONNECTIONS);
  if (rc != 0) {
    http_engine_free(e);
    return rc;
  }
  *out = e;
  return 0;
}

static void loop_stop(struct http_loop *l) {
  mtx_lock(&l->synced.lock);
  l->synced.stop = true;
  mtx_unlock(&l->synced.lock);
  if (l->started)
    curl_multi_wakeup(l->multi);
}

/* All loops refuse work before the first one is joined: what ends in one may
 * want to continue in another. */
void http_engine_free(struct http_engine *e) {
  if (e == NULL)
    return;
  for (unsigned i = 0; i < e->loop_count; i++)
    loop_stop(&e->loops[i]);
  for (unsigned i = 0; i < e->loop_count; i++)
    if (e->loops[i].started)
      pthread_join(e->loops[i].thread, NULL);
  for (unsigned i = 0; i < e->loop_count; i++)
    loop_fini(&e->loops[i]);
  curl_slist_free_all(e->connect_to);
  free(e->loops);
  free(e->ca_bundle);
  free(e->user_agent);
  free(e);
}

void http_list_push(struct http_list *l, struct http_transfer *t) {
  t->next = NULL;
  t->prev = l->tail;
  if (l->tail != NULL)
    l->tail->next = t;
  else
    l->head = t;
  l->tail = t;
}

void http_list_remove(struct http_list *l, struct http_transfer *t) {
  if (t->prev != NULL)
    t->prev->next = t->next;
  else
    l->head = t->next;
  if (t->next != NULL)
    t->next->prev = t->prev;
  else
    l->tail = t->prev;
  t->prev = NULL;
  t->next = NULL;
}

static void wipe_headers(struct curl_slist *list) {
  for (struct curl_slist *at = list; at != NULL; at = at->next)
    explicit_bzero(at->data, strlen(at->data));
  curl_slist_free_all(list);
}

void http_transfer_free(struct http_transfer *t) {
  if (t == NULL)
    return;
  kvlist_fini(&t->reply.headers);
  wipe_headers(t->headers);
  free(t->method);
  if (t->url != NULL)
    explicit_bzero(t->url, strlen(t->url)); /* presigned URLs are secrets */
  free(t->url);
  free(t);
}

static int add_header(struct http_transfer *t, const char *name, const char *value) {
  /* "Name;" is how libcurl is told to send a header without a value. */
  char *line = *value != '\0' ? text_printf("%s: %s", name, value) : text_printf("%s;", name);
  struct curl_slist *list = line != NULL ? curl_slist_append(t->headers, line) : NULL;

  if (line != NULL)
    explicit_bzero(line, strlen(line));
  free(line);
  if (list == NULL)
    return -ENOMEM;
  t->headers = list;
  return 0;
}

static bool has_line_break(const char *s) {
  return strpbrk(s, "\r\n") != NULL;
}

static int copy_headers(struct http_transfer *t, const struct kvlist *headers) {
  /* What libcurl would add on its own and nobody signed. */
  static const char *const unwanted[] = {"Expect:", "Content-Type:"};
  int rc = 0;

  for (size_t i = 0; headers != NULL && rc == 0 && i < headers->count; i++) {
    const struct kv *h = &headers->items[i];

    if (has_line_break(h->name) || has_line_break(h->value))
      return -EINVAL;
    rc = add_header(t, h->name, h->value);
  }
  for (size_t i = 0; rc == 0 && i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
    struct curl_slist *list;

    if (i == 1 && headers != NULL && kvlist_get_ci(headers, "Content-Type") != NULL)
      continue;
    list = curl_slist_append(t->headers, unwanted[i]);
    if (list == NULL)
      return -ENOMEM;
    t->headers = list;
  }
  return rc;
}

static int64_t deadline_after(int64_t now, int64_t ms) {
  return ms > 0 && ms < INT64_MAX - now ? now + ms : INT64_MAX;
}

static int transfer_new(const struct http_request *q, struct http_transfer **out) {
  struct http_transfer *t = calloc(1, sizeof(*t));
  int rc;

  if (t == NULL)
    return -ENOMEM;
  t->method = strdup(q->method);
  t->url = strdup(q->url);
  rc = t->method == NULL || t->url == NULL ? -ENOMEM : copy_headers(t, q->headers);
  if (rc == 0 && (has_line_break(t->method) || has_line_break(t->url)))
    rc = -EINVAL;
  if (rc != 0) {
    http_transfer_free(t);
    return rc;
  }
  t->direct = http_url_is_local(t->url);
  t->body = q->body;
  t->body_len = q->body_len;
  t->expires_ms = deadline_after(clock_mono_ms(&clock_system), q->timeout_ms);
  t->stall_ms = q->stall_timeout_ms > 0 ? q->stall_timeout_ms : HTTP_STALL_MS;
  t->on_headers = q->on_headers;
  t->on_data = q->on_data;
  t->on_done = q->on_done;
  t->arg = q->arg;
  atomic_init(&t->cancelled, false);
  *out = t;
  return 0;
}

static struct http_loop *least_loaded(struct http_engine *e) {
  struct http_loop *best = &e->loops[0];

  for (unsigned i = 1; i < e->loop_count; i++)
    if (atomic_load(&e->loops[i].load) < atomic_load(&best->load))
      best = &e->loops[i];
  return best;
}

int http_submit(struct http_engine *e, const struct http_request *q, struct http_transfer **out) {
  struct http_loop *l = least_loaded(e);
  struct http_transfer *t = NULL;
  bool stop;
  int rc = transfer_new(q, &t);

  if (rc != 0)
    return rc;
  t->loop = l;
  mtx_lock(&l->synced.lock);
  stop = l->synced.stop;
  if (!stop) {
    if (out != NULL)
      *out = t;
    atomic_fetch_add(&l->load, 1);
    http_list_push(&l->synced.queue, t);
  }
  mtx_unlock(&l->synced.lock);
  if (stop) {
    http_transfer_free(t);
    return -ECANCELED;
  }
  curl_multi_wakeup(l->multi);
  return 0;
}

/* The mark and the loop's flag are set together: the event thread clears the
 * flag first and looks at the marks afterwards. */
void http_cancel(struct http_engine *e, struct http_transfer *t) {
  struct http_loop *l = t->loop;

  (void)e;
  mtx_lock(&l->synced.lock);
  atomic_store(&t->cancelled, true);
  l->synced.cancels = true;
  mtx_unlock(&l->synced.lock);
  curl_multi_wakeup(l->multi);
}

int http_after(struct http_engine *e, int64_t delay_ms, void (*fn)(void *arg, bool cancelled),
               void *arg) {
  struct http_loop *l = least_loaded(e);
  struct http_timer *timer = calloc(1, sizeof(*timer));
  struct http_timer **at;
  bool stop;

  if (timer == NULL)
    return -ENOMEM;
  timer->at_ms = clock_mono_ms(&clock_system) + (delay_ms > 0 ? delay_ms : 0);
  timer->fn = fn;
  timer->arg = arg;
  mtx_lock(&l->synced.lock);
  stop = l->synced.stop;
  if (!stop) {
    for (at = &l->synced.timers; *at != NULL && (*at)->at_ms <= timer->at_ms; at = &(*at)->next)
      ;
    timer->next = *at;
    *at = timer;
  }
  mtx_unlock(&l->synced.lock);
  if (stop) {
    free(timer);
    return -ECANCELED;
  }
  curl_multi_wakeup(l->multi);
  return 0;
}

void http_engine_stats(struct http_engine *e, struct http_stats *out) {
  out->requests = atomic_load(&e->requests);
  out->connections = atomic_load(&e->connections);
  out->bytes_in = atomic_load(&e->bytes_in);
  out->bytes_out = atomic_load(&e->bytes_out);
}
