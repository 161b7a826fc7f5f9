/* Object store in memory: changes of whole objects. Each is judged and done under
 * the one lock, so a condition holds at the moment of the change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem_store.h"
#include "s3apfs/base/crc.h"

#define KEY_MAX 1024
#define META_MAX 2048

int mem_check(const char *key, const struct store_dress *dress) {
  size_t meta = 0;

  if (*key == '\0')
    return -EINVAL;
  if (strlen(key) > KEY_MAX)
    return -ENAMETOOLONG;
  for (size_t i = 0; dress != NULL && dress->meta != NULL && i < dress->meta->count; i++)
    meta += strlen(dress->meta->items[i].name) + strlen(dress->meta->items[i].value);
  return meta > META_MAX ? -E2BIG : 0;
}

static unsigned tag_count(const char *tags) {
  unsigned n = tags != NULL;

  for (; tags != NULL && *tags != '\0'; tags++)
    n += *tags == '&';
  return n;
}

static int fill_detail(const struct object *o, struct store_detail *out) {
  struct store_detail d = {.attr = o->blob->attr};
  int rc;

  kvlist_init(&d.meta);
  kvlist_init(&d.headers);
  rc = kvlist_copy(&d.meta, &o->meta);
  if (rc == 0)
    rc = kvlist_copy(&d.headers, &o->headers);
  if (rc != 0) {
    store_detail_fini(&d);
    return rc;
  }
  d.tag_count = tag_count(o->tags);
  d.crc64nvme = crc64nvme(0, o->blob->data, o->blob->len);
  d.has_crc64nvme = true;
  *out = d;
  return 0;
}

static int readable_locked(struct mem_store *ms, const char *key, struct object **out) {
  *out = objects_get_locked(ms, key);
  if (*out == NULL)
    return ms->synced.deny_list ? -EACCES : -ENOENT;
  return (*out)->denied ? -EACCES : 0;
}

static int mem_ready(struct store *s) {
  (void)s;
  return 0;
}

static int mem_detail(struct store *s, const char *key, struct store_detail *out) {
  struct mem_store *ms = mem_store_self(s);
  struct object *o;
  int rc;

  mtx_lock(&ms->synced.lock);
  ms->synced.counts.heads++;
  rc = readable_locked(ms, key, &o);
  if (rc == 0)
    rc = fill_detail(o, out);
  if (rc == 0)
    out->has_crc64nvme = !ms->synced.no_checksums;
  mtx_unlock(&ms->synced.lock);
  return rc;
}

static int mem_tags(struct store *s, const char *key, struct buf *out) {
  struct mem_store *ms = mem_store_self(s);
  struct object *o;
  int rc;

  mtx_lock(&ms->synced.lock);
  ms->synced.counts.tags++;
  rc = readable_locked(ms, key, &o);
  if (rc == 0 && o->tags != NULL)
    buf_puts(out, o->tags);
  mtx_unlock(&ms->synced.lock);
  return rc != 0 ? rc : buf_error(out);
}

static int put_locked(struct mem_store *ms, const char *key, struct blob *b,
                      const struct store_dress *dress, const struct store_condition *cond,
                      struct store_attr *out) {
  int rc = objects_condition_locked(ms, key, cond);

  if (rc != 0)
    return rc;
  blob_stamp_locked(ms, key, 0, b);
  rc = objects_replace_locked(ms, key, b, dress);
  if (rc == 0)
    *out = b->attr;
  return rc;
}

static int mem_put(struct store *s, const char *key, const void *data, size_t len,
                   const struct store_dress *dress, const struct store_condition *cond,
                   struct store_attr *out) {
  struct mem_store *ms = mem_store_self(s);
  struct blob *b;
  int rc = mem_check(key, dress);

  if (rc == 0 && len > STORE_PART_MAX)
    rc = -EFBIG;
  b = rc == 0 ? blob_new(len != 0 ? data : "", len) : NULL;
  if (rc == 0 && b == NULL)
    rc = -ENOMEM;
  mtx_lock(&ms->synced.lock);
  ms->synced.counts.puts++;
  ms->synced.counts.bytes_put += len;
  if (rc == 0)
    rc = put_locked(ms, key, b, dress, cond, out);
  mtx_unlock(&ms->synced.lock);
  if (rc != 0)
    blob_unref(b);
  return rc;
}

/* It keeps what it carries. */
static int append_locked(struct mem_store *ms, const char *key, const struct store_attr *base,
                         const void *data, size_t len, struct store_attr *out) {
  const struct store_condition same = {.what = STORE_IF_MATCH, .etag = base->etag};
  struct object *o;
  struct blob *b;
  int rc = objects_condition_locked(ms, key, &same);

  if (rc != 0)
    return rc;
  o = objects_get_locked(ms, key);
  b = blob_new(NULL, o->blob->len + len);
  if (b == NULL)
    return -ENOMEM;
  memcpy(b->data, o->blob->data, o->blob->len);
  memcpy(b->data + o->blob->len, data, len);
  blob_stamp_locked(ms, key, 0, b);
  blob_unref(o->blob);
  o->blob = b;
  *out = b->attr;
  out->timeless = base->timeless;
  out->crc_kind = CRC_64NVME;
  out->crc = crc64nvme(0, b->data, b->len);
  return 0;
}

