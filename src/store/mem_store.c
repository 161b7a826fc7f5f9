/* Object store in memory: the calls.
 *
 * A get is judged at once (absent, denied, changed) and answered by a pool of
 * threads in pieces, so that tests meet real concurrency. It lives as a mem_get
 * that store_get.impl names until, under the lock, the thread that ends it
 * clears that: so a late cancel finds nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem_store.h"
#include "s3apfs/base/text.h"

#define GET_THREADS 4
#define PIECE ((size_t)64 << 10)

struct mem_get {
  struct mem_store *ms;
  struct store_get *get;
  struct blob *blob;
  atomic_bool cancelled;
};

static bool list_denied_locked(const struct mem_store *ms, const char *prefix) {
  if (ms->synced.deny_list)
    return true;
  return ms->synced.list_below != NULL && !text_has_prefix(prefix, ms->synced.list_below);
}

/* S3 answers 403 for an absent key to those who may not list it. */
static int find_readable_locked(struct mem_store *ms, const char *key, struct object **out) {
  struct object *o = objects_get_locked(ms, key);

  if (o == NULL)
    return list_denied_locked(ms, key) ? -EACCES : -ENOENT;
  if (o->denied)
    return -EACCES;
  *out = o;
  return 0;
}

static void mem_copy(struct mem_get *mg) {
  struct store_get *g = mg->get;
  size_t left = mg->blob->len - (size_t)g->offset;
  size_t want = left < g->length ? left : g->length;

  while (g->got < want && !atomic_load(&mg->cancelled)) {
    size_t n = want - g->got < PIECE ? want - g->got : PIECE;

    memcpy((char *)g->dst + g->got, mg->blob->data + g->offset + g->got, n);
    g->got += n;
    if (g->progress != NULL)
      g->progress(g, g->got);
  }
}

static void mem_get_run(void *arg) {
  struct mem_get *mg = arg;
  struct mem_store *ms = mg->ms;
  struct store_get *g = mg->get;
  bool cancelled;

  mem_copy(mg);
  mtx_lock(&ms->synced.lock);
  g->impl = NULL;
  ms->synced.counts.bytes += g->got;
  mtx_unlock(&ms->synced.lock);
  cancelled = atomic_load(&mg->cancelled);
  blob_unref(mg->blob);
  free(mg);
  g->done(g, cancelled ? -ECANCELED : 0);
}

static int mem_start_locked(struct mem_store *ms, struct store_get *g, struct mem_get *mg) {
  struct object *o;
  int rc;

  ms->synced.counts.gets++;
  rc = find_readable_locked(ms, g->key, &o);
  if (rc == 0 && o->blob->attr.archived)
    rc = -EACCES;
  if (rc == 0 && g->if_match != NULL && strcmp(g->if_match, o->blob->attr.etag) != 0)
    rc = -ESTALE;
  if (rc == 0 && g->size != NULL && *g->size != o->blob->len)
    rc = -ESTALE;
  if (rc == 0 && g->offset >= o->blob->len)
    rc = -ERANGE;
  if (rc != 0)
    return rc;
  atomic_fetch_add(&o->blob->refs, 1);
  mg->blob = o->blob;
  g->attr = o->blob->attr;
  g->got = 0;
  g->impl = mg;
  return 0;
}

static int mem_get(struct store *s, struct store_get *g) {
  struct mem_store *ms = mem_store_self(s);
  struct mem_get *mg = calloc(1, sizeof(*mg));
  int rc;

  if (mg == NULL)
    return -ENOMEM;
  mg->ms = ms;
  mg->get = g;
  mtx_lock(&ms->synced.lock);
  rc = mem_start_locked(ms, g, mg);
  mtx_unlock(&ms->synced.lock);
  if (rc == 0)
    rc = pool_submit(ms->pool, mem_get_run, mg);
  if (rc != 0) {
    g->impl = NULL;
    blob_unref(mg->blob);
    free(mg);
  }
  return rc;
}

static void mem_get_cancel(struct store *s, struct store_get *g) {
  struct mem_store *ms = mem_store_self(s);
  struct mem_get *mg;

  mtx_lock(&ms->synced.lock);
  mg = g->impl;
  if (mg != NULL)
    atomic_store(&mg->cancelled, true);
  mtx_unlock(&ms->synced.lock);
}

static int mem_head(struct store *s, const char *key, struct store_attr *out, struct kvlist *meta) {
  struct mem_store *ms = mem_store_self(s);
  struct object *o;
  int rc;

  mtx_lock(&ms->synced.lock);
  ms->synced.counts.heads++;
  rc = find_readable_locked(ms, key, &o);
  if (rc == 0)
    *out = o->blob->attr;
  for (size_t i = 0; rc == 0 && meta != NULL && i < o->meta.count; i++)
    rc = kvlist_add(meta, o->meta.items[i].name, o->meta.items[i].value);
  mtx_unlock(&ms->synced.lock);
  return rc;
}

