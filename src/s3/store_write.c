/* The S3 store: changes of whole objects and uploads.
 *
 * Each op is one or more tries of one S3 call. Conditions go along where the server
 * honours them (conditions.c). A conflict with somebody's concurrent change (409)
 * wrote nothing: a put is tried again, an upload is the caller's to begin again.
 * When a reply may have been lost, a failed condition is perhaps our own doing, and
 * settle.c looks before anything is said. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3apfs/base/crc.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"
#include "store_internal.h"

#define CONFLICT_TRIES 4
#define CONFLICT_PAUSE_MS 50

static int s3_ready(struct store *st) {
  struct s3_store *s = s3_store_self(st);
  struct keys *keys = NULL;
  struct s3_error error;
  int rc;

  if (s->writer == s->client || s->writer->keys == NULL)
    return 0; /* the keys that read; what they may is the service's to say */
  s3_error_init(&error);
  rc = key_source_get(s->writer->keys, &keys, &error);
  if (rc == 0)
    keys_unref(keys);
  else
    rc = s3_store_map_error(s, "asking to write", s->prefix, rc == -ENOENT ? -EACCES : rc, &error);
  s3_error_fini(&error);
  return rc;
}

/* A call about one key, from its name to its error. */
struct key_call {
  struct s3_store *s;
  char *key;
  struct s3_try t;
};

static int call_begin(struct key_call *c, struct store *st, const char *name) {
  int rc;

  *c = (struct key_call){.s = s3_store_self(st)};
  rc = s3_store_full_key(c->s, name, &c->key);
  if (rc == 0)
    s3_try_init(&c->t);
  return rc;
}

static int call_end(struct key_call *c, const char *what, int rc) {
  if (rc != 0)
    rc = s3_store_map_error(c->s, what, c->key, rc, &c->t.error);
  s3_try_fini(&c->t);
  free(c->key);
  return rc;
}

static int s3_detail(struct store *st, const char *name, struct store_detail *out) {
  struct key_call c;
  int rc = call_begin(&c, st, name);

  return rc != 0 ? rc : call_end(&c, "HEAD", s3_change_detail(c.s->client, c.key, out, &c.t));
}

static int s3_tags(struct store *st, const char *name, struct buf *out) {
  struct key_call c;
  int rc = call_begin(&c, st, name);

  return rc != 0 ? rc : call_end(&c, "GET ?tagging", s3_change_tags(c.s->client, c.key, out, &c.t));
}

static bool wants_match(const struct store_condition *cond) {
  return cond != NULL && cond->what == STORE_IF_MATCH;
}

/* Which condition a failed one was. */
static int judge(int rc, const struct store_condition *cond) {
  if (rc == -ESTALE && cond != NULL && cond->what == STORE_IF_ABSENT)
    return -EEXIST;
  if (rc == -ENOENT && wants_match(cond))
    return -ESTALE;
  return rc;
}

/* Might this failure be a success whose reply was lost? */
static bool in_doubt(int rc, const struct s3_try *t) {
  bool refused = rc == -ESTALE || rc == -ENOENT || rc == -EPIPE || rc == -EAGAIN;

  return rc != 0 && (s3_error_is_open(&t->error) || (t->repeated && refused));
}

static void pause_ms(long ms) {
  struct timespec left = {.tv_nsec = ms * 1000000L};

  while (nanosleep(&left, &left) != 0)
    ;
}

/* --- puts --------------------------------------------------------------------------- */

static int settle_put(struct s3_store *s, const char *key, const struct s3_bytes *bytes,
                      const struct store_dress *dress, struct store_attr *out, struct s3_try *t) {
  struct s3_traits traits = {
      .size = bytes->len, .has_crc64nvme = true, .crc64nvme = bytes->crc64nvme, .dress = dress};
  uint8_t md5[16];
  struct buf etag;
  int rc;

  s3_sum_text(&bytes->sum, traits.sum);
  buf_init(&etag, 0);
  if (digest_once(DIGEST_MD5, bytes->data, bytes->len, md5) == 0) {
    text_hex(&etag, md5, sizeof(md5));
    traits.etag = buf_cstr(&etag);
  }
  rc = s3_settle(s, key, &traits, out, t);
  buf_fini(&etag);
  return rc;
}

int s3_store_put_key(struct s3_store *s, const char *key, const struct s3_bytes *bytes,
                     const struct store_dress *dress, const struct store_condition *cond,
                     struct store_attr *out, struct s3_try *t) {
  const struct store_condition *send;
  int rc = s3_prepare_condition(
      s, key, cond, wants_match(cond) ? S3_HONOURS_PUT_MATCH : S3_HONOURS_PUT_ABSENT, &send, t);

  if (rc != 0)
    return rc;
  rc = s3_change_put(s->writer, key, bytes, dress, send, out, t);
  for (long n = 1; rc == -EAGAIN && n < CONFLICT_TRIES; n++) {
    pause_ms(n * CONFLICT_PAUSE_MS);
    s3_try_again(t);
    rc = s3_change_put(s->writer, key, bytes, dress, send, out, t);
  }
  if (in_doubt(rc, t) && !s->writer->brief) {
    int seen = settle_put(s, key, bytes, dress, out, t);

    if (seen != -ENOENT)
      return seen;
  }
  return judge(rc, send);
}

