/* Multipart uploads but for the bytes: begin, complete, abort. */
#include <errno.h>
#include <string.h>

#include "change.h"
#include "s3apfs/aws/write_xml.h"

#define COMPLETE_SILENCE_MS 120000 /* joining thousands of parts takes its time */

static int create_headers(const struct s3_client *c, const char *key,
                          const struct store_dress *dress, struct kvlist *headers) {
  int rc = s3_dress_headers(c, key, dress, headers);

  if (rc == 0)
    rc = kvlist_add(headers, "x-amz-checksum-algorithm", "CRC64NVME");
  return rc == 0 ? kvlist_add(headers, "x-amz-checksum-type", "FULL_OBJECT") : rc;
}

int s3_change_create_upload(struct s3_client *c, const char *key, const struct store_dress *dress,
                            char **upload, struct s3_try *t) {
  struct s3_op op = {.method = "POST", .key = key};
  struct http_reply reply;
  struct kvlist query;
  struct kvlist headers;
  struct buf body;
  int rc;

  kvlist_init(&query);
  kvlist_init(&headers);
  rc = kvlist_add(&query, "uploads", "");
  if (rc == 0)
    rc = create_headers(c, key, dress, &headers);
  op.query = &query;
  op.headers = &headers;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, &reply, &body);
  kvlist_fini(&query);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  rc = write_xml_upload_id(buf_cstr(&body), body.len, upload);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc == -EBADMSG ? s3_change_malformed(t) : rc;
}

static int complete_body(const struct s3_completion *w, struct buf *out) {
  write_xml_complete_begin(out);
  for (size_t i = 0; i < w->count; i++) {
    const struct store_part *p = &w->parts[i];

    write_xml_complete_part(out, p->number, p->etag, p->has_crc64nvme ? &p->crc64nvme : NULL);
  }
  write_xml_complete_end(out);
  return buf_error(out);
}

static int complete_headers(const struct s3_completion *w, const struct store_condition *cond,
                            struct kvlist *headers) {
  int rc = s3_condition_headers(cond, headers);

  if (rc == 0)
    rc = kvlist_addf(headers, "x-amz-mp-object-size", "%llu", (unsigned long long)w->size);
  if (rc == 0 && w->has_crc64nvme) {
    rc = s3_crc_header(w->crc64nvme, headers);
    if (rc == 0)
      rc = kvlist_add(headers, "x-amz-checksum-type", "FULL_OBJECT");
  }
  return rc;
}

static int take_completed(struct s3_client *c, const struct s3_completion *w,
                          const struct http_reply *reply, const struct buf *body,
                          struct store_attr *out, struct s3_try *t) {
  struct store_attr attr = {.size = w->size, .mtime = s3_reply_time(c, reply)};
  struct write_result r;
  int rc = write_xml_result(buf_cstr(body), body->len, "CompleteMultipartUploadResult", &r);

  if (rc != 0)
    return rc == -EBADMSG ? s3_change_malformed(t) : rc;
  if (s3_etag_copy(r.etag, attr.etag) != 0) {
    rc = s3_change_malformed(t);
  } else if (r.has_crc64nvme && w->has_crc64nvme && r.crc64nvme != w->crc64nvme) {
    s3_error_from_local(&t->error, -EIO, "BadDigest", "the object has another checksum than sent");
    rc = -EIO;
  } else {
    *out = attr;
  }
  write_result_fini(&r);
  return rc;
}

int s3_change_complete(struct s3_client *c, const char *key, const struct s3_completion *w,
                       const struct store_condition *cond, struct store_attr *out,
                       struct s3_try *t) {
  struct s3_op op = {.method = "POST", .key = key, .silence_ms = COMPLETE_SILENCE_MS};
  struct http_reply reply;
  struct kvlist query;
  struct kvlist headers;
  struct buf xml;
  struct buf body;
  int rc;

  kvlist_init(&query);
  kvlist_init(&headers);
  buf_init(&xml, 0);
  rc = kvlist_add(&query, "uploadId", w->upload);
  if (rc == 0)
    rc = complete_headers(w, cond, &headers);
  if (rc == 0)
    rc = complete_body(w, &xml);
  op.query = &query;
  op.headers = &headers;
  op.body = buf_cstr(&xml);
  op.body_len = xml.len;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, &reply, &body);
  buf_fini(&xml);
  kvlist_fini(&query);
  kvlist_fini(&headers);
  if (rc != 0)
    return rc;
  rc = take_completed(c, w, &reply, &body, out, t);
  kvlist_fini(&reply.headers);
  buf_fini(&body);
  return rc;
}

int s3_change_abort(struct s3_client *c, const char *key, const char *upload, struct s3_try *t) {
  struct s3_op op = {.method = "DELETE", .key = key};
  struct kvlist query;
  int rc;

  kvlist_init(&query);
  rc = kvlist_add(&query, "uploadId", upload);
  op.query = &query;
  if (rc == 0)
    rc = s3_change_do(c, &op, t, NULL, NULL);
  kvlist_fini(&query);
  return rc;
}