/* Name of the entry that the object at `at` shows as; moves `at` past it. */
static char *next_name_locked(const struct mem_store *ms, size_t plen, bool folded, size_t *at,
                              bool *is_prefix) {
  const char *key = ms->synced.objects[*at].key;
  const char *slash = folded ? strchr(key + plen, '/') : NULL;
  char *name = slash != NULL ? text_dup_n(key, (size_t)(slash - key) + 1) : strdup(key);

  *is_prefix = slash != NULL;
  ++*at;
  while (name != NULL && slash != NULL && *at < ms->synced.count &&
         text_has_prefix(ms->synced.objects[*at].key, name))
    ++*at;
  return name;
}

/* The token is the last name given out, so pages stay right while keys come and go. */
static int fill_page_locked(struct mem_store *ms, const char *prefix, bool folded,
                            const char *token, unsigned max, struct store_page *p) {
  size_t at = objects_find_locked(ms, token != NULL && strcmp(token, prefix) > 0 ? token : prefix);

  while (at < ms->synced.count && text_has_prefix(ms->synced.objects[at].key, prefix)) {
    struct store_entry e = {.attr = ms->synced.objects[at].blob->attr};

    e.name = next_name_locked(ms, strlen(prefix), folded, &at, &e.is_prefix);
    if (e.name == NULL)
      return -ENOMEM;
    if (token != NULL && strcmp(e.name, token) <= 0) {
      free(e.name);
      continue;
    }
    if (p->count == max) {
      free(e.name);
      p->next = strdup(p->entries[p->count - 1].name);
      return p->next != NULL ? 0 : -ENOMEM;
    }
    if (e.is_prefix)
      e.attr = (struct store_attr){0};
    p->entries[p->count++] = e;
  }
  return 0;
}

static int mem_list(struct store *s, const char *prefix, bool folded, const char *token,
                    unsigned max, struct store_page *out) {
  struct mem_store *ms = mem_store_self(s);
  struct store_page p = {0};
  int rc = -EACCES;

  if (max < 1 || max > 1000)
    return -EINVAL;
  p.entries = calloc(max, sizeof(*p.entries));
  if (p.entries == NULL)
    return -ENOMEM;
  mtx_lock(&ms->synced.lock);
  ms->synced.counts.lists++;
  if (!list_denied_locked(ms, prefix))
    rc = fill_page_locked(ms, prefix, folded, token, max, &p);
  mtx_unlock(&ms->synced.lock);
  if (rc == 0)
    *out = p;
  else
    store_page_fini(&p);
  return rc;
}

/* Tokens are names here. */
static int mem_list_after(struct store *s, const char *prefix, bool folded, const char *after,
                          unsigned max, struct store_page *out) {
  return mem_list(s, prefix, folded, after, max, out);
}

static int mem_explain(struct store *s, const char *key, struct buf *out) {
  buf_printf(out, "memory '%s', key '%s'", s->domain, key);
  return buf_error(out);
}

static void mem_destroy(struct store *s) {
  struct mem_store *ms = mem_store_self(s);

  pool_free(ms->pool);
  for (size_t i = 0; i < ms->synced.count; i++)
    object_fini(&ms->synced.objects[i]);
  free(ms->synced.objects);
  free(ms->synced.list_below);
  mem_uploads_free(ms);
  mtx_fini(&ms->synced.lock);
  free(ms->store.domain);
  free(ms);
}

static const struct store_ops mem_ops = {
    .get = mem_get,
    .get_cancel = mem_get_cancel,
    .head = mem_head,
    .list = mem_list,
    .list_after = mem_list_after,
    .explain = mem_explain,
    .destroy = mem_destroy,
};

int mem_store_new(const char *domain, struct store **out) {
  struct mem_store *ms = calloc(1, sizeof(*ms));
  int rc;

  if (ms == NULL)
    return -ENOMEM;
  mtx_init(&ms->synced.lock, RANK_STORE);
  ms->store.ops = &mem_ops;
  ms->store.write = &mem_write_ops;
  ms->synced.part_min = STORE_PART_MIN;
  ms->store.domain = strdup(domain);
  rc = ms->store.domain != NULL ? pool_new("mem-store", GET_THREADS, &ms->pool) : -ENOMEM;
  if (rc != 0) {
    mem_destroy(&ms->store);
    return rc;
  }
  *out = &ms->store;
  return 0;
}
