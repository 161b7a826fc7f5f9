/* Names behind: the store that answers as if all changes had been sent.
 *
 *   accepted (journal, then queue) -> being sent -> sent (journal forgets) -> gone
 *
 * A key has at most one change under way; another one of that key waits for it, and so does
 * everything that makes an object of the key. A removal is forgotten by the journal, durably,
 * before anything may be put under its key: sent once more by a later process it would
 * take away an equal object that was made since. */
#include "s3apfs/data/later.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "later_internal.h"
#include "s3apfs/base/clock.h"

/* --- accepting --- */

void later_change_free(struct later_change *c) {
  if (c == NULL)
    return;
  kvlist_fini(&c->meta);
  free(c->key);
  free(c->etag);
  free(c->over);
  free(c);
}

int later_change_new(enum later_kind kind, const char *key, const char *etag,
                     struct later_change **out) {
  struct later_change *c = calloc(1, sizeof(*c));

  if (c == NULL)
    return -ENOMEM;
  kvlist_init(&c->meta);
  c->kind = kind;
  c->at = clock_wall_ms(&clock_system) / 1000;
  c->key = strdup(key);
  c->etag = etag != NULL ? strdup(etag) : NULL;
  if (c->key == NULL || (etag != NULL && c->etag == NULL)) {
    later_change_free(c);
    return -ENOMEM;
  }
  *out = c;
  return 0;
}

void later_push_locked(struct later *l, struct later_change *c) {
  c->seq = ++l->synced.seq;
  c->next = NULL;
  *l->synced.tail = c;
  l->synced.tail = &c->next;
  HASH_ADD_KEYPTR(hh, l->synced.by_key, c->key, strlen(c->key), c);
}

void later_push(struct later *l, struct later_change *c) {
  mtx_lock(&l->synced.lock);
  later_push_locked(l, c);
  cond_broadcast(&l->synced.work);
  mtx_unlock(&l->synced.lock);
}

/* --- reading --- */

static int later_get(struct store *s, struct store_get *g) {
  struct store *inner = later_self(s)->inner;
  int rc = later_settle_moves(later_self(s), later_is_copy_to, g->key);

  return rc == 0 ? inner->ops->get(inner, g) : rc;
}

static void later_get_cancel(struct store *s, struct store_get *g) {
  struct store *inner = later_self(s)->inner;

  inner->ops->get_cancel(inner, g);
}

static int later_head(struct store *s, const char *key, struct store_attr *out,
                      struct kvlist *meta) {
  struct store *inner = later_self(s)->inner;
  int rc = later_check(later_self(s), key);

  return rc == 0 ? inner->ops->head(inner, key, out, meta) : rc;
}

static int later_explain(struct store *s, const char *key, struct buf *out) {
  struct store *inner = later_self(s)->inner;

  return inner->ops->explain(inner, key, out);
}

static int later_elsewhere(struct store *s, const char *key, struct store_elsewhere *out) {
  struct store *inner = later_self(s)->inner;
  int rc = inner->ops->elsewhere != NULL ? later_settle_moves(later_self(s), later_is_copy_to, key)
                                         : -EOPNOTSUPP;

  return rc == 0 ? inner->ops->elsewhere(inner, key, out) : rc;
}

static void later_destroy(struct store *s) {
  struct later *l = later_self(s);

  later_stop(l);
  store_free(l->inner);
  HASH_CLEAR(hh, l->synced.by_key);
  while (l->synced.head != NULL) {
    struct later_change *c = l->synced.head;

    l->synced.head = c->next;
    later_change_free(c);
  }
  cond_fini(&l->synced.work);
  cond_fini(&l->synced.done);
  mtx_fini(&l->synced.lock);
  free(l);
}

static const struct store_ops ops = {
    .get = later_get,
    .get_cancel = later_get_cancel,
    .head = later_head,
    .list = later_list,
    .list_after = later_list_after,
    .explain = later_explain,
    .elsewhere = later_elsewhere,
    .destroy = later_destroy,
};

/* --- changing --- */

static int later_ready(struct store *s) {
  struct store *inner = later_self(s)->inner;

  return inner->write->ready(inner);
}

static int later_detail(struct store *s, const char *key, struct store_detail *out) {
  struct store *inner = later_self(s)->inner;
  int rc = later_check(later_self(s), key);

  return rc == 0 ? inner->write->detail(inner, key, out) : rc;
}

static int later_tags(struct store *s, const char *key, struct buf *out) {
  struct store *inner = later_self(s)->inner;
  int rc = later_settle_moves(later_self(s), later_is_copy_to, key);

  return rc == 0 ? inner->write->tags(inner, key, out) : rc;
}

