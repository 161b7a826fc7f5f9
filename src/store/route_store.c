/* The route store: its table's life, and every call but listing.
 *
 * A table is replaced whole. A call holds the table while it looks for its scope,
 * then only the scope's entry, by a count. Entries that left the table wait in a
 * list; their stores are freed at a later change, when no call has been under way
 * since one change ago: a store must not be freed while the done() of its last
 * get is still returning.
 *
 * A get is wrapped: its inner half lives until both the starter and done() are
 * through, so that cancelling it finds the store that it runs in, whatever the
 * table has become. */
#include "s3apfs/store/route_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route_store_internal.h"
#include "s3apfs/base/text.h"

static struct route_store *self(struct store *s) {
  return (struct route_store *)s;
}

/* --- tables and entries --- */

struct scope_table *route_hold(struct route_store *r) {
  struct scope_table *t;

  mtx_lock(&r->synced.lock);
  t = r->synced.table;
  t->refs++;
  mtx_unlock(&r->synced.lock);
  return t;
}

/* Entries that no table holds any more wait for their calls. */
static void table_unref_locked(struct route_store *r, struct scope_table *t) {
  if (--t->refs > 0)
    return;
  for (size_t i = 0; i < t->count; i++) {
    struct scope_entry *e = t->items[i];

    if (--e->tables > 0)
      continue;
    e->next = r->synced.retired;
    r->synced.retired = e;
  }
  scope_table_free(t);
}

void route_drop(struct route_store *r, struct scope_table *t) {
  mtx_lock(&r->synced.lock);
  table_unref_locked(r, t);
  mtx_unlock(&r->synced.lock);
}

/* Two threads may make one at the same time: the first to come back is kept. */
static int entry_make(struct route_store *r, struct scope_entry *e) {
  struct route route = {.prefix = e->prefix,
                        .whole = e->whole,
                        .can_read = e->can_read,
                        .can_write = e->can_write,
                        .origin = e->origin};
  struct store *fresh;
  int rc = r->make(r->arg, &route, &fresh);

  if (rc != 0)
    return rc;
  mtx_lock(&r->synced.lock);
  if (e->store == NULL) {
    e->store = fresh;
    fresh = NULL;
  }
  mtx_unlock(&r->synced.lock);
  store_free(fresh);
  return 0;
}

/* The call is counted first: an entry with calls is not freed. */
int route_begin(struct route_store *r, struct scope_entry *e, struct store **out) {
  int rc = 0;

  atomic_fetch_add(&e->calls, 1);
  mtx_lock(&r->synced.lock);
  *out = e->store;
  mtx_unlock(&r->synced.lock);
  if (*out != NULL)
    return 0;
  rc = entry_make(r, e);
  if (rc != 0) {
    route_end(e);
    return rc;
  }
  mtx_lock(&r->synced.lock);
  *out = e->store;
  mtx_unlock(&r->synced.lock);
  return 0;
}

void route_end(struct scope_entry *e) {
  atomic_fetch_sub(&e->calls, 1);
}

/* The scope that a key is read by. -EACCES: it can only be written. */
static int route_find(struct route_store *r, const char *key, struct scope_entry **entry,
                      struct store **out) {
  struct scope_table *t = route_hold(r);
  struct scope_entry *e = scope_table_match(t, key, SCOPE_CAN_READ);
  int rc = -ENOENT;

  if (e != NULL)
    rc = route_begin(r, e, out);
  else if (scope_table_match(t, key, 0) != NULL)
    rc = -EACCES;
  route_drop(r, t);
  *entry = e;
  return rc;
}

/* --- gets --- */

struct route_get {
  struct route_store *r;
  struct scope_entry *entry;
  struct store *store;
  struct store_get *outer;
  struct store_get inner;
  unsigned refs; /* under the store's lock, as are: */
  bool started;  /* the inner get() returned 0 */
  bool ended;    /* its done() came */
  bool cancelled;
};

static void get_unref_locked(struct route_get *w) {
  if (--w->refs == 0) {
#ifndef __clang_analyzer__ /* it takes every release for the last one */
    free(w);
#endif
  }
}

