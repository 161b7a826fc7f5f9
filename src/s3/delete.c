/* DeleteObject and DeleteObjects. */
#include <errno.h>
#include <string.h>

#include "change.h"
#include "s3apfs/aws/write_xml.h"
#include "s3apfs/base/crc.h"
#include "s3apfs/base/digest.h"
#include "s3apfs/base/text.h"

int s3_change_delete(struct s3_client *c, const char *key, const char *etag, struct s3_try *t) {
  const struct store_condition cond = {.what = etag != NULL ? STORE_IF_MATCH : STORE_IF_ANY,
                                       .etag = etag};
  struct s3_op op = {.method = "DELETE", .key = key};
  struct kvlist headers;
  int rc;

  kvlist_init(&headers);
  rc = s3_condition_headers(&cond, &headers);
  op.headers = &headers;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, NULL, NULL);
  kvlist_fini(&headers);
  return rc;
}

/* S3 demands a checksum here; servers that know no CRC64NVME take the MD5. */
static int body_headers(const struct buf *xml, struct kvlist *headers) {
  uint8_t md5[16];
  struct buf text;
  struct checksum sum;
  int rc;

  checksum_from_crc64nvme(crc64nvme(0, buf_cstr(xml), xml->len), &sum);
  rc = s3_sum_header(&sum, headers);
  if (rc != 0 || digest_once(DIGEST_MD5, buf_cstr(xml), xml->len, md5) != 0)
    return rc;
  buf_init(&text, 0);
  text_base64(&text, md5, sizeof(md5));
  rc = kvlist_add(headers, "Content-MD5", buf_cstr(&text));
  buf_fini(&text);
  return rc == 0 ? kvlist_add(headers, "Content-Type", "application/xml") : rc;
}

struct verdicts {
  struct store_doomed *const *items;
  size_t count;
  size_t at; /* errors come in the order asked */
};

static int error_of(const char *code) {
  enum s3_error_class class;
  int err;

  s3_error_classify(400, code, &class, &err);
  return err;
}

static void on_failed(void *arg, const char *key, const char *code, const char *message) {
  struct verdicts *v = arg;

  (void)message;
  for (size_t n = 0; n < v->count; n++) {
    struct store_doomed *d = v->items[(v->at + n) % v->count];

    if (strcmp(d->key, key) != 0)
      continue;
    d->err = error_of(code);
    v->at = (v->at + n + 1) % v->count;
    return;
  }
}

/* The reply of a DeleteObjects is taken apart into each ->err. */
static int send_deletion(struct s3_client *c, struct s3_op *op, struct verdicts *v,
                         struct s3_try *t) {
  struct http_reply reply;
  struct buf body;
  int rc = s3_change_do(c, op, t, &reply, &body);

  if (rc != 0)
    return rc;
  for (size_t i = 0; i < v->count; i++)
    v->items[i]->err = 0;
  rc = write_xml_delete_errors(buf_cstr(&body), body.len, on_failed, v);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc == -EBADMSG ? s3_change_malformed(t) : rc;
}

static int write_deletion(struct store_doomed *const *items, size_t count, struct buf *xml) {
  write_xml_delete_begin(xml);
  for (size_t i = 0; i < count; i++)
    write_xml_delete_key(xml, items[i]->key, items[i]->etag);
  write_xml_delete_end(xml);
  return buf_error(xml);
}

int s3_change_delete_many(struct s3_client *c, struct store_doomed *const *items, size_t count,
                          struct s3_try *t) {
  struct verdicts v = {.items = items, .count = count};
  struct kvlist query;
  struct kvlist headers;
  struct buf xml;
  struct s3_op op = {.method = "POST", .query = &query, .headers = &headers};
  int rc;

  kvlist_init(&query);
  kvlist_init(&headers);
  buf_init(&xml, 0);
  rc = write_deletion(items, count, &xml);
  if (rc == 0)
    rc = kvlist_add(&query, "delete", "");
  if (rc == 0)
    rc = body_headers(&xml, &headers);
  op.body = buf_cstr(&xml);
  op.body_len = xml.len;
  if (rc == 0)
    rc = send_deletion(c, &op, &v, t);
  for (size_t i = 0; rc != 0 && i < count; i++)
    items[i]->err = rc;
  buf_fini(&xml);
  kvlist_fini(&query);
  kvlist_fini(&headers);
  return rc;
}