static int64_t local_now(void) {
  return clock_wall_ms(&clock_system) / 1000;
}

int64_t later_now(const struct later *l) {
  return local_now() + atomic_load(&l->ahead);
}

/* An object was made, or was not. */
static int note_made(struct later *l, int rc, const struct store_attr *attr) {
  if (rc != 0)
    return rc;
  atomic_store(&l->made, true);
  atomic_store(&l->ahead, attr->mtime - local_now());
  return 0;
}

/* An object for a folder that has none: nobody waits for it. */
static int make_folder_later(struct later *l, const char *key, const struct store_dress *dress,
                             struct store_attr *out) {
  static const struct kvlist nothing = {0};
  const struct kvlist *meta = dress != NULL && dress->meta != NULL ? dress->meta : &nothing;
  struct later_change *c;
  int rc = later_change_new(LATER_FOLDER, key, NULL, &c);

  if (rc != 0)
    return rc;
  rc = kvlist_copy(&c->meta, meta);
  if (rc != 0)
    later_change_free(c);
  else
    rc = later_accept(l, c);
  if (rc == 0)
    *out = (struct store_attr){.mtime = clock_wall_ms(&clock_system) / 1000};
  return rc;
}

static int later_put(struct store *s, const char *key, const void *data, size_t len,
                     const struct store_dress *dress, const struct store_condition *cond,
                     struct store_attr *out) {
  struct later *l = later_self(s);
  bool folder = len == 0 && key[0] != '\0' && key[strlen(key) - 1] == '/' && cond != NULL &&
                cond->what == STORE_IF_ABSENT;
  uint64_t moved = later_mark(l);
  int rc = later_settle(l, key);

  if (rc != 0)
    return rc;
  if (folder && !l->at_once && atomic_load(&l->made))
    return make_folder_later(l, key, dress, out);
  rc = l->inner->write->put(l->inner, key, data, len, dress, cond, out);
  return later_after_moves(l, moved, note_made(l, rc, out));
}

static int later_create_upload(struct store *s, const char *key, const struct store_dress *dress,
                               char **upload) {
  struct store *inner = later_self(s)->inner;

  return inner->write->create_upload(inner, key, dress, upload);
}

static int later_put_part(struct store *s, const char *key, const char *upload, unsigned number,
                          const void *data, size_t len, struct store_part *out) {
  struct store *inner = later_self(s)->inner;

  return inner->write->put_part(inner, key, upload, number, data, len, out);
}

static int later_copy_part(struct store *s, const char *key, const char *upload, unsigned number,
                           const struct store_source *from, uint64_t offset, uint64_t length,
                           struct store_part *out) {
  struct store *inner = later_self(s)->inner;
  int rc = later_settle_moves(later_self(s), later_is_copy_to, from->key);

  if (rc != 0)
    return rc;
  return inner->write->copy_part(inner, key, upload, number, from, offset, length, out);
}

static int later_complete_upload(struct store *s, const char *key, const char *upload,
                                 const struct store_part *parts, size_t count,
                                 const struct store_condition *cond, struct store_attr *out) {
  struct later *l = later_self(s);
  uint64_t moved = later_mark(l);
  int rc = later_settle(l, key);

  if (rc != 0)
    return rc;
  rc = l->inner->write->complete_upload(l->inner, key, upload, parts, count, cond, out);
  return later_after_moves(l, moved, note_made(l, rc, out));
}

static int later_abort_upload(struct store *s, const char *key, const char *upload) {
  struct store *inner = later_self(s)->inner;

  return inner->write->abort_upload(inner, key, upload);
}

static int later_copy(struct store *s, const struct store_source *from, const char *key,
                      const struct store_dress *dress, const struct store_condition *cond,
                      struct store_attr *out) {
  struct later *l = later_self(s);
  uint64_t moved = later_mark(l);
  int rc = later_settle_two(l, from->key, key);

  if (rc != 0)
    return rc;
  rc = l->inner->write->copy(l->inner, from, key, dress, cond, out);
  return later_after_moves(l, moved, note_made(l, rc, out));
}

static int later_copy_from(struct store *s, const struct store_elsewhere *from, const char *key,
                           const struct store_dress *dress, const struct store_condition *cond,
                           struct store_attr *out) {
  struct later *l = later_self(s);
  uint64_t moved = later_mark(l);
  int rc = l->inner->write->copy_from != NULL ? later_settle(l, key) : -EOPNOTSUPP;

  if (rc != 0)
    return rc;
  rc = l->inner->write->copy_from(l->inner, from, key, dress, cond, out);
  return later_after_moves(l, moved, note_made(l, rc, out));
}

