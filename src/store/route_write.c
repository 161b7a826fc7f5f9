/* Changes through the route store: each goes to the longest scope that covers the key
 * and may be written. A server-side copy needs one scope, and so one identity, for
 * both keys; otherwise it is -EXDEV, as between file systems. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route_store_internal.h"

static struct route_store *self(struct store *s) {
  return (struct route_store *)s;
}

/* -ENOENT: nothing covers it; -EACCES: something does, but not for that. */
static int find(struct store *s, const char *key, unsigned want, struct scope_entry **entry,
                struct store **out) {
  struct route_store *r = self(s);
  struct scope_table *t = route_hold(r);
  struct scope_entry *e = scope_table_match(t, key, want);
  int rc = e == NULL ? -EACCES : route_begin(r, e, out);

  if (e == NULL && want == SCOPE_CAN_READ && scope_table_match(t, key, 0) == NULL)
    rc = -ENOENT;
  route_drop(r, t);
  if (rc == 0 && ((*out)->write == NULL || *route_inner_key(e, key) == '\0')) {
    route_end(e);
    return -EACCES;
  }
  *entry = e;
  return rc;
}

static int route_detail(struct store *s, const char *key, struct store_detail *out) {
  struct scope_entry *e;
  struct store *inner;
  int rc = find(s, key, SCOPE_CAN_READ, &e, &inner);

  if (rc != 0)
    return rc;
  rc = inner->write->detail(inner, route_inner_key(e, key), out);
  route_end(e);
  return rc;
}

static int route_tags(struct store *s, const char *key, struct buf *out) {
  struct scope_entry *e;
  struct store *inner;
  int rc = find(s, key, SCOPE_CAN_READ, &e, &inner);

  if (rc != 0)
    return rc;
  rc = inner->write->tags(inner, route_inner_key(e, key), out);
  route_end(e);
  return rc;
}

static int route_put(struct store *s, const char *key, const void *data, size_t len,
                     const struct store_dress *dress, const struct store_condition *cond,
                     struct store_attr *out) {
  struct scope_entry *e;
  struct store *inner;
  int rc = find(s, key, SCOPE_CAN_WRITE, &e, &inner);

  if (rc != 0)
    return rc;
  rc = inner->write->put(inner, route_inner_key(e, key), data, len, dress, cond, out);
  route_end(e);
  return rc;
}

static int route_create_upload(struct store *s, const char *key, const struct store_dress *dress,
                               char **upload) {
  struct scope_entry *e;
  struct store *inner;
  int rc = find(s, key, SCOPE_CAN_WRITE, &e, &inner);

  if (rc != 0)
    return rc;
  rc = inner->write->create_upload(inner, route_inner_key(e, key), dress, upload);
  route_end(e);
  return rc;
}

static int route_put_part(struct store *s, const char *key, const char *upload, unsigned number,
                          const void *data, size_t len, struct store_part *out) {
  struct scope_entry *e;
  struct store *inner;
  int rc = find(s, key, SCOPE_CAN_WRITE, &e, &inner);

  if (rc != 0)
    return rc;
  rc = inner->write->put_part(inner, route_inner_key(e, key), upload, number, data, len, out);
  route_end(e);
  return rc;
}

static int route_complete_upload(struct store *s, const char *key, const char *upload,
                                 const struct store_part *parts, size_t count,
                                 const struct store_condition *cond, struct store_attr *out) {
  struct scope_entry *e;
  struct store *inner;
  int rc = find(s, key, SCOPE_CAN_WRITE, &e, &inner);

  if (rc != 0)
    return rc;
  rc = inner->write->complete_upload(inner, route_inner_key(e, key), upload, parts, count, cond,
                                     out);
  route_end(e);
  return rc;
}

static int route_abort_upload(struct store *s, const char *key, const char *upload) {
  struct scope_entry *e;
  struct store *inner;
  int rc = find(s, key, SCOPE_CAN_WRITE, &e, &inner);

  if (rc != 0)
    return rc;
  rc = inner->write->abort_upload(inner, route_inner_key(e, key), upload);
  route_end(e);
  return rc;
}

/* --- copies --- */