static struct route_get *get_of(struct store_get *inner) {
  return (struct route_get *)((char *)inner - offsetof(struct route_get, inner));
}

static void inner_progress(struct store_get *g, size_t have) {
  struct store_get *outer = get_of(g)->outer;

  outer->progress(outer, have);
}

static void inner_done(struct store_get *g, int err) {
  struct route_get *w = get_of(g);
  struct route_store *r = w->r;
  struct store_get *outer = w->outer;

  outer->got = g->got;
  outer->attr = g->attr;
  route_end(w->entry);
  mtx_lock(&r->synced.lock);
  w->ended = true;
  outer->impl = NULL;
  get_unref_locked(w);
  mtx_unlock(&r->synced.lock);
  outer->done(outer, err);
}

static int get_start(struct route_get *w) {
  struct route_store *r = w->r;
  bool cancel;
  int rc = w->store->ops->get(w->store, &w->inner);

  mtx_lock(&r->synced.lock);
  w->started = true;
  cancel = rc == 0 && w->cancelled && !w->ended;
  mtx_unlock(&r->synced.lock);
  if (cancel)
    w->store->ops->get_cancel(w->store, &w->inner);
  return rc;
}

static void get_release(struct route_get *w, bool failed) {
  struct route_store *r = w->r;

  mtx_lock(&r->synced.lock);
  if (failed) {
    w->outer->impl = NULL;
    w->refs--; /* done()'s: it will not come */
  }
  get_unref_locked(w);
  mtx_unlock(&r->synced.lock);
}

static int route_get(struct store *s, struct store_get *g) {
  struct route_store *r = self(s);
  struct scope_entry *e;
  struct store *inner;
  struct route_get *w;
  int rc = route_find(r, g->key, &e, &inner);

  if (rc != 0)
    return rc == -ENOENT ? -EACCES : rc; /* what a handle reads was there once */
  w = calloc(1, sizeof(*w));
  if (w == NULL) {
    route_end(e);
    return -ENOMEM;
  }
  *w = (struct route_get){.r = r, .entry = e, .store = inner, .outer = g, .refs = 2};
  w->inner = *g;
  w->inner.key = route_inner_key(e, g->key);
  w->inner.progress = g->progress != NULL ? inner_progress : NULL;
  w->inner.done = inner_done;
  w->inner.detail = NULL; /* who writes may be told more than who reads */
  g->impl = w;
  rc = get_start(w);
  if (rc != 0)
    route_end(e);
  get_release(w, rc != 0);
  return rc;
}

static void route_get_cancel(struct store *s, struct store_get *g) {
  struct route_store *r = self(s);
  struct route_get *w;
  bool cancel = false;

  mtx_lock(&r->synced.lock);
  w = g->impl;
  if (w != NULL && !w->ended) {
    w->cancelled = true;
    cancel = w->started;
    w->refs += cancel;
  }
  mtx_unlock(&r->synced.lock);
  if (!cancel)
    return;
  w->store->ops->get_cancel(w->store, &w->inner);
  mtx_lock(&r->synced.lock);
  get_unref_locked(w);
  mtx_unlock(&r->synced.lock);
}

/* --- the rest --- */

static int route_head(struct store *s, const char *key, struct store_attr *out,
                      struct kvlist *meta) {
  struct scope_entry *e;
  struct store *inner;
  int rc = route_find(self(s), key, &e, &inner);

  if (rc != 0)
    return rc;
  rc = *route_inner_key(e, key) != '\0'
           ? inner->ops->head(inner, route_inner_key(e, key), out, meta)
           : -ENOENT;
  route_end(e);
  return rc;
}

static int route_explain(struct store *s, const char *key, struct buf *out) {
  struct route_store *r = self(s);
  struct scope_entry *e;
  struct store *inner;
  int rc = route_find(r, key, &e, &inner);

  if (rc == 0) {
    rc = inner->ops->explain(inner, route_inner_key(e, key), out);
    route_end(e);
    return rc;
  }
  if (rc != -ENOENT && rc != -EACCES)
    return rc;
  if (rc == -EACCES)
    buf_puts(out, "may only be written; ");
  if (r->describe != NULL)
    r->describe(r->arg, out);
  return buf_error(out);
}

