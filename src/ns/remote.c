/* Calls to stores, made by a pool of threads.
 *
 * The request that wants the answer waits apart from the call, so it can end at
 * its deadline or when it is interrupted although the store has not answered,
 * and it can have a HEAD and a LIST under way at once. A call has two owners,
 * the waiter and the thread that makes it; the last one frees it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "remote.h"
#include "s3apfs/base/log.h"

struct remote {
  struct ns *ns;
  struct store *store;
  bool is_list;
  bool no_posix;
  bool flat;
  bool after; /* the token is a key to start behind */
  char *key;
  char *token;
  unsigned max;
  struct store_attr attr;
  struct posix posix;
  struct store_page page;
  struct {
    struct mtx lock;
    struct cond ended;
    unsigned owners;
    bool done;
    int err;
  } synced;
};

static void remote_free(struct remote *c) {
  store_page_fini(&c->page);
  cond_fini(&c->synced.ended);
  mtx_fini(&c->synced.lock);
  free(c->key);
  free(c->token);
  free(c);
}

static void remote_leave(struct remote *c) {
  bool last;

  mtx_lock(&c->synced.lock);
  last = --c->synced.owners == 0;
  mtx_unlock(&c->synced.lock);
  if (last)
    remote_free(c);
}

static int run_head(struct remote *c) {
  struct kvlist meta;
  int err;

  kvlist_init(&meta);
  err = c->store->ops->head(c->store, c->key, &c->attr, &meta);
  if (err == 0 && !c->no_posix)
    posix_from_meta(&meta, &c->posix);
  kvlist_fini(&meta);
  return err;
}

static void remote_run(void *arg) {
  struct remote *c = arg;
  const struct store_ops *ops = c->store->ops;
  int err;

  if (c->is_list) {
    atomic_fetch_add(&c->ns->lists, 1);
    if (c->after)
      err = ops->list_after != NULL
                ? ops->list_after(c->store, c->key, !c->flat, c->token, c->max, &c->page)
                : -ENOTSUP;
    else
      err = ops->list(c->store, c->key, !c->flat, c->token, c->max, &c->page);
  } else {
    atomic_fetch_add(&c->ns->heads, 1);
    err = run_head(c);
  }
  mtx_lock(&c->synced.lock);
  c->synced.err = err;
  c->synced.done = true;
  cond_broadcast(&c->synced.ended);
  mtx_unlock(&c->synced.lock);
  remote_leave(c);
}

enum call { CALL_HEAD, CALL_LIST, CALL_LIST_AFTER, CALL_LIST_FLAT, CALL_LIST_FLAT_AFTER };

static int remote_start(struct ns *n, const struct root *r, enum call call, const char *key,
                        const char *token, unsigned max, struct remote **out) {
  struct remote *c = calloc(1, sizeof(*c));
  int rc = -ENOMEM;

  if (c == NULL)
    return -ENOMEM;
  mtx_init(&c->synced.lock, RANK_INODE);
  cond_init(&c->synced.ended);
  c->ns = n;
  c->store = r->store;
  c->no_posix = r->options.posix == ROOT_POSIX_OFF;
  c->is_list = call != CALL_HEAD;
  c->flat = call == CALL_LIST_FLAT || call == CALL_LIST_FLAT_AFTER;
  c->after = call == CALL_LIST_AFTER || call == CALL_LIST_FLAT_AFTER;
  c->max = max;
  c->synced.owners = 2;
  c->key = strdup(key);
  c->token = token != NULL ? strdup(token) : NULL;
  if (c->key != NULL && (token == NULL || c->token != NULL))
    rc = pool_submit(n->pool, remote_run, c);
  if (rc != 0) {
    remote_free(c);
    return rc;
  }
  *out = c;
  return 0;
}

int remote_head(struct ns *n, const struct root *r, const char *key, struct remote **out) {
  return remote_start(n, r, CALL_HEAD, key, NULL, 0, out);
}

int remote_list(struct ns *n, const struct root *r, const char *prefix, const char *token,
                unsigned max, struct remote **out) {
  return remote_start(n, r, CALL_LIST, prefix, token, max, out);
}

int remote_list_after(struct ns *n, const struct root *r, const char *prefix, const char *after,
                      unsigned max, struct remote **out) {
  return remote_start(n, r, CALL_LIST_AFTER, prefix, after, max, out);
}

int remote_list_flat(struct ns *n, const struct root *r, const char *prefix, const char *token,
                     unsigned max, struct remote **out) {
  return remote_start(n, r, CALL_LIST_FLAT, prefix, token, max, out);
}

int remote_list_flat_after(struct ns *n, const struct root *r, const char *prefix,
                           const char *after, unsigned max, struct remote **out) {
  return remote_start(n, r, CALL_LIST_FLAT_AFTER, prefix, after, max, out);
}

int remote_wait(struct remote *c, const struct patience *p) {
  int rc = 0;

  mtx_lock(&c->synced.lock);
  while (rc == 0 && !c->synced.done) {
    patience_wait(p, &c->synced.ended, &c->synced.lock);
    if (c->synced.done)
      break;
    mtx_unlock(&c->synced.lock);
    rc = patience_check(p);
    mtx_lock(&c->synced.lock);
  }
  if (rc == 0)
    rc = c->synced.err;
  mtx_unlock(&c->synced.lock);
  return rc;
}

const struct store_attr *remote_attr(const struct remote *c) {
  return &c->attr;
}

const struct posix *remote_posix(const struct remote *c) {
  return &c->posix;
}

struct store_page *remote_page(struct remote *c) {
  return &c->page;
}

void remote_drop(struct remote *c) {
  if (c != NULL)
    remote_leave(c);
}

void remote_note_list(struct ns *n, const struct root *r, const char *prefix, int err) {
  struct root_state *s;
  bool first;

  if (err != 0 && err != -EACCES)
    return;
  mtx_lock(&n->synced.lock);
  s = &n->synced.roots[r->index];
  first = err != 0 && s->denied == 0 && !s->listed;
  if (err == 0)
    s->listed = true;
  s->denied = err == 0 ? 0 : s->denied + 1;
  mtx_unlock(&n->synced.lock);
  if (first)
    log_warn("/%s: listing '%s' is not allowed; where that is so, names must be known", r->path,
             prefix);
}
