/* Server-side copies of any size: one call up to what S3 copies at once, by parts
 * above. Parts of one copy go side by side. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names_internal.h"
#include "s3apfs/base/log.h"
#include "s3apfs/base/pool.h"

#define PART_SIZE ((uint64_t)512 << 20)
#define SIDE_BY_SIDE 16

struct copy_part {
  const struct root *root;
  const char *key;
  const char *upload;
  const struct store_source *from;
  uint64_t offset;
  uint64_t length;
  struct store_part *out;
  unsigned number;
  int err;
};

static void copy_one(void *arg) {
  struct copy_part *c = arg;
  struct store *s = c->root->store;

  c->err =
      s->write->copy_part(s, c->key, c->upload, c->number, c->from, c->offset, c->length, c->out);
}

/* The first error of all parts, or 0. */
static int copy_parts(struct copy_part *parts, size_t count) {
  struct pool *pool;
  int rc = pool_new("copy", SIDE_BY_SIDE, &pool);

  if (rc != 0)
    return rc;
  for (size_t i = 0; i < count; i++)
    if (pool_submit(pool, copy_one, &parts[i]) != 0)
      parts[i].err = -ENOMEM;
  pool_free(pool);
  for (size_t i = 0; rc == 0 && i < count; i++)
    rc = parts[i].err;
  return rc;
}

/* Adds the source's tags to what the copy is to carry. */
static int take_tags(const struct root *r, const char *key, struct kvlist *headers) {
  struct buf tags;
  int rc;

  buf_init(&tags, 65536);
  rc = r->store->write->tags(r->store, key, &tags);
  if (rc == 0)
    rc = buf_error(&tags);
  if (rc == 0 && tags.len > 0)
    rc = kvlist_set_ci(headers, "x-amz-tagging", buf_cstr(&tags));
  buf_fini(&tags);
  return rc;
}

/* What an upload that becomes the copy has to be begun with. */
static int begin(const struct root *r, const struct store_source *from, const char *key,
                 const struct store_dress *dress, char **upload) {
  struct store *s = r->store;
  struct store_detail d;
  struct store_dress worn = {.meta = &d.meta, .headers = &d.headers};
  int rc = s->write->detail(s, from->key, &d);

  if (rc != 0)
    return rc;
  if (from->etag != NULL && strcmp(from->etag, d.attr.etag) != 0)
    rc = -ESTALE;
  if (rc == 0 && d.tag_count > 0)
    rc = take_tags(r, from->key, &d.headers);
  if (dress != NULL && dress->meta != NULL)
    worn.meta = dress->meta;
  if (rc == 0)
    rc = s->write->create_upload(s, key, &worn, upload);
  store_detail_fini(&d);
  return rc;
}

static int copy_by_parts(const struct root *r, const struct store_source *from, const char *key,
                         const struct store_dress *dress, const struct store_condition *cond,
                         struct store_attr *out) {
  struct store *s = r->store;
  uint64_t size = PART_SIZE;
  char *upload = NULL;
  struct copy_part *jobs;
  struct store_part *parts;
  size_t count;
  int rc = begin(r, from, key, dress, &upload);

  while ((from->size + size - 1) / size > STORE_PARTS_MAX)
    size *= 2;
  count = (size_t)((from->size + size - 1) / size);
  jobs = calloc(count, sizeof(*jobs));
  parts = calloc(count, sizeof(*parts));
  if (rc == 0 && (jobs == NULL || parts == NULL))
    rc = -ENOMEM;
  for (size_t i = 0; rc == 0 && i < count; i++)
    jobs[i] = (struct copy_part){.root = r,
                                 .key = key,
                                 .upload = upload,
                                 .from = from,
                                 .offset = i * size,
                                 .length = i + 1 < count ? size : from->size - i * size,
                                 .out = &parts[i],
                                 .number = (unsigned)i + 1};
  if (rc == 0)
    rc = copy_parts(jobs, count);
  if (rc == 0)
    rc = s->write->complete_upload(s, key, upload, parts, count, cond, out);
  if (rc != 0 && upload != NULL && s->write->abort_upload(s, key, upload) != 0)
    log_debug("an upload of '%s' was not aborted", key);
  free(jobs);
  free(parts);
  free(upload);
  return rc;
}

bool names_same(const struct root *r, const char *from, const char *to) {
  struct store *s = r->store;
  struct store_detail a;
  struct store_detail b;
  bool same = false;

  if (s->write->detail(s, from, &a) != 0)
    return false;
  if (s->write->detail(s, to, &b) == 0) {
    if (strcmp(a.attr.etag, b.attr.etag) == 0)
      same = true;
    else if (a.has_crc64nvme && b.has_crc64nvme)
      same = a.crc64nvme == b.crc64nvme;
    else
      same = strchr(a.attr.etag, '-') != NULL || strchr(b.attr.etag, '-') != NULL;
    same = same && a.attr.size == b.attr.size;
    store_detail_fini(&b);
  }
  store_detail_fini(&a);
  return same;
}

bool names_may_be_done(int err) {
  static const int told[] = {0,      -EEXIST,    -ESTALE, -ENOENT, -EACCES,       -ENOKEY,
                             -EPERM, -EROFS,     -EAGAIN, -EINVAL, -ENAMETOOLONG, -EFBIG,
                             -E2BIG, -EOPNOTSUPP};

  for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
    if (err == told[i])
      return false;
  return true;
}

int names_move(const struct root *r, const struct store_source *from, const char *key,
               const struct store_condition *cond) {
  const struct store_write_ops *write = r->store->write;

  return write->move != NULL ? write->move(r->store, from, key, cond) : -EOPNOTSUPP;
}

int names_copy(const struct root *r, const struct store_source *from, const char *key,
               const struct store_dress *dress, const struct store_condition *cond,
               struct store_attr *out) {
  if (from->size > STORE_COPY_MAX)
    return copy_by_parts(r, from, key, dress, cond, out);
  return r->store->write->copy(r->store, from, key, dress, cond, out);
}
