/* Object store in memory: multipart uploads.
 *
 * An upload collects parts by number, a later one of the same number replacing
 * the earlier; completing names parts by number and etag and joins their bytes
 * into a new version. As S3 does, it checks everything before anything changes,
 * and an upload whose completion was refused lives on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "mem_store.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/text.h"

static void part_free(struct mem_part *p) {
  blob_unref(p->blob);
  free(p);
}

static void upload_free(struct mem_upload *u) {
  struct mem_part *p;
  struct mem_part *next;

  DL_FOREACH_SAFE(u->parts, p, next) {
    DL_DELETE(u->parts, p);
    part_free(p);
  }
  kvlist_fini(&u->meta);
  kvlist_fini(&u->headers);
  free(u->key);
  free(u->id);
  free(u);
}

void mem_uploads_free(struct mem_store *ms) {
  struct mem_upload *u;
  struct mem_upload *next;

  DL_FOREACH_SAFE(ms->synced.uploads, u, next) {
    DL_DELETE(ms->synced.uploads, u);
    upload_free(u);
  }
}

unsigned mem_store_uploads(struct store *s) {
  struct mem_store *ms = mem_store_self(s);
  struct mem_upload *u;
  unsigned n = 0;

  mtx_lock(&ms->synced.lock);
  DL_COUNT(ms->synced.uploads, u, n);
  mtx_unlock(&ms->synced.lock);
  return n;
}

static struct mem_upload *upload_find_locked(struct mem_store *ms, const char *key,
                                             const char *id) {
  struct mem_upload *u;

  DL_FOREACH (ms->synced.uploads, u)
    if (strcmp(u->id, id) == 0 && strcmp(u->key, key) == 0)
      return u;
  return NULL;
}

static int upload_new(const char *key, const struct store_dress *dress, struct mem_upload **out) {
  struct mem_upload *u = calloc(1, sizeof(*u));
  int rc = 0;

  if (u == NULL)
    return -ENOMEM;
  kvlist_init(&u->meta);
  kvlist_init(&u->headers);
  u->key = strdup(key);
  if (u->key == NULL)
    rc = -ENOMEM;
  if (rc == 0 && dress != NULL && dress->meta != NULL)
    rc = kvlist_copy(&u->meta, dress->meta);
  if (rc == 0 && dress != NULL && dress->headers != NULL)
    rc = kvlist_copy(&u->headers, dress->headers);
  if (rc != 0) {
    upload_free(u);
    return rc;
  }
  *out = u;
  return 0;
}

int mem_create_upload(struct store *s, const char *key, const struct store_dress *dress,
                      char **upload) {
  struct mem_store *ms = mem_store_self(s);
  struct mem_upload *u = NULL;
  char *id = NULL;
  int rc = mem_check(key, dress);

  if (rc == 0)
    rc = upload_new(key, dress, &u);
  mtx_lock(&ms->synced.lock);
  ms->synced.counts.creates++;
  if (rc == 0) {
    u->id = text_printf("upload-%llu", (unsigned long long)++ms->synced.versions);
    id = u->id != NULL ? strdup(u->id) : NULL;
    rc = id != NULL ? 0 : -ENOMEM;
  }
  if (rc == 0)
    DL_APPEND(ms->synced.uploads, u);
  mtx_unlock(&ms->synced.lock);
  if (rc == 0)
    *upload = id;
  else if (u != NULL)
    upload_free(u);
  return rc;
}

static int by_number(const struct mem_part *a, const struct mem_part *b) {
  return (a->number > b->number) - (a->number < b->number);
}

/* The part of that number, made when there is none. */
static struct mem_part *ensure_part(struct mem_upload *u, unsigned number) {
  struct mem_part *p;

  DL_SEARCH_SCALAR(u->parts, p, number, number);
  if (p != NULL)
    return p;
  p = calloc(1, sizeof(*p));
  if (p == NULL)
    return NULL;
  p->number = number;
  DL_INSERT_INORDER(u->parts, p, by_number);
  return p;
}

/* Takes the blob on success. */
static int add_part_locked(struct mem_store *ms, struct mem_upload *u, unsigned number,
                           struct blob *b, struct store_part *out) {
  struct mem_part *p = ensure_part(u, number);

  if (p == NULL)
    return -ENOMEM;
  blob_stamp_locked(ms, u->key, 0, b);
  blob_unref(p->blob);
  p->blob = b;
  p->crc64nvme = crc64nvme(0, b->data, b->len);
  *out = (struct store_part){
      .number = number, .size = b->len, .crc64nvme = p->crc64nvme, .has_crc64nvme = true};
  memcpy(out->etag, b->attr.etag, sizeof(out->etag));
  return 0;
}

static int check_part(unsigned number, uint64_t len) {
  if (number < 1 || number > STORE_PARTS_MAX)
    return -EINVAL;
  return len > STORE_PART_MAX ? -EFBIG : 0;
}

