/* The store whose keys are escaped: changes. */
#include <errno.h>
#include <stdlib.h>

#include "escape_store.h"

/* The inner store's key; *inner is that store. */
static int real(struct store *s, const char *name, struct store **inner, char **key) {
  bool twin;

  *inner = escape_self(s)->inner;
  return escape_real_key(escape_self(s), name, key, &twin);
}

/* The same for two keys, of which one is copied; both are freed by the caller, also on failure. */
struct pair {
  struct store *inner;
  char *key;
  struct store_source source;
  char *source_key;
};

static int pair_real(struct store *s, const char *name, const struct store_source *from,
                     struct pair *out) {
  int rc = real(s, name, &out->inner, &out->key);

  out->source = *from;
  out->source_key = NULL;
  if (rc == 0)
    rc = real(s, from->key, &out->inner, &out->source_key);
  out->source.key = out->source_key;
  return rc;
}

static void pair_fini(struct pair *p) {
  free(p->source_key);
  free(p->key);
}

static int escape_ready(struct store *s) {
  struct store *inner = escape_self(s)->inner;

  return inner->write->ready(inner);
}

static int escape_detail(struct store *s, const char *name, struct store_detail *out) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc == -EINVAL ? -ENOENT : rc;
  rc = inner->write->detail(inner, key, out);
  free(key);
  return rc;
}

static int escape_tags(struct store *s, const char *name, struct buf *out) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc == -EINVAL ? -ENOENT : rc;
  rc = inner->write->tags(inner, key, out);
  free(key);
  return rc;
}

static int escape_put(struct store *s, const char *name, const void *data, size_t len,
                      const struct store_dress *dress, const struct store_condition *cond,
                      struct store_attr *out) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc;
  rc = inner->write->put(inner, key, data, len, dress, cond, out);
  free(key);
  return rc;
}

static int escape_create_upload(struct store *s, const char *name, const struct store_dress *dress,
                                char **upload) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc;
  rc = inner->write->create_upload(inner, key, dress, upload);
  free(key);
  return rc;
}

static int escape_put_part(struct store *s, const char *name, const char *upload, unsigned number,
                           const void *data, size_t len, struct store_part *out) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc;
  rc = inner->write->put_part(inner, key, upload, number, data, len, out);
  free(key);
  return rc;
}

static int escape_copy_part(struct store *s, const char *name, const char *upload, unsigned number,
                            const struct store_source *from, uint64_t offset, uint64_t length,
                            struct store_part *out) {
  struct pair p;
  int rc = pair_real(s, name, from, &p);

  if (rc == 0)
    rc = p.inner->write->copy_part(p.inner, p.key, upload, number, &p.source, offset, length, out);
  pair_fini(&p);
  return rc;
}

static int escape_complete_upload(struct store *s, const char *name, const char *upload,
                                  const struct store_part *parts, size_t count,
                                  const struct store_condition *cond, struct store_attr *out) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc;
  rc = inner->write->complete_upload(inner, key, upload, parts, count, cond, out);
  free(key);
  return rc;
}

static int escape_abort_upload(struct store *s, const char *name, const char *upload) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc;
  rc = inner->write->abort_upload(inner, key, upload);
  free(key);
  return rc;
}

static int escape_copy(struct store *s, const struct store_source *from, const char *name,
                       const struct store_dress *dress, const struct store_condition *cond,
                       struct store_attr *out) {
  struct pair p;
  int rc = pair_real(s, name, from, &p);

  if (rc == 0)
    rc = p.inner->write->copy(p.inner, &p.source, p.key, dress, cond, out);
  pair_fini(&p);
  return rc;
}

static int escape_copy_from(struct store *s, const struct store_elsewhere *from, const char *name,
                            const struct store_dress *dress, const struct store_condition *cond,
                            struct store_attr *out) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc;
  rc = inner->write->copy_from != NULL ? inner->write->copy_from(inner, from, key, dress, cond, out)
                                       : -EOPNOTSUPP;
  free(key);
  return rc;
}

static int escape_move(struct store *s, const struct store_source *from, const char *name,
                       const struct store_condition *cond) {
  struct pair p;
  int rc = pair_real(s, name, from, &p);

  if (rc == 0)
    rc = p.inner->write->move != NULL ? p.inner->write->move(p.inner, &p.source, p.key, cond)
                                      : -EOPNOTSUPP;
  pair_fini(&p);
  return rc;
}

static int escape_append(struct store *s, const char *name, const struct store_attr *base,
                         const void *data, size_t len, struct store_attr *out) {
  struct store *inner;
  char *key;
  int rc = real(s, name, &inner, &key);

  if (rc != 0)
    return rc;
  rc = inner->write->append != NULL ? inner->write->append(inner, key, base, data, len, out)
                                    : -EOPNOTSUPP;
  free(key);
  return rc;
}

/* What no key can be says so where it is made. */
static bool escape_may_write(struct store *s, const char *name) {
  struct store *inner;
  char *key;
  bool may;

  if (escape_self(s)->inner->write->may_write == NULL || real(s, name, &inner, &key) != 0)
    return true;
  may = inner->write->may_write(inner, key);
  free(key);
  return may;
}

static int remove_real(struct store *inner, struct store_doomed *items, char **keys, size_t count) {
  struct store_doomed *real_items = calloc(count + 1, sizeof(*real_items));
  int rc;

  if (real_items == NULL)
    return -ENOMEM;
  for (size_t i = 0; i < count; i++)
    real_items[i] = (struct store_doomed){.key = keys[i], .etag = items[i].etag};
  rc = inner->write->remove(inner, real_items, count);
  for (size_t i = 0; i < count; i++)
    items[i].err = real_items[i].err;
  free(real_items);
  return rc;
}

static int escape_remove(struct store *s, struct store_doomed *items, size_t count) {
  struct store *inner = escape_self(s)->inner;
  char **keys = calloc(count + 1, sizeof(char *));
  int rc = keys != NULL ? 0 : -ENOMEM;

  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = real(s, items[i].key, &inner, &keys[i]);
  if (rc == 0)
    rc = remove_real(inner, items, keys, count);
  else
    for (size_t i = 0; i < count; i++)
      items[i].err = rc;
  for (size_t i = 0; keys != NULL && i < count; i++)
    free(keys[i]);
  free(keys);
  return rc;
}

const struct store_write_ops escape_write_ops = {
    .ready = escape_ready,
    .detail = escape_detail,
    .tags = escape_tags,
    .put = escape_put,
    .create_upload = escape_create_upload,
    .put_part = escape_put_part,
    .copy_part = escape_copy_part,
    .complete_upload = escape_complete_upload,
    .abort_upload = escape_abort_upload,
    .copy = escape_copy,
    .copy_from = escape_copy_from,
    .move = escape_move,
    .append = escape_append,
    .remove = escape_remove,
    .may_write = escape_may_write,
};
