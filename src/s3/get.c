/* Asynchronous ranged GET.
 *
 * One struct s3_get lives from s3_client_get() to done(). Each attempt first has
 * its status, Content-Range and etag judged (accept), then streams into g->dst.
 * Bytes once announced by progress() are never written again: a repeated attempt
 * skips over them, so readers may use them while the transfer goes on. Every
 * attempt must carry the etag of the first (the caller's If-Match, else what the
 * first attempt said); otherwise the object changed and the read is -ESTALE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_internal.h"
#include "s3apfs/base/text.h"

struct s3_get {
  struct s3_client *client;
  struct store_get *get;
  struct s3_where *where;
  struct call *call;
  char *key;
  size_t promised; /* body length of this attempt */
  size_t at;       /* bytes of this attempt so far */
  size_t announced;
  bool have_attr;
  int (*on_error)(void *arg, int err, struct s3_error *e);
  void *arg;
};

static int get_submit(struct s3_get *s);

static void get_finish(struct s3_get *s, int err) {
  struct store_get *g = s->get;
  struct s3_client *c = s->client;

  mtx_lock(&c->synced.lock);
  g->impl = NULL; /* from here on a cancel finds nothing */
  mtx_unlock(&c->synced.lock);
  s3_where_unref(s->where);
  free(s->key);
  free(s);
  g->done(g, err);
}

/* "bytes A-B/TOTAL"; A and the length must be what was asked. */
static int check_range(const struct store_get *g, const char *range, uint64_t total,
                       size_t *promised) {
  unsigned long long first;
  unsigned long long last;
  uint64_t want;

  if (range == NULL || sscanf(range, "bytes %llu-%llu/", &first, &last) != 2)
    return -EBADMSG;
  if (g->offset >= total)
    return -EBADMSG;
  want = total - g->offset < g->length ? total - g->offset : g->length;
  if (first != g->offset || last < first || last - first + 1 != want)
    return -EBADMSG;
  *promised = (size_t)want;
  return 0;
}

/* A server that ignores Range answers 200 with the whole object: fine only when
 * that is what was asked for. */
static int check_whole(const struct store_get *g, uint64_t total, size_t *promised) {
  if (g->offset != 0 || total > g->length)
    return -EBADMSG;
  *promised = (size_t)total;
  return 0;
}

static int check_same_object(struct s3_get *s, const struct store_attr *a) {
  struct store_get *g = s->get;

  if (g->if_match != NULL && strcmp(g->if_match, a->etag) != 0)
    return -ESTALE;
  if (s->have_attr && (strcmp(g->attr.etag, a->etag) != 0 || g->attr.size != a->size))
    return -ESTALE;
  g->attr = *a;
  s->have_attr = true;
  return 0;
}

static int get_accept(void *arg, const struct http_reply *r) {
  struct s3_get *s = arg;
  struct store_attr a;
  size_t promised;
  int rc = s3_attr_from_headers(&r->headers, &a);

  if (rc == 0 && r->status == 206)
    rc = check_range(s->get, kvlist_get_ci(&r->headers, "content-range"), a.size, &promised);
  else if (rc == 0)
    rc = r->status == 200 ? check_whole(s->get, a.size, &promised) : -EBADMSG;
  if (rc == 0)
    rc = check_same_object(s, &a);
  if (rc != 0)
    return rc == -EBADMSG ? -EIO : rc;
  s->promised = promised;
  s->at = 0;
  return 0;
}

static int get_data(void *arg, const void *bytes, size_t len) {
  struct s3_get *s = arg;
  struct store_get *g = s->get;
  size_t skip = s->at < s->announced ? s->announced - s->at : 0;

  if (len > s->promised - s->at)
    return -EIO;
  if (skip < len) {
    memcpy((char *)g->dst + s->at + skip, (const char *)bytes + skip, len - skip);
    s->announced = s->at + len;
    if (g->progress != NULL)
      g->progress(g, s->announced);
  }
  s->at += len;
  return 0;
}

static void get_restart(void *arg) {
  struct s3_get *s = arg;

  s->at = 0;
}

static void get_done(void *arg, int err, const struct http_reply *reply, const void *body,
                     size_t len, struct s3_error *error) {
  struct s3_get *s = arg;

  (void)reply;
  (void)body;
  (void)len;
  if (err == 0) {
    s->get->got = s->at;
    err = s->at == s->promised ? 0 : -EIO;
  } else if (error->http_status == 416) {
    err = -ERANGE;
  } else if (error->http_status == 412) {
    err = -ESTALE;
  } else if (s->on_error != NULL) {
    err = s->on_error(s->arg, err, error);
  }
  get_finish(s, err);
}

static int get_request(struct s3_get *s, struct aws_request *r) {
  const struct store_get *g = s->get;
  int rc = s3_client_request(s->client, s->where, "GET", s->key, r);

  if (rc != 0)
    return rc;
  rc = kvlist_addf(&r->headers, "Range", "bytes=%llu-%llu", (unsigned long long)g->offset,
                   (unsigned long long)(g->offset + g->length - 1));
  if (rc == 0 && g->if_match != NULL)
    rc = kvlist_addf(&r->headers, "If-Match", "\"%s\"", g->if_match);
  if (rc != 0)
    aws_request_fini(r);
  return rc;
}

static int get_submit(struct s3_get *s) {
  struct aws_request r;
  struct call_request q;
  int rc = get_request(s, &r);

  if (rc != 0)
    return rc;
  s3_client_call(s->client, s->where, &r, &q);
  if (s->get->deadline_mono_ms != 0)
    q.deadline_mono_ms = s->get->deadline_mono_ms;
  q.accept = get_accept;
  q.data = get_data;
  q.restart = get_restart;
  q.done = get_done;
  q.arg = s;
  rc = call_submit(s->client->caller, &q, &s->call);
  aws_request_fini(&r);
  return rc;
}

int s3_client_get(struct s3_client *c, const char *key, struct store_get *g,
                  int (*on_error)(void *arg, int err, struct s3_error *e), void *arg) {
  struct s3_get *s = calloc(1, sizeof(*s));
  int rc;

  if (s == NULL)
    return -ENOMEM;
  s->client = c;
  s->get = g;
  s->on_error = on_error;
  s->arg = arg;
  s->where = s3_client_where(c);
  s->key = strdup(key);
  g->got = 0;
  g->impl = s;
  rc = s->key == NULL ? -ENOMEM : get_submit(s);
  if (rc != 0) {
    g->impl = NULL;
    s3_where_unref(s->where);
    free(s->key);
    free(s);
  }
  return rc;
}

/* The lock keeps the call alive meanwhile: it ends after get_finish(). */
void s3_client_get_cancel(struct s3_client *c, struct store_get *g) {
  struct s3_get *s;

  mtx_lock(&c->synced.lock);
  s = g->impl;
  if (s != NULL && s->call != NULL)
    call_cancel(s->call);
  mtx_unlock(&c->synced.lock);
}
