/* Asynchronous ranged GET.
 *
 * One struct s3_get lives from s3_client_get() to done(). Each attempt first has
 * its status, Content-Range and etag judged (accept), then streams into g->dst.
 * Bytes once announced by progress() are never written again: a repeated attempt
 * skips over them, so readers may use them while the transfer goes on. Every
 * attempt must carry the etag of the first (the caller's If-Match, else what the
 * first attempt said); otherwise the object changed and the read is -ESTALE.
 *
 * Where all of a known version is wanted no range is named, because S3 tells an object's
 * checksum only then.
 *
 * Object Lambda access points answer a Range with 501 unless their function was
 * made for it. Such a client asks once; then the whole object is asked for and the
 * range cut out of it: what lies before is skipped, and the transfer ends when the
 * range is there. Where even the length is not told, it is counted to the end, and
 * nothing is announced before. If-Match would be about the object below the
 * function: etags of its answers are compared here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
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
  bool whole;     /* this attempt's body is the whole object */
  bool uncounted; /* and its length was not told */
  bool enough;    /* the range is complete, the rest is not wanted */
  uint64_t seen;  /* bytes of the whole object that came by */
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

/* All of this version: its size is known, and a larger one will not be sent. */
static bool wants_all(const struct store_get *g) {
  return g->offset == 0 && g->size != NULL && g->length == *g->size && g->if_match != NULL;
}

/* A server that ignores Range answers 200 with the whole object: fine only when
 * that is what was asked for. */
static int check_whole(const struct store_get *g, uint64_t total, size_t *promised) {
  if (g->size != NULL && *g->size != total)
    return -ESTALE;
  if (g->offset != 0 || total > g->length)
    return -EBADMSG;
  *promised = (size_t)total;
  return 0;
}

/* The whole object for a range of it. */
static int check_cut(struct s3_get *s, uint64_t total, size_t *promised) {
  const struct store_get *g = s->get;

  s->whole = true;
  *promised = g->length;
  if (s->uncounted)
    return 0;
  if (g->offset >= total)
    return -ERANGE;
  if (total - g->offset < g->length)
    *promised = (size_t)(total - g->offset);
  return 0;
}

/* A function's answer may have any size: it is remembered for the HEAD that
 * follows. */
static bool is_expected_size(struct s3_get *s, uint64_t size) {
  if (s->client->lambda)
    s3_lambda_learn(s->client->sizes, s->key, size);
  return s->get->size == NULL || *s->get->size == size;
}

static int check_same_object(struct s3_get *s, const struct store_attr *a) {
  struct store_get *g = s->get;

  if (g->if_match != NULL && strcmp(g->if_match, a->etag) != 0)
    return -ESTALE;
  if (!s->uncounted && !is_expected_size(s, a->size))
    return -ESTALE;
  if (s->have_attr && (strcmp(g->attr.etag, a->etag) != 0 || g->attr.size != a->size))
    return -ESTALE;
  g->attr = *a;
  s->have_attr = true;
  return 0;
}

static int read_attr(struct s3_get *s, const struct http_reply *r, struct store_attr *a) {
  s->uncounted =
      s->client->lambda && r->status == 200 && kvlist_get_ci(&r->headers, "content-length") == NULL;
  return s3_attr_from_headers(&r->headers, s->uncounted, a);
}

static int check_body(struct s3_get *s, const struct http_reply *r, uint64_t total,
                      size_t *promised) {
  s->whole = false;
  if (r->status == 206)
    return check_range(s->get, kvlist_get_ci(&r->headers, "content-range"), total, promised);
  if (r->status != 200)
    return -EBADMSG;
  return s->client->lambda ? check_cut(s, total, promised) : check_whole(s->get, total, promised);
}

/* Each attempt tells anew. */
static void take_detail(struct s3_get *s, const struct http_reply *r) {
  struct store_get *g = s->get;

  if (g->detail == NULL)
    return;
  if (g->detailed)
    store_detail_fini(g->detail);
  g->detailed = s3_detail_from_headers(&s->client->placing, &r->headers, g->detail) == 0;
}

static int get_accept(void *arg, const struct http_reply *r) {
  struct s3_get *s = arg;
  struct store_attr a;
  size_t promised;
  int rc = read_attr(s, r, &a);

  if (rc == 0)
    rc = check_body(s, r, a.size, &promised);
  if (rc == 0)
    rc = check_same_object(s, &a);
  if (rc != 0)
    return rc == -EBADMSG ? -EIO : rc;
  take_detail(s, r);
  s->promised = promised;
  s->at = 0;
  s->seen = 0;
  return 0;
}

