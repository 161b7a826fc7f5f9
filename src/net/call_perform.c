/* Signed calls: the blocking form, a waiter around call_submit(). */
#include <errno.h>

#include "s3apfs/base/lock.h"
#include "s3apfs/net/call.h"

struct performance {
  const struct call_request *q;
  struct http_reply reply;
  struct buf body;
  struct s3_error error;
  struct {
    struct mtx lock;
    struct cond changed;
    bool done;
    int err;
  } synced;
};

static int on_accept(void *arg, const struct http_reply *r) {
  struct performance *p = arg;

  return p->q->accept(p->q->arg, r);
}

static int take_reply(struct performance *p, const struct http_reply *r, const void *body,
                      size_t len) {
  p->reply.status = r->status;
  if (kvlist_copy(&p->reply.headers, &r->headers) != 0)
    return -ENOMEM;
  buf_append(&p->body, body, len);
  return buf_error(&p->body);
}

static void on_done(void *arg, int err, const struct http_reply *r, const void *body, size_t len,
                    struct s3_error *error) {
  struct performance *p = arg;

  if (err != 0)
    s3_error_move(&p->error, error);
  else if ((err = take_reply(p, r, body, len)) != 0)
    s3_error_from_transport(&p->error, err, "no memory for the reply");
  mtx_lock(&p->synced.lock);
  p->synced.done = true;
  p->synced.err = err;
  cond_signal(&p->synced.changed);
  mtx_unlock(&p->synced.lock);
}

static int wait_done(struct performance *p) {
  int err;

  mtx_lock(&p->synced.lock);
  while (!p->synced.done)
    cond_wait(&p->synced.changed, &p->synced.lock);
  err = p->synced.err;
  mtx_unlock(&p->synced.lock);
  return err;
}

/* Results move to the caller on success, the error otherwise. */
static void hand_over(struct performance *p, int err, struct http_reply *reply, struct buf *body,
                      struct s3_error *error) {
  if (err == 0 && reply != NULL) {
    *reply = p->reply;
    kvlist_init(&p->reply.headers);
  }
  if (err == 0 && body != NULL) {
    *body = p->body;
    buf_init(&p->body, 0);
  }
  if (err != 0 && error != NULL)
    s3_error_move(error, &p->error);
}

int call_perform(struct caller *c, const struct call_request *q, struct http_reply *reply,
                 struct buf *body, struct s3_error *error) {
  struct performance p = {.q = q};
  struct call_request inner = *q;
  int err;

  kvlist_init(&p.reply.headers);
  buf_init(&p.body, 0);
  s3_error_init(&p.error);
  mtx_init(&p.synced.lock, RANK_CALL);
  cond_init(&p.synced.changed);
  inner.accept = q->accept != NULL ? on_accept : NULL;
  inner.data = NULL;
  inner.restart = NULL;
  inner.done = on_done;
  inner.arg = &p;
  err = call_submit(c, &inner, NULL);
  if (err != 0)
    s3_error_from_transport(&p.error, err, "the request could not be made");
  else
    err = wait_done(&p);
  hand_over(&p, err, reply, body, error);
  cond_fini(&p.synced.changed);
  mtx_fini(&p.synced.lock);
  s3_error_fini(&p.error);
  buf_fini(&p.body);
  kvlist_fini(&p.reply.headers);
  return err;
}