static int bytes_of(struct store *st, const void *data, size_t len, struct s3_bytes *out) {
  return len > STORE_PART_MAX ? -EFBIG : s3_bytes_init(s3_store_self(st)->writer, data, len, out);
}

static int s3_put(struct store *st, const char *name, const void *data, size_t len,
                  const struct store_dress *dress, const struct store_condition *cond,
                  struct store_attr *out) {
  struct s3_bytes bytes;
  struct key_call c;
  int rc = bytes_of(st, data, len, &bytes);

  if (rc == 0)
    rc = call_begin(&c, st, name);
  if (rc != 0)
    return rc;
  return call_end(&c, "PUT", s3_store_put_key(c.s, c.key, &bytes, dress, cond, out, &c.t));
}

/* --- uploads ------------------------------------------------------------------------ */

/* An answer that says what is wrong with nothing, or an end amid the bytes. */
static bool is_vague(int rc, const struct s3_error *e) {
  return rc != 0 && e->class == S3_ERR_TRANSIENT && (e->http_status != 0 || rc == -ECONNRESET);
}

/* Not every server says of a part that its upload is gone: some fail, and some close the connection
 * before they have all of it. Asked for the upload itself they say so. */
int s3_upload_failure(struct s3_store *s, const char *key, const char *upload, int rc,
                      struct s3_try *t) {
  struct s3_try look;

  if (!is_vague(rc, &t->error))
    return rc;
  s3_try_init(&look);
  look.attempts = S3_LOOK_ATTEMPTS;
  if (s3_change_find_upload(s->writer, key, upload, &look) == -EPIPE) {
    rc = -EPIPE;
    s3_try_again(t);
    s3_error_move(&t->error, &look.error);
  }
  s3_try_fini(&look);
  return rc;
}

static int s3_create_upload(struct store *st, const char *name, const struct store_dress *dress,
                            char **upload) {
  struct key_call c;
  int rc = call_begin(&c, st, name);

  if (rc != 0)
    return rc;
  rc = s3_change_create_upload(c.s->writer, c.key, dress, upload, &c.t);
  return call_end(&c, "CreateMultipartUpload", rc);
}

static int s3_put_part(struct store *st, const char *name, const char *upload, unsigned number,
                       const void *data, size_t len, struct store_part *out) {
  struct s3_bytes bytes;
  struct key_call c;
  int rc = bytes_of(st, data, len, &bytes);

  if (rc == 0)
    rc = call_begin(&c, st, name);
  if (rc != 0)
    return rc;
  rc = s3_change_put_part(c.s->writer, c.key, upload, number, &bytes, out, &c.t);
  rc = s3_upload_failure(c.s, c.key, upload, rc, &c.t);
  return call_end(&c, "UploadPart", rc);
}

/* The part's checksum of the client's kind; false: not known. */
static bool part_sum(const struct s3_client *c, const struct store_part *p, struct checksum *out) {
  const char *blank = strchr(p->sum, ' ');

  if (c->placing.checksum != CHECKSUM_CRC64NVME)
    return blank != NULL && checksum_decode(c->placing.checksum, blank + 1, out) == 0;
  checksum_from_crc64nvme(p->crc64nvme, out);
  return p->has_crc64nvme;
}

/* The whole's: joined, or composed. */
static int join_sums(const struct s3_client *c, struct s3_completion *w) {
  struct checksum *sums = calloc(w->count, sizeof(*sums));

  if (sums == NULL)
    return -ENOMEM;
  w->has_sum = true;
  for (size_t i = 0; w->has_sum && i < w->count; i++)
    w->has_sum = part_sum(c, &w->parts[i], &sums[i]);
  w->sum = sums[0];
  if (w->has_sum && s3_sum_type(c->placing.checksum) == CHECKSUM_COMPOSITE)
    w->has_sum = checksum_compose(sums, w->count, &w->sum) == 0;
  else
    for (size_t i = 1; w->has_sum && i < w->count; i++)
      w->has_sum = checksum_append(&w->sum, &sums[i], w->parts[i].size) == 0;
  free(sums);
  return 0;
}