int mem_put_part(struct store *s, const char *key, const char *upload, unsigned number,
                 const void *data, size_t len, struct store_part *out) {
  struct mem_store *ms = mem_store_self(s);
  struct mem_upload *u;
  struct blob *b = NULL;
  int rc = check_part(number, len);

  if (rc == 0) {
    b = blob_new(len != 0 ? data : "", len);
    rc = b != NULL ? 0 : -ENOMEM;
  }
  mtx_lock(&ms->synced.lock);
  ms->synced.counts.parts++;
  ms->synced.counts.bytes_put += len;
  u = upload_find_locked(ms, key, upload);
  if (rc == 0)
    rc = u != NULL ? add_part_locked(ms, u, number, b, out) : -EPIPE;
  mtx_unlock(&ms->synced.lock);
  if (rc != 0)
    blob_unref(b);
  return rc;
}

static int cut(const struct blob *source, uint64_t offset, uint64_t length, struct blob **out) {
  if (length == 0 || offset > source->len || length > source->len - offset)
    return -EINVAL;
  *out = blob_new(source->data + offset, (size_t)length);
  return *out != NULL ? 0 : -ENOMEM;
}

int mem_copy_part(struct store *s, const char *key, const char *upload, unsigned number,
                  const struct store_source *from, uint64_t offset, uint64_t length,
                  struct store_part *out) {
  struct mem_store *ms = mem_store_self(s);
  struct mem_upload *u;
  struct blob *source = NULL;
  struct blob *b = NULL;
  int rc = check_part(number, length);

  mtx_lock(&ms->synced.lock);
  ms->synced.counts.part_copies++;
  u = upload_find_locked(ms, key, upload);
  if (rc == 0)
    rc = u != NULL ? mem_source_locked(ms, from, &source) : -EPIPE;
  if (rc == 0)
    rc = cut(source, offset, length, &b);
  if (rc == 0)
    rc = add_part_locked(ms, u, number, b, out);
  mtx_unlock(&ms->synced.lock);
  if (rc != 0)
    blob_unref(b);
  blob_unref(source);
  return rc;
}

/* Each part named is there as named, in order, and large enough. */
static int check_parts_locked(const struct mem_store *ms, struct mem_upload *u,
                              const struct store_part *parts, size_t count, uint64_t *size) {
  unsigned last = 0;

  *size = 0;
  if (count == 0)
    return -EINVAL;
  for (size_t i = 0; i < count; i++) {
    struct mem_part *p;

    DL_SEARCH_SCALAR(u->parts, p, number, parts[i].number);
    if (p == NULL || parts[i].number <= last || strcmp(p->blob->attr.etag, parts[i].etag) != 0 ||
        (parts[i].has_crc64nvme && parts[i].crc64nvme != p->crc64nvme) ||
        (i + 1 < count && p->blob->len < ms->synced.part_min))
      return -EINVAL;
    last = parts[i].number;
    *size += p->blob->len;
  }
  return 0;
}

static struct blob *join_locked(const struct mem_upload *u, const struct store_part *parts,
                                size_t count, uint64_t size) {
  struct blob *b = blob_new(NULL, (size_t)size);
  size_t at = 0;

  for (size_t i = 0; b != NULL && i < count; i++) {
    const struct mem_part *p;

    DL_SEARCH_SCALAR(u->parts, p, number, parts[i].number);
    if (p == NULL)
      continue; /* check_parts_locked() saw them all */
    memcpy(b->data + at, p->blob->data, p->blob->len);
    at += p->blob->len;
  }
  return b;
}

static int complete_locked(struct mem_store *ms, struct mem_upload *u,
                           const struct store_part *parts, size_t count,
                           const struct store_condition *cond, struct store_attr *out) {
  const struct store_dress dress = {.meta = &u->meta, .headers = &u->headers};
  struct blob *b;
  uint64_t size;
  int rc = check_parts_locked(ms, u, parts, count, &size);

  if (rc == 0)
    rc = objects_condition_locked(ms, u->key, cond);
  if (rc != 0)
    return rc;
  b = join_locked(u, parts, count, size);
  if (b == NULL)
    return -ENOMEM;
  blob_stamp_locked(ms, u->key, (unsigned)count, b);
  rc = objects_replace_locked(ms, u->key, b, &dress);
  if (rc != 0) {
    blob_unref(b);
    return rc;
  }
  *out = b->attr;
  DL_DELETE(ms->synced.uploads, u);
  upload_free(u);
  return 0;
}

int mem_complete_upload(struct store *s, const char *key, const char *upload,
                        const struct store_part *parts, size_t count,
                        const struct store_condition *cond, struct store_attr *out) {
  struct mem_store *ms = mem_store_self(s);
  struct mem_upload *u;
  int rc = -EPIPE;

  mtx_lock(&ms->synced.lock);
  ms->synced.counts.completes++;
  u = upload_find_locked(ms, key, upload);
  if (u != NULL)
    rc = complete_locked(ms, u, parts, count, cond, out);
  mtx_unlock(&ms->synced.lock);
  return rc;
}

int mem_abort_upload(struct store *s, const char *key, const char *upload) {
  struct mem_store *ms = mem_store_self(s);
  struct mem_upload *u;

  mtx_lock(&ms->synced.lock);
  ms->synced.counts.aborts++;
  u = upload_find_locked(ms, key, upload);
  if (u != NULL) {
    DL_DELETE(ms->synced.uploads, u);
    upload_free(u);
  }
  mtx_unlock(&ms->synced.lock);
  return u != NULL ? 0 : -EPIPE;
}