/* --- changes --- */

static bool holds(const struct scope_table *t, const struct scope_entry *e) {
  for (size_t at = scope_table_from(t, e->prefix);
       at < t->count && strcmp(t->items[at]->prefix, e->prefix) == 0; at++)
    if (t->items[at] == e)
      return true;
  return false;
}

static void tell(const struct scope_table *of, const struct scope_table *not_in, bool gone,
                 void (*changed)(void *arg, const char *prefix, bool gone), void *arg) {
  for (size_t i = 0; i < of->count; i++)
    if (!holds(not_in, of->items[i]))
      changed(arg, of->items[i]->prefix, gone);
}

/* Those that were idle at the change before this one, out of the list. */
static struct scope_entry *sweep_locked(struct route_store *r) {
  struct scope_entry **at = &r->synced.retired;
  struct scope_entry *idle = NULL;

  while (*at != NULL) {
    struct scope_entry *e = *at;

    if (atomic_load(&e->calls) > 0 || !e->gone) {
      e->gone = atomic_load(&e->calls) == 0;
      at = &e->next;
      continue;
    }
    *at = e->next;
    e->next = idle;
    idle = e;
  }
  return idle;
}

static void free_entries(struct scope_entry *e) {
  while (e != NULL) {
    struct scope_entry *next = e->next;

    scope_entry_free(e);
    e = next;
  }
}

int route_store_set(struct store *s, const struct route *routes, size_t count,
                    void (*changed)(void *arg, const char *prefix, bool gone), void *arg) {
  struct route_store *r = self(s);
  struct scope_table *old = route_hold(r);
  struct scope_table *fresh;
  struct scope_entry *idle;
  int rc = scope_table_new(routes, count, old, &fresh);

  if (rc != 0) {
    route_drop(r, old);
    return rc;
  }
  mtx_lock(&r->synced.lock);
  for (size_t i = 0; i < fresh->count; i++)
    fresh->items[i]->tables++;
  fresh->refs++; /* ours */
  r->synced.table = fresh;
  table_unref_locked(r, old);
  idle = sweep_locked(r);
  mtx_unlock(&r->synced.lock);
  free_entries(idle);
  if (changed != NULL) {
    tell(old, fresh, true, changed, arg);
    tell(fresh, old, false, changed, arg);
  }
  route_drop(r, old);
  route_drop(r, fresh);
  return 0;
}

size_t route_store_count(struct store *s) {
  struct route_store *r = self(s);
  size_t count;

  mtx_lock(&r->synced.lock);
  count = r->synced.table->count;
  mtx_unlock(&r->synced.lock);
  return count;
}

static void route_destroy(struct store *s) {
  struct route_store *r = self(s);

  if (r->synced.table != NULL)
    table_unref_locked(r, r->synced.table);
  free_entries(r->synced.retired);
  mtx_fini(&r->synced.lock);
  free(r->store.domain);
  free(r->store.place);
  free(r->store.realm);
  free(r);
}

static const struct store_ops route_ops = {
    .get = route_get,
    .get_cancel = route_get_cancel,
    .head = route_head,
    .list = route_list,
    .list_after = route_list_after,
    .explain = route_explain,
    .destroy = route_destroy,
};

int route_store_new(const struct route_store_options *o, struct store **out) {
  struct route_store *r = calloc(1, sizeof(*r));
  int rc;

  if (r == NULL)
    return -ENOMEM;
  mtx_init(&r->synced.lock, RANK_STORE);
  r->store.ops = &route_ops;
  r->store.scoped = true;
  r->store.read_only = !o->writable;
  if (o->writable)
    r->store.write = &route_write_ops;
  r->make = o->make;
  r->describe = o->describe;
  r->arg = o->arg;
  r->store.domain = strdup(o->domain);
  rc = r->store.domain == NULL ? -ENOMEM : scope_table_new(NULL, 0, NULL, &r->synced.table);
  if (rc != 0) {
    route_destroy(&r->store);
    return rc;
  }
  *out = &r->store;
  return 0;
}