/* Size and checksum of the whole, from those of the parts. */
static void sum_up(struct s3_completion *w) {
  w->size = 0;
  w->crc64nvme = 0;
  w->has_crc64nvme = true;
  for (size_t i = 0; i < w->count; i++) {
    const struct store_part *p = &w->parts[i];

    w->has_crc64nvme &= p->has_crc64nvme;
    if (w->has_crc64nvme)
      w->crc64nvme = crc64nvme_combine(w->crc64nvme, p->crc64nvme, p->size);
    w->size += p->size;
  }
}

/* The MD5 of the parts' MD5s and their number; false when the etags are none. */
static bool upload_etag(const struct s3_completion *w, struct buf *out) {
  struct digest *d;
  uint8_t md5[16];
  bool ok = true;

  if (digest_new(DIGEST_MD5, &d) != 0)
    return false;
  for (size_t i = 0; ok && i < w->count; i++) {
    ok = strlen(w->parts[i].etag) == 2 * sizeof(md5) &&
         text_unhex(md5, w->parts[i].etag, 2 * sizeof(md5)) == 0;
    if (ok)
      digest_update(d, md5, sizeof(md5));
  }
  ok = ok && digest_final(d, md5) == 0;
  digest_free(d);
  if (!ok)
    return false;
  text_hex(out, md5, sizeof(md5));
  buf_printf(out, "-%zu", w->count);
  return buf_error(out) == 0;
}

static int settle_complete(struct s3_store *s, const char *key, const struct s3_completion *w,
                           struct store_attr *out, struct s3_try *t) {
  struct s3_traits traits = {
      .size = w->size, .has_crc64nvme = w->has_crc64nvme, .crc64nvme = w->crc64nvme};
  struct buf etag;
  int rc;

  if (w->has_sum)
    s3_sum_text(&w->sum, traits.sum);
  buf_init(&etag, 0);
  if (upload_etag(w, &etag))
    traits.etag = buf_cstr(&etag);
  rc = s3_settle(s, key, &traits, out, t);
  buf_fini(&etag);
  return rc;
}

static int complete_key(struct s3_store *s, const char *key, const struct s3_completion *w,
                        const struct store_condition *cond, struct store_attr *out,
                        struct s3_try *t) {
  const struct store_condition *send;
  int rc = s3_prepare_condition(
      s, key, cond, wants_match(cond) ? S3_HONOURS_COMPLETE_MATCH : S3_HONOURS_COMPLETE_ABSENT,
      &send, t);

  if (rc != 0)
    return rc;
  rc = s3_change_complete(s->writer, key, w, send, out, t);
  /* An upload that is gone was perhaps completed by a request that libcurl sent twice. */
  if (in_doubt(rc, t) || rc == -EPIPE) {
    int seen = settle_complete(s, key, w, out, t);

    if (seen != -ENOENT)
      return seen;
    rc = s3_upload_failure(s, key, w->upload, rc, t);
  }
  return judge(rc, send);
}

static int s3_complete_upload(struct store *st, const char *name, const char *upload,
                              const struct store_part *parts, size_t count,
                              const struct store_condition *cond, struct store_attr *out) {
  struct s3_completion w = {.upload = upload, .parts = parts, .count = count};
  struct key_call c;
  int rc = count == 0 || count > STORE_PARTS_MAX ? -EINVAL : call_begin(&c, st, name);

  if (rc != 0)
    return rc;
  sum_up(&w);
  rc = join_sums(c.s->writer, &w);
  /* Each part has to be named with its own: what was sent without one is sent again. */
  if (rc == 0 && !w.has_sum && s3_sum_type(c.s->writer->placing.checksum) == CHECKSUM_COMPOSITE)
    rc = -EAGAIN;
  if (rc == 0)
    rc = complete_key(c.s, c.key, &w, cond, out, &c.t);
  return call_end(&c, "CompleteMultipartUpload", rc);
}

static int s3_abort_upload(struct store *st, const char *name, const char *upload) {
  struct key_call c;
  int rc = call_begin(&c, st, name);

  if (rc != 0)
    return rc;
  rc = s3_change_abort(c.s->writer, c.key, upload, &c.t);
  return call_end(&c, "AbortMultipartUpload", rc == -EPIPE && c.t.repeated ? 0 : rc);
}

#define WRITE_OPS                                                                                  \
  .ready = s3_ready, .detail = s3_detail, .tags = s3_tags, .put = s3_put,                          \
  .create_upload = s3_create_upload, .put_part = s3_put_part, .copy_part = s3_store_copy_part,     \
  .complete_upload = s3_complete_upload, .abort_upload = s3_abort_upload, .copy = s3_store_copy,   \
  .copy_from = s3_store_copy_from, .remove = s3_store_remove

const struct store_write_ops s3_store_write_ops = {WRITE_OPS};
const struct store_write_ops s3_store_directory_write_ops = {WRITE_OPS, .move = s3_store_move,
                                                             .append = s3_store_append};
