/* A store that fails as scripted: changes. Each may fail ahead of what it does, or
 * be done with its reply lost; results that the caller must not see (a lost
 * reply's) are given back where they own memory. */
#include <stdlib.h>

#include "fault_store_internal.h"

static int fault_ready(struct store *s) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_READY, &fate);

  return rc != 0 ? rc : fs->inner->write->ready(fs->inner);
}

static int fault_detail(struct store *s, const char *key, struct store_detail *out) {
  struct fault_store *fs = fault_store_self(s);
  struct store_detail detail = {0};
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_DETAIL, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->detail(fs->inner, key, &detail);
  rc = fault_store_after(fs, FAULT_DETAIL, &fate, rc);
  if (rc == 0)
    *out = detail;
  else
    store_detail_fini(&detail);
  return rc;
}

static int fault_tags(struct store *s, const char *key, struct buf *out) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_TAGS, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->tags(fs->inner, key, out);
  return fault_store_after(fs, FAULT_TAGS, &fate, rc);
}

static int fault_put(struct store *s, const char *key, const void *data, size_t len,
                     const struct store_dress *dress, const struct store_condition *cond,
                     struct store_attr *out) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_PUT, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->put(fs->inner, key, data, len, dress, cond, out);
  return fault_store_after(fs, FAULT_PUT, &fate, rc);
}

static int fault_create_upload(struct store *s, const char *key, const struct store_dress *dress,
                               char **upload) {
  struct fault_store *fs = fault_store_self(s);
  char *id = NULL;
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_CREATE_UPLOAD, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->create_upload(fs->inner, key, dress, &id);
  rc = fault_store_after(fs, FAULT_CREATE_UPLOAD, &fate, rc);
  if (rc == 0)
    *upload = id;
  else
    free(id);
  return rc;
}

static int fault_put_part(struct store *s, const char *key, const char *upload, unsigned number,
                          const void *data, size_t len, struct store_part *out) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_PUT_PART, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->put_part(fs->inner, key, upload, number, data, len, out);
  return fault_store_after(fs, FAULT_PUT_PART, &fate, rc);
}

static int fault_copy_part(struct store *s, const char *key, const char *upload, unsigned number,
                           const struct store_source *from, uint64_t offset, uint64_t length,
                           struct store_part *out) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_COPY_PART, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->copy_part(fs->inner, key, upload, number, from, offset, length, out);
  return fault_store_after(fs, FAULT_COPY_PART, &fate, rc);
}

static int fault_complete_upload(struct store *s, const char *key, const char *upload,
                                 const struct store_part *parts, size_t count,
                                 const struct store_condition *cond, struct store_attr *out) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_COMPLETE_UPLOAD, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->complete_upload(fs->inner, key, upload, parts, count, cond, out);
  return fault_store_after(fs, FAULT_COMPLETE_UPLOAD, &fate, rc);
}

static int fault_abort_upload(struct store *s, const char *key, const char *upload) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_ABORT_UPLOAD, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->abort_upload(fs->inner, key, upload);
  return fault_store_after(fs, FAULT_ABORT_UPLOAD, &fate, rc);
}

static int fault_copy(struct store *s, const struct store_source *from, const char *key,
                      const struct store_dress *dress, const struct store_condition *cond,
                      struct store_attr *out) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_COPY, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->copy(fs->inner, from, key, dress, cond, out);
  return fault_store_after(fs, FAULT_COPY, &fate, rc);
}

static int fault_append(struct store *s, const char *key, const struct store_attr *base,
                        const void *data, size_t len, struct store_attr *out) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_APPEND, &fate);

  if (rc != 0)
    return rc;
  rc = fs->inner->write->append(fs->inner, key, base, data, len, out);
  return fault_store_after(fs, FAULT_APPEND, &fate, rc);
}

static int fault_remove(struct store *s, struct store_doomed *items, size_t count) {
  struct fault_store *fs = fault_store_self(s);
  struct fate fate;
  int rc = fault_store_before(fs, FAULT_REMOVE, &fate);

  for (size_t i = 0; rc != 0 && i < count; i++)
    items[i].err = rc;
  if (rc != 0)
    return rc;
  rc = fs->inner->write->remove(fs->inner, items, count);
  rc = fault_store_after(fs, FAULT_REMOVE, &fate, rc);
  for (size_t i = 0; fate.lost && i < count; i++)
    items[i].err = fate.err;
  return rc;
}

const struct store_write_ops fault_write_ops = {
    .ready = fault_ready,
    .detail = fault_detail,
    .tags = fault_tags,
    .put = fault_put,
    .create_upload = fault_create_upload,
    .put_part = fault_put_part,
    .copy_part = fault_copy_part,
    .complete_upload = fault_complete_upload,
    .abort_upload = fault_abort_upload,
    .copy = fault_copy,
    .append = fault_append,
    .remove = fault_remove,
};