/* By the inner store itself, at once. */
static int later_pass_move(struct store *s, const struct store_source *from, const char *key,
                           const struct store_condition *cond) {
  struct later *l = later_self(s);
  uint64_t moved = later_mark(l);
  int rc = l->inner->write->move != NULL ? later_settle_two(l, from->key, key) : -EOPNOTSUPP;

  if (rc != 0)
    return rc;
  return later_after_moves(l, moved, l->inner->write->move(l->inner, from, key, cond));
}

static int later_append(struct store *s, const char *key, const struct store_attr *base,
                        const void *data, size_t len, struct store_attr *out) {
  struct later *l = later_self(s);
  uint64_t moved = later_mark(l);
  int rc = l->inner->write->append != NULL ? later_settle(l, key) : -EOPNOTSUPP;

  if (rc != 0)
    return rc;
  rc = l->inner->write->append(l->inner, key, base, data, len, out);
  return later_after_moves(l, moved, note_made(l, rc, out));
}

static int remove_now(struct later *l, struct store_doomed *items, size_t count) {
  uint64_t moved = later_mark(l);
  int rc = l->inner->write->remove(l->inner, items, count);

  if (rc == 0)
    atomic_store(&l->removed, true);
  return later_after_moves(l, moved, rc);
}

/* On failure none is removed. */
static int settle_all(struct later *l, struct store_doomed *items, size_t count) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = later_settle(l, items[i].key);
  for (size_t i = 0; i < count; i++)
    items[i].err = rc;
  return rc;
}

static int later_remove(struct store *s, struct store_doomed *items, size_t count) {
  struct later *l = later_self(s);
  int first = settle_all(l, items, count);

  if (first != 0)
    return first;
  if (l->at_once || !atomic_load(&l->removed))
    return remove_now(l, items, count);
  for (size_t i = 0; i < count; i++) {
    struct later_change *c;

    items[i].err = later_change_new(LATER_REMOVAL, items[i].key, items[i].etag, &c);
    if (items[i].err == 0)
      items[i].err = later_accept(l, c);
    first = first != 0 ? first : items[i].err;
  }
  return first;
}

static const struct store_write_ops write_ops = {
    .ready = later_ready,
    .detail = later_detail,
    .tags = later_tags,
    .put = later_put,
    .create_upload = later_create_upload,
    .put_part = later_put_part,
    .copy_part = later_copy_part,
    .complete_upload = later_complete_upload,
    .abort_upload = later_abort_upload,
    .copy = later_copy,
    .copy_from = later_copy_from,
    .move = later_pass_move,
    .append = later_append,
    .remove = later_remove,
};

/* --- life --- */

static bool later_is(const struct store *s) {
  return s->ops == &ops;
}

int later_remove_now(struct store *s, struct store_doomed *items, size_t count) {
  int rc = later_is(s) ? settle_all(later_self(s), items, count) : 0;

  if (rc != 0)
    return rc;
  return later_is(s) ? remove_now(later_self(s), items, count) : s->write->remove(s, items, count);
}

struct later *later_of(struct store *s) {
  return later_is(s) ? later_self(s) : NULL;
}

int later_flush(struct store *s) {
  struct later *l = later_of(s);
  int lost;
  int rc;

  if (l == NULL)
    return 0;
  rc = later_wait(l, later_is_any, "");
  mtx_lock(&l->synced.lock);
  lost = l->synced.lost;
  l->synced.lost = 0;
  mtx_unlock(&l->synced.lock);
  return rc != 0 ? rc : lost;
}

int later_new(struct state *state, struct store *inner, bool at_once, struct store **out) {
  struct later *l = calloc(1, sizeof(*l));
  int rc;

  if (l == NULL)
    return -ENOMEM;
  mtx_init(&l->synced.lock, RANK_STORE);
  cond_init(&l->synced.work);
  cond_init(&l->synced.done);
  l->synced.tail = &l->synced.head;
  l->store = *inner; /* what it is and where is the same */
  l->store.ops = &ops;
  l->store.write = &write_ops;
  l->state = state;
  l->inner = inner;
  l->at_once = at_once;
  rc = later_load(l);
  if (rc == 0)
    rc = l->synced.head != NULL ? later_ensure(l) : 0;
  if (rc != 0) {
    l->inner = NULL; /* it is still the caller's */
    later_destroy(&l->store);
    return rc;
  }
  *out = &l->store;
  return 0;
}