/* One scope that reads the source and writes the key; *source: as its store names it. */
static int find_both(struct store *s, const struct store_source *from, const char *key,
                     struct scope_entry **entry, struct store **out, struct store_source *source) {
  int rc = find(s, key, SCOPE_CAN_READ | SCOPE_CAN_WRITE, entry, out);

  if (rc != 0)
    return rc;
  if (!scope_covers_key_of(*entry, from->key)) {
    route_end(*entry);
    return -EXDEV;
  }
  *source = *from;
  source->key = route_inner_key(*entry, from->key);
  return 0;
}

static int route_copy_part(struct store *s, const char *key, const char *upload, unsigned number,
                           const struct store_source *from, uint64_t offset, uint64_t length,
                           struct store_part *out) {
  struct store_source source;
  struct scope_entry *e;
  struct store *inner;
  int rc = find_both(s, from, key, &e, &inner, &source);

  if (rc != 0)
    return rc;
  rc = inner->write->copy_part(inner, route_inner_key(e, key), upload, number, &source, offset,
                               length, out);
  route_end(e);
  return rc;
}

static int route_copy(struct store *s, const struct store_source *from, const char *key,
                      const struct store_dress *dress, const struct store_condition *cond,
                      struct store_attr *out) {
  struct store_source source;
  struct scope_entry *e;
  struct store *inner;
  int rc = find_both(s, from, key, &e, &inner, &source);

  if (rc != 0)
    return rc;
  rc = inner->write->copy(inner, &source, route_inner_key(e, key), dress, cond, out);
  route_end(e);
  return rc;
}

static int route_move(struct store *s, const struct store_source *from, const char *key,
                      const struct store_condition *cond) {
  struct store_source source;
  struct scope_entry *e;
  struct store *inner;
  int rc = find_both(s, from, key, &e, &inner, &source);

  if (rc != 0)
    return rc;
  rc = inner->write->move != NULL
           ? inner->write->move(inner, &source, route_inner_key(e, key), cond)
           : -EOPNOTSUPP;
  route_end(e);
  return rc;
}

/* --- removal --- */

/* Those of items[first..] that the entry serves, in one call; marks them done. */
static void remove_of(struct store *s, struct store_doomed *items, size_t count, size_t first,
                      bool *done, struct store_doomed *batch) {
  struct scope_entry *e;
  struct store *inner;
  size_t n = 0;
  int rc = find(s, items[first].key, SCOPE_CAN_WRITE, &e, &inner);

  done[first] = true;
  if (rc != 0) {
    items[first].err = rc;
    return;
  }
  for (size_t i = first; i < count; i++) {
    if (i != first && (done[i] || !scope_covers_key_of(e, items[i].key)))
      continue;
    batch[n] = items[i];
    batch[n++].key = route_inner_key(e, items[i].key);
    done[i] = true;
    items[i].err = 1; /* in this batch */
  }
  inner->write->remove(inner, batch, n);
  route_end(e);
  n = 0;
  for (size_t i = first; i < count; i++)
    if (items[i].err == 1)
      items[i].err = batch[n++].err;
}

static int route_remove(struct store *s, struct store_doomed *items, size_t count) {
  bool *done = calloc(count + 1, sizeof(*done));
  struct store_doomed *batch = calloc(count + 1, sizeof(*batch));
  int rc = done == NULL || batch == NULL ? -ENOMEM : 0;

  for (size_t i = 0; rc == 0 && i < count; i++)
    items[i].err = 0;
  for (size_t i = 0; rc == 0 && i < count; i++)
    if (!done[i])
      remove_of(s, items, count, i, done, batch);
  for (size_t i = 0; i < count && rc == 0; i++)
    rc = items[i].err;
  free(done);
  free(batch);
  return rc;
}

static bool route_may_write(struct store *s, const char *key) {
  struct route_store *r = self(s);
  struct scope_table *t = route_hold(r);
  bool may = scope_table_match(t, key, SCOPE_CAN_WRITE) != NULL;

  route_drop(r, t);
  return may;
}

/* Each scope has credentials of its own, asked for with the change. */
static int route_ready(struct store *s) {
  (void)s;
  return 0;
}

const struct store_write_ops route_write_ops = {
    .ready = route_ready,
    .detail = route_detail,
    .tags = route_tags,
    .put = route_put,
    .create_upload = route_create_upload,
    .put_part = route_put_part,
    .copy_part = route_copy_part,
    .complete_upload = route_complete_upload,
    .abort_upload = route_abort_upload,
    .copy = route_copy,
    .move = route_move,
    .remove = route_remove,
    .may_write = route_may_write,
};