/* Bytes of the range, in order. */
static void take_bytes(struct s3_get *s, const void *bytes, size_t len) {
  struct store_get *g = s->get;
  size_t skip = s->at < s->announced ? s->announced - s->at : 0;

  if (skip < len) {
    memcpy((char *)g->dst + s->at + skip, (const char *)bytes + skip, len - skip);
    if (!s->uncounted) {
      s->announced = s->at + len;
      if (g->progress != NULL)
        g->progress(g, s->announced);
    }
  }
  s->at += len;
}

static int take_cut(struct s3_get *s, const char *bytes, size_t len) {
  uint64_t from = s->get->offset;
  uint64_t start = s->seen;
  size_t before = start < from ? (size_t)(from - start < len ? from - start : len) : 0;
  size_t room = s->promised - s->at;
  size_t have = len - before < room ? len - before : room;

  s->seen += len;
  if (have > 0)
    take_bytes(s, bytes + before, have);
  if (s->uncounted || s->at < s->promised || s->seen >= s->get->attr.size)
    return 0;
  s->enough = true;
  return -ECANCELED;
}

static int get_data(void *arg, const void *bytes, size_t len) {
  struct s3_get *s = arg;

  if (s->whole)
    return take_cut(s, bytes, len);
  if (len > s->promised - s->at)
    return -EIO;
  take_bytes(s, bytes, len);
  return 0;
}

static void get_restart(void *arg) {
  struct s3_get *s = arg;

  s->at = 0;
  s->seen = 0;
}

/* The whole reply is here: does it hold what was asked for? */
static int get_complete(struct s3_get *s) {
  struct store_get *g = s->get;

  g->got = s->at;
  if (!s->uncounted)
    return s->at == s->promised ? 0 : -EIO;
  g->attr.size = s->seen;
  if (!is_expected_size(s, s->seen))
    return -ESTALE;
  return g->offset < s->seen ? 0 : -ERANGE;
}

static void get_done(void *arg, int err, const struct http_reply *reply, const void *body,
                     size_t len, struct s3_error *error) {
  struct s3_get *s = arg;

  (void)reply;
  (void)body;
  (void)len;
  if (err == 0 || s->enough) {
    err = get_complete(s);
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
  if (!s->client->lambda && wants_all(g))
    rc = s3_ask_checksum(&r->headers);
  else if (!s->client->lambda || atomic_load(&s->client->ranges) == S3_RANGES_YES)
    rc = kvlist_addf(&r->headers, "Range", "bytes=%llu-%llu", (unsigned long long)g->offset,
                     (unsigned long long)(g->offset + g->length - 1));
  if (rc == 0 && g->if_match != NULL && !s->client->lambda)
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

static int learn_accept(void *arg, const struct http_reply *r) {
  struct s3_client *c = arg;

  atomic_store(&c->ranges, r->status == 206 ? S3_RANGES_YES : S3_RANGES_NO);
  return r->status == 206 ? 0 : -ECANCELED; /* the body is not what is wanted */
}

/* Only a 501 says for certain that a Range is not taken; after anything else
 * (absent, denied) the next get asks again. */
void s3_client_learn_ranges(struct s3_client *c, const char *key) {
  struct s3_op op = {.method = "GET", .key = key, .accept = learn_accept, .arg = c};
  struct http_reply reply;
  struct s3_error error;
  struct kvlist headers;
  struct buf body;

  if (atomic_load(&c->ranges) != S3_RANGES_UNKNOWN)
    return;
  kvlist_init(&headers);
  s3_error_init(&error);
  op.headers = &headers;
  if (kvlist_add(&headers, "Range", "bytes=0-0") == 0) {
    if (s3_client_do(c, &op, &reply, &body, &error) == 0) {
      kvlist_fini(&reply.headers);
      buf_fini(&body);
    } else if (error.http_status == 501) {
      atomic_store(&c->ranges, S3_RANGES_NO);
    }
  }
  s3_error_fini(&error);
  kvlist_fini(&headers);
}

int s3_client_get(struct s3_client *c, const char *key, struct store_get *g,
                  int (*on_error)(void *arg, int err, struct s3_error *e), void *arg) {
  struct s3_get *s = calloc(1, sizeof(*s));
  int rc;

  if (s == NULL)
    return -ENOMEM;
  if (c->lambda)
    s3_client_learn_ranges(c, key);
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
