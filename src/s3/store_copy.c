/* The S3 store: server-side copies.
 *
 * S3 copies metadata and tags along, but storage class, encryption and locks are
 * the target's: a copy that is to keep them looks at the source first and names
 * them. A refused condition may be the source's or the target's; S3 does not say
 * which in a way that every server follows, so the objects are asked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/text.h"
#include "store_internal.h"

struct copy_job {
  struct s3_store *s;
  const char *key; /* whole keys */
  struct store_source from;
  const struct store_dress *dress; /* the caller's */
  const struct store_condition *cond;
  struct kvlist placement; /* without a dress: what S3 does not copy by itself */
  uint64_t crc64nvme;      /* the source's, when it was looked at and has one */
  bool has_crc64nvme;
};

static int take_placement(struct copy_job *j, const struct kvlist *headers) {
  int rc = 0;

  for (size_t i = 0; rc == 0 && i < headers->count; i++)
    if (text_has_prefix(headers->items[i].name, "x-amz-"))
      rc = kvlist_add(&j->placement, headers->items[i].name, headers->items[i].value);
  return rc;
}

static int look_at_source(struct copy_job *j, struct s3_try *t) {
  struct store_detail d;
  int rc = s3_change_detail(j->s->writer, j->from.key, &d, t);

  if (rc != 0)
    return rc;
  if (j->from.etag != NULL && strcmp(j->from.etag, d.attr.etag) != 0)
    rc = -ESTALE;
  else
    rc = take_placement(j, &d.headers);
  j->from.size = d.attr.size;
  j->crc64nvme = d.crc64nvme;
  j->has_crc64nvme = d.has_crc64nvme;
  store_detail_fini(&d);
  return rc;
}

/* Whether to send x-amz-copy-source-if-match; where it is ignored, looks now. */
static int prepare_source(struct s3_store *s, const struct store_source *from, bool *match,
                          struct s3_try *t) {
  const struct store_condition cond = {.what = STORE_IF_MATCH, .etag = from->etag};
  const struct store_condition *send = NULL;
  int rc = 0;

  if (from->etag != NULL)
    rc = s3_prepare_condition(s, from->key, &cond, S3_HONOURS_SOURCE, &send, t);
  *match = send != NULL;
  return rc;
}

static int settle_copy(struct copy_job *j, struct store_attr *out, struct s3_try *t) {
  bool onto_itself = strcmp(j->key, j->from.key) == 0;
  struct s3_traits traits = {.size = j->from.size,
                             .has_crc64nvme = j->has_crc64nvme,
                             .crc64nvme = j->crc64nvme,
                             .etag = j->from.etag,
                             .any_bytes = onto_itself && j->dress != NULL,
                             .dress = j->dress};
  struct store_detail d;
  struct s3_try look;

  s3_try_init(&look);
  if (!j->has_crc64nvme && !onto_itself &&
      s3_change_detail(j->s->writer, j->from.key, &d, &look) == 0) {
    traits.has_crc64nvme = d.has_crc64nvme;
    traits.crc64nvme = d.crc64nvme;
    store_detail_fini(&d);
  }
  s3_try_fini(&look);
  return s3_settle(j->s, j->key, &traits, out, t);
}

static bool exists(struct s3_store *s, const char *key) {
  struct store_attr a;
  struct s3_try t;
  int rc;

  s3_try_init(&t);
  rc = s3_client_head(s->writer, key, &a, NULL, &t.error);
  s3_try_fini(&t);
  return rc == 0;
}

/* -ESTALE, -ENOENT: of the source; -EEXIST, -ESTALE: of the target. */
static int judge_copy(struct copy_job *j, int rc) {
  enum store_if what = j->cond != NULL ? j->cond->what : STORE_IF_ANY;

  if (rc == -ESTALE && what == STORE_IF_ABSENT)
    return exists(j->s, j->key) ? -EEXIST : -ESTALE;
  if (rc == -ENOENT && what == STORE_IF_MATCH)
    return exists(j->s, j->from.key) ? -ESTALE : -ENOENT;
  return rc;
}

/* Where new objects get a class of the user's, each has to be asked for its own. Directory buckets
 * know one class and their own encryption, and no locks. */
static bool has_to_look(const struct copy_job *j) {
  if (j->s->writer->directory)
    return false;
  return j->dress == NULL && (!j->from.plain || j->s->writer->placing.storage_class != NULL);
}

/* --- a folder's own object ---------------------------------------------------------- */

/* Some servers keep folders as folders, and refuse to copy one's object. */
static bool is_refused_folder(const struct copy_job *j, int rc, const struct s3_error *e) {
  return rc != 0 && e->class == S3_ERR_FATAL && e->http_status == 400 &&
         text_has_suffix(j->key, "/") && text_has_suffix(j->from.key, "/") &&
         strcmp(j->key, j->from.key) != 0;
}

