/* The S3 store: bytes behind an object's own, in directory buckets (PutObject with
 * x-amz-write-offset-bytes). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3apfs/base/crc.h"
#include "store_internal.h"

/* Of a lost reply: the whole is there. */
static int settle_append(struct s3_store *s, const char *key, const struct store_attr *whole,
                         struct store_attr *out, struct s3_try *t) {
  const struct s3_traits traits = {
      .size = whole->size, .has_crc64nvme = true, .crc64nvme = whole->crc};

  return s3_settle(s, key, &traits, out, t);
}

static bool is_code(const struct s3_error *e, const char *code) {
  return strcmp(e->code, code) == 0;
}

/* Nothing was done, and that is no question of who asks: the object has as many pieces as it may,
 * is encrypted otherwise, or the service knows no such call. */
static int judge_append(int rc, const struct s3_error *e) {
  if (is_code(e, "InvalidWriteOffset"))
    return -ESTALE;
  if (rc == -EOPNOTSUPP || (e->class == S3_ERR_FATAL && e->http_status == 400))
    return -EOPNOTSUPP;
  return rc == -ENOENT ? -ESTALE : rc;
}

static int append_key(struct s3_store *s, const char *key, const struct s3_bytes *bytes,
                      const struct store_attr *base, struct store_attr *whole) {
  const struct store_condition same = {.what = STORE_IF_MATCH, .etag = base->etag};
  const struct store_condition *send;
  struct store_attr out;
  struct s3_try t;
  int seen = -ENOENT;
  int rc;

  s3_try_init(&t);
  rc = s3_prepare_condition(s, key, &same, S3_HONOURS_PUT_MATCH, &send, &t);
  if (rc == 0) {
    rc = s3_change_append(s->writer, key, bytes, base->size, send, &out, &t);
    if (rc != 0 && (s3_error_is_open(&t.error) || t.repeated))
      seen = settle_append(s, key, whole, &out, &t);
    if (rc != 0)
      rc = seen != -ENOENT ? seen : judge_append(rc, &t.error);
  }
  if (rc == 0) {
    out.crc_kind = whole->crc_kind;
    out.crc = whole->crc;
    out.timeless = base->timeless;
    *whole = out;
  } else if (rc != -EOPNOTSUPP) {
    rc = s3_store_map_error(s, "PUT", key, rc, &t.error);
  }
  s3_try_fini(&t);
  return rc;
}

int s3_store_append(struct store *st, const char *name, const struct store_attr *base,
                    const void *data, size_t len, struct store_attr *out) {
  struct s3_store *s = s3_store_self(st);
  struct store_attr whole = {.size = base->size + len, .crc_kind = CRC_64NVME};
  struct s3_bytes bytes;
  char *key;
  int rc = base->crc_kind == CRC_64NVME && st->sums == NULL ? 0 : -EOPNOTSUPP;

  if (rc == 0)
    rc = len > STORE_PART_MAX ? -EFBIG : s3_bytes_init(s->writer, data, len, &bytes);
  if (rc == 0)
    rc = s3_store_full_key(s, name, &key);
  if (rc != 0)
    return rc;
  whole.crc = crc64nvme_combine(base->crc, bytes.crc64nvme, len);
  rc = append_key(s, key, &bytes, base, &whole);
  if (rc == 0)
    *out = whole;
  free(key);
  return rc;
}