static int mem_append(struct store *s, const char *key, const struct store_attr *base,
                      const void *data, size_t len, struct store_attr *out) {
  struct mem_store *ms = mem_store_self(s);
  int rc;

  mtx_lock(&ms->synced.lock);
  ms->synced.counts.appends++;
  ms->synced.counts.bytes_put += len;
  rc = append_locked(ms, key, base, data, len, out);
  mtx_unlock(&ms->synced.lock);
  return rc;
}

int mem_source_locked(struct mem_store *ms, const struct store_source *from, struct blob **out) {
  struct object *o;
  int rc = readable_locked(ms, from->key, &o);

  if (rc != 0)
    return rc;
  if (o->blob->attr.archived)
    return -EACCES;
  if (from->etag != NULL && strcmp(from->etag, o->blob->attr.etag) != 0)
    return -ESTALE;
  atomic_fetch_add(&o->blob->refs, 1);
  *out = o->blob;
  return 0;
}

/* What the copy is to carry: the given dress, with the source's tags unless it
 * has its own; without a dress all that the source carries. */
static int copy_dress(const struct object *source, const struct store_dress *dress,
                      struct kvlist *meta, struct kvlist *headers) {
  const struct kvlist *m = dress != NULL ? dress->meta : &source->meta;
  const struct kvlist *h = dress != NULL ? dress->headers : &source->headers;
  int rc = m != NULL ? kvlist_copy(meta, m) : 0;

  if (rc == 0 && h != NULL)
    rc = kvlist_copy(headers, h);
  if (rc == 0 && source->tags != NULL && kvlist_get_ci(headers, "x-amz-tagging") == NULL)
    rc = kvlist_add(headers, "x-amz-tagging", source->tags);
  return rc;
}

static int copy_locked(struct mem_store *ms, const struct store_source *from, const char *key,
                       const struct store_dress *dress, const struct store_condition *cond,
                       struct store_attr *out) {
  struct kvlist meta;
  struct kvlist headers;
  const struct store_dress worn = {.meta = &meta, .headers = &headers};
  const struct object *carrier;
  struct blob *source = NULL;
  struct blob *copy = NULL;
  int rc = mem_source_locked(ms, from, &source);

  kvlist_init(&meta);
  kvlist_init(&headers);
  if (rc == 0 && dress == NULL && strcmp(from->key, key) == 0)
    rc = -EINVAL;
  if (rc == 0 && source->len > STORE_COPY_MAX)
    rc = -EFBIG;
  carrier = objects_get_locked(ms, from->key);
  if (rc == 0)
    rc = carrier != NULL ? copy_dress(carrier, dress, &meta, &headers) : -ENOENT;
  if (rc == 0) {
    copy = blob_new(source->len != 0 ? source->data : (const void *)"", source->len);
    rc = copy != NULL ? put_locked(ms, key, copy, &worn, cond, out) : -ENOMEM;
  }
  if (rc != 0)
    blob_unref(copy);
  blob_unref(source);
  kvlist_fini(&meta);
  kvlist_fini(&headers);
  return rc;
}

static int mem_copy(struct store *s, const struct store_source *from, const char *key,
                    const struct store_dress *dress, const struct store_condition *cond,
                    struct store_attr *out) {
  struct mem_store *ms = mem_store_self(s);
  int rc = mem_check(key, dress);

  mtx_lock(&ms->synced.lock);
  ms->synced.counts.copies++;
  if (rc == 0)
    rc = copy_locked(ms, from, key, dress, cond, out);
  mtx_unlock(&ms->synced.lock);
  return rc;
}

static int remove_one_locked(struct mem_store *ms, const struct store_doomed *d) {
  struct object *o = objects_get_locked(ms, d->key);

  if (o == NULL)
    return 0;
  if (d->etag != NULL && strcmp(d->etag, o->blob->attr.etag) != 0)
    return -ESTALE;
  objects_remove_locked(ms, o);
  return 0;
}

static int mem_remove(struct store *s, struct store_doomed *items, size_t count) {
  struct mem_store *ms = mem_store_self(s);
  int rc = 0;

  if (count > 1000)
    return -EINVAL;
  mtx_lock(&ms->synced.lock);
  for (size_t i = 0; i < count; i++) {
    ms->synced.counts.removes++;
    items[i].err = remove_one_locked(ms, &items[i]);
    if (rc == 0)
      rc = items[i].err;
  }
  mtx_unlock(&ms->synced.lock);
  return rc;
}

const struct store_write_ops mem_write_ops = {
    .ready = mem_ready,
    .detail = mem_detail,
    .tags = mem_tags,
    .put = mem_put,
    .create_upload = mem_create_upload,
    .put_part = mem_put_part,
    .copy_part = mem_copy_part,
    .complete_upload = mem_complete_upload,
    .abort_upload = mem_abort_upload,
    .copy = mem_copy,
    .append = mem_append,
    .remove = mem_remove,
};