/* As it has no bytes it can be put, with what it carries. Not when it has bytes after all, or
 * tags, which would be lost: -EOPNOTSUPP. */
static int put_folder(struct copy_job *j, struct store_attr *out, struct s3_try *t) {
  struct store_detail d;
  struct s3_bytes nothing;
  struct s3_try look;
  int rc;

  s3_try_init(&look);
  rc = s3_change_detail(j->s->writer, j->from.key, &d, &look);
  s3_try_fini(&look);
  if (rc != 0)
    return -EOPNOTSUPP;
  if (d.attr.size != 0 || d.tag_count != 0) {
    rc = -EOPNOTSUPP;
  } else if (j->from.etag != NULL && strcmp(j->from.etag, d.attr.etag) != 0) {
    rc = -ESTALE;
  } else {
    const struct store_dress carried = {.meta = &d.meta, .headers = &d.headers};

    s3_try_again(t);
    rc = s3_bytes_init(j->s->writer, "", 0, &nothing);
    if (rc == 0)
      rc = s3_store_put_key(j->s, j->key, &nothing, j->dress != NULL ? j->dress : &carried, j->cond,
                            out, t);
  }
  store_detail_fini(&d);
  return rc;
}

/* --- all of it ---------------------------------------------------------------------- */

static int copy_key(struct copy_job *j, struct store_attr *out, struct s3_try *t) {
  const struct store_dress placement = {.headers = &j->placement};
  const struct store_condition *send = NULL;
  struct s3_copying w = {.from = &j->from, .replace = j->dress != NULL};
  int rc = has_to_look(j) ? look_at_source(j, t) : 0;

  if (rc == 0)
    rc = prepare_source(j->s, &j->from, &w.match, t);
  if (rc == 0)
    rc = s3_prepare_condition(j->s, j->key, j->cond, S3_HONOURS_COPY, &send, t);
  if (rc != 0)
    return rc;
  w.dress = j->dress != NULL ? j->dress : &placement;
  rc = s3_change_copy(j->s->writer, j->key, &w, send, out, t);
  if (rc != 0 && (s3_error_is_open(&t->error) || (t->repeated && rc == -ESTALE))) {
    int seen = settle_copy(j, out, t);

    if (seen != -ENOENT)
      return seen;
  }
  if (is_refused_folder(j, rc, &t->error)) {
    int put = put_folder(j, out, t);

    return put == -EOPNOTSUPP ? rc : put;
  }
  return judge_copy(j, rc);
}

int s3_store_copy(struct store *st, const struct store_source *from, const char *name,
                  const struct store_dress *dress, const struct store_condition *cond,
                  struct store_attr *out) {
  struct s3_store *s = s3_store_self(st);
  struct copy_job j = {.s = s, .from = *from, .dress = dress, .cond = cond};
  struct s3_try t;
  char *source = NULL;
  char *key = NULL;
  int rc = dress == NULL && strcmp(from->key, name) == 0 ? -EINVAL : 0;

  if (rc == 0 && s->writer->multi_region)
    rc = -EOPNOTSUPP;
  if (rc == 0)
    rc = s3_store_full_key(s, from->key, &source);
  if (rc == 0)
    rc = s3_store_full_key(s, name, &key);
  if (rc == 0) {
    j.from.key = source;
    j.key = key;
    kvlist_init(&j.placement);
    s3_try_init(&t);
    rc = copy_key(&j, out, &t);
    if (rc != 0)
      rc = s3_store_map_error(s, "CopyObject", key, rc, &t.error);
    s3_try_fini(&t);
    kvlist_fini(&j.placement);
  }
  free(source);
  free(key);
  return rc;
}

int s3_store_copy_part(struct store *st, const char *name, const char *upload, unsigned number,
                       const struct store_source *from, uint64_t offset, uint64_t length,
                       struct store_part *out) {
  struct s3_store *s = s3_store_self(st);
  struct store_source whole = *from;
  struct s3_try t;
  char *source = NULL;
  char *key = NULL;
  bool match = false;
  int rc = length == 0 ? -EINVAL : length > STORE_PART_MAX ? -EFBIG : 0;

  if (rc == 0 && s->writer->multi_region)
    rc = -EOPNOTSUPP;
  if (rc == 0)
    rc = s3_store_full_key(s, from->key, &source);
  if (rc == 0)
    rc = s3_store_full_key(s, name, &key);
  if (rc == 0) {
    whole.key = source;
    s3_try_init(&t);
    rc = prepare_source(s, &whole, &match, &t);
    if (rc == 0)
      rc = s3_upload_failure(s, key, upload,
                             s3_change_copy_part(s->writer, key, upload, number, &whole, match,
                                                 offset, length, out, &t),
                             &t);
    if (rc != 0)
      rc = s3_store_map_error(s, "UploadPartCopy", key, rc, &t.error);
    s3_try_fini(&t);
  }
  free(source);
  free(key);
  return rc;
}
