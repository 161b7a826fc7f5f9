/* Bytes on their way to S3: whole objects, and parts of uploads from memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "change.h"

/* Sends bytes with their checksum; on success the reply's headers are the caller's. */
static int send_bytes(struct s3_client *c, struct s3_op *op, const struct s3_bytes *bytes,
                      struct kvlist *headers, struct s3_try *t, struct http_reply *reply) {
  struct buf body;
  int rc = s3_sum_header(&bytes->sum, headers);

  op->method = "PUT";
  op->headers = headers;
  op->body = bytes->data;
  op->body_len = bytes->len;
  if (rc == 0)
    rc = s3_change_do(c, op, t, reply, &body);
  if (rc == 0)
    buf_fini(&body);
  return rc;
}

/* What was put is an object of that size now. */
static int send_object(struct s3_client *c, const char *key, const struct s3_bytes *bytes,
                       struct kvlist *headers, uint64_t size, struct store_attr *out,
                       struct s3_try *t) {
  struct s3_op op = {.key = key};
  struct store_attr attr = {.size = size};
  struct http_reply reply;
  const char *etag;
  int rc = send_bytes(c, &op, bytes, headers, t, &reply);

  if (rc != 0)
    return rc;
  etag = kvlist_get_ci(&reply.headers, "etag");
  attr.mtime = s3_reply_time(c, &reply);
  rc = etag != NULL && s3_etag_copy(etag, attr.etag) == 0 ? 0 : s3_change_malformed(t);
  kvlist_fini(&reply.headers);
  if (rc == 0)
    *out = attr;
  return rc;
}

int s3_change_put(struct s3_client *c, const char *key, const struct s3_bytes *bytes,
                  const struct store_dress *dress, const struct store_condition *cond,
                  struct store_attr *out, struct s3_try *t) {
  struct kvlist headers;
  int rc;

  kvlist_init(&headers);
  rc = s3_dress_headers(c, key, dress, &headers);
  if (rc == 0)
    rc = s3_condition_headers(cond, &headers);
  if (rc == 0)
    rc = send_object(c, key, bytes, &headers, bytes->len, out, t);
  kvlist_fini(&headers);
  return rc;
}

int s3_change_append(struct s3_client *c, const char *key, const struct s3_bytes *bytes,
                     uint64_t offset, const struct store_condition *cond, struct store_attr *out,
                     struct s3_try *t) {
  struct kvlist headers;
  int rc;

  kvlist_init(&headers);
  rc = kvlist_addf(&headers, "x-amz-write-offset-bytes", "%llu", (unsigned long long)offset);
  if (rc == 0)
    rc = s3_condition_headers(cond, &headers);
  if (rc == 0)
    rc = send_object(c, key, bytes, &headers, offset + bytes->len, out, t);
  kvlist_fini(&headers);
  return rc;
}

static int part_query(const char *upload, unsigned number, struct kvlist *query) {
  int rc = kvlist_addf(query, "partNumber", "%u", number);

  return rc == 0 ? kvlist_add(query, "uploadId", upload) : rc;
}

int s3_change_put_part(struct s3_client *c, const char *key, const char *upload, unsigned number,
                       const struct s3_bytes *bytes, struct store_part *out, struct s3_try *t) {
  struct store_part part = {
      .number = number, .size = bytes->len, .crc64nvme = bytes->crc64nvme, .has_crc64nvme = true};
  struct s3_op op = {.key = key};
  struct http_reply reply;
  struct kvlist query;
  struct kvlist headers;
  const char *etag;
  int rc;

  s3_sum_text(&bytes->sum, part.sum);
  kvlist_init(&query);
  kvlist_init(&headers);
  rc = part_query(upload, number, &query);
  op.query = &query;
  if (rc == 0)
    rc = send_bytes(c, &op, bytes, &headers, t, &reply);
  kvlist_fini(&query);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  etag = kvlist_get_ci(&reply.headers, "etag");
  rc = etag != NULL && s3_etag_copy(etag, part.etag) == 0 ? 0 : s3_change_malformed(t);
  kvlist_fini(&reply.headers);
  if (rc == 0)
    *out = part;
  return rc;
}
